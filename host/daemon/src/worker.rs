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

use crate::models::{Catalogue, LoadError, ModelError, Models};
use crate::picture::{MAX_PIXELS, MAX_SIDE};
use crate::previewing::Previewing;
use crate::prompts::Words;
use crate::receipt;
use crate::refining::Refining;
use crate::timing::Timed;
use serde_json::{Map, Value, json};
use std::fmt;
use underpaint_engine::memory;
use underpaint_engine::prompt::Embedding;
use underpaint_engine::tiles::Tiling;
use underpaint_engine::{Control, DeviceKind, EngineError, Npy, Region, Request, Saved};
use underpaint_filters::{Call, FilterError, Filters, Reason};
use underpaint_plan::{
    CanvasFacts, ControlPlan, Family, ModelFacts, Plan, PlanError, Prepared, Sampling, Tiles, check_regions, placed,
    plan,
};
use underpaint_raster::{Cancelled, Extent, Image, Job, Mask, Patch, Rect, resize};
use underpaint_wire::generate::{ControlCall, Generate, Mode};
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
    /// Where the mask of each of the request's regions lies, in canvas pixels, and its values, which are scaled to it.
    pub regions: Vec<Option<(Rect, Mask)>>,
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
    let Input { canvas, mask, controls: shown, regions, noise, save, embeddings } = input;
    let facts = canvas.as_ref().map(|(extent, rect, _)| CanvasFacts { extent: *extent, rect: *rect });
    let mask = mask.zip(facts).map(|((rect, mask), canvas)| placed(mask, rect, canvas.rect));
    let canvas = canvas.map(|(_, _, image)| image);
    let (canvas, mask) = (canvas.as_ref(), mask.as_ref());

    let plan = plan(request, facts, mask, &model)?;
    let steering = Steering::of(models, request, &model, shown, canvas.is_some())?;
    let masks: Vec<_> = regions.iter().map(|region| region.as_ref().map(|(_, mask)| mask)).collect();
    check_regions(request, &masks)?;
    let regions = |plan: &Plan| regions.iter().flatten().map(|(rect, mask)| plan.prepare_region(*rect, mask)).collect();
    let mut saved = save.then(Saved::default);
    let words = match model.family {
        Family::Exemplar => Words::default(),
        _ => Words::of(&plan, embeddings, models.catalogue())?,
    };
    let pictures = match model.family {
        Family::Exemplar => rebuild(&plan, canvas, mask, job)?,
        _ => {
            let prepared = plan.prepare(canvas, mask, 0, job)?;
            let (noise, save) = (noise.as_ref(), saved.as_mut());
            let (words, steering, seen) = (&words, &steering, steering.seen(&plan, canvas));
            let regions = regions(&plan);
            let painting = Painting { plan: &plan, words, steering, seen, regions, only: None, prepared, noise, save };
            paint(models, &model.id, painting, Tiling::WHOLE, &Previewing::new(job, &plan, mask))?
        }
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
            let prepared = second.prepare(Some(&rough), mask, 0, job)?;
            let only = Some(i as usize);
            let (words, steering, seen) = (&words, &steering, steering.seen(&second, Some(&rough)));
            let (plan, regions) = (&second, regions(&second));
            let painting = Painting { plan, words, steering, seen, regions, only, prepared, noise: None, save: None };
            let job = &Previewing::new(job, &second, mask);
            for finer in paint(models, &model.id, painting, Tiling::WHOLE, job)? {
                let Some((finer, how)) = second.place(finer, Some(canvas), mask) else { continue };
                placing.push(how);
                patch = finer;
            }
        }
        let image = finish(filters, &chain, patch.image, seed, job)?;
        patches.push((Patch { rect: patch.rect, image }, seed));
    }

    let hash = models.catalogue().hash(&model.id).ok().flatten();
    let mut used = receipt::used(&plan, &words, &model, facts, models.catalogue());
    if !steering.plans.is_empty() {
        used["controls"] = steering.plans.iter().map(receipt::control).collect();
    }
    let receipt = receipt::receipt(request, &used, &model, hash.as_deref(), facts, &used_filters, &placing);
    Ok(Output { patches, used, receipt, timing_ms: job.finish(), saved })
}

/// Pictures that steer, resolved.
#[derive(Default)]
struct Steering<'a> {
    calls: &'a [ControlCall],
    plans: Vec<ControlPlan>,
    /// Where each lies on the canvas; absent ones are the canvas itself.
    shown: Vec<Option<(Rect, Image)>>,
}

