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

use crate::clip::{Activation, ClipConfig, Reads};
use crate::error::EngineError;
use crate::preview::Look;
use crate::schedule::{Aligned, Betas, Prediction, Spacing, Training};
use crate::unet::{Heads, UNetConfig};
use crate::vae::VaeConfig;
use crate::weights::single_file::{self, Encoder};
use crate::weights::{Weights, folder};
use serde_json::Value;
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

/// What the model says it paints best with, else what the family does.
fn defaults(config: &Json, family: Defaults) -> Result<Defaults, EngineError> {
    config.only("sampler", &Sampler::ALL.map(Sampler::name))?;
    config.only("scheduler", &Scheduler::ALL.map(Scheduler::name))?;
    let word = |field: &str| config.value[field].as_str();
    let steps = config.whole("steps")?.unwrap_or(family.steps as usize);
    if steps > 1000 {
        return Err(config.error("steps", format!("is {steps}, a whole number from 1 to 1000 is needed")));
    }
    let guidance_scale = config.number("guidance_scale")?.unwrap_or(family.guidance_scale);
    if !(0.0..=100.0).contains(&guidance_scale) {
        return Err(config.error("guidance_scale", format!("is {guidance_scale}, a number from 0 to 100 is needed")));
    }
    let sampler = Sampler::ALL.into_iter().find(|s| Some(s.name()) == word("sampler"));
    let scheduler = Scheduler::ALL.into_iter().find(|s| Some(s.name()) == word("scheduler"));
    Ok(Defaults {
        steps: steps as u32,
        guidance_scale,
        sampler: sampler.unwrap_or(family.sampler),
        scheduler: scheduler.unwrap_or(family.scheduler),
    })
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

pub(crate) fn unet_settings(config: &Json) -> Result<UNetConfig, EngineError> {
    config.only("act_fn", &["silu", "swish"])?;
    config.only("resnet_time_scale_shift", &["default"])?;
    config.only("time_embedding_type", &["positional"])?;
    config.only("addition_embed_type", &["text_time"])?;
    for field in ["class_embed_type", "time_cond_proj_dim", "encoder_hid_dim", "num_class_embeds"] {
        config.absent(field)?;
    }
    // diffusers calls the number of heads "attention_head_dim", a slip it keeps for old models' sake.
    let field =
        if config.value["num_attention_heads"].is_null() { "attention_head_dim" } else { "num_attention_heads" };
    let heads = match &config.value[field] {
        Value::Array(levels) => {
            let levels: Option<Vec<usize>> = levels.iter().map(|v| v.as_u64().map(|n| n as usize)).collect();
            Heads::PerLevel(levels.ok_or_else(|| config.error(field, "must be a whole number or a list of them"))?)
        }
        _ => Heads::Same(config.whole(field)?.unwrap_or(8)),
    };
    Ok(UNetConfig {
        heads,
        norm_groups: config.whole("norm_num_groups")?.unwrap_or(32),
        norm_eps: config.number("norm_eps")?.unwrap_or(1e-5),
        flip_sin_to_cos: config.value["flip_sin_to_cos"].as_bool().unwrap_or(true),
        freq_shift: config.number("freq_shift")?.unwrap_or(0.0),
        size_features: config.whole("addition_time_embed_dim")?.unwrap_or(256),
    })
}

fn text_settings(config: &Json) -> Result<ClipConfig, EngineError> {
    config.only("hidden_act", &["quick_gelu", "gelu"])?;
    Ok(ClipConfig {
        heads: config.whole("num_attention_heads")?.unwrap_or(12),
        activation: match config.value["hidden_act"].as_str() {
            Some("gelu") => Activation::Gelu,
            _ => Activation::QuickGelu,
        },
        norm_eps: config.number("layer_norm_eps")?.unwrap_or(1e-5),
        reads: Reads::Last,
    })
}

fn training(config: &Json) -> Result<Training, EngineError> {
    config.only("beta_schedule", &["linear", "scaled_linear"])?;
    config.only("prediction_type", &["epsilon", "v_prediction"])?;
    config.only("timestep_spacing", &["linspace", "leading", "trailing"])?;
    config.absent("trained_betas")?;
    let text = |field: &str| config.value[field].as_str();
    let timesteps = config.whole("num_train_timesteps")?.unwrap_or(1000);
    if !(2..=100_000).contains(&timesteps) {
        return Err(config.error("num_train_timesteps", "must be between 2 and 100000"));
    }
    let beta = [config.number("beta_start")?.unwrap_or(0.0001), config.number("beta_end")?.unwrap_or(0.02)];
    if !(beta[0] > 0.0 && beta[0] <= beta[1] && beta[1] < 1.0) {
        return Err(config.error("beta_start", "and beta_end must rise between 0 and 1"));
    }
    Ok(Training {
        timesteps,
        beta,
        betas: if text("beta_schedule") == Some("scaled_linear") { Betas::ScaledLinear } else { Betas::Linear },
        zero_snr: config.value["rescale_betas_zero_snr"].as_bool().unwrap_or(false),
        prediction: if text("prediction_type") == Some("v_prediction") {
            Prediction::Velocity
        } else {
            Prediction::Epsilon
        },
        spacing: match text("timestep_spacing") {
            Some("linspace") => Some(Spacing::Linspace),
            Some("trailing") => Some(Spacing::Trailing),
            Some(_) => Some(Spacing::Leading),
            None => None,
        },
        // diffusers' Stable Diffusion pipelines set an offset other than 1 to 1, with a warning.
        steps_offset: 1.0,
        set_alpha_to_one: config.value["set_alpha_to_one"].as_bool().unwrap_or(true),
        // Absent it would be diffusers' default, true; but every published latent model says false.
        clip_sample: config.value["clip_sample"].as_bool().unwrap_or(false),
        final_sigma_min: text("final_sigmas_type") == Some("sigma_min"),
        aligned: Aligned::Sd1,
    })
}

/// A configuration file; its accessors name the file and the field when a value is of the wrong kind.
pub(crate) struct Json {
    path: PathBuf,
    /// Where in the file `value` is: empty, or `member.`.
    at: String,
    pub(crate) value: Value,
}

impl Json {
    pub(crate) fn read(path: &Path) -> Result<Self, EngineError> {
        let value = read_json(path, 1 << 20)?;
        if !value.is_object() {
            return Err(EngineError::Damaged { path: path.to_owned(), what: "it is not a JSON object".into() });
        }
        Ok(Self { path: path.to_owned(), at: String::new(), value })
    }

    pub(crate) fn error(&self, field: &str, what: impl Into<String>) -> EngineError {
        EngineError::Config { path: self.path.clone(), field: format!("{}{field}", self.at), what: what.into() }
    }

    /// The object `field`, an empty one if it is absent.
    fn object(&self, field: &str) -> Result<Self, EngineError> {
        match &self.value[field] {
            value @ (Value::Null | Value::Object(_)) => {
                Ok(Self { path: self.path.clone(), at: format!("{}{field}.", self.at), value: value.clone() })
            }
            _ => Err(self.error(field, "must be an object")),
        }
    }

    /// A few words on one line.
    fn name(&self, field: &str) -> Result<Option<String>, EngineError> {
        match &self.value[field] {
            Value::Null => Ok(None),
            value => match value.as_str().map(str::trim) {
                Some(name) if (1..=80).contains(&name.chars().count()) && !name.contains(char::is_control) => {
                    Ok(Some(name.to_owned()))
                }
                _ => Err(self.error(field, "must be text of 1 to 80 characters on one line")),
            },
        }
    }

    /// A row of three numbers for each of `channels`, then one more.
    fn look(&self, field: &str, channels: usize) -> Result<Option<Look>, EngineError> {
        // No channel of any model comes near the largest; what is far beyond it would only make infinities.
        let number = |v: &Value| v.as_f64().filter(|v| v.abs() <= 1000.0).map(|v| v as f32);
        let row = |row: &Value| match row.as_array()?.as_slice() {
            [r, g, b] => Some([number(r)?, number(g)?, number(b)?]),
            _ => None,
        };
        let value = &self.value[field];
        let rows: Option<Vec<_>> = value.as_array().and_then(|rows| rows.iter().map(row).collect());
        match rows {
            _ if value.is_null() => Ok(None),
            Some(mut rows) if rows.len() == channels + 1 => {
                let bias = rows.pop().unwrap_or_default();
                Ok(Some(Look { rows, bias }))
            }
            _ => Err(self.error(
                field,
                format!("must be {} rows of 3 numbers: one for each latent channel and what is added", channels + 1),
            )),
        }
    }

    pub(crate) fn whole(&self, field: &str) -> Result<Option<usize>, EngineError> {
        match &self.value[field] {
            Value::Null => Ok(None),
            value => match value.as_u64() {
                Some(n @ 1..=1_000_000) => Ok(Some(n as usize)),
                _ => Err(self.error(field, format!("is {value}, a whole number above 0 is needed"))),
            },
        }
    }

    pub(crate) fn number(&self, field: &str) -> Result<Option<f64>, EngineError> {
        match &self.value[field] {
            Value::Null => Ok(None),
            value => {
                value.as_f64().map(Some).ok_or_else(|| self.error(field, format!("is {value}, a number is needed")))
            }
        }
    }

    pub(crate) fn only(&self, field: &str, choices: &[&str]) -> Result<(), EngineError> {
        match &self.value[field] {
            Value::Null => Ok(()),
            value if value.as_str().is_some_and(|v| choices.contains(&v)) => Ok(()),
            value => Err(self.error(field, format!("is {value}, this version knows {}", choices.join(", ")))),
        }
    }

    fn absent(&self, field: &str) -> Result<(), EngineError> {
        match &self.value[field] {
            Value::Null => Ok(()),
            value => {
                Err(self.error(field, format!("is {value}; models with it are not Stable Diffusion 1.x, 2.x or XL")))
            }
        }
    }
}

/// Reads a text file of at most `max_bytes` bytes.
pub(crate) fn read_text(path: &Path, max_bytes: u64) -> Result<String, EngineError> {
    use std::io::Read;
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(max_bytes).read_to_string(&mut text))
        .map_err(|error| EngineError::Read { path: path.to_owned(), error })?;
    Ok(text)
}

/// Reads a JSON file of at most `max_bytes` bytes.
pub(crate) fn read_json(path: &Path, max_bytes: u64) -> Result<Value, EngineError> {
    serde_json::from_str(&read_text(path, max_bytes)?)
        .map_err(|e| EngineError::Damaged { path: path.to_owned(), what: format!("it is not valid JSON ({e})") })
}
