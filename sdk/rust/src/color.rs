//! What numbers of a colour stand for: sRGB as it is stored, linear light, and CIE Lab, where equal distances look
//! equal.
//!
//! Decision: every function is made of exact operations ([`math`](crate::math)), so that a filter that thinks in Lab
//! makes the same picture everywhere. A filter that wants all its pixels in light says [`About::linear`] instead and
//! gets them from the host.
//!
//! [`About::linear`]: crate::About::linear

use crate::Color;
use crate::math::{cbrt, fifth_root};

/// Share of red, green and blue in the light the eye sees (Rec. 709), for linear values.
pub const LUMINANCE: [f32; 3] = [0.2126, 0.7152, 0.0722];

/// Light of an sRGB-encoded value (IEC 61966-2-1), 0..=1.
#[inline]
pub fn linear_from_srgb(v: f32) -> f32 {
    if v <= 0.040_45 {
        return v * (1.0 / 12.92);
    }
    // To the power of 2.4.
    let base = (v + 0.055) * (1.0 / 1.055);
    let root = fifth_root(base);
    base * base * root * root
}

/// The sRGB-encoded value of light, 0..=1.
#[inline]
pub fn srgb_from_linear(v: f32) -> f32 {
    if v <= 0.003_130_8 {
        return v * 12.92;
    }
    // To the power of 1 / 2.4, which is a third and a twelfth.
    1.055 * cbrt(v * v.sqrt().sqrt()) - 0.055
}

/// CIE L*a*b* (D65, 2°) of linear red, green and blue: L 0..=100, a and b about -110..=110.
pub fn lab_from_linear(rgb: [f32; 3]) -> [f32; 3] {
    let f = |row: [f32; 3]| {
        let t = row[0] * rgb[0] + row[1] * rgb[1] + row[2] * rgb[2];
        if t > 0.008_856 { cbrt(t) } else { 7.787 * t + 16.0 / 116.0 }
    };
    let [x, y, z] = [
        f([0.412_453 / 0.950_47, 0.357_580 / 0.950_47, 0.180_423 / 0.950_47]),
        f([0.212_671, 0.715_160, 0.072_169]),
        f([0.019_334 / 1.088_83, 0.119_193 / 1.088_83, 0.950_227 / 1.088_83]),
    ];
    [116.0 * y - 16.0, 500.0 * (x - y), 200.0 * (y - z)]
}

/// Linear red, green and blue of CIE L*a*b*. What no screen can show lies outside of 0..=1.
pub fn linear_from_lab([l, a, b]: [f32; 3]) -> [f32; 3] {
    let y = (l + 16.0) * (1.0 / 116.0);
    let f = |t: f32| if t > 0.206_893 { t * t * t } else { (t - 16.0 / 116.0) * (1.0 / 7.787) };
    let [x, y, z] = [0.950_47 * f(y + a * 0.002), f(y), 1.088_83 * f(y - b * 0.005)];
    [
        3.240_481_3 * x - 1.537_151_5 * y - 0.498_536_33 * z,
        -0.969_255 * x + 1.875_990_1 * y + 0.041_555_926 * z,
        0.055_646_64 * x - 0.204_041_34 * y + 1.057_311 * z,
    ]
}

/// CIE L*a*b* of an sRGB-encoded colour.
pub fn lab_from_srgb(rgb: [f32; 3]) -> [f32; 3] {
    lab_from_linear(rgb.map(linear_from_srgb))
}

/// The sRGB-encoded colour of CIE L*a*b*, each value brought into 0..=1.
pub fn srgb_from_lab(lab: [f32; 3]) -> [f32; 3] {
    linear_from_lab(lab).map(|v| srgb_from_linear(v.clamp(0.0, 1.0)).min(1.0))
}

/// Distance of two colours in Lab, squared (CIE 1976).
#[inline]
pub fn distance2(a: [f32; 3], b: [f32; 3]) -> f32 {
    let d = [a[0] - b[0], a[1] - b[1], a[2] - b[2]];
    d[0] * d[0] + d[1] * d[1] + d[2] * d[2]
}

impl Color {
    /// The colour without its opacity, sRGB-encoded.
    pub fn rgb(self) -> [f32; 3] {
        [self.r, self.g, self.b]
    }

    /// The colour without its opacity, as light.
    pub fn linear(self) -> [f32; 3] {
        self.rgb().map(linear_from_srgb)
    }

    /// The colour of `#rrggbb`, `rrggbb`, `#rgb` or `#rrggbbaa`; `None` for anything else.
    pub fn from_hex(text: &str) -> Option<Self> {
        let hex = text.strip_prefix('#').unwrap_or(text);
        if !hex.bytes().all(|b| b.is_ascii_hexdigit()) {
            return None;
        }
        let wide: String = match hex.len() {
            3 => hex.chars().flat_map(|c| [c, c]).chain("ff".chars()).collect(),
            6 => format!("{hex}ff"),
            8 => hex.into(),
            _ => return None,
        };
        let bits = u32::from_str_radix(&wide, 16).ok()?;
        let [r, g, b, a] = bits.to_be_bytes().map(|v| f32::from(v) / 255.0);
        Some(Self { r, g, b, a })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn light_as_the_standard_defines_it() {
        for i in 0..=4096 {
            let v = f64::from(i) / 4096.0;
            let light = if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) };
            let ours = linear_from_srgb(v as f32);
            assert!((f64::from(ours) - light).abs() < 1e-6 * light.max(0.01), "{v}: {ours}, not {light}");
            assert!((srgb_from_linear(ours) - v as f32).abs() < 4e-7, "{v} does not come back");
        }
    }

    /// Numbers of skimage.color.rgb2lab.
    #[test]
    fn lab_as_it_is_published() {
        let rows = [
            ([1.0, 1.0, 1.0], [100.0, -0.0025, 0.0047]),
            ([1.0, 0.0, 0.0], [53.2406, 80.0923, 67.2028]),
            ([0.0, 0.0, 1.0], [32.2957, 79.1856, -107.8573]),
            ([0.2, 0.5, 0.1], [47.0842, -42.3426, 44.7673]),
            ([0.01, 0.02, 0.03], [1.3001, -0.3124, -1.1998]),
        ];
        for (rgb, lab) in rows {
            let is = lab_from_srgb(rgb);
            assert!(distance2(is, lab) < 1e-4, "{rgb:?} is {is:?}, not {lab:?}");
            let back = srgb_from_lab(is);
            assert!((0..3).all(|c| (back[c] - rgb[c]).abs() < 2e-4), "{rgb:?} comes back as {back:?}");
        }
    }

    #[test]
    fn hex_colours() {
        for (text, rgba) in [("#ff8000", [255, 128, 0, 255]), ("F80", [255, 136, 0, 255]), ("#01020304", [1, 2, 3, 4])]
        {
            let c = Color::from_hex(text).unwrap();
            assert_eq!([c.r, c.g, c.b, c.a].map(|v| (v * 255.0).round() as u8), rgba, "{text}");
        }
        for wrong in ["", "#", "#12", "#12345", "gold", "#ggg", "#é12", "+12345"] {
            assert_eq!(Color::from_hex(wrong), None, "{wrong}");
        }
    }
}
