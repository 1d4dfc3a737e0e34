//! Upscaling against Pillow's Lanczos, and Scale2x and Scale3x as they are published (`tests/reference/filters_party.py`).

use underpaint_filter::testing::{Case, Made};
use upscale::Upscale;

const HERE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests");

#[test]
fn as_pillow_enlarges() {
    let photo = Made::<f32>::read(format!("{HERE}/../../../tests/filters/photo.pam")).linear();
    let part: Vec<f32> = (10..58).flat_map(|y| photo.pixels[(y * 96 + 12) * 4..(y * 96 + 72) * 4].to_vec()).collect();
    let case = || Case::<Upscale>::new(60, 48);
    for (name, case) in [("default", case()), ("halos", case().with("factor", 1.5).with("halos", 100.0))] {
        let mut made = case.run(&part, 64).unwrap().encoded();
        // Colour under alpha 0 means nothing.
        let clear = made.pixels.chunks_exact_mut(4).filter(|pixel| pixel[3] * 255.0 < 0.5);
        clear.for_each(|pixel| pixel.fill(0.0));
        made.assert_golden(format!("{HERE}/{name}.pam"), 0.002);
    }
}

#[test]
fn as_scale2x_is_published() {
    let small = Made::<f32>::read(format!("{HERE}/pixels.pam")).linear();
    for (name, factor) in [("scale3", 3.0), ("scale4", 4.0)] {
        let case = Case::<Upscale>::new(small.width, small.height).with("method", "pixel-art").with("factor", factor);
        let made = case.run(&small.pixels, 64).unwrap().encoded();
        made.assert_golden(format!("{HERE}/{name}.pam"), 0.0);
    }
}
