//! Halftone against NumPy (`tests/reference/filters_party.py`).

use halftone::Halftone;
use underpaint_filter::testing::{Case, Made};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

/// Share of values that may be another step of 8 bits: shares of a cell are counted here and reckoned there.
const APART: f64 = 0.1;

#[test]
fn as_numpy_prints() {
    let photo = Made::<f32>::read(format!("{HERE}/../../../tests/filters/photo.pam"));
    let case = || Case::<Halftone>::new(photo.width, photo.height);
    let lines = case()
        .with("colors", "one")
        .with("shape", "lines")
        .with("size", 5.0)
        .with("angle", 20.0)
        .with("contrast", 40.0)
        .with("softness", 0.0);
    for (name, case, apart) in [("default", case(), APART), ("lines", lines, 0.001)] {
        case.run(&photo.pixels, 64).unwrap().assert_golden(format!("{HERE}/{name}.pam"), apart);
    }
}
