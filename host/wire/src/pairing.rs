//! How a program in another sandbox gets the token: the painter types a code that the daemon's own user was shown.
//!
//! Decision: the code also says at which port the daemon is ([`place`]). What is typed thus goes to the daemon alone,
//! and not to whoever else waits at one of its ports to be told a code.

use crate::hello::Peer;
use serde::{Deserialize, Serialize};

/// Which of the daemon's ports, counted from 0, `code` is for: the remainder of the sum of its digits by three.
pub fn place(code: &str) -> usize {
    code.bytes().filter(u8::is_ascii_digit).map(|digit| usize::from(digit - b'0')).sum::<usize>() % 3
}

/// Parameters of `pair`, which a WebSocket client may send before `hello`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pair {
    /// As `pairing/begin` gave it: six digits.
    pub code: String,
    /// Who wants the token.
    #[serde(default)]
    pub client: Peer,
}

/// Result of `pair`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paired {
    /// For the proofs of both sides, now and after every restart of either.
    pub token: String,
}

/// Result of `pairing/begin`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Begun {
    /// Six digits, good for one `pair`.
    pub code: String,
    /// How long it is good.
    pub expires_ms: u64,
}

/// Why a pairing is over.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Ending {
    /// Somebody has the token.
    Paired,
    /// Nobody typed the code in time.
    Expired,
    /// Too many wrong codes were tried.
    Refused,
}

/// The event `pairing/ended`, to the connection that began the pairing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// How it ended.
    pub ending: Ending,
    /// Who has the token now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client: Option<Peer>,
}
