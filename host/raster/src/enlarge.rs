//! Enlarging a model's picture, and giving back what the scale took: a large context is shrunk for the model, and what comes
//! back has lost the finest detail of the picture, also where nothing was painted.
//!
//! Decision: the original's own detail returns where the picture is still the original's. Else the
//! band in which a patch fades in would be a soft halo around it, and a weak repaint would blur what it hardly changes.
//! How likely that is says first how little of the way was repainted,
//! and then what the model made of the finest structure it could see: where that came back, what is finer belongs to it; where
//! it is another or gone, old detail over it would be a ghost. The two are combined as Bayes' rule combines a prior and a
//! likelihood, as odds. Only what is asked for is made, in tiles, and the original only where its detail may return.

use crate::resize::{MaskResampling, Resampling, resize, resize_mask};
use crate::{Extent, Image, Mask, Rect};
use rayon::prelude::*;

/// Side of the parts of the model's picture that are compared, in its pixels.
const PART_PX: u32 = 8;
/// Differences that nobody sees: squares of one of 255 levels in each colour.
const UNSEEN: f32 = 3.0 / (255.0 * 255.0);
/// Rows that are made together, and columns of them that have detail together: what fits the nearer caches.
const ROWS: usize = 32;
const COLUMNS: usize = 128;

/// What a model was shown smaller than it is.
#[derive(Clone, Copy, Debug)]
pub struct Lost<'a> {
    /// The picture it is a part of.
    pub original: &'a Image,
    /// Which part, in the original's pixels.
    pub rect: Rect,
    /// That part as the model was shown it: as large as what it made.
    pub shown: &'a Image,
    /// Where the model painted; as large as the part.
    pub denoise_mask: &'a Mask,
    /// How strongly it painted there, 0 not at all .. 1 wholly.
    pub strength: f64,
}

/// The `part` of a model's picture at extent `to`, moved there by `by` pixels to the right and down. Where it was shown less
/// than there is, the detail it could not see returns, weighted by how likely it is still the original's: the prior is
/// `(1 - strength * denoise_mask)^2`. Alpha is the picture's, colours are clamped to sRGB.
///
/// # Panics
/// If `part` does not lie inside `to`, or what was lost has other extents than [`Lost`] says.
pub fn enlarge(made: &Image, to: Extent, by: [f32; 2], part: Rect, lost: Option<&Lost<'_>>) -> Image {
    let mut out = Image::new(part.extent());
    if made.extent().area() == 0 || part.extent().area() == 0 {
        return out;
    }
    assert!(to.rect().contains(part), "{part:?} must lie inside {to:?}");
    if made.extent() == to && by == [0.0; 2] {
        return made.crop(part);
    }
    let width = part.w as usize;
    let larger = Resampling::new(made.extent(), to, by);
    let still = (by != [0.0; 2] && lost.is_some()).then(|| Resampling::new(made.extent(), to, [0.0; 2]));
    let detail = lost.map(|lost| Detail::new(lost, made, by, still.as_ref().unwrap_or(&larger), to));
    out.data_mut().as_chunks_mut::<4>().0.par_chunks_mut(ROWS * width).enumerate().for_each(|(i, out)| {
        let top = part.y as usize + i * ROWS;
        let band = Rect::new(part.x, top as i32, part.w, (out.len() / width) as u32);
        larger.rows(made, band, |y, row| out[y * width..][..width].copy_from_slice(row));
        let Some(detail) = &detail else { return };
        for left in (0..width).step_by(COLUMNS) {
            let wide = COLUMNS.min(width - left);
            let tile = Rect::new(part.x + left as i32, band.y, wide as u32, band.h);
            detail.rows(tile, |y, row| {
                out[y * width + left..][..wide].iter_mut().zip(row).for_each(|(rgba, lost)| {
                    (0..3).for_each(|c| rgba[c] = (rgba[c] + lost[c]).clamp(0.0, 1.0));
                });
            });
        }
    });
    out
}

/// What returns of the detail of an original.
struct Detail<'a> {
    lost: &'a Lost<'a>,
    /// What makes `shown` as large as the part.
    larger: &'a Resampling,
    /// How likely each part of what was made is still the original's.
    alike: Mask,
    larger_parts: MaskResampling,
}

impl<'a> Detail<'a> {
    fn new(lost: &'a Lost<'a>, made: &Image, by: [f32; 2], larger: &'a Resampling, to: Extent) -> Self {
        let Lost { original, rect, shown, denoise_mask, .. } = lost;
        let seen = made.extent();
        assert_eq!(shown.extent(), seen, "what was made is as large as what was shown");
        assert_eq!((rect.extent(), denoise_mask.extent()), (to, to), "original and mask have one extent");
        assert!(original.extent().rect().contains(*rect), "{rect:?} must lie inside {:?}", original.extent());
        // What lies beside its place is compared there.
        let zoom = [seen.w as f32 / to.w as f32, seen.h as f32 / to.h as f32];
        let moved = (by != [0.0; 2]).then(|| {
            let by = [by[0] * zoom[0], by[1] * zoom[1]];
            enlarge(made, seen, by, seen.rect(), None)
        });
        let alike = likeness(shown, moved.as_ref().unwrap_or(made));
        let larger_parts = MaskResampling::new(alike.extent(), to);
        Self { lost, larger, alike, larger_parts }
    }

    /// What returns in a `tile` of the part, row by row; nothing is said where nothing does.
    fn rows(&self, tile: Rect, mut each: impl FnMut(usize, &[[f32; 3]])) {
        let Lost { original, rect, shown, denoise_mask, strength } = self.lost;
        let (wide, strength) = (tile.w as usize, *strength as f32);
        let line = |width: u32, x: i32, y: i32| y as usize * width as usize + x as usize;
        let masked = |y: usize| &denoise_mask.data()[line(rect.w, tile.x, tile.y + y as i32)..][..wide];
        if (0..tile.h as usize).all(|y| masked(y).iter().all(|m| m * strength >= 1.0)) {
            return;
        }
        let alike = self.larger_parts.part(&self.alike, tile);
        let mut lost = vec![[0.0; 3]; wide];
        self.larger.rows(shown, tile, |y, coarse| {
            let at = line(original.extent().w, rect.x + tile.x, rect.y + tile.y + y as i32);
            let chances = masked(y).iter().zip(&alike[y * wide..]);
            let fine = original.data().as_chunks::<4>().0[at..].iter().zip(coarse);
            lost.iter_mut().zip(chances).zip(fine).for_each(|((lost, (m, alike)), (fine, coarse))| {
                // Squared: half repainted is mostly another picture.
                let prior = (1.0 - (m * strength).clamp(0.0, 1.0)).powi(2);
                let (kept, changed) = (prior * alike, (1.0 - prior) * (1.0 - alike));
                let share = if kept + changed > 0.0 { kept / (kept + changed) } else { prior };
                *lost = [0, 1, 2].map(|c| share * (fine[c] - coarse[c]));
            });
            each(y, &lost);
        });
    }
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
