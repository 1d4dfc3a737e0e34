//! The engine's picture at its place: the last part of the pipeline before the filters, and the way back of
//! [`Plan::prepare`].

use crate::{Alpha, Plan, Scene};
use std::borrow::Cow;
use underpaint_raster::{
    ColorMatch, Extent, Image, Lost, Mask, Patch, Rect, Registered, composite, enlarge, membrane, resize,
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

/// How many pixels around a part have a say in what becomes of it: its colours in the kernels that move and enlarge it.
const SAY_PX: u32 = 16;
/// How many pixels around the painted part tell what its colours are bent to.
const BESIDE_PX: u32 = 8;

impl Plan {
    /// The patch of an engine's picture (of the model's extent): its colours matched, brought to the canvas' size and back to
    /// its place, given the detail that scaling took from what was hardly painted, bent to the surroundings' where that is
    /// wanted, cut to the mask. `None` if nothing is painted.
    ///
    /// The surroundings are only looked at, in the smaller of both sizes, since a difference beyond that is none of the
    /// picture's: what they tell is done to the part that is painted.
    pub fn place(&self, picture: Image, scene: &Scene<'_>) -> Option<(Patch, Placing)> {
        let (extent, made) = (scene.extent(), self.unpadded(picture));
        let mut made = if made.extent().area() > extent.area() { resize(&made, extent) } else { made };
        let seen = made.extent();
        let alpha = scene.alpha();
        let beside = if self.blend == Blend::Gradient { BESIDE_PX } else { 0 };
        let part = alpha.bounds()?.grown(beside).intersect(extent.rect())?;

        let mut how = Placing::default();
        let mut lost = None;
        if let (Alpha::Blend, Some(canvas)) = (self.alpha, scene.canvas) {
            let (original, denoise) = self.compared(scene, seen);
            how.color_match = self.color_match.then(|| ColorMatch::measure(&made, &original, &denoise));
            let contrast = how.color_match.map_or(1.0, |found| found.scale[0]);
            let zoom = seen.w as f32 / extent.w as f32;
            let registered = || Registered::measure(&made, &original, &denoise, contrast, zoom);
            how.registered = self.register.then(registered);
            let smaller = scene.shown.as_ref().zip(scene.denoise.as_ref()).filter(|_| seen.area() < extent.area());
            lost = smaller.map(|(shown, denoise_mask)| Lost {
                original: canvas,
                rect: scene.rect,
                shown,
                denoise_mask,
                strength: self.denoise_strength,
            });
        }
        if let Some(found) = how.color_match {
            found.apply(&mut made, scaled(part, extent, seen).grown(SAY_PX).intersect(seen.rect())?);
        }
        let back = how.registered.map_or([0.0; 2], |found| found.back());
        let mut result = enlarge(&made, extent, back, part, lost.as_ref());
        let alpha = alpha.crop(part);
        if let (Blend::Gradient, Some(canvas)) = (self.blend, scene.canvas) {
            let original = canvas.crop(Rect { x: part.x + scene.rect.x, y: part.y + scene.rect.y, ..part });
            result = membrane(&result, &original, &alpha);
        }
        let at = (self.context.rect.x + part.x, self.context.rect.y + part.y);
        composite(result, &alpha, at).map(|patch| (patch, how))
    }

    /// Canvas and denoise mask as large as what was made: the model's size or the canvas'.
    fn compared<'a>(&self, scene: &'a Scene<'_>, seen: Extent) -> (Cow<'a, Image>, Cow<'a, Mask>) {
        let (picture, mask) = match &scene.shown {
            Some(shown) if shown.extent() == seen => (Cow::Borrowed(shown), &scene.free),
            _ => (scene.original().unwrap_or_else(|| Cow::Owned(Image::new(seen))), &scene.denoise),
        };
        (picture, mask.as_ref().map_or_else(|| Cow::Owned(Mask::new(seen, 1.0)), Cow::Borrowed))
    }
}

/// The part of a picture of extent `to` that shows what the part `rect` of one of extent `from` does, and no less.
fn scaled(rect: Rect, from: Extent, to: Extent) -> Rect {
    let down = |at: i64, from: u32, to: u32| at * i64::from(to) / i64::from(from);
    let up = |at: i64, from: u32, to: u32| (at * i64::from(to)).div_euclid(i64::from(from)) + 1;
    let (x, y) = (down(rect.x.into(), from.w, to.w), down(rect.y.into(), from.h, to.h));
    let (right, bottom) = (up(rect.right(), from.w, to.w), up(rect.bottom(), from.h, to.h));
    Rect::new(x as i32, y as i32, (right - x) as u32, (bottom - y) as u32)
}
