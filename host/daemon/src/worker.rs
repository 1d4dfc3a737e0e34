//! The whole product as one readable function; everything else is its vocabulary.
//!
//! ```text
//! request -> plan::plan(request, model)         crop, extents, masks, sampling, placement
//!         -> prompts::prompts(plan)             choices drawn, tags taken out
//!         -> plan.prepare(canvas, mask)         crop, infill, resize
//!         -> engine.generate(plan, input)       encode text, denoise, decode
//!         -> raster::composite(result, canvas)  colour match, feathered alpha -> patch
//!         -> filters.apply(patch, chain)        each sandboxed
//!         -> patches, and a receipt that can make them again
//! ```
//!
//! Called by the command line in process and by the daemon's device thread alike. Values go forward; only progress and
//! cancellation come back, both through the [`Job`].

use crate::models::{LoadError, ModelError, Models};
use crate::prompts::{Prompts, prompts};
use crate::receipt;
use crate::timing::Timed;
use serde_json::{Map, Value, json};
use std::fmt;
use underpaint_engine::prompt::Embedding;
use underpaint_engine::{EngineError, Npy, Request, Saved, Wording};
use underpaint_filters::{Call, FilterError, Filters, Reason};
use underpaint_plan::{CanvasFacts, Family, Plan, PlanError, plan};
use underpaint_raster::{Cancelled, ColorMatch, Extent, Image, Job, Mask, Patch, Rect, color_match, composite};
use underpaint_wire::generate::Generate;

/// Pixels and arrays a request comes with.
#[derive(Debug, Default)]
pub struct Input {
    /// Size of the document, which part of it there are pixels of, and these.
    pub canvas: Option<(Extent, Rect, Image)>,
    /// Where the mask lies, in canvas pixels, and its values; beyond its rect nothing is repainted.
    pub mask: Option<(Rect, Mask)>,
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
    let request = &Generate { seed: Some(request.seed.unwrap_or_else(random_seed)), ..request.clone() };
    let model = models.catalogue().choose(request)?.clone();
    let (chain, used_filters) = chain(filters, request)?;
    let Input { canvas, mask, noise, save, mut embeddings } = input;
    let facts = canvas.as_ref().map(|(extent, rect, _)| CanvasFacts { extent: *extent, rect: *rect });
    let mask = mask.zip(facts).map(|((rect, mask), canvas)| placed(mask, rect, canvas.rect));
    let canvas = canvas.map(|(_, _, image)| image);

    let plan = plan(request, facts, mask.as_ref(), &model)?;
    let mut saved = save.then(Saved::default);
    let mut texts = Prompts::default();
    let pictures = match model.family {
        Family::Exemplar => rebuild(&plan, canvas.as_ref(), mask.as_ref(), job)?,
        _ => {
            texts = prompts(&plan)?;
            let named: Vec<&str> = texts.wordings.iter().flat_map(Wording::texts).collect();
            let given = embeddings.len();
            for (name, path) in models.catalogue().embeddings_in(&named) {
                embeddings.push(Embedding::open(name, path)?);
            }
            let prepared = plan.prepare(canvas.as_ref(), mask.as_ref(), plan.sampling.seed, job)?;
            let model = models.load(&model.id, job)?;
            embeddings[..given].iter().try_for_each(|embedding| model.fits(embedding))?;
            model.generate(
                Request {
                    prompt: &plan.prompt,
                    negative_prompt: plan.negative_prompt.as_deref(),
                    wordings: &texts.wordings,
                    embeddings: &embeddings,
                    sampling: &plan.sampling,
                    inpaint: plan.inpaint,
                    input: &prepared,
                    noise: noise.as_ref(),
                    save: saved.as_mut(),
                },
                job,
            )?
        }
    };

    let mut patches = Vec::with_capacity(pictures.len());
    let mut matched = Vec::new();
    for (seed, picture) in (0..).map(|i| plan.sampling.seed.wrapping_add(i)).zip(pictures) {
        let Some((patch, color)) = place(&plan, picture, canvas.as_ref(), mask.as_ref()) else { continue };
        matched.extend(color);
        let image = finish(filters, &chain, patch.image, seed, job)?;
        patches.push((Patch { rect: patch.rect, image }, seed));
    }

    let hash = models.catalogue().hash(&model.id).ok().flatten();
    let mut used = receipt::used(&plan, &texts.drawn, &model, facts);
    if !embeddings.is_empty() {
        let hash = |path| models.catalogue().file_hash(path).ok();
        used["embeddings"] = embeddings.iter().map(|e| json!({"name": e.name(), "sha256": hash(e.path())})).collect();
    }
    let receipt = receipt::receipt(request, &used, &model, hash.as_deref(), facts, &used_filters, &matched);
    Ok(Output { patches, used, receipt, timing_ms: job.finish(), saved })
}

/// The embedded fill: what `prepare` puts under the mask is the result, once for each seed.
fn rebuild(plan: &Plan, canvas: Option<&Image>, mask: Option<&Mask>, job: &dyn Job) -> Result<Vec<Image>, Cancelled> {
    let seeds = (0..u64::from(plan.sampling.batch)).map(|i| plan.sampling.seed.wrapping_add(i));
    let pictures = seeds.map(|seed| plan.prepare(canvas, mask, seed, job));
    pictures.filter_map(|prepared| prepared.map(|p| p.init).transpose()).collect()
}

/// The engine's picture at its place: scaled back, colours matched, cut to the mask. `None` if nothing is painted.
fn place(
    plan: &Plan,
    picture: Image,
    canvas: Option<&Image>,
    mask: Option<&Mask>,
) -> Option<(Patch, Option<ColorMatch>)> {
    let result = plan.restore(picture);
    let at = (plan.context.rect.x, plan.context.rect.y);
    let Some(canvas) = canvas else {
        let all = plan.alpha(None);
        return composite(&result, &result, &all, at).map(|patch| (patch, None));
    };
    let original = plan.original(canvas);
    let (result, color) = match plan.color_match {
        true => {
            let (matched, how) = color_match(&result, &original, &plan.denoise_mask(mask));
            (matched, Some(how))
        }
        false => (result, None),
    };
    composite(&result, &original, &plan.alpha(mask), at).map(|patch| (patch, color))
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
            Self::Model(_) => Some("model"),
            Self::Engine(EngineError::Request { field, .. }) => Some(field),
            Self::Filter(_) => Some("filters"),
            Self::Engine(_) | Self::Cancelled => None,
        }
    }

    /// True if the request itself is wrong and the same request can never succeed.
    pub fn is_usage(&self) -> bool {
        match self {
            Self::Request(_) | Self::Model(ModelError::NoSuchModel { .. }) => true,
            Self::Engine(e) => matches!(e, EngineError::Request { .. } | EngineError::Device { .. }),
            Self::Filter(e) => matches!(e.reason, Reason::Unknown(_) | Reason::BadParameter { .. }),
            Self::Model(_) | Self::Cancelled => false,
        }
    }
}

impl fmt::Display for JobError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(e) => e.fmt(f),
            Self::Model(e) => e.fmt(f),
            Self::Engine(e) => e.fmt(f),
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
