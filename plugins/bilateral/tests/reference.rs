//! Bilateral smoothing against OpenCV: `tests/reference/filters.py` makes the pictures.

use bilateral::Bilateral;
use underpaint_filter::testing::{self, Case};

const WIDTH: u32 = 48;
const HEIGHT: u32 = 36;

/// The reference is kept in 16 bits and was reckoned in 64.
const TOLERANCE: f32 = 2e-4;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/reference/golden/filters/", $name, ".u16"))
    };
}

#[test]
fn the_same_numbers() {
    // OpenCV looks its Gaussian up in a table.
    let grey: Vec<f32> =
        testing::opaque_picture::<f32>(WIDTH, HEIGHT).chunks(4).flat_map(|p| [p[0], p[0], p[0], p[3]]).collect();
    let case = Case::<Bilateral<f32>>::new(WIDTH, HEIGHT).with("radius", 4.0).with("tolerance", 0.2);
    let off = testing::furthest(&case.run(&grey, 256).unwrap().pixels, golden!("opaque-bilateral"));
    assert!(off < TOLERANCE, "{off}");
}
