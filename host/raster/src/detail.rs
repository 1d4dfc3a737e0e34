//! Giving back what the scale took: a large context is shrunk for the model, and what comes back has lost the finest
//! detail of the picture, also where nothing was painted.
//!
//! Decision: the original's own detail returns where the picture is still the original's, before colours are compared. Else the
//! band in which a patch fades in would be a soft halo around it, a weak repaint would blur what it hardly changes, and the
//! contrast of the surroundings would be measured too low. How likely that is says first how little of the way was repainted,
//! and then what the model made of the finest structure it could see: where that came back, what is finer belongs to it; where
//! it is another or gone, old detail over it would be a ghost. The two are combined as Bayes' rule combines a prior and a
//! likelihood, as odds.

use crate::resize::{self, resize, resize_mask};
use crate::{Extent, Image, Mask};
use rayon::prelude::*;

/// Side of the parts of the model's picture that are compared, in its pixels.
const PART_PX: u32 = 8;
/// Differences that nobody sees: squares of one of 255 levels in each colour.
const UNSEEN: f32 = 3.0 / (255.0 * 255.0);

/// `result` with the detail of `original` that the model could not see, weighted by how likely it is still the original's
/// there. `made` is the model's picture, of which `result` is the enlarged one; the other three share one extent, and nothing is
/// changed if `made` is no smaller. The prior is `(1 - strength * denoise_mask)^2`. Alpha is kept, colours are clamped to sRGB.
pub fn detail(result: Image, original: &Image, denoise_mask: &Mask, strength: f64, made: &Image) -> Image {
    let (extent, seen) = (original.extent(), made.extent());
    assert_eq!(result.extent(), extent, "result and original have one extent");
    assert_eq!(extent, denoise_mask.extent(), "result and mask have one extent");
    let mut out = result;
    if seen.area() >= extent.area() || seen.area() == 0 {
        return out;
    }
    let shown = resize(original, seen);
    let alike = resize_mask(&likeness(&shown, made), extent);
    let width = extent.w as usize;
    resize::rows(&shown, shown.extent().rect(), extent, out.data_mut().as_chunks_mut().0, |y, coarse, out| {
        let at = y * width..(y + 1) * width;
        let chances = denoise_mask.data()[at.clone()].iter().zip(&alike.data()[at.clone()]);
        let lost = original.data().as_chunks::<4>().0[at].iter().zip(coarse);
        out.iter_mut().zip(chances).zip(lost).for_each(|((rgba, (m, alike)), (fine, coarse))| {
            // Squared: half repainted is mostly another picture.
            let prior = (1.0 - (m * strength as f32).clamp(0.0, 1.0)).powi(2);
            let (kept, changed) = (prior * alike, (1.0 - prior) * (1.0 - alike));
            let share = if kept + changed > 0.0 { kept / (kept + changed) } else { prior };
            (0..3).for_each(|c| rgba[c] = (rgba[c] + share * (fine[c] - coarse[c])).clamp(0.0, 1.0));
        });
    });
    out
}

/// How much of the finest structure of `shown` is in `made`, for each part: 1 all of it and nothing else, 0 none. It is the
/// product of the structure and contrast terms of SSIM (Wang et al. 2004) over the octave below what both can show.
fn likeness(shown: &Image, made: &Image) -> Mask {
    let Extent { w, h } = shown.extent();
    let blurred = |image: &Image| resize(&resize(image, Extent::new(w.div_ceil(2), h.div_ceil(2))), image.extent());
    let (shown_blurred, made_blurred) = (blurred(shown), blurred(made));
    let band = |image: &Image, blurred: &Image, i: usize| {
        [0, 1, 2].map(|c| image.data()[4 * i + c] - blurred.data()[4 * i + c])
    };
    let mean = |product: &(dyn Fn([f32; 3], [f32; 3]) -> f32 + Sync)| {
        let pixel = |i: usize| product(band(shown, &shown_blurred, i), band(made, &made_blurred, i));
        let plane = (0..(w * h) as usize).into_par_iter().map(pixel).collect();
        resize_mask(&Mask::from_data(shown.extent(), plane), Extent::new(w.div_ceil(PART_PX), h.div_ceil(PART_PX)))
    };
    let dot = |a: [f32; 3], b: [f32; 3]| (0..3).map(|c| a[c] * b[c]).sum::<f32>();
    let both = mean(&|shown, made| 2.0 * dot(shown, made));
    let each = mean(&|shown, made| dot(shown, shown) + dot(made, made));
    let alike = both.data().iter().zip(each.data()).map(|(both, each)| (both + UNSEEN) / (each + UNSEEN));
    Mask::from_data(both.extent(), alike.collect())
}
