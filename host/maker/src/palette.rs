//! Grading to a limited palette: hues are pulled towards the palette's own, chroma and contrast set, in Oklab.

use crate::color::{Rgb, from_oklab, hex, to_oklab};
use crate::facts::Palette;

/// `color` in `palette`.
pub fn grade(palette: Palette, color: Rgb) -> Rgb {
    let [l, a, b] = to_oklab(color);
    // Anchors to be drawn to, how far; chroma factor; lightness floor and ceiling.
    let (anchors, pull, chroma, floor, ceiling): (&[u32], f32, f32, f32, f32) = match palette {
        Palette::Natural => return color,
        Palette::Warm => (&[0xd2553a, 0xe89a3c, 0xf0cf7a, 0x8a3b3a, 0xb8704a], 0.68, 1.08, 0.0, 1.0),
        Palette::Cool => (&[0x2f6aa0, 0x4d9db0, 0x7fb9c9, 0x3b4f86, 0x5a86a8], 0.68, 1.0, 0.0, 1.0),
        Palette::Earth => (&[0xb08a4e, 0x8a5a34, 0x5c4a34, 0x9a7a5a, 0x6e6a4a], 0.72, 0.85, 0.02, 0.95),
        Palette::Pastel => (&[], 0.0, 0.62, 0.52, 0.99),
        Palette::Vivid => (&[], 0.0, 1.65, 0.0, 1.0),
        Palette::Muted => (&[0x8a8f94, 0xa09488, 0x7d8a86], 0.35, 0.38, 0.08, 0.93),
    };
    let l = floor + (ceiling - floor) * l;
    let (mut a, mut b) = (a * chroma, b * chroma);
    if !anchors.is_empty() {
        // Each anchor draws by its nearness in lightness and hue; the pull keeps light and dark apart.
        let (mut sum, mut to) = (0.0, [0.0; 2]);
        for &anchor in anchors {
            let [al, aa, ab] = to_oklab(hex(anchor));
            let near = (-((al - l).powi(2) * 10.0 + ((aa - a).powi(2) + (ab - b).powi(2)) * 30.0)).exp() + 1e-4;
            sum += near;
            to = [to[0] + near * aa, to[1] + near * ab];
        }
        // Near black and near white carry little colour.
        let body = (4.0 * l * (1.0 - l)).clamp(0.0, 1.0).sqrt();
        a += pull * (to[0] / sum * body - a);
        b += pull * (to[1] / sum * body - b);
    }
    from_oklab([l, a, b])
}
