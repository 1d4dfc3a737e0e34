//! Putting a result back where it belongs: some models, those that edit by instruction above all, return the whole
//! picture a pixel or two beside its place.
//!
//! Decision: what both pictures show of the untouched surroundings tells how far. A search over whole pixels, blind to
//! a difference in brightness, comes first, since least squares alone (Lucas & Kanade 1981) find no way out of a fine
//! texture; they then find the fraction. A shift is only believed if it explains most of the difference, and small ones
//! are left alone: resampling would soften the picture for nothing. Both are looked at as large as a model sees them: nothing
//! finer went through it.

use crate::{Image, Mask};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};

/// How far a result lies beside its place, for the receipt, too.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Registered {
    /// How far the result lay to the right of its place, and below it, in pixels of the canvas.
    pub shift: [f32; 2],
    /// Whether it was moved back.
    pub corrected: bool,
}

/// Whole pixels that are searched in each direction.
const REACH: i32 = 4;
/// Pixels that are looked at, at most.
const SAMPLES: usize = 60_000;
/// Fewer tell nothing.
const MIN_SAMPLES: usize = 1024;
/// Least shift that is worth a resampling, in pixels of the canvas.
const SEEN_PX: f32 = 0.25;
/// Largest shift that is moved back, in pixels that are looked at; a larger one is more likely a change of content.
const CORRECTED_PX: f32 = 2.0;
/// A shift is believed if it leaves at most this share of the difference's variance.
const EXPLAINED: f64 = 0.7;

impl Registered {
    /// How far `result` lies beside `original`, as far as both show the same pixels under mask 0, up to 4 px in each
    /// direction. It is to be moved back if that is at most 2 px; a larger shift is only told. All three share one extent, each
    /// pixel of which is `1 / zoom` pixels of the canvas; there less than 0.25 px are none.
    /// `contrast` is what the result's is to be multiplied with before it is the original's.
    pub fn measure(result: &Image, original: &Image, denoise_mask: &Mask, contrast: f32, zoom: f32) -> Registered {
        assert_eq!(result.extent(), original.extent(), "result and original have one extent");
        assert_eq!(result.extent(), denoise_mask.extent(), "result and mask have one extent");
        let shift = estimate(result, original, denoise_mask, contrast);
        let size = shift[0].hypot(shift[1]);
        match size < SEEN_PX * zoom {
            true => Registered { shift: [0.0; 2], corrected: false },
            false => Registered { shift: shift.map(|v| v / zoom), corrected: size <= CORRECTED_PX },
        }
    }

    /// By how much it is to be moved to the right and down, in pixels of the canvas.
    pub fn back(&self) -> [f32; 2] {
        if self.corrected { self.shift.map(|v| -v) } else { [0.0; 2] }
    }
}

/// `[0, 0]` where nothing can be said.
fn estimate(result: &Image, original: &Image, mask: &Mask, contrast: f32) -> [f32; 2] {
    let (w, h) = (original.extent().w as i32, original.extent().h as i32);
    let margin = REACH + 3;
    let usable = |x: i32, y: i32| mask.at(x as u32, y as u32) <= 0.0 && original.pixel(x as u32, y as u32)[3] >= 1.0;
    // Every so many pixels of every so many rows.
    let every = ((f64::from(w) * f64::from(h) / SAMPLES as f64).sqrt().ceil() as usize).max(1);
    let rows = (margin..h - margin).step_by(every);
    let at: Vec<(i32, i32)> = rows
        .flat_map(|y| (margin..w - margin).step_by(every).map(move |x| (x, y)))
        .filter(|&(x, y)| usable(x, y))
        .collect();
    if at.len() < MIN_SAMPLES {
        return [0.0; 2];
    }
    let (result, original) = (Plane::of(result, contrast), Plane::of(original, 1.0));
    // The variance of the difference at a shift; the mean is a matter of colour.
    fn variance(at: &[(i32, i32)], difference: impl Fn(i32, i32) -> f64 + Sync) -> f64 {
        let part = |part: &[(i32, i32)]| {
            let squares = part.iter().map(|&(x, y)| difference(x, y));
            squares.fold([0.0; 2], |[sum, square], d| [sum + d, square + d * d])
        };
        let parts: Vec<[f64; 2]> = at.par_chunks(4096).map(part).collect();
        let [sum, square] = parts.iter().fold([0.0; 2], |a, b| [a[0] + b[0], a[1] + b[1]]);
        let n = at.len() as f64;
        square / n - (sum / n).powi(2)
    }
    let whole = |dx: i32, dy: i32| variance(&at, |x, y| f64::from(result.at(x + dx, y + dy) - original.at(x, y)));
    let still = whole(0, 0);
    let mut best = (still, 0, 0);
    for dy in -REACH..=REACH {
        for dx in -REACH..=REACH {
            let here = whole(dx, dy);
            if here < best.0 {
                best = (here, dx, dy);
            }
        }
    }
    let mut shift = [f64::from(best.1), f64::from(best.2)];
    for _ in 0..4 {
        let Some(step) = least_squares(&result, &original, &at, shift) else { return [0.0; 2] };
        // Never farther than to the next whole pixel: the search has seen those.
        shift = [0, 1].map(|c| shift[c] + step[c].clamp(-0.5, 0.5));
    }
    shift = [shift[0].clamp(-f64::from(REACH), f64::from(REACH)), shift[1].clamp(-f64::from(REACH), f64::from(REACH))];
    let left = variance(&at, |x, y| f64::from(result.between(x, y, shift) - original.at(x, y)));
    if left <= EXPLAINED * still { shift.map(|v| v as f32) } else { [0.0; 2] }
}

