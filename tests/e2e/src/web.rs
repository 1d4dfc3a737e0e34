//! A WebSocket by tungstenite, so that the daemon's own reading of RFC 6455 meets another's; and raw requests.

use crate::daemon::{HANG, Stream};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use std::io::{self, Read, Write};
use std::net::TcpStream;
use tungstenite::{Error, Message, WebSocket};

/// What a browser or an editor would send to port `port`, `more` headers besides, up to the empty line.
pub fn upgrade(port: u16, more: &str) -> String {
    request("GET /ws", &format!("Host: 127.0.0.1:{port}\r\n{UPGRADE}{more}"))
}

/// A request with these headers and no body.
pub fn request(method_and_path: &str, headers: &str) -> String {
    format!("{method_and_path} HTTP/1.1\r\n{headers}\r\n")
}

/// The headers of every upgrade.
pub const UPGRADE: &str = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// A client's nonce that is as good as any other where nobody is to be fooled.
pub const NONCE: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// What `side` (`server` or `client`) proves itself with, as the protocol has it.
pub fn proof(token: &str, side: &str, port: u16, client: &str, server: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).expect("any length is fine");
    mac.update(format!("underpaint {side} {port} {client} {server}").as_bytes());
    mac.finalize().into_bytes().iter().map(|b| format!("{b:02x}")).collect()
}

/// A connection to `port`.
pub fn tcp(port: u16) -> TcpStream {
    let stream = TcpStream::connect(("127.0.0.1", port)).expect("a connection");
    stream.set_read_timeout(Some(HANG)).expect("a timeout");
    stream.set_nodelay(true).expect("no delay");
    stream
}

/// Sends these bytes to `port` and reads the head of the answer: status and text; 0 if there was none.
pub fn raw(port: u16, bytes: &[u8]) -> (u16, String) {
    let mut stream = tcp(port);
    // A daemon that refuses early may close before everything was sent.
    let _ = stream.write_all(bytes);
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte).is_ok_and(|n| n == 1) {
        head.push(byte[0]);
    }
    let head = String::from_utf8_lossy(&head).to_ascii_lowercase();
    (head.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or(0), head)
}

/// An open WebSocket. One `write` is one binary message; reading gives the messages' bytes one after the other.
pub struct Web {
    /// For those who send nonsense.
    pub socket: WebSocket<TcpStream>,
    message: Vec<u8>,
    at: usize,
    closed: Option<u16>,
}

impl Web {
    /// Connects to `port`.
    pub fn connect(port: u16) -> Web {
        let (socket, _) =
            tungstenite::client(format!("ws://127.0.0.1:{port}/ws"), tcp(port)).expect("a WebSocket is agreed on");
        Web { socket, message: Vec::new(), at: 0, closed: None }
    }

    /// Sends any message.
    pub fn send(&mut self, message: Message) {
        self.socket.send(message).expect("the daemon reads");
    }

    /// The code the daemon closes with, whatever it says before.
    pub fn close_code(&mut self) -> Option<u16> {
        while self.read(&mut [0; 4096]).expect("the daemon says how it closes") > 0 {}
        self.closed
    }
}

impl Stream for Web {
    fn closed(&self) -> Option<u16> {
        self.closed
    }
}

impl Read for Web {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.at == self.message.len() {
            match self.socket.read() {
                Ok(Message::Binary(bytes)) => (self.message, self.at) = (bytes.to_vec(), 0),
                Ok(Message::Close(frame)) => self.closed = frame.map(|frame| frame.code.into()),
                Ok(_) => {}
                Err(Error::ConnectionClosed | Error::AlreadyClosed) => return Ok(0),
                Err(Error::Io(error)) => return Err(error),
                Err(error) => return Err(io::Error::other(error)),
            }
        }
        let n = into.len().min(self.message.len() - self.at);
        into[..n].copy_from_slice(&self.message[self.at..self.at + n]);
        self.at += n;
        Ok(n)
    }
}

impl Write for Web {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match self.socket.send(Message::binary(bytes.to_vec())) {
            Ok(()) => Ok(bytes.len()),
            Err(Error::Io(error)) => Err(error),
            Err(error) => Err(io::Error::other(error)),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
