//! Texts bound to parts of the picture: what a region is asked for, and where it lies in what the model sees.
//!
//! Decision: a region's text is its own prompt and then that of the whole, so that a style said once holds everywhere; what
//! comes first counts most. Its mask goes the way of the canvas, as a control's picture does, and is neither grown nor feathered:
//! where texts cross over is the painter's to say.

use crate::{Plan, PlanError};
use underpaint_raster::{Mask, Rect, resize_mask};
use underpaint_wire::generate::Generate;

/// What is asked for in a region, of its own prompt and that of the whole.
pub fn region_text(region: &str, whole: &str) -> String {
    match (region.trim(), whole.trim()) {
        ("", text) | (text, "") => text.to_owned(),
        (region, whole) => format!("{region}, {whole}"),
    }
}

/// Checks that each region of `request` has a mask of its own in which there is something.
pub fn check_regions(request: &Generate, masks: &[Option<&Mask>]) -> Result<(), PlanError> {
    for (i, region) in request.regions.iter().enumerate() {
        let refuse = |what: &str| {
            let named = region.prompt.trim().chars().take(60).collect::<String>();
            Err(PlanError::Region {
                field: "regions.mask",
                what: format!("{what} for `{named}`; white is where it is seen"),
            })
        };
        match masks.get(i).copied().flatten() {
            None => return refuse("is missing"),
            Some(mask) if mask.bounds().is_none() => return refuse("is empty"),
            Some(_) => {}
        }
    }
    Ok(())
}

impl Plan {
    /// The mask of a region at the model's size: `mask` scaled to its `rect` on the canvas, 0 where it does not reach. Without a
    /// canvas it is the whole.
    pub fn prepare_region(&self, rect: Rect, mask: &Mask) -> Mask {
        if self.available.is_none() || rect == self.context.rect {
            return self.fitted_mask(mask);
        }
        self.fitted_mask(&placed(resize_mask(mask, rect.extent()), rect, self.context.rect))
    }
}

/// `mask` at `rect` as seen through `window`: 0 where it does not reach.
pub fn placed(mask: Mask, rect: Rect, window: Rect) -> Mask {
    if rect == window {
        return mask;
    }
    let mut out = Mask::new(window.extent(), 0.0);
    if let Some(common) = rect.intersect(window) {
        let seen_from = |at: Rect| Rect { x: common.x - at.x, y: common.y - at.y, ..common };
        let seen = if common == rect { mask } else { mask.crop(seen_from(rect)) };
        out.put(seen_from(window), &seen);
    }
    out
}

/// The pixels that lie in both rects, as each of them counts, row by row.
pub(crate) fn shared(rect: Rect, window: Rect) -> impl Iterator<Item = ((u32, u32), (u32, u32))> {
    rect.intersect(window).into_iter().flat_map(move |common| {
        let from = ((common.x - rect.x) as u32, (common.y - rect.y) as u32);
        let to = ((common.x - window.x) as u32, (common.y - window.y) as u32);
        let pixels = (0..common.h).flat_map(move |y| (0..common.w).map(move |x| (x, y)));
        pixels.map(move |(x, y)| ((from.0 + x, from.1 + y), (to.0 + x, to.1 + y)))
    })
}
