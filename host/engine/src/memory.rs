//! How much memory a job takes, before it runs.
//!
//! Decision: everything is reckoned from names and shapes alone, so a job that cannot fit is refused before a byte of the model is
//! read. The sums follow the forward passes line by line: which tensors are alive at the widest moment of each block. What is
//! small (a text, a timestep, a thread's scratch) is left out; `host/engine/README.md` sets the sums against what was measured. A card
//! is reckoned by the same sums, with what differs there in [`Keeping`]; that was set against no measurement yet, so only what cannot fit
//! whatever the rest takes is refused there.

use crate::checkpoint::Checkpoint;
use crate::lora::{self, Component, LoraUse};
use crate::taesd;
use crate::tiles::Tiling;
use crate::upscale;
use crate::vae;
use crate::weights::{Weights, control_file};
use crate::{DeviceKind, Dtype, EngineError};
use std::collections::BTreeSet;
use std::path::Path;
use underpaint_plan::ControlKind;
use underpaint_raster::Extent;

/// Bytes of one activation where nothing else is said.
const ACTIVATION: u64 = 4;
/// Bytes of a pixel of a picture that waits: four colours of 32 bits.
const PIXEL: u64 = 16;
/// Of the size of a layer that LoRAs change, in 32 bits: what it was, what it becomes, what one adds, and the two packed.
const MERGING: u64 = 4;

/// How a device keeps numbers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keeping {
    /// As the processor does: weights in 16 bits where their file has no more, all else in 32.
    #[default]
    Packed,
    /// As a card does: the weights of denoiser and texts, and what the denoiser computes, in so many bytes each; all else in 32 bits.
    /// Pictures wait in the system's memory.
    Card(u64),
}

impl Keeping {
    /// How `device` does, computing in `dtype` or as usual.
    pub fn of(device: DeviceKind, dtype: Option<Dtype>) -> Self {
        match (device, dtype.unwrap_or(Dtype::usual(device))) {
            (DeviceKind::Cpu, _) => Self::Packed,
            (_, Dtype::F32) => Self::Card(4),
            (_, Dtype::F16 | Dtype::Bf16) => Self::Card(2),
        }
    }

    /// Of what is exact whatever is chosen.
    fn exact(self) -> Self {
        if self == Self::Packed { self } else { Self::Card(ACTIVATION) }
    }

    /// Bytes of one activation.
    fn activation(self) -> u64 {
        if let Self::Card(bytes) = self { bytes } else { ACTIVATION }
    }

    /// Bytes alive at the widest moment of attention, beside what is attended to, where its scores are written down: in 32 bits, some
    /// queries at a time.
    fn scores(self, rows: u64) -> u64 {
        if self == Self::Packed { 0 } else { 4 * ACTIVATION * rows.saturating_mul(rows).min(1 << 26) }
    }
}

/// Of a card's memory: kernels, what products are multiplied in, and what its allocator cannot use.
const CARD: u64 = 600_000_000;

/// What a job takes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Need {
    /// The model, as long as it is in memory.
    pub model_bytes: u64,
    /// How much wider LoRAs make it: what they change no longer fits into 16 bits.
    pub loras_bytes: u64,
    /// What steers it.
    pub controls_bytes: u64,
    /// What is alive besides while LoRAs are merged.
    pub merging_bytes: u64,
    /// The same at the widest moment of the denoiser.
    pub denoise_bytes: u64,
    /// The same of the autoencoder.
    pub autoencoder_bytes: u64,
    /// The same with the smallest tiles.
    pub tiled_bytes: u64,
    /// Where that is.
    pub keeping: Keeping,
}

/// A picture to be painted, as memory sees it.
///
/// Regions are no part of it: their texts are looked at one after the other, which takes eleven times the width of the tokens at
/// most, and the feed-forward after it takes seventeen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Painting {
    /// Its size.
    pub extent: Extent,
    /// How the denoiser sees it, in latents.
    pub tiling: Tiling,
    /// Rows of guidance: 1 without, 2 with, 3 of a model that edits.
    pub rows: usize,
    /// Pictures of its size that wait in memory: what is painted over, what steers, what is finished.
    pub pictures: usize,
}

