//! Separable blurs of one plane with a reflected border.
//!
//! Decision: kernels have odd length and unit sum; a border is mirrored about the outermost pixel's outer
//! edge, so a selection that touches the canvas' edge stays fully selected there. The wide one is two running sums of
//! integers: it costs the same for every width, and a sum that should end at 0 does.

use crate::Mask;
use crate::lanes::{self, LANES, Lanes};

/// Lines blurred by a triangle kernel of `size` taps (made odd by rounding up); support reaches `size / 2` pixels.
/// `size` 0 and 1 blur nothing.
pub(crate) fn tent(size: u32) -> impl Fn(&[Lanes], &mut [Lanes]) + Sync {
    move |line, out| match (size / 2) as usize {
        0 => out.copy_from_slice(line),
        radius => tent_line(line, radius, out),
    }
}

/// A line blurred by a tent, which is a box twice.
fn tent_line(line: &[Lanes], radius: usize, out: &mut [Lanes]) {
    /// Values are integers of this scale: exact for 8, 16 and nearly for 32 bits, and 499 squared of them are exact in f64.
    const SCALE: f64 = 4_294_967_296.0;
    /// Added and taken away again, it rounds to whole numbers.
    const WHOLE: f64 = 1.5 * 4_503_599_627_370_496.0;
    type Sums = [f64; LANES];
    let side = radius + 1;
    let share = 1.0 / (SCALE * (side * side) as f64);
    let value = |v: f32| if v > 0.0 { ((f64::from(v.min(1.0)) * SCALE).max(1.0) + WHOLE) - WHOLE } else { 0.0 };
    let padded = |x: usize| line[mirror(x as i64 - radius as i64, line.len())].map(value);
    // Two more than there are, which no result holds.
    let values: Vec<Sums> = (0..line.len() + 2 * radius).map(padded).chain([[0.0; LANES]; 2]).collect();
    let add = |sum: &mut Sums, come: &Sums, gone: &Sums| (0..LANES).for_each(|l| sum[l] = sum[l] + come[l] - gone[l]);
    let nothing = [0.0; LANES];
    // The tent's sum is one of as many boxes' as one is wide: of the first of them, and of the one that comes next.
    let (mut sum, mut first) = (nothing, nothing);
    values[..side].iter().for_each(|value| add(&mut first, value, &nothing));
    let mut next = first;
    for (gone, come) in values[..side].iter().zip(&values[side..]) {
        add(&mut sum, &next, &nothing);
        add(&mut next, come, gone);
    }
    let moved = values.iter().zip(&values[side..]).zip(&values[2 * side..]);
    for (out, ((gone, between), come)) in out.iter_mut().zip(moved) {
        *out = sum.map(|sum| (sum * share) as f32);
        add(&mut sum, &next, &first);
        add(&mut first, between, gone);
        add(&mut next, come, between);
    }
}

/// Gaussian of `size` taps (made odd by rounding up) with sigma = 0.3 (size - 1) + 0.8, cut off at
/// `size / 2` pixels. `size` 0 and 1 blur nothing.
pub(crate) fn gaussian(mask: &Mask, size: u32) -> Mask {
    Mask::from_data(
        mask.extent(),
        lanes::both_ways(mask.data().to_vec(), mask.extent().w as usize, gaussian_line(size)),
    )
}

/// Lines blurred by that gaussian.
pub(crate) fn gaussian_line(size: u32) -> impl Fn(&[Lanes], &mut [Lanes]) + Sync {
    let radius = (size / 2) as usize;
    let sigma = 0.3 * (2.0 * radius as f32) + 0.8;
    let weight = |i: usize| (-0.5 * (i.abs_diff(radius) as f32 / sigma).powi(2)).exp();
    convolved((0..=2 * radius).map(weight).collect())
}

fn convolved(mut kernel: Vec<f32>) -> impl Fn(&[Lanes], &mut [Lanes]) + Sync {
    let sum: f32 = kernel.iter().sum();
    kernel.iter_mut().for_each(|k| *k /= sum);
    let radius = kernel.len() / 2;
    move |line: &[Lanes], out: &mut [Lanes]| {
        let padded = |x: usize| line[mirror(x as i64 - radius as i64, line.len())];
        let padded: Vec<Lanes> = (0..line.len() + 2 * radius).map(padded).collect();
        for (x, out) in out.iter_mut().enumerate() {
            let mut sum = [0.0; LANES];
            for (k, v) in kernel.iter().zip(&padded[x..]) {
                (0..LANES).for_each(|l| sum[l] += k * v[l]);
            }
            // Rounding must not lift a plane of ones above 1 nor an empty one above 0.
            *out = sum.map(|v| v.clamp(0.0, 1.0));
        }
    }
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
    use crate::Extent;

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
            let blurred = |data| Mask::from_data(mask.extent(), data);
            let got = blurred(lanes::both_ways(mask.data().to_vec(), w as usize, tent(size)));
            let wanted = blurred(lanes::both_ways(mask.data().to_vec(), w as usize, convolved(weights)));
            let worst = got.data().iter().zip(wanted.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(worst < 2e-6, "{w}x{h}, {size}: {worst}");
            assert!(got.data().iter().zip(wanted.data()).all(|(a, b)| (*a > 0.0) == (*b > 0.0)), "{w}x{h}, {size}");
        }
        let ones = Mask::new(Extent::new(30, 20), 1.0);
        assert_eq!(lanes::both_ways(ones.data().to_vec(), 30, tent(301)), ones.data());
    }
}
