//! From the params of a job's request to checked work: everything that can be wrong with it is found here, before
//! there is a job.

use super::blobs::Blobs;
use super::device::{self, Inventory};
use super::errors::sentence;
use super::job::{Enlarging, FilterBytes, Filtering, Painting, Preprocessing, Sent, Work};
use super::methods::{Session, internal, to_value};
use super::{Daemon, errors};
use crate::prompts::prompts;
use crate::worker;
use serde_json::{Map, Value};
use std::sync::{Arc, OnceLock};
use underpaint_plan::{CanvasFacts, Family, MAX_FILTERS, ModelFacts};
use underpaint_raster::Rect;
use underpaint_wire::control::{Preprocess, PreprocessPixels, Steered};
use underpaint_wire::generate::{FilterCall, FilterPixels, Generate, Pixels, RegionPixels, Run};
use underpaint_wire::hello::Limits;
use underpaint_wire::image::{self, Image, Placed, Px};
use underpaint_wire::methods::{Context, FillContext, FilterApply, FilterApplyPixels, Upscale, UpscalePixels};
use underpaint_wire::rpc::Id;
use underpaint_wire::{Error, json};

type Params = Map<String, Value>;

/// Where a request's pixels may be: the connection's blobs and this frame's tail.
struct Source<'a> {
    blobs: &'a Blobs,
    tail: &'a [u8],
    /// The tail as jobs keep it, once one of the request's images is there: all of them share it.
    kept: OnceLock<Arc<Vec<u8>>>,
    limits: &'a Limits,
}

impl<'a> Source<'a> {
    fn of(session: &'a Session, tail: &'a [u8]) -> Self {
        Source { blobs: &session.blobs, tail, kept: OnceLock::new(), limits: &session.daemon.limits }
    }

    /// The bytes an image describes, checked against it.
    fn bytes(&self, field: &str, image: &Image) -> Result<Arc<Vec<u8>>, Error> {
        let bytes = if image.blob.is_tail() {
            self.kept.get_or_init(|| Arc::new(self.tail.to_vec())).clone()
        } else {
            self.blobs.get(&image.blob).map_err(|e| e.with("field", format!("{field}.blob")))?
        };
        image.check(field, bytes.len() as u64, self.limits)?;
        Ok(bytes)
    }
}

/// `generate`: checks everything, then makes the job.
pub async fn generate(session: &Session, id: &Id, params: &Params, tail: &[u8]) -> Result<(), Error> {
    let (mut request, pixels, run): (Generate, Pixels, Run) =
        (json::params(params)?, json::params(params)?, json::params(params)?);
    check_run(&run)?;
    if run.live.is_some() {
        for (field, number) in [("batch", request.batch), ("passes", request.passes)] {
            if number.unwrap_or(1) != 1 {
                return Err(Error::field(field, format!("`{field}` must be 1 for a live request.")));
            }
        }
        request.passes = Some(1);
    }
    let source = Source::of(session, tail);
    let painting = painting(request, pixels, &source)?;
    let inventory = session.daemon.inventory().await?;
    // Reading a large mask and compiling a filter take tens of milliseconds: not on the threads that serve connections.
    let painting = tokio::task::spawn_blocking(move || plan(painting, &inventory)).await.map_err(|_| internal())??;
    session.daemon.hub.submit(session.client, id, run, Work::Generate(Box::new(painting)))
}

