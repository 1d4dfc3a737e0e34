//! Colour match: what it takes back, and when it lets go.

mod support;

use support::{delta_e, lab, paint};
use underpaint_raster::{ColorMatch, Extent, Image, Mask, Matched, srgb_from_lab};

/// Looking and doing in one, for tests of both.
fn color_match(result: &Image, original: &Image, mask: &Mask) -> (Image, ColorMatch) {
    let found = ColorMatch::measure(result, original, mask);
    let mut out = result.clone();
    found.apply(&mut out, result.extent().rect());
    (out, found)
}

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

/// The surroundings' contrast is trusted only so far, and only where enough of it is seen.
#[test]
fn contrast_is_matched_within_bounds_and_from_enough_evidence() {
    let level = |x: u32, y: u32| 50.0 + 8.0 * ((x as f32 * 0.7).sin() + (y as f32 * 0.9).cos());
    #[rustfmt::skip]
    let table = [
        // side, rows untouched, contrast of the result -> what is matched, scale
        (100, 40, 1.1, Matched::Full, 1.0 / 1.1),
        (100, 40, 0.5, Matched::Full, 1.25),
        (100, 40, 3.0, Matched::Full, 0.8),
        (100, 10, 1.1, Matched::Shift, 1.0),     // 1000 px
        (300, 12, 1.1, Matched::Shift, 1.0),     // 3600 px, but 4 % of the picture
        (300, 16, 1.1, Matched::Full, 1.0 / 1.1),
        (10, 3, 1.1, Matched::Nothing, 1.0),     // 30 px
    ];
    for (side, rows, contrast, matched, scale) in table {
        let extent = Extent::new(side, side);
        let original = paint(extent, |x, y| grey(level(x, y)));
        let result = paint(extent, |x, y| grey(50.0 + contrast * (level(x, y) - 50.0)));
        let mask = Mask::from_data(extent, (0..side * side).map(|i| f32::from(i / side >= rows)).collect());
        let (_, found) = color_match(&result, &original, &mask);
        assert_eq!(found.matched, matched, "{side}, {rows}, {contrast}");
        assert!((found.scale[0] - scale).abs() < 0.01, "{side}, {rows}, {contrast}: {found:?}");
    }
}

/// Colour near the selection counts more than colour far from it, and what a canvas does not show counts nothing.
#[test]
fn near_colours_count_more_than_far_ones() {
    let extent = Extent::new(400, 100);
    let mask = Mask::from_data(extent, (0..400 * 100).map(|i| f32::from(i % 400 < 100)).collect());
    let original = paint(extent, |_, _| grey(50.0));
    // 6 lighter in the near half of what is untouched, right in the far half: the mean would be 3.
    let result = paint(extent, |x, _| grey(if x < 250 { 56.0 } else { 50.0 }));
    let shift = |original: &Image| {
        let (_, found) = color_match(&result, original, &mask);
        found.from[0] - found.to[0]
    };
    assert!((3.3..5.0).contains(&shift(&original)), "{}", shift(&original));
    let cut = paint(extent, |x, _| if x < 250 { [0.0; 4] } else { grey(50.0) });
    assert!(shift(&cut).abs() < 0.01, "{}", shift(&cut));
}
