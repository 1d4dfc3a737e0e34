//! A rough picture from latents without the VAE: one small matrix per latent pixel.
//!
//! A model may bring its own matrix in `underpaint.json`; without one SD 1.x's is taken where it fits.

use underpaint_raster::{Extent, Image};

/// How latents look: the colour of a pixel is `bias` and, for each channel, its value times that channel's row. Colours
/// are red, green and blue in -1..=1, latents are in the denoiser's scale.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    /// One row for each latent channel.
    pub rows: Vec<[f32; 3]>,
    /// What latents of nothing but zeros look like.
    pub bias: [f32; 3],
}

impl Look {
    /// SD 1.x's decoder, approximated linearly (InvokeAI, Apache-2.0, `v1_5` table; first published by Kevin Turner).
    pub fn sd1() -> Self {
        let rows = vec![[0.298, 0.207, 0.208], [0.187, 0.286, 0.173], [-0.158, 0.189, 0.264], [-0.184, -0.271, -0.473]];
        Self { rows, bias: [0.0; 3] }
    }

    /// SDXL's, likewise (the `sdxl` table there).
    pub fn sdxl() -> Self {
        let rows = vec![
            [0.392, 0.4054, 0.4549],
            [-0.2634, -0.0196, 0.0653],
            [0.0568, 0.1687, -0.0755],
            [-0.3112, -0.2359, -0.2076],
        ];
        Self { rows, bias: [0.0; 3] }
    }

    /// Clean latents `[C, h, w]` as a picture of `w` by `h` pixels; `None` for other numbers of channels.
    pub fn preview(&self, clean: &[f32], channels: usize, extent: Extent) -> Option<Image> {
        let area = extent.area() as usize;
        if channels != self.rows.len() || clean.len() != area * channels {
            return None;
        }
        let colour = |i: usize, c: usize| {
            self.bias[c] + self.rows.iter().enumerate().map(|(k, row)| clean[k * area + i] * row[c]).sum::<f32>()
        };
        let pixel = |i: usize| [colour(i, 0), colour(i, 1), colour(i, 2), 1.0].map(|v| (v * 0.5 + 0.5).clamp(0.0, 1.0));
        Some(Image::from_data(extent, (0..area).flat_map(pixel).collect()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_is_its_channels_through_their_rows_and_the_bias() {
        let look = Look { rows: vec![[1.0, 0.0, 0.0], [0.0, 0.5, 9.0]], bias: [0.0, 0.5, -0.5] };
        let image = look.preview(&[-1.0, 0.0, 0.5, 0.0, 1.0, 1.0], 2, Extent::new(3, 1)).unwrap();
        assert_eq!(image.data(), [0.0, 0.75, 0.25, 1.0, 0.5, 1.0, 1.0, 1.0, 0.75, 1.0, 1.0, 1.0]);
        assert!(look.preview(&[0.0; 12], 4, Extent::new(3, 1)).is_none(), "four channels");
        assert!(look.preview(&[0.0; 5], 2, Extent::new(3, 1)).is_none(), "too few values");
    }
}
