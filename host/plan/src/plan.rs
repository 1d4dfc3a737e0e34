//! The plan, and how a request becomes one.

use crate::context::Context;
use crate::{Family, Inpaint, Kind, ModelFacts, PlanError, Sampling, Tiles, check, context, steps};
use underpaint_raster::masks::{self, Softness};
use underpaint_raster::{Extent, Mask, Rect};
use underpaint_wire::generate::{Blend, FilterCall, Generate, LoraCall, Mode};

/// Which pixels there are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CanvasFacts {
    /// Size of the whole document in pixels.
    pub extent: Extent,
    /// The part of it whose pixels were sent.
    pub rect: Rect,
}

/// Everything a job does, resolved: nothing is left to choose.
#[derive(Clone, Debug, PartialEq)]
pub struct Plan {
    /// What to do.
    pub mode: Mode,
    /// May be empty.
    pub prompt: String,
    /// What should not be seen; none is not the same as an empty one (SDXL).
    pub negative_prompt: Option<String>,
    /// Of each region its own prompt; what is asked for there is [`region_text`](crate::region_text).
    pub regions: Vec<String>,
    /// How much of the original is given up where the mask is 1: 0 nothing, 1 all.
    pub denoise_strength: f64,
    /// Steps, noise, guidance, seeds.
    pub sampling: Sampling,
    /// Where the pixels given to [`Plan::prepare`] lie in the document; `None` if there are none.
    pub available: Option<Rect>,
    /// The part of the canvas the model sees, at what scale, and where its picture goes.
    pub context: Context,
    /// How the model sees it where that is too much to be seen at once; each of its steps looks at all tiles.
    pub tiles: Option<Tiles>,
    /// How the selection becomes the two masks.
    pub softness: Softness,
    /// What the model sees under the mask.
    pub infill: Infill,
    /// How the denoising loop treats the mask.
    pub inpaint: Inpaint,
    /// Opacity of the patch.
    pub alpha: Alpha,
    /// Whether the result's colours are brought back to the surroundings'.
    pub color_match: bool,
    /// How the patch goes over into the picture.
    pub blend: Blend,
    /// What the model's weights are changed with.
    pub loras: Vec<LoraCall>,
    /// Whether the result is moved back if it lies beside its place.
    pub register: bool,
    /// Run in this order on every patch.
    pub filters: Vec<FilterCall>,
    /// Once more over what was painted, in finer detail: a plan of its own, whose canvas is this one with the first
    /// pass' patch laid over it. Its seed is that of the picture it refines.
    pub second: Option<Box<Plan>>,
}

/// How much a second pass changes: enough for detail, too little for another composition.
const SECOND_STRENGTH: f64 = 0.4;
/// Widest band in which the patch of an expansion fades into the old picture, in pixels.
const MAX_BLEND_PX: f32 = 100.0;
/// Models that are done in so few steps are chosen for their speed and refine little.
const FEW_STEPS: u32 = 8;
/// What a removal without words asks for; an empty prompt would let a model put something else there.
const BACKGROUND: &str = "background scenery";

/// What stands under the mask before the model begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Infill {
    /// The original pixels.
    Original,
    /// Smooth colours of the surroundings, with a light grain.
    PushPull,
    /// The surroundings' colours and, mirrored at the border and fading, their detail.
    Outward,
    /// Grey, fading into the surroundings.
    Neutral,
    /// Exactly mid grey, up to the edge.
    Grey,
    /// Patches of the picture itself; for the embedded model this is the result.
    Exemplar,
}

/// Where the patch is opaque.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Alpha {
    /// Everywhere: the result replaces the whole context.
    Whole,
    /// The compositing mask: opaque in the selection, gone before the repainted part ends.
    Blend,
    /// The denoise mask itself, for an engine that replaces pixels wholly or not at all.
    Denoise,
}

/// What the embedded exemplar fill can do.
const EXEMPLAR_MODES: &[Mode] = &[Mode::Fill, Mode::Remove];
/// What a diffusion model can do.
const DIFFUSION_MODES: &[Mode] = &[Mode::Generate, Mode::Fill, Mode::Expand, Mode::Add, Mode::Remove, Mode::Background];

/// What a model that changes a picture as told can do.
const EDIT_MODES: &[Mode] = &[Mode::Generate, Mode::Fill];

/// The modes a model has, in the order shown to painters.
pub fn modes(model: &ModelFacts) -> &'static [Mode] {
    match (model.family, model.kind) {
        (Family::Exemplar, _) => EXEMPLAR_MODES,
        (_, Kind::Edit) => EDIT_MODES,
        (_, Kind::Text | Kind::Inpaint) => DIFFUSION_MODES,
    }
}

