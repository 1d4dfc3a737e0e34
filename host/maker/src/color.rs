//! Colours as a painter handles them: sRGB values in 0..=1, mixed and graded in Oklab (Ottosson 2020).

/// Red, green, blue, sRGB-encoded, 0..=1.
pub type Rgb = [f32; 3];

/// From a hexadecimal number such as `0x8fb7d9`.
pub const fn hex(value: u32) -> Rgb {
    [(value >> 16 & 255) as f32 / 255.0, (value >> 8 & 255) as f32 / 255.0, (value & 255) as f32 / 255.0]
}

/// `a` at 0, `b` at 1, evenly between; `t` is clamped.
pub fn mix(a: Rgb, b: Rgb, t: f32) -> Rgb {
    let t = t.clamp(0.0, 1.0);
    [0, 1, 2].map(|i| a[i] + (b[i] - a[i]) * t)
}

/// Every channel times `k`, clamped.
pub fn scale(a: Rgb, k: f32) -> Rgb {
    a.map(|v| (v * k).clamp(0.0, 1.0))
}

/// Channel by channel, as a filter of that colour.
pub fn multiply(a: Rgb, b: Rgb) -> Rgb {
    [a[0] * b[0], a[1] * b[1], a[2] * b[2]]
}

/// Light added to light; never above 1.
pub fn screen(a: Rgb, b: Rgb) -> Rgb {
    [0, 1, 2].map(|i| 1.0 - (1.0 - a[i]) * (1.0 - b[i]))
}

/// Perceived brightness, 0..=1 (Rec. 709 weights on encoded values).
pub fn luma(a: Rgb) -> f32 {
    0.2126 * a[0] + 0.7152 * a[1] + 0.0722 * a[2]
}

/// A colour along stops `(position, colour)`, positions rising.
pub fn gradient(stops: &[(f32, Rgb)], t: f32) -> Rgb {
    let after = stops.iter().position(|(at, _)| *at >= t);
    match after {
        Some(0) => stops[0].1,
        Some(i) => {
            let ((a, from), (b, to)) = (stops[i - 1], stops[i]);
            mix(from, to, (t - a) / (b - a).max(1e-6))
        }
        None => stops[stops.len() - 1].1,
    }
}

/// Lightness 0..=1, and the two colour axes.
pub fn to_oklab(rgb: Rgb) -> [f32; 3] {
    let [r, g, b] = rgb.map(|v| {
        let v = v.clamp(0.0, 1.0);
        if v <= 0.04045 { v / 12.92 } else { ((v + 0.055) / 1.055).powf(2.4) }
    });
    let l = (0.412_221_47 * r + 0.536_332_54 * g + 0.051_445_995 * b).cbrt();
    let m = (0.211_903_5 * r + 0.680_699_5 * g + 0.107_396_96 * b).cbrt();
    let s = (0.088_302_46 * r + 0.281_718_85 * g + 0.629_978_7 * b).cbrt();
    [
        0.210_454_26 * l + 0.793_617_8 * m - 0.004_072_047 * s,
        1.977_998_5 * l - 2.428_592_2 * m + 0.450_593_7 * s,
        0.025_904_037 * l + 0.782_771_77 * m - 0.808_675_77 * s,
    ]
}

/// The way back, clamped to what a screen shows.
pub fn from_oklab([l, a, b]: [f32; 3]) -> Rgb {
    let x = (l + 0.396_337_78 * a + 0.215_803_76 * b).powi(3);
    let y = (l - 0.105_561_346 * a - 0.063_854_17 * b).powi(3);
    let z = (l - 0.089_484_18 * a - 1.291_485_5 * b).powi(3);
    let linear = [
        4.076_741_7 * x - 3.307_711_6 * y + 0.230_969_94 * z,
        -1.268_438 * x + 2.609_757_4 * y - 0.341_319_4 * z,
        -0.004_196_086 * x - 0.703_418_6 * y + 1.707_614_7 * z,
    ];
    linear.map(|v| {
        let v = v.clamp(0.0, 1.0);
        if v <= 0.003_130_8 { 12.92 * v } else { 1.055 * v.powf(1.0 / 2.4) - 0.055 }
    })
}
