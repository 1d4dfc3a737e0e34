//! Enlarging by a network: ESRGAN and its kin, and Real-ESRGAN's compact one.
//!
//! The story: [`inspect`] recognises a file by the names and shapes of its tensors, whichever of the published spellings it
//! uses (`names`); [`Upscaler::load`] reads it into [`rrdb`] or [`compact`]; [`Upscaler::upscale`] runs it over overlapping
//! tiles, so that memory does not grow with the picture.
//!
//! Decision: a network sees colours without alpha. Where a picture is transparent its colours are continued from what is
//! visible, so that nothing hidden bleeds into an edge; alpha itself is resampled, and stays straight. A network of one
//! channel is run on red, green and blue alike, one of four gets alpha as it is.

mod compact;
mod names;
mod rrdb;

use crate::tiles::{Tile, Tiling, blend};
use crate::weights::Loading;
use crate::{EngineError, Options, device, memory};
use candle_core::{Device, Result as Computed, Tensor};
use std::path::Path;
use underpaint_raster::{Extent, Image, Job, Mask, Stage, infill::push_pull, resize_mask};

/// Kinds of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Architecture {
    /// Residual dense blocks in residual blocks (Wang et al. 2018, "ESRGAN"), also those of Real-ESRGAN, BSRGAN and ESRGAN+.
    Esrgan,
    /// A plain row of convolutions (Real-ESRGAN's SRVGGNetCompact).
    Compact,
}

impl Architecture {
    /// Its name on the wire.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Esrgan => "esrgan",
            Self::Compact => "compact",
        }
    }
}

/// What a file's header tells of its network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Its kind.
    pub architecture: Architecture,
    /// How many times wider and higher pictures become; 1 restores only.
    pub scale: u32,
    /// Channels in and out: 1, 3 or 4.
    pub channels: u32,
    /// Pixels of a picture's side that make one of the network's: 1, or what its first layer folds.
    fold: u32,
    /// Doublings at its end (ESRGAN), 0 for others.
    doublings: u32,
}

/// What of a picture overlaps between tiles, in pixels of the picture.
///
/// A network with 23 blocks looks much further in principle, but hardly in fact: each of its layers adds a fifth of what it found.
const OVERLAP: usize = 32;
/// Longest side of a tile inside a network, before and after its doublings: 64 channels of the latter are 256 MiB.
const SIDE: (usize, usize) = (256, 1024);

impl Facts {
    /// Tiles that keep a network of usual width below about a gigabyte.
    pub fn tiling(&self) -> Tiling {
        let side = SIDE.0.min(SIDE.1 >> self.doublings).max(32);
        Tiling { tile: side * self.fold as usize, overlap: OVERLAP }
    }
}

/// What `path` is if it is an upscaler's file; `None` for a sound file of something else. Reads the header only.
pub fn inspect(path: &Path) -> Result<Option<Facts>, EngineError> {
    Ok(names::open(path)?.map(|(_, facts)| facts))
}

/// What a network takes of memory, told by its header.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Size {
    /// As [`Facts::scale`].
    pub scale: u32,
    /// The usual longest side of a tile, in pixels of the picture.
    pub tile: u32,
    /// Its weights.
    pub weights_bytes: u64,
    /// Values alive at its widest moment for each pixel of a tile.
    values: u64,
}

impl Size {
    /// What is alive besides the weights while a square of `side` pixels is enlarged.
    pub fn tile_bytes(&self, side: u32) -> u64 {
        4 * self.values * u64::from(side) * u64::from(side)
    }
}

/// The size of the upscaler at `path`; `None` for a sound file of something else.
pub fn size(path: &Path) -> Result<Option<Size>, EngineError> {
    let Some((weights, facts)) = names::open(path)? else { return Ok(None) };
    let values = match facts.architecture {
        Architecture::Esrgan => rrdb::values(&weights, &facts),
        Architecture::Compact => compact::values(&weights, &facts),
    };
    // A network of one channel sees three pictures.
    let pictures = if facts.channels == 1 { 3 } else { 1 };
    Ok(Some(Size {
        scale: facts.scale,
        tile: facts.tiling().tile as u32,
        weights_bytes: memory::weights_bytes(&weights, memory::Keeping::Packed),
        values: pictures * values,
    }))
}

