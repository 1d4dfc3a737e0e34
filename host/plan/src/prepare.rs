//! Pixels there and back: the context at the model's size, and the model's picture at the canvas' size.

use crate::{Infill, Plan, Prepared, Scene};
use std::borrow::Cow;
use underpaint_raster::masks::{self, Softness};
use underpaint_raster::{
    Cancelled, Extent, Image, Job, Mask, Patch, Rect, Wrapper, composite, infill, over, resize, resize_mask,
};
use underpaint_wire::generate::Mode;

/// How near to a removed object nothing is copied from, in pixels: a hand-drawn selection misses about as much.
const REMOVE_MARGIN_PX: u32 = 4;
/// Over how many model pixels grey fades into the surroundings.
const FALLOFF_PX: f32 = 9.0;

impl Plan {
    /// Fills what the engine sees of a scene of this plan; `seed` drives the exemplar infill, whose previews are of the whole
    /// picture at the model's extent.
    pub fn prepare(&self, scene: &Scene<'_>, seed: u64, job: &dyn Job) -> Result<Prepared, Cancelled> {
        let extent = self.context.extent;
        // Everything at the model's size, so that its cost does not depend on the canvas.
        let Some(init) = scene.shown.as_ref().map(opaque) else {
            return Ok(Prepared { extent, init: None, mask: None });
        };
        let (Some(mask), Some(free)) = (&scene.mask, &scene.free) else {
            return Ok(Prepared { extent, init: Some(pad(init, extent)), mask: None });
        };
        let hole = || resize_mask(&self.hole(mask), self.context.fit);
        let init = match self.infill {
            Infill::Original => init,
            Infill::PushPull => {
                let hole = hole();
                Cow::Owned(infill::grain(&infill::push_pull(&init, &hole), &hole))
            }
            Infill::Outward => Cow::Owned(infill::outward(&init, &hole())),
            Infill::Neutral => Cow::Owned(infill::neutral(&init, &hole(), FALLOFF_PX)),
            Infill::Grey => Cow::Owned(infill::neutral(&init, &hole(), 0.0)),
            Infill::Exemplar => {
                let job = &Padding { job, fit: self.context.fit, extent };
                Cow::Owned(infill::exemplar_with(&init, &hole(), &self.exemplar(seed), job)?)
            }
        };
        Ok(Prepared { extent, init: Some(pad(init, extent)), mask: Some(pad_mask(free, extent)) })
    }

    /// The patch of the embedded fill, which needs no model: what `seed` rebuilds under the mask of a scene of this plan. `None`
    /// if nothing is painted.
    pub fn rebuild(&self, scene: &Scene<'_>, seed: u64, job: &dyn Job) -> Result<Option<Patch>, Cancelled> {
        let (Some(original), Some(denoise)) = (scene.original(), &scene.denoise) else { return Ok(None) };
        let made = infill::rebuild(&original, denoise, &self.exemplar(seed), job)?;
        let (x, y) = (self.context.rect.x, self.context.rect.y);
        Ok(made.and_then(|(part, image)| composite(image, &denoise.crop(part), (x + part.x, y + part.y))))
    }

    /// How the exemplar infill works: what is removed must not come back through its shadow or fringe, which lie
    /// just outside a selection.
    fn exemplar(&self, seed: u64) -> infill::Options {
        infill::Options { seed, source_margin_px: if self.mode == Mode::Remove { REMOVE_MARGIN_PX } else { 0 } }
    }

    /// `image` of the context, as large as the model's picture of it is made.
    pub(crate) fn resized(&self, image: &Image) -> Image {
        resize_to(image, self.context.fit)
    }

    /// That at the model's extent.
    pub(crate) fn padded(&self, image: Image) -> Image {
        pad(Cow::Owned(image), self.context.extent)
    }

    /// `mask` of the context at the model's extent.
    pub(crate) fn fitted_mask(&self, mask: &Mask) -> Mask {
        pad_mask(&resize_mask(mask, self.context.fit), self.context.extent)
    }

