//! An author's signature: proof that a new version of a filter comes from whoever made the one before.
//!
//! It is the custom section `underpaint:signature`, the last of the file: the author's public ed25519 key and the
//! signature of everything before the section. Decision: the section has one possible encoding, so that cutting it
//! off is cutting off a known number of bytes, and there is nothing to parse in what is not trusted yet.

use crate::error::Reason;
use crate::package::{section, with_section};
use ed25519_dalek::{Signature, Signer, SigningKey, VerifyingKey};

const SECTION: &str = "underpaint:signature";
const KEY: usize = 32;
const SIGNED: usize = KEY + 64;

/// Section id, length of what follows, length of the name, the name.
const HEAD: usize = 3 + SECTION.len();

/// Before the file's bytes in what is signed, so that the signature of a filter is of no use as that of anything else.
const PURPOSE: &[u8] = b"underpaint:signature of a filter, version 1\0";

/// The file signed with a secret key; a signature it has is replaced.
pub fn sign(wasm: &[u8], secret: &[u8; KEY]) -> Vec<u8> {
    let (wasm, _) = split(wasm).unwrap_or((wasm, &[]));
    let key = SigningKey::from_bytes(secret);
    let signature = key.sign(&[PURPOSE, wasm].concat());
    with_section(wasm, SECTION, &[key.verifying_key().as_bytes().as_slice(), &signature.to_bytes()].concat())
}

/// The public key that belongs to a secret one.
pub fn public_key(secret: &[u8; KEY]) -> [u8; KEY] {
    SigningKey::from_bytes(secret).verifying_key().to_bytes()
}

/// Whose signature a file carries, `None` if it carries none; an error if it is not the signature of this file.
pub(crate) fn signer(wasm: &[u8]) -> Result<Option<[u8; KEY]>, Reason> {
    let Some((signed, content)) = split(wasm) else {
        return match section(wasm, SECTION) {
            None => Ok(None),
            Some(_) => Err(Reason::Signature("it is not the last section of the file".into())),
        };
    };
    let (key, signature) = content.split_at(KEY);
    let checked =
        <[u8; KEY]>::try_from(key).ok().zip(Signature::from_slice(signature).ok()).and_then(|(key, signature)| {
            let verified = VerifyingKey::from_bytes(&key).ok()?.verify_strict(&[PURPOSE, signed].concat(), &signature);
            verified.ok().map(|()| key)
        });
    let changed = || Reason::Signature("the file was changed after it was signed".into());
    checked.map(Some).ok_or_else(changed)
}

/// What is signed, and key and signature behind it.
fn split(wasm: &[u8]) -> Option<(&[u8], &[u8])> {
    let (before, section) = wasm.split_at_checked(wasm.len().checked_sub(HEAD + SIGNED)?)?;
    let (head, content) = section.split_at(HEAD);
    let ours = with_section(&[], SECTION, &[0; SIGNED]);
    (head == &ours[..HEAD]).then_some((before, content))
}

#[cfg(test)]
mod tests {
    use super::{public_key, section, sign, signer};
    use crate::error::Reason;
    use crate::{FIRST_PARTY, package};

    #[test]
    fn a_signature_holds_for_its_file_alone() {
        let wasm = FIRST_PARTY[0].wasm;
        let secret = [7; 32];
        let signed = sign(wasm, &secret);
        assert_eq!(signer(wasm), Ok(None));
        assert_eq!(signer(&signed), Ok(Some(public_key(&secret))));
        assert_eq!(sign(&signed, &secret), signed, "signing again changes nothing");
        assert_eq!(signer(&sign(&signed, &[8; 32])), Ok(Some(public_key(&[8; 32]))), "another author replaces it");
        assert_eq!(package::read(&signed).map(|m| m.name), Ok(FIRST_PARTY[0].name.to_owned()));
        // Any changed byte, in the code, the key or the signature.
        for at in [0, wasm.len() / 2, wasm.len() - 1, signed.len() - 96, signed.len() - 64, signed.len() - 1] {
            let mut changed = signed.clone();
            changed[at] ^= 1;
            assert!(matches!(signer(&changed), Err(Reason::Signature(_))), "byte {at}");
        }
        let followed = package::with_section(&signed, "more", b"behind");
        assert!(section(&followed, super::SECTION).is_some());
        assert!(matches!(signer(&followed), Err(Reason::Signature(_))), "a section behind it");
    }
}
