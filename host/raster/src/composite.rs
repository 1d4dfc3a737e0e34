//! Cutting the patch out of a result, and merging it as an editor does.
//!
//! Decision: untouched means untouched. A patch is the support of its alpha and nothing else: its RGB is 0
//! where its alpha is 0, so nothing the model painted outside leaks into a file, and [`over`] does not
//! compute with such pixels at all, so they stay bit-identical.

use crate::{Image, Mask, Rect};
use rayon::prelude::*;

/// The result of a job: pixels to lay over the canvas.
#[derive(Clone, Debug, PartialEq)]
pub struct Patch {
    /// Where it lies, in canvas pixels.
    pub rect: Rect,
    /// RGBA, straight alpha, `rect.w` x `rect.h`; RGB is 0 where alpha is 0.
    pub image: Image,
}

/// The patch that lays `result` over the canvas with the opacity `alpha`; both of one extent, with
/// their top left corner at canvas position `at`.
///
/// The patch's alpha is `alpha` times the result's own, its RGB the result's; its rect is the smallest
/// that holds every alpha above 0. Where the result is transparent, nothing is
/// painted. `None` if nothing is left to paint. Panics if the extents differ, a bug of the caller.
pub fn composite(mut result: Image, alpha: &Mask, at: (i32, i32)) -> Option<Patch> {
    assert_eq!(result.extent(), alpha.extent(), "result and alpha have one extent");
    result.data_mut().as_chunks_mut::<4>().0.par_iter_mut().zip(alpha.data()).for_each(|(rgba, a)| {
        let opacity = a.clamp(0.0, 1.0) * rgba[3].clamp(0.0, 1.0);
        *rgba = if opacity == 0.0 { [0.0; 4] } else { [rgba[0], rgba[1], rgba[2], opacity] };
    });
    let bounds = result.bounds()?;
    let image = if bounds == result.extent().rect() { result } else { result.crop(bounds) };
    let rect = Rect::new(bounds.x.saturating_add(at.0), bounds.y.saturating_add(at.1), bounds.w, bounds.h);
    Some(Patch { rect, image })
}

/// `canvas` with `patch` merged down: source over, straight alpha, in sRGB-encoded values as Krita, GIMP
/// and Photoshop do by default for 8-bit documents. Parts of the patch beyond the canvas are dropped;
/// pixels under alpha 0 are bit-identical.
pub fn over(canvas: &Image, patch: &Patch) -> Image {
    let mut out = canvas.clone();
    let Some(rect) = canvas.extent().rect().intersect(patch.rect) else {
        return out;
    };
    for y in 0..rect.h {
        for x in 0..rect.w {
            let (cx, cy) = (rect.x as u32 + x, rect.y as u32 + y);
            let (px, py) = (i64::from(cx) - i64::from(patch.rect.x), i64::from(cy) - i64::from(patch.rect.y));
            let [r, g, b, a] = patch.image.pixel(px as u32, py as u32);
            if a > 0.0 {
                let below = canvas.pixel(cx, cy);
                let kept = below[3] * (1.0 - a);
                let sum = a + kept;
                let mix = |top: f32, bottom: f32| {
                    if a >= 1.0 { top } else { (top * a + bottom * kept) / sum }
                };
                out.set_pixel(cx, cy, [mix(r, below[0]), mix(g, below[1]), mix(b, below[2]), sum]);
            }
        }
    }
    out
}