/// What it is painted with besides the model.
#[derive(Clone, Copy, Debug, Default)]
pub struct Besides<'a> {
    /// In the weights.
    pub loras: &'a [LoraUse<'a>],
    /// Files or folders of control models, one for each control, and the encoder it looks through if it looks through one.
    pub controls: &'a [(&'a Path, Option<&'a Path>)],
}

/// What `painting` with the model at `path` takes where numbers are kept so; `vae` as in [`Options`](crate::Options).
pub fn need(
    path: &Path,
    vae: Option<&Path>,
    besides: Besides<'_>,
    painting: Painting,
    keeping: Keeping,
) -> Result<Need, EngineError> {
    let checkpoint = Checkpoint::open(path, vae.filter(|vae| !taesd::is_decoder(vae)))?;
    let need = Need::of(&checkpoint, painting, keeping).with_loras(&checkpoint, besides.loras)?;
    need.with_controls(&checkpoint, besides.controls, painting)
}

impl Need {
    fn of(checkpoint: &Checkpoint, Painting { extent, tiling, rows, pictures }: Painting, keeping: Keeping) -> Self {
        let (unet, vae) = (&checkpoint.unet.0, &checkpoint.vae.0);
        let [h, w] = latents(checkpoint, extent);
        let decode = |tiling| {
            let (h, w) = largest(tiling, h, w);
            decoder_bytes(vae, h, w).max(keeping.scores((h * w) as u64))
        };
        let (seen_h, seen_w) = largest(tiling, h, w);
        // A picture in tiles is put together in one place.
        let (waiting, whole) = match keeping {
            Keeping::Packed => (PIXEL * pictures as u64 * extent.area(), ACTIVATION * 3 * extent.area()),
            Keeping::Card(_) => (0, 0),
        };
        let whole = whole + waiting;
        Self {
            model_bytes: model_bytes(checkpoint, keeping),
            denoise_bytes: keeping.activation() * evaluation(unet, rows, seen_h, seen_w).peak + waiting,
            autoencoder_bytes: decode(vae::usual(h, w)) + whole,
            tiled_bytes: decode(vae::SMALLEST) + whole,
            keeping,
            ..Self::default()
        }
    }

