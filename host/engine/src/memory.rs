//! How much memory a job takes, before it runs.
//!
//! Decision: everything is reckoned from names and shapes alone, so a job that cannot fit is refused before a byte of the model is
//! read. The sums follow the forward passes line by line: which tensors are alive at the widest moment of each block. What is
//! small (a text, a timestep, a thread's scratch) is left out; `host/engine/README.md` sets the sums against what was measured.

use crate::EngineError;
use crate::checkpoint::Checkpoint;
use crate::lora::{self, Component, LoraUse};
use crate::taesd;
use crate::tiles::Tiling;
use crate::upscale;
use crate::vae;
use crate::weights::{Weights, control_file};
use std::collections::BTreeSet;
use std::path::Path;
use underpaint_plan::ControlKind;
use underpaint_raster::Extent;

/// Bytes of one activation.
const ACTIVATION: u64 = 4;
/// Bytes of a pixel of a picture that waits: four colours of 32 bits.
const PIXEL: u64 = 16;
/// Of the size of a layer that LoRAs change, in 32 bits: what it was, what it becomes, what one adds, and the two packed.
const MERGING: u64 = 4;

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

/// What `painting` with the model at `path` takes; `vae` as in [`Options`](crate::Options).
pub fn need(path: &Path, vae: Option<&Path>, besides: Besides<'_>, painting: Painting) -> Result<Need, EngineError> {
    let checkpoint = Checkpoint::open(path, vae.filter(|vae| !taesd::is_decoder(vae)))?;
    let need = Need::of(&checkpoint, painting).with_loras(&checkpoint, besides.loras)?;
    need.with_controls(&checkpoint, besides.controls, painting)
}

