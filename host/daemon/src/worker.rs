//! The whole product as one readable function; everything else is its vocabulary.
//!
//! ```text
//! request -> plan::plan(request, model)         crop, extents, masks, sampling, placement
//!         -> prompts::prompts(plan)             choices drawn, tags taken out
//!         -> plan.prepare(canvas, mask)         crop, infill, resize
//!         -> engine.generate(plan, input)       encode text, denoise, decode
//!         -> raster::composite(result, canvas)  colour match, registration, feathered alpha -> patch
//!         -> plan.second, where there is one    the same again, finer, over what was painted
//!         -> filters.apply(patch, chain)        each sandboxed
//!         -> patches, and a receipt that can make them again
//! ```
//!
//! Called by the command line in process and by the daemon's device thread alike. Values go forward; only progress and
//! cancellation come back, both through the [`Job`].

use crate::models::{LoadError, ModelError, Models};
use crate::picture::{MAX_PIXELS, MAX_SIDE};
use crate::prompts::{Prompts, prompts};
use crate::receipt;
use crate::refining::Refining;
use crate::timing::Timed;
use serde_json::{Map, Value, json};
use std::fmt;
use underpaint_engine::prompt::Embedding;
use underpaint_engine::{Control, DeviceKind, EngineError, Npy, Request, Saved, Wording};
use underpaint_filters::{Call, FilterError, Filters, Reason};
use underpaint_plan::{CanvasFacts, ControlPlan, Family, ModelFacts, Plan, PlanError, Sampling, plan};
use underpaint_raster::{Cancelled, Extent, Image, Job, Mask, Patch, Rect, resize};
use underpaint_wire::generate::Generate;
use underpaint_wire::methods::Upscale;

/// Pixels and arrays a request comes with.
#[derive(Debug, Default)]
pub struct Input {
    /// Size of the document, which part of it there are pixels of, and these.
    pub canvas: Option<(Extent, Rect, Image)>,
    /// Where the mask lies, in canvas pixels, and its values; beyond its rect nothing is repainted.
    pub mask: Option<(Rect, Mask)>,
    /// Where the picture of each of the request's controls lies, in canvas pixels, and the picture, which is scaled to it;
    /// the canvas itself for those without.
    pub controls: Vec<Option<(Rect, Image)>>,
    /// Unit noise to start from instead of the seed's (command line only).
    pub noise: Option<Npy>,
    /// Whether noise and latents are wanted back (command line only).
    pub save: bool,
    /// Embeddings besides those of the models folders (command line only).
    pub embeddings: Vec<Embedding>,
}

/// What a job made.
#[derive(Debug)]
pub struct Output {
    /// Each with its seed, in order of the seeds; empty where nothing was to be painted.
    pub patches: Vec<(Patch, u64)>,
    /// The values used, defaults included.
    pub used: Value,
    /// What is needed to make the same pictures again.
    pub receipt: Value,
    /// Milliseconds by stage, and `total`.
    pub timing_ms: Map<String, Value>,
    /// Noise and latents, if [`Input::save`] asked for them.
    pub saved: Option<Saved>,
}

/// Why a job ended without a result. Displays as one sentence.
#[derive(Debug)]
pub enum JobError {
    /// Something in the request is not right; the error names the field.
    Request(PlanError),
    /// No such model, or none that can be used.
    Model(ModelError),
    /// The model or the computation failed.
    Engine(EngineError),
    /// A LoRA is broken or does not fit the model.
    Lora(EngineError),
    /// A filter was refused or failed.
    Filter(FilterError),
    /// The owner no longer wants the result.
    Cancelled,
}

