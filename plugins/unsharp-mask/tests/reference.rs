//! Unsharp mask against its formula on scipy's blur: `tests/reference/filters.py` makes the pictures.

use underpaint_filter::Sample;
use underpaint_filter::testing::{self, Case};
use unsharp_mask::UnsharpMask;

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
    let case = Case::<UnsharpMask<f32>>::new(WIDTH, HEIGHT).with("sigma", 2.0).with("amount", 0.8);
    let off = furthest(&case.run(&opaque(false), 256).unwrap().pixels, golden!("unsharp"));
    assert!(off < TOLERANCE, "{off}");
}
