//! Enlarging a picture: by a network or by resampling, with detail painted into it where that is wanted.

use super::pass::{Painting, Steering, paint};
use super::{JobError, Output, random_seed};
use crate::models::{Catalogue, Models};
use crate::picture::{MAX_PIXELS, MAX_SIDE};
use crate::prompts::Words;
use crate::receipt;
use crate::timing::Timed;
use serde_json::{Value, json};
use underpaint_engine::EngineError;
use underpaint_plan::{ModelFacts, Plan, check_regions, placed};
use underpaint_raster::{Extent, Image, Job, Mask, Patch, Rect, resize, resize_mask};
use underpaint_wire::generate::{Generate, Mode};
use underpaint_wire::methods::Upscale;

/// Enlarges `image` as `request` says; the one patch is the whole picture. Blocks as [`run`] does.
///
/// ```text
/// image -> upscaler, in tiles     or resampling where none was named
///       -> resize                 to the size that was asked for
///       -> engine, in tiles       where detail is to be painted: image to image with one noise field
/// ```
///
/// `regions` are the masks of those of what refines it: where each lies on `image`, and its values, which are scaled to it.
pub fn upscale(
    models: &mut Models,
    request: &Upscale,
    image: &Image,
    regions: &[Option<(Rect, Mask)>],
    job: &dyn Job,
) -> Result<Output, JobError> {
    let job = &Timed::new(job);
    let mut request = request.clone();
    if let Some(refine) = &mut request.refine {
        refine.seed.get_or_insert_with(random_seed);
    }
    let catalogue = models.catalogue().clone();
    let Enlarging { network, scale, extent, refining } = enlarging(&catalogue, image.extent(), &request)?;
    if let Some(refine) = &request.refine {
        let masks: Vec<_> = regions.iter().map(|region| region.as_ref().map(|(_, mask)| mask)).collect();
        check_regions(refine, &masks)?;
    }
    let tile = match &network {
        Some(id) => models.room_to_enlarge(id, image.extent(), request.tile)?,
        None => None,
    };
    let made = match &network {
        Some(id) => models.load_upscaler(id, job)?.upscale(image, tile, job)?,
        None => image.clone(),
    };
    job.between();
    let enlarged = resize(&made, extent);
    let hash = |id: &str| catalogue.hash(id).ok().flatten();
    let mut used = json!({"model": network, "scale": scale, "extent": extent});
    if let Some(tile) = tile {
        used["tile"] = json!(tile);
    }
    let mut used_models = Vec::from_iter(network.as_deref().map(|id| (id, hash(id))));
    let (image, seed) = match &refining {
        Some((model, plan)) => {
            let words = Words::of(plan, Vec::new(), &catalogue)?;
            used["refine"] = receipt::used(plan, &words, model, None, &catalogue);
            let over = |(rect, mask): &(Rect, Mask)| plan.prepare_region(plan.context.rect, &laid(*rect, mask, image));
            let regions = regions.iter().flatten().map(over).collect();
            let refined = refine(models, model, (plan, &words), regions, &enlarged, job)?;
            models.hashed();
            used_models.push((&model.id, hash(&model.id)));
            (refined, plan.sampling.seed)
        }
        None => (enlarged, 0),
    };
    let engine = if refining.is_some() { models.told() } else { Value::Null };
    let receipt = receipt::upscale(&request, &used, &used_models, engine);
    let patches = vec![(Patch { rect: extent.rect(), image }, seed)];
    Ok(Output { patches, used, receipt, timing_ms: job.finish(), saved: None })
}

/// Detail painted into `enlarged` by a diffusion model, transparency as it was.
fn refine(
    models: &mut Models,
    model: &ModelFacts,
    (plan, words): (&Plan, &Words),
    regions: Vec<Mask>,
    enlarged: &Image,
    job: &dyn Job,
) -> Result<Image, JobError> {
    let prepared = plan.prepare(&plan.scene(Some(enlarged), None), plan.sampling.seed, job)?;
    let (steering, seen) = (&Steering::default(), Vec::new());
    let painting = Painting { plan, words, steering, seen, regions, only: None, prepared, noise: None, save: None };
    let made = paint(models, &model.id, painting, job)?;
    let mut made = made.into_iter().next().map_or_else(|| enlarged.clone(), |picture| plan.restore(picture));
    for (p, before) in made.data_mut().chunks_exact_mut(4).zip(enlarged.data().chunks_exact(4)) {
        p[3] = before[3];
        if p[3] <= 0.0 {
            p.fill(0.0);
        }
    }
    Ok(made)
}

/// The mask of a region over all of `image`: `mask` scaled to its `rect`, 0 where it does not reach.
fn laid(rect: Rect, mask: &Mask, image: &Image) -> Mask {
    match image.extent().rect() {
        whole if whole == rect => mask.clone(),
        whole => placed(resize_mask(mask, rect.extent()), rect, whole),
    }
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
    refining: Option<(ModelFacts, Plan)>,
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
            let plan = underpaint_plan::refine(request, extent, &model)?;
            Some((model, plan))
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