/// Makes the pictures of `request`. Blocks until they are done, failed or cancelled; `models` and `filters` stay
/// usable after any error. An absent seed is drawn here and told in the result.
pub fn run(
    models: &mut Models,
    filters: &Filters,
    request: &Generate,
    input: Input,
    job: &dyn Job,
) -> Result<Output, JobError> {
    let job = &Timed::new(job);
    let request = &Generate {
        seed: Some(request.seed.unwrap_or_else(random_seed)),
        // A second pass takes as long as the first several times over: on a processor only for those who ask.
        passes: request.passes.or((models.device() == DeviceKind::Cpu).then_some(1)),
        ..request.clone()
    };
    let model = models.catalogue().choose(request)?.clone();
    let (chain, used_filters) = chain(filters, request)?;
    let Input { canvas, mask, controls: shown, noise, save, mut embeddings } = input;
    let facts = canvas.as_ref().map(|(extent, rect, _)| CanvasFacts { extent: *extent, rect: *rect });
    let mask = mask.zip(facts).map(|((rect, mask), canvas)| placed(mask, rect, canvas.rect));
    let canvas = canvas.map(|(_, _, image)| image);
    let (canvas, mask) = (canvas.as_ref(), mask.as_ref());

    let plan = plan(request, facts, mask, &model)?;
    let steering = steering(models, request, &model, &shown, canvas.is_some())?;
    let mut saved = save.then(Saved::default);
    let texts = if model.family == Family::Exemplar { Prompts::default() } else { prompts(&plan)? };
    let loras = models.catalogue().loras().choose(&texts.loras)?;
    let named: Vec<&str> = texts.wordings.iter().flat_map(Wording::texts).collect();
    let given = embeddings.len();
    for (name, path) in models.catalogue().embeddings_in(&named) {
        embeddings.push(Embedding::open(name, path)?);
    }
    // One pass: what the engine sees, and what it makes of it.
    let mut paint = |plan: &Plan,
                     wordings: &[Wording],
                     canvas: Option<&Image>,
                     noise: Option<&Npy>,
                     save: Option<&mut Saved>,
                     job: &dyn Job|
     -> Result<Vec<Image>, JobError> {
        let prepared = plan.prepare(canvas, mask, 0, job)?;
        let seen = steering.iter().enumerate().map(|(i, control)| {
            let picture = shown.get(i).and_then(Option::as_ref).map(|(rect, image)| (*rect, image));
            plan.prepare_control(control, picture, canvas)
        });
        let seen: Vec<Image> = seen.collect();
        let (model, controls) = models.load_steered(&model.id, &loras, &request.controls, job)?;
        let controls = controls.into_iter().zip(&steering).zip(&seen).map(|((model, control), image)| {
            let ControlPlan { task, weight, start, end, .. } = *control;
            Control { model, image, task, weight, start, end }
        });
        let controls: Vec<Control<'_>> = controls.collect();
        let request = Request {
            prompt: &plan.prompt,
            negative_prompt: plan.negative_prompt.as_deref(),
            wordings,
            embeddings: &embeddings,
            controls: &controls,
            sampling: &plan.sampling,
            inpaint: plan.inpaint,
            input: &prepared,
            noise,
            save,
        };
        embeddings[..given].iter().try_for_each(|embedding| model.fits(embedding))?;
        Ok(model.generate(request, job)?)
    };
    let pictures = match model.family {
        Family::Exemplar => rebuild(&plan, canvas, mask, job)?,
        _ => paint(&plan, &texts.wordings, canvas, noise.as_ref(), saved.as_mut(), job)?,
    };

    let mut patches = Vec::with_capacity(pictures.len());
    let mut placing = Vec::new();
    for (i, picture) in (0..).zip(pictures) {
        let seed = plan.sampling.seed.wrapping_add(u64::from(i));
        let Some((mut patch, how)) = plan.place(picture, canvas, mask) else { continue };
        placing.push(how);
        if let (Some(second), Some(canvas)) = (&plan.second, canvas) {
            let second = Plan { sampling: Sampling { seed, ..second.sampling.clone() }, ..*second.clone() };
            let rough = plan.lay(canvas, &patch);
            let job = &Refining { job, part: i, parts: plan.sampling.batch };
            for finer in paint(&second, &texts.wordings[i as usize..][..1], Some(&rough), None, None, job)? {
                let Some((finer, how)) = second.place(finer, Some(canvas), mask) else { continue };
                placing.push(how);
                patch = finer;
            }
        }
        let image = finish(filters, &chain, patch.image, seed, job)?;
        patches.push((Patch { rect: patch.rect, image }, seed));
    }

    let hash = models.catalogue().hash(&model.id).ok().flatten();
    let used_loras = receipt::loras(&loras, models.catalogue());
    let mut used = receipt::used(&plan, &texts.drawn, &model, facts, &used_loras);
    if !steering.is_empty() {
        used["controls"] = steering.iter().map(receipt::control).collect();
    }
    let receipt = receipt::receipt(request, &used, &model, hash.as_deref(), facts, &used_filters, &placing);
    Ok(Output { patches, used, receipt, timing_ms: job.finish(), saved })
}