    /// `canvas`, as it was given to [`Plan::scene`], with a patch of this plan laid over it.
    pub fn lay(&self, canvas: &Image, patch: &Patch) -> Image {
        let at = self.available.unwrap_or(self.context.rect);
        let rect = Rect { x: patch.rect.x - at.x, y: patch.rect.y - at.y, ..patch.rect };
        over(canvas, &Patch { rect, image: patch.image.clone() })
    }

    /// The engine's picture (of the model's extent) at the context's extent.
    pub fn restore(&self, picture: Image) -> Image {
        resize_to(&self.unpadded(picture), self.context.rect.extent())
    }

    /// The part of the engine's picture that is the context's.
    pub(crate) fn unpadded(&self, picture: Image) -> Image {
        match self.context.fit == self.context.extent {
            true => picture,
            false => picture.crop(self.context.fit.rect()),
        }
    }

    /// What is replaced before the model begins: less than what it may paint, so that the model still sees the
    /// true edge of the surroundings.
    fn hole(&self, mask: &Mask) -> Mask {
        let grow_px = (self.softness.grow_px - self.softness.feather_px / 2.0).max(0.0);
        masks::denoise_mask(mask, &Softness { feather_px: 0.0, grow_px, blend_px: 0.0 })
    }
}

/// A job whose previews are of what is shown to a model, while its owner knows only previews of what the model makes.
struct Padding<'a> {
    job: &'a dyn Job,
    fit: Extent,
    extent: Extent,
}

impl Wrapper for Padding<'_> {
    fn owner(&self) -> &dyn Job {
        self.job
    }

    fn preview(&self, image: Image) {
        let side = |small: u32, fit: u32, extent: u32| {
            (f64::from(small) * f64::from(extent) / f64::from(fit.max(1))).round() as u32
        };
        let Extent { w, h } = image.extent();
        let padded = Extent::new(side(w, self.fit.w, self.extent.w), side(h, self.fit.h, self.extent.h));
        self.job.preview(pad(Cow::Owned(image), padded));
    }
}

pub(crate) fn resize_to(image: &Image, to: Extent) -> Image {
    if image.extent() == to { image.clone() } else { resize(image, to) }
}

/// Models know no transparency: what shows through takes the colours of what is beside it.
pub(crate) fn opaque(image: &Image) -> Cow<'_, Image> {
    if image.data().chunks_exact(4).all(|p| p[3] >= 1.0) {
        return Cow::Borrowed(image);
    }
    let clear = image.data().chunks_exact(4).map(|p| 1.0 - p[3]).collect();
    let mut out = infill::push_pull(image, &Mask::from_data(image.extent(), clear));
    for p in out.data_mut().chunks_exact_mut(4) {
        // A wholly transparent picture has no colours to lend: mid grey.
        let rest = 1.0 - p[3].clamp(0.0, 1.0);
        p.iter_mut().take(3).for_each(|v| *v = *v * (1.0 - rest) + 0.5 * rest);
        p[3] = 1.0;
    }
    Cow::Owned(out)
}

/// `image` at the top left of `extent`, its last column and row repeated.
fn pad(image: Cow<'_, Image>, extent: Extent) -> Image {
    let from = image.extent();
    if from == extent {
        return image.into_owned();
    }
    let mut out = Image::new(extent);
    for y in 0..extent.h {
        for x in 0..extent.w {
            out.set_pixel(x, y, image.pixel(x.min(from.w - 1), y.min(from.h - 1)));
        }
    }
    out
}

fn pad_mask(mask: &Mask, extent: Extent) -> Mask {
    let from = mask.extent();
    if from == extent {
        return mask.clone();
    }
    let mut out = Mask::new(extent, 0.0);
    for y in 0..extent.h {
        for x in 0..extent.w {
            out.set(x, y, mask.at(x.min(from.w - 1), y.min(from.h - 1)));
        }
    }
    out
}
