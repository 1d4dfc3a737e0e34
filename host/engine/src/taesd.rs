//! The tiny autoencoder (TAESD, TAESDXL and their kin by Ollin Boer Bohan, MIT): what latents look like, in a fraction of the time.
//!
//! Decision: a file is walked, not matched against a list. Layers are numbered in one row, and which is which shows in its
//! tensors: three convolutions are a block, a convolution without bias changes the size, the last one ends the half. So the
//! original's files (one for each half, numbered with the layers that have no weights) and diffusers' `AutoencoderTiny`
//! (`decoder.layers`, `encoder.layers`) read alike, of any width and depth. Latents are in the denoiser's scale, pixels
//! `[B, 3, H, W]` in -1..=1, as in [`vae`](crate::vae).

use crate::EngineError;
use crate::layers::Conv2d;
use crate::weights::{Loading, Scope, Weights, file::SafetensorsFile, folder};
use crate::{pixels, tiles::Tiling, tiles::blend};
use candle_core::{Device, Result as Computed, Tensor};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use underpaint_kernels::leaky_relu;
use underpaint_plan::Family;
use underpaint_raster::{Image, Job, Stage, Unattended};

/// Most latents of a side that are decoded for a preview; more are averaged first. 256 pixels take a third of a second on two cores.
const PREVIEW_CELLS: usize = 32;
/// Tiles of a result: twice as wide as the autoencoder's at a fraction of its memory.
const TILES: Tiling = Tiling { tile: 192, overlap: 32 };
/// Folders that painting programs keep such files in.
const FOLDERS: [&str; 2] = ["vae_approx", "VAE-approx"];

/// A loaded decoder, and encoder if the file has it.
pub struct Tiny {
    decoder: Half,
    encoder: Option<Half>,
    latent_channels: usize,
}

struct Half(Vec<Layer>);

enum Layer {
    Conv(Conv2d),
    Relu,
    Double,
    Block([Conv2d; 3]),
}

/// The numbered layers of one half.
struct Row {
    prefix: &'static str,
    layers: Vec<usize>,
    /// Channels in and out.
    channels: [usize; 2],
}

/// True if `path` is a tiny autoencoder, or a half of one, by its content.
pub fn is_tiny(path: &Path) -> bool {
    open(path).is_ok_and(|weights| decoder(&weights).is_some() || encoder(&weights).is_some())
}

/// True if `path` has a tiny decoder.
pub fn is_decoder(path: &Path) -> bool {
    open(path).is_ok_and(|weights| decoder(&weights).is_some())
}

/// A tiny decoder for latents of so many channels in a [folder](FOLDERS) beside the model at `path`, or beside the folder it
/// lies in. SD's and SDXL's decoders differ in nothing but their values, so between those the file's name decides.
pub fn beside(path: &Path, latent_channels: usize, family: Family) -> Option<PathBuf> {
    let of_sdxl = match family {
        Family::Exemplar | Family::Sd15 | Family::Sd2 => false,
        Family::Sdxl | Family::SdxlRefiner => true,
    };
    let parents = path.ancestors().skip(1).take(2);
    let folders = parents.flat_map(|parent| FOLDERS.map(|folder| parent.join(folder)));
    let entries = folders.filter_map(|folder| std::fs::read_dir(folder).ok());
    let mut files: Vec<PathBuf> = entries.flat_map(|folder| folder.flatten().take(100).map(|e| e.path())).collect();
    files.sort();
    let named_xl = |path: &Path| path.file_stem().is_some_and(|n| n.to_string_lossy().to_lowercase().contains("xl"));
    let fits = |path: &PathBuf| {
        let weights = open(path).ok()?;
        Some(decoder(&weights)?.channels[0] == latent_channels)
    };
    files.into_iter().find(|path| {
        path.extension().is_some_and(|e| e == "safetensors") && named_xl(path) == of_sdxl && fits(path) == Some(true)
    })
}

fn open(path: &Path) -> Result<Weights, EngineError> {
    if path.is_dir() {
        return folder::open(path, |name| Some(name.to_owned()));
    }
    let file = Rc::new(SafetensorsFile::open(path)?);
    let mut weights = Weights::new(path);
    for entry in file.entries() {
        weights.insert(entry.name.clone(), &file, entry);
    }
    Ok(weights)
}