fn painting(mut request: Generate, pixels: Pixels, source: &Source<'_>) -> Result<Painting, Error> {
    let px = pixels.px.or(pixels.canvas.as_ref().map(|c| c.image.px)).unwrap_or_default();
    check_patch_px(pixels.px, px)?;
    let px = if px.is_grey() { Px::Rgba8 } else { px };
    filter_texts(&mut request.filters, &pixels.filters, source)?;
    let regions = regions("regions", pixels.regions, source)?;
    let filters = filter_images(pixels.filters, source)?;
    let mut painting = Painting { request, canvas: None, mask: None, controls: Vec::new(), regions, filters, px };
    if let Some(canvas) = pixels.canvas {
        canvas.check()?;
        let bytes = source.bytes("canvas.image", &canvas.image)?;
        painting.canvas = Some((canvas, bytes));
    }
    if let Some(mask) = pixels.mask {
        image::check_mask_px("mask.image", &mask.image)?;
        image::check_placed("mask", mask.rect, &mask.image)?;
        let bytes = source.bytes("mask.image", &mask.image)?;
        painting.mask = Some((mask, bytes));
    }
    for (i, control) in pixels.controls.into_iter().enumerate() {
        let Some(placed) = control.image else {
            painting.controls.push(None);
            continue;
        };
        painting.controls.push(Some(scaled(&format!("controls[{i}].image"), placed, source)?));
    }
    Ok(painting)
}

/// Puts the texts that came as blobs among the parameters.
fn filter_texts(filters: &mut [FilterCall], pixels: &[FilterPixels], source: &Source<'_>) -> Result<(), Error> {
    for (i, (filter, pixels)) in filters.iter_mut().zip(pixels).enumerate() {
        for (param, blob) in &pixels.texts {
            let field = format!("filters[{i}].texts.{param}");
            let bytes = source.blobs.get(blob).map_err(|e| e.with("field", field.as_str()))?;
            let text = std::str::from_utf8(&bytes).map_err(|e| {
                Error::field(&field, format!("`{field}` is no UTF-8: byte {} is wrong.", e.valid_up_to()))
            })?;
            filter.params.insert(param.clone(), text.into());
        }
    }
    Ok(())
}

/// The masks of `regions`, which are the request's member `name`, with their bytes.
fn regions(name: &str, regions: Vec<RegionPixels>, source: &Source<'_>) -> Result<Vec<Option<Sent>>, Error> {
    let mask = |(i, region): (usize, RegionPixels)| {
        let Some(placed) = region.mask else { return Ok(None) };
        let field = format!("{name}[{i}].mask");
        image::check_mask_px(&format!("{field}.image"), &placed.image)?;
        scaled(&field, placed, source).map(Some)
    };
    regions.into_iter().enumerate().map(mask).collect()
}

/// Makes sure that each region has a mask with something in it.
fn check_regions(request: &Generate, regions: &[Option<Sent>]) -> Result<(), Error> {
    let masks = device::masks(regions);
    let masks: Vec<_> = masks.iter().map(|region| region.as_ref().map(|(_, mask)| mask)).collect();
    underpaint_plan::check_regions(request, &masks).map_err(|e| Error::field(e.field(), sentence(&e)))
}

/// The pictures of every filter's inputs, with their bytes.
fn filter_images(filters: Vec<FilterPixels>, source: &Source<'_>) -> Result<Vec<FilterBytes>, Error> {
    let with_bytes = |(i, filter): (usize, FilterPixels)| {
        let images = filter.images.into_iter().map(|(input, image)| {
            let bytes = source.bytes(&format!("filters[{i}].images.{input}"), &image)?;
            Ok((input, (image, bytes)))
        });
        images.collect()
    };
    filters.into_iter().enumerate().map(with_bytes).collect()
}

/// A picture that is scaled to its rect, which must be one that could have been sent, with its bytes.
fn scaled(field: &str, placed: Placed, source: &Source<'_>) -> Result<Sent, Error> {
    let bytes = source.bytes(&format!("{field}.image"), &placed.image)?;
    check_rect(&format!("{field}.rect"), placed.rect, source.limits)?;
    Ok((placed, bytes))
}

