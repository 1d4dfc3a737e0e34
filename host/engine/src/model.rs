//! A model in memory.

use crate::checkpoint::Checkpoint;
use crate::lora::{Component, Layers, LoraUse};
use crate::preview::Look;
use crate::prompt::Embedding;
use crate::schedule::{Prediction, Spacing, Training};
use crate::taesd::{self, Tiny};
use crate::text::Text;
use crate::tiles::Tiling;
use crate::unet::UNet;
use crate::vae::Vae;
use crate::weights::{Loading, Weights};
use crate::{DeviceKind, Dtype, EngineError, device, memory};
use candle_core::Device;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use underpaint_plan::ModelFacts;
use underpaint_raster::{Job, Stage};

/// How to load a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Where to compute; `None` takes the fastest there is.
    pub device: Option<DeviceKind>,
    /// Precision; `None` takes what the device is best at.
    pub dtype: Option<Dtype>,
    /// An autoencoder to use instead of the model's own: a folder or file of either naming. A tiny autoencoder does
    /// what it has halves for.
    pub vae: Option<PathBuf>,
    /// A tiny autoencoder for previews; without one, what lies in a `vae_approx` folder beside the model is used.
    pub taesd: Option<PathBuf>,
    /// What the denoiser predicts, whatever the model's files say.
    pub prediction: Option<Prediction>,
    /// Whether it was trained to zero terminal SNR, whatever the model's files say. Where these do not say how timesteps are spaced either,
    /// they then begin at the last one, since such a model can begin from pure noise.
    pub zero_snr: Option<bool>,
}

/// A loaded model. Stays usable after any error or cancellation.
pub struct Model {
    pub(crate) unet: UNet,
    pub(crate) vae: Vae,
    pub(crate) text: Text,
    /// Numbers SDXL is told of a picture's size.
    pub(crate) sizes: usize,
    pub(crate) training: Training,
    pub(crate) look: Look,
    /// For previews, instead of `look`.
    pub(crate) tiny: Option<Arc<Tiny>>,
    /// For results, instead of the decoder of `vae`.
    pub(crate) quick: Option<Arc<Tiny>>,
    pub(crate) device: Device,
    /// How the autoencoder cuts pictures; `None` as usual.
    pub(crate) vae_tiling: Option<Tiling>,
    pub(crate) layers: Layers,
    /// Of the weights that LoRAs cannot change.
    fixed_bytes: u64,
    facts: ModelFacts,
}

impl Model {
    /// Loads the diffusers folder or single-file checkpoint at `path`; asks `job` before each tensor.
    pub fn load(path: &Path, options: &Options, job: &dyn Job) -> Result<Self, EngineError> {
        let (device, dtype) = device::open(options.device, options.dtype)?;
        let quick = options.vae.as_deref().filter(|path| taesd::is_decoder(path));
        let checkpoint = Checkpoint::open(path, options.vae.as_deref().filter(|_| quick.is_none()))?;
        let bytes = memory::model_bytes(&checkpoint, device::keeping(&device, dtype));
        let Checkpoint { unet, vae, texts, zeros_when_absent, mut training, look, facts } = checkpoint;
        training.prediction = options.prediction.unwrap_or(training.prediction);
        training.zero_snr = options.zero_snr.unwrap_or(training.zero_snr);
        if options.zero_snr == Some(true) {
            training.spacing.get_or_insert(Spacing::Trailing);
        }
        let parts = texts.iter().map(|text| &text.weights).chain([&vae.0, &unet.0]);
        let total = parts.map(|weights| weights.names().count()).sum();
        let loading = Loading::new(&device, total, job).in_precision(dtype);
        let mut layers = Layers::default();
        let text = Text::load(&texts, zeros_when_absent, &loading, &mut layers)?;
        let vae_loaded = Vae::load(&vae.0.root(&loading).exact(), &vae.1)?;
        known(&vae.0, "autoencoder")?;
        // No LoRA changes it.
        drop(loading.exchangeable());
        let unet_loaded = UNet::load(&unet.0.root(&loading), &unet.1)?;
        known(&unet.0, "U-Net")?;
        layers.insert(Component::Unet, &loading);
        let root = unet.0.root(&loading);
        let sizes = match unet_loaded.sizes(text.pooled_width()) {
            Some(sizes @ (0 | 5 | 6)) => sizes,
            _ => {
                let what = format!("does not take a text {} wide with five or six sizes", text.pooled_width());
                return Err(root.error("add_embedding.linear_1.weight", what));
            }
        };
        job.step(Stage::Load, total as u32, total as u32)?;
        let channels = vae_loaded.latent_channels();
        let open = |path: &Path| Tiny::load(path, channels, &device).map(Arc::new);
        let quick = quick.map(open).transpose()?;
        let tiny = match options.taesd.as_deref() {
            Some(path) => Some(open(path)?),
            // One that was only found is no reason not to paint.
            None => {
                quick.clone().or_else(|| taesd::beside(path, channels, facts.family).and_then(|path| open(&path).ok()))
            }
        };
        let fixed_bytes = bytes.saturating_sub(layers.bytes());
        Ok(Self {
            unet: unet_loaded,
            vae: vae_loaded,
            text,
            sizes,
            training,
            look,
            tiny,
            quick,
            device,
            vae_tiling: None,
            layers,
            fixed_bytes,
            facts,
        })
    }

    /// What planning must know about it.
    pub fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    /// Bytes of its weights as they are now, with what LoRAs widened.
    pub fn weights_bytes(&self) -> u64 {
        self.fixed_bytes + self.layers.bytes()
    }

    /// Makes `loras` and nothing else a part of the weights, for all jobs until the next call; an empty list undoes all. Only layers in
    /// which something changes are touched; asks `job` before each. The files are checked before the first layer is touched.
    /// A change that is broken off leaves a model that does not paint until a later call has succeeded.
    pub fn set_loras(&mut self, loras: &[LoraUse<'_>], job: &dyn Job) -> Result<(), EngineError> {
        self.layers.set(loras, job)
    }

    /// How the autoencoder cuts pictures, in latents, until the next call; `None` as usual ([`vae::usual`](crate::vae::usual)).
    pub fn set_vae_tiling(&mut self, tiling: Option<Tiling>) {
        self.vae_tiling = tiling;
    }

    /// As it was set last.
    pub fn vae_tiling(&self) -> Option<Tiling> {
        self.vae_tiling
    }

    /// Refuses an embedding made for other text encoders than this model's.
    pub fn fits(&self, embedding: &Embedding) -> Result<(), EngineError> {
        self.text.fits(embedding)
    }
}

/// Refuses a component with tensors that no layer asked for: it is of another architecture, and would paint nonsense.
pub(crate) fn known(weights: &Weights, part: &str) -> Result<(), EngineError> {
    match weights.unused() {
        None => Ok(()),
        Some(name) => {
            let found = format!("a model whose {part} has tensors of another architecture (the first is {name})");
            Err(EngineError::WrongArchitecture { path: weights.path().to_owned(), found })
        }
    }
}
