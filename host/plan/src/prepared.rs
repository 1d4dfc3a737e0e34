//! What the engine is given: everything already cropped, filled and resized to the model's extent.

use underpaint_raster::{Extent, Image, Mask};

/// The engine's pixel input. All parts have the size `extent`.
#[derive(Clone, Debug, PartialEq)]
pub struct Prepared {
    /// Size of the picture the model makes, in model pixels; sides are multiples of 8.
    pub extent: Extent,
    /// The picture to start from or to keep around the mask; `None` starts from pure noise.
    /// Opaque: alpha is 1 everywhere.
    pub init: Option<Image>,
    /// The denoise mask, 0 keep, 1 repaint, never rounded; `None` repaints everything.
    pub mask: Option<Mask>,
}

/// How the denoising loop treats the mask.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Inpaint {
    /// No mask: text to image or image to image.
    None,
    /// As diffusers' `StableDiffusionInpaintPipeline` does it: the mask is binarised at 0.5 and reduced to latent
    /// cells by nearest neighbour; a 4-channel model puts the original, noised to the step's level, back where the
    /// mask is 0 after every step; a 9-channel model gets mask and masked picture as channels.
    Replace,
    /// Soft thresholds (differential diffusion): the mask is reduced to latent cells by area mean, values above 0.99
    /// become 1; a cell is free from the step on at which the mask is at least
    /// `(t - t_end) / (t_start - t_end)`, and is reset to the noised original before that.
    Differential,
}
