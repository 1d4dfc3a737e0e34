//! From request to pictures: the denoising loop.
//!
//! Decision: the pictures of a batch are made one after the other, each from its own seed and its own stream of noise, so that
//! picture `i` is the same whether it was made alone or with others, progress is even, and memory does not grow with the batch.
//!
//! What is drawn from a picture's stream, in this order, is what diffusers draws with `generator=[…]`: the sample of the
//! initial picture's latents (not for a 9-channel model starting from pure noise, which does not need it), the initial noise,
//! the sample of the masked picture's latents ([`Inpaint::Replace`] and 9-channel models), then the sampler's noise step by step.

use crate::control::{Control, Guides};
use crate::guidance::Guidance;
use crate::noise::Noise;
use crate::npy::Npy;
use crate::prompt::{Embedding, Prompt};
use crate::samplers::{self, Moment, Seen, Space};
use crate::schedule::{Schedule, Step};
use crate::tiles::{Tile, Tiling, blend};
use crate::unet::{Conditions, Regions};
use crate::{EngineError, Model, pixels};
use candle_core::{DType, Tensor};
use std::rc::Rc;
use underpaint_plan::{Inpaint, Kind, Prepared, Sampling};
use underpaint_raster::{Extent, Image, Job, Mask, Share, Stage};

/// What to paint, fully resolved.
pub struct Request<'a> {
    /// What should be seen; may be empty, may be longer than one chunk of 75 tokens.
    pub prompt: &'a str,
    /// What should not. `None` and an empty text are two things for SDXL, as in diffusers: without one it is shown zeros.
    pub negative_prompt: Option<&'a str>,
    /// Where wildcards made them differ, the texts of each picture, which take the place of those two; else empty.
    pub wordings: &'a [Wording],
    /// Texts bound to parts of the picture.
    pub regions: &'a [Region<'a>],
    /// Embeddings that the texts may name.
    pub embeddings: &'a [Embedding],
    /// Steps, seeds, sampler.
    pub sampling: &'a Sampling,
    /// How the mask is used.
    pub inpaint: Inpaint,
    /// Pictures that steer, with the models that read them.
    pub controls: &'a [Control<'a>],
    /// The pictures going in, in model pixels.
    pub input: &'a Prepared,
    /// Unit noise `[B, C, h, w]` to start from instead of the seed's.
    pub noise: Option<&'a Npy>,
    /// Filled with noise and final latents if given.
    pub save: Option<&'a mut Saved>,
}

/// The texts of one picture.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Wording {
    /// As [`Request::prompt`].
    pub prompt: String,
    /// As [`Request::negative_prompt`].
    pub negative_prompt: Option<String>,
    /// Those of [`Request::regions`], in order.
    pub regions: Vec<String>,
}

/// A text bound to a part of the picture.
#[derive(Clone, Copy, Debug)]
pub struct Region<'a> {
    /// What should be seen there, instead of [`Request::prompt`].
    pub prompt: &'a str,
    /// Where, 0 to 1, of the request's extent; where regions sum to less than 1, the prompt has the rest.
    pub mask: &'a Mask,
}

/// What one picture is asked for.
#[derive(PartialEq)]
struct Texts<'a> {
    prompt: &'a str,
    negative_prompt: Option<&'a str>,
    regions: Vec<&'a str>,
}

impl Wording {
    /// All of its texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let regions = self.regions.iter().map(String::as_str);
        std::iter::once(&*self.prompt).chain(self.negative_prompt.as_deref()).chain(regions)
    }
}

/// What can be kept of a run besides its pictures; both `[B, C, h, w]`.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Saved {
    /// Unit noise each picture started from.
    pub noise: Npy,
    /// Latents before the VAE, in the denoiser's scale.
    pub latents: Npy,
}

impl Model {
    /// Makes the pictures of `request`, in order of their seeds.
    pub fn generate(&mut self, request: Request<'_>, job: &dyn Job) -> Result<Vec<Image>, EngineError> {
        self.generate_in_tiles(request, Tiling::WHOLE, job)
    }