/// Fails unless a picture as large as `rect` could have been sent: pixels are made for it.
fn check_rect(field: &str, rect: Rect, limits: &Limits) -> Result<(), Error> {
    let Rect { w, h, .. } = rect;
    if w == 0 || h == 0 || w.max(h) > limits.max_side || rect.extent().area() > limits.max_pixels {
        let most = format!("at most {} pixels a side and {} in all", limits.max_side, limits.max_pixels);
        return Err(Error::field(field, format!("`{field}` is {w}x{h}; it must have {most}.")));
    }
    Ok(())
}

/// A patch has colours and alpha; one that was asked for in grey would have neither.
/// Fails unless patches can be had in the layout that was `asked` for; `px` is what was settled on.
pub fn check_patch_px(asked: Option<Px>, px: Px) -> Result<(), Error> {
    if asked.is_some() && px.is_grey() {
        return Err(Error::field("px", "`px` must be rgba8, bgra8, rgba16 or rgbaf32: a patch has alpha."));
    }
    Ok(())
}

/// Settles the model and the seed and makes sure there is a plan, so that a painter hears of a mistake at once.
fn plan(mut painting: Painting, inventory: &Inventory) -> Result<Painting, Error> {
    let facts = inventory.choose(&painting.request)?;
    painting.request.model = Some(facts.id.clone());
    check_filters(&painting.request.filters, &painting.filters, inventory)?;
    painting.request.seed.get_or_insert_with(worker::random_seed);
    let canvas = painting.canvas.as_ref().map(|(c, _)| CanvasFacts { extent: c.extent, rect: c.rect });
    let mask = match (&painting.mask, &canvas) {
        (Some((placed, bytes)), Some(canvas)) => Some(placed.image.to_mask_within(bytes, placed.rect, canvas.rect)),
        (Some(_), None) => return Err(Error::field("canvas", "A mask needs a `canvas` to lie on.")),
        (None, _) => None,
    };
    let controls = inventory.controls(&painting.request.controls)?;
    let pictures: Vec<bool> = painting.controls.iter().map(Option::is_some).collect();
    underpaint_plan::controls(&painting.request, facts, &controls, &pictures, canvas.is_some())
        .map_err(|e| Error::field(e.field(), sentence(&e)))?;
    let plan = underpaint_plan::plan(&painting.request, canvas, mask.as_ref(), facts)
        .map_err(|e| Error::field(e.field(), sentence(&e)))?;
    check_regions(&painting.request, &painting.regions)?;
    let loras = match facts.family {
        Family::Exemplar => plan.loras,
        _ => prompts(&plan).map_err(|e| errors::job(&e))?.loras,
    };
    inventory.check_loras(&loras)?;
    Ok(painting)
}

/// `filter/apply`: checks everything, then makes the job.
pub async fn filter_apply(session: &Session, id: &Id, params: &Params, tail: &[u8]) -> Result<(), Error> {
    let (mut apply, pixels, run): (FilterApply, FilterApplyPixels, Run) =
        (json::params(params)?, json::params(params)?, json::params(params)?);
    check_run(&run)?;
    let source = Source::of(session, tail);
    let px = apply.px.unwrap_or(apply.image.px);
    check_patch_px(apply.px, px)?;
    let bytes = source.bytes("image", &apply.image)?;
    let rect = apply.rect.unwrap_or(apply.image.extent().rect());
    image::check_placed("filter", rect, &apply.image).map_err(|e| e.with("field", "rect"))?;
    if !(1..=MAX_FILTERS).contains(&apply.filters.len()) {
        return Err(Error::field("filters", format!("`filters` must name 1 to {MAX_FILTERS} filters.")));
    }
    let scale = apply.scale.unwrap_or(1.0);
    if !(0.01..=1.0).contains(&scale) {
        return Err(Error::field("scale", format!("`scale` is {scale}; it must be 0.01 to 1.")));
    }
    let beside = |field: &str, image: Option<Image>| {
        let with_bytes = |image: Image| {
            image::check_placed(field, rect, &image)?;
            let bytes = source.bytes(field, &image)?;
            Ok((image, bytes))
        };
        image.map(with_bytes).transpose()
    };
    if let Some(mask) = &pixels.mask {
        image::check_mask_px("mask", mask)?;
    }
    let (mask, before) = (beside("mask", pixels.mask)?, beside("before", pixels.before)?);
    if apply.clip && mask.is_none() {
        return Err(Error::field("clip", "`clip` cuts the result to `mask`, which is not there."));
    }
    filter_texts(&mut apply.filters, &pixels.filters, &source)?;
    let images = filter_images(pixels.filters, &source)?;
    let seed = apply.seed.unwrap_or(0);
    let px = if px.is_grey() { Px::Rgba8 } else { px };
    let (image, filters, scale, clip) = (apply.image, apply.filters, scale as f32, apply.clip);
    let filtering = Filtering { image, bytes, rect, filters, images, mask, before, clip, scale, seed, px };
    let inventory = session.daemon.inventory().await?;
    let check = move || check_filters(&filtering.filters, &filtering.images, &inventory).map(|()| filtering);
    let filtering = tokio::task::spawn_blocking(check).await.map_err(|_| internal())??;
    session.daemon.hub.submit(session.client, id, run, Work::Filter(Box::new(filtering)))
}

