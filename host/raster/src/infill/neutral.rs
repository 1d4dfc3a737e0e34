//! Neutral fill: mid grey, for painting something new where the old content must not show through.

use crate::{Image, Mask, distance, infill};
use rayon::prelude::*;

/// `image` with its masked pixels replaced by opaque 0.5 grey. Within `falloff_px` of the mask's edge the grey fades
/// into [`infill::push_pull`]'s colours, so a model sees no hard edge to draw; with 0 there is no such band. Nothing
/// of the masked original remains under mask 1, where the grey is exactly 0.5; a soft value `m` keeps `1 - m` of it.
/// Pixels under mask 0 are bit-identical.
pub fn neutral(image: &Image, mask: &Mask, falloff_px: f32) -> Image {
    let smooth = infill::push_pull(image, mask);
    let kept: Vec<bool> = mask.data().iter().map(|&m| m <= 0.0).collect();
    let inside = distance::distance(mask.extent(), &kept);
    let mut out = smooth;
    out.data_mut().par_chunks_exact_mut(4).zip(mask.data()).zip(&inside).for_each(|((rgba, &m), &d)| {
        if m > 0.0 {
            let t = if falloff_px > 0.0 { (d / falloff_px).min(1.0) } else { 1.0 };
            let grey = m.min(1.0) * t * t * (3.0 - 2.0 * t);
            rgba.iter_mut().zip([0.5, 0.5, 0.5, 1.0]).for_each(|(v, n)| *v = *v * (1.0 - grey) + n * grey);
        }
    });
    out
}