    /// As [`Model::generate`], the denoiser seeing tiles of `tiling` (in latents) one after the other.
    ///
    /// Decision: at each step the predictions of all tiles are blended, not finished pictures at the end (Bar-Tal et al. 2023,
    /// "MultiDiffusion"; Jiménez 2023, "Mixture of Diffusers"). So there is one noise field and one picture throughout, tiles
    /// agree before an edge can form, and every sampler, mask and preview works as on a whole picture.
    pub fn generate_in_tiles(
        &mut self,
        request: Request<'_>,
        tiling: Tiling,
        job: &dyn Job,
    ) -> Result<Vec<Image>, EngineError> {
        if !self.layers.settled() {
            return Err(EngineError::Request { field: "loras", what: "were not all applied; apply them again".into() });
        }
        let shape = self.latent_shape(&request)?;
        let batch = request.sampling.batch as usize;
        let schedule = self.schedule(request.sampling)?;
        job.step(Stage::Encode, 0, 1)?;
        let guidance = self.guidance(request.sampling);
        let tiles = tiling.tiles(shape[1], shape[2]);
        let all = self.conditions(&request, guidance, &tiles)?;
        let guides = Guides::see(request.controls, self, (request.input.extent, &tiles), guidance.rows(), job)?;
        let mut saved = Saved::default();
        let mut images = Vec::with_capacity(batch);
        for i in 0..batch {
            let mut picture = self.begin(&request, &schedule, shape, i, guidance.rows(), job)?;
            saved.noise.data.extend(&picture.noise);
            let asking = Asking { conditions: &all[i % all.len()], guidance, guides: &guides, tiling };
            self.denoise(&request, &schedule, &mut picture, &asking, job)?;
            saved.latents.data.extend(&picture.latents);
            let share = Share { job, part: i as u32, parts: request.sampling.batch };
            let latents = self.tensor(&picture.latents, shape)?;
            let pixels = match &self.quick {
                Some(quick) => quick.decode(&latents, &share)?,
                None => self.vae.decode(&latents, self.vae_tiling, &share)?,
            };
            images.push(pixels::to_image(&pixels)?);
        }
        if let Some(save) = request.save {
            saved.noise.shape = [&[batch][..], &shape].concat();
            saved.latents.shape = saved.noise.shape.clone();
            *save = saved;
        }
        Ok(images)
    }

    /// `[C, h, w]` of one picture's latents, after checking all sizes of the request against each other.
    fn latent_shape(&self, request: &Request<'_>) -> Result<[usize; 3], EngineError> {
        let refuse = |field, what: String| Err(EngineError::Request { field, what });
        let (input, sampling) = (request.input, request.sampling);
        let (Extent { w, h }, factor) = (input.extent, self.facts().multiple);
        if w == 0 || h == 0 || w % factor != 0 || h % factor != 0 {
            return refuse("extent", format!("is {w}x{h}; both sides must be multiples of {factor}"));
        }
        for (field, extent) in
            [("init", input.init.as_ref().map(Image::extent)), ("mask", input.mask.as_ref().map(Mask::extent))]
        {
            if let Some(Extent { w: width, h: height }) = extent.filter(|e| *e != input.extent) {
                return refuse(field, format!("is {width}x{height}; it must have the picture's size, {w}x{h}"));
            }
        }
        for Region { mask, .. } in request.regions {
            let Extent { w: width, h: height } = mask.extent();
            if mask.extent() != input.extent {
                let what = format!("is {width}x{height}; it must have the picture's size, {w}x{h}");
                return refuse("regions.mask", what);
            }
            if !mask.data().iter().all(|v| (0.0..=1.0).contains(v)) {
                return refuse("regions.mask", "holds values that are not from 0 to 1".into());
            }
        }
        if request.inpaint != Inpaint::None && (input.init.is_none() || input.mask.is_none()) {
            return refuse("mask", "needs an initial picture, and inpainting needs both".into());
        }
        if sampling.batch == 0 || sampling.start_step >= sampling.steps {
            let what = format!(
                "are {}, of which {} are skipped; at least one must be taken",
                sampling.steps, sampling.start_step
            );
            return refuse(if sampling.batch == 0 { "batch" } else { "steps" }, what);
        }
        if sampling.start_step > 0 && input.init.is_none() {
            return refuse("denoise_strength", "is below 1 without an initial picture to keep something of".into());
        }
        if !(0.0..=1.0).contains(&sampling.guidance_rescale) {
            let what = format!("is {}; it must be a number from 0 to 1", sampling.guidance_rescale);
            return refuse("guidance_rescale", what);
        }
        if !sampling.guidance_scale.is_finite() {
            return refuse("guidance_scale", format!("is {}; it must be a finite number", sampling.guidance_scale));
        }
        if !sampling.image_guidance_scale.is_finite() {
            let what = format!("is {}; it must be a finite number", sampling.image_guidance_scale);
            return refuse("image_guidance_scale", what);
        }
        if self.facts().kind == Kind::Edit && input.init.is_none() {
            return refuse("canvas", "is missing; this model changes a picture that is there".into());
        }
        let wordings = request.wordings.len();
        if wordings != 0 && wordings != sampling.batch as usize {
            return refuse("prompt", format!("is given for {wordings} pictures; {} are to be made", sampling.batch));
        }
        if let Some(wording) = request.wordings.iter().find(|w| w.regions.len() != request.regions.len()) {
            let (texts, regions) = (wording.regions.len(), request.regions.len());
            return refuse("regions.prompt", format!("is given for {texts} regions; there are {regions}"));
        }
        let deepest = self.text.deepest_skip();
        if !(1..=deepest).contains(&(sampling.clip_skip as usize)) {
            return refuse("clip_skip", format!("is {}; this model has 1 to {deepest}", sampling.clip_skip));
        }
        let shape = [self.vae.latent_channels(), (h / factor) as usize, (w / factor) as usize];
        if let Some(noise) = request.noise {
            let needed = [&[sampling.batch as usize][..], &shape].concat();
            if noise.shape != needed || noise.data.len() != needed.iter().product::<usize>() {
                return refuse("noise", format!("has shape {:?}; this request needs {needed:?}", noise.shape));
            }
            if !noise.data.iter().all(|v| v.is_finite()) {
                return refuse("noise", "holds values that are not finite".into());
            }
        }
        Ok(shape)
    }

