//! Bilateral smoothing against OpenCV: `tests/reference/filters.py` makes the pictures.

use bilateral::Bilateral;
use underpaint_filter::Sample;
use underpaint_filter::testing::{self, Case};

const WIDTH: u32 = 48;
const HEIGHT: u32 = 36;

/// The reference is kept in 16 bits and was reckoned in 64.
const TOLERANCE: f32 = 2e-4;

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
    // OpenCV looks its Gaussian up in a table.
    let grey: Vec<f32> = opaque::<f32>(true).chunks(4).flat_map(|p| [p[0], p[0], p[0], p[3]]).collect();
    let case = Case::<Bilateral<f32>>::new(WIDTH, HEIGHT).with("radius", 4.0).with("tolerance", 0.2);
    let off = furthest(&case.run(&grey, 256).unwrap().pixels, golden!("opaque-bilateral"));
    assert!(off < TOLERANCE, "{off}");
}