impl Need {
    fn of(checkpoint: &Checkpoint, Painting { extent, tiling, rows, pictures }: Painting) -> Self {
        let (unet, vae) = (&checkpoint.unet.0, &checkpoint.vae.0);
        let [h, w] = latents(checkpoint, extent);
        let decode = |tiling| {
            let (h, w) = largest(tiling, h, w);
            decoder_bytes(vae, h, w)
        };
        let (seen_h, seen_w) = largest(tiling, h, w);
        let waiting = PIXEL * pictures as u64 * extent.area();
        // A picture in tiles is put together in one place.
        let whole = ACTIVATION * 3 * extent.area() + waiting;
        Self {
            model_bytes: model_bytes(checkpoint),
            denoise_bytes: ACTIVATION * evaluation(unet, rows, seen_h, seen_w).peak + waiting,
            autoencoder_bytes: decode(vae::usual(h, w)) + whole,
            tiled_bytes: decode(vae::SMALLEST) + whole,
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
            wider += count * (4 - kept_bytes(weights, &name));
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
                bytes += weights_bytes(&weights);
                let encoder = encoder.map(control_file::open).transpose()?.flatten();
                bytes += encoder.map_or(0, |(_, weights)| weights_bytes(&weights));
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
        if at_least.max(self.autoencoder_bytes) <= room {
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
        let what = format!(
            "is too little: {:.1} GB are needed ({parts}, {:.1} for {size} pixels) and {:.1} GB are free; close other programs, or \
             {advice} fit",
            gb(weights + work),
            gb(work),
            gb(free)
        );
        Err(EngineError::Memory { what })
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
        Err(EngineError::Memory { what })
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
pub(crate) fn model_bytes(checkpoint: &Checkpoint) -> u64 {
    let texts = checkpoint.texts.iter().map(|text| weights_bytes(&text.weights)).sum::<u64>();
    texts + weights_bytes(&checkpoint.unet.0) + weights_bytes(&checkpoint.vae.0)
}

/// Bytes of a component in memory.
pub(crate) fn weights_bytes(weights: &Weights) -> u64 {
    weights.names().map(|name| count(weights, name) * kept_bytes(weights, name)).sum()
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
mod tests {
    use super::*;
    use std::path::PathBuf;

    const NEED: Need = Need {
        model_bytes: 7 << 30,
        loras_bytes: 0,
        controls_bytes: 0,
        merging_bytes: 0,
        denoise_bytes: 1 << 30,
        autoencoder_bytes: 3 << 30,
        tiled_bytes: 1 << 30,
    };

    fn golden(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/golden").join(name)
    }

    #[test]
    fn what_fits_is_done_as_usual_what_nearly_fits_in_tiles_and_what_does_not_is_refused() {
        let extent = Extent::new(1024, 1024);
        for (free, resident, tiling) in
            [(10 << 30, 0, None), (3 << 30, 7 << 30, None), (9 << 30, 0, Some(vae::SMALLEST)), (u64::MAX / 2, 0, None)]
        {
            assert_eq!(NEED.fit(free, resident, extent).unwrap(), tiling, "{free} {resident}");
        }
        let loras = Need { loras_bytes: 4 << 30, merging_bytes: 1 << 29, ..NEED };
        let controls = Need { controls_bytes: 2 << 30, ..NEED };
        let both = Need { controls_bytes: 2 << 30, ..loras };
        for (need, free, numbers, advice) in [
            (
                NEED,
                7_600_000_000,
                "8.6 GB are needed (7.5 for the model, 1.1 for 1024x1024 pixels)",
                "a smaller picture than",
            ),
            (NEED, 3 << 30, "8.6 GB are needed (7.5 for the model, 1.1 for 1024x1024 pixels)", "a smaller model would"),
            (
                loras,
                12_000_000_000,
                "12.9 GB are needed (7.5 for the model, 4.3 for its LoRAs, 1.1 for",
                "without LoRAs",
            ),
            (
                controls,
                9 << 30,
                "10.7 GB are needed (7.5 for the model, 2.1 for control models, 1.1 for",
                "with fewer control",
            ),
            (
                both,
                8 << 30,
                "15.0 GB are needed (7.5 for the model, 4.3 for its LoRAs, 2.1 for control",
                "with fewer control",
            ),
        ] {
            let error = need.fit(free, 0, extent).unwrap_err().to_string();
            assert!(error.starts_with(&format!("memory is too little: {numbers}")), "{error}");
            assert!(error.contains(advice), "{error}");
        }
    }

    #[test]
    fn what_besides_the_model_takes_memory_is_told_by_headers() {
        let painting = |side| Painting { extent: Extent::new(side, side), tiling: Tiling::WHOLE, rows: 2, pictures: 1 };
        let model = golden("tiny-sd");
        let of = |besides: Besides<'_>, side| need(&model, None, besides, painting(side)).unwrap();
        let plain = of(Besides::default(), 64);
        let [kohya, dora] = ["lora/kohya.safetensors", "lora/dora.safetensors"].map(golden);
        let used = |path, weight| LoraUse { path, weight, text_weight: weight };
        let one = of(Besides { loras: &[used(&kohya, 0.5)], ..Besides::default() }, 64);
        let two = of(Besides { loras: &[used(&kohya, 0.5), used(&dora, 1.0)], ..Besides::default() }, 64);
        assert!(0 < one.loras_bytes && one.loras_bytes < two.loras_bytes && two.merging_bytes >= one.merging_bytes);
        // Those at weight 0 are not merged.
        assert_eq!(of(Besides { loras: &[used(&kohya, 0.0)], ..Besides::default() }, 64), plain);
        // A control model counts once, however often it steers; what it finds and sees grows with the picture.
        let folder = tempfile::tempdir().unwrap();
        let header_only = |name: &str, shape: [usize; 4]| {
            let bytes = 2 * shape.iter().product::<usize>();
            let header = format!(r#"{{"{name}":{{"dtype":"F16","shape":{shape:?},"data_offsets":[0,{bytes}]}}}}"#);
            let path = folder.path().join(name);
            let start = (header.len() as u64).to_le_bytes();
            std::fs::write(&path, [&start, header.as_bytes(), &vec![0; bytes]].concat()).unwrap();
            path
        };
        let net = header_only("controlnet_cond_embedding.conv_in.weight", [16, 3, 3, 3]);
        let adapter = header_only("adapter.body.0.in_conv.weight", [8, 4, 1, 1]);
        let steered = |paths: &[&Path], side| {
            let controls: Vec<_> = paths.iter().map(|path| (*path, None)).collect();
            of(Besides { controls: &controls, ..Besides::default() }, side)
        };
        let (once, twice) = (steered(&[&net], 64), steered(&[&net, &net], 64));
        assert_eq!((once.controls_bytes, twice.controls_bytes), (864, 864));
        assert_eq!(steered(&[&net, &adapter], 64).controls_bytes, 864 + 64);
        assert!(plain.denoise_bytes < once.denoise_bytes && once.denoise_bytes < twice.denoise_bytes);
        let grown = |side| steered(&[&net], side).denoise_bytes - of(Besides::default(), side).denoise_bytes;
        assert_eq!(grown(128), 4 * grown(64));
        let missing = golden("lora/no-such.safetensors");
        assert!(
            need(&model, None, Besides { loras: &[used(&missing, 1.0)], ..Besides::default() }, painting(64)).is_err()
        );
    }

    #[test]
    fn what_enlarges_is_cut_smaller_where_memory_is_short_and_refused_where_that_is_not_enough() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("compact.safetensors");
        let tensors =
            [("body.0.weight", vec![64, 3, 3, 3]), ("body.1.weight", vec![64]), ("body.2.weight", vec![48, 64, 3, 3])];
        let (mut header, mut end) = (serde_json::Map::new(), 0);
        for (name, shape) in tensors {
            let start = end;
            end += 2 * shape.iter().product::<usize>();
            header
                .insert(name.into(), serde_json::json!({"dtype": "F16", "shape": shape, "data_offsets": [start, end]}));
        }
        let header = serde_json::Value::Object(header).to_string();
        let start = (header.len() as u64).to_le_bytes();
        std::fs::write(&path, [&start, header.as_bytes(), &vec![0; end]].concat()).unwrap();
        let extent = Extent::new(1000, 1000);
        let result = (24 + 32) * 16_000_000;
        let fit = |tile, free| enlarging(&path, extent, tile, free);
        for (tile, more, expected) in [
            (None, 1 << 30, None),
            (Some(512), 1 << 30, Some(512)),
            (None, 20 << 20, Some(128)),
            (None, 8 << 20, Some(64)),
        ] {
            assert_eq!(fit(tile, result + more).unwrap(), expected, "{tile:?} {more}");
        }
        for (tile, free, words) in [
            (Some(1000), result + (1 << 26), "smaller tiles or a smaller picture"),
            (None, result, "a smaller picture than 1000x1000 would fit"),
        ] {
            let error = fit(tile, free).unwrap_err().to_string();
            assert!(error.starts_with("memory is too little: ") && error.contains(words), "{error}");
        }
        // A sound file of something else is refused by whoever loads it.
        assert_eq!(enlarging(&golden("lora/kohya.safetensors"), extent, None, 0).unwrap(), None);
    }
}
