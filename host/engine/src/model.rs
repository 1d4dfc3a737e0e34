//! A model in memory.

use crate::EngineError;
use crate::checkpoint::Checkpoint;
use crate::clip::Clip;
use crate::lora::{Component, Layers, LoraUse};
use crate::preview::Look;
use crate::schedule::Training;
use crate::tokenizer::Tokenizer;
use crate::unet::UNet;
use crate::vae::Vae;
use crate::weights::{Loading, Weights};
use candle_core::Device;
use std::path::{Path, PathBuf};
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
    /// An autoencoder to use instead of the model's own: a folder or file of either naming.
    pub vae: Option<PathBuf>,
}

/// A loaded model. Stays usable after any error or cancellation.
pub struct Model {
    pub(crate) unet: UNet,
    pub(crate) vae: Vae,
    pub(crate) clip: Clip,
    pub(crate) tokenizer: Tokenizer,
    pub(crate) training: Training,
    pub(crate) look: Look,
    pub(crate) device: Device,
    pub(crate) layers: Layers,
    facts: ModelFacts,
}

impl Model {
    /// Loads the diffusers folder or single-file checkpoint at `path`; asks `job` before each tensor.
    pub fn load(path: &Path, options: &Options, job: &dyn Job) -> Result<Self, EngineError> {
        let device = device(options)?;
        let checkpoint = Checkpoint::open(path, options.vae.as_deref())?;
        let Checkpoint { unet, vae, text, training, tokenizer, look, facts } = checkpoint;
        let total = [&text.0, &vae.0, &unet.0].map(|weights| weights.names().count()).iter().sum();
        let loading = Loading::new(&device, total, job);
        let root = text.0.root(&loading);
        let clip = Clip::load(&root, &text.1)?;
        known(&text.0, "text encoder")?;
        let mut layers = Layers::default();
        layers.insert(Component::TextEncoder, &loading);
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
        // No LoRA changes it.
        drop(loading.exchangeable());
        let unet_loaded = UNet::load(&unet.0.root(&loading), &unet.1)?;
        known(&unet.0, "U-Net")?;
        layers.insert(Component::Unet, &loading);
        job.step(Stage::Load, total as u32, total as u32)?;
        Ok(Self { unet: unet_loaded, vae: vae_loaded, clip, tokenizer, training, look, device, layers, facts })
    }

    /// What planning must know about it.
    pub fn facts(&self) -> &ModelFacts {
        &self.facts
    }

    /// Makes `loras` and nothing else a part of the weights, for all jobs until the next call; an empty list undoes all. Only layers in
    /// which something changes are touched; asks `job` before each. The files are checked before the first layer is touched.
    /// A change that is broken off leaves a model that does not paint until a later call has succeeded.
    pub fn set_loras(&mut self, loras: &[LoraUse<'_>], job: &dyn Job) -> Result<(), EngineError> {
        self.layers.set(loras, job)
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
