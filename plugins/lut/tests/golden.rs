//! Tables against NumPy's and SciPy's interpolation (`tests/reference/filters_party.py`).

use lut::Lut;
use underpaint_filter::testing::{Case, Made};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

#[test]
fn as_scipy_interpolates() {
    let photo = Made::<f32>::read(format!("{HERE}/../../../tests/filters/photo.pam"));
    let table = |name: &str| std::fs::read_to_string(format!("{HERE}/{name}.cube")).unwrap();
    let case = |name: &str| Case::<Lut>::new(photo.width, photo.height).with("table", table(name).as_str());
    for (name, case) in [
        ("curves", case("curves")),
        ("trilinear", case("grade").with("interpolation", "trilinear")),
        ("tetrahedral", case("grade")),
    ] {
        case.run(&photo.pixels, 64).unwrap().assert_golden(format!("{HERE}/{name}.pam"), 0.0);
    }
}
