//! Painting detail into a picture that was enlarged: image to image at its own size, in tiles.
//!
//! Decision: steps follow the painter's rule (at least four), as the strength is small.

use crate::{CanvasFacts, ModelFacts, Plan, PlanError, Tiles, check, context, plan, steps};
use underpaint_raster::Extent;
use underpaint_wire::generate::{Generate, Mode};

/// How much is repainted unless somebody says otherwise: detail, not shapes.
const STRENGTH: f64 = 0.3;

/// Plans to refine a picture of `extent` as a whole; of `request` its model's words, regions and numbers count, not its sizes.
pub fn refine(request: &Generate, extent: Extent, model: &ModelFacts) -> Result<Plan, PlanError> {
    check::numbers(request)?;
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
    plan.context = context::padded_fit(canvas.rect, 1.0, model.multiple.max(8));
    plan.tiles = Some(Tiles::new(model, strength));
    Ok(plan)
}
