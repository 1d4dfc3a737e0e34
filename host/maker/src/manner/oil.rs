//! Oil: visible, moderate brush strokes over a toned ground that shows through a little.
//!
//! Decision: four brushes, large to small; the largest goes everywhere, each smaller one only where the larger left
//! things wrong.

use super::strokes::{Canvas, Handling, Layer, toned_ground};
use crate::color::Rgb;
use crate::rng::Rng;
use crate::sketch::Sketch;

/// Paints `sketch` in oil; painters differ in brush size, looseness and how lively their colour is.
pub(super) fn paint(sketch: &Sketch, rng: &mut Rng) -> Vec<Rgb> {
    let contrast = super::contrast(sketch);
    let loose = rng.range(0.7, 1.2) * contrast;
    let layers = [
        Layer { radius: 12.0, reach: 3.2, tolerance: 0.0 },
        Layer { radius: 6.0, reach: 3.6, tolerance: 0.055 * loose },
        Layer { radius: 3.0, reach: 4.0, tolerance: 0.05 * loose },
        Layer { radius: 1.7, reach: 4.0, tolerance: 0.055 * loose },
    ];
    let hand = Handling {
        size: rng.range(0.8, 1.15),
        spacing: 1.7,
        play: rng.range(0.025, 0.055) * contrast,
        bristle: rng.range(0.08, 0.16),
        dry: rng.range(0.3, 0.6),
        bend: 0.15,
    };
    let mut canvas = Canvas::new(sketch, toned_ground(sketch, rng), rng);
    layers.iter().for_each(|layer| canvas.layer(sketch, layer, &hand, rng));
    canvas.lit(if rng.chance(0.5) { -1.0 } else { 1.0 }, 0.035)
}
