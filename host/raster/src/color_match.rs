//! Taking back a drift of the whole picture: Lab statistics of the result are brought to the original's,
//! as far as both show the same, untouched surroundings.
//!
//! Decision: statistics are *weighted*, masked pixels are left out instead of counting as zeros (which
//! would make a pure shift come out as a change of contrast). The correction is an affine map per Lab
//! channel, measured outside the mask and applied everywhere.

use crate::{Image, Mask, distance, lab_from_srgb, srgb_from_lab};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// What [`color_match`] did, for the receipt: `lab' = (lab - from) * scale + to`, per channel L*, a*, b*.
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
    /// Almost nothing is untouched: the result is returned as it came.
    Nothing,
}

/// Untouched surroundings that are needed to trust a contrast.
const FULL_PX: f64 = 1024.0;
const FULL_SHARE: f64 = 0.05;
/// Untouched surroundings that are needed to trust a mean.
const SHIFT_PX: f64 = 32.0;

/// Brings the colours of `result` to those of `original` and says how. All three share one extent.
///
/// Weights are `(1 - denoise_mask) * alpha` of the original, falling with the distance to the mask (to a
/// half at a quarter of the picture's diagonal), because colour near the edge is what the eye compares.
/// Mean and contrast need at least 1024 px and 5 % of the picture's weight, a mean alone 32 px.
/// The result is clamped to sRGB; alpha is kept.
pub fn color_match(result: &Image, original: &Image, denoise_mask: &Mask) -> (Image, ColorMatch) {
    assert_eq!(result.extent(), original.extent(), "result and original have one extent");
    assert_eq!(result.extent(), denoise_mask.extent(), "result and mask have one extent");
    let extent = result.extent();
    let reach = (extent.w as f32).hypot(extent.h as f32) / 4.0;
    let masked: Vec<bool> = denoise_mask.data().iter().map(|&m| m > 0.0).collect();
    let away = distance::distance(extent, &masked);

    // One pass, in rows summed in order, so that the sums do not depend on the number of threads.
    let width = (extent.w as usize).max(1);
    let rows: Vec<Sums> = (0..extent.h as usize)
        .into_par_iter()
        .map(|y| {
            let mut sums = Sums::default();
            for (i, &away) in away.iter().enumerate().skip(y * width).take(width) {
                let (r, o) = (&result.data()[i * 4..i * 4 + 4], &original.data()[i * 4..i * 4 + 4]);
                let untouched = (1.0 - denoise_mask.data()[i]).clamp(0.0, 1.0) * o[3];
                sums.alpha += f64::from(o[3]);
                if untouched > 0.0 {
                    let near = if away.is_finite() { 1.0 / (1.0 + away / reach) } else { 1.0 };
                    sums.add(untouched, near, lab_from_srgb([r[0], r[1], r[2]]), lab_from_srgb([o[0], o[1], o[2]]));
                }
            }
            sums
        })
        .collect();
    let mut all = Sums::default();
    rows.iter().for_each(|row| all.merge(row));
    let found = all.conclude();
    if found.matched == Matched::Nothing {
        return (result.clone(), found);
    }

    let mut out = result.clone();
    out.data_mut().par_chunks_exact_mut(4).for_each(|rgba| {
        let mut lab = lab_from_srgb([rgba[0], rgba[1], rgba[2]]);
        for (c, v) in lab.iter_mut().enumerate() {
            *v = (*v - found.from[c]) * found.scale[c] + found.to[c];
        }
        let rgb = srgb_from_lab(lab);
        (0..3).for_each(|c| rgba[c] = rgb[c].clamp(0.0, 1.0));
    });
    (out, found)
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

    fn conclude(&self) -> ColorMatch {
        let mut found = ColorMatch { matched: Matched::Nothing, from: [0.0; 3], to: [0.0; 3], scale: [1.0; 3] };
        if self.untouched < SHIFT_PX || self.weight <= 0.0 {
            return found;
        }
        let full = self.untouched >= FULL_PX && self.untouched >= FULL_SHARE * self.alpha;
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
