//! A rough picture from latents without the VAE: one small matrix per latent pixel.
//!
//! The factors approximate SD 1.x's decoder linearly (InvokeAI, Apache-2.0, `v1_5` table; first published by Kevin Turner).

use underpaint_raster::{Extent, Image};

/// Red, green and blue per unit of each latent channel, in -1..=1.
const SD1: [[f32; 3]; 4] =
    [[0.298, 0.207, 0.208], [0.187, 0.286, 0.173], [-0.158, 0.189, 0.264], [-0.184, -0.271, -0.473]];

/// Clean latents `[4, h, w]` to a picture of `w` by `h` pixels; `None` for other numbers of channels.
pub fn preview(clean: &[f32], channels: usize, extent: Extent) -> Option<Image> {
    let area = extent.area() as usize;
    if channels != SD1.len() || clean.len() != area * channels {
        return None;
    }
    let colour = |i: usize, c: usize| (0..channels).map(|k| clean[k * area + i] * SD1[k][c]).sum::<f32>();
    let pixel = |i: usize| [colour(i, 0), colour(i, 1), colour(i, 2), 1.0].map(|v| (v * 0.5 + 0.5).clamp(0.0, 1.0));
    Some(Image::from_data(extent, (0..area).flat_map(pixel).collect()))
}
