//! Broad strokes along the lines of a drawing: what differs from its surroundings, made three pixels wide.
//!
//! Decision: a drawing is dark on light or light on dark; which, its mean tells. So a picture that is a scribble already stays
//! one.

use super::{grey, luma};
use crate::{Image, Mask, blur};

/// How much a line differs from its surroundings.
const CONTRAST: f32 = 1.0 / 16.0;
/// Width of the surroundings in pixels; lines are narrower than half of it.
const SURROUNDINGS: u32 = 33;

/// Strokes white on black.
pub fn apply(image: &Image) -> Image {
    let extent = image.extent();
    let mut lines = luma(image);
    let mean = lines.data().iter().map(|v| f64::from(*v)).sum::<f64>() / lines.data().len().max(1) as f64;
    if mean >= 0.5 {
        lines.data_mut().iter_mut().for_each(|v| *v = 1.0 - *v);
    }
    let around = blur::gaussian(&lines, SURROUNDINGS);
    let drawn =
        lines.data().iter().zip(around.data()).map(|(line, around)| f32::from(u8::from(line - around > CONTRAST)));
    let drawn = Mask::from_data(extent, drawn.collect());
    let (w, h) = (extent.w, extent.h);
    let near = |i: u32| {
        let (x, y) = (i % w, i / w);
        let mut rows = y.saturating_sub(1)..h.min(y + 2);
        rows.any(|y| (x.saturating_sub(1)..w.min(x + 2)).any(|x| drawn.at(x, y) > 0.0))
    };
    grey(extent, (0..w * h).map(|i| f32::from(u8::from(near(i)))))
}
