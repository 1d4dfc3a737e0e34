//! Oil paint against NumPy, in another order and in f64 (`tests/reference/filters_party.py`).

use oil::Oil;
use underpaint_filter::testing::{Case, Made};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

#[test]
fn as_numpy_paints() {
    let photo = Made::<f32>::read(format!("{HERE}/../../../tests/filters/photo.pam"));
    let case = || Case::<Oil>::new(photo.width, photo.height);
    let dabs = case().with("brush", 3.0).with("length", 0.0).with("sharpness", 100.0).with("flow", 1.0);
    for (name, case) in [("default", case()), ("dabs", dabs)] {
        case.run(&photo.pixels, 64).unwrap().assert_golden(format!("{HERE}/{name}.pam"), 0.002);
    }
}
