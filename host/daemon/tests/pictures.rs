//! Pictures of every usual kind, made by other programs (tests/pictures/make.py), against what they hold.

use serde_json::Value;
use std::path::{Path, PathBuf};
use underpaint::picture::{Depth, PictureError, encode, read, read_mask};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/pictures")
}

fn expected() -> serde_json::Map<String, Value> {
    let text = std::fs::read_to_string(folder().join("expected.json")).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// RGBA of 16 bits each.
fn words(facts: &Value) -> Vec<u16> {
    let digits = facts["rgba16"].as_str().unwrap().as_bytes();
    digits.chunks_exact(4).map(|c| u16::from_str_radix(str::from_utf8(c).unwrap(), 16).unwrap()).collect()
}

#[test]
fn every_usual_kind_is_read_rightly() {
    let expected = expected();
    assert!(expected.len() >= 26, "fixtures are missing");
    for (name, facts) in &expected {
        let picture = read(&folder().join(name)).unwrap_or_else(|e| panic!("{name}: {e}"));
        let extent = picture.image.extent();
        assert_eq!(
            (u64::from(extent.w), u64::from(extent.h)),
            (facts["w"].as_u64().unwrap(), facts["h"].as_u64().unwrap()),
            "{name}"
        );
        let bits = if picture.depth == Depth::Sixteen { 16 } else { 8 };
        assert_eq!(
            (bits, picture.has_alpha),
            (facts["bits"].as_u64().unwrap(), facts["alpha"].as_bool().unwrap()),
            "{name}"
        );
        let tolerance = facts["tolerance"].as_f64().unwrap();
        for (i, (got, want)) in picture.image.data().iter().zip(words(facts)).enumerate() {
            let got = f64::from(*got) * 65535.0;
            let off = (got - f64::from(want)).abs();
            assert!(off <= tolerance + 0.01, "{name}, value {i}: {got:.0} instead of {want}");
        }
    }
}

#[test]
fn what_is_read_is_written_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    for (name, facts) in &expected() {
        let picture = read(&folder().join(name)).unwrap();
        let texts = [("parameters", "grün".to_owned()), ("underpaint", "猫".to_owned())];
        let icc = picture.icc.as_deref();
        let bytes = encode(&picture.image, picture.depth, picture.has_alpha, icc, &texts).unwrap();
        let path = dir.path().join("copy.png");
        std::fs::write(&path, bytes).unwrap();
        let copy = read(&path).unwrap();
        assert_eq!(copy, picture, "{name}");
        assert_eq!(copy.icc.is_some(), name == "profile.png", "{name}: {facts}");
    }
}

#[test]
fn a_mask_is_its_values_times_its_alpha() {
    for (name, at, want) in [
        ("one-bit.png", (0, 0), 1.0),
        ("one-bit.png", (1, 0), 0.0),
        ("grey8.png", (1, 0), 37.0 / 255.0),
        ("grey16.png", (1, 0), 7919.0 / 65535.0),
        ("grey-alpha8.png", (0, 1), 91.0 / 255.0 * 29.0 / 255.0),
    ] {
        let mask = read_mask(&folder().join(name)).unwrap();
        assert!((mask.at(at.0, at.1) - want).abs() < 1e-6, "{name}: {}", mask.at(at.0, at.1));
    }
}

#[test]
fn what_is_not_read_is_refused_with_a_sentence() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        std::fs::write(&path, bytes).unwrap();
        path
    };
    let png = std::fs::read(folder().join("rgb8.png")).unwrap();
    for (path, said) in [
        (folder().join("refused.gif"), "is a GIF, which is not read; save it as PNG, JPEG, WebP, BMP or TIFF"),
        (file("empty.png", b""), "is empty, not a picture"),
        (file("text.png", b"hello, this is no picture at all"), "is not a picture that is read here"),
        (file("cut.png", &png[..png.len() - 30]), "cannot be decoded"),
        (dir.path().to_owned(), "is a folder, not a picture"),
        (dir.path().join("none.png"), "cannot be read: there is no such file or folder"),
    ] {
        let error = read(&path).unwrap_err().to_string();
        assert!(error.contains(said) && error.starts_with(&path.display().to_string()), "{error}");
        assert_eq!(error.lines().count(), 1);
    }
}

/// An IHDR is all it takes to claim 4 gigapixels; nothing may be allocated for it.
#[test]
fn a_picture_that_claims_to_be_huge_is_refused_before_decoding() {
    let dir = tempfile::tempdir().unwrap();
    for (w, h) in [(65500u32, 65500u32), (16385, 1), (16384, 16384), (u32::MAX >> 1, u32::MAX >> 1)] {
        let path = dir.path().join("huge.png");
        std::fs::write(&path, claimed(w, h)).unwrap();
        let error = read(&path).unwrap_err();
        match error {
            PictureError::TooLarge(_, gw, gh) => assert_eq!((gw, gh), (w, h)),
            PictureError::Endless(_) => assert_eq!(w, u32::MAX >> 1),
            other => panic!("{w}x{h}: {other}"),
        }
    }
}

/// A PNG of which only the header is honest about its length.
fn claimed(w: u32, h: u32) -> Vec<u8> {
    let mut png = b"\x89PNG\r\n\x1a\n".to_vec();
    let ihdr = [&w.to_be_bytes()[..], &h.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    for (kind, data) in [(b"IHDR", ihdr), (b"IDAT", vec![0x78, 0x9c, 0x63, 0, 0, 0, 1, 0, 1]), (b"IEND", vec![])] {
        png.extend((data.len() as u32).to_be_bytes());
        let body = [&kind[..], &data].concat();
        png.extend(&body);
        png.extend(crc32(&body).to_be_bytes());
    }
    png
}

/// The checksum of PNG chunks (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 })
    })
}
