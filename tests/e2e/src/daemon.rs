//! The real daemon in a home of its own, and a client that knows the protocol from PROTOCOL.md alone.
//!
//! The client shares no code with the product: it is a second reading of the text.

use crate::underpaint;
use crate::web::{self, Web};
use serde_json::{Value, json};
use std::collections::VecDeque;
use std::io::{self, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

/// Longer than anything here takes on a busy machine; only a hang meets it.
pub const HANG: Duration = Duration::from_secs(120);

/// Waits until `condition` gives something; panics with `what` if it never does.
pub fn wait_for<T>(what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(value) = condition() {
            return value;
        }
        assert!(start.elapsed() < HANG, "gave up waiting for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A running daemon; killed when dropped.
pub struct Daemon {
    /// Its home.
    pub home: PathBuf,
    child: Child,
    _temp: Option<tempfile::TempDir>,
}

impl Daemon {
    /// Starts one in a fresh home.
    pub fn start() -> Daemon {
        let temp = tempfile::tempdir().expect("a temporary folder");
        let mut daemon = Daemon::start_in(temp.path());
        daemon._temp = Some(temp);
        daemon
    }

    /// Starts one in `home` and waits until it has published its endpoint.
    pub fn start_in(home: &Path) -> Daemon {
        Daemon::started(home, spawn(home))
    }

    /// `child` is one that starts in `home`; waits until it has published its endpoint.
    pub fn started(home: &Path, child: Child) -> Daemon {
        let mut daemon = Daemon { home: home.to_owned(), child, _temp: None };
        let pid = daemon.child.id();
        wait_for("the daemon's endpoint", || {
            assert!(daemon.child.try_wait().expect("wait").is_none(), "the daemon ended instead of serving");
            endpoint(home).filter(|e| e["pid"] == pid)
        });
        daemon
    }

    /// What it published.
    pub fn endpoint(&self) -> Value {
        endpoint(&self.home).expect("endpoint.json")
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        PathBuf::from(self.endpoint()["socket"].as_str().expect("a socket"))
    }

    /// A new connection that has not said anything yet.
    pub fn stranger(&self) -> Client {
        Client::connect(&self.socket()).expect("a connection")
    }

    /// A new connection that has said hello.
    pub fn client(&self) -> Client {
        self.named_client("test")
    }

    /// A new connection that has said hello as `name`.
    pub fn named_client(&self, name: &str) -> Client {
        let mut client = self.stranger();
        client.call("hello", hello(name, None)).expect("a welcome");
        client
    }

    /// Where its WebSocket is.
    pub fn ws_port(&self) -> u16 {
        self.endpoint()["ws_port"].as_u64().and_then(|port| port.try_into().ok()).expect("a port")
    }

    /// What a client proves itself with.
    pub fn token(&self) -> String {
        std::fs::read_to_string(self.home.join("run/token")).expect("the token")
    }

    /// A new WebSocket that has not said anything yet.
    pub fn web_stranger(&self) -> Client {
        Client::over(Web::connect(self.ws_port()))
    }

    /// A new WebSocket that has said hello.
    pub fn web_client(&self) -> Client {
        let mut client = self.web_stranger();
        let hello = self.proven_hello(&mut client);
        client.call("hello", hello).expect("a welcome");
        client
    }

    /// Has the daemon prove itself to `client`, which has not said hello, and gives the params of the `hello` that proves it
    /// in turn.
    pub fn proven_hello(&self, client: &mut Client) -> Value {
        let challenged = client.call("challenge", json!({"nonce": web::NONCE})).expect("an answer");
        let nonce = challenged["nonce"].as_str().expect("a nonce");
        let proof = |side| web::proof(&self.token(), side, self.ws_port(), web::NONCE, nonce);
        assert_eq!(challenged["proof"], proof("server"), "this is not our daemon");
        let mut hello = hello("web", None);
        hello["proof"] = json!(proof("client"));
        hello
    }

    /// `kill -9`.
    pub fn kill(mut self) -> PathBuf {
        self.child.kill().expect("kill");
        self.child.wait().expect("wait");
        self.home.clone()
    }

    /// Waits for it to end by itself.
    pub fn wait(mut self) -> ExitStatus {
        self.child.wait().expect("wait")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Params of `hello`.
pub fn hello(name: &str, token: Option<&str>) -> Value {
    let mut hello =
        json!({"protocol": {"min": 1, "max": 1}, "client": {"name": name, "version": "1"}, "caps": ["preview"]});
    if let Some(token) = token {
        hello["token"] = json!(token);
    }
    hello
}

/// `underpaint serve` in `home`, not waited for.
pub fn spawn(home: &Path) -> Child {
    let mut command = underpaint(home);
    command.arg("serve");
    background(&mut command)
}

/// Starts `command`, whose stderr may be read.
pub fn background(command: &mut Command) -> Child {
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped()).spawn().expect("the daemon starts")
}

/// What the daemon of `home` published, if anything.
pub fn endpoint(home: &Path) -> Option<Value> {
    serde_json::from_slice(&std::fs::read(home.join("run/endpoint.json")).ok()?).ok()
}

/// What a child wrote to stderr and how it ended.
pub fn outcome(mut child: Child) -> (ExitStatus, String) {
    let mut text = String::new();
    child.stderr.take().expect("stderr is piped").read_to_string(&mut text).expect("UTF-8");
    (child.wait().expect("wait"), text)
}

/// A header and its tail.
pub type Message = (Value, Vec<u8>);

/// What carries frames: each whole `write` is one.
pub trait Stream: Read + Write {
    /// How the daemon closed it, where it says so.
    fn closed(&self) -> Option<u16> {
        None
    }
}

impl Stream for UnixStream {}

/// One connection.
pub struct Client {
    /// The connection itself, for those who send nonsense.
    pub stream: Box<dyn Stream>,
    /// Messages that came while waiting for others, oldest first.
    pub heard: VecDeque<Message>,
    next_id: u64,
}

impl Client {
    /// Connects to a socket.
    pub fn connect(path: &Path) -> io::Result<Client> {
        let stream = UnixStream::connect(path)?;
        stream.set_read_timeout(Some(HANG))?;
        Ok(Client::over(stream))
    }

    /// A client of what is at the other end of `stream`.
    pub fn over(stream: impl Stream + 'static) -> Client {
        Client { stream: Box::new(stream), heard: VecDeque::new(), next_id: 0 }
    }

    /// Sends one message.
    pub fn send(&mut self, header: &Value, tail: &[u8]) {
        let header = header.to_string();
        let mut frame = Vec::new();
        frame.extend(((4 + header.len() + tail.len()) as u32).to_le_bytes());
        frame.extend((header.len() as u32).to_le_bytes());
        frame.extend(header.as_bytes());
        frame.extend(tail);
        self.stream.write_all(&frame).expect("the daemon reads");
    }

    /// Sends a request; gives its id.
    pub fn request(&mut self, method: &str, params: Value) -> u64 {
        self.next_id += 1;
        self.send(&json!({"jsonrpc": "2.0", "id": self.next_id, "method": method, "params": params}), &[]);
        self.next_id
    }

    /// Sends a notification.
    pub fn notify(&mut self, method: &str, params: Value, tail: &[u8]) {
        self.send(&json!({"jsonrpc": "2.0", "method": method, "params": params}), tail);
    }

    /// The next message from the wire, `None` when the daemon has closed the connection.
    pub fn read(&mut self) -> Option<Message> {
        let mut prefix = [0; 8];
        match self.stream.read_exact(&mut prefix) {
            Ok(()) => {}
            Err(e) if matches!(e.kind(), io::ErrorKind::UnexpectedEof | io::ErrorKind::ConnectionReset) => return None,
            Err(e) => panic!("reading from the daemon: {e}"),
        }
        let [total, hlen] =
            [0, 4].map(|at| u32::from_le_bytes(prefix[at..at + 4].try_into().expect("4 bytes")) as usize);
        let mut body = vec![0; total - 4];
        self.stream.read_exact(&mut body).expect("a whole frame");
        let tail = body.split_off(hlen);
        Some((serde_json::from_slice(&body).expect("a JSON header"), tail))
    }

    /// The first message, heard or to come, that `wanted` accepts; the others stay in [`Client::heard`].
    pub fn expect(&mut self, what: &str, wanted: impl Fn(&Value) -> bool) -> Message {
        if let Some(at) = self.heard.iter().position(|(header, _)| wanted(header)) {
            return self.heard.remove(at).expect("just found");
        }
        loop {
            let message = self.read().unwrap_or_else(|| panic!("the daemon closed the connection before {what}"));
            if wanted(&message.0) {
                return message;
            }
            self.heard.push_back(message);
        }
    }

    /// The response to request `id`: its result, or its error object.
    pub fn answer(&mut self, id: u64) -> Result<Value, Value> {
        let (mut header, _) = self.expect("an answer", |header| header["id"] == id && header.get("method").is_none());
        match header.get_mut("error") {
            Some(error) => Err(error.take()),
            None => Ok(header["result"].take()),
        }
    }

    /// Sends a request and waits for its response.
    pub fn call(&mut self, method: &str, params: Value) -> Result<Value, Value> {
        let id = self.request(method, params);
        self.answer(id)
    }

    /// Waits until the job of request `id` is in `state`; gives the job's id.
    pub fn job(&mut self, id: u64, state: &str) -> String {
        let found = self.expect(&format!("job/state {state}"), |h| {
            h["method"] == "job/state" && h["params"]["id"] == id && h["params"]["state"] == state
        });
        found.0["params"]["job"].as_str().expect("a job's id").to_owned()
    }

    /// Puts a blob in one chunk or several.
    pub fn put(&mut self, blob: &str, bytes: &[u8]) {
        let chunks: Vec<&[u8]> = bytes.chunks(1 << 20).collect();
        for (i, chunk) in chunks.iter().enumerate() {
            let params = json!({"blob": blob, "size": bytes.len(), "chunk": i, "last": i + 1 == chunks.len()});
            self.notify("blob/put", params, chunk);
        }
    }

    /// Everything until the daemon closes the connection.
    pub fn rest(&mut self) -> Vec<Message> {
        let mut all: Vec<Message> = self.heard.drain(..).collect();
        all.extend(std::iter::from_fn(|| self.read()));
        all
    }

    /// The bytes of a blob the daemon has put, from what was heard.
    pub fn blob(&self, name: &str) -> Vec<u8> {
        let chunks = self.heard.iter().filter(|(h, _)| h["method"] == "blob/put" && h["params"]["blob"] == name);
        chunks.flat_map(|(_, tail)| tail.clone()).collect()
    }
}

/// `kind` of an error object.
pub fn kind(error: &Value) -> &str {
    error["data"]["kind"].as_str().unwrap_or("no kind")
}
