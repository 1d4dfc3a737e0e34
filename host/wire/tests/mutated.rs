//! The fuzzer's function over mutations of the sample frames: a short walk on every machine, the same every time.

#[path = "../../fuzz/src/frames.rs"]
mod frames;

use serde_json::Value;

/// xorshift64*: enough to vary, small enough to read.
struct Random(u64);

impl Random {
    fn below(&mut self, n: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 33) as usize % n
    }
}

fn samples() -> Vec<Vec<u8>> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/wire/frames.json")).unwrap();
    let samples: Value = serde_json::from_str(&text).unwrap();
    let sample = |s: &Value| {
        let pieces = s["bytes"].as_array().unwrap().iter().map(|p| match (p["u32"].as_u64(), p["text"].as_str()) {
            (Some(n), _) => (n as u32).to_le_bytes().to_vec(),
            (_, Some(text)) => text.as_bytes().to_vec(),
            _ => b"[]".to_vec(),
        });
        pieces.collect::<Vec<_>>().concat()
    };
    samples["frames"].as_array().unwrap().iter().map(sample).collect()
}

/// Bytes that mean something somewhere.
const WORDS: [&[u8]; 12] =
    [b"\"", b"{", b"}", b"[", b",", b"-", b"1e99", b"18446744073709551615", b"\"tail\"", b"null", b"\xff", b"\\u0000"];

#[test]
fn no_mutation_of_a_sample_panics() {
    let samples = samples();
    let mut random = Random(0x5EED);
    for _ in 0..20_000 {
        let mut bytes = samples[random.below(samples.len())].clone();
        for _ in 0..1 + random.below(4) {
            let at = random.below(bytes.len() + 1);
            match random.below(4) {
                0 if at < bytes.len() => bytes[at] = random.below(256) as u8,
                1 if at < bytes.len() => drop(bytes.remove(at)),
                2 => drop(bytes.splice(at..at, WORDS[random.below(WORDS.len())].iter().copied())),
                _ => bytes.truncate(at.max(8)),
            }
        }
        // Mostly with honest lengths, so that the walk gets past them.
        if random.below(8) > 0 && bytes.len() >= 10 {
            let tail = random.below(3) * random.below(9);
            let body = bytes.len() - 8;
            bytes[..4].copy_from_slice(&(4 + body as u32).to_le_bytes());
            bytes[4..8].copy_from_slice(&(body.saturating_sub(tail).max(2) as u32).to_le_bytes());
        }
        frames::run(&bytes);
    }
}