/// Resolves a request. `canvas` tells which part of the document there are pixels of, `mask` has the extent of that
/// part (0 keep, 1 repaint). An absent seed counts as 0: whoever wants a random one draws it before.
pub fn plan(
    request: &Generate,
    canvas: Option<CanvasFacts>,
    mask: Option<&Mask>,
    model: &ModelFacts,
) -> Result<Plan, PlanError> {
    check::numbers(request)?;
    let mode = request.mode;
    if !modes(model).contains(&mode) {
        return Err(PlanError::Mode { mode, model: model.id.clone(), modes: modes(model) });
    }
    if model.family == Family::Exemplar && !request.loras.is_empty() {
        return Err(PlanError::NoLoras { model: model.id.clone() });
    }
    if model.family == Family::Exemplar && !request.regions.is_empty() {
        let what = format!("are for models that read prompts; `{}` reads none", model.id);
        return Err(PlanError::Region { field: "regions", what });
    }
    if let Some(c) = &canvas
        && (!c.extent.rect().contains(c.rect) || c.extent.w.max(c.extent.h) > check::MAX_SIDE)
    {
        return Err(PlanError::CanvasOutside { rect: c.rect, extent: c.extent });
    }
    if let Some(mask) = mask {
        let canvas = canvas.as_ref().ok_or(PlanError::CanvasMissing { mode })?.rect.extent();
        if mask.extent() != canvas {
            return Err(PlanError::MaskExtent { mask: mask.extent(), canvas });
        }
    }
    match (mode, canvas) {
        (Mode::Generate, None) if model.kind == Kind::Edit => Err(PlanError::CanvasMissing { mode }),
        (Mode::Generate, canvas) => generate(request, canvas, mask, model),
        (_, None) => Err(PlanError::CanvasMissing { mode }),
        (_, Some(canvas)) => repaint(request, canvas, mask.ok_or(PlanError::MaskMissing { mode })?, model),
    }
}

/// A whole picture, with diffusers' semantics so that results can be compared.
fn generate(
    request: &Generate,
    canvas: Option<CanvasFacts>,
    mask: Option<&Mask>,
    model: &ModelFacts,
) -> Result<Plan, PlanError> {
    let context = match (&canvas, request.extent) {
        (None, extent) => {
            let extent = extent.unwrap_or(Extent::new(model.native_side, model.native_side));
            check::extent(extent, model.multiple)?;
            Context { rect: extent.rect(), fit: extent, extent }
        }
        (Some(c), Some(extent)) => {
            check::extent(extent, model.multiple)?;
            Context { rect: c.rect, fit: extent, extent }
        }
        (Some(c), None) => context::whole(c.rect, model),
    };
    if mask.is_some_and(|m| m.bounds().is_none()) {
        return Err(PlanError::MaskEmpty);
    }
    let steps = request.steps.unwrap_or(model.defaults.steps);
    let strength = if canvas.is_some() { request.denoise_strength.unwrap_or(1.0) } else { 1.0 };
    let taken = steps::diffusers(steps, strength);
    if taken.start_step >= taken.steps {
        return Err(PlanError::NoStepLeft { denoise_strength: strength, steps });
    }
    Ok(Plan {
        mode: request.mode,
        prompt: request.prompt.clone(),
        negative_prompt: request.negative_prompt.clone(),
        regions: regions(request),
        denoise_strength: strength,
        sampling: sampling(request, model, taken)?,
        context,
        tiles: None,
        available: canvas.map(|c| c.rect),
        softness: Softness { feather_px: 0.0, grow_px: 0.0, blend_px: 0.0 },
        infill: Infill::Original,
        inpaint: if mask.is_some() { Inpaint::Replace } else { Inpaint::None },
        alpha: Alpha::Whole,
        color_match: false,
        blend: Blend::Alpha,
        loras: request.loras.clone(),
        register: false,
        filters: request.filters.clone(),
        second: None,
    })
}

