//! Who is at the other end of a WebSocket, and that it is we who are at this one: `underpaint_wire::proof`, signed.

use super::methods::{equal_in_constant_time, internal};
use crate::models::hex;
use hmac::{Hmac, Mac};
use sha2::Sha256;
use underpaint_wire::proof::{Challenge, Challenged, Nonce, Side, words};
use underpaint_wire::{Error, Kind};

/// What a client who knows the token will say in `hello`, on this connection.
pub struct Expected(String);

impl Expected {
    /// Takes as long for any wrong `proof`.
    pub fn is(&self, proof: &str) -> bool {
        equal_in_constant_time(self.0.as_bytes(), proof.as_bytes())
    }
}

/// The answer to a `challenge` at `port`, and what is expected of the client then.
pub fn answer(token: &str, port: u16, challenge: &Challenge) -> Result<(Challenged, Expected), Error> {
    let drawn = super::random_hex::<32>().map_err(|_| internal())?;
    let nonce = Nonce::try_from(drawn).map_err(|sentence| Error::new(Kind::Internal, sentence))?;
    let proof = |side| sign(token, &words(side, port, &challenge.nonce, &nonce));
    let (ours, theirs) = (proof(Side::Server)?, proof(Side::Client)?);
    Ok((Challenged { nonce, proof: ours }, Expected(theirs)))
}

/// HMAC-SHA-256 (RFC 2104, FIPS 180-4) in lower-case hex.
fn sign(token: &str, words: &str) -> Result<String, Error> {
    // A key may have any length.
    let mut mac = Hmac::<Sha256>::new_from_slice(token.as_bytes()).map_err(|_| internal())?;
    mac.update(words.as_bytes());
    Ok(hex(&mac.finalize().into_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The proofs that every language's tests make.
    #[test]
    fn proofs_are_as_the_samples_have_them() {
        let samples = include_str!("../../../../tests/wire/proofs.json");
        let samples: serde_json::Value = serde_json::from_str(samples).unwrap();
        for row in samples["proofs"].as_array().unwrap() {
            let nonce = |name: &str| Nonce::try_from(row[name].as_str().unwrap().to_owned()).unwrap();
            let port = row["port"].as_u64().unwrap().try_into().unwrap();
            for (side, name) in [(Side::Server, "server_proof"), (Side::Client, "client_proof")] {
                let words = words(side, port, &nonce("client_nonce"), &nonce("server_nonce"));
                assert_eq!(sign(row["token"].as_str().unwrap(), &words).unwrap(), row[name].as_str().unwrap());
            }
        }
    }

    #[test]
    fn every_answer_is_another_and_expects_another() {
        let challenge = Challenge { nonce: Nonce::try_from("7".repeat(64)).unwrap() };
        let answers: Vec<_> = (0..2).map(|_| answer("token", 17231, &challenge).unwrap()).collect();
        let [(a, of_a), (b, of_b)] = answers.as_slice() else { panic!("two") };
        assert!(a.nonce != b.nonce && a.proof != b.proof && of_a.is(&of_a.0) && !of_a.is(&of_b.0));
        assert!(!of_a.is(&a.proof), "our own proof, sent back");
        for wrong in ["", &of_a.0[1..], &of_a.0.to_uppercase()] {
            assert!(!of_a.is(wrong));
        }
    }
}
