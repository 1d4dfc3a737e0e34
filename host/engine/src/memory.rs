//! How much memory a job takes, before it runs.
//!
//! Decision: everything is reckoned from names and shapes alone, so a job that cannot fit is refused before a byte of the model is
//! read. The sums follow the forward passes line by line: which tensors are alive at the widest moment of each block. What is
//! small (a text, a timestep, a thread's scratch) is left out; `host/engine/README.md` sets the sums against what was measured.

use crate::EngineError;
use crate::checkpoint::Checkpoint;
use crate::tiles::Tiling;
use crate::vae;
use crate::weights::Weights;
use std::path::Path;
use underpaint_raster::Extent;

/// Bytes of one activation.
const ACTIVATION: u64 = 4;

/// What a job takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Need {
    /// The model, as long as it is in memory.
    pub weights_bytes: u64,
    /// What is alive besides at the widest moment of the denoiser.
    pub denoise_bytes: u64,
    /// The same of the autoencoder.
    pub autoencoder_bytes: u64,
    /// The same with the smallest tiles.
    pub tiled_bytes: u64,
}

/// A picture to be painted, as memory sees it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Painting {
    /// Its size.
    pub extent: Extent,
    /// How the denoiser sees it, in latents.
    pub tiling: Tiling,
    /// Rows of guidance: 1 without, 2 with, 3 of a model that edits.
    pub rows: usize,
}

/// What `painting` with the model at `path` takes; `vae` as in [`Options`](crate::Options).
pub fn need(path: &Path, vae: Option<&Path>, painting: Painting) -> Result<Need, EngineError> {
    Ok(Need::of(&Checkpoint::open(path, vae)?, painting))
}

impl Need {
    fn of(checkpoint: &Checkpoint, Painting { extent, tiling, rows }: Painting) -> Self {
        let (unet, vae) = (&checkpoint.unet.0, &checkpoint.vae.0);
        let factor = checkpoint.facts.multiple.max(1);
        let (h, w) = ((extent.h / factor) as usize, (extent.w / factor) as usize);
        let texts = checkpoint.texts.iter().map(|text| weights_bytes(&text.weights)).sum::<u64>();
        let largest = |tiling: Tiling| {
            let tiles = tiling.tiles(h, w).into_iter().map(|tile| (tile.rows.len, tile.columns.len));
            tiles.max_by_key(|(h, w)| h * w).unwrap_or_default()
        };
        let decode = |tiling| {
            let (h, w) = largest(tiling);
            decoder_bytes(vae, h, w)
        };
        let (seen_h, seen_w) = largest(tiling);
        // A picture in tiles is put together in one place.
        let whole = ACTIVATION * 3 * extent.area();
        Self {
            weights_bytes: texts + weights_bytes(unet) + weights_bytes(vae),
            denoise_bytes: unet_bytes(unet, rows, seen_h, seen_w),
            autoencoder_bytes: decode(vae::usual(h, w)) + whole,
            tiled_bytes: decode(vae::SMALLEST) + whole,
        }
    }

    /// How the autoencoder must work so that all fits into `free_bytes` beside the weights, of which `resident_bytes` are there
    /// already or will be given back: `None` as usual.
    ///
    /// # Errors
    /// If nothing fits; the sentence says what is missing and what would help.
    pub fn fit(&self, free_bytes: u64, resident_bytes: u64, extent: Extent) -> Result<Option<Tiling>, EngineError> {
        let room = (free_bytes + resident_bytes).saturating_sub(self.weights_bytes);
        if self.denoise_bytes <= room && self.autoencoder_bytes <= room {
            return Ok(None);
        }
        if self.denoise_bytes <= room && self.tiled_bytes <= room {
            return Ok(Some(vae::SMALLEST));
        }
        let needed = self.weights_bytes + self.denoise_bytes.max(self.tiled_bytes);
        let (gb, free) = (|bytes: u64| bytes as f64 / 1e9, free_bytes + resident_bytes);
        let advice = match self.weights_bytes < free {
            true => format!("a smaller picture than {}x{} would", extent.w, extent.h),
            false => "a smaller model would".to_owned(),
        };
        let what = format!(
            "is too little: {:.1} GB are needed ({:.1} for the model, {:.1} for {}x{} pixels) and {:.1} GB are free; close other \
             programs, or {advice} fit",
            gb(needed),
            gb(self.weights_bytes),
            gb(needed - self.weights_bytes),
            extent.w,
            extent.h,
            gb(free)
        );
        Err(EngineError::Memory { what })
    }
}

/// Bytes of a component in memory: matrices and convolutions are kept in 16 bits where the file has no more, everything else
/// in 32.
fn weights_bytes(weights: &Weights) -> u64 {
    let bytes = |name: &str| {
        let shape = weights.shape(name).unwrap_or_default();
        let count: u64 = shape.iter().map(|&d| d as u64).product();
        let packed = shape.len() >= 2 && !name.contains("embedding.weight");
        count * if packed && weights.stored_bytes(name).is_some_and(|bytes| bytes <= 2) { 2 } else { 4 }
    };
    weights.names().map(bytes).sum()
}

