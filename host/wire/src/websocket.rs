//! The WebSocket as this protocol uses it (RFC 6455, the server's side): one frame in each binary message.
//!
//! [`Reader`] is [`frame::Reader`] with the envelope taken off, and like it does no I/O. A client may send a message in
//! any number of fragments; their payload goes straight into the frame's own buffer and is unmasked there.
//!
//! Decision: this is ours rather than a library's. What is needed of the RFC fits one page and has not changed since
//! 2011, while libraries fix one size limit for the connection's life (ours is raised by `hello`, and holds before a
//! byte is allocated), hide whether a message has begun (ours may not stop in the middle of one), and copy 64 MiB
//! pictures twice. Extensions and subprotocols are not offered, so that no client may use them.
//!
//! A message "of frames" would be ambiguous here: *message* is the WebSocket's, *fragment* what RFC 6455 calls a
//! frame, and *frame* this protocol's, always.

use crate::frame::{self, BadLength, Frame};
use std::fmt;

/// Why a connection is closed: the status code of the WebSocket's closing fragment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u16)]
pub enum Close {
    /// The client wanted it so.
    Normal = 1000,
    /// The daemon ends.
    Away = 1001,
    /// What was sent breaks RFC 6455, or is not exactly one frame of JSON-RPC.
    Broken = 1002,
    /// A text message; only binary ones carry frames.
    Text = 1003,
    /// Refused before or by `hello`.
    Refused = 1008,
    /// Longer than is allowed at this moment.
    TooBig = 1009,
}

/// Nothing after this can be trusted: the connection must end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// What the client is told in the closing fragment.
    pub close: Close,
    /// What is wrong, one sentence.
    pub sentence: String,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.sentence)
    }
}

impl std::error::Error for Broken {}

impl From<BadLength> for Broken {
    fn from(bad: BadLength) -> Self {
        let too_big = matches!(bad, BadLength::Total { total, max } if total > max);
        Self { close: if too_big { Close::TooBig } else { Close::Broken }, sentence: bad.to_string() }
    }
}

fn broken(sentence: &str) -> Broken {
    Broken { close: Close::Broken, sentence: sentence.to_owned() }
}

