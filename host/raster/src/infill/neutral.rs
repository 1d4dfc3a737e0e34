//! Neutral fill: mid grey, for painting something new where the old content must not show through.

use crate::{Image, Mask, distance, infill};
use rayon::prelude::*;

/// Width of the band in which the fill goes from the surroundings' colours to grey.
const FALLOFF_PX: f32 = 9.0;

/// `image` with its masked pixels replaced by opaque 0.5 grey. Within 9 px of the mask's edge the grey fades
/// into [`infill::push_pull`]'s colours, so a model sees no hard edge to draw; nothing of the masked
/// original remains under mask 1, and a soft value `m` keeps `1 - m` of it. Pixels under mask 0 are
/// bit-identical.
pub fn neutral(image: &Image, mask: &Mask) -> Image {
    let smooth = infill::push_pull(image, mask);
    let kept: Vec<bool> = mask.data().iter().map(|&m| m <= 0.0).collect();
    let inside = distance::distance(mask.extent(), &kept);
    let mut out = smooth;
    out.data_mut().par_chunks_exact_mut(4).zip(mask.data()).zip(&inside).for_each(|((rgba, &m), &d)| {
        if m > 0.0 {
            let t = (d / FALLOFF_PX).min(1.0);
            let grey = m.min(1.0) * t * t * (3.0 - 2.0 * t);
            rgba.iter_mut().zip([0.5, 0.5, 0.5, 1.0]).for_each(|(v, n)| *v += (n - *v) * grey);
        }
    });
    out
}
