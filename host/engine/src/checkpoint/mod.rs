//! A model on disk with everything known about it before a weight is read: components, configurations, facts.
//!
//! A diffusers folder may carry `underpaint.json` beside `model_index.json`, every member optional: what the model is
//! called, what it paints best with, and how its latents look (the last row is what is added to every pixel):
//!
//! ```json
//! {
//!   "name": "Starter",
//!   "defaults": {"steps": 16, "guidance_scale": 4.0, "sampler": "dpmpp_2m", "scheduler": "normal"},
//!   "preview": [[0.3, 0.2, 0.2], [0.2, 0.3, 0.2], [-0.2, 0.2, 0.3], [-0.2, -0.3, -0.5], [0.0, 0.0, 0.1]]
//! }
//! ```

mod config;

pub(crate) use config::{Json, read_json, read_text, unet_settings};

use crate::clip::{Activation, ClipConfig, Reads};
use crate::error::EngineError;
use crate::lora::Component;
use crate::preview::Look;
use crate::schedule::{Aligned, Prediction, Spacing, Training};
use crate::unet::{Heads, UNetConfig};
use crate::vae::VaeConfig;
use crate::weights::single_file::{self, Encoder};
use crate::weights::{Weights, folder};
use config::{defaults, text_settings, training};
use std::path::{Path, PathBuf};
use underpaint_plan::{Defaults, Family, Kind, ModelFacts, Sampler, Scheduler};

/// An opened model: headers and configurations are read, weights are not.
pub struct Checkpoint {
    /// The denoiser's tensors and settings.
    pub unet: (Weights, UNetConfig),
    /// The autoencoder's.
    pub vae: (Weights, VaeConfig),
    /// The text encoders, in the order their embeddings are joined.
    pub texts: Vec<TextPart>,
    /// A prompt that was not given is shown to the denoiser as zeros rather than as an empty text (SDXL).
    pub zeros_when_absent: bool,
    /// How it was trained.
    pub training: Training,
    /// What its latents look like.
    pub look: Look,
    /// For planning.
    pub facts: ModelFacts,
}

/// One text encoder, opened.
pub struct TextPart {
    /// Its tensors.
    pub weights: Weights,
    /// Its settings.
    pub config: ClipConfig,
    /// The folder with its own vocabulary, if it brings one.
    pub vocabulary: Option<PathBuf>,
}

impl TextPart {
    /// Which of a model's encoders LoRAs take it for: SDXL's refiner has the second of SDXL's alone.
    pub(crate) fn component(&self) -> Component {
        if self.weights.has("text_projection.") { Component::TextEncoder2 } else { Component::TextEncoder }
    }
}

/// Reads what `path`, a diffusers folder or a single file, says about itself: headers and configurations only.
pub fn inspect(path: &Path) -> Result<ModelFacts, EngineError> {
    Ok(Checkpoint::open(path, None)?.facts)
}

impl Checkpoint {
    /// Opens a folder or file; `vae` takes the place of the model's own autoencoder.
    pub fn open(path: &Path, vae: Option<&Path>) -> Result<Self, EngineError> {
        let is_folder =
            std::fs::metadata(path).map_err(|error| EngineError::Read { path: path.to_owned(), error })?.is_dir();
        let mut checkpoint = if is_folder { Self::from_folder(path)? } else { Self::from_file(path)? };
        if let Some(vae) = vae {
            checkpoint.vae = open_vae(vae, scaling_factor(checkpoint.facts.family))?;
        }
        checkpoint.check(path)?;
        Ok(checkpoint)
    }

