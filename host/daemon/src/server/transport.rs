//! The local socket and the WebSocket: what a connection is made of, and what only one of them may.
//!
//! Decision: both are the same bytes in, the same bytes out, and one function serves them (`connection`). What differs
//! is here: whether a frame has an envelope, how a connection is closed, and who is at the other end. On the local
//! socket that is this user, as the system says; on the WebSocket it may be any page or program on the machine until
//! it has shown the token, and it never ends the daemon or hands out tokens.

use std::time::Instant;
use tokio::sync::OwnedSemaphorePermit;
use underpaint_wire::frame;
use underpaint_wire::websocket::{self, Broken, Close, Heard};

/// How a connection came in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// The Unix socket or the Windows pipe of this user.
    Local,
    /// A port on this machine.
    WebSocket,
}

/// A connection that has not said anything yet.
pub struct Link<R, W> {
    /// How it came in.
    pub transport: Transport,
    /// When; what comes before hello has to be done soon after.
    pub accepted: Instant,
    /// Its bytes.
    pub reads: R,
    /// Ours.
    pub writes: W,
    /// Its place among those that are not yet known, which it gives up with hello.
    pub stranger: Option<OwnedSemaphorePermit>,
}

impl Transport {
    /// Reads frames of at most `max` bytes.
    pub fn reader(self, max: u32) -> Reader {
        match self {
            Self::Local => Reader::Local(frame::Reader::new(max)),
            Self::WebSocket => Reader::WebSocket(websocket::Reader::new(max)),
        }
    }

    /// What is written before a frame of `len` bytes.
    pub fn head(self, len: usize) -> Vec<u8> {
        match self {
            Self::Local => Vec::new(),
            Self::WebSocket => websocket::head(len),
        }
    }

    /// What is written last.
    pub fn close(self, close: Close) -> Vec<u8> {
        match self {
            Self::Local => Vec::new(),
            Self::WebSocket => websocket::close(close),
        }
    }
}

/// Takes the frames out of a connection's bytes; use as [`frame::Reader`].
pub enum Reader {
    /// Frames follow each other.
    Local(frame::Reader),
    /// Each is a message.
    WebSocket(websocket::Reader),
}

impl Reader {
    /// Changes the limit, from the next frame on.
    pub fn set_max(&mut self, max: u32) {
        match self {
            Self::Local(reader) => reader.set_max(max),
            Self::WebSocket(reader) => reader.set_max(max),
        }
    }

    /// True if a frame has begun and is not complete.
    pub fn is_mid_frame(&self) -> bool {
        match self {
            Self::Local(reader) => reader.is_mid_frame(),
            Self::WebSocket(reader) => reader.is_mid_frame(),
        }
    }

    /// Where the next bytes belong.
    pub fn space(&mut self) -> &mut [u8] {
        match self {
            Self::Local(reader) => reader.space(),
            Self::WebSocket(reader) => reader.space(),
        }
    }

    /// `n` bytes have been written there.
    pub fn advance(&mut self, n: usize) -> Result<Heard<'_>, Broken> {
        match self {
            Self::Local(reader) => Ok(reader.advance(n)?.map_or(Heard::Nothing, Heard::Frame)),
            Self::WebSocket(reader) => reader.advance(n),
        }
    }
}