    fn schedule(&self, sampling: &Sampling) -> Result<Schedule, EngineError> {
        let (steps, most) = (sampling.steps as usize, self.training.timesteps);
        if steps > most {
            let what = format!("are {steps}; this model was trained on {most} noise levels and cannot take more");
            return Err(EngineError::Request { field: "steps", what });
        }
        Ok(Schedule::new(&self.training, sampling.sampler, sampling.scheduler, steps))
    }

    fn guidance(&self, sampling: &Sampling) -> Guidance {
        let (text, image) = (sampling.guidance_scale, sampling.image_guidance_scale);
        match self.facts().kind {
            // As diffusers has it: both must be on.
            Kind::Edit if text > 1.0 && image >= 1.0 => Guidance::Edit { text, image },
            Kind::Text | Kind::Inpaint if text > 1.0 => {
                Guidance::Text { scale: text, rescale: sampling.guidance_rescale }
            }
            _ => Guidance::Off,
        }
    }

    /// What the denoiser is told at each of `tiles`: once for all pictures, or for each. Texts that two pictures share are encoded
    /// once.
    fn conditions(
        &self,
        request: &Request<'_>,
        guidance: Guidance,
        tiles: &[Tile],
    ) -> Result<Vec<Rc<[Conditions]>>, EngineError> {
        let alike = Texts {
            prompt: request.prompt,
            negative_prompt: request.negative_prompt,
            regions: request.regions.iter().map(|region| region.prompt).collect(),
        };
        let each = request.wordings.iter().map(|w| Texts {
            prompt: &w.prompt,
            negative_prompt: w.negative_prompt.as_deref(),
            regions: w.regions.iter().map(String::as_str).collect(),
        });
        let texts: Vec<_> = if request.wordings.is_empty() { vec![alike] } else { each.collect() };
        let mut all: Vec<Rc<[Conditions]>> = Vec::with_capacity(texts.len());
        for (i, text) in texts.iter().enumerate() {
            let before = texts[..i].iter().position(|t| t == text);
            all.push(match before {
                Some(before) => all[before].clone(),
                None => self.condition(request, text, guidance, tiles)?.into(),
            });
        }
        Ok(all)
    }