    fn from_folder(path: &Path) -> Result<Self, EngineError> {
        let wrong = |found: &str| EngineError::WrongArchitecture { path: path.to_owned(), found: found.into() };
        for (part, found) in [
            ("transformer", "a folder of a transformer model (SD 3, Flux or later)"),
            ("prior", "a folder of a two-stage model"),
        ] {
            if path.join(part).is_dir() {
                return Err(wrong(found));
            }
        }
        if let Some(part) = ["unet", "vae"].iter().find(|part| !path.join(part).is_dir()) {
            return Err(wrong(&format!("a folder without {part}")));
        }
        let unet_config = Json::read(&path.join("unet/config.json"))?;
        let unet = (folder::open(&path.join("unet"), |name| Some(name.to_owned()))?, unet_settings(&unet_config)?);
        let mut texts = Vec::new();
        for (part, vocabulary) in [("text_encoder", "tokenizer"), ("text_encoder_2", "tokenizer_2")] {
            if path.join(part).is_dir() {
                let config = text_settings(&Json::read(&path.join(part).join("config.json"))?)?;
                let weights = folder::open(&path.join(part), single_file::text_name)?;
                texts.push(TextPart { weights, config, vocabulary: Some(path.join(vocabulary)) });
            }
        }
        let Some(family) = settle(&unet.0, &mut texts) else { return Err(wrong("a folder without text_encoder")) };
        let schedule = path.join("scheduler/scheduler_config.json");
        let own = if schedule.is_file() { Some(training(&Json::read(&schedule)?)?) } else { None };
        let usual = family_training(family);
        let training = own.map_or_else(|| usual.clone(), |own| Training { aligned: usual.aligned, ..own });
        let index = path.join("model_index.json");
        let zeros_when_absent = match index.is_file() {
            true => Json::read(&index)?.value["force_zeros_for_empty_prompt"].as_bool(),
            false => None,
        };
        let vae = open_vae(&path.join("vae"), 0.18215)?;
        let factor = downscaling(&vae.0);
        let sample = unet_config.whole("sample_size")?.unwrap_or(64) as u32;
        let size = (factor, sample.saturating_mul(factor));
        let mut facts = facts(path, (&unet.0, latent_channels(&vae.0)), size, family, training.prediction)?;
        let mut look = look(family);
        let own = path.join("underpaint.json");
        if own.is_file() {
            let own = Json::read(&own)?;
            facts.name = own.name("name")?;
            facts.defaults = defaults(&own.object("defaults")?, facts.defaults)?;
            look = own.look("preview", latent_channels(&vae.0))?.unwrap_or(look);
        }
        // diffusers' pipelines take it for SDXL if the folder does not say.
        let zeros_when_absent = zeros_when_absent.unwrap_or(family == Family::Sdxl);
        Ok(Self { unet, vae, texts, zeros_when_absent, training, look, facts })
    }

    fn from_file(path: &Path) -> Result<Self, EngineError> {
        let parts = single_file::open(path)?;
        let (unet, vae) = (parts.unet, parts.vae);
        let mut texts = Vec::new();
        for (weights, encoder) in parts.texts {
            let width = weights.shape("final_layer_norm.weight").and_then(|s| s.first().copied()).unwrap_or(0);
            let activation = match encoder {
                Encoder::Clip => Activation::QuickGelu,
                Encoder::OpenClip => Activation::Gelu,
            };
            // CLIP's heads are 64 wide; narrower encoders than that exist only in tests.
            let config = ClipConfig { heads: (width / 64).max(1), activation, norm_eps: 1e-5, reads: Reads::Last };
            texts.push(TextPart { weights, config, vocabulary: None });
        }
        let Some(family) = settle(&unet, &mut texts) else {
            let found = "a checkpoint without its text encoder".to_owned();
            return Err(EngineError::WrongArchitecture { path: path.to_owned(), found });
        };
        let unet_config = lone_unet_settings(&unet);
        let vae_config = VaeConfig { norm_groups: norm_groups(&vae), scaling_factor: scaling_factor(family) };
        let mut training = family_training(family);
        if parts.velocity || (family == Family::Sd2 && looks_like_velocity(&unet)?) {
            training.prediction = Prediction::Velocity;
        }
        if parts.zero_snr {
            training.zero_snr = true;
            training.spacing = Some(Spacing::Trailing);
        }
        let side = match (family, training.prediction) {
            (Family::Sdxl | Family::SdxlRefiner, _) => 1024,
            (Family::Sd2, Prediction::Velocity) => 768,
            _ => 512,
        };
        let size = (downscaling(&vae), side);
        let facts = facts(path, (&unet, latent_channels(&vae)), size, family, training.prediction)?;
        Ok(Self {
            unet: (unet, unet_config),
            vae: (vae, vae_config),
            texts,
            zeros_when_absent: family == Family::Sdxl,
            training,
            look: look(family),
            facts,
        })
    }