fn decoder(weights: &Weights) -> Option<Row> {
    let rows = ["decoder.layers.", "decoder.", "taesd_decoder.", ""].into_iter();
    rows.filter_map(|prefix| Row::find(weights, prefix)).find(|row| row.channels[1] == 3)
}

fn encoder(weights: &Weights) -> Option<Row> {
    let rows = ["encoder.layers.", "encoder.", "taesd_encoder.", ""].into_iter();
    rows.filter_map(|prefix| Row::find(weights, prefix)).find(|row| row.channels[0] == 3)
}

impl Row {
    /// The row below `prefix`, if it begins and ends with a convolution and has blocks between.
    fn find(weights: &Weights, prefix: &'static str) -> Option<Self> {
        let numbers = weights.names().filter_map(|name| name.strip_prefix(prefix)?.split('.').next()?.parse().ok());
        let layers: Vec<usize> = numbers.collect::<BTreeSet<usize>>().into_iter().collect();
        let (first, last) = (layers.first()?, layers.last()?);
        let shape = |i: &usize| match weights.shape(&format!("{prefix}{i}.weight")).as_deref() {
            Some(&[out, inner, 3, 3]) => Some([inner, out]),
            _ => None,
        };
        let blocks = layers.iter().any(|i| weights.has(&format!("{prefix}{i}.conv.0.")));
        let channels = [shape(first)?[0], shape(last)?[1]];
        blocks.then_some(Self { prefix, layers, channels })
    }

    /// Reads its layers; `is_decoder` tells what a convolution without bias does, and what follows the first.
    fn load(&self, root: &Scope, is_decoder: bool) -> Result<Half, EngineError> {
        let scope = |i: usize| match self.prefix.strip_suffix('.') {
            Some(prefix) => root.at(prefix).at(i),
            None => root.at(i),
        };
        let mut width = self.channels[0];
        let mut checked = |scope: &Scope, stride: usize| {
            let [out, inner, kh, kw] = scope.dims::<4>("weight")?;
            if [inner, kh, kw] != [width, 3, 3] {
                let what = format!("has shape {:?}, {:?} is needed", [out, inner, kh, kw], [out, width, 3, 3]);
                return Err(scope.error("weight", what));
            }
            width = out;
            if scope.contains("bias") { Conv2d::load(scope, stride, 1) } else { Conv2d::without_bias(scope, stride, 1) }
        };
        let mut layers = Vec::new();
        for &i in &self.layers {
            let scope = scope(i);
            if scope.has("conv") {
                let [a, b, c] = ["conv.0", "conv.2", "conv.4"].map(|name| checked(&scope.at(name), 1));
                let block = [a?, b?, c?];
                if block[0].channels()[0] != block[2].channels()[1] {
                    return Err(scope.error("conv.4.weight", "changes the number of channels within a block"));
                }
                layers.push(Layer::Block(block));
                continue;
            }
            let resamples = !scope.contains("bias");
            if resamples && is_decoder {
                layers.push(Layer::Double);
            }
            layers.push(Layer::Conv(checked(&scope, if resamples && !is_decoder { 2 } else { 1 })?));
            if is_decoder && layers.len() == 1 {
                layers.push(Layer::Relu);
            }
        }
        Ok(Half(layers))
    }
}

impl Half {
    fn forward(&self, x: &Tensor, stage: Stage, job: &dyn Job) -> Result<Tensor, EngineError> {
        let steps = self.0.len() as u32;
        let mut x = x.clone();
        for (i, layer) in self.0.iter().enumerate() {
            job.step(stage, i as u32, steps)?;
            x = layer.forward(&x)?;
        }
        job.step(stage, steps, steps)?;
        Ok(x)
    }
}

impl Layer {
    fn forward(&self, x: &Tensor) -> Computed<Tensor> {
        let relu = |x: &Tensor| leaky_relu(x, 0.0);
        match self {
            Self::Conv(conv) => conv.forward(x),
            Self::Relu => relu(x),
            Self::Double => {
                let (_, _, h, w) = x.dims4()?;
                x.upsample_nearest2d(2 * h, 2 * w)
            }
            Self::Block([first, second, third]) => {
                let y = third.forward(&relu(&second.forward(&relu(&first.forward(x)?)?)?)?)?;
                relu(&(x + y)?)
            }
        }
    }
}

