//! Line art against SciPy's convolutions (`tests/reference/filters_party.py`).

use line_art::LineArt;
use underpaint_filter::testing::{Case, Made};

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

#[test]
fn as_scipy_draws() {
    let photo = Made::<f32>::read(format!("{HERE}/../../../tests/filters/photo.pam"));
    let case = || Case::<LineArt>::new(photo.width, photo.height);
    let lines = case()
        .with("thickness", 2.5)
        .with("detail", 80.0)
        .with("shadows", 0.0)
        .with("softness", 60.0)
        .with("background", "transparent");
    for (name, case) in [("default", case()), ("lines", lines)] {
        let mut made = case.run(&photo.pixels, 64).unwrap();
        // Colour under alpha 0 means nothing.
        let clear = made.pixels.chunks_exact_mut(4).filter(|pixel| pixel[3] * 255.0 < 0.5);
        clear.for_each(|pixel| pixel.fill(0.0));
        made.assert_golden(format!("{HERE}/{name}.pam"), 0.001);
    }
}
