//! Unsharp mask against its formula on scipy's blur: `tests/reference/filters.py` makes the pictures.

use underpaint_filter::testing::{self, Case};
use unsharp_mask::UnsharpMask;

const WIDTH: u32 = 48;
const HEIGHT: u32 = 36;

/// The reference is kept in 16 bits and was reckoned in 64.
const TOLERANCE: f32 = 3e-5;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/reference/golden/filters/", $name, ".u16"))
    };
}

#[test]
fn the_same_numbers() {
    let case = Case::<UnsharpMask<f32>>::new(WIDTH, HEIGHT).with("sigma", 2.0).with("amount", 0.8);
    let off = testing::furthest(&case.run(&testing::picture(WIDTH, HEIGHT), 256).unwrap().pixels, golden!("unsharp"));
    assert!(off < TOLERANCE, "{off}");
}
