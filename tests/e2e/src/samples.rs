//! The sample frames of `tests/wire/frames.json`, which every language's tests read.

use serde_json::Value;

/// All of them.
pub fn all() -> Vec<Value> {
    let text = std::fs::read_to_string(crate::root().join("tests/wire/frames.json")).expect("the samples");
    let samples: Value = serde_json::from_str(&text).expect("JSON");
    samples["frames"].as_array().expect("frames").clone()
}

/// What is sent for this one.
pub fn bytes(sample: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in sample["bytes"].as_array().expect("pieces") {
        match (piece["u32"].as_u64(), piece["text"].as_str(), piece["hex"].as_str()) {
            (Some(n), ..) => out.extend((n as u32).to_le_bytes()),
            (_, Some(text), _) => out.extend(text.as_bytes()),
            (_, _, Some(hex)) => {
                let digits = (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16));
                out.extend(digits.map(|byte| byte.expect("hex")));
            }
            _ => {
                let times = piece["times"].as_u64().expect("a number") as usize;
                out.extend(piece["repeat"].as_str().expect("what to repeat").repeat(times).as_bytes());
            }
        }
    }
    out
}
