//! The byte layout of a message, the same on sockets, pipes and WebSockets.
//!
//! ```text
//! frame := u32le total      bytes after this field; 6 <= total <= max_frame_bytes
//!          u32le hlen       2 <= hlen <= 64 KiB and hlen <= total - 4
//!          hlen bytes       UTF-8 JSON, one JSON-RPC 2.0 object
//!          total-4-hlen     binary tail
//! ```
//! [`Reader`] does no I/O: it says where the next bytes go and, when told how many arrived, hands out the frame.
//! One buffer serves a connection for its whole life, and it is grown only after both lengths were checked.

use std::fmt;

/// Largest header in bytes.
pub const MAX_HEADER_BYTES: u32 = 64 << 10;
/// Largest `total` before `hello` was answered.
pub const MAX_FRAME_BYTES_BEFORE_HELLO: u32 = 64 << 10;
/// Largest `total` afterwards: 8 MiB of tail and a header.
pub const MAX_FRAME_BYTES: u32 = (8 << 20) + (64 << 10);

/// A complete frame, borrowed from the [`Reader`].
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Frame<'a> {
    /// The JSON header, not yet looked at.
    pub header: &'a [u8],
    /// The binary tail, empty for most messages.
    pub tail: &'a [u8],
}

/// A length that no honest peer sends. Nothing after it can be trusted: the connection must end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum BadLength {
    /// `total` outside 6..=`max`.
    Total {
        /// What was sent.
        total: u32,
        /// What is allowed at this moment.
        max: u32,
    },
    /// `hlen` outside 2..=64 KiB, or longer than the frame.
    Header {
        /// What was sent.
        hlen: u32,
        /// The frame it is in.
        total: u32,
    },
}

impl fmt::Display for BadLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Total { total, max } => {
                write!(f, "A frame says it has {total} bytes; 6 to {max} are allowed here.")
            }
            Self::Header { hlen, total } => {
                write!(
                    f,
                    "A frame of {total} bytes says its header has {hlen}; 2 to {} fit.",
                    (total - 4).min(MAX_HEADER_BYTES)
                )
            }
        }
    }
}

impl std::error::Error for BadLength {}

const PREFIX: usize = 8;

/// Turns bytes into frames. Use: read into [`Reader::space`], then call [`Reader::advance`].
#[derive(Debug)]
pub struct Reader {
    max: u32,
    prefix: [u8; PREFIX],
    /// Header and tail; only the first `need` bytes belong to the current frame.
    body: Vec<u8>,
    /// Bytes of the current frame that have arrived, prefix included.
    got: usize,
}

impl Reader {
    /// A reader that refuses frames with `total` above `max` bytes.
    pub fn new(max: u32) -> Self {
        Self { max, prefix: [0; PREFIX], body: Vec::new(), got: 0 }
    }

    /// Changes the limit, from the next frame on.
    pub fn set_max(&mut self, max: u32) {
        self.max = max;
    }

    /// True if a frame has begun and is not complete.
    pub fn is_mid_frame(&self) -> bool {
        self.got > 0
    }

    /// Where the next bytes belong. Never empty and never longer than what is left of the current part, so a
    /// plain `read` into it cannot take bytes of the next frame.
    pub fn space(&mut self) -> &mut [u8] {
        if self.got < PREFIX {
            return &mut self.prefix[self.got..];
        }
        let need = self.body_len();
        &mut self.body[self.got - PREFIX..need]
    }

    /// `n` bytes have been written to the start of [`Reader::space`]. Returns the frame if they completed it.
    pub fn advance(&mut self, n: usize) -> Result<Option<Frame<'_>>, BadLength> {
        let before = self.got;
        self.got += n;
        if before < 4 && self.got >= 4 {
            self.check_total()?;
        }
        if self.got < PREFIX {
            return Ok(None);
        }
        if before < PREFIX {
            self.check_header()?;
            let need = self.body_len();
            if self.body.len() < need {
                self.body.resize(need, 0);
            }
        }
        let need = self.body_len();
        if self.got < PREFIX + need {
            return Ok(None);
        }
        self.got = 0;
        let (header, tail) = self.body[..need].split_at(self.hlen() as usize);
        Ok(Some(Frame { header, tail }))
    }

    fn total(&self) -> u32 {
        u32::from_le_bytes([self.prefix[0], self.prefix[1], self.prefix[2], self.prefix[3]])
    }

    fn hlen(&self) -> u32 {
        u32::from_le_bytes([self.prefix[4], self.prefix[5], self.prefix[6], self.prefix[7]])
    }

    fn body_len(&self) -> usize {
        self.total() as usize - 4
    }

    fn check_total(&self) -> Result<(), BadLength> {
        let (total, max) = (self.total(), self.max);
        if (6..=max).contains(&total) { Ok(()) } else { Err(BadLength::Total { total, max }) }
    }

    fn check_header(&self) -> Result<(), BadLength> {
        let (hlen, total) = (self.hlen(), self.total());
        let fits = (2..=MAX_HEADER_BYTES).contains(&hlen) && hlen <= total - 4;
        if fits { Ok(()) } else { Err(BadLength::Header { hlen, total }) }
    }
}

/// Everything of a frame but its tail, which the caller writes next: large tails need no copy.
/// The header must be 2 bytes to 64 KiB and the tail at most 8 MiB; more is a bug of the caller and panics.
pub fn head(header: &[u8], tail_len: usize) -> Vec<u8> {
    assert!((2..=MAX_HEADER_BYTES as usize).contains(&header.len()), "a header of {} bytes", header.len());
    assert!(tail_len <= 8 << 20, "a tail of {tail_len} bytes");
    let mut out = Vec::with_capacity(PREFIX + header.len());
    out.extend_from_slice(&((4 + header.len() + tail_len) as u32).to_le_bytes());
    out.extend_from_slice(&(header.len() as u32).to_le_bytes());
    out.extend_from_slice(header);
    out
}

/// A whole frame; for messages with a short tail or none.
pub fn encode(header: &[u8], tail: &[u8]) -> Vec<u8> {
    let mut out = head(header, tail.len());
    out.extend_from_slice(tail);
    out
}
