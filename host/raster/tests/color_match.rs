//! Colour match and seams, with results that stand in for a model's.

mod support;

use support::{delta_e, lab, paint, photo, rect_mask};
use underpaint_raster::{
    Extent, Image, Mask, Matched, Rect, color_match, composite, lab_from_srgb, masks, over, resize, srgb_from_lab,
};

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

/// A masked photograph, its masks and where the patch goes.
fn scene() -> (Image, Mask, Mask, Mask) {
    let photo = photo().crop(Rect::new(380, 120, 320, 300));
    let mask = rect_mask(photo.extent(), &[Rect::new(110, 100, 90, 80)]);
    let s = masks::softness(&mask, 1.0, None, None);
    let (denoise, alpha) = (masks::denoise_mask(&mask, &s), masks::compositing_mask(&mask, &s));
    (photo, mask, denoise, alpha)
}

#[test]
fn an_engine_that_returns_its_input_changes_nothing() {
    let (photo, _, denoise, alpha) = scene();
    for (zoom, worst_mean) in [(1.0, 0.01), (1.6, 0.5), (4.0, 0.5)] {
        let there = Extent::new((320.0 * zoom) as u32, (300.0 * zoom) as u32);
        let back = resize(&resize(&photo, there), photo.extent());
        let (back, _) = color_match(&back, &photo, &denoise);
        let patch = composite(&back, &photo, &alpha, (0, 0)).expect("a patch");
        let merged = over(&photo, &patch);
        let (mut sum, mut count, mut worst) = (0.0, 0, 0.0f32);
        for y in 0..300 {
            for x in 0..320 {
                if alpha.at(x, y) > 0.0 {
                    let d = delta_e(lab(&photo, x, y), lab(&merged, x, y));
                    (sum, count, worst) = (sum + d, count + 1, worst.max(d));
                } else {
                    assert_eq!(photo.pixel(x, y), merged.pixel(x, y));
                }
            }
        }
        let mean = sum / count as f32;
        assert!(mean <= worst_mean, "zoom {zoom}: mean delta E {mean}");
        assert!(zoom != 1.0 || worst <= 1.0, "zoom 1: worst delta E {worst}");
    }
}

#[test]
fn a_colour_drift_is_taken_back() {
    let (photo, _, denoise, alpha) = scene();
    let drifted = paint(photo.extent(), |x, y| {
        let [l, a, b] = lab(&photo, x, y);
        let [r, g, b] = srgb_from_lab([(l - 50.0) * 0.95 + 55.0, a, b + 3.0]);
        [r.clamp(0.0, 1.0), g.clamp(0.0, 1.0), b.clamp(0.0, 1.0), 1.0]
    });
    let (matched, found) = color_match(&drifted, &photo, &denoise);
    assert_eq!(found.matched, Matched::Full);
    let ring = |result: &Image| {
        let merged = over(&photo, &composite(result, &photo, &alpha, (0, 0)).expect("a patch"));
        let (mut sum, mut count) = (0.0, 0);
        for y in 0..300 {
            for x in 0..320 {
                if (0.5..1.0).contains(&alpha.at(x, y)) {
                    sum += delta_e(lab(&photo, x, y), lab(&merged, x, y));
                    count += 1;
                }
            }
        }
        sum / count as f32
    };
    assert!(ring(&matched) <= 0.5, "mean delta E in the ring {}", ring(&matched));
    assert!(ring(&drifted) > 2.0, "the stand-in does drift: {}", ring(&drifted));
}

#[test]
fn a_shifted_ramp_shows_no_edge() {
    let extent = Extent::new(300, 240);
    let ramp = |shift: f32| paint(extent, move |x, y| grey(20.0 + 0.12 * (x as f32 + shift) + 0.1 * y as f32));
    let (canvas, result) = (ramp(0.0), ramp(4.0));
    let mask = rect_mask(extent, &[Rect::new(100, 80, 100, 80)]);
    let s = masks::softness(&mask, 1.0, None, None);
    let alpha = masks::compositing_mask(&mask, &s);
    let merged = over(&canvas, &composite(&result, &canvas, &alpha, (0, 0)).expect("a patch"));
    let l = |x: u32, y: u32| {
        let p = merged.pixel(x, y);
        lab_from_srgb([p[0], p[1], p[2]])[0]
    };
    let gradient = |x: u32, y: u32| (l(x + 1, y) - l(x - 1, y)).hypot(l(x, y + 1) - l(x, y - 1)) / 2.0;
    let contour: Vec<(u32, u32)> = (2..238)
        .flat_map(|y| (2..298).map(move |x| (x, y)))
        .filter(|&(x, y)| {
            (alpha.at(x, y) >= 0.5) != (alpha.at(x + 1, y) >= 0.5)
                || (alpha.at(x, y) >= 0.5) != (alpha.at(x, y + 1) >= 0.5)
        })
        .collect();
    let (mut near, mut far) = ((0.0, 0), (0.0, 0));
    for y in 20..220 {
        for x in 20..280 {
            let d =
                contour.iter().map(|c| (c.0.abs_diff(x) as f32).hypot(c.1.abs_diff(y) as f32)).fold(f32::MAX, f32::min);
            let band = if d <= 2.0 {
                &mut near
            } else if (8.0..=16.0).contains(&d) {
                &mut far
            } else {
                continue;
            };
            *band = (band.0 + gradient(x, y), band.1 + 1);
        }
    }
    let jump = (near.0 / near.1 as f32) / (far.0 / far.1 as f32);
    assert!(jump <= 1.15, "gradient jump {jump:.3}");
}
