//! Gaussian blur against scipy: `tests/reference/filters.py` makes the pictures.

use gaussian_blur::GaussianBlur;
use underpaint_filter::Sample;
use underpaint_filter::testing::{self, Case};

const WIDTH: u32 = 48;
const HEIGHT: u32 = 36;

/// The reference is kept in 16 bits and was reckoned in 64.
const TOLERANCE: f32 = 3e-5;

fn opaque<S: Sample>(opaque: bool) -> Vec<S> {
    let picture = testing::picture::<S>(WIDTH, HEIGHT);
    picture.chunks(4).flat_map(|p| [p[0], p[1], p[2], if opaque { S::MAX } else { p[3] }]).collect()
}

/// The largest difference from the reference.
fn furthest<S: Sample>(made: &[S], golden: &[u8]) -> f32 {
    let golden = golden.as_chunks::<2>().0.iter().map(|&v| u16::from_le_bytes(v).to_unit());
    assert_eq!(made.len(), golden.len());
    made.iter().zip(golden).map(|(v, golden)| (v.to_unit() - golden).abs()).fold(0.0, f32::max)
}

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/reference/golden/filters/", $name, ".u16"))
    };
}

#[test]
fn the_same_numbers() {
    let run = |picture: &[f32], sigma: f32| {
        Case::<GaussianBlur<f32>>::new(WIDTH, HEIGHT).with("sigma", sigma).run(picture, 256).unwrap().pixels
    };
    let bytes = |picture: &[u8], sigma: f32| {
        Case::<GaussianBlur<u8>>::new(WIDTH, HEIGHT).with("sigma", sigma).run(picture, 256).unwrap().pixels
    };
    let (soft, hard) = (golden!("gaussian"), golden!("opaque-gaussian"));
    let off = furthest(&run(&opaque(true), 6.0), hard);
    assert!(off < TOLERANCE, "{off}");
    let off = furthest(&run(&opaque(false), 1.5), soft);
    assert!(off < TOLERANCE, "{off}");
    // Bytes went in already rounded; one more half step is the result's own.
    let rounded: Vec<u8> = opaque::<f32>(true).into_iter().map(u8::from_unit).collect();
    let off = furthest(&bytes(&rounded, 6.0), hard);
    assert!(off < 1.01 / 255.0, "{off}");
}
