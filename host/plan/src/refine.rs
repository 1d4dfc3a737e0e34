//! Painting detail into a picture that was enlarged: image to image at its own size, in tiles.
//!
//! Decision: a tile is as large as the family can be asked to see, and neighbours share the more the more is repainted: the
//! padding of 16 + 64 strength pixels that peers use, on both sides. Steps follow the painter's rule (at least four), as the
//! strength is small.

use crate::{CanvasFacts, ModelFacts, Plan, PlanError, check, context, plan, steps};
use underpaint_raster::Extent;
use underpaint_wire::generate::{Generate, Mode};

/// How much is repainted unless somebody says otherwise: detail, not shapes.
const STRENGTH: f64 = 0.3;

/// Tiles of a picture, in pixels; both are multiples of the model's.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Tiles {
    /// Longest side.
    pub tile: u32,
    /// How far neighbours overlap.
    pub overlap: u32,
}

/// Plans to refine a picture of `extent` as a whole; of `request` its model's words and numbers count, not its sizes.
pub fn refine(request: &Generate, extent: Extent, model: &ModelFacts) -> Result<(Plan, Tiles), PlanError> {
    check::numbers(request)?;
    if !request.regions.is_empty() {
        let what = "have no place in a picture that is enlarged; leave them out".into();
        return Err(PlanError::Region { field: "regions", what });
    }
    let strength = request.denoise_strength.unwrap_or(STRENGTH);
    let canvas = CanvasFacts { extent, rect: extent.rect() };
    let whole = Generate {
        mode: Mode::Generate,
        extent: None,
        batch: None,
        denoise_strength: None,
        filters: Vec::new(),
        ..request.clone()
    };
    let mut plan = plan(&whole, Some(canvas), None, model)?;
    let taken = steps::repaint(plan.sampling.steps, strength);
    if taken.start_step >= taken.steps {
        return Err(PlanError::NoStepLeft { denoise_strength: strength, steps: taken.steps });
    }
    (plan.sampling.steps, plan.sampling.start_step) = (taken.steps, taken.start_step);
    // At its own size: what the enlargement made is not to be resampled.
    let multiple = model.multiple.max(8);
    plan.context = context::padded_fit(canvas.rect, 1.0, multiple);
    let round = |pixels: f64| (pixels / f64::from(multiple)).round().max(1.0) as u32 * multiple;
    // Trained at 512, a model still paints well at half as much again; beyond, it was trained at what it can.
    let native = f64::from(model.native_side);
    let tile = round(if model.native_side > 512 { native } else { native * 1.5 });
    Ok((plan, Tiles { tile, overlap: round(2.0 * (16.0 + 64.0 * strength)).min(tile / 2) }))
}
