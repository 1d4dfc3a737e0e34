//! Pixel art against NumPy and scikit-image's Lab (`tests/reference/filters_party.py`).

use pixel_art::PixelArt;
use underpaint_filter::testing::{Case, Made};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// Share of values that may differ: a block whose colour is all but equally near to two may take the other.
const APART: f64 = 0.01;

#[test]
fn as_numpy_draws() {
    let photo = Made::<f32>::read(format!("{HERE}/../../../tests/filters/photo.pam"));
    let case = || Case::<PixelArt>::new(photo.width, photo.height);
    let small = case()
        .with("size", 5)
        .with("colors", 8)
        .with("sampling", "smooth")
        .with("dither", 80.0)
        .with("output", "small");
    for (name, case) in [("default", case()), ("small", small)] {
        let mut made = case.run(&photo.pixels, 64).unwrap();
        // Colour under alpha 0 means nothing.
        let clear = made.pixels.chunks_exact_mut(4).filter(|pixel| pixel[3] * 255.0 < 0.5);
        clear.for_each(|pixel| pixel.fill(0.0));
        made.assert_golden(format!("{HERE}/{name}.pam"), APART);
    }
}
