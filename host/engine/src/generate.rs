//! From request to pictures: the denoising loop.
//!
//! Decision: the pictures of a batch are made one after the other, each from its own seed and its own stream of noise, so that
//! picture `i` is the same whether it was made alone or with others, progress is even, and memory does not grow with the batch.
//!
//! What is drawn from a picture's stream, in this order, is what diffusers draws with `generator=[…]`: the sample of the
//! initial picture's latents (not for a 9-channel model starting from pure noise, which does not need it), the initial noise,
//! the sample of the masked picture's latents ([`Inpaint::Replace`] and 9-channel models), then euler_a's noise step by step.

use crate::noise::Noise;
use crate::npy::Npy;
use crate::samplers::{self, Moment, Space};
use crate::schedule::{Prediction, Schedule, Step};
use crate::share::Share;
use crate::tiles::{Tiling, blend};
use crate::{EngineError, Model, pixels};
use candle_core::Tensor;
use underpaint_plan::{Inpaint, Prepared, Sampling};
use underpaint_raster::{Extent, Image, Job, Mask, Stage};

/// What to paint, fully resolved.
pub struct Request<'a> {
    /// What should be seen; may be empty, may be longer than one chunk of 75 tokens.
    pub prompt: &'a str,
    /// What should not.
    pub negative_prompt: &'a str,
    /// Steps, seeds, sampler.
    pub sampling: &'a Sampling,
    /// How the mask is used.
    pub inpaint: Inpaint,
    /// The pictures going in, in model pixels.
    pub input: &'a Prepared,
    /// Unit noise `[B, C, h, w]` to start from instead of the seed's.
    pub noise: Option<&'a Npy>,
    /// Filled with noise and final latents if given.
    pub save: Option<&'a mut Saved>,
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
        let shape = self.latent_shape(&request)?;
        let batch = request.sampling.batch as usize;
        let schedule = self.schedule(request.sampling)?;
        job.step(Stage::Encode, 0, 1)?;
        let text = self.encode_text(&request)?;
        let mut saved = Saved::default();
        let mut images = Vec::with_capacity(batch);
        for i in 0..batch {
            let mut picture = self.begin(&request, &schedule, shape, i, job)?;
            saved.noise.data.extend(&picture.noise);
            self.denoise(&request, &schedule, &mut picture, &text, tiling, job)?;
            saved.latents.data.extend(&picture.latents);
            let share = Share { job, part: i as u32, parts: request.sampling.batch };
            let latents = self.tensor(&picture.latents, shape)?;
            let pixels = match &self.quick {
                Some(quick) => quick.decode(&latents, &share)?,
                None => self.vae.decode(&latents, None, &share)?,
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
        if !sampling.guidance_scale.is_finite() {
            return refuse("guidance_scale", format!("is {}; it must be a finite number", sampling.guidance_scale));
        }
        let layers = self.clip.layers();
        if !(1..=layers).contains(&(sampling.clip_skip as usize)) {
            return refuse("clip_skip", format!("is {}; this model has 1 to {layers}", sampling.clip_skip));
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

    /// The text as `[1, N, D]`, or as `[2, N, D]` with the negative prompt first if there is guidance. Prompts longer than one
    /// chunk are encoded chunk by chunk and joined; the shorter of the two is padded with empty chunks.
    fn encode_text(&self, request: &Request<'_>) -> Result<Tensor, EngineError> {
        let guided = request.sampling.guidance_scale > 1.0;
        let prompts = if guided { vec![request.negative_prompt, request.prompt] } else { vec![request.prompt] };
        let length = self.clip.length();
        let mut chunked: Vec<_> =
            prompts.iter().map(|p| self.tokenizer.chunks(&self.tokenizer.encode(p), length)).collect();
        let most = chunked.iter().map(Vec::len).max().unwrap_or(1);
        let empty = self.tokenizer.chunks(&[], length);
        chunked.iter_mut().for_each(|chunks| chunks.resize(most, empty[0].clone()));
        let skip = request.sampling.clip_skip as usize;
        let encode =
            |chunks: &Vec<Vec<u32>>| self.clip.forward(chunks, skip)?.reshape((1, most * length, self.clip.width()));
        let embeddings = chunked.iter().map(encode).collect::<candle_core::Result<Vec<_>>>()?;
        Ok(Tensor::cat(&embeddings, 0)?)
    }

    /// Draws noise and encodes pictures: everything picture `index` needs before its first step.
    fn begin(
        &self,
        request: &Request<'_>,
        schedule: &Schedule,
        shape: [usize; 3],
        index: usize,
        job: &dyn Job,
    ) -> Result<Picture, EngineError> {
        let (input, sampling) = (request.input, request.sampling);
        let count = shape.iter().product();
        let mut stream = Noise::new(sampling.seed.wrapping_add(index as u64));
        let rule = samplers::rule(sampling.sampler, &self.training);
        let space = rule.space();
        let wide = self.facts().in_channels as usize > shape[0];
        // diffusers' inpainting starts from pure noise at full strength, its image to image never quite does.
        let from_noise = input.init.is_none() || (request.inpaint == Inpaint::Replace && sampling.start_step == 0);
        let init = input.init.as_ref().filter(|_| !(wide && from_noise));
        let encodings = u32::from(init.is_some()) + u32::from(wide);
        let share = |part: u32| Share { job, part: index as u32 * encodings + part, parts: sampling.batch * encodings };
        let original = init.map(|init| self.encode_picture(init, &mut stream, &share(0))).transpose()?;
        let noise = match request.noise {
            Some(noise) => noise.data[index * count..][..count].to_vec(),
            None => stream.randn(count),
        };
        let channels = match (request.inpaint, wide) {
            (_, true) => Some(self.mask_channels(input, shape, &mut stream, &share(encodings - 1))?),
            (Inpaint::Replace, false) => {
                // diffusers encodes the masked picture for 4-channel models too and then ignores it; its draw counts.
                stream.randn(count);
                None
            }
            (Inpaint::None | Inpaint::Differential, false) => None,
        };
        let start = schedule.steps[sampling.start_step as usize];
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
        let posterior = self.vae.encode(&pixels::to_tensor(image, &self.device)?, None, job)?;
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

    /// Walks one picture down the schedule.
    fn denoise(
        &self,
        request: &Request<'_>,
        schedule: &Schedule,
        picture: &mut Picture,
        text: &Tensor,
        tiling: Tiling,
        job: &dyn Job,
    ) -> Result<(), EngineError> {
        let sampling = request.sampling;
        let steps = &schedule.steps[sampling.start_step as usize..];
        let taken = steps.len() as u32;
        let (done, total) = (picture.index as u32 * taken, sampling.batch * taken);
        let keep = Keep::new(request, picture, steps, self.facts().multiple);
        for (i, step) in steps.iter().enumerate() {
            job.step(Stage::Denoise, done + i as u32, total)?;
            keep.before(i, *step, picture);
            let Picture { rule, latents, stream, channels, shape, .. } = &mut *picture;
            let space = rule.space();
            let asked = Asked {
                text,
                guidance: sampling.guidance_scale,
                channels: channels.as_ref(),
                space,
                shape: *shape,
                tiling,
            };
            let epsilon = self.predict(&asked, latents, step.sigma, step.timestep, job)?;
            if job.wants_preview() {
                let [channels, h, w] = *shape;
                let clean = space.clean(latents, &epsilon, step.sigma);
                // A preview that cannot be made is no reason to stop painting.
                let image = match &self.tiny {
                    Some(tiny) => tiny.preview(&clean, *shape, &self.device).ok(),
                    None => self.look.preview(&clean, channels, Extent::new(w as u32, h as u32)),
                };
                if let Some(image) = image {
                    job.preview(image);
                }
            }
            let number = sampling.start_step as usize + i;
            let mut again =
                |latents: &[f32], sigma| self.predict(&asked, latents, sigma, schedule.timestep(number, sigma), job);
            rule.step(Moment { step: *step, latents, epsilon: &epsilon, noise: stream, again: &mut again })?;
            keep.after(steps.get(i + 1), picture);
            if !picture.latents.iter().all(|v| v.is_finite()) {
                return Err(EngineError::NotFinite { stage: format!("denoising step {}", i + 1) });
            }
        }
        Ok(job.step(Stage::Denoise, done + taken, total)?)
    }

    /// The noise predicted in the latents, guided away from the negative prompt.
    fn predict(
        &self,
        asked: &Asked<'_>,
        latents: &[f32],
        sigma: f64,
        timestep: f64,
        job: &dyn Job,
    ) -> Result<Vec<f32>, EngineError> {
        let Asked { text, guidance, .. } = *asked;
        let scale = (Space::Variance.signal(sigma) / asked.space.signal(sigma)) as f32;
        let scaled: Vec<f32> = latents.iter().map(|x| x * scale).collect();
        let mut x = self.tensor(&scaled, asked.shape)?;
        if let Some(channels) = asked.channels {
            x = Tensor::cat(&[&x, channels], 1)?;
        }
        let texts = text.dims()[0];
        let x = x.repeat((texts, 1, 1, 1))?;
        let [channels, h, w] = asked.shape;
        let predicted = blend([h, w], &asked.tiling, 1, texts * channels, job, |tile, job| {
            let rows = x.narrow(2, tile.rows.start, tile.rows.len)?;
            let x = rows.narrow(3, tile.columns.start, tile.columns.len)?;
            self.unet.forward(&x, timestep, text, job)
        })?;
        let predicted = predicted.flatten_all()?.to_vec1::<f32>()?;
        let guided = match predicted.split_at(predicted.len() / texts) {
            (with, []) => with.to_vec(),
            (without, with) => without.iter().zip(with).map(|(u, c)| u + guidance as f32 * (c - u)).collect(),
        };
        Ok(match self.training.prediction {
            Prediction::Epsilon => guided,
            Prediction::Velocity => {
                let (signal, noise) = (Space::Variance.signal(sigma) as f32, Space::Variance.noise(sigma) as f32);
                guided.iter().zip(&scaled).map(|(v, x)| signal * v + noise * x).collect()
            }
        })
    }

    fn tensor(&self, latents: &[f32], [c, h, w]: [usize; 3]) -> candle_core::Result<Tensor> {
        Tensor::from_slice(latents, (1, c, h, w), &self.device)
    }
}

/// What the denoiser is asked for, the same through a whole picture.
struct Asked<'a> {
    /// `[1, N, D]`, or `[2, N, D]` with the negative prompt first.
    text: &'a Tensor,
    guidance: f64,
    channels: Option<&'a Tensor>,
    space: Space,
    /// `[C, h, w]`.
    shape: [usize; 3],
    /// What the denoiser sees at a time.
    tiling: Tiling,
}

/// One picture on its way down.
struct Picture {
    /// In the rule's space.
    latents: Vec<f32>,
    noise: Vec<f32>,
    /// The clean latents of the initial picture.
    original: Option<Vec<f32>>,
    /// `[1, 1 + C, h, w]`, for 9-channel models.
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
    fn new(request: &Request<'_>, picture: &Picture, steps: &[Step], factor: u32) -> Self {
        match (request.inpaint, &request.input.mask) {
            (Inpaint::Replace, Some(mask)) if picture.channels.is_none() => {
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