impl Tiny {
    /// Loads the file, or diffusers folder, at `path`, whose latents must have so many channels.
    pub fn load(path: &Path, latent_channels: usize, device: &Device) -> Result<Self, EngineError> {
        let weights = open(path)?;
        let Some(row) = decoder(&weights) else {
            return Err(EngineError::NotTiny { path: path.to_owned() });
        };
        let loading = Loading::new(device, 0, &Unattended);
        let root = weights.root(&loading);
        if row.channels[0] != latent_channels {
            let what = format!("takes {} channels of latents, this model has {latent_channels}", row.channels[0]);
            return Err(root.error(&format!("{}{}.weight", row.prefix, row.layers[0]), what));
        }
        let encoder = encoder(&weights);
        if let Some(row) = encoder.as_ref().filter(|row| row.channels[1] != latent_channels) {
            let what = format!("makes {} channels of latents, its decoder takes {latent_channels}", row.channels[1]);
            return Err(root.error(&format!("{}{}.weight", row.prefix, row.layers[row.layers.len() - 1]), what));
        }
        let encoder = encoder.map(|row| row.load(&root, false)).transpose()?;
        let tiny = Self { decoder: row.load(&root, true)?, encoder, latent_channels };
        match weights.unused() {
            Some(name) => Err(root.error(name, "is of another architecture than a tiny autoencoder's")),
            None => Ok(tiny),
        }
    }

    /// Latents `[B, C, h, w]` to pixels, about -1..=1, not clamped.
    pub fn decode(&self, latents: &Tensor, job: &dyn Job) -> Result<Tensor, EngineError> {
        let (b, _, h, w) = latents.dims4()?;
        let factor = self.factor();
        let made = blend([h, w], &TILES, factor, b * 3, job, |tile, job| {
            let rows = latents.narrow(2, tile.rows.start, tile.rows.len)?;
            let x = rows.narrow(3, tile.columns.start, tile.columns.len)?;
            // Latents far out are bent back: no later layer was trained on them.
            let x = ((x / 3.0)?.tanh()? * 3.0)?;
            Ok(((self.decoder.forward(&x, Stage::Decode, job)? * 2.0)? - 1.0)?)
        })?;
        Ok(made.reshape((b, 3, h * factor, w * factor))?)
    }

    /// Pixels, whose sides are multiples of 8, to latents `[B, C, h, w]`; `None` if the file has no encoder.
    pub fn encode(&self, pixels: &Tensor, job: &dyn Job) -> Result<Option<Tensor>, EngineError> {
        let Some(encoder) = &self.encoder else { return Ok(None) };
        let ((b, _, h, w), factor) = (pixels.dims4()?, self.factor());
        let (h, w) = (h / factor, w / factor);
        let made = blend([h, w], &TILES, 1, b * self.latent_channels, job, |tile, job| {
            let rows = pixels.narrow(2, tile.rows.start * factor, tile.rows.len * factor)?;
            let x = rows.narrow(3, tile.columns.start * factor, tile.columns.len * factor)?;
            encoder.forward(&((x + 1.0)? / 2.0)?, Stage::Encode, job)
        })?;
        Ok(Some(made.reshape((b, self.latent_channels, h, w))?))
    }

    /// Pixels of a side for each latent.
    fn factor(&self) -> usize {
        1 << self.decoder.0.iter().filter(|layer| matches!(layer, Layer::Double)).count()
    }

    /// Clean latents `[C, h, w]` as a small picture.
    pub fn preview(&self, clean: &[f32], [c, h, w]: [usize; 3], device: &Device) -> Result<Image, EngineError> {
        let by = h.max(w).div_ceil(PREVIEW_CELLS).max(1);
        let (rows, columns) = (h.div_ceil(by), w.div_ceil(by));
        let mean = |c: usize, y: usize, x: usize| {
            let (ys, xs) = (y * by..h.min((y + 1) * by), x * by..w.min((x + 1) * by));
            let count = (ys.len() * xs.len()) as f32;
            ys.flat_map(|y| xs.clone().map(move |x| clean[(c * h + y) * w + x])).sum::<f32>() / count
        };
        let cells = (0..c * rows * columns).map(|i| mean(i / (rows * columns), i / columns % rows, i % columns));
        let latents = Tensor::from_vec(cells.collect::<Vec<_>>(), (1, c, rows, columns), device)?;
        pixels::to_image(&self.decode(&latents, &Unattended)?)
    }
}