    /// What the denoiser is told of one picture at each of `tiles`, one row for each that guidance compares.
    fn condition(
        &self,
        request: &Request<'_>,
        asked: &Texts<'_>,
        guidance: Guidance,
        tiles: &[Tile],
    ) -> Result<Vec<Conditions>, EngineError> {
        let positive = Prompt::read("prompt", asked.prompt)?;
        let negative = asked.negative_prompt.map(|text| Prompt::read("negative_prompt", text)).transpose()?;
        let (positive, negative) = (Some(&positive), negative.as_ref());
        let prompts = match guidance {
            Guidance::Off => vec![positive],
            Guidance::Text { .. } => vec![negative, positive],
            Guidance::Edit { .. } => vec![negative, negative, positive],
        };
        let skip = request.sampling.clip_skip as usize;
        let texts = self.text.encode(&prompts, request.embeddings, skip)?;
        let last = texts.len() - 1;
        let (mut contexts, mut added) = (Vec::new(), Vec::new());
        for (i, text) in texts.iter().enumerate() {
            contexts.push(&text.context);
            if let Some(pooled) = &text.pooled {
                let sizes = sizes(request.input.extent, self.sizes, i == last);
                added.extend(self.unet.added_features(pooled, &sizes)?);
            }
        }
        let context = Tensor::cat(&contexts, 0)?;
        let added = if added.is_empty() { None } else { Some(Tensor::cat(&added, 0)?) };
        let mut regions = Vec::with_capacity(request.regions.len());
        for (text, region) in asked.regions.iter().zip(request.regions) {
            // By itself: it is looked at alone, so its length is nobody else's.
            let text = Prompt::read("regions.prompt", text)?;
            let encoded = self.text.encode(&[Some(&text)], request.embeddings, skip)?;
            regions.extend(encoded.into_iter().map(|text| (text.context, region.mask)));
        }
        let told = |tile: &Tile| {
            let part = tile.rect(self.facts().multiple);
            let parts = regions.iter().map(|(text, mask)| (text.clone(), mask.crop(part)));
            // A region that is elsewhere is not looked at.
            let parts: Vec<_> = parts.filter(|(_, part)| part.bounds().is_some()).collect();
            let levels = self.unet.levels([tile.rows.len, tile.columns.len]);
            let regions = (!parts.is_empty()).then(|| Regions::new(&parts, guidance.rows(), &levels)).transpose()?;
            Ok(Conditions { context: context.clone(), added: added.clone(), regions })
        };
        tiles.iter().map(told).collect()
    }

    /// Draws noise and encodes pictures: everything picture `index` needs before its first step.
    fn begin(
        &self,
        request: &Request<'_>,
        schedule: &Schedule,
        shape: [usize; 3],
        index: usize,
        rows: usize,
        job: &dyn Job,
    ) -> Result<Picture, EngineError> {
        let (input, sampling) = (request.input, request.sampling);
        let count = shape.iter().product();
        let mut stream = Noise::new(sampling.seed.wrapping_add(index as u64));
        let rule = samplers::rule(sampling.sampler, &self.training);
        let space = rule.space();
        let kind = self.facts().kind;
        // diffusers' inpainting starts from pure noise at full strength, its image to image never quite does. What changes
        // a picture sees it all along and starts from noise.
        let replaces_all = request.inpaint == Inpaint::Replace && sampling.start_step == 0;
        let from_noise = input.init.is_none() || replaces_all || kind == Kind::Edit;
        let unused = from_noise && (kind == Kind::Inpaint || request.inpaint == Inpaint::None);
        let init = input.init.as_ref().filter(|_| !unused);
        let encodings = u32::from(init.is_some()) + u32::from(kind != Kind::Text);
        let share = |part: u32| Share { job, part: index as u32 * encodings + part, parts: sampling.batch * encodings };
        let original = init.map(|init| self.encode_picture(init, &mut stream, &share(0))).transpose()?;
        let noise = match request.noise {
            Some(noise) => noise.data[index * count..][..count].to_vec(),
            None => stream.randn(count),
        };
        let channels = match (kind, request.inpaint) {
            (Kind::Inpaint, _) => {
                let channels = self.mask_channels(input, shape, &mut stream, &share(encodings - 1))?;
                Some(channels.repeat((rows, 1, 1, 1))?)
            }
            (Kind::Edit, _) => Some(self.picture_channels(input, rows, &share(encodings - 1))?),
            (Kind::Text, Inpaint::Replace) => {
                // diffusers encodes the masked picture for 4-channel models too and then ignores it; its draw counts.
                stream.randn(count);
                None
            }
            (Kind::Text, Inpaint::None | Inpaint::Differential) => None,
        };
        let start = schedule.steps[schedule.first(sampling)];
        let latents = match (&original, from_noise) {
            (Some(original), false) => space.add_noise(original, &noise, start.sigma),
            _ => {
                let scale = if space == Space::Signal { schedule.init_noise_sigma as f32 } else { 1.0 };
                noise.iter().map(|n| n * scale).collect()
            }
        };
        Ok(Picture { latents, noise, original, channels, stream, rule, index, shape })
    }