/// Values alive at the widest moment of a residual block of `input` to `output` channels, for each pixel.
fn resnet(input: u64, output: u64) -> u64 {
    let shortcut = if input == output { input + 2 * output } else { input + 3 * output };
    (2 * input + output).max(shortcut)
}

/// Values alive at the widest moment of a transformer block `c` channels wide, for each pixel: the picture, its tokens, two norms,
/// and the feed-forward's eight and four times as wide activations.
fn transformer(c: u64) -> u64 {
    17 * c
}

/// `[out, in]` of the convolutions `prefix…conv1` in order of their names.
fn resnets(weights: &Weights, prefix: &str) -> Vec<(u64, u64)> {
    let convolution = |i: usize| {
        let shape = weights.shape(&format!("{prefix}.resnets.{i}.conv1.weight"))?;
        Some((*shape.get(1)? as u64, *shape.first()? as u64))
    };
    (0..).map_while(convolution).collect()
}

/// The U-Net's widest moment, over `rows` pictures of `h` by `w` latents.
fn unet_bytes(unet: &Weights, rows: usize, h: usize, w: usize) -> u64 {
    let levels = (0..).take_while(|i| unet.has(&format!("down_blocks.{i}."))).count();
    let area = |level: usize| {
        let side = |n: usize| n.div_ceil(1 << level.min(16)) as u64;
        rows as u64 * side(h) * side(w)
    };
    let first = unet.shape("conv_in.weight").and_then(|s| s.first().copied()).unwrap_or(0) as u64;
    let (mut skips, mut peak) = (vec![first * area(0)], 0);
    let mut look = |prefix: &str, level: usize, skips: &mut Vec<u64>, up: bool| {
        for (i, (input, output)) in resnets(unet, prefix).into_iter().enumerate() {
            // On the way up a skip is joined to what comes from below before it is let go.
            let joined = if up { skips.pop().unwrap_or(0) + input * area(level) } else { 0 };
            let kept: u64 = skips.iter().sum();
            peak = peak.max(kept + joined + resnet(input, output) * area(level));
            if unet.has(&format!("{prefix}.attentions.{i}.")) {
                peak = peak.max(kept + transformer(output) * area(level));
            }
            if !up {
                skips.push(output * area(level));
            }
        }
    };
    for level in 0..levels {
        let prefix = format!("down_blocks.{level}");
        look(&prefix, level, &mut skips, false);
        if let Some(shape) = unet.shape(&format!("{prefix}.downsamplers.0.conv.weight")) {
            skips.push(shape.first().copied().unwrap_or(0) as u64 * area(level + 1));
        }
    }
    for level in 0..levels {
        look(&format!("up_blocks.{level}"), levels - 1 - level, &mut skips, true);
    }
    ACTIVATION * peak
}

/// The decoder's widest moment over `h` by `w` latents.
fn decoder_bytes(vae: &Weights, h: usize, w: usize) -> u64 {
    let (mut area, mut peak) = ((h * w) as u64, 0);
    for level in (0..).take_while(|i| vae.has(&format!("decoder.up_blocks.{i}."))) {
        let prefix = format!("decoder.up_blocks.{level}");
        let blocks = resnets(vae, &prefix);
        peak = blocks.iter().map(|&(input, output)| resnet(input, output) * area).fold(peak, u64::max);
        if let (true, Some((_, output))) = (vae.has(&format!("{prefix}.upsamplers.")), blocks.last()) {
            // Before, enlarged, convolved.
            peak = peak.max(output * area + 8 * output * area);
            area *= 4;
        }
    }
    ACTIVATION * peak
}

#[cfg(test)]
mod tests {
    use super::*;

    const NEED: Need =
        Need { weights_bytes: 7 << 30, denoise_bytes: 1 << 30, autoencoder_bytes: 3 << 30, tiled_bytes: 1 << 30 };

    #[test]
    fn what_fits_is_done_as_usual_what_nearly_fits_in_tiles_and_what_does_not_is_refused() {
        let extent = Extent::new(1024, 1024);
        for (free, resident, tiling) in
            [(10 << 30, 0, None), (3 << 30, 7 << 30, None), (9 << 30, 0, Some(vae::SMALLEST)), (u64::MAX / 2, 0, None)]
        {
            assert_eq!(NEED.fit(free, resident, extent).unwrap(), tiling, "{free} {resident}");
        }
        for (free, resident, advice) in
            [(7_600_000_000, 0, "a smaller picture than 1024x1024 would"), (1 << 30, 2 << 30, "a smaller model would")]
        {
            let error = NEED.fit(free, resident, extent).unwrap_err().to_string();
            assert!(
                error.starts_with("memory is too little: 8.6 GB are needed (7.5 for the model, 1.1 for"),
                "{error}"
            );
            assert!(error.contains(advice), "{error}");
        }
    }
}