/// One step of Gauss-Newton for the shift and an offset in brightness; `None` where the picture has no texture in some
/// direction.
fn least_squares(result: &Plane, original: &Plane, at: &[(i32, i32)], shift: [f64; 2]) -> Option<[f64; 2]> {
    // Sums of gx gx, gx gy, gy gy, gx, gy, 1 and of the difference times gx, gy, 1.
    let parts: Vec<[f64; 9]> = at
        .par_chunks(4096)
        .map(|part| {
            let mut sums = [0.0; 9];
            for &(x, y) in part {
                let gx = f64::from(original.at(x + 1, y) - original.at(x - 1, y)) / 2.0;
                let gy = f64::from(original.at(x, y + 1) - original.at(x, y - 1)) / 2.0;
                let d = f64::from(original.at(x, y) - result.between(x, y, shift));
                let terms = [gx * gx, gx * gy, gy * gy, gx, gy, 1.0, d * gx, d * gy, d];
                sums.iter_mut().zip(terms).for_each(|(s, t)| *s += t);
            }
            sums
        })
        .collect();
    let mut s = [0.0; 9];
    parts.iter().for_each(|part| s.iter_mut().zip(part).for_each(|(s, p)| *s += p));
    // The offset taken out, two equations are left.
    let n = s[5];
    let (a, b, c) = (s[0] - s[3] * s[3] / n, s[1] - s[3] * s[4] / n, s[2] - s[4] * s[4] / n);
    let (p, q) = (s[6] - s[8] * s[3] / n, s[7] - s[8] * s[4] / n);
    let det = a * c - b * b;
    // The weaker direction must have gradients of half a step of 8 bits on average.
    let weak = det / (a + c).max(f64::MIN_POSITIVE) / n;
    (weak > (0.5f64 / 255.0).powi(2)).then(|| [(p * c - q * b) / det, (q * a - p * b) / det])
}

/// A picture's brightness, sRGB-encoded.
struct Plane {
    values: Vec<f32>,
    w: i32,
}

impl Plane {
    fn of(image: &Image, contrast: f32) -> Self {
        let value = |p: &[f32; 4]| contrast * (0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2]);
        let values = image.data().as_chunks::<4>().0.par_iter().map(value).collect();
        Self { values, w: image.extent().w as i32 }
    }

    fn at(&self, x: i32, y: i32) -> f32 {
        self.values[(y * self.w + x) as usize]
    }

    /// Beside a pixel, by cubic interpolation (Catmull-Rom).
    fn between(&self, x: i32, y: i32, [dx, dy]: [f64; 2]) -> f32 {
        let (left, top) = (dx.floor(), dy.floor());
        let weights = |t: f64| {
            let (t2, t3) = (t * t, t * t * t);
            [-t3 + 2.0 * t2 - t, 3.0 * t3 - 5.0 * t2 + 2.0, -3.0 * t3 + 4.0 * t2 + t, t3 - t2].map(|v| (v / 2.0) as f32)
        };
        let (across, down) = (weights(dx - left), weights(dy - top));
        let (x, y) = (x + left as i32, y + top as i32);
        let row = |y: i32| (0..4).map(|i| across[i as usize] * self.at(x - 1 + i, y)).sum::<f32>();
        (0..4).map(|j| down[j as usize] * row(y - 1 + j)).sum()
    }
}
