//! The first exchange on every connection: versions, capabilities, limits.

use crate::{Error, Kind, frame};
use serde::{Deserialize, Serialize};

/// Lowest and highest protocol version a side speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Versions {
    /// Lowest.
    pub min: u32,
    /// Highest.
    pub max: u32,
}

/// What this daemon speaks.
pub const OURS: Versions = Versions { min: 1, max: 1 };

impl Versions {
    /// The highest version both sides speak.
    pub fn common(self, other: Versions) -> Result<u32, Error> {
        let (low, high) = (self.min.max(other.min), self.max.min(other.max));
        if low <= high {
            return Ok(high);
        }
        Err(Error::new(
            Kind::UnsupportedProtocol,
            format!("This daemon speaks protocol {} to {}; update the older of the two sides.", self.min, self.max),
        )
        .with("min", self.min)
        .with("max", self.max))
    }
}

/// A program and its version.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Peer {
    /// E.g. `krita`.
    pub name: String,
    /// E.g. `1.0`.
    #[serde(default)]
    pub version: String,
}

/// Parameters of `hello`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Hello {
    /// What the client speaks.
    pub protocol: Versions,
    /// Who it is.
    #[serde(default)]
    pub client: Peer,
    /// Optional on the local socket, but checked if sent; never to be sent on the WebSocket.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// On the WebSocket, after `challenge`: what shows that the client knows the token ([`crate::proof`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub proof: Option<String>,
    /// E.g. `preview`.
    #[serde(default)]
    pub caps: Vec<String>,
}

/// Result of `hello`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Welcome {
    /// The version spoken from here on.
    pub protocol: u32,
    /// Name and version of the daemon.
    pub server: Peer,
    /// Changes with every start of the daemon; job ids do not outlive it.
    pub instance: String,
    /// What this daemon can do beyond the base protocol.
    pub caps: Vec<String>,
    /// What it accepts.
    pub limits: Limits,
}

/// What a connection may ask for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limits {
    /// Largest `total` of a frame.
    pub max_frame_bytes: u32,
    /// Largest tail of one `blob/put`.
    pub max_chunk_bytes: u32,
    /// Largest `w*h` of an image.
    pub max_pixels: u64,
    /// Largest side of an image in pixels.
    pub max_side: u32,
    /// Blobs, complete or begun, per connection.
    pub max_blobs: u32,
    /// Their bytes in all, per connection.
    pub max_blob_bytes: u64,
    /// Unfinished jobs per connection.
    pub max_jobs: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            max_frame_bytes: frame::MAX_FRAME_BYTES,
            max_chunk_bytes: 4 << 20,
            max_pixels: 64 << 20,
            max_side: 16384,
            max_blobs: 64,
            max_blob_bytes: 512 << 20,
            max_jobs: 64,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn highest_common_version() {
        let v = |min, max| Versions { min, max };
        for (ours, theirs, expect) in [
            (v(1, 1), v(1, 1), Some(1)),
            (v(1, 3), v(2, 9), Some(3)),
            (v(2, 3), v(1, 2), Some(2)),
            (v(1, 1), v(2, 3), None),
            (v(1, 1), v(3, 0), None),
        ] {
            assert_eq!(ours.common(theirs).ok(), expect, "{ours:?} {theirs:?}");
        }
        let refusal = v(1, 1).common(v(2, 2)).unwrap_err();
        assert_eq!(refusal.to_value()["data"]["max"], 1);
    }
}
