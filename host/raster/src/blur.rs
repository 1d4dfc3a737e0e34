//! Separable blurs of one plane with a reflected border.
//!
//! Decision: kernels have odd length and unit sum; a border is mirrored about the outermost pixel's outer
//! edge, so a selection that touches the canvas' edge stays fully selected there.

use crate::{Extent, Mask};
use rayon::prelude::*;

/// Triangle kernel of `size` taps (made odd by rounding up); support reaches `size / 2` pixels.
/// `size` 0 and 1 blur nothing.
pub(crate) fn tent(mask: &Mask, size: u32) -> Mask {
    let radius = (size / 2) as usize;
    let weights = (0..=2 * radius).map(|i| (radius + 1 - i.abs_diff(radius)) as f32).collect();
    convolve(mask, weights)
}

/// Gaussian of `size` taps (made odd by rounding up) with sigma = 0.3 (size - 1) + 0.8, cut off at
/// `size / 2` pixels. `size` 0 and 1 blur nothing.
pub(crate) fn gaussian(mask: &Mask, size: u32) -> Mask {
    let radius = (size / 2) as usize;
    let sigma = 0.3 * (2.0 * radius as f32) + 0.8;
    let weight = |i: usize| (-0.5 * (i.abs_diff(radius) as f32 / sigma).powi(2)).exp();
    convolve(mask, (0..=2 * radius).map(weight).collect())
}

fn convolve(mask: &Mask, mut kernel: Vec<f32>) -> Mask {
    let Extent { w, h } = mask.extent();
    let (w, h) = (w as usize, h as usize);
    if kernel.len() < 2 || w == 0 || h == 0 {
        return mask.clone();
    }
    let sum: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|k| *k /= sum);
    let radius = kernel.len() / 2;
    let mut across = vec![0.0f32; w * h];
    across.par_chunks_exact_mut(w).zip(mask.data().par_chunks_exact(w)).for_each(|(out, row)| {
        let padded: Vec<f32> = (0..w + 2 * radius).map(|x| row[mirror(x as i64 - radius as i64, w)]).collect();
        for (x, out) in out.iter_mut().enumerate() {
            *out = kernel.iter().zip(&padded[x..]).map(|(k, v)| k * v).sum();
        }
    });
    let mut data = vec![0.0f32; w * h];
    data.par_chunks_exact_mut(w).enumerate().for_each(|(y, out)| {
        for (i, k) in kernel.iter().enumerate() {
            let from = mirror(y as i64 + i as i64 - radius as i64, h) * w;
            for (out, v) in out.iter_mut().zip(&across[from..from + w]) {
                *out += k * v;
            }
        }
    });
    // Rounding must not lift a plane of ones above 1 nor an empty one above 0.
    data.iter_mut().for_each(|v| *v = v.clamp(0.0, 1.0));
    Mask::from_data(mask.extent(), data)
}

/// Index `i` mirrored into `0..n`: ... 1 0 | 0 1 2 ... n-1 | n-1 n-2 ...
fn mirror(i: i64, n: usize) -> usize {
    let period = 2 * n as i64;
    let i = i.rem_euclid(period);
    (if i < n as i64 { i } else { period - 1 - i }) as usize
}
