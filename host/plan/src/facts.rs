//! What planning must know about a model; the engine finds it by looking at tensor names and shapes.

use crate::{Sampler, Scheduler};

/// Model lineage, recognised by tensor names and shapes, never by file name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Family {
    /// The embedded exemplar fill: PatchMatch, no weights.
    Exemplar,
    /// Stable Diffusion 1.x and its fine-tunes.
    Sd15,
    /// Stable Diffusion 2.x.
    Sd2,
    /// Stable Diffusion XL and its fine-tunes.
    Sdxl,
    /// The second half of Stable Diffusion XL, for the last steps.
    SdxlRefiner,
}

impl Family {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Exemplar => "exemplar",
            Self::Sd15 => "sd15",
            Self::Sd2 => "sd2",
            Self::Sdxl => "sdxl",
            Self::SdxlRefiner => "sdxl_refiner",
        }
    }
}

/// What the denoiser sees besides the latents.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// Nothing: the picture comes from the text.
    #[default]
    Text,
    /// A mask and the latents of what it leaves: an inpainting model.
    Inpaint,
    /// The latents of a picture to change as told: InstructPix2Pix.
    Edit,
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
    /// Channels the denoiser takes: 4, 9 for inpainting checkpoints, 8 for InstructPix2Pix.
    pub in_channels: u32,
    /// What they are.
    pub kind: Kind,
    /// What a painter gets when they say nothing.
    pub defaults: Defaults,
}