/// A loaded network. Stays usable after any error or cancellation.
pub struct Upscaler {
    network: Box<dyn Network>,
    facts: Facts,
    device: Device,
}

/// What enlarges a tile.
trait Network {
    /// `[B, C, H, W]` in 0..=1 to `[B, C, H scale, W scale]`; the sides are multiples of what it folds. Asks `job` between layers.
    fn forward(&self, x: &Tensor, job: &dyn Job) -> Result<Tensor, EngineError>;
}

impl Upscaler {
    /// Loads the file at `path`, to compute in `f32` on the device `options` say; asks `job` before each tensor.
    pub fn load(path: &Path, options: &Options, job: &dyn Job) -> Result<Self, EngineError> {
        let refuse = |found: String| EngineError::NotUpscaler { path: path.to_owned(), found };
        let Some((weights, facts)) = names::open(path)? else {
            return Err(refuse("no upscaler that this version knows".into()));
        };
        let total = weights.names().count();
        let (device, _) = device::open(options.device, options.dtype)?;
        let loading = Loading::new(&device, total, job);
        let root = weights.root(&loading);
        let network: Box<dyn Network> = match facts.architecture {
            Architecture::Esrgan => Box::new(rrdb::RrdbNet::load(&root, &facts)?),
            Architecture::Compact => Box::new(compact::Compact::load(&root, &facts)?),
        };
        if let Some(name) = weights.unused() {
            return Err(refuse(format!("an upscaler with tensors of another architecture (the first is {name})")));
        }
        job.step(Stage::Load, total as u32, total as u32)?;
        Ok(Self { network, facts, device })
    }

    /// What it is.
    pub fn facts(&self) -> &Facts {
        &self.facts
    }

    /// `image` enlarged by the network's scale; `tile` takes the place of the usual longest side of a tile, in pixels of
    /// `image`. Cancelled between the blocks of the network.
    pub fn upscale(&self, image: &Image, tile: Option<u32>, job: &dyn Job) -> Result<Image, EngineError> {
        let Facts { scale, channels, fold, .. } = self.facts;
        let (extent, scale) = (image.extent(), scale as usize);
        let usual = self.facts.tiling();
        let tiling = Tiling { tile: tile.map_or(usual.tile, |tile| tile as usize), ..usual };
        // The network's own pixels are whole, the border mirrored as far as that takes.
        let (fold, padded) = (fold as usize, self.padded(extent));
        let cells = Tiling { tile: (tiling.tile / fold).max(1), overlap: tiling.overlap.div_ceil(fold) };
        let transparent = image.data().chunks_exact(4).any(|p| p[3] < 1.0);
        let colours = if transparent && channels != 4 { &opaque(image) } else { image };
        let planes = if channels == 4 { 4 } else { 3 };
        let make = |tile: &Tile, job: &dyn Job| {
            let [rows, columns] =
                [tile.rows, tile.columns].map(|span| span.start * fold..(span.start + span.len) * fold);
            let (h, w) = (rows.len(), columns.len());
            let x = Tensor::from_vec(values(colours, planes, rows, columns), (1, planes, h, w), &self.device)?;
            let x = if channels == 1 { x.reshape((planes, 1, h, w))? } else { x };
            let y = self.network.forward(&x, job)?;
            Ok(y.reshape((1, planes, h * scale, w * scale))?)
        };
        let [h, w] = padded.map(|side| side / fold);
        let made = blend([h, w], &cells, fold * scale, planes, job, make)?;
        let to = Extent::new(extent.w * scale as u32, extent.h * scale as u32);
        let made = picture(&made, to)?;
        Ok(if transparent && channels != 4 { with_alpha(made, image) } else { made })
    }