/// `upscale`: checks everything, then makes the job.
pub async fn upscale(session: &Session, id: &Id, params: &Params, tail: &[u8]) -> Result<(), Error> {
    let (request, pixels, run): (Upscale, UpscalePixels, Run) =
        (json::params(params)?, json::params(params)?, json::params(params)?);
    check_run(&run)?;
    let source = Source::of(session, tail);
    let px = pixels.px.unwrap_or(pixels.image.px);
    check_patch_px(pixels.px, px)?;
    let bytes = source.bytes("image", &pixels.image)?;
    let regions = regions("refine.regions", pixels.refine.unwrap_or_default().regions, &source)?;
    let px = if px.is_grey() { Px::Rgba8 } else { px };
    let enlarging = Enlarging { request, image: pixels.image, bytes, regions, px };
    let inventory = session.daemon.inventory().await?;
    let check = move || {
        inventory.check_upscale(enlarging.image.extent(), &enlarging.request)?;
        let refine = enlarging.request.refine.as_ref();
        refine.map_or(Ok(()), |refine| check_regions(refine, &enlarging.regions)).map(|()| enlarging)
    };
    let enlarging = tokio::task::spawn_blocking(check).await.map_err(|_| internal())??;
    session.daemon.hub.submit(session.client, id, run, Work::Upscale(Box::new(enlarging)))
}

/// `control/preprocess`: checks everything, then makes the job.
pub async fn control_preprocess(session: &Session, id: &Id, params: &Params, tail: &[u8]) -> Result<(), Error> {
    let (request, pixels, run): (Preprocess, PreprocessPixels, Run) =
        (json::params(params)?, json::params(params)?, json::params(params)?);
    check_run(&run)?;
    let source = Source::of(session, tail);
    let preprocessing = preprocessing(request, pixels, &source).map_err(errors::steered)?;
    let inventory = session.daemon.inventory().await?;
    let check = move || inventory.check_preprocess(&preprocessing).map(|()| preprocessing);
    let preprocessing = tokio::task::spawn_blocking(check).await.map_err(|_| internal())??;
    session.daemon.hub.submit(session.client, id, run, Work::Preprocess(Box::new(preprocessing)))
}

