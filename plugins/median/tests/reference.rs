//! Median against scipy: `tests/reference/filters.py` makes the pictures.

use median::Median;
use underpaint_filter::Sample;
use underpaint_filter::testing::{self, Case};

const WIDTH: u32 = 48;
const HEIGHT: u32 = 36;

/// The reference is kept in 16 bits and was reckoned in 64.
const TOLERANCE: f32 = 1e-5;

macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../../tests/reference/golden/filters/", $name, ".u16"))
    };
}

#[test]
fn the_same_numbers() {
    for (radius, golden) in
        [(1, golden!("opaque-median-1")), (2, golden!("opaque-median-2")), (4, golden!("opaque-median-4"))]
    {
        let case = Case::<Median<f32>>::new(WIDTH, HEIGHT).with("radius", radius);
        let off = testing::furthest(&case.run(&testing::opaque_picture(WIDTH, HEIGHT), 256).unwrap().pixels, golden);
        assert!(off < TOLERANCE, "radius {radius}: {off}");
        let case = Case::<Median<u8>>::new(WIDTH, HEIGHT).with("radius", radius);
        let rounded: Vec<u8> = testing::opaque_picture::<f32>(WIDTH, HEIGHT).into_iter().map(u8::from_unit).collect();
        let off = testing::furthest(&case.run(&rounded, 256).unwrap().pixels, golden);
        assert!(off < 0.51 / 255.0, "radius {radius}: {off}");
    }
}