    /// Height and width the network is given.
    fn padded(&self, extent: Extent) -> [usize; 2] {
        // Networks that fold pixels get multiples of 4, as spandrel gives them.
        let multiple = if self.facts.fold > 1 { self.facts.fold.max(4) } else { 1 };
        [extent.h, extent.w].map(|side| side.next_multiple_of(multiple) as usize)
    }
}

/// `image` opaque, the colours of what is seen through it continued from what is visible.
fn opaque(image: &Image) -> Image {
    let seen_through = image.data().chunks_exact(4).map(|p| f32::from(p[3] <= 0.0)).collect();
    let mut filled = push_pull(image, &Mask::from_data(image.extent(), seen_through));
    filled.data_mut().chunks_exact_mut(4).for_each(|p| p[3] = 1.0);
    filled
}

/// `enlarged` with the resampled alpha of `image`; nothing hides where that is 0.
fn with_alpha(mut enlarged: Image, image: &Image) -> Image {
    let alpha = Mask::from_data(image.extent(), image.data().chunks_exact(4).map(|p| p[3]).collect());
    let alpha = resize_mask(&alpha, enlarged.extent());
    for (p, &a) in enlarged.data_mut().chunks_exact_mut(4).zip(alpha.data()) {
        // The weights of a resampler sum to 1 but for rounding.
        p[3] = if a > 0.99999 { 1.0 } else { a };
        if a <= 0.0 {
            p.fill(0.0);
        }
    }
    enlarged
}

/// `planes` of a part of `image`, mirrored on the right and below.
fn values(image: &Image, planes: usize, rows: std::ops::Range<usize>, columns: std::ops::Range<usize>) -> Vec<f32> {
    let (w, h) = (image.extent().w as usize, image.extent().h as usize);
    // Beyond the first pixel of the mirror image it is repeated.
    let mirror = |i: usize, n: usize| if i < n { i } else { (2 * (n - 1)).saturating_sub(i) };
    let mut values = Vec::with_capacity(planes * rows.len() * columns.len());
    for (c, y) in (0..planes).flat_map(|c| rows.clone().map(move |y| (c, y))) {
        let row = &image.data()[mirror(y, h) * w * 4..];
        values.extend(columns.clone().map(|x| row[mirror(x, w) * 4 + c]));
    }
    values
}

/// The part of `made`, `[1, 3 or 4, H, W]` in about 0..=1, that is `extent`, clamped.
fn picture(made: &Tensor, extent: Extent) -> Result<Image, EngineError> {
    let (_, planes, h, w) = made.dims4()?;
    let data = made.flatten_all()?.to_vec1::<f32>()?;
    if !data.iter().all(|v| v.is_finite()) {
        return Err(EngineError::NotFinite { stage: "enlarging".into() });
    }
    let mut image = Image::new(extent);
    let width = extent.w as usize;
    for (i, p) in image.data_mut().chunks_exact_mut(4).enumerate() {
        p[3] = 1.0;
        for (c, v) in p.iter_mut().enumerate().take(planes) {
            *v = data[(c * h + i / width) * w + i % width].clamp(0.0, 1.0);
        }
    }
    Ok(image)
}

/// `[B, C s s, h, w]` to `[B, C, h s, w s]`: a pixel's channels become the pixels of a square.
fn pixel_shuffle(x: &Tensor, s: usize) -> Computed<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    let c = c / (s * s);
    x.reshape(&[b, c, s, s, h, w])?.permute([0, 1, 4, 2, 5, 3])?.reshape((b, c, h * s, w * s))
}

/// The reverse of [`pixel_shuffle`].
fn pixel_unshuffle(x: &Tensor, s: usize) -> Computed<Tensor> {
    let (b, c, h, w) = x.dims4()?;
    x.reshape(&[b, c, h / s, s, w / s, s])?.permute([0, 1, 3, 5, 2, 4])?.reshape((b, c * s * s, h / s, w / s))
}