    /// A sample of the picture's latents, as diffusers draws it.
    fn encode_picture(&self, image: &Image, stream: &mut Noise, job: &dyn Job) -> Result<Vec<f32>, EngineError> {
        // A tiny encoder gives one answer, of which diffusers draws no sample.
        if let Some(quick) = &self.quick
            && let Some(latents) = quick.encode(&pixels::to_tensor(image, &self.device)?, job)?
        {
            return Ok(latents.flatten_all()?.to_vec1()?);
        }
        let posterior = self.vae.encode(&pixels::to_tensor(image, &self.device)?, self.vae_tiling, job)?;
        let (mean, std) =
            (posterior.mean.flatten_all()?.to_vec1::<f32>()?, posterior.std.flatten_all()?.to_vec1::<f32>()?);
        let noise = stream.randn(mean.len());
        let sample: Vec<f32> = mean.iter().zip(std).zip(noise).map(|((m, s), n)| m + s * n).collect();
        if !sample.iter().all(|v| v.is_finite()) {
            return Err(EngineError::NotFinite { stage: "encoding the picture".into() });
        }
        Ok(sample)
    }

    /// The mask and the latents of the picture without what it hides: what a 9-channel model sees besides the latents.
    /// Without a picture everything is hidden.
    fn mask_channels(
        &self,
        input: &Prepared,
        shape: [usize; 3],
        stream: &mut Noise,
        job: &dyn Job,
    ) -> Result<Tensor, EngineError> {
        let factor = self.facts().multiple;
        let mask = input.mask.as_ref().map_or_else(|| Mask::new(input.extent, 1.0), pixels::binarise);
        let image = input.init.clone().unwrap_or_else(|| Image::new(input.extent));
        let visible = self.encode_picture(&pixels::blank(&image, &mask), stream, job)?;
        let data = [pixels::nearest_cells(&mask, factor), visible].concat();
        Ok(Tensor::from_vec(data, (1, 1 + shape[0], shape[1], shape[2]), &self.device)?)
    }

    /// The picture's latents, unscaled, in every row but the first of three: what InstructPix2Pix sees besides its own.
    fn picture_channels(&self, input: &Prepared, rows: usize, job: &dyn Job) -> Result<Tensor, EngineError> {
        let image = input.init.clone().unwrap_or_else(|| Image::new(input.extent));
        let posterior = self.vae.encode(&pixels::to_tensor(&image, &self.device)?, self.vae_tiling, job)?;
        let seen = (posterior.mean * (1.0 / self.vae.scaling_factor()))?;
        let hidden = seen.zeros_like()?;
        Ok(match rows {
            3 => Tensor::cat(&[&hidden, &seen, &seen], 0)?,
            _ => seen,
        })
    }

