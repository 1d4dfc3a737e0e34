//! What canvas and mask are to a plan: the part under the context, in both sizes, made once for the way to the model and the
//! way back.

use crate::{Alpha, Infill, Plan};
use std::borrow::Cow;
use std::sync::OnceLock;
use underpaint_raster::masks::{self, Softness};
use underpaint_raster::{Extent, Image, Mask, Rect, resize_mask, resize_part};

/// A canvas and a mask as a [`Plan`] uses them; [`Plan::scene`] makes it.
#[derive(Debug)]
pub struct Scene<'a> {
    /// The pixels that were sent.
    pub(crate) canvas: Option<&'a Image>,
    /// Which of them are the context's.
    pub(crate) rect: Rect,
    /// The context as the model is shown it, before anything is filled in; transparent where the canvas is. `None` for an
    /// engine that works on the canvas' own pixels.
    pub(crate) shown: Option<Image>,
    /// The mask over the context.
    pub(crate) mask: Option<Cow<'a, Mask>>,
    /// Where the engine may paint, over the context.
    pub(crate) denoise: Option<Mask>,
    /// That as large as `shown`.
    pub(crate) free: Option<Mask>,
    /// Made when first asked for: what is only shown to a model needs none.
    alpha: OnceLock<Mask>,
    kind: Alpha,
    softness: Softness,
}

impl Plan {
    /// What `canvas` and `mask`, for which the plan was made, are to it.
    pub fn scene<'a>(&self, canvas: Option<&'a Image>, mask: Option<&'a Mask>) -> Scene<'a> {
        let (rect, fit) = (self.local(), self.context.fit);
        let mask = mask.map(|mask| match rect == mask.extent().rect() {
            true => Cow::Borrowed(mask),
            false => Cow::Owned(mask.crop(rect)),
        });
        let denoise = mask.as_deref().map(|mask| masks::denoise_mask(mask, &self.softness));
        let model = !self.is_rebuilt();
        let free = denoise.as_ref().filter(|_| model).map(|denoise| resize_mask(denoise, fit));
        let shown = canvas.filter(|_| model).map(|canvas| resize_part(canvas, rect, fit));
        let (alpha, kind, softness) = (OnceLock::new(), self.alpha, self.softness);
        Scene { canvas, rect, shown, mask, denoise, free, alpha, kind, softness }
    }

    /// Whether the picture is rebuilt from its own pixels, so that no model sees it.
    pub(crate) fn is_rebuilt(&self) -> bool {
        self.infill == Infill::Exemplar && self.alpha == Alpha::Denoise
    }

    /// The context relative to the pixels that were sent.
    pub(crate) fn local(&self) -> Rect {
        let (c, a) = (self.context.rect, self.available.unwrap_or(self.context.rect));
        Rect::new(c.x - a.x, c.y - a.y, c.w, c.h)
    }
}

impl<'a> Scene<'a> {
    /// Size of the context, in canvas pixels.
    pub fn extent(&self) -> Extent {
        self.rect.extent()
    }

    /// The canvas under the context, in canvas pixels.
    pub fn original(&self) -> Option<Cow<'a, Image>> {
        self.canvas.map(|canvas| match self.rect == canvas.extent().rect() {
            true => Cow::Borrowed(canvas),
            false => Cow::Owned(canvas.crop(self.rect)),
        })
    }

    /// Where the engine may paint, over the context; `None` is everywhere.
    pub fn denoise_mask(&self) -> Option<&Mask> {
        self.denoise.as_ref()
    }

    /// The patch's opacity over the context.
    pub fn alpha(&self) -> &Mask {
        match (self.kind, &self.denoise) {
            (Alpha::Denoise, Some(denoise)) => denoise,
            _ => self.alpha.get_or_init(|| match (self.kind, &self.mask) {
                (Alpha::Blend, Some(mask)) => masks::compositing_mask(mask, &self.softness),
                _ => Mask::new(self.extent(), 1.0),
            }),
        }
    }
}
