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

impl Family {
    /// What people call it.
    pub const fn title(self) -> &'static str {
        match self {
            Self::Exemplar => "the embedded fill",
            Self::Sd15 => "Stable Diffusion 1.x",
            Self::Sd2 => "Stable Diffusion 2.x",
            Self::Sdxl => "Stable Diffusion XL",
            Self::SdxlRefiner => "Stable Diffusion XL's refiner",
        }
    }
}

/// How a control model steers a denoiser.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ControlKind {
    /// A second encoder whose findings are added to the denoiser's: ControlNet (arXiv:2302.05543).
    ControlNet,
    /// One for several kinds of pictures, told which: ControlNet Union and ProMax.
    Union,
    /// A small network whose features are added in the denoiser's encoder: T2I-Adapter (arXiv:2302.08453).
    T2iAdapter,
    /// A picture as a second prompt: IP-Adapter (arXiv:2308.06721).
    IpAdapter,
    /// CLIP's picture encoder, through which IP-Adapters look; no control by itself.
    ImageEncoder,
    /// Depth Anything, which makes pictures of depth for the others (arXiv:2406.09414); no control by itself.
    Depth,
}

impl ControlKind {
    /// The name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::ControlNet => "controlnet",
            Self::Union => "controlnet_union",
            Self::T2iAdapter => "t2i_adapter",
            Self::IpAdapter => "ip_adapter",
            Self::ImageEncoder => "image_encoder",
            Self::Depth => "depth",
        }
    }

    /// What people call it, with its article.
    pub const fn title(self) -> &'static str {
        match self {
            Self::ControlNet => "a ControlNet",
            Self::Union => "a ControlNet Union",
            Self::T2iAdapter => "a T2I-Adapter",
            Self::IpAdapter => "an IP-Adapter",
            Self::ImageEncoder => "an image encoder",
            Self::Depth => "a depth estimator",
        }
    }
}

/// One control model as planning sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct ControlFacts {
    /// From the scan.
    pub id: String,
    /// How it steers.
    pub kind: ControlKind,
    /// The family it was made for, where its widths are those of one.
    pub family: Option<Family>,
    /// Union: kinds of pictures it knows, from the first of [`crate::Task::ALL`]; else 0.
    pub tasks: u32,
    /// IP-Adapter: width of the whole picture's embedding it reads, if it does. Image encoder: of that it writes.
    pub whole: Option<u32>,
    /// The same of the embedding patch by patch.
    pub patches: Option<u32>,
}

impl ControlFacts {
    /// True if an IP-Adapter can look through `encoder`.
    pub fn sees_through(&self, encoder: &Self) -> bool {
        let fits = |needed: Option<u32>, there: Option<u32>| needed.is_none() || needed == there;
        encoder.kind == ControlKind::ImageEncoder
            && fits(self.whole, encoder.whole)
            && fits(self.patches, encoder.patches)
    }
}
