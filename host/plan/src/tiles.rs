//! Pictures too large to be seen at once: how large a part is looked at, and how far neighbours share theirs.
//!
//! Decision: a tile is as large as the family can be asked to see, and neighbours share the more the more is repainted: the
//! padding of 16 + 64 strength pixels that peers use, on both sides.

use crate::ModelFacts;

/// Tiles of a picture, in model pixels; both are multiples of the model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Longest side.
    pub tile: u32,
    /// How far neighbours overlap.
    pub overlap: u32,
}

impl Tiles {
    /// For a repaint of `denoise_strength`.
    pub(crate) fn new(model: &ModelFacts, denoise_strength: f64) -> Self {
        let multiple = model.multiple.max(8);
        let round = |pixels: f64| (pixels / f64::from(multiple)).round().max(1.0) as u32 * multiple;
        // Trained at 512, a model still paints well at half as much again; beyond, it was trained at what it can.
        let native = f64::from(model.native_side);
        let tile = round(if model.native_side > 512 { native } else { native * 1.5 });
        Self { tile, overlap: round(2.0 * (16.0 + 64.0 * denoise_strength)).min(tile / 2) }
    }
}