/// What the bytes that arrived have completed.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Heard<'a> {
    /// Nothing yet, or nothing that concerns anyone.
    Nothing,
    /// A frame.
    Frame(Frame<'a>),
    /// A ping, to be answered by [`pong`] with the same bytes.
    Ping(&'a [u8]),
    /// The client closes the connection and sends nothing more.
    Closed,
}

/// Longest head of a fragment: two bytes, eight of length, four of mask.
const MAX_HEAD: usize = 14;
/// Longest payload of a control fragment.
const MAX_CONTROL: usize = 125;

const CONTINUATION: u8 = 0x0;
const TEXT: u8 = 0x1;
const BINARY: u8 = 0x2;
const CLOSE: u8 = 0x8;
const PING: u8 = 0x9;
const PONG: u8 = 0xa;

/// Turns a client's bytes into frames. Use as [`frame::Reader`].
#[derive(Debug)]
pub struct Reader {
    frame: frame::Reader,
    max: u32,
    head: [u8; MAX_HEAD],
    /// Bytes of the present fragment's head that have arrived.
    got: usize,
    control: [u8; MAX_CONTROL],
    /// The fragment whose payload arrives; `None` while its head does.
    fragment: Option<Fragment>,
    /// The message that has begun and is not complete.
    message: Option<Message>,
}

#[derive(Clone, Copy, Debug)]
struct Fragment {
    opcode: u8,
    fin: bool,
    mask: [u8; 4],
    len: usize,
    done: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Message {
    /// Bytes its fragments have announced.
    len: u64,
    /// Its frame was complete; what follows may only be empty.
    heard: bool,
}

impl Reader {
    /// A reader that refuses frames with `total` above `max` bytes.
    pub fn new(max: u32) -> Self {
        Self {
            frame: frame::Reader::new(max),
            max,
            head: [0; MAX_HEAD],
            got: 0,
            control: [0; MAX_CONTROL],
            fragment: None,
            message: None,
        }
    }

    /// Changes the limit, from the next message on.
    pub fn set_max(&mut self, max: u32) {
        self.max = max;
        self.frame.set_max(max);
    }

    /// True if something has begun and is not complete.
    pub fn is_mid_frame(&self) -> bool {
        self.got > 0 || self.message.is_some()
    }

    /// Where the next bytes belong. Never empty, and never longer than what is left of the current part.
    pub fn space(&mut self) -> &mut [u8] {
        let head = self.got..head_len(&self.head, self.got);
        match self.fragment {
            None => &mut self.head[head],
            Some(Fragment { opcode, len, done, .. }) if is_control(opcode) => &mut self.control[done..len],
            Some(Fragment { len, done, .. }) => {
                let space = self.frame.space();
                let n = space.len().min(len - done);
                &mut space[..n]
            }
        }
    }

    /// `n` bytes have been written to the start of [`Reader::space`].
    pub fn advance(&mut self, n: usize) -> Result<Heard<'_>, Broken> {
        let Some(mut fragment) = self.fragment else {
            self.got += n;
            if self.got < head_len(&self.head, self.got) {
                return Ok(Heard::Nothing);
            }
            let fragment = self.begin()?;
            self.fragment = Some(fragment);
            // What has no payload is complete with its head.
            return if fragment.len == 0 { self.payload(fragment, 0) } else { Ok(Heard::Nothing) };
        };
        let at = fragment.done;
        fragment.done += n;
        self.fragment = Some(fragment);
        self.payload(fragment, at)
    }

    /// The head is complete: may this fragment come now, and how long may it be?
    fn begin(&mut self) -> Result<Fragment, Broken> {
        let [first, second, ..] = self.head;
        let (fin, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 {
            return Err(broken("A fragment uses an extension of the WebSocket that was not agreed on."));
        }
        if second & 0x80 == 0 {
            return Err(broken("A client must mask what it sends on a WebSocket."));
        }
        let number = |bytes: &[u8]| bytes.iter().fold(0, |n, &byte| n << 8 | u64::from(byte));
        let len = match second & 0x7f {
            126 => number(&self.head[2..4]),
            127 => number(&self.head[2..10]),
            short => u64::from(short),
        };
        if is_control(opcode) {
            if !matches!(opcode, CLOSE | PING | PONG) || !fin || len > MAX_CONTROL as u64 {
                return Err(broken("A control fragment of the WebSocket is unknown, too long or in pieces."));
            }
        } else {
            self.extend(opcode, len)?;
        }
        let mut mask = [0; 4];
        mask.copy_from_slice(&self.head[self.got - 4..self.got]);
        // At most `max` and its prefix, or 125.
        Ok(Fragment { opcode, fin, mask, len: len as usize, done: 0 })
    }

    /// A fragment of a message announces `len` bytes.
    fn extend(&mut self, opcode: u8, len: u64) -> Result<(), Broken> {
        let mut message = match (opcode, self.message) {
            (BINARY, None) => Message::default(),
            (CONTINUATION, Some(message)) => message,
            (TEXT, None) => {
                let sentence = "Text was sent; frames travel in binary messages alone.".to_owned();
                return Err(Broken { close: Close::Text, sentence });
            }
            (BINARY | TEXT, Some(_)) => return Err(broken("A message begins before the one before it has ended.")),
            (CONTINUATION, None) => return Err(broken("A message goes on that has not begun.")),
            _ => return Err(broken("A fragment of the WebSocket is of an unknown kind.")),
        };
        message.len = message.len.saturating_add(len);
        let most = u64::from(self.max) + 4;
        if message.len > most {
            let sentence = format!("A message has {} bytes; {most} are allowed here.", message.len);
            return Err(Broken { close: Close::TooBig, sentence });
        }
        if message.heard && len > 0 {
            return Err(broken(ONE_FRAME));
        }
        self.message = Some(message);
        Ok(())
    }

    /// The payload of `fragment` has arrived from `at` to `fragment.done`.
    fn payload(&mut self, fragment: Fragment, at: usize) -> Result<Heard<'_>, Broken> {
        let Fragment { opcode, fin, mask, len, done } = fragment;
        let complete = done == len;
        if complete {
            self.fragment = None;
            self.got = 0;
        }
        if is_control(opcode) {
            if !complete {
                return Ok(Heard::Nothing);
            }
            let payload = &mut self.control[..len];
            unmask(payload, mask, 0);
            return Ok(match opcode {
                CLOSE => Heard::Closed,
                PING => Heard::Ping(payload),
                _ => Heard::Nothing,
            });
        }
        let whole = complete && fin;
        let heard = self.message.is_some_and(|message| message.heard);
        self.message = self.message.filter(|_| !whole);
        if done == at {
            // An empty fragment; the last one of a message may be.
            return if whole && !heard { Err(broken(ONE_FRAME)) } else { Ok(Heard::Nothing) };
        }
        unmask(&mut self.frame.space()[..done - at], mask, at);
        match self.frame.advance(done - at)? {
            // More of the message: it holds a frame and something besides.
            Some(_) if !complete => Err(broken(ONE_FRAME)),
            Some(frame) => {
                if let Some(message) = &mut self.message {
                    message.heard = true;
                }
                Ok(Heard::Frame(frame))
            }
            None if whole => Err(broken(ONE_FRAME)),
            None => Ok(Heard::Nothing),
        }
    }
}

const ONE_FRAME: &str = "A message must be exactly one frame, both of its lengths included.";

fn is_control(opcode: u8) -> bool {
    opcode & 0x8 != 0
}

/// Bytes of a fragment's head, as far as the first `got` of them tell.
fn head_len(head: &[u8; MAX_HEAD], got: usize) -> usize {
    if got < 2 {
        return 2;
    }
    let length = match head[1] & 0x7f {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    // One without a mask is refused, but not for being shorter.
    2 + length + 4
}

/// Takes the mask off `bytes`, which lie `at` bytes into the fragment.
fn unmask(bytes: &mut [u8], mask: [u8; 4], at: usize) {
    let turned: [u8; 16] = std::array::from_fn(|i| mask[(at + i) % 4]);
    let (words, rest) = bytes.as_chunks_mut::<16>();
    for word in words {
        *word = (u128::from_ne_bytes(*word) ^ u128::from_ne_bytes(turned)).to_ne_bytes();
    }
    for (byte, mask) in rest.iter_mut().zip(turned) {
        *byte ^= mask;
    }
}

/// What goes before a frame of `len` bytes to make it a message of the daemon's.
pub fn head(len: usize) -> Vec<u8> {
    fragment(BINARY, len)
}

/// The answer to a ping.
pub fn pong(payload: &[u8]) -> Vec<u8> {
    [&fragment(PONG, payload.len()), payload].concat()
}

/// The last the daemon sends.
pub fn close(close: Close) -> Vec<u8> {
    [fragment(CLOSE, 2).as_slice(), &(close as u16).to_be_bytes()].concat()
}

fn fragment(opcode: u8, len: usize) -> Vec<u8> {
    let first = 0x80 | opcode;
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(len @ ..=125), _) => vec![first, len],
        (_, Ok(len)) => [&[first, 126], &len.to_be_bytes()[..]].concat(),
        _ => [&[first, 127], &(len as u64).to_be_bytes()[..]].concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's fragment: its first byte and what it carries, masked.
    fn sent(first: u8, payload: &[u8]) -> Vec<u8> {
        let mask = [0x37, 0xfa, 0x21, 0x3d];
        let mut bytes = fragment(first & 0x0f, payload.len());
        (bytes[0], bytes[1]) = (first, bytes[1] | 0x80);
        bytes.extend(mask);
        bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
        bytes
    }

    /// What a reader makes of `bytes` when at most `at_most` come at a time, in short.
    fn read(bytes: &[u8], at_most: usize) -> Result<Vec<String>, (Close, String)> {
        let (mut reader, mut rest, mut heard) = (Reader::new(1000), bytes, Vec::new());
        while !rest.is_empty() {
            let space = reader.space();
            assert!(!space.is_empty());
            let n = space.len().min(at_most).min(rest.len());
            space[..n].copy_from_slice(&rest[..n]);
            rest = &rest[n..];
            match reader.advance(n).map_err(|b| (b.close, b.sentence))? {
                Heard::Nothing => {}
                Heard::Frame(f) => {
                    heard.push(format!("{} {}", String::from_utf8_lossy(f.header), String::from_utf8_lossy(f.tail)));
                }
                Heard::Ping(bytes) => heard.push(format!("ping {}", String::from_utf8_lossy(bytes))),
                Heard::Closed => heard.push("closed".into()),
            }
        }
        if reader.is_mid_frame() {
            heard.push("…".into());
        }
        Ok(heard)
    }

    #[test]
    fn messages_are_frames_however_they_are_cut() {
        let tail = "0123456789".repeat(30);
        let long = frame::encode(b"{}", tail.as_bytes());
        let short = frame::encode(b"{}", b"");
        let pieces = |at: &[usize]| {
            let ends = at.iter().copied().chain([long.len()]);
            let starts = [0].into_iter().chain(at.iter().copied());
            let cut: Vec<_> = starts.zip(ends).map(|(from, to)| &long[from..to]).collect();
            let last = cut.len() - 1;
            let first = |i: usize| if i == last { 0x80 } else { 0 } | if i == 0 { BINARY } else { CONTINUATION };
            cut.iter().enumerate().map(|(i, piece)| sent(first(i), piece)).collect::<Vec<_>>()
        };
        let expected = format!("{{}} {tail}");
        let end = long.len();
        for cuts in [&[][..], &[1], &[3, 5], &[8], &[9, 10, 11], &[100, 227], &[0, 0, 4], &[end], &[end, end]] {
            for between in [&[][..], &sent(0x80 | PING, b"hi"), &sent(0x80 | PONG, b"")] {
                let pings = between.first() == Some(&(0x80 | PING));
                let stream = pieces(cuts).join(between);
                let stream = [stream, sent(0x82, &short)].concat();
                for at_most in [usize::MAX, 1, 5, 64] {
                    let mut heard = read(&stream, at_most).unwrap();
                    let all = heard.len();
                    heard.retain(|h| h != "ping hi");
                    assert_eq!(heard, [expected.as_str(), "{} "], "{cuts:?} {at_most}");
                    assert_eq!(all - 2, if pings { cuts.len() } else { 0 });
                }
            }
        }
        assert_eq!(read(&sent(0x88, &[3, 232]), 1).unwrap(), ["closed"]);
        assert_eq!(read(&sent(0x88, b""), 9).unwrap(), ["closed"]);
        assert_eq!(read(&sent(0x82, &long)[..20], 9).unwrap(), ["…"]);
        assert_eq!(read(&sent(0x02, &short), 9).unwrap(), ["{} ", "…"]);
    }

    #[test]
    fn what_breaks_the_rules_says_how_to_close() {
        let short = frame::encode(b"{}", b"");
        let bare = |len: &[u8]| [&[0x82], len, &[0; 4]].concat();
        let mut unmasked = sent(0x82, &short);
        unmasked[1] &= 0x7f;
        let rows: &[(&str, Vec<u8>, Close)] = &[
            ("text", sent(0x81, b"{}"), Close::Text),
            ("no mask", unmasked, Close::Broken),
            ("compressed", sent(0xc2, &short), Close::Broken),
            ("unknown kind", sent(0x83, &short), Close::Broken),
            ("unknown control", sent(0x8b, b""), Close::Broken),
            ("ping in pieces", sent(0x09, b""), Close::Broken),
            ("long ping", sent(0x89, &[0; 126]), Close::Broken),
            ("continuation of nothing", sent(0x80, &short), Close::Broken),
            ("two at once", [sent(0x02, b""), sent(0x82, &short)].concat(), Close::Broken),
            ("empty", sent(0x82, b""), Close::Broken),
            ("half a frame", sent(0x82, &short[..9]), Close::Broken),
            ("half a frame, two fragments", [sent(0x02, &short[..9]), sent(0x80, b"")].concat(), Close::Broken),
            ("a frame and a byte", sent(0x82, &[&short[..], b"x"].concat()), Close::Broken),
            ("a frame, then a byte", [sent(0x02, &short), sent(0x80, b"x")].concat(), Close::Broken),
            ("two frames", sent(0x82, &[&short[..], &short].concat()), Close::Broken),
            ("short length", sent(0x82, &[5, 0, 0, 0, 2, 0, 0, 0, b'{', b'}']), Close::Broken),
            ("long length", sent(0x82, &[0xff, 0xff, 0, 0, 2, 0, 0, 0, b'{', b'}']), Close::TooBig),
            ("long message", bare(&[0xfe, 3, 237]), Close::TooBig),
            ("endless message", bare(&[0xff; 9]), Close::TooBig),
            ("long in pieces", [sent(0x02, &short), sent(0x00, &[0; 995])].concat(), Close::TooBig),
        ];
        for (name, bytes, close) in rows {
            for at_most in [usize::MAX, 1, 3] {
                assert_eq!(read(bytes, at_most).map_err(|(close, _)| close), Err(*close), "{name}");
            }
        }
        // The longest that is allowed.
        let tail = "x".repeat(994);
        assert_eq!(read(&sent(0x82, &frame::encode(b"{}", tail.as_bytes())), 999).unwrap(), [format!("{{}} {tail}")]);
    }

    /// A client that announces a long message and sends nothing costs nothing.
    #[test]
    fn the_limit_is_raised_between_messages() {
        let announced = sent(0x82, &frame::encode(b"{}", &[0; 2000]));
        let mut reader = Reader::new(1000);
        for max in [1000, 4000] {
            reader.set_max(max);
            let n = reader.space().len();
            reader.space().copy_from_slice(&announced[..n]);
            assert_eq!(reader.advance(n), Ok(Heard::Nothing));
            let m = reader.space().len();
            reader.space().copy_from_slice(&announced[n..n + m]);
            let begun = reader.advance(m).map_err(|b| b.close);
            assert_eq!(begun, if max == 1000 { Err(Close::TooBig) } else { Ok(Heard::Nothing) });
            reader = Reader::new(1000);
        }
    }

    #[test]
    fn lengths_of_every_size() {
        for (len, head) in [
            (0, &[0x82, 0][..]),
            (125, &[0x82, 125]),
            (126, &[0x82, 126, 0, 126]),
            (65535, &[0x82, 126, 255, 255]),
            (65536, &[0x82, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
        ] {
            assert_eq!(super::head(len), head);
        }
        assert_eq!(close(Close::Refused), [0x88, 2, 3, 240]);
        assert_eq!(pong(b"hi"), [0x8a, 2, b'h', b'i']);
    }
}
