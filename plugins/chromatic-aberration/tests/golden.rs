//! Chromatic aberration against SciPy's sampling (`tests/reference/filters_party.py`).

use chromatic_aberration::ChromaticAberration;
use underpaint_filter::testing::{Case, Made};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

#[test]
fn as_scipy_samples() {
    let photo = Made::<f32>::read(format!("{HERE}/../../../tests/filters/photo.pam")).linear();
    let case = || Case::<ChromaticAberration>::new(photo.width, photo.height);
    let purple = case().with("amount", 9.0).with("fringe", "purple-green").with("spread", 0.0).with("center_x", 30.0);
    for (name, case) in [("default", case()), ("purple", purple)] {
        let made = case.run(&photo.pixels, 64).unwrap().encoded();
        made.assert_golden(format!("{HERE}/{name}.pam"), 0.0);
    }
}