    /// Refuses parts that cannot work together.
    fn check(&self, path: &Path) -> Result<(), EngineError> {
        let wrong = |found: String| Err(EngineError::WrongArchitecture { path: path.to_owned(), found });
        let unet = &self.unet.0;
        let widths = self.texts.iter().filter_map(|t| t.weights.shape("final_layer_norm.weight")?.first().copied());
        let width: usize = widths.sum();
        let context = unet.names().find(|n| n.ends_with("attn2.to_k.weight")).and_then(|n| unet.shape(n));
        if let Some(context) = context.and_then(|s| s.get(1).copied())
            && width != context
        {
            return wrong(format!(
                "a model whose U-Net reads texts {context} wide while its text encoders write {width}"
            ));
        }
        let (latents, inputs) = (latent_channels(&self.vae.0), self.facts.in_channels as usize);
        if ![latents, 2 * latents, 2 * latents + 1].contains(&inputs) {
            let (edit, inpaint) = (2 * latents, 2 * latents + 1);
            return wrong(format!(
                "a model with {inputs} input channels; {latents} (plain), {inpaint} (inpainting) or {edit} (editing) fit its VAE"
            ));
        }
        Ok(())
    }
}

/// The family, by what there is, with the text encoders set to what its denoiser reads; `None` without any encoder.
fn settle(unet: &Weights, texts: &mut [TextPart]) -> Option<Family> {
    let family = match (unet.has("add_embedding."), texts.len(), texts.first()?.config.activation) {
        (true, 1, _) => Family::SdxlRefiner,
        (true, _, _) => Family::Sdxl,
        (false, 1, Activation::Gelu) => Family::Sd2,
        (false, _, _) => Family::Sd15,
    };
    let last = texts.len() - 1;
    for (i, text) in texts.iter_mut().enumerate() {
        let xl = matches!(family, Family::Sdxl | Family::SdxlRefiner);
        text.config.reads = if xl { Reads::Penultimate } else { Reads::Last };
        if !xl || i < last {
            // Only the last encoder of SDXL embeds the whole text.
            text.weights.drop("text_projection.weight");
        }
    }
    Some(family)
}

/// What `diffusers` assumes of a family's single files.
fn family_training(family: Family) -> Training {
    let xl = matches!(family, Family::Sdxl | Family::SdxlRefiner);
    let aligned = if xl { Aligned::Sdxl } else { Aligned::Sd1 };
    Training { spacing: xl.then_some(Spacing::Leading), aligned, ..Training::default() }
}

fn scaling_factor(family: Family) -> f64 {
    if matches!(family, Family::Sdxl | Family::SdxlRefiner) { 0.13025 } else { 0.18215 }
}

fn look(family: Family) -> Look {
    if matches!(family, Family::Sdxl | Family::SdxlRefiner) { Look::sdxl() } else { Look::sd1() }
}

/// SD 2.x's files do not say what they predict, but in those trained to predict the velocity the norms of the last
/// attention have biases of another size (an observation of ComfyUI's authors, the threshold too).
fn looks_like_velocity(unet: &Weights) -> Result<bool, EngineError> {
    let norm = |name: &&str| name.starts_with("up_blocks.") && name.ends_with(".transformer_blocks.0.norm1.bias");
    let Some(name) = unet.names().filter(norm).last() else { return Ok(false) };
    let bias = unet.read(name)?.unwrap_or_default();
    let n = bias.len().max(2) as f32;
    let mean = bias.iter().sum::<f32>() / n;
    Ok((bias.iter().map(|b| (b - mean).powi(2)).sum::<f32>() / (n - 1.0)).sqrt() > 0.09)
}

