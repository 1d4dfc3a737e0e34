//! The whole product as one readable function; everything else is its vocabulary.
//!
//! ```text
//! request -> plan::plan(request, model)         crop, extents, masks, sampling, placement
//!         -> prompts::prompts(plan)             choices drawn, tags taken out
//!         -> plan.scene(canvas, mask)           crop, resize, masks
//!         -> plan.prepare(scene)                infill
//!         -> engine.generate(plan, input)       encode text, denoise, decode
//!         -> plan.place(picture, scene)         colour match, registration, resize, detail, feathered alpha -> patch
//!         -> plan.second, where there is one    the same again, finer, over what was painted
//!         -> filters.apply(patch, chain)        each sandboxed
//!         -> patches, and a receipt that can make them again
//! ```
//!
//! Called by the command line in process and by the daemon's device thread alike. Values go forward; only progress and
//! cancellation come back, both through the [`Job`].

mod enlarge;
mod error;
mod finishing;
mod pass;
mod preprocess;

pub(crate) use enlarge::enlarging;
pub use enlarge::upscale;
pub use error::JobError;
pub use finishing::{FilterImages, chain};
pub(crate) use preprocess::{Given, resolved};
pub use preprocess::{Shown, preprocess};

use crate::models::Models;
use crate::previewing::Previewing;
use crate::prompts::Words;
use crate::receipt;
use crate::refining::Refining;
use crate::timing::Timed;
use finishing::{Surroundings, finish};
use pass::{Painting, Steering, paint, room};
use serde_json::{Map, Value};
use underpaint_engine::prompt::Embedding;
use underpaint_engine::{DeviceKind, Npy, Saved};
use underpaint_filters::Filters;
use underpaint_plan::{CanvasFacts, Family, Placing, Plan, Sampling, Scene, check_regions, placed, plan};
use underpaint_raster::{Cancelled, Extent, Image, Job, Mask, Patch, Rect, Share, Stage};
use underpaint_wire::generate::Generate;

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
    /// Pictures for the inputs of the request's filters, in their order.
    pub filters: Vec<FilterImages>,
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
    let Input { canvas, mask, controls: shown, regions, filters: images, noise, save, embeddings } = input;
    let (chain, used_filters) = chain(filters, &request.filters, &images)?;
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
    if let Some(second) = &plan.second {
        // Before the first pass, not after it.
        room(models, &model.id, (second, &words, &steering))?;
    }
    job.between();
    let scene = plan.scene(canvas, mask);
    // What waits for its turn is a picture as the model made it, which is smaller than its patch.
    let made: Box<dyn Iterator<Item = Option<(Patch, Placing)>>> = match model.family {
        Family::Exemplar => {
            let patches = rebuild(&plan, &scene, job)?.into_iter();
            Box::new(patches.map(|patch| patch.map(|patch| (patch, Placing::default()))))
        }
        _ => {
            let previewing = &Previewing::new(job, &plan, &scene);
            let prepared = plan.prepare(&scene, 0, previewing)?;
            let (noise, save) = (noise.as_ref(), saved.as_mut());
            let (words, steering, seen) = (&words, &steering, steering.seen(&plan, canvas));
            let regions = regions(&plan);
            let painting = Painting { plan: &plan, words, steering, seen, regions, only: None, prepared, noise, save };
            let pictures = paint(models, &model.id, painting, previewing)?;
            Box::new(pictures.into_iter().map(|picture| {
                job.between();
                plan.place(picture, &scene)
            }))
        }
    };

    let (mut patches, mut placing) = (Vec::new(), Vec::new());
    for (i, made) in (0..).zip(made) {
        job.between();
        let seed = plan.sampling.seed.wrapping_add(u64::from(i));
        let Some((mut patch, how)) = made else { continue };
        placing.push(how);
        if let (Some(second), Some(canvas)) = (&plan.second, canvas) {
            let second = Plan { sampling: Sampling { seed, ..second.sampling.clone() }, ..*second.clone() };
            let rough = plan.lay(canvas, &patch);
            let refining = &Refining(Share { job, part: i, parts: plan.sampling.batch });
            let shown = second.scene(Some(&rough), mask);
            let previewing = &Previewing::new(refining, &second, &shown);
            let prepared = second.prepare(&shown, 0, previewing)?;
            let only = Some(i as usize);
            let (words, steering, seen) = (&words, &steering, steering.seen(&second, Some(&rough)));
            let (plan, regions) = (&second, regions(&second));
            let painting = Painting { plan, words, steering, seen, regions, only, prepared, noise: None, save: None };
            job.begin(Stage::Upscale);
            let painted = paint(models, &model.id, painting, previewing)?;
            job.between();
            let scene = second.scene(Some(canvas), mask);
            for finer in painted {
                let Some((finer, how)) = second.place(finer, &scene) else { continue };
                placing.push(how);
                patch = finer;
            }
        }
        let around = canvas.zip(facts).map(|(canvas, facts)| Surroundings { rect: facts.rect, canvas, mask });
        let share = &Share { job, part: i, parts: plan.sampling.batch };
        if !chain.is_empty() {
            job.begin(Stage::Filter);
        }
        patches.push((finish(filters, &chain, patch, around, seed, share)?, seed));
    }

    job.between();

    let mut used = receipt::used(&plan, &words, &model, facts, models.catalogue());
    if !steering.plans.is_empty() {
        used["controls"] = steering.told(models.catalogue());
    }
    if let Some(noise) = &noise {
        used["noise"] = receipt::noise(noise);
    }
    // Told even where the device decided it, so that another one makes the same picture.
    let passes = request.passes.or(canvas.is_some().then_some(1 + u32::from(plan.second.is_some())));
    let request = &Generate { passes, ..request.clone() };
    models.hashed();
    let receipt = receipt::receipt(request, &used, &model, models, facts, &used_filters, &placing);
    Ok(Output { patches, used, receipt, timing_ms: job.finish(), saved })
}

/// The embedded fill, once for each seed.
fn rebuild(plan: &Plan, scene: &Scene<'_>, job: &dyn Job) -> Result<Vec<Option<Patch>>, Cancelled> {
    let Sampling { seed, batch: parts, .. } = plan.sampling;
    let rebuilt = |part: u32| {
        let job = &Share { job, part, parts };
        plan.rebuild(scene, seed.wrapping_add(u64::from(part)), &Previewing::new(job, plan, scene))
    };
    (0..parts).map(rebuilt).collect()
}

/// A seed nobody chose: 32 bits, so that a painter can read it aloud.
pub(crate) fn random_seed() -> u64 {
    use std::hash::{BuildHasher, Hasher};
    // The standard library's hasher is keyed by the system's random numbers.
    std::collections::hash_map::RandomState::new().build_hasher().finish() >> 32
}
