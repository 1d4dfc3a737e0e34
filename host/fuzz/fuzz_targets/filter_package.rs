//! What a filter's file says is read or refused, whatever it is: as a whole, and any manifest in a sound file.
#![no_main]

#[path = "../../filters/src/error.rs"]
#[allow(dead_code)]
mod error;
#[path = "../../filters/src/package.rs"]
#[allow(dead_code)]
mod package;

use libfuzzer_sys::fuzz_target;
// The error's text names it.
use package::MAX_BYTES;

fuzz_target!(|input: (bool, &[u8])| {
    let (whole, bytes) = input;
    let wasm = if whole { bytes.to_vec() } else { component(bytes) };
    match package::read(&wasm) {
        Ok(manifest) => {
            assert!(package::is_name(&manifest.name) && wasm.len() <= MAX_BYTES);
            assert!((1 << 20..=512 << 20).contains(&manifest.memory_bytes) && manifest.timeout_ms <= 600_000);
            let _ = package::component(&wasm, manifest.api);
        }
        Err(reason) => assert_eq!(reason.to_string().lines().count(), 1, "{reason}"),
    }
});

/// A component with nothing but this manifest.
fn component(manifest: &[u8]) -> Vec<u8> {
    const NAME: &[u8] = b"underpaint:filter";
    let mut wasm = b"\0asm\x0d\0\x01\0\0".to_vec();
    let mut rest = 1 + NAME.len() + manifest.len();
    while rest >= 0x80 {
        wasm.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    wasm.push(rest as u8);
    wasm.push(NAME.len() as u8);
    [&wasm, NAME, manifest].concat()
}