/// The painter's version: crop, zoom, soft masks, colour match.
fn repaint(request: &Generate, canvas: CanvasFacts, mask: &Mask, model: &ModelFacts) -> Result<Plan, PlanError> {
    let bounds = mask.bounds().ok_or(PlanError::MaskEmpty)?;
    let bounds = Rect::new(bounds.x + canvas.rect.x, bounds.y + canvas.rect.y, bounds.w, bounds.h);
    let strength = request.denoise_strength.unwrap_or(1.0);
    let exemplar = model.family == Family::Exemplar;
    let strip = request.mode == Mode::Expand && context::is_strip(bounds, canvas.extent);
    let (feather_px, grow_px) = match exemplar {
        // It closes its own seams and keeps the softness the selection has; more would only cost surroundings.
        true => (request.feather_px.or(Some(0)), request.grow_px),
        false if strip => {
            (request.feather_px.or_else(|| Some(context::overlap(old_picture(mask, canvas)))), request.grow_px)
        }
        // Around it lies what the painter keeps, whole: the softness of a fill of this size would swallow that.
        false if request.mode == Mode::Background => (request.feather_px.or(Some(0)), request.grow_px),
        false => (request.feather_px, request.grow_px),
    };
    let mut softness = masks::softness(mask, strength, feather_px, grow_px);
    if strip {
        // The overlap is wide so that the old picture goes over into the new one: the patch fades over half of it.
        softness.blend_px = softness.blend_px.max((softness.feather_px / 2.0).min(MAX_BLEND_PX));
    }
    // What the whole document would give, if those pixels were sent; else the best of what was.
    let wanted = context::repaint(bounds, &softness, canvas.extent.rect(), model);
    let context = match canvas.rect.contains(wanted.rect) {
        true => wanted,
        false => context::repaint(bounds, &softness, canvas.rect, model),
    };
    assert!(context.rect.contains(bounds) && canvas.rect.contains(context.rect), "mask in context in canvas");
    if exemplar && mask.data().iter().all(|&v| v > 0.0) {
        return Err(PlanError::NothingLeft);
    }
    let steps = request.steps.unwrap_or(model.defaults.steps);
    if strength <= 0.0 && !exemplar {
        return Err(PlanError::NoStepLeft { denoise_strength: strength, steps });
    }
    let full = strength >= 1.0;
    let infill = match request.mode {
        _ if exemplar => Infill::Exemplar,
        // What it is to change must be there.
        _ if model.kind == Kind::Edit => Infill::Original,
        Mode::Remove => Infill::Exemplar,
        Mode::Expand => Infill::Outward,
        Mode::Background => Infill::Grey,
        // A model that is told where the mask is was trained with exactly this.
        Mode::Add if full && model.in_channels > 4 => Infill::Grey,
        Mode::Add if full => Infill::Neutral,
        Mode::Fill if full => Infill::PushPull,
        Mode::Add | Mode::Fill | Mode::Generate => Infill::Original,
    };
    let prompt = match request.mode {
        Mode::Remove if request.prompt.trim().is_empty() && !exemplar => BACKGROUND.to_owned(),
        _ => request.prompt.clone(),
    };
    let first = Plan {
        mode: request.mode,
        prompt,
        negative_prompt: request.negative_prompt.clone(),
        regions: regions(request),
        denoise_strength: strength,
        sampling: sampling(request, model, steps::repaint(steps, strength))?,
        context,
        tiles: None,
        available: Some(canvas.rect),
        softness,
        infill,
        inpaint: Inpaint::Differential,
        alpha: if exemplar { Alpha::Denoise } else { Alpha::Blend },
        color_match: !exemplar && request.mode != Mode::Background,
        // The embedded fill closes its own seams.
        blend: if exemplar { Blend::Alpha } else { request.blend.unwrap_or_default() },
        loras: request.loras.clone(),
        register: !exemplar,
        filters: request.filters.clone(),
        second: None,
    };
    let twice = request.passes.map_or(model.defaults.steps > FEW_STEPS, |n| n > 1) && !exemplar;
    let painted = bounds.grown(masks::reach(&softness)).intersect(context.rect).unwrap_or(bounds);
    let second = context::second(painted, &context, model).filter(|_| twice).map(|context| {
        let strength = strength.min(SECOND_STRENGTH);
        let steps::Steps { steps, start_step } = steps::repaint(steps, strength);
        let sampling = Sampling { steps, start_step, batch: 1, ..first.sampling.clone() };
        let tiles = context::is_too_much(context.extent, model).then(|| Tiles::new(model, strength));
        Box::new(Plan { context, tiles, sampling, infill: Infill::Original, ..first.clone() })
    });
    Ok(Plan { second, ..first })
}

fn regions(request: &Generate) -> Vec<String> {
    request.regions.iter().map(|region| region.prompt.clone()).collect()
}

/// Size of what an expansion keeps: the bounds of the unmasked pixels, where those beyond what was sent are kept too.
fn old_picture(mask: &Mask, canvas: CanvasFacts) -> Extent {
    let kept = Mask::from_data(mask.extent(), mask.data().iter().map(|&m| f32::from(m < 0.5)).collect());
    let Some(kept) = kept.bounds() else { return canvas.extent };
    let (sent, all) = (canvas.rect, canvas.extent.rect());
    let side = |kept: (i32, i64), sent: (i32, i64), all: (i32, i64), from: i32| {
        let start = if sent.0 > all.0 { all.0 } else { kept.0 + from };
        let end = if sent.1 < all.1 { all.1 } else { kept.1 + i64::from(from) };
        (end - i64::from(start)).max(1) as u32
    };
    Extent::new(
        side((kept.x, kept.right()), (sent.x, sent.right()), (all.x, all.right()), sent.x),
        side((kept.y, kept.bottom()), (sent.y, sent.bottom()), (all.y, all.bottom()), sent.y),
    )
}

fn sampling(request: &Generate, model: &ModelFacts, steps: steps::Steps) -> Result<Sampling, PlanError> {
    Ok(Sampling {
        sampler: request.sampler.as_deref().map_or(Ok(model.defaults.sampler), check::sampler)?,
        scheduler: request.scheduler.as_deref().map_or(Ok(model.defaults.scheduler), check::scheduler)?,
        steps: steps.steps,
        start_step: steps.start_step,
        guidance_scale: request.guidance_scale.unwrap_or(model.defaults.guidance_scale),
        image_guidance_scale: request.image_guidance_scale.unwrap_or(1.5),
        guidance_rescale: request.guidance_rescale.unwrap_or(0.0),
        seed: request.seed.unwrap_or(0),
        batch: request.batch.unwrap_or(1),
        clip_skip: request.clip_skip.unwrap_or(1),
    })
}