/// The request's controls, resolved.
fn steering(
    models: &Models,
    request: &Generate,
    model: &ModelFacts,
    pictures: &[Option<(Rect, Image)>],
    canvas: bool,
) -> Result<Vec<ControlPlan>, JobError> {
    let facts = models.catalogue().controls().check(&request.controls)?;
    let pictures: Vec<bool> = pictures.iter().map(Option::is_some).collect();
    Ok(underpaint_plan::controls(request, model, &facts, &pictures, canvas)?)
}

/// Enlarges `image` by the upscaler of `request`; the one patch is the whole picture. Blocks as [`run`] does.
pub fn upscale(models: &mut Models, request: &Upscale, image: &Image, job: &dyn Job) -> Result<Output, JobError> {
    let job = &Timed::new(job);
    let catalogue = models.catalogue().clone();
    let (id, facts) = catalogue.upscaler(request.model.as_deref())?;
    let extent = enlarged(image.extent(), facts.scale, request)?;
    let made = models.load_upscaler(id, job)?.upscale(image, request.tile, job)?;
    let image = resize(&made, extent);
    let hash = catalogue.hash(id).ok().flatten();
    let used = json!({"model": id, "scale": request.scale.unwrap_or(facts.scale.into()), "extent": extent});
    let receipt = receipt::upscale(request, &used, id, facts.architecture.name(), hash.as_deref());
    let patches = vec![(Patch { rect: extent.rect(), image }, 0)];
    Ok(Output { patches, used, receipt, timing_ms: job.finish(), saved: None })
}

/// The size of a picture of `extent` after `request`, by a network that enlarges `scale` times; an error if a number of the
/// request is out of range, or the picture would grow too large on the way.
pub(crate) fn enlarged(extent: Extent, scale: u32, request: &Upscale) -> Result<Extent, EngineError> {
    let refuse = |field, what: String| Err(EngineError::Request { field, what });
    if let Some(tile) = request.tile.filter(|tile| !(32..=4096).contains(tile)) {
        return refuse("tile", format!("is {tile}; it must be 32 to 4096 pixels"));
    }
    let wanted = request.scale.unwrap_or(scale.into());
    if !(0.1..=16.0).contains(&wanted) {
        return refuse("scale", format!("is {wanted}; it must be 0.1 to 16"));
    }
    let by = |scale: f64| {
        let side = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
        Extent::new(side(extent.w), side(extent.h))
    };
    for (field, scale) in [("image", scale.into()), ("scale", wanted)] {
        let Extent { w, h } = by(scale);
        if w.max(h) > MAX_SIDE || by(scale).area() > MAX_PIXELS {
            let most = MAX_PIXELS >> 20;
            let what = format!(
                "is {}x{} pixels and would grow to {w}x{h}; at most {MAX_SIDE} a side and {most} megapixels in all are possible",
                extent.w, extent.h
            );
            return refuse(field, what);
        }
    }
    Ok(by(wanted))
}

/// The embedded fill: what `prepare` puts under the mask is the result, once for each seed.
fn rebuild(plan: &Plan, canvas: Option<&Image>, mask: Option<&Mask>, job: &dyn Job) -> Result<Vec<Image>, Cancelled> {
    let seeds = (0..u64::from(plan.sampling.batch)).map(|i| plan.sampling.seed.wrapping_add(i));
    let pictures = seeds.map(|seed| plan.prepare(canvas, mask, seed, job));
    pictures.filter_map(|prepared| prepared.map(|p| p.init).transpose()).collect()
}

/// Filters run on the patch alone and may make it more transparent, never less: outside its alpha nothing changes.
fn finish(filters: &Filters, chain: &[Call], image: Image, seed: u64, job: &dyn Job) -> Result<Image, JobError> {
    if chain.is_empty() {
        return Ok(image);
    }
    let mut done = filters.apply(&image, chain, seed, job)?;
    for (after, before) in done.data_mut().chunks_exact_mut(4).zip(image.data().chunks_exact(4)) {
        after[3] = after[3].min(before[3]);
        if after[3] <= 0.0 {
            after.fill(0.0);
        }
    }
    Ok(done)
}

