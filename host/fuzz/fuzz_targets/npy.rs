//! Any bytes are an array or refused, and an array that was read is written as itself.
#![no_main]

use libfuzzer_sys::fuzz_target;
use underpaint_engine::Npy;

fuzz_target!(|bytes: &[u8]| {
    let Ok(array) = Npy::parse(bytes) else { return };
    assert_eq!(array.data.len(), array.shape.iter().product::<usize>());
    let again = Npy::parse(&array.to_bytes()).expect("our own array");
    let bits = |array: &Npy| array.data.iter().map(|value| value.to_bits()).collect::<Vec<_>>();
    assert_eq!((&again.shape, bits(&again)), (&array.shape, bits(&array)));
});