    /// Walks one picture down the schedule.
    fn denoise(
        &self,
        request: &Request<'_>,
        schedule: &Schedule,
        picture: &mut Picture,
        asking: &Asking<'_>,
        job: &dyn Job,
    ) -> Result<(), EngineError> {
        let sampling = request.sampling;
        let first = schedule.first(sampling);
        let steps = &schedule.steps[first..];
        let taken = steps.len() as u32;
        let (done, total) = (picture.index as u32 * taken, sampling.batch * taken);
        let keep = Keep::new(request, self.facts().kind, steps, self.facts().multiple);
        let [_, h, w] = picture.shape;
        let idle: Vec<bool> =
            asking.tiling.tiles(h, w).iter().map(|tile| asking.guidance.is_local() && keep.covers(tile, w)).collect();
        for (i, step) in steps.iter().enumerate() {
            job.step(Stage::Denoise, done + i as u32, total)?;
            keep.before(i, *step, picture);
            let Picture { rule, latents, stream, channels, shape, .. } = &mut *picture;
            let space = rule.space();
            let at = (i, steps.len());
            let asked = Asked { asking, at, channels: channels.as_ref(), space, shape: *shape, idle: &idle };
            let seen = self.predict(&asked, latents, step.sigma, step.timestep, job)?;
            if job.wants_preview() {
                let [channels, h, w] = *shape;
                // A preview that cannot be made is no reason to stop painting.
                let image = match &self.tiny {
                    Some(tiny) => tiny.preview(&seen.clean, *shape, &self.device).ok(),
                    None => self.look.preview(&seen.clean, channels, Extent::new(w as u32, h as u32)),
                };
                if let Some(image) = image {
                    job.preview(image);
                }
            }
            let number = first + i;
            let mut again =
                |latents: &[f32], sigma| self.predict(&asked, latents, sigma, schedule.timestep(number, sigma), job);
            let noise = stream;
            rule.step(Moment { step: *step, number, schedule, latents, seen, noise, again: &mut again })?;
            keep.after(steps.get(i + 1), picture);
            if !picture.latents.iter().all(|v| v.is_finite()) {
                return Err(EngineError::NotFinite { stage: format!("denoising step {}", i + 1) });
            }
        }
        Ok(job.step(Stage::Denoise, done + taken, total)?)
    }

    /// What the denoiser sees in the latents, guided away from the negative prompt.
    fn predict(
        &self,
        asked: &Asked<'_>,
        latents: &[f32],
        sigma: f64,
        timestep: f64,
        job: &dyn Job,
    ) -> Result<Seen, EngineError> {
        let scale = asked.space.to_denoiser(sigma) as f32;
        let scaled: Vec<f32> = latents.iter().map(|x| x * scale).collect();
        let Asking { conditions, guidance, guides, tiling } = *asked.asking;
        let mut x = self.tensor(&scaled, asked.shape)?.repeat((guidance.rows(), 1, 1, 1))?;
        if let Some(channels) = asked.channels {
            x = Tensor::cat(&[&x, channels], 1)?;
        }
        let [channels, h, w] = asked.shape;
        let predicted = blend([h, w], &tiling, 1, guidance.rows() * channels, job, |tile, job| {
            if asked.idle[tile.index] {
                let seen = (guidance.rows(), channels, tile.rows.len, tile.columns.len);
                return Ok(Tensor::zeros(seen, DType::F32, &self.device)?);
            }
            let rows = x.narrow(2, tile.rows.start, tile.rows.len)?;
            let x = rows.narrow(3, tile.columns.start, tile.columns.len)?;
            let conditions = &conditions[tile.index];
            let dtype = conditions.context.dtype();
            // Control models compute in f32, the denoiser in its own precision.
            let exact = conditions.in_precision(DType::F32)?;
            let hooks = guides.hooks(tile, &x.narrow(1, 0, channels)?, timestep, &exact, asked.at, job)?;
            let (x, hooks) = (x.to_dtype(dtype)?, hooks.in_precision(dtype)?);
            Ok(self.unet.forward(&x, timestep, conditions, &hooks, job)?.to_dtype(DType::F32)?)
        })?;
        let predicted = predicted.flatten_all()?.to_vec1::<f32>()?;
        Ok(asked.space.seen(self.training.prediction, latents, guidance.combine(&predicted), sigma))
    }

    fn tensor(&self, latents: &[f32], [c, h, w]: [usize; 3]) -> candle_core::Result<Tensor> {
        Tensor::from_slice(latents, (1, c, h, w), &self.device)
    }
}

/// What SDXL is told of a picture's size: original height and width, top and left of the crop, then height and width it is to
/// have, or, of the five of the refiner, how beautiful it is to be (diffusers' values).
fn sizes(extent: Extent, count: usize, positive: bool) -> Vec<f64> {
    let (w, h) = (f64::from(extent.w), f64::from(extent.h));
    match count {
        5 => vec![h, w, 0.0, 0.0, if positive { 6.0 } else { 2.5 }],
        _ => vec![h, w, 0.0, 0.0, h, w],
    }
}