/// The request's filters as the sandbox wants them, checked, and what the receipt says about them.
fn chain(filters: &Filters, request: &Generate) -> Result<(Vec<Call>, Vec<Value>), FilterError> {
    let calls = request.filters.iter().map(|f| Call { name: f.name.clone(), params: f.params.clone() });
    let calls: Vec<Call> = calls.collect();
    filters.check(&calls)?;
    let describe = |call: &Call| {
        let found = filters.get(&call.name)?;
        Ok(serde_json::json!({
            "name": call.name, "version": found.version, "sha256": found.sha256, "params": call.params,
        }))
    };
    let used = calls.iter().map(describe).collect::<Result<_, FilterError>>()?;
    Ok((calls, used))
}

/// `mask` at `rect` as a mask of `canvas`' extent: 0 where it does not reach.
pub(crate) fn placed(mask: Mask, rect: Rect, canvas: Rect) -> Mask {
    if rect == canvas {
        return mask;
    }
    let mut out = Mask::new(canvas.extent(), 0.0);
    if let Some(common) = rect.intersect(canvas) {
        for y in 0..common.h {
            for x in 0..common.w {
                let from = ((common.x - rect.x) as u32 + x, (common.y - rect.y) as u32 + y);
                let to = ((common.x - canvas.x) as u32 + x, (common.y - canvas.y) as u32 + y);
                out.set(to.0, to.1, mask.at(from.0, from.1));
            }
        }
    }
    out
}

/// A seed nobody chose: 32 bits, so that a painter can read it aloud.
pub(crate) fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's hasher is keyed by the system's random numbers.
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 32
}

impl JobError {
    /// The member of the request the error is about, if it is about one.
    pub fn field(&self) -> Option<&'static str> {
        match self {
            Self::Request(e) => Some(e.field()),
            Self::Lora(_) => Some("loras"),
            Self::Model(e) => Some(e.field()),
            Self::Engine(EngineError::Request { field, .. }) => Some(field),
            Self::Filter(_) => Some("filters"),
            Self::Engine(_) | Self::Cancelled => None,
        }
    }

    /// True if the request itself is wrong and the same request can never succeed.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Request(_) => true,
            Self::Model(
                ModelError::NoSuchModel { .. }
                | ModelError::NoSuchControl { .. }
                | ModelError::NoSuchLora { .. }
                | ModelError::NoUpscaler { .. },
            ) => true,
            Self::Engine(e) => matches!(e, EngineError::Request { .. } | EngineError::Device { .. }),
            Self::Filter(e) => matches!(e.reason, Reason::Unknown(_) | Reason::BadParameter { .. }),
            Self::Model(_) | Self::Lora(_) | Self::Cancelled => false,
        }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(e) => e.fmt(f),
            Self::Model(e) => e.fmt(f),
            Self::Engine(e) | Self::Lora(e) => e.fmt(f),
            Self::Filter(e) => e.fmt(f),
            Self::Cancelled => f.write_str("the job was cancelled"),
        }
    }
}

impl std::error::Error for JobError {}

impl From<PlanError> for JobError {
    fn from(e: PlanError) -> Self {
        Self::Request(e)
    }
}

impl From<ModelError> for JobError {
    fn from(e: ModelError) -> Self {
        Self::Model(e)
    }
}

impl From<EngineError> for JobError {
    fn from(e: EngineError) -> Self {
        match e {
            EngineError::Cancelled(_) => Self::Cancelled,
            e => Self::Engine(e),
        }
    }
}

impl From<LoadError> for JobError {
    fn from(e: LoadError) -> Self {
        match e {
            LoadError::Model(e) => Self::Model(e),
            LoadError::Engine(e) => e.into(),
            LoadError::Lora(EngineError::Cancelled(_)) => Self::Cancelled,
            LoadError::Lora(e) => Self::Lora(e),
        }
    }
}

impl From<FilterError> for JobError {
    fn from(e: FilterError) -> Self {
        match e.reason {
            Reason::Cancelled => Self::Cancelled,
            _ => Self::Filter(e),
        }
    }
}

impl From<Cancelled> for JobError {
    fn from(_: Cancelled) -> Self {
        Self::Cancelled
    }
}
