//! A model in memory.

use crate::EngineError;
use crate::checkpoint::Checkpoint;
use crate::preview::Look;
use crate::schedule::Training;
use crate::text::Text;
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
    pub(crate) text: Text,
    /// Numbers SDXL is told of a picture's size.
    pub(crate) sizes: usize,
    pub(crate) training: Training,
    pub(crate) look: Look,
    pub(crate) device: Device,
    facts: ModelFacts,
}

impl Model {
    /// Loads the diffusers folder or single-file checkpoint at `path`; asks `job` before each tensor.
    pub fn load(path: &Path, options: &Options, job: &dyn Job) -> Result<Self, EngineError> {
        let device = device(options)?;
        let checkpoint = Checkpoint::open(path, options.vae.as_deref())?;
        let Checkpoint { unet, vae, texts, zeros_when_absent, training, look, facts } = checkpoint;
        let parts = texts.iter().map(|text| &text.weights).chain([&vae.0, &unet.0]);
        let total = parts.map(|weights| weights.names().count()).sum();
        let loading = Loading::new(&device, total, job);
        let text = Text::load(&texts, zeros_when_absent, &loading)?;
        let vae_loaded = Vae::load(&vae.0.root(&loading), &vae.1)?;
        known(&vae.0, "autoencoder")?;
        let unet_loaded = UNet::load(&unet.0.root(&loading), &unet.1)?;
        known(&unet.0, "U-Net")?;
        let root = unet.0.root(&loading);
        let sizes = match unet_loaded.sizes(text.pooled_width()) {
            Some(sizes @ (0 | 5 | 6)) => sizes,
            _ => {
                let what = format!("does not take a text {} wide with five or six sizes", text.pooled_width());
                return Err(root.error("add_embedding.linear_1.weight", what));
            }
        };
        job.step(Stage::Load, total as u32, total as u32)?;
        Ok(Self { unet: unet_loaded, vae: vae_loaded, text, sizes, training, look, device, facts })
    }

    /// What planning must know about it.
    pub fn facts(&self) -> &ModelFacts {
        &self.facts
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

pub(crate) fn device(options: &Options) -> Result<Device, EngineError> {
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
