//! Dithering against NumPy (`tests/reference/filters_party.py`).

use dither::Dither;
use underpaint_filter::testing::{Case, Made};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// Share of values that may differ: where two colours are all but equally near, f32 and f64 may choose apart.
const APART: f64 = 0.002;

#[test]
fn as_numpy_dithers() {
    let photo = Made::<f32>::read(format!("{HERE}/../../../tests/filters/photo.pam"));
    let case = || Case::<Dither>::new(photo.width, photo.height);
    let encoded = case().with("palette", "mono").with("size", 1).with("keep_light", false);
    for (name, case) in [
        ("default", case()),
        ("bayer", case().with("palette", "handheld").with("method", "bayer4").with("size", 1)),
        ("floyd-steinberg", encoded.with("method", "floyd-steinberg")),
        ("atkinson", case().with("method", "atkinson")),
    ] {
        case.run(&photo.pixels, 64).unwrap().assert_golden(format!("{HERE}/{name}.pam"), APART);
    }
}
