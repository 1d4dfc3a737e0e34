//! The sample frames every language's tests read, fed to the reader whole and byte by byte.

use serde_json::Value;
use underpaint_wire::frame::{BadLength, MAX_FRAME_BYTES_BEFORE_HELLO, Reader, encode};
use underpaint_wire::rpc::{Id, Malformed, Message};

/// What a sample turned out to be.
#[derive(Debug)]
enum Read {
    Length(BadLength),
    Header(Result<Message, Malformed>, Value, Vec<u8>),
}

fn read(bytes: &[u8], max: u32, at_most: usize) -> Read {
    let mut reader = Reader::new(max);
    let mut rest = bytes;
    loop {
        let space = reader.space();
        assert!(!space.is_empty());
        let n = space.len().min(at_most).min(rest.len());
        assert!(n > 0, "the sample ended in the middle of a frame");
        space[..n].copy_from_slice(&rest[..n]);
        rest = &rest[n..];
        match reader.advance(n) {
            Err(bad) => return Read::Length(bad),
            Ok(None) => {}
            Ok(Some(frame)) => {
                assert!(rest.is_empty(), "bytes were left over");
                let header = serde_json::from_slice(frame.header).unwrap_or(Value::Null);
                return Read::Header(Message::parse(&frame), header, frame.tail.to_vec());
            }
        }
    }
}

fn sample_bytes(sample: &Value) -> Vec<u8> {
    let mut out = Vec::new();
    for piece in sample["bytes"].as_array().unwrap() {
        if let Some(n) = piece["u32"].as_u64() {
            out.extend_from_slice(&u32::try_from(n).unwrap().to_le_bytes());
        } else if let Some(text) = piece["text"].as_str() {
            out.extend_from_slice(text.as_bytes());
        } else if let Some(hex) = piece["hex"].as_str() {
            out.extend(from_hex(hex));
        } else {
            let times = piece["times"].as_u64().unwrap() as usize;
            out.extend_from_slice(piece["repeat"].as_str().unwrap().repeat(times).as_bytes());
        }
    }
    out
}

fn from_hex(hex: &str) -> Vec<u8> {
    (0..hex.len()).step_by(2).map(|i| u8::from_str_radix(&hex[i..i + 2], 16).unwrap()).collect()
}

#[test]
fn every_sample_reads_as_it_says() {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/wire/frames.json")).unwrap();
    let samples: Value = serde_json::from_str(&text).unwrap();
    for sample in samples["frames"].as_array().unwrap() {
        let name = sample["name"].as_str().unwrap();
        let bytes = sample_bytes(sample);
        let max = sample["max_frame_bytes"].as_u64().map_or(MAX_FRAME_BYTES_BEFORE_HELLO, |n| n as u32);
        for at_most in [usize::MAX, 1, 7] {
            check(name, sample, &bytes, read(&bytes, max, at_most));
        }
    }
}

fn check(name: &str, sample: &Value, bytes: &[u8], read: Read) {
    match (sample["error"].as_str(), read) {
        (Some("length"), Read::Length(bad)) => assert!(!bad.to_string().is_empty()),
        (Some(kind), Read::Header(Err(malformed), ..)) => {
            let (fatal, id, error) = match malformed {
                Malformed::Fatal(error) => (true, None, error),
                Malformed::Answer(id, error) => (false, id, error),
            };
            assert_eq!((error.kind.name(), fatal), (kind, sample["fatal"].as_bool().unwrap()), "{name}");
            assert_eq!(id, Id::from_value(&sample["id"]), "{name}");
        }
        (None, Read::Header(Ok(message), header, tail)) => {
            assert_eq!(header, sample["header"], "{name}");
            assert_eq!(tail, from_hex(sample["tail"].as_str().unwrap()), "{name}");
            assert_eq!(matches!(message, Message::Response { .. }), header.get("method").is_none(), "{name}");
            let header_len = u32::from_le_bytes(bytes[4..8].try_into().unwrap()) as usize;
            assert_eq!(encode(&bytes[8..8 + header_len], &tail), bytes, "{name}");
        }
        (_, read) => panic!("{name}: {read:?}"),
    }
}

/// A peer that claims a long frame and sends nothing costs no more than the frame's own length once.
#[test]
fn the_buffer_grows_only_after_the_check() {
    let mut reader = Reader::new(1000);
    reader.space()[..4].copy_from_slice(&1001u32.to_le_bytes());
    assert_eq!(reader.advance(4).unwrap_err(), BadLength::Total { total: 1001, max: 1000 });
    let mut reader = Reader::new(1000);
    reader.space().copy_from_slice(&[1000u32.to_le_bytes(), 2u32.to_le_bytes()].concat());
    assert!(reader.advance(8).unwrap().is_none());
    assert_eq!(reader.space().len(), 996);
    assert!(reader.is_mid_frame());
}
