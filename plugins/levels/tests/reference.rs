//! Levels against their formula in 64 bits: `tests/reference/filters.py` makes the pictures.

use levels::Levels;
use underpaint_filter::testing::{self, Case};

const WIDTH: u32 = 48;
const HEIGHT: u32 = 36;

/// The reference is kept in 16 bits and was reckoned in 64.
const TOLERANCE: f32 = 2e-5;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/reference/golden/filters/", $name, ".u16"))
    };
}

#[test]
fn the_same_numbers() {
    let case = Case::<Levels<f32>>::new(WIDTH, HEIGHT).with("black", 0.1).with("white", 0.8).with("gamma", 1.6);
    let off = testing::furthest(&case.run(&testing::picture(WIDTH, HEIGHT), 256).unwrap().pixels, golden!("levels"));
    assert!(off < TOLERANCE, "{off}");
}
