//! How a program in another sandbox gets the token: the painter types a code that the daemon's own user was shown.

use crate::hello::Peer;
use serde::{Deserialize, Serialize};

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
    /// For `hello`, now and after every restart of either side.
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
