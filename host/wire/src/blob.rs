//! Bytes sent ahead of the request that uses them, in chunks that other messages may overtake.

use crate::Error;
use serde::{Deserialize, Serialize};
use std::fmt;

/// The reserved name that means the binary tail of this very frame.
pub const TAIL: &str = "tail";

/// Name of a blob on one connection: 1 to 32 of `[A-Za-z0-9_-]`, or [`TAIL`].
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Name(String);

impl Name {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// True for the reserved name.
    pub fn is_tail(&self) -> bool {
        self.0 == TAIL
    }
}

impl TryFrom<String> for Name {
    type Error = String;

    fn try_from(s: String) -> Result<Self, String> {
        let letters = s.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-');
        if letters && (1..=32).contains(&s.len()) {
            Ok(Self(s))
        } else {
            Err("a blob's name is 1 to 32 of A-Z a-z 0-9 _ -".into())
        }
    }
}

impl From<Name> for String {
    fn from(name: Name) -> String {
        name.0
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Notification `blob/put`, both directions; the chunk is the tail.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Put {
    /// Begins with `c` when the client puts it, with `s` when the daemon does.
    pub blob: Name,
    /// Bytes of the whole blob, the same in every chunk.
    pub size: u64,
    /// Counts from 0 without gaps.
    pub chunk: u64,
    /// True for the last chunk; the chunks then sum to `size`.
    pub last: bool,
}

/// Notification `blob/free` and request `blob/get`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Named {
    /// Which blob.
    pub blob: Name,
}

/// Notification `blob/write`: rewrites `rows` rows of `row_bytes`, `stride` apart, from `offset` on.
/// The new bytes are the tail, packed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Write {
    /// A complete blob of the client's own.
    pub blob: Name,
    /// First byte of the first row.
    pub offset: u64,
    /// From the start of one row to the start of the next, in bytes.
    pub stride: u64,
    /// Bytes to rewrite in each row.
    pub row_bytes: u64,
    /// Number of rows.
    pub rows: u64,
}

impl Write {
    /// Rewrites `bytes` from `tail`; nothing is changed unless everything fits.
    pub fn apply(&self, bytes: &mut [u8], tail: &[u8]) -> Result<(), Error> {
        self.check(bytes.len() as u64, tail.len() as u64)?;
        // Checked: every product and sum below is at most the blob's length.
        let (offset, stride, row) = (self.offset as usize, self.stride as usize, self.row_bytes as usize);
        for (y, source) in tail.chunks_exact(row).enumerate() {
            bytes[offset + y * stride..][..row].copy_from_slice(source);
        }
        Ok(())
    }

    /// Fails unless the rectangle lies within a blob of `size` bytes and the tail has its `tail` bytes.
    pub fn check(&self, size: u64, tail: u64) -> Result<(), Error> {
        let Write { blob, offset, stride, row_bytes, rows } = self;
        if *rows == 0 || *row_bytes == 0 {
            return Err(Error::field("rows", format!("A write to blob `{blob}` needs at least one row of one byte.")));
        }
        if row_bytes.checked_mul(*rows) != Some(tail) {
            return Err(Error::field(
                "rows",
                format!("A write of {rows} rows of {row_bytes} bytes to blob `{blob}` came with {tail} bytes."),
            ));
        }
        if stride < row_bytes {
            return Err(Error::field(
                "stride",
                format!("`stride` is {stride}, less than the row's {row_bytes} bytes."),
            ));
        }
        let end =
            stride.checked_mul(rows - 1).and_then(|n| n.checked_add(*row_bytes)).and_then(|n| n.checked_add(*offset));
        if end.is_none_or(|end| end > size) {
            return Err(Error::field("offset", format!("A write to blob `{blob}` reaches past its {size} bytes.")));
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names() {
        for (text, ok) in [
            ("c1", true),
            ("tail", true),
            ("s-_9", true),
            ("", false),
            ("a b", false),
            ("../x", false),
            (&"x".repeat(33), false),
            ("ü", false),
        ] {
            assert_eq!(Name::try_from(text.to_owned()).is_ok(), ok, "{text}");
        }
    }

    #[test]
    fn writes_stay_inside() {
        let name = || Name::try_from("c1".to_owned()).unwrap();
        let write = |offset, stride, row_bytes, rows| Write { blob: name(), offset, stride, row_bytes, rows };
        for (w, tail, ok) in [
            (write(0, 4, 2, 2), 4, true),
            (write(10, 4, 2, 2), 4, true),
            (write(11, 4, 2, 2), 4, false),
            (write(0, 4, 2, 2), 3, false),
            (write(0, 1, 2, 2), 4, false),
            (write(0, 4, 0, 2), 0, false),
            (write(u64::MAX, 4, 2, 2), 4, false),
            (write(0, u64::MAX, 2, 2), 4, false),
            (write(0, u64::MAX, u64::MAX, 2), 4, false),
        ] {
            let mut bytes = [0u8; 16];
            assert_eq!(w.apply(&mut bytes, &vec![7; tail]).is_ok(), ok, "{w:?}");
            assert_eq!(bytes.iter().filter(|&&b| b == 7).count(), if ok { 4 } else { 0 }, "{w:?}");
        }
    }
}