    /// The same with `loras` merged.
    fn with_loras(self, checkpoint: &Checkpoint, loras: &[LoraUse<'_>]) -> Result<Self, EngineError> {
        let texts = checkpoint.texts.iter().map(|text| (text.component(), &text.weights));
        let components: Vec<_> = texts.chain([(Component::Unet, &checkpoint.unet.0)]).collect();
        let (mut wider, mut largest) = (0, 0);
        for (component, name) in lora::changed(&components, loras)? {
            let Some((_, weights)) = components.iter().find(|(known, _)| *known == component) else { continue };
            let count = count(weights, &name);
            // A card keeps what was changed as it kept it before.
            wider += if self.keeping == Keeping::Packed { count * (4 - kept_bytes(weights, &name)) } else { 0 };
            largest = count.max(largest);
        }
        Ok(Self { loras_bytes: wider, merging_bytes: MERGING * 4 * largest, ..self })
    }

    /// The same steered by `controls`.
    fn with_controls(
        self,
        checkpoint: &Checkpoint,
        controls: &[(&Path, Option<&Path>)],
        Painting { extent, tiling, rows, .. }: Painting,
    ) -> Result<Self, EngineError> {
        let (mut loaded, mut nets) = (BTreeSet::new(), 0);
        let mut bytes = 0;
        for (path, encoder) in controls {
            let Some((kind, weights)) = control_file::open(path)? else { continue };
            nets += u64::from(matches!(kind, ControlKind::ControlNet | ControlKind::Union));
            if loaded.insert((path, encoder)) {
                let exact = self.keeping.exact();
                bytes += weights_bytes(&weights, exact);
                let encoder = encoder.map(control_file::open).transpose()?.flatten();
                bytes += encoder.map_or(0, |(_, weights)| weights_bytes(&weights, exact));
            }
        }
        let [h, w] = latents(checkpoint, extent);
        let (seen_h, seen_w) = largest(tiling, h, w);
        let unet = evaluation(&checkpoint.unet.0, rows, seen_h, seen_w);
        // A ControlNet finds as much as the encoder saw; the findings of several are added up. Each keeps its picture as the first
        // layer has it.
        let found = if nets > 0 { unet.seen } else { 0 };
        let hints = nets * unet.first * (h * w) as u64;
        Ok(Self {
            controls_bytes: bytes,
            denoise_bytes: self.denoise_bytes + ACTIVATION * (found + hints),
            autoencoder_bytes: self.autoencoder_bytes + ACTIVATION * hints,
            tiled_bytes: self.tiled_bytes + ACTIVATION * hints,
            ..self
        })
    }

    /// All weights.
    pub fn weights_bytes(&self) -> u64 {
        self.model_bytes + self.loras_bytes + self.controls_bytes
    }

    /// The widest moment, weights included.
    pub fn peak_bytes(&self) -> u64 {
        self.weights_bytes() + self.merging_bytes.max(self.denoise_bytes).max(self.autoencoder_bytes)
    }

    /// How the autoencoder must work so that all fits into `free_bytes` beside the weights, of which `resident_bytes` are there
    /// already or will be given back: `None` as usual.
    ///
    /// # Errors
    /// If nothing fits; the sentence says what is missing and what would help.
    pub fn fit(&self, free_bytes: u64, resident_bytes: u64, extent: Extent) -> Result<Option<Tiling>, EngineError> {
        let (weights, free) = (self.weights_bytes(), free_bytes + resident_bytes);
        let room = free.saturating_sub(weights);
        let at_least = self.merging_bytes.max(self.denoise_bytes);
        let card = self.keeping != Keeping::Packed;
        // What fits without that may fit, so it is tried.
        let besides = if card { CARD } else { 0 };
        if at_least.max(self.autoencoder_bytes) + besides <= room {
            return Ok(None);
        }
        let work = at_least.max(self.tiled_bytes);
        if work <= room {
            return Ok(Some(vae::SMALLEST));
        }
        let size = format!("{}x{}", extent.w, extent.h);
        let advice = if weights + self.merging_bytes < free {
            format!("a smaller picture than {size} would")
        } else if self.loras_bytes > 0 && weights - self.loras_bytes < free {
            "the same without LoRAs, or with some that change fewer layers, would".to_owned()
        } else if weights > self.model_bytes && self.model_bytes < free {
            let besides = if self.loras_bytes > 0 { "control models and LoRAs" } else { "control models" };
            format!("the same with fewer {besides} would")
        } else {
            "a smaller model would".to_owned()
        };
        let gb = |bytes: u64| bytes as f64 / 1e9;
        let mut parts = format!("{:.1} for the model", gb(self.model_bytes));
        for (bytes, what) in [(self.loras_bytes, "its LoRAs"), (self.controls_bytes, "control models")] {
            if bytes > 0 {
                parts += &format!(", {:.1} for {what}", gb(bytes));
            }
        }
        let (of, close) = match card {
            true => ("of the graphics card ", "close other programs that use it, take --device cpu"),
            false => ("", "close other programs"),
        };
        let what = format!(
            "{of}is too little: {:.1} GB are needed ({parts}, {:.1} for {size} pixels) and {:.1} GB are free; {close}, or {advice} fit",
            gb(weights + work),
            gb(work),
            gb(free)
        );
        Err(EngineError::Memory { what, needed_bytes: weights + work, free_bytes: free })
    }
}

/// How the upscaler at `path` must cut a picture of `extent` so that enlarging it fits into `free_bytes`; `tile` as in
/// [`Upscaler::upscale`](crate::Upscaler::upscale), which is what comes back unless smaller tiles are needed.
///
/// # Errors
/// If a `tile` that was asked for does not fit, or none does.
pub fn enlarging(path: &Path, extent: Extent, tile: Option<u32>, free_bytes: u64) -> Result<Option<u32>, EngineError> {
    let Some(network) = upscale::size(path)? else { return Ok(tile) };
    // As planes, once more, as a picture, and resized.
    let to = Extent::new(extent.w.saturating_mul(network.scale), extent.h.saturating_mul(network.scale));
    let whole = (2 * ACTIVATION * 3 + 2 * PIXEL) * to.area();
    let needed = |tile: u32| whole + network.weights_bytes + network.tile_bytes(tile.min(extent.w.max(extent.h)));
    let usual = network.tile;
    let fits = |tile: &u32| needed(*tile) <= free_bytes;
    let refuse = |tile: u32, advice: &str| {
        let (gb, Extent { w, h }) = (|bytes: u64| bytes as f64 / 1e9, extent);
        let what = format!(
            "is too little: {:.1} GB are needed ({:.1} for the result, {:.1} for tiles of {tile} pixels) and {:.1} GB are free; close \
             other programs, or {advice} than {w}x{h} would fit",
            gb(needed(tile)),
            gb(whole),
            gb(needed(tile) - whole),
            gb(free_bytes)
        );
        Err(EngineError::Memory { what, needed_bytes: needed(tile), free_bytes })
    };
    match tile {
        Some(asked) if fits(&asked) => Ok(tile),
        Some(asked) => refuse(asked, "smaller tiles or a smaller picture"),
        None if fits(&usual) => Ok(None),
        None => match [usual / 2, usual / 4].into_iter().filter(|tile| *tile >= 32).find(fits) {
            Some(smaller) => Ok(Some(smaller)),
            None => refuse(usual, "a smaller picture"),
        },
    }
}

/// Bytes of a whole model in memory.
pub(crate) fn model_bytes(checkpoint: &Checkpoint, keeping: Keeping) -> u64 {
    let texts = checkpoint.texts.iter().map(|text| weights_bytes(&text.weights, keeping)).sum::<u64>();
    texts + weights_bytes(&checkpoint.unet.0, keeping) + weights_bytes(&checkpoint.vae.0, keeping.exact())
}

/// Bytes of a component in memory.
pub(crate) fn weights_bytes(weights: &Weights, keeping: Keeping) -> u64 {
    let bytes = |name: &str| match keeping {
        Keeping::Packed => kept_bytes(weights, name),
        Keeping::Card(bytes) => bytes,
    };
    weights.names().map(|name| count(weights, name) * bytes(name)).sum()
}

/// Values of a tensor.
fn count(weights: &Weights, name: &str) -> u64 {
    weights.shape(name).unwrap_or_default().iter().fold(1, |count, &side| count.saturating_mul(side as u64))
}

/// Bytes of each of its values in memory: matrices and convolutions are kept in 16 bits where the file has no more, everything else
/// in 32.
fn kept_bytes(weights: &Weights, name: &str) -> u64 {
    let packed = weights.shape(name).is_some_and(|shape| shape.len() >= 2) && !name.contains("embedding.weight");
    if packed && weights.stored_bytes(name).is_some_and(|bytes| bytes <= 2) { 2 } else { 4 }
}

/// Height and width of a picture in latents.
fn latents(checkpoint: &Checkpoint, extent: Extent) -> [usize; 2] {
    let factor = checkpoint.facts.multiple.max(1);
    [extent.h, extent.w].map(|side| (side / factor) as usize)
}

/// Height and width of the largest tile of `h` by `w` latents.
fn largest(tiling: Tiling, h: usize, w: usize) -> (usize, usize) {
    let tiles = tiling.tiles(h, w).into_iter().map(|tile| (tile.rows.len, tile.columns.len));
    tiles.max_by_key(|(h, w)| h * w).unwrap_or_default()
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

/// Values of a U-Net's evaluation.
struct Evaluation {
    /// Alive at its widest moment.
    peak: u64,
    /// What the encoder and the middle saw.
    seen: u64,
    /// Channels of the first layer.
    first: u64,
}

/// Evaluates `rows` pictures of `h` by `w` latents.
fn evaluation(unet: &Weights, rows: usize, h: usize, w: usize) -> Evaluation {
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
    let seen = skips.iter().sum::<u64>() + skips.last().copied().unwrap_or(0);
    for level in 0..levels {
        look(&format!("up_blocks.{level}"), levels - 1 - level, &mut skips, true);
    }
    Evaluation { peak, seen, first }
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
mod tests;
