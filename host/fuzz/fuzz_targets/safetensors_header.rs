//! The header parser takes any bytes without a panic, and what it accepts fills the data part exactly.
#![no_main]

use libfuzzer_sys::fuzz_target;
use underpaint_engine::weights::header;

fuzz_target!(|input: (u64, &[u8])| {
    let (length, bytes) = input;
    if let Ok(entries) = header::parse(bytes, length) {
        let total = entries.iter().map(|e| e.end - e.start).sum::<u64>();
        assert_eq!(total, length);
    }
});
