//! Watermark against Pillow's Lanczos and SciPy's sampling (`tests/reference/filters_party.py`).

use underpaint_filter::testing::{Case, Made};
use watermark::Watermark;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

#[test]
fn as_pillow_and_scipy_lay_it() {
    let read = |name: &str| Made::<f32>::read(format!("{HERE}/../../../tests/filters/{name}.pam"));
    let (photo, Made { width, height, mut pixels }) = (read("photo"), read("other"));
    for (i, pixel) in pixels.chunks_exact_mut(4).enumerate() {
        pixel[3] = (-0.2 + 1.6 * (i % 60) as f32 / 59.0).clamp(0.0, 1.0);
    }
    let stamp = underpaint_filter::Image { width, height, pixels };
    let case = || Case::<Watermark>::new(photo.width, photo.height).image("stamp", stamp.clone());
    let tiled = case().with("place", "tiled").with("size", 30.0).with("opacity", 50.0);
    let tiled = tiled.with("margin", 8.0).with("angle", 25.0);
    for (name, case) in [("default", case()), ("tiled", tiled)] {
        case.run(&photo.pixels, 64).unwrap().assert_golden(format!("{HERE}/{name}.pam"), 0.002);
    }
}
