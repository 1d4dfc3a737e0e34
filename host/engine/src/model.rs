//! A model in memory.

use crate::EngineError;
use crate::checkpoint::Checkpoint;
use crate::clip::Clip;
use crate::preview::Look;
use crate::schedule::Training;
use crate::taesd::{self, Tiny};
use crate::tokenizer::Tokenizer;
use crate::unet::UNet;
use crate::vae::Vae;
use crate::weights::{Loading, Weights};
use candle_core::Device;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use underpaint_plan::ModelFacts;
use underpaint_raster::{Job, Stage};

/// Where to compute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum DeviceKind {
    /// The processor; always there.
    #[default]
    Cpu,
    /// An NVIDIA card.
    Cuda,
    /// An Apple GPU.
    Metal,
}

/// Precision of weights and activations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Dtype {
    /// 32 bits.
    #[default]
    F32,
    /// 16 bits, 5 of them exponent.
    F16,
    /// 16 bits, 8 of them exponent.
    Bf16,
}

/// How to load a model.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Options {
    /// Where to compute.
    pub device: DeviceKind,
    /// Precision.
    pub dtype: Dtype,
    /// An autoencoder to use instead of the model's own: a folder or file of either naming. A tiny autoencoder does
    /// what it has halves for.
    pub vae: Option<PathBuf>,
    /// A tiny autoencoder for previews; without one, what lies in a `vae_approx` folder beside the model is used.
    pub taesd: Option<PathBuf>,
}

/// A loaded model. Stays usable after any error or cancellation.
pub struct Model {
    pub(crate) unet: UNet,
    pub(crate) vae: Vae,
    pub(crate) clip: Clip,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) training: Training,
    pub(crate) look: Look,
    /// For previews, instead of `look`.
    pub(crate) tiny: Option<Arc<Tiny>>,
    /// For results, instead of the decoder of `vae`.
    pub(crate) quick: Option<Arc<Tiny>>,
    pub(crate) device: Device,
    facts: ModelFacts,
}

impl Model {
    /// Loads the diffusers folder or single-file checkpoint at `path`; asks `job` before each tensor.
    pub fn load(path: &Path, options: &Options, job: &dyn Job) -> Result<Self, EngineError> {
        let device = device(options)?;
        let quick = options.vae.as_deref().filter(|path| taesd::is_decoder(path));
        let checkpoint = Checkpoint::open(path, options.vae.as_deref().filter(|_| quick.is_none()))?;
        let Checkpoint { unet, vae, text, training, tokenizer, look, facts } = checkpoint;
        let total = [&text.0, &vae.0, &unet.0].map(|weights| weights.names().count()).iter().sum();
        let loading = Loading::new(&device, total, job);
        let root = text.0.root(&loading);
        let clip = Clip::load(&root, &text.1)?;
        known(&text.0, "text encoder")?;
        let tokenizer = match tokenizer {
            Some(folder) => Tokenizer::from_folder(&folder)?.unwrap_or_else(Tokenizer::clip),
            None => Tokenizer::clip(),
        };
        if tokenizer.size() > clip.vocabulary() {
            let what = format!("has {} rows, its tokenizer needs {}", clip.vocabulary(), tokenizer.size());
            return Err(root.error("embeddings.token_embedding.weight", what));
        }
        let vae_loaded = Vae::load(&vae.0.root(&loading), &vae.1)?;
        known(&vae.0, "autoencoder")?;
        let unet_loaded = UNet::load(&unet.0.root(&loading), &unet.1)?;
        known(&unet.0, "U-Net")?;
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
        Ok(Self { unet: unet_loaded, vae: vae_loaded, clip, tokenizer, training, look, tiny, quick, device, facts })
    }

    /// What planning must know about it.
    pub fn facts(&self) -> &ModelFacts {
        &self.facts
    }
}

/// Refuses a component with tensors that no layer asked for: it is of another architecture, and would paint nonsense.
fn known(weights: &Weights, part: &str) -> Result<(), EngineError> {
    match weights.unused() {
        None => Ok(()),
        Some(name) => {
            let found = format!("a model whose {part} has tensors of another architecture (the first is {name})");
            Err(EngineError::WrongArchitecture { path: weights.path().to_owned(), found })
        }
    }
}

fn device(options: &Options) -> Result<Device, EngineError> {
    let refuse = |what: &str| Err(EngineError::Device { what: what.into() });
    match (options.device, options.dtype) {
        (DeviceKind::Cuda, _) => {
            refuse("device is cuda, but this build of Underpaint computes on the CPU only; use --device cpu")
        }
        (DeviceKind::Metal, _) => {
            refuse("device is metal, but this build of Underpaint computes on the CPU only; use --device cpu")
        }
        (DeviceKind::Cpu, Dtype::F32) => Ok(Device::Cpu),
        (DeviceKind::Cpu, Dtype::F16) => refuse("dtype is f16, but the CPU computes in f32 only; use --dtype f32"),
        (DeviceKind::Cpu, Dtype::Bf16) => refuse("dtype is bf16, but the CPU computes in f32 only; use --dtype f32"),
    }
}