impl<'a> Steering<'a> {
    /// The request's controls.
    fn of(
        models: &Models,
        request: &'a Generate,
        model: &ModelFacts,
        shown: Vec<Option<(Rect, Image)>>,
        canvas: bool,
    ) -> Result<Self, JobError> {
        let facts = models.catalogue().controls().check(&request.controls)?;
        let given: Vec<bool> = shown.iter().map(Option::is_some).collect();
        let plans = underpaint_plan::controls(request, model, &facts, &given, canvas)?;
        Ok(Self { calls: &request.controls, plans, shown })
    }

    /// What each control model sees of a pass over `canvas`.
    fn seen(&self, plan: &Plan, canvas: Option<&Image>) -> Vec<Image> {
        let picture = |i: usize| self.shown.get(i).and_then(Option::as_ref).map(|(rect, image)| (*rect, image));
        self.plans.iter().enumerate().map(|(i, control)| plan.prepare_control(control, picture(i), canvas)).collect()
    }
}

/// One pass of a diffusion model.
struct Painting<'a> {
    plan: &'a Plan,
    words: &'a Words,
    steering: &'a Steering<'a>,
    /// What steers, as [`Steering::seen`].
    seen: Vec<Image>,
    /// Masks of the regions, at the model's size.
    regions: Vec<Mask>,
    /// Which of the plan's pictures, if not all of them.
    only: Option<usize>,
    prepared: Prepared,
    noise: Option<&'a Npy>,
    save: Option<&'a mut Saved>,
}

fn paint(
    models: &mut Models,
    id: &str,
    painting: Painting<'_>,
    tiling: Tiling,
    job: &dyn Job,
) -> Result<Vec<Image>, JobError> {
    let Painting { plan, words, steering, seen, regions, only, prepared, noise, save } = painting;
    let rows = if plan.sampling.guidance_scale > 1.0 { 2 } else { 1 };
    let vae_tiling = models.room(id, memory::Painting { extent: prepared.extent, tiling, rows })?;
    let (model, controls) = models.load_steered(id, &words.loras, steering.calls, job)?;
    model.set_vae_tiling(vae_tiling);
    // Those that were only found by their names may be of another family: then they are words like others.
    words.given().iter().try_for_each(|embedding| model.fits(embedding))?;
    let controls = controls.into_iter().zip(&steering.plans).zip(&seen).map(|((model, control), image)| {
        let ControlPlan { task, weight, start, end, .. } = *control;
        Control { model, image, task, weight, start, end }
    });
    let controls: Vec<Control<'_>> = controls.collect();
    let regions = plan.regions.iter().zip(&regions).map(|(prompt, mask)| Region { prompt, mask });
    let regions: Vec<Region<'_>> = regions.collect();
    let request = Request {
        prompt: &plan.prompt,
        negative_prompt: plan.negative_prompt.as_deref(),
        wordings: only.map_or(&words.prompts.wordings[..], |i| &words.prompts.wordings[i..=i]),
        regions: &regions,
        embeddings: &words.embeddings,
        controls: &controls,
        sampling: &plan.sampling,
        inpaint: plan.inpaint,
        input: &prepared,
        noise,
        save,
    };
    Ok(model.generate_in_tiles(request, tiling, job)?)
}

/// Enlarges `image` as `request` says; the one patch is the whole picture. Blocks as [`run`] does.
///
/// ```text
/// image -> upscaler, in tiles     or resampling where none was named
///       -> resize                 to the size that was asked for
///       -> engine, in tiles       where detail is to be painted: image to image with one noise field
/// ```
pub fn upscale(models: &mut Models, request: &Upscale, image: &Image, job: &dyn Job) -> Result<Output, JobError> {
    let job = &Timed::new(job);
    let mut request = request.clone();
    if let Some(refine) = &mut request.refine {
        refine.seed.get_or_insert_with(random_seed);
    }
    let catalogue = models.catalogue().clone();
    let Enlarging { network, scale, extent, refining } = enlarging(&catalogue, image.extent(), &request)?;
    let made = match &network {
        Some(id) => models.load_upscaler(id, job)?.upscale(image, request.tile, job)?,
        None => image.clone(),
    };
    let enlarged = resize(&made, extent);
    let hash = |id: &str| catalogue.hash(id).ok().flatten();
    let mut used = json!({"model": network, "scale": scale, "extent": extent});
    let mut used_models = Vec::from_iter(network.as_deref().map(|id| (id, hash(id))));
    let (image, seed) = match &refining {
        Some((model, plan, tiles)) => {
            let words = Words::of(plan, Vec::new(), &catalogue)?;
            used["refine"] = receipt::used(plan, &words, model, None, &catalogue);
            used_models.push((&model.id, hash(&model.id)));
            (refine(models, model, (plan, &words), *tiles, &enlarged, job)?, plan.sampling.seed)
        }
        None => (enlarged, 0),
    };
    let receipt = receipt::upscale(&request, &used, &used_models);
    let patches = vec![(Patch { rect: extent.rect(), image }, seed)];
    Ok(Output { patches, used, receipt, timing_ms: job.finish(), saved: None })
}

