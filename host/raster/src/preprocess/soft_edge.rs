//! Edges as light as they are steep: the gradient of the slightly smoothed luma. A stand-in without weights for learned edge
//! detectors (HED, PiDiNet): it finds the same outlines, and more of textures.

use super::{grey, luma, sobel};
use crate::{Image, blur};

/// A step of this share of black to white is shown at 1 - 1/e.
const SOFTNESS: f32 = 0.2;

/// Edges light on black.
pub fn apply(image: &Image) -> Image {
    let smooth = blur::gaussian(&luma(image), 5);
    let slope = sobel(smooth.data(), image.extent());
    grey(image.extent(), slope.into_iter().map(|[x, y]| 1.0 - (-x.hypot(y) / 4.0 / SOFTNESS).exp()))
}
