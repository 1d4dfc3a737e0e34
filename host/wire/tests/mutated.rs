//! The fuzzer's functions over mutations of the sample frames: a short walk on every machine, the same every time.

#[path = "../../fuzz/src/frames.rs"]
mod frames;

#[path = "../../fuzz/src/websocket.rs"]
mod websocket;

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

/// Honest messages in honest pieces, with pings between them; then some bytes are changed.
#[test]
fn no_mutation_of_a_message_panics() {
    let samples = samples();
    let mut random = Random(0x5EED);
    for _ in 0..10_000 {
        let mut bytes = Vec::new();
        for _ in 0..1 + random.below(3) {
            let frame = &samples[random.below(samples.len())];
            let cut = random.below(frame.len() + 1);
            bytes.extend(fragment(0x02, &frame[..cut], &mut random));
            if random.below(3) == 0 {
                bytes.extend(fragment(0x89, b"ping", &mut random));
            }
            bytes.extend(fragment(0x80, &frame[cut..], &mut random));
        }
        for _ in 0..random.below(4) {
            let at = random.below(bytes.len());
            match random.below(3) {
                0 => bytes[at] = random.below(256) as u8,
                1 => bytes[at] ^= 1 << random.below(8),
                _ => bytes.truncate(at + 1),
            }
        }
        websocket::run(&bytes);
    }
}

/// A client's fragment with any mask.
fn fragment(first: u8, payload: &[u8], random: &mut Random) -> Vec<u8> {
    let mask: [u8; 4] = std::array::from_fn(|_| random.below(256) as u8);
    let mut bytes = vec![first];
    match payload.len() {
        short @ 0..=125 => bytes.push(0x80 | short as u8),
        long => bytes.extend([&[0xfe], &(long as u16).to_be_bytes()[..]].concat()),
    }
    bytes.extend(mask);
    bytes.extend(payload.iter().zip(mask.iter().cycle()).map(|(byte, mask)| byte ^ mask));
    bytes
}
