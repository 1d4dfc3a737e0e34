//! Impasto: few thick strokes that stand off the canvas and catch the light.
//!
//! Decision: the same brush as oil with short, loaded strokes; what makes it thick is the light on the height of the
//! paint.

use super::strokes::{Canvas, Handling, Layer, toned_ground};
use crate::color::{Rgb, luma};
use crate::rng::Rng;
use crate::sketch::Sketch;

/// How much richer the colour is than the sketch's.
const RICHER: f32 = 1.12;

/// Paints `sketch` with brush or, at times, palette knife, which leaves smooth patches with raised borders.
pub(super) fn paint(sketch: &Sketch, rng: &mut Rng) -> Vec<Rgb> {
    let knife = rng.chance(0.3);
    let contrast = super::contrast(sketch);
    let loose = rng.range(0.8, 1.2) * contrast;
    let layers = [
        Layer { radius: 10.0, reach: 2.2, tolerance: 0.0 },
        Layer { radius: 5.0, reach: 2.4, tolerance: 0.07 * loose },
        Layer { radius: 2.4, reach: 3.0, tolerance: 0.075 * loose },
        // Only what would be lost: a mast, a window.
        Layer { radius: 1.4, reach: 3.0, tolerance: 0.09 * contrast },
    ];
    let hand = Handling {
        size: rng.range(0.85, 1.2),
        spacing: 1.6,
        play: rng.range(0.045, 0.08) * contrast,
        bristle: if knife { 0.04 } else { rng.range(0.14, 0.24) },
        dry: if knife { 0.1 } else { 0.35 },
        bend: if knife { 0.05 } else { 0.16 },
    };
    let mut canvas = Canvas::new(sketch, toned_ground(sketch, rng), rng);
    layers.iter().for_each(|layer| canvas.layer(sketch, layer, &hand, rng));
    canvas.color.iter_mut().for_each(|c| {
        let grey = luma(*c);
        *c = c.map(|v| (grey + (v - grey) * RICHER).clamp(0.0, 1.0));
    });
    canvas.lit(if rng.chance(0.5) { -1.0 } else { 1.0 }, rng.range(0.08, 0.14))
}