fn preprocessing(request: Preprocess, pixels: PreprocessPixels, source: &Source<'_>) -> Result<Preprocessing, Error> {
    let Steered { canvas, mask } = pixels.generate.unwrap_or_default();
    let seen = pixels.image.as_ref().or(canvas.as_ref().and_then(|part| part.image.as_ref()));
    let color = seen.map(|image| image.color).unwrap_or_default();
    let px = pixels.px.or(seen.map(|image| image.px)).unwrap_or_default();
    check_patch_px(pixels.px, px)?;
    let px = if px.is_grey() { Px::Rgba8 } else { px };
    let picture = match pixels.image {
        Some(image) => {
            let rect = pixels.rect.unwrap_or(image.extent().rect());
            let bytes = source.bytes("image", &image)?;
            check_rect("rect", rect, source.limits)?;
            Some((Placed { rect, image }, bytes))
        }
        None => None,
    };
    let canvas = match canvas {
        Some(part) => {
            check_rect("canvas.rect", part.rect, source.limits)?;
            part.check()?;
            let bytes = part.image.as_ref().map(|image| source.bytes("canvas.image", image)).transpose()?;
            Some((part, bytes))
        }
        None => None,
    };
    let mask = match mask {
        Some(placed) => {
            image::check_mask_px("mask.image", &placed.image)?;
            image::check_placed("mask", placed.rect, &placed.image)?;
            let bytes = source.bytes("mask.image", &placed.image)?;
            Some((placed, bytes))
        }
        None => None,
    };
    Ok(Preprocessing { request, picture, canvas, mask, px, color })
}

fn check_filters(filters: &[FilterCall], images: &[FilterBytes], inventory: &Inventory) -> Result<(), Error> {
    if filters.is_empty() { Ok(()) } else { inventory.check_filters(filters, images) }
}

/// `fill/context`: which part of the canvas is worth sending.
pub async fn fill_context(daemon: &Arc<Daemon>, params: &Params) -> Result<Value, Error> {
    let asked: FillContext = json::params(params)?;
    let inventory = daemon.inventory().await?;
    let plain = asked.prompt.is_empty() && !asked.steered;
    let facts = inventory.choose_for(asked.model.as_deref(), asked.mode, plain)?;
    context(&asked, facts, &daemon.limits).map(|rect| to_value(&Context { rect }))
}

fn context(asked: &FillContext, facts: &ModelFacts, limits: &Limits) -> Result<Rect, Error> {
    let extent = asked.extent;
    if extent.w == 0 || extent.h == 0 || extent.w.max(extent.h) > limits.max_side {
        return Err(Error::field(
            "extent",
            format!("`extent` is {}x{}; each side must be 1 to {}.", extent.w, extent.h, limits.max_side),
        ));
    }
    let strength = asked.denoise_strength.unwrap_or(1.0);
    if !(0.0..=1.0).contains(&strength) {
        return Err(Error::field("denoise_strength", format!("`denoise_strength` is {strength}; it must be 0 to 1.")));
    }
    // Selections may reach outside the canvas; what counts is the part inside.
    let bounds = asked.mask_bounds.intersect(extent.rect()).ok_or_else(|| {
        Error::field("mask_bounds", "The selection lies outside the canvas; select something inside it.")
    })?;
    Ok(underpaint_plan::context(asked.mode, bounds, extent, strength, facts))
}

/// Checks how a job is to be run and watched.
pub fn check_run(run: &Run) -> Result<(), Error> {
    let texts = [
        ("label", run.label.as_deref(), 0, 200),
        ("live.key", run.live.as_ref().map(|l| l.key.as_str()), 1, 64),
        ("dedupe", run.dedupe.as_deref(), 1, 64),
        ("progress", run.progress.as_deref(), 1, 64),
    ];
    for (field, text, low, high) in texts {
        if text.is_some_and(|t| !(low..=high).contains(&t.len())) {
            return Err(Error::field(field, format!("`{field}` must be {low} to {high} bytes long.")));
        }
    }
    let Some(preview) = run.preview else { return Ok(()) };
    for (field, value, low, high) in
        [("preview.max_side", preview.max_side, 8, 512), ("preview.every_ms", preview.every_ms, 100, 60000)]
    {
        if !(low..=high).contains(&value) {
            return Err(Error::field(field, format!("`{field}` is {value}; it must be {low} to {high}.")));
        }
    }
    Ok(())
}
