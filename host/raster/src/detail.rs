//! Giving back what the scale took: a large context is shrunk for the model, and what comes back has lost the finest
//! detail of the picture, also where nothing was painted.
//!
//! Decision: the original's own detail returns in proportion to how little of the way it was repainted, before colours
//! are compared. Else the band in which a patch fades in would be a soft halo around it, a weak repaint would blur what
//! it hardly changes, and the contrast of the surroundings would be measured too low.

use crate::{Extent, Image, Mask, resize};
use rayon::prelude::*;

/// `result` with the detail of `original` that a model at extent `seen` could not see, weighted by
/// `(1 - strength * denoise_mask)^2`. All three share one extent; nothing is changed if `seen` is no smaller. Alpha is kept,
/// colours are clamped to sRGB.
pub fn detail(result: &Image, original: &Image, denoise_mask: &Mask, strength: f64, seen: Extent) -> Image {
    assert_eq!(result.extent(), original.extent(), "result and original have one extent");
    assert_eq!(result.extent(), denoise_mask.extent(), "result and mask have one extent");
    let mut out = result.clone();
    if seen.area() >= original.extent().area() || seen.area() == 0 {
        return out;
    }
    let coarse = resize(&resize(original, seen), original.extent());
    let pixels = out.data_mut().par_chunks_exact_mut(4).zip(denoise_mask.data());
    let lost = original.data().par_chunks_exact(4).zip(coarse.data().par_chunks_exact(4));
    pixels.zip(lost).for_each(|((rgba, m), (fine, coarse))| {
        // Squared: half repainted is mostly another picture, over which old detail would be a ghost.
        let share = (1.0 - (m * strength as f32).clamp(0.0, 1.0)).powi(2);
        (0..3).for_each(|c| rgba[c] = (rgba[c] + share * (fine[c] - coarse[c])).clamp(0.0, 1.0));
    });
    out
}
