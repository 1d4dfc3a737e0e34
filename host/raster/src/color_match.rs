//! Taking back a drift of the whole picture: Lab statistics of the result are brought to the original's,
//! as far as both show the same, untouched surroundings.
//!
//! Decision: statistics are *weighted*, masked pixels are left out instead of counting as zeros (which
//! would make a pure shift come out as a change of contrast). The correction is an affine map per Lab
//! channel, measured outside the mask: looking ([`ColorMatch::measure`]) and doing ([`ColorMatch::apply`]) are two, since
//! what lies outside is only looked at and what is painted is only a part. Of a large picture every so many pixels of every
//! so many rows are looked at: a quarter of a million tell a mean and a contrast as well as all.

use crate::color::{Lab, lab_from_linear, linear_from_lab};
use crate::{Extent, Image, Mask, Rect, distance, linear_from_srgb, srgb_from_linear};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// A change of colours, for the receipt, too: `lab' = (lab - from) * scale + to`, per channel L*, a*, b*.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct ColorMatch {
    /// How much of the correction the evidence allowed.
    pub matched: Matched,
    /// Weighted mean of the result outside the mask.
    pub from: [f32; 3],
    /// Weighted mean of the original outside the mask.
    pub to: [f32; 3],
    /// Ratio of the standard deviations, within 0.8..=1.25.
    pub scale: [f32; 3],
}

/// How much could be matched.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Matched {
    /// Mean and contrast.
    Full,
    /// Too little is untouched for a contrast: only the means.
    Shift,
    /// Almost nothing is untouched: colours stay as they came.
    Nothing,
}

/// Untouched surroundings that are needed to trust a contrast.
const FULL_PX: f64 = 1024.0;
const FULL_SHARE: f64 = 0.05;
/// Untouched surroundings that are needed to trust a mean.
const SHIFT_PX: f64 = 32.0;
/// Pixels that are looked at, about.
const SAMPLES: f64 = 250_000.0;

impl ColorMatch {
    /// What brings the colours of `result` to those of `original`. All three share one extent.
    ///
    /// Weights are `(1 - denoise_mask) * alpha` of the original, falling with the distance to the mask (to a
    /// half at a quarter of the picture's diagonal), because colour near the edge is what the eye compares.
    /// Mean and contrast need at least 1024 px and 5 % of the picture's weight, a mean alone 32 px.
    pub fn measure(result: &Image, original: &Image, denoise_mask: &Mask) -> ColorMatch {
        assert_eq!(result.extent(), original.extent(), "result and original have one extent");
        assert_eq!(result.extent(), denoise_mask.extent(), "result and mask have one extent");
        let Extent { w, h } = result.extent();
        let every = ((result.extent().area() as f64 / SAMPLES).sqrt().ceil() as usize).max(1);
        // Each in the middle of what it stands for.
        let samples = |side: u32| (every / 2..side as usize).step_by(every);
        let seen = Extent::new(samples(w).len() as u32, samples(h).len() as u32);
        let at: Vec<usize> = samples(h).flat_map(|y| samples(w).map(move |x| y * w as usize + x)).collect();
        let masked: Vec<bool> = at.iter().map(|&i| denoise_mask.data()[i] > 0.0).collect();
        let away = distance::distance(seen, &masked);
        let reach = (w as f32).hypot(h as f32) / 4.0 / every as f32;

        // In rows summed in order, so that the sums do not depend on the number of threads.
        let width = (seen.w as usize).max(1);
        let rows: Vec<Sums> = (at.par_chunks(width).zip(away.par_chunks(width)))
            .map(|(at, away)| {
                let (light, mut sums) = ([result, original].map(|image| linear_pixels(image, at)), Sums::default());
                for (k, (&i, &away)) in at.iter().zip(away).enumerate() {
                    let alpha = original.data()[4 * i + 3];
                    let untouched = (1.0 - denoise_mask.data()[i]).clamp(0.0, 1.0) * alpha;
                    sums.alpha += f64::from(alpha);
                    if untouched > 0.0 {
                        let near = if away.is_finite() { 1.0 / (1.0 + away / reach) } else { 1.0 };
                        let [r, o] =
                            [&light[0], &light[1]].map(|light| lab_from_linear([0, 1, 2].map(|c| light[4 * k + c])));
                        sums.add(untouched, near, r, o);
                    }
                }
                sums
            })
            .collect();
        let mut all = Sums::default();
        rows.iter().for_each(|row| all.merge(row));
        all.conclude((every * every) as f64)
    }

