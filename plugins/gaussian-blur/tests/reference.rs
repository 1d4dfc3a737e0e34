//! Gaussian blur against scipy: `tests/reference/filters.py` makes the pictures.

use gaussian_blur::GaussianBlur;
use underpaint_filter::Sample;
use underpaint_filter::testing::{self, Case};

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
    let run = |picture: &[f32], sigma: f32| {
        Case::<GaussianBlur<f32>>::new(WIDTH, HEIGHT).with("sigma", sigma).run(picture, 256).unwrap().pixels
    };
    let bytes = |picture: &[u8], sigma: f32| {
        Case::<GaussianBlur<u8>>::new(WIDTH, HEIGHT).with("sigma", sigma).run(picture, 256).unwrap().pixels
    };
    let (soft, hard) = (golden!("gaussian"), golden!("opaque-gaussian"));
    let off = testing::furthest(&run(&testing::opaque_picture(WIDTH, HEIGHT), 6.0), hard);
    assert!(off < TOLERANCE, "{off}");
    let off = testing::furthest(&run(&testing::picture(WIDTH, HEIGHT), 1.5), soft);
    assert!(off < TOLERANCE, "{off}");
    // Bytes went in already rounded; one more half step is the result's own.
    let rounded: Vec<u8> = testing::opaque_picture::<f32>(WIDTH, HEIGHT).into_iter().map(u8::from_unit).collect();
    let off = testing::furthest(&bytes(&rounded, 6.0), hard);
    assert!(off < 1.01 / 255.0, "{off}");
}
