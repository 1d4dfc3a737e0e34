//! sRGB, linear light and CIE Lab (D65, 2 degrees), in `f32`.
//!
//! Decision: the sRGB curve is continued as an odd function below 0 and as its power law above 1, so a
//! colour that leaves the gamut in between comes back unchanged; clamping is the caller's choice.

/// L* (0..=100), a*, b*.
pub type Lab = [f32; 3];

/// sRGB-encoded value to linear light (IEC 61966-2-1).
pub(crate) fn to_linear(v: f32) -> f32 {
    let a = v.abs();
    let l = if a <= 0.040_45 { a / 12.92 } else { ((a + 0.055) / 1.055).powf(2.4) };
    l.copysign(v)
}

/// Linear light to the sRGB-encoded value (IEC 61966-2-1).
pub(crate) fn to_srgb(v: f32) -> f32 {
    let a = v.abs();
    let s = if a <= 0.003_130_8 { a * 12.92 } else { 1.055 * a.powf(1.0 / 2.4) - 0.055 };
    s.copysign(v)
}

/// The D65 white point of sRGB: the row sums of the matrix below, so that grey has a* = b* = 0.
const WHITE: [f32; 3] = [0.950_47, 1.0, 1.088_83];
const EPSILON: f32 = 216.0 / 24389.0;
const KAPPA: f32 = 24389.0 / 27.0;

/// sRGB-encoded RGB, 0..=1, to Lab (CIE 15:2004).
pub fn lab_from_srgb(rgb: [f32; 3]) -> Lab {
    lab_from_linear(rgb.map(to_linear))
}

/// The same from linear light, never below 0.
#[inline(always)]
pub(crate) fn lab_from_linear([r, g, b]: [f32; 3]) -> Lab {
    let f = |t: f32| {
        if t > EPSILON { cube_root(t) } else { (KAPPA * t + 16.0) / 116.0 }
    };
    let x = f((0.412_456_4 * r + 0.357_576_1 * g + 0.180_437_5 * b) / WHITE[0]);
    let y = f((0.212_672_9 * r + 0.715_152_2 * g + 0.072_175 * b) / WHITE[1]);
    let z = f((0.019_333_9 * r + 0.119_192 * g + 0.950_304_1 * b) / WHITE[2]);
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// Within 3e-7 of it, for numbers above 0 and not tiny, some four times as fast as the library's: a third of the exponent
/// is a guess (Kahan), which Halley's method makes three times as exact at every step.
#[inline(always)]
fn cube_root(v: f32) -> f32 {
    let mut root = f32::from_bits(v.to_bits() / 3 + 0x2a51_37a0);
    for _ in 0..2 {
        let cube = root * root * root;
        root *= (cube + v + v) / (cube + cube + v);
    }
    root
}

/// Lab to sRGB-encoded RGB; colours outside sRGB come back outside 0..=1.
pub fn srgb_from_lab(lab: Lab) -> [f32; 3] {
    linear_from_lab(lab).map(to_srgb)
}

/// The same to linear light.
#[inline(always)]
pub(crate) fn linear_from_lab([l, a, b]: Lab) -> [f32; 3] {
    let fy = (l + 16.0) / 116.0;
    let inverse = |f: f32| {
        let cube = f * f * f;
        if cube > EPSILON { cube } else { (116.0 * f - 16.0) / KAPPA }
    };
    let x = inverse(fy + a / 500.0) * WHITE[0];
    let y = inverse(fy) * WHITE[1];
    let z = inverse(fy - b / 200.0) * WHITE[2];
    [
        3.240_454_2 * x - 1.537_138_5 * y - 0.498_531_4 * z,
        -0.969_266 * x + 1.876_010_8 * y + 0.041_556 * z,
        0.055_643_4 * x - 0.204_025_9 * y + 1.057_225_2 * z,
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lab_of_known_colours() {
        // colour.XYZ_to_Lab(colour.sRGB_to_XYZ(...)) of colour-science, D65, rounded.
        for (rgb, lab) in [
            ([1.0, 1.0, 1.0], [100.0, 0.0, 0.0]),
            ([0.0, 0.0, 0.0], [0.0, 0.0, 0.0]),
            ([1.0, 0.0, 0.0], [53.24, 80.09, 67.20]),
            ([0.0, 1.0, 0.0], [87.73, -86.18, 83.18]),
            ([0.0, 0.0, 1.0], [32.30, 79.19, -107.86]),
        ] {
            let got = lab_from_srgb(rgb);
            for c in 0..3 {
                assert!((got[c] - lab[c]).abs() < 0.03, "{rgb:?}: {got:?} instead of {lab:?}");
            }
        }
    }

    #[test]
    #[inline(always)]
    fn cube_roots_are_cube_roots() {
        for i in 1..=100_000u32 {
            let v = i as f32 / 50_000.0;
            assert!((cube_root(v) / v.cbrt() - 1.0).abs() < 3e-7, "{v}: {} instead of {}", cube_root(v), v.cbrt());
        }
    }

    #[test]
    fn round_trips() {
        for i in 0..=4096u32 {
            let rgb = [i as f32 / 4096.0, (i * 7 % 4097) as f32 / 4096.0, (i * 31 % 4097) as f32 / 4096.0];
            let back = srgb_from_lab(lab_from_srgb(rgb));
            for c in 0..3 {
                assert!((back[c] - rgb[c]).abs() < 2e-5, "{rgb:?} came back as {back:?}");
            }
            assert!((to_srgb(to_linear(rgb[0])) - rgb[0]).abs() < 1e-6);
        }
    }
}