/// A VAE from a folder with `config.json` or a file of either naming; `scaling_factor` is for those that do not tell.
fn open_vae(path: &Path, scaling_factor: f64) -> Result<(Weights, VaeConfig), EngineError> {
    if !path.is_dir() {
        let weights = single_file::open_vae(path)?;
        let config = VaeConfig { norm_groups: norm_groups(&weights), scaling_factor };
        return Ok((weights, config));
    }
    let config = Json::read(&path.join("config.json"))?;
    config.only("act_fn", &["silu", "swish"])?;
    let config = VaeConfig {
        norm_groups: config.whole("norm_num_groups")?.unwrap_or(32),
        scaling_factor: config.number("scaling_factor")?.unwrap_or(scaling_factor),
    };
    Ok((folder::open(path, |name| Some(single_file::diffusers_vae_name(name)))?, config))
}

fn latent_channels(vae: &Weights) -> usize {
    vae.shape("decoder.conv_in.weight").and_then(|s| s.get(1).copied()).unwrap_or(0)
}

/// Pixels per latent, from the number of resolutions.
fn downscaling(vae: &Weights) -> u32 {
    let level = |i: &u32| vae.has(&format!("decoder.up_blocks.{i}."));
    1 << (0..8).take_while(level).count().saturating_sub(1)
}

/// Groups in a file that does not say: 32 as everywhere in the family, or for a tiny model the largest power of two that
/// divides all widths.
pub(crate) fn norm_groups(weights: &Weights) -> usize {
    let norms = weights.names().filter(|n| n.ends_with("norm1.weight") && n.contains("resnets"));
    norms
        .filter_map(|n| weights.shape(n)?.first().copied())
        .fold(32, |groups, width| groups.min(1 << width.trailing_zeros().min(5)))
}

fn facts(
    path: &Path,
    (unet, latents): (&Weights, usize),
    (multiple, native_side): (u32, u32),
    family: Family,
    prediction: Prediction,
) -> Result<ModelFacts, EngineError> {
    let name = if path.is_dir() { path.file_name() } else { path.file_stem() };
    let id = name.map_or_else(|| "model".into(), |s| s.to_string_lossy().into_owned());
    let missing =
        || EngineError::WrongArchitecture { path: path.to_owned(), found: "a U-Net without conv_in.weight".into() };
    let in_channels = unet.shape("conv_in.weight").and_then(|s| s.get(1).copied()).ok_or_else(missing)?;
    let kind = match in_channels.checked_sub(latents) {
        Some(more) if more == latents + 1 => Kind::Inpaint,
        Some(more) if more == latents && more > 0 => Kind::Edit,
        _ => Kind::Text,
    };
    let defaults = match (family, prediction) {
        // The fine-tunes of SDXL that predict the velocity (NoobAI) are made for it.
        (Family::Sdxl, Prediction::Velocity) => {
            Defaults { steps: 26, guidance_scale: 5.0, sampler: Sampler::EulerA, scheduler: Scheduler::Normal }
        }
        _ => Defaults { steps: 20, guidance_scale: 7.0, sampler: Sampler::Dpmpp2m, scheduler: Scheduler::Karras },
    };
    let in_channels = in_channels as u32;
    Ok(ModelFacts { id, name: None, family, native_side, multiple, in_channels, kind, defaults })
}

/// Settings of a U-Net, or half of one, whose file does not tell them.
pub(crate) fn lone_unet_settings(unet: &Weights) -> UNetConfig {
    let linear = unet.names().find(|n| n.ends_with("proj_in.weight")).and_then(|n| unet.shape(n));
    UNetConfig {
        // Who trained with linear projections (SD 2.x, SDXL) trained with heads of 64.
        heads: if linear.is_some_and(|s| s.len() == 2) { Heads::OfWidth(64) } else { Heads::Same(8) },
        norm_groups: norm_groups(unet),
        norm_eps: 1e-5,
        flip_sin_to_cos: true,
        freq_shift: 0.0,
        size_features: 256,
    }
}
