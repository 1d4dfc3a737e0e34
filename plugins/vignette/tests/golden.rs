//! Vignette against NumPy (`tests/reference/filters_party.py`).

use underpaint_filter::testing::{Case, Made};
use vignette::Vignette;

#[test]
fn as_numpy_reckons_it() {
    let photo = Made::<f32>::read(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/filters/photo.pam")).linear();
    let case = || Case::<Vignette>::new(photo.width, photo.height);
    let light = case()
        .with("amount", -80.0)
        .with("roundness", 100.0)
        .with("midpoint", 50.0)
        .with("feather", 30.0)
        .with("center_x", 25.0)
        .with("center_y", 40.0);
    for (name, case) in [("default", case()), ("light", light)] {
        let made = case.run(&photo.pixels, 64).unwrap().encoded();
        made.assert_golden(format!("{}/tests/{name}.pam", env!("CARGO_MANIFEST_DIR")), 0.0);
    }
}
