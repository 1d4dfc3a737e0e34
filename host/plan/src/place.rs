//! The engine's picture at its place: the last part of the pipeline before the filters, and the way back of
//! [`Plan::prepare`].

use crate::{Alpha, Plan};
use underpaint_raster::{ColorMatch, Image, Mask, Patch, Registered, composite, detail, membrane, resize};
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
    ///
    /// The surroundings are only looked at: what they tell is done to the part that is painted.
    pub fn place(&self, picture: Image, canvas: Option<&Image>, mask: Option<&Mask>) -> Option<(Patch, Placing)> {
        let (made, extent) = (self.unpadded(picture), self.context.rect.extent());
        let mut enlarged = (made.extent() != extent).then(|| resize(&made, extent));
        let mut how = Placing::default();
        let original = canvas.map(|canvas| self.original(canvas));
        if let Some(original) = original.as_deref().filter(|_| self.alpha == Alpha::Blend) {
            let denoise = self.denoise_mask(mask);
            enlarged = enlarged.map(|result| detail(result, original, &denoise, self.denoise_strength, &made));
            let result = enlarged.as_ref().unwrap_or(&made);
            how.color_match = self.color_match.then(|| ColorMatch::measure(result, original, &denoise));
            let contrast = how.color_match.map_or(1.0, |found| found.scale[0]);
            how.registered = self.register.then(|| Registered::measure(result, original, &denoise, contrast));
        }
        let alpha = self.alpha(mask);
        let part = alpha.bounds()?.grown(Registered::MARGIN_PX).intersect(alpha.extent().rect())?;
        let (mut result, alpha) = (enlarged.unwrap_or(made).crop(part), alpha.crop(part));
        if let Some(found) = how.color_match {
            found.apply(&mut result);
        }
        if let Some(found) = how.registered {
            result = found.apply(result);
        }
        if let (Blend::Gradient, Some(original)) = (self.blend, &original) {
            result = membrane(&result, &original.crop(part), &alpha);
        }
        let at = (self.context.rect.x + part.x, self.context.rect.y + part.y);
        composite(&result, &alpha, at).map(|patch| (patch, how))
    }
}
