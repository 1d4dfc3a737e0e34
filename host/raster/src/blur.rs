//! Separable blurs of one plane with a reflected border.
//!
//! Decision: kernels have odd length and unit sum; a border is mirrored about the outermost pixel's outer
//! edge, so a selection that touches the canvas' edge stays fully selected there. The wide one is two running sums of
//! integers: it costs the same for every width, and a sum that should end at 0 does.

use crate::{Extent, Mask, morphology};
use rayon::prelude::*;

/// Triangle kernel of `size` taps (made odd by rounding up); support reaches `size / 2` pixels.
/// `size` 0 and 1 blur nothing.
pub(crate) fn tent(mask: &Mask, size: u32) -> Mask {
    let Extent { w, h } = mask.extent();
    let (w, h, radius) = (w as usize, h as usize, (size / 2) as usize);
    if radius == 0 || w == 0 || h == 0 {
        return mask.clone();
    }
    let across = tent_rows(mask.data(), w, radius);
    let down = tent_rows(&morphology::transpose(&across, w, h), h, radius);
    Mask::from_data(mask.extent(), morphology::transpose(&down, h, w))
}

/// Each row of `w` values blurred by a tent, which is a box twice.
fn tent_rows(data: &[f32], w: usize, radius: usize) -> Vec<f32> {
    /// Values are integers of this scale: exact for 8, 16 and nearly for 32 bits, and 499 squared of them fit.
    const SCALE: f64 = 4_294_967_296.0;
    let side = radius + 1;
    let scale = SCALE * (side * side) as f64;
    let running = |values: &[u64]| -> Vec<u64> {
        let mut sum: u64 = values[..side].iter().sum();
        let mut sums = vec![sum];
        sums.extend(values.iter().zip(&values[side..]).map(|(out, into)| {
            sum = sum + into - out;
            sum
        }));
        sums
    };
    let mut out = vec![0.0; data.len()];
    out.par_chunks_exact_mut(w).zip(data.par_chunks_exact(w)).for_each(|(out, row)| {
        if row.iter().all(|&v| v <= 0.0) {
            return;
        }
        let value = |x: i64| (f64::from(row[mirror(x, w)].clamp(0.0, 1.0)) * SCALE).ceil() as u64;
        let padded: Vec<u64> = (0..w + 2 * radius).map(|x| value(x as i64 - radius as i64)).collect();
        for (out, sum) in out.iter_mut().zip(running(&running(&padded))) {
            *out = (sum as f64 / scale) as f32;
        }
    });
    out
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tent_is_a_tent_of_every_width() {
        let mut state = 5u64;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            ((state >> 40) as f32 / (1 << 24) as f32 - 0.4).max(0.0)
        };
        for (w, h, size) in [(1, 1, 3), (9, 7, 2), (20, 13, 9), (31, 4, 40), (64, 50, 33)] {
            let mask = Mask::from_data(Extent::new(w, h), (0..w * h).map(|_| random()).collect());
            let radius = (size / 2) as usize;
            let weights = (0..=2 * radius).map(|i| (radius + 1 - i.abs_diff(radius)) as f32).collect();
            let (got, wanted) = (tent(&mask, size), convolve(&mask, weights));
            let worst = got.data().iter().zip(wanted.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-6, "{w}x{h}, {size}: {worst}");
            assert!(got.data().iter().zip(wanted.data()).all(|(a, b)| (*a > 0.0) == (*b > 0.0)), "{w}x{h}, {size}");
        }
        let ones = Mask::new(Extent::new(30, 20), 1.0);
        assert_eq!(tent(&ones, 301), ones);
    }
}
