//! The readers of a prompt take any text without a panic, and what they accept is within its bounds.
#![no_main]

use libfuzzer_sys::fuzz_target;
use underpaint_engine::prompt::{MAX_WEIGHT, Part, expand, loras, parse};

fuzz_target!(|input: (u64, &str)| {
    let (seed, template) = input;
    let Ok(drawn) = expand(template, seed) else { return };
    assert_eq!(expand(template, seed), Ok(drawn.clone()));
    let Ok((text, tags)) = loras(&drawn) else { return };
    assert!(tags.iter().all(|tag| !tag.name.is_empty() && tag.unet.abs().max(tag.text.abs()) <= MAX_WEIGHT));
    let Ok(parts) = parse(&text) else { return };
    for part in parts {
        let Part::Text { text, weight } = part else { continue };
        assert!(!text.is_empty() && weight.abs() <= MAX_WEIGHT);
    }
});
