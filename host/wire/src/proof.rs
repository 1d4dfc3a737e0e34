//! How both ends of a WebSocket show each other that they know the token, without saying it.
//!
//! A port of this machine is whoever's took it first, so a client cannot tell the daemon from a program of another user
//! that waits there for tokens. Decision: each end signs one line of [`words`] with the token, the daemon first. The
//! line names the side, so that no proof can be sent back to where it came from; the port, so that none can be passed on
//! by somebody who sits at another; and a nonce of either end, so that it is good on this connection alone.

use serde::{Deserialize, Serialize};
use std::fmt;

/// 32 random bytes, as 64 lower-case hex digits.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Nonce(String);

impl TryFrom<String> for Nonce {
    type Error = String;

    fn try_from(s: String) -> Result<Self, String> {
        if s.len() == 64 && s.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')) {
            Ok(Self(s))
        } else {
            Err("a nonce is 64 hex digits, 0-9 and a-f".into())
        }
    }
}

impl From<Nonce> for String {
    fn from(nonce: Nonce) -> String {
        nonce.0
    }
}

impl fmt::Display for Nonce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Parameters of `challenge`, which a WebSocket client sends before `hello`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenge {
    /// The client's.
    pub nonce: Nonce,
}

/// Result of `challenge`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Challenged {
    /// The daemon's, new for every connection.
    pub nonce: Nonce,
    /// The daemon's proof: HMAC-SHA-256 of [`words`] in lower-case hex. Only if it is right the client sends its own.
    pub proof: String,
}

/// Who proves something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// In the answer to `challenge`.
    Server,
    /// In `hello`.
    Client,
}

/// What is signed. The key is the token's text, as its file has it. `port` is the daemon's own, as either end knows it
/// by itself and never from the other.
pub fn words(side: Side, port: u16, client: &Nonce, server: &Nonce) -> String {
    let side = match side {
        Side::Server => "server",
        Side::Client => "client",
    };
    format!("underpaint {side} {port} {client} {server}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_nonce_is_32_bytes_in_one_spelling() {
        let good = "0123456789abcdef".repeat(4);
        assert_eq!(Nonce::try_from(good.clone()).map(String::from), Ok(good.clone()));
        for bad in ["", &good[1..], &format!("{good}0"), &good.to_uppercase(), &good.replace('0', " "), &"é".repeat(32)]
        {
            assert!(Nonce::try_from(bad.to_owned()).is_err(), "{bad}");
        }
    }

    #[test]
    fn no_two_occasions_have_the_same_words() {
        let nonce = |digit: &str| Nonce::try_from(digit.repeat(64)).unwrap();
        let (a, b) = (nonce("a"), nonce("b"));
        let all = [
            words(Side::Server, 17231, &a, &b),
            words(Side::Client, 17231, &a, &b),
            words(Side::Server, 17232, &a, &b),
            words(Side::Server, 17231, &b, &a),
        ];
        for (i, one) in all.iter().enumerate() {
            assert!(all[..i].iter().all(|other| other != one), "{one}");
        }
        assert_eq!(all[0], format!("underpaint server 17231 {a} {b}"));
    }
}
