//! Between pictures and the tensors of the VAE, and from masks to latent cells.

use crate::EngineError;
use candle_core::{Device, Result, Tensor};
use underpaint_raster::{Extent, Image, Mask};

/// A picture as `[1, 3, H, W]` in -1..=1; alpha is left out (the engine is given opaque pictures).
pub fn to_tensor(image: &Image, device: &Device) -> Result<Tensor> {
    let Extent { w, h } = image.extent();
    let channel = |c: usize| image.data().iter().skip(c).step_by(4).map(|v| v * 2.0 - 1.0);
    let data: Vec<f32> = (0..3).flat_map(channel).collect();
    Tensor::from_vec(data, (1, 3, h as usize, w as usize), device)
}

/// A picture as `[1, 3, H, W]` in 0..=1, as control models see it; alpha is left out.
pub fn to_unit_tensor(image: &Image, device: &Device) -> Result<Tensor> {
    let Extent { w, h } = image.extent();
    let channel = |c: usize| image.data().iter().skip(c).step_by(4).copied();
    let data: Vec<f32> = (0..3).flat_map(channel).collect();
    Tensor::from_vec(data, (1, 3, h as usize, w as usize), device)
}

/// `[1, 3, H, W]` in about -1..=1 as an opaque picture, clamped.
pub fn to_image(pixels: &Tensor) -> std::result::Result<Image, EngineError> {
    let (_, _, h, w) = pixels.dims4()?;
    let data = pixels.flatten_all()?.to_vec1::<f32>()?;
    if !data.iter().all(|v| v.is_finite()) {
        return Err(EngineError::NotFinite { stage: "decoding".into() });
    }
    let area = h * w;
    let value = |v: f32| (v * 0.5 + 0.5).clamp(0.0, 1.0);
    let pixel = |i: usize| [value(data[i]), value(data[area + i]), value(data[2 * area + i]), 1.0];
    Ok(Image::from_data(Extent::new(w as u32, h as u32), (0..area).flat_map(pixel).collect()))
}

/// 1 where `mask` is at least 0.5, else 0.
pub fn binarise(mask: &Mask) -> Mask {
    Mask::from_data(mask.extent(), mask.data().iter().map(|&v| f32::from(v >= 0.5)).collect())
}

/// `image` with every pixel the binary `mask` repaints set to mid-grey, 0 for the VAE.
pub fn blank(image: &Image, mask: &Mask) -> Image {
    let mut blanked = image.clone();
    for (pixel, &m) in blanked.data_mut().chunks_exact_mut(4).zip(mask.data()) {
        if m >= 0.5 {
            pixel[..3].fill(0.5);
        }
    }
    blanked
}

/// The mask's value at the first pixel of each cell of `factor` by `factor` pixels, as PyTorch's nearest neighbour.
pub fn nearest_cells(mask: &Mask, factor: u32) -> Vec<f32> {
    let Extent { w, h } = mask.extent();
    let (w, h) = (w / factor, h / factor);
    (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).map(|(x, y)| mask.at(x * factor, y * factor)).collect()
}

/// The mask's mean over each cell; above 0.99 it is 1, as nothing of the original may shine through there.
pub fn mean_cells(mask: &Mask, factor: u32) -> Vec<f32> {
    let Extent { w, h } = mask.extent();
    let mut cells = Vec::with_capacity(((w / factor) * (h / factor)) as usize);
    for y in 0..h / factor {
        for x in 0..w / factor {
            let inside = (0..factor * factor).map(|i| mask.at(x * factor + i % factor, y * factor + i / factor) as f64);
            let mean = (inside.sum::<f64>() / (factor * factor) as f64) as f32;
            cells.push(if mean > 0.99 { 1.0 } else { mean });
        }
    }
    cells
}