/// Detail painted into `enlarged` by a diffusion model, transparency as it was.
fn refine(
    models: &mut Models,
    model: &ModelFacts,
    (plan, words): (&Plan, &Words),
    tiles: Tiles,
    enlarged: &Image,
    job: &dyn Job,
) -> Result<Image, JobError> {
    let prepared = plan.prepare(Some(enlarged), None, plan.sampling.seed, job)?;
    let cells = |pixels: u32| (pixels / model.multiple.max(1)) as usize;
    let tiling = Tiling { tile: cells(tiles.tile), overlap: cells(tiles.overlap) };
    let steering = &Steering::default();
    let (seen, regions) = (Vec::new(), Vec::new());
    let painting = Painting { plan, words, steering, seen, regions, only: None, prepared, noise: None, save: None };
    let made = paint(models, &model.id, painting, tiling, job)?;
    let mut made = made.into_iter().next().map_or_else(|| enlarged.clone(), |picture| plan.restore(picture));
    for (p, before) in made.data_mut().chunks_exact_mut(4).zip(enlarged.data().chunks_exact(4)) {
        p[3] = before[3];
        if p[3] <= 0.0 {
            p.fill(0.0);
        }
    }
    Ok(made)
}

/// An `upscale` request, resolved.
pub(crate) struct Enlarging {
    /// Id of the upscaler; `None` resamples.
    network: Option<String>,
    /// How many times wider and higher.
    scale: f64,
    /// Size of the result.
    extent: Extent,
    /// Who paints detail into it, and how.
    refining: Option<(ModelFacts, Plan, Tiles)>,
}

/// Resolves a request to enlarge a picture of `extent`: everything that can be wrong with it is found here.
pub(crate) fn enlarging(catalogue: &Catalogue, extent: Extent, request: &Upscale) -> Result<Enlarging, JobError> {
    let network = match (&request.model, &request.refine) {
        (None, Some(_)) => None,
        (id, _) => Some(catalogue.upscaler(id.as_deref())?),
    };
    let by_network = network.map_or(1, |(_, facts)| facts.scale);
    let scale = request.scale.unwrap_or(if network.is_some() { by_network.into() } else { 2.0 });
    let extent = enlarged(extent, by_network, scale, request.tile)?;
    let refining = match &request.refine {
        Some(request) => {
            let model = catalogue.choose(&Generate { mode: Mode::Generate, ..request.clone() })?.clone();
            let (plan, tiles) = underpaint_plan::refine(request, extent, &model)?;
            Some((model, plan, tiles))
        }
        None => None,
    };
    Ok(Enlarging { network: network.map(|(id, _)| id.to_owned()), scale, extent, refining })
}

/// The size of a picture of `extent` made `scale` times wider and higher, after a network that enlarges it `by_network` times.
fn enlarged(extent: Extent, by_network: u32, scale: f64, tile: Option<u32>) -> Result<Extent, EngineError> {
    let refuse = |field, what: String| Err(EngineError::Request { field, what });
    if let Some(tile) = tile.filter(|tile| !(32..=4096).contains(tile)) {
        return refuse("tile", format!("is {tile}; it must be 32 to 4096 pixels"));
    }
    if !(0.1..=16.0).contains(&scale) {
        return refuse("scale", format!("is {scale}; it must be 0.1 to 16"));
    }
    let by = |scale: f64| {
        let side = |side: u32| ((f64::from(side) * scale).round() as u32).max(1);
        Extent::new(side(extent.w), side(extent.h))
    };
    for scale in [by_network.into(), scale] {
        let Extent { w, h } = by(scale);
        if w.max(h) > MAX_SIDE || by(scale).area() > MAX_PIXELS {
            let most = MAX_PIXELS >> 20;
            let what = format!(
                "is {}x{} pixels and would grow to {w}x{h}; at most {MAX_SIDE} a side and {most} megapixels in all are possible",
                extent.w, extent.h
            );
            return refuse("image", what);
        }
    }
    Ok(by(scale))
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
