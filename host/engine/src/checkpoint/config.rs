//! The configuration files of a diffusers folder, read member by member: what is of the wrong kind is named with file and field,
//! what we do not know is refused rather than passed over.

use crate::clip::{Activation, ClipConfig, Reads};
use crate::error::EngineError;
use crate::preview::Look;
use crate::schedule::{Aligned, Betas, Prediction, Spacing, Training};
use crate::unet::{Heads, UNetConfig};
use serde_json::Value;
use std::path::{Path, PathBuf};
use underpaint_plan::{Defaults, Sampler, Scheduler};

/// What the model says it paints best with, else what the family does.
pub(super) fn defaults(config: &Json, family: Defaults) -> Result<Defaults, EngineError> {
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

pub(super) fn text_settings(config: &Json) -> Result<ClipConfig, EngineError> {
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

pub(super) fn training(config: &Json) -> Result<Training, EngineError> {
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
    pub(crate) fn object(&self, field: &str) -> Result<Self, EngineError> {
        match &self.value[field] {
            value @ (Value::Null | Value::Object(_)) => {
                Ok(Self { path: self.path.clone(), at: format!("{}{field}.", self.at), value: value.clone() })
            }
            _ => Err(self.error(field, "must be an object")),
        }
    }

    /// A few words on one line.
    pub(super) fn name(&self, field: &str) -> Result<Option<String>, EngineError> {
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
    pub(super) fn look(&self, field: &str, channels: usize) -> Result<Option<Look>, EngineError> {
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