    /// Changes the colours of the pixels of `rect`, which must lie inside `image`; they are clamped to sRGB, alpha stays.
    pub fn apply(&self, image: &mut Image, rect: Rect) {
        if self.matched == Matched::Nothing {
            return;
        }
        assert!(image.extent().rect().contains(rect), "{rect:?} must lie inside {:?}", image.extent());
        let changed = |lab: Lab| [0, 1, 2].map(|c| (lab[c] - self.from[c]) * self.scale[c] + self.to[c]);
        // As many pixels at a time as the nearest cache holds, and so many of them side by side in vectors.
        const WIDE: usize = 16;
        let (width, left) = (4 * image.extent().w as usize, 4 * rect.x as usize);
        let rows = image.data_mut().par_chunks_exact_mut(width.max(1)).skip(rect.y as usize).take(rect.h as usize);
        rows.for_each(|row| {
            let pixels = &mut row[left..left + 4 * rect.w as usize];
            linear_from_srgb(pixels);
            for some in pixels.as_chunks_mut::<4>().0.chunks_mut(WIDE) {
                let mut planes = [[0.0; WIDE]; 3];
                some.iter().enumerate().for_each(|(i, p)| (0..3).for_each(|c| planes[c][i] = p[c]));
                let [r, g, b] = &mut planes;
                for ((r, g), b) in r.iter_mut().zip(g).zip(b) {
                    [*r, *g, *b] = linear_from_lab(changed(lab_from_linear([*r, *g, *b])));
                }
                some.iter_mut().enumerate().for_each(|(i, p)| (0..3).for_each(|c| p[c] = planes[c][i]));
            }
            srgb_from_linear(pixels);
        });
    }
}

/// Pixels of `image` in linear light.
fn linear_pixels(image: &Image, at: &[usize]) -> Vec<f32> {
    let pixels = image.data().as_chunks::<4>().0;
    let mut light: Vec<f32> = at.iter().flat_map(|&i| pixels[i]).collect();
    linear_from_srgb(&mut light);
    light
}

#[derive(Default)]
struct Sums {
    alpha: f64,
    untouched: f64,
    weight: f64,
    result: [[f64; 2]; 3],
    original: [[f64; 2]; 3],
}

impl Sums {
    fn add(&mut self, untouched: f32, near: f32, result: [f32; 3], original: [f32; 3]) {
        let weight = f64::from(untouched * near);
        self.untouched += f64::from(untouched);
        self.weight += weight;
        for c in 0..3 {
            for (sums, lab) in [(&mut self.result[c], result[c]), (&mut self.original[c], original[c])] {
                sums[0] += weight * f64::from(lab);
                sums[1] += weight * f64::from(lab) * f64::from(lab);
            }
        }
    }

    fn merge(&mut self, other: &Sums) {
        self.alpha += other.alpha;
        self.untouched += other.untouched;
        self.weight += other.weight;
        for c in 0..3 {
            for k in 0..2 {
                self.result[c][k] += other.result[c][k];
                self.original[c][k] += other.original[c][k];
            }
        }
    }

    /// `share`: how many pixels each that was looked at stands for.
    fn conclude(&self, share: f64) -> ColorMatch {
        let mut found = ColorMatch { matched: Matched::Nothing, from: [0.0; 3], to: [0.0; 3], scale: [1.0; 3] };
        let untouched = self.untouched * share;
        if untouched < SHIFT_PX || self.weight <= 0.0 {
            return found;
        }
        let full = untouched >= FULL_PX && self.untouched >= FULL_SHARE * self.alpha;
        found.matched = if full { Matched::Full } else { Matched::Shift };
        for c in 0..3 {
            // Population variance; 0.05 is far below a visible contrast, a flat area tells nothing.
            let stats = |[sum, square]: [f64; 2]| {
                let mean = sum / self.weight;
                (mean, (square / self.weight - mean * mean).max(0.0).sqrt())
            };
            let ((from, spread), (to, wanted)) = (stats(self.result[c]), stats(self.original[c]));
            (found.from[c], found.to[c]) = (from as f32, to as f32);
            if full && spread > 0.05 && wanted > 0.05 {
                found.scale[c] = (wanted / spread).clamp(0.8, 1.25) as f32;
            }
        }
        found
    }
}
