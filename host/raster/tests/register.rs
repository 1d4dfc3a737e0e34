//! Registration: how far a result lies beside its place is found from what was not painted, and taken back.

mod support;

use support::{paint, photo, psnr, rect_mask};
use underpaint_raster::{Extent, Image, Mask, Rect, Registered, enlarge};

/// How near an estimate must be, in pixels.
const NEAR_PX: f32 = 0.25;

/// Looking and doing in one, for tests of both.
fn register(result: &Image, original: &Image, mask: &Mask) -> (Image, Registered) {
    let found = Registered::measure(result, original, mask, 1.0, 1.0);
    (enlarge(result, result.extent(), found.back(), result.extent().rect(), None), found)
}

/// A photograph, a selection in it, and the photograph as a model might return it: `(dx, dy)` to the right and below,
/// lighter and flatter, with something else under the selection.
fn scene(dx: f32, dy: f32) -> (Image, Mask, Image) {
    let all = photo();
    // From the large photograph, so that what comes in at the borders is its own; cubic interpolation.
    let at = |x: f32, y: f32, c: usize| {
        let (x0, y0) = (x.floor(), y.floor());
        let k = |t: f32| {
            let t = t.abs();
            match t {
                _ if t < 1.0 => 1.5 * t.powi(3) - 2.5 * t * t + 1.0,
                _ if t < 2.0 => -0.5 * t.powi(3) + 2.5 * t * t - 4.0 * t + 2.0,
                _ => 0.0,
            }
        };
        let mut sum = 0.0;
        for j in -1..3 {
            for i in -1..3 {
                let (u, v) = (x0 + i as f32, y0 + j as f32);
                sum += k(x - u) * k(y - v) * all.pixel(u as u32, v as u32)[c];
            }
        }
        sum.clamp(0.0, 1.0)
    };
    let rect = Rect::new(400, 120, 300, 260);
    let original = all.crop(rect);
    let mask = rect_mask(original.extent(), &[Rect::new(100, 80, 110, 100)]);
    let shifted = paint(original.extent(), |x, y| match mask.at(x, y) > 0.0 {
        true => [0.9, 0.1, (x % 13) as f32 / 13.0, 1.0],
        false => {
            let v = |c| 0.03 + 0.96 * at((x as i32 + rect.x) as f32 - dx, (y as i32 + rect.y) as f32 - dy, c);
            [v(0), v(1), v(2), 1.0]
        }
    });
    (original, mask, shifted)
}

#[test]
fn shifts_are_found_and_small_ones_taken_back() {
    for (dx, dy) in [(0.5, 0.0), (0.0, -0.5), (1.0, 1.0), (-1.3, 0.7), (2.0, 0.0), (0.0, 3.0), (-2.5, 1.5), (3.0, -3.0)]
    {
        let (original, mask, shifted) = scene(dx, dy);
        let (out, found) = register(&shifted, &original, &mask);
        let [x, y] = found.shift;
        assert!((x - dx).abs() < NEAR_PX && (y - dy).abs() < NEAR_PX, "({dx}, {dy}) was taken for ({x}, {y})");
        assert_eq!(found.corrected, dx.hypot(dy) <= 2.0, "({dx}, {dy})");
        let ring = |image: &Image| image.crop(Rect::new(10, 10, 280, 60));
        let (before, after) = (psnr(&ring(&shifted), &ring(&original)), psnr(&ring(&out), &ring(&original)));
        assert!(!found.corrected || after > before + 1.0, "({dx}, {dy}): {before:.1} dB became {after:.1} dB");
        assert!(found.corrected || out == shifted, "what is not corrected is left alone");
    }
}

#[test]
fn where_nothing_can_be_said_nothing_is_done() {
    let (original, mask, still) = scene(0.0, 0.0);
    let flat = paint(original.extent(), |_, _| [0.4, 0.4, 0.4, 1.0]);
    // Stripes say nothing about the way along them.
    let stripes =
        |by: u32| paint(original.extent(), move |x, _| [0.5 + 0.3 * ((x + by) as f32 * 0.4).sin(), 0.5, 0.5, 1.0]);
    let (_, _, far) = scene(1.0, 0.0);
    let other = paint(original.extent(), |x, y| far.pixel(299 - x, 259 - y));
    let tiny = |i: &Image| i.crop(Rect::new(0, 0, 30, 30));
    for (what, result, original, mask) in [
        ("in place", still, original.clone(), mask.clone()),
        ("flat", flat.clone(), flat, mask.clone()),
        ("stripes", stripes(1), stripes(0), mask.clone()),
        ("another picture", other, original.clone(), mask.clone()),
        ("all masked", far.clone(), original.clone(), Mask::new(original.extent(), 1.0)),
        ("too small", tiny(&far), tiny(&original), Mask::new(Extent::new(30, 30), 0.0)),
        ("transparent", far, Image::new(original.extent()), Mask::new(original.extent(), 0.0)),
        ("nothing", Image::new(Extent::new(0, 7)), Image::new(Extent::new(0, 7)), Mask::new(Extent::new(0, 7), 0.0)),
    ] {
        let (out, found) = register(&result, &original, &mask);
        assert!(out == result && !found.corrected && found.shift == [0.0; 2], "{what}: {found:?}");
    }
}
