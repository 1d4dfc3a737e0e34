//! The few functions that + - * / and sqrt lack, the same to the last bit on every machine.
//!
//! Decision: a filter's result must not depend on whose mathematics library it was linked to, and `f32::exp`, `powf`,
//! `sin` and `cbrt` are other functions in wasm than natively, and on every system. These are made of exact
//! operations alone. They are good to about 2 units in the last place, for arguments that are numbers.

use std::f32::consts::{FRAC_PI_2, LN_2, LOG2_E};

/// e to the power of `x`; 0 below -87, and the largest there is from 88 on.
pub fn exp(x: f32) -> f32 {
    if x < -87.0 {
        return 0.0;
    }
    let x = x.min(88.0);
    let power = (x * LOG2_E).round_ties_even();
    // ln 2 in two parts, so that the remainder keeps its digits.
    let r = (x - power * 0.693_359_4) + power * 2.121_944_4e-4;
    let series = 1.0 + r * (1.0 + r * (0.5 + r * (1.0 / 6.0 + r * (1.0 / 24.0 + r * (1.0 / 120.0 + r / 720.0)))));
    series * f32::from_bits(((power as i32 + 127) as u32) << 23)
}

/// The natural logarithm; of what is not above 0, that of the smallest number.
pub fn ln(x: f32) -> f32 {
    let x = x.max(f32::MIN_POSITIVE);
    // x = m · 2^power with m from √½ to √2, and ln m = 2 artanh((m - 1) / (m + 1)).
    let bits = x.to_bits().wrapping_sub(0x3f35_04f3);
    let power = (bits as i32) >> 23;
    let m = f32::from_bits((bits & 0x7f_ffff) + 0x3f35_04f3);
    let s = (m - 1.0) / (m + 1.0);
    let s2 = s * s;
    2.0 * s * (1.0 + s2 * (1.0 / 3.0 + s2 * (1.0 / 5.0 + s2 * (1.0 / 7.0 + s2 / 9.0)))) + power as f32 * LN_2
}

/// The hyperbolic tangent, -1..1.
pub fn tanh(x: f32) -> f32 {
    let t = exp(-2.0 * x.abs());
    ((1.0 - t) / (1.0 + t)).copysign(x)
}

/// Sine and cosine of an angle in radians, for angles of a few hundred turns at most.
pub fn sin_cos(angle: f32) -> (f32, f32) {
    let quarter = (angle / FRAC_PI_2).round_ties_even();
    // π/2 in three parts, so that the remainder keeps its digits.
    let r = ((angle - quarter * 1.570_312_5) - quarter * 4.837_513e-4) - quarter * 7.549_79e-8;
    let r2 = r * r;
    let sin = r * (1.0 - r2 * (1.0 / 6.0 - r2 * (1.0 / 120.0 - r2 * (1.0 / 5040.0 - r2 / 362_880.0))));
    let cos = 1.0 - r2 * (0.5 - r2 * (1.0 / 24.0 - r2 * (1.0 / 720.0 - r2 * (1.0 / 40_320.0 - r2 / 3_628_800.0))));
    match quarter as i32 & 3 {
        0 => (sin, cos),
        1 => (cos, -sin),
        2 => (-sin, -cos),
        _ => (-cos, sin),
    }
}

/// The cube root of a number from 0 on.
pub fn cbrt(x: f32) -> f32 {
    if x <= 0.0 {
        return 0.0;
    }
    // A third of the exponent is near; Newton's rule doubles the digits each time.
    let mut root = f32::from_bits(x.to_bits() / 3 + 0x2a51_19f2);
    for _ in 0..4 {
        root = (2.0 * root + x / (root * root)) * (1.0 / 3.0);
    }
    root
}

/// The fifth root of a number from 0 on.
pub fn fifth_root(x: f32) -> f32 {
    if x <= 0.0 {
        return 0.0;
    }
    let mut root = f32::from_bits(x.to_bits() / 5 + 0x32c9_a5b2);
    for _ in 0..4 {
        let squared = root * root;
        root = (4.0 * root + x / (squared * squared)) * 0.2;
    }
    root
}

