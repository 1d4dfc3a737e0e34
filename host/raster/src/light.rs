//! Rows of pixels between sRGB encoding and linear light, by table: some thirty times as fast as the formula.
//!
//! Decision: tables with straight lines between their entries, `+ - *` alone, so that it does not
//! matter how many pixels are converted at once. Both are within 5e-7 of the formula.

use crate::color::{to_linear, to_srgb};
use std::array;
use std::sync::OnceLock;

/// Steps of the table to light, over 0..=1.
const STEPS: usize = 4096;

/// The table back has entries at equal distances of the number's bits, which is 1024 in every octave: where the
/// curve is steep numbers are small, and there the entries are close.
const SHIFT: u32 = 13;

/// Where the curve begins that is no straight line.
const KNEE: f32 = 0.003_130_8;

/// Colour of RGBA pixels from sRGB-encoded to linear light, in place. Alpha stays; values are clamped to 0..=1, and what is
/// not a number becomes 0.
pub fn linear_from_srgb(pixels: &mut [f32]) {
    static TABLE: OnceLock<Box<[f32; 2 * STEPS + 1]>> = OnceLock::new();
    let table = TABLE.get_or_init(|| Box::new(array::from_fn(|i| to_linear(i as f32 / STEPS as f32))));
    // Added to a number it leaves no room for a fraction, and the whole part in the lowest bits.
    const ROUND: f32 = 1.5 * (1 << 23) as f32;
    for pixel in pixels.as_chunks_mut::<4>().0 {
        let at = pixel.map(|v| clamped(v) * STEPS as f32);
        let whole = at.map(|at| (at - 0.5) + ROUND);
        let entry = |c: usize| {
            // Never larger; with the mask the compiler knows it, too.
            let i = whole[c].to_bits() as usize & (2 * STEPS - 1);
            (table[i], table[i + 1])
        };
        let [r, g, b] = [entry(0), entry(1), entry(2)];
        let ((low, high), alpha) = (([r.0, g.0, b.0, 0.0], [r.1, g.1, b.1, 0.0]), pixel[3]);
        *pixel = array::from_fn(|c| low[c] + (high[c] - low[c]) * (at[c] - (whole[c] - ROUND)));
        pixel[3] = alpha;
    }
}

/// Colour of RGBA pixels from linear light to sRGB-encoded, in place. Alpha stays; values are clamped to 0..=1, and what is
/// not a number becomes 0.
pub fn srgb_from_linear(pixels: &mut [f32]) {
    static TABLE: OnceLock<Vec<f32>> = OnceLock::new();
    let first = KNEE.to_bits() >> SHIFT;
    let table = TABLE.get_or_init(|| {
        let last = 1.0f32.to_bits() >> SHIFT;
        // In f32 the formula makes a little less than white of white.
        (first..=last + 1).map(|i| if i < last { to_srgb(f32::from_bits(i << SHIFT)) } else { 1.0 }).collect()
    });
    each_color(pixels, |v| {
        if v <= KNEE {
            return 12.92 * v;
        }
        let bits = v.to_bits();
        let i = ((bits >> SHIFT) - first) as usize;
        let part = (bits & ((1 << SHIFT) - 1)) as f32 / (1 << SHIFT) as f32;
        table[i] + (table[i + 1] - table[i]) * part
    });
}

fn each_color(pixels: &mut [f32], f: impl Fn(f32) -> f32) {
    for pixel in pixels.chunks_exact_mut(4) {
        pixel[..3].iter_mut().for_each(|v| *v = f(clamped(*v)));
    }
}

/// Within 0..=1; what is not a number is 0.
#[inline(always)]
fn clamped(v: f32) -> f32 {
    // In this order what is not a number becomes 0.
    let positive = if v > 0.0 { v } else { 0.0 };
    if positive < 1.0 { positive } else { 1.0 }
}

#[cfg(test)]
mod tests {
    use super::{linear_from_srgb, srgb_from_linear};
    use crate::color::{to_linear, to_srgb};

    /// Runs one value through a function that wants pixels.
    fn one(f: fn(&mut [f32]), value: f32) -> f32 {
        let mut pixel = [value, value, value, 0.25];
        f(&mut pixel);
        assert_eq!(pixel[3], 0.25);
        pixel[1]
    }

    #[test]
    fn as_the_formula() {
        for i in 0..=100_000u32 {
            let v = i as f32 / 100_000.0;
            assert!((one(linear_from_srgb, v) - to_linear(v)).abs() < 5e-7, "{v} to light");
            assert!((one(srgb_from_linear, v) - to_srgb(v)).abs() < 5e-7, "{v} from light");
        }
    }

    #[test]
    fn ends_stay_ends() {
        for f in [linear_from_srgb as fn(&mut [f32]), srgb_from_linear] {
            assert_eq!((one(f, 0.0), one(f, 1.0)), (0.0, 1.0));
            assert_eq!((one(f, -3.0), one(f, 7.0)), (0.0, 1.0));
        }
    }

    /// 8 bits go to light and back without a change.
    #[test]
    fn eight_bits_come_back() {
        for i in 0..=255u8 {
            let there = one(linear_from_srgb, f32::from(i) / 255.0);
            assert_eq!((one(srgb_from_linear, there) * 255.0).round() as u8, i);
        }
    }
}
