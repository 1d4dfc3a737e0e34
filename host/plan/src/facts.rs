//! What planning must know about a model; the engine finds it by looking at tensor names and shapes.

use crate::{Sampler, Scheduler};

/// Model lineage, recognised by tensor names and shapes, never by file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// The embedded exemplar fill: PatchMatch, no weights.
    Exemplar,
    /// Stable Diffusion 1.x and its fine-tunes.
    Sd15,
}

/// What a painter gets when they say nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Defaults {
    /// Sampling steps.
    pub steps: u32,
    /// Classifier-free guidance.
    pub guidance_scale: f64,
    /// Update rule.
    pub sampler: Sampler,
    /// Noise levels.
    pub scheduler: Scheduler,
}

/// One model as planning sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ModelFacts {
    /// From the scan, e.g. `sd15-tiny`; `exemplar` for the embedded default.
    pub id: String,
    /// What it calls itself, for painters; most models are known by their file's name alone.
    pub name: Option<String>,
    /// Lineage.
    pub family: Family,
    /// Pixel side the model was trained at (512 for SD 1.5); tiny test models have small ones.
    pub native_side: u32,
    /// Model extents are multiples of this many pixels.
    pub multiple: u32,
    /// Channels the denoiser takes: 4, or 9 for inpainting checkpoints.
    pub in_channels: u32,
    /// What a painter gets when they say nothing.
    pub defaults: Defaults,
}
