//! The engine's picture at its place: the last part of the pipeline before the filters, and the way back of
//! [`Plan::prepare`].

use crate::prepare::resize_to;
use crate::{Alpha, Plan};
use underpaint_raster::{
    ColorMatch, Image, Mask, Patch, Registered, color_match, composite, detail, membrane, register,
};
use underpaint_wire::generate::Blend;

/// What it took to bring a picture to its place, for the receipt.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Placing {
    /// How its colours were matched.
    pub color_match: Option<ColorMatch>,
    /// How far it lay beside its place.
    pub registered: Option<Registered>,
}

impl Plan {
    /// The patch of an engine's picture (of the model's extent): scaled back, given the detail that scaling took from
    /// what was hardly painted, its colours matched, moved back, bent to the surroundings' where that is wanted, cut to
    /// the mask. `canvas` and `mask` are those the plan was made for. `None` if nothing is painted.
    pub fn place(&self, picture: Image, canvas: Option<&Image>, mask: Option<&Mask>) -> Option<(Patch, Placing)> {
        let made = self.unpadded(picture);
        let mut result = resize_to(&made, self.context.rect.extent());
        let mut how = Placing::default();
        let original = canvas.map(|canvas| self.original(canvas));
        if let Some(original) = original.as_ref().filter(|_| self.alpha == Alpha::Blend) {
            let denoise = self.denoise_mask(mask);
            result = detail(&result, original, &denoise, self.denoise_strength, &made);
            if self.color_match {
                let (matched, found) = color_match(&result, original, &denoise);
                (result, how.color_match) = (matched, Some(found));
            }
            if self.register {
                let (moved, found) = register(&result, original, &denoise);
                (result, how.registered) = (moved, Some(found));
            }
        }
        let alpha = self.alpha(mask);
        if let (Blend::Gradient, Some(original)) = (self.blend, &original) {
            result = membrane(&result, original, &alpha);
        }
        let at = (self.context.rect.x, self.context.rect.y);
        composite(&result, original.as_ref().unwrap_or(&result), &alpha, at).map(|patch| (patch, how))
    }
}