/// A Gaussian's weights for distances 0, 1, 2, … up to three deviations: one half of a kernel whose whole adds up to
/// 1. A deviation of 0 is a single 1.
pub fn gaussian(deviation: f32) -> Vec<f32> {
    let reach = (3.0 * deviation).ceil() as usize;
    let mut half = vec![1.0];
    half.extend((1..=reach).map(|d| exp(-0.5 * (d * d) as f32 / (deviation * deviation))));
    let sum = 2.0 * half.iter().sum::<f32>() - 1.0;
    half.iter_mut().for_each(|weight| *weight /= sum);
    half
}

/// Rows of `width` values averaged with a kernel of which `half` is one half, as [`gaussian`] makes it: across and
/// down. The result is smaller by the kernel's reach, `half.len() - 1`, on every side. Weigh pixels by their opacity
/// before, and divide by the averaged opacity after.
pub fn smooth<const N: usize>(values: &[[f32; N]], width: usize, half: &[f32]) -> Vec<[f32; N]> {
    let reach = half.len() - 1;
    let height = values.len() / width;
    let (inner, rows) = (width.saturating_sub(2 * reach), height.saturating_sub(2 * reach));
    let weight = |d: usize| half[d.abs_diff(reach)];
    let mut column = vec![[0.0; N]; width];
    let mut out = Vec::with_capacity(inner * rows);
    for y in 0..rows {
        column.fill([0.0; N]);
        for d in 0..=2 * reach {
            let weight = weight(d);
            let row = &values[(y + d) * width..(y + d + 1) * width];
            for (sum, value) in column.iter_mut().zip(row) {
                (0..N).for_each(|c| sum[c] += weight * value[c]);
            }
        }
        for x in 0..inner {
            let mut sum = [0.0; N];
            for (d, value) in column[x..=x + 2 * reach].iter().enumerate() {
                (0..N).for_each(|c| sum[c] += weight(d) * value[c]);
            }
            out.push(sum);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// In units of the last place; near 0, of what is lost by an argument that is off by half of one.
    fn off(is: f32, should: f64) -> f64 {
        (f64::from(is) - should).abs() / (should.abs().max(1e-30) * f64::from(f32::EPSILON))
    }

    type Row = (&'static str, fn(f32) -> f32, fn(f64) -> f64, f32, f32);

    #[test]
    fn near_what_the_library_says() {
        let rows: [Row; 5] = [
            ("exp", exp, f64::exp, -86.0, 87.0),
            ("cbrt", cbrt, f64::cbrt, 1e-6, 100.0),
            ("fifth_root", fifth_root, |x| x.powf(0.2), 1e-6, 100.0),
            ("tanh", tanh, f64::tanh, 0.5, 12.0),
            ("ln", ln, f64::ln, 1.5, 1000.0),
        ];
        for (name, f, library, from, to) in rows {
            for i in 0..=20_000 {
                let x = from + (to - from) * i as f32 / 20_000.0;
                let off = off(f(x), library(f64::from(x)));
                assert!(off < 3.0, "{name}({x}) is {}, {off:.1} ulp off", f(x));
            }
        }
        for i in -20_000..=20_000 {
            let x = i as f32 * 0.01;
            let (sin, cos) = sin_cos(x);
            let (s, c) = f64::from(x).sin_cos();
            assert!((f64::from(sin) - s).abs() < 3e-7 && (f64::from(cos) - c).abs() < 3e-7, "{x}: {sin} {cos}");
        }
    }

    #[test]
    fn at_the_ends() {
        assert_eq!((exp(-1e9), exp(0.0), cbrt(0.0), fifth_root(-1.0)), (0.0, 1.0, 0.0, 0.0));
        assert_eq!((cbrt(1.0), fifth_root(1.0), cbrt(27.0), ln(1.0), tanh(0.0)), (1.0, 1.0, 3.0, 0.0, 0.0));
        assert!(exp(1e9).is_finite() && ln(0.0) < -87.0);
        assert_eq!(gaussian(0.0), [1.0]);
        let kernel = gaussian(2.5);
        assert_eq!(kernel.len(), 9);
        let flat = smooth(&[[1.0, 3.0]; 20 * 18], 20, &kernel);
        assert_eq!(flat.len(), 4 * 2);
        assert!(flat.iter().all(|v| (v[0] - 1.0).abs() < 1e-5 && (v[1] - 3.0).abs() < 1e-5));
        assert!((kernel[0] + 2.0 * kernel[1..].iter().sum::<f32>() - 1.0).abs() < 1e-6);
    }
}