/// What the denoiser is asked for, the same through a whole request.
struct Asking<'a> {
    /// What it is told at each tile.
    conditions: &'a [Conditions],
    guidance: Guidance,
    guides: &'a Guides<'a>,
    /// What the denoiser sees at a time.
    tiling: Tiling,
}

/// What it is asked at one step of a picture.
struct Asked<'a> {
    asking: &'a Asking<'a>,
    /// Which of how many steps.
    at: (usize, usize),
    channels: Option<&'a Tensor>,
    space: Space,
    /// `[C, h, w]`.
    shape: [usize; 3],
    /// The tiles that are not looked at: what would be seen in them is never used.
    idle: &'a [bool],
}

/// One picture on its way down.
struct Picture {
    /// In the rule's space.
    latents: Vec<f32>,
    noise: Vec<f32>,
    /// The clean latents of the initial picture.
    original: Option<Vec<f32>>,
    /// `[rows, K, h, w]`: what the denoiser sees besides the latents, for inpainting and editing models.
    channels: Option<Tensor>,
    stream: Noise,
    rule: Box<dyn samplers::Rule>,
    index: usize,
    /// `[C, h, w]`.
    shape: [usize; 3],
}

/// How the original is put back where the mask wants it.
enum Keep {
    /// Nothing is kept.
    Nothing,
    /// After each step, in every cell that is not 1.
    Replace(Vec<f32>),
    /// Before each step, in every cell whose value has not reached the step's threshold.
    Differential { cells: Vec<f32>, thresholds: Vec<f64> },
}

impl Keep {
    fn new(request: &Request<'_>, kind: Kind, steps: &[Step], factor: u32) -> Self {
        match (request.inpaint, &request.input.mask) {
            (Inpaint::Replace, Some(mask)) if kind != Kind::Inpaint => {
                Self::Replace(pixels::nearest_cells(&pixels::binarise(mask), factor))
            }
            (Inpaint::Differential, Some(mask)) => {
                let (first, last) = (steps[0].timestep, steps[steps.len() - 1].timestep);
                // A single step is the first one: only what is wholly masked is free.
                let threshold = |s: &Step| if first > last { (s.timestep - last) / (first - last) } else { 1.0 };
                Self::Differential {
                    cells: pixels::mean_cells(mask, factor),
                    thresholds: steps.iter().map(threshold).collect(),
                }
            }
            _ => Self::Nothing,
        }
    }

    /// True if nothing is ever painted in `tile` of a picture `w` cells wide.
    fn covers(&self, tile: &Tile, w: usize) -> bool {
        let Self::Differential { cells, .. } = self else { return false };
        let mut rows = cells.chunks_exact(w).skip(tile.rows.start).take(tile.rows.len);
        rows.all(|row| row[tile.columns.start..][..tile.columns.len].iter().all(|m| *m <= 0.0))
    }

    fn before(&self, i: usize, step: Step, picture: &mut Picture) {
        if let Self::Differential { cells, thresholds } = self {
            // The threshold falls to 0, and what the mask leaves at 0 is never free.
            put_back(picture, Some(step), cells, |m| (m as f64) < thresholds[i] || m <= 0.0);
        }
    }

    fn after(&self, next: Option<&Step>, picture: &mut Picture) {
        match self {
            Self::Replace(cells) => put_back(picture, next.copied(), cells, |m| m < 1.0),
            Self::Differential { cells, .. } if next.is_none() => put_back(picture, None, cells, |m| m <= 0.0),
            _ => {}
        }
    }
}

/// Sets the cells whose mask value is `kept` to the original, noised to the level of `step`, or clean after the last one.
fn put_back(picture: &mut Picture, step: Option<Step>, cells: &[f32], kept: impl Fn(f32) -> bool) {
    let Some(original) = &picture.original else { return };
    let noised = match step {
        Some(step) => &picture.rule.space().add_noise(original, &picture.noise, step.sigma),
        None => original,
    };
    for (i, (x, o)) in picture.latents.iter_mut().zip(noised).enumerate() {
        if kept(cells[i % cells.len()]) {
            *x = *o;
        }
    }
}
