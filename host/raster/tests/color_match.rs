//! Colour match: what it takes back, and when it lets go.

mod support;

use support::{delta_e, lab, paint};
use underpaint_raster::{Extent, Image, Mask, Matched, color_match, srgb_from_lab};

fn grey(l: f32) -> [f32; 4] {
    let [r, g, b] = srgb_from_lab([l, 0.0, 0.0]);
    [r, g, b, 1.0]
}

/// 60 % masked; the rest half L* 40, half L* 60 in the original, 5 more in the result. A masked 75 of the
/// result must become 70, where counting masked pixels as zeros gives 68.45.
#[test]
fn worked_example() {
    for (side, matched) in [(10, Matched::Shift), (100, Matched::Full)] {
        let extent = Extent::new(side, side);
        let masked = |y: u32| y < side * 6 / 10;
        let level = |x: u32, y: u32| if masked(y) { 70.0 } else { 40.0 + 20.0 * (x % 2) as f32 };
        let original = paint(extent, |x, y| grey(level(x, y)));
        let result = paint(extent, |x, y| grey(level(x, y) + 5.0));
        let mask = Mask::from_data(extent, (0..side * side).map(|i| f32::from(masked(i / side))).collect());
        let (out, found) = color_match(&result, &original, &mask);
        assert_eq!(found.matched, matched);
        for y in 0..side {
            for x in 0..side {
                let (got, wanted) = (lab(&out, x, y), lab(&original, x, y));
                assert!(delta_e(got, wanted) < 0.005, "{side}: ({x}, {y}) is {got:?} instead of {wanted:?}");
            }
        }
        assert_eq!(format!("{:.2}", lab(&out, 0, 0)[0]), "70.00");
        assert!((found.scale[0] - 1.0).abs() < 1e-4, "{found:?}");
    }
}

#[test]
fn with_nothing_untouched_nothing_is_done() {
    let extent = Extent::new(64, 64);
    let (original, result) = (paint(extent, |_, _| grey(40.0)), paint(extent, |_, _| grey(60.0)));
    let (out, found) = color_match(&result, &original, &Mask::new(extent, 1.0));
    assert_eq!((out, found.matched), (result.clone(), Matched::Nothing));
    // A transparent canvas is no evidence either.
    let (out, found) = color_match(&result, &Image::new(extent), &Mask::new(extent, 0.0));
    assert_eq!((out, found.matched), (result, Matched::Nothing));
}
