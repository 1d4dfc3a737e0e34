//! The autoencoder between pixels and latents.
//!
//! As in [`unet`](crate::unet), structure and widths come from the tensors; the configuration adds norm groups and the scale
//! of the latents. Pixels are `[B, 3, H, W]` in -1..=1.
//!
//! Decision: up to [`WHOLE`] latents a picture is done as a whole, exactly as diffusers does it. Beyond that it is done in
//! overlapping [`tiles`](crate::tiles) of that size, so that memory stays what it is there. A tile's norms see the tile alone, as with
//! diffusers' `enable_tiling`, so tiles differ a little from the whole; the windows let them cross over without an edge, and the
//! large tiles keep the difference small.

use crate::layers::{Conv2d, GroupNorm, Linear, attend};
use crate::tiles::{Tiling, blend};
use crate::{EngineError, weights::Scope};
use candle_core::{Result as Computed, Tensor};
use underpaint_raster::{Job, Stage};

/// Most latents that are done as a whole: a picture of 1024x1024 pixels, where the decoder of Stable Diffusion wants 3 GB.
pub const WHOLE: usize = 128 * 128;
/// How larger pictures are cut, in latents.
const TILES: Tiling = Tiling { tile: 128, overlap: 32 };

/// How they are cut where memory is short: the smallest tiles whose norms still see enough to agree.
pub const SMALLEST: Tiling = Tiling { tile: 64, overlap: 16 };

/// How `h` by `w` latents are cut unless somebody says otherwise.
pub fn usual(h: usize, w: usize) -> Tiling {
    if h * w <= WHOLE { Tiling::WHOLE } else { TILES }
}

/// What the tensors' shapes do not tell.
#[derive(Clone, Debug, PartialEq)]
pub struct VaeConfig {
    /// Groups of every group normalisation.
    pub norm_groups: usize,
    /// Latents are multiplied by this for the denoiser.
    pub scaling_factor: f64,
}

/// Encoder and decoder.
pub struct Vae {
    encoder: Coder,
    quant: Option<Conv2d>,
    post_quant: Option<Conv2d>,
    decoder: Coder,
    scaling_factor: f64,
    latent_channels: usize,
    /// Pixels of a side for each latent.
    factor: usize,
}

/// One half: convolution in, levels and middle in the order of the half, convolution out.
struct Coder {
    conv_in: Conv2d,
    levels: Vec<Level>,
    mid: (Resnet, Option<PixelAttention>, Resnet),
    norm_out: GroupNorm,
    conv_out: Conv2d,
}

struct Level {
    resnets: Vec<Resnet>,
    resample: Option<Conv2d>,
}

/// Mean and standard deviation of a picture's latents, scaled for the denoiser; `[B, C, h, w]` each.
pub struct Posterior {
    /// The mean.
    pub mean: Tensor,
    /// The standard deviation.
    pub std: Tensor,
}

impl Vae {
    /// Reads all tensors below `scope`.
    pub fn load(scope: &Scope, config: &VaeConfig) -> Result<Self, EngineError> {
        let optional = |name| scope.has(name).then(|| Conv2d::load(&scope.at(name), 1, 0)).transpose();
        let encoder = Coder::load(&scope.at("encoder"), config, "down_blocks", ("downsamplers.0.conv", 2, 0))?;
        let decoder = Coder::load(&scope.at("decoder"), config, "up_blocks", ("upsamplers.0.conv", 1, 1))?;
        let latent_channels = decoder.conv_in.channels()[0];
        if encoder.conv_out.channels()[1] != 2 * latent_channels {
            return Err(
                scope.error("encoder.conv_out.weight", format!("does not give twice {latent_channels} channels"))
            );
        }
        let factor = 1 << decoder.levels.iter().filter(|level| level.resample.is_some()).count();
        Ok(Self {
            encoder,
            quant: optional("quant_conv")?,
            post_quant: optional("post_quant_conv")?,
            decoder,
            scaling_factor: config.scaling_factor,
            latent_channels,
            factor,
        })
    }

    /// Channels of the latents.
    pub fn latent_channels(&self) -> usize {
        self.latent_channels
    }

    /// Latents are multiplied by this for the denoiser.
    pub fn scaling_factor(&self) -> f64 {
        self.scaling_factor
    }

    /// Pixels `[B, 3, H, W]` in -1..=1 to the distribution of their latents; `tiling` is in latents, `None` cuts as [`usual`].
    pub fn encode(&self, pixels: &Tensor, tiling: Option<Tiling>, job: &dyn Job) -> Result<Posterior, EngineError> {
        let ((b, _, h, w), factor) = (pixels.dims4()?, self.factor);
        let (rows, columns) = (h / factor, w / factor);
        let tiling = tiling.unwrap_or_else(|| usual(rows, columns));
        let moments = match tiling.divides(rows, columns) {
            false => self.moments(pixels, job)?,
            true => {
                let channels = 2 * self.latent_channels;
                let made = blend([rows, columns], &tiling, 1, b * channels, job, |tile, job| {
                    let rows = pixels.narrow(2, tile.rows.start * factor, tile.rows.len * factor)?;
                    self.moments(&rows.narrow(3, tile.columns.start * factor, tile.columns.len * factor)?, job)
                })?;
                made.reshape((b, channels, rows, columns))?.to_device(pixels.device())?
            }
        };
        let mean = moments.narrow(1, 0, self.latent_channels)?;
        let log_variance = moments.narrow(1, self.latent_channels, self.latent_channels)?.clamp(-30f32, 20f32)?;
        let std = (log_variance * 0.5)?.exp()?;
        Ok(Posterior { mean: (mean * self.scaling_factor)?, std: (std * self.scaling_factor)? })
    }

    /// Latents `[B, C, h, w]` as the denoiser has them to pixels `[B, 3, H, W]`, about -1..=1, not clamped; `None` cuts as [`usual`].
    pub fn decode(&self, latents: &Tensor, tiling: Option<Tiling>, job: &dyn Job) -> Result<Tensor, EngineError> {
        let ((b, _, h, w), factor) = (latents.dims4()?, self.factor);
        let tiling = tiling.unwrap_or_else(|| usual(h, w));
        let made = blend([h, w], &tiling, factor, b * 3, job, |tile, job| {
            let rows = latents.narrow(2, tile.rows.start, tile.rows.len)?;
            self.pixels(&rows.narrow(3, tile.columns.start, tile.columns.len)?, job)
        })?;
        Ok(made.reshape((b, 3, h * factor, w * factor))?.to_device(latents.device())?)
    }

    /// Mean and logarithm of the variance of a whole picture, one after the other, not scaled.
    fn moments(&self, pixels: &Tensor, job: &dyn Job) -> Result<Tensor, EngineError> {
        let encoder = &self.encoder;
        let steps = encoder.levels.len() as u32 + 1;
        let mut x = encoder.conv_in.forward(pixels)?;
        for (i, level) in encoder.levels.iter().enumerate() {
            for resnet in &level.resnets {
                job.step(Stage::Encode, i as u32, steps)?;
                x = resnet.forward(&x)?;
            }
            if let Some(conv) = &level.resample {
                // Padded on the right and below only.
                x = conv.forward(&x.pad_with_zeros(2, 0, 1)?.pad_with_zeros(3, 0, 1)?)?;
            }
        }
        job.step(Stage::Encode, steps - 1, steps)?;
        x = encoder.middle(&x)?;
        x = encoder.conv_out.forward(&encoder.norm_out.forward(&x)?)?;
        if let Some(quant) = &self.quant {
            x = quant.forward(&x)?;
        }
        job.step(Stage::Encode, steps, steps)?;
        Ok(x)
    }

    /// The pixels of latents, as a whole.
    fn pixels(&self, latents: &Tensor, job: &dyn Job) -> Result<Tensor, EngineError> {
        let decoder = &self.decoder;
        let steps = decoder.levels.len() as u32 + 1;
        job.step(Stage::Decode, 0, steps)?;
        let mut x = (latents * (1.0 / self.scaling_factor))?;
        if let Some(post_quant) = &self.post_quant {
            x = post_quant.forward(&x)?;
        }
        x = decoder.middle(&decoder.conv_in.forward(&x)?)?;
        for (i, level) in decoder.levels.iter().enumerate() {
            for resnet in &level.resnets {
                job.step(Stage::Decode, i as u32 + 1, steps)?;
                x = resnet.forward(&x)?;
            }
            if let Some(conv) = &level.resample {
                let (_, _, h, w) = x.dims4()?;
                x = conv.forward(&x.upsample_nearest2d(2 * h, 2 * w)?)?;
            }
        }
        x = decoder.conv_out.forward(&decoder.norm_out.forward(&x)?)?;
        job.step(Stage::Decode, steps, steps)?;
        Ok(x)
    }
}

impl Coder {
    fn load(
        scope: &Scope,
        config: &VaeConfig,
        levels: &str,
        resample: (&str, usize, usize),
    ) -> Result<Self, EngineError> {
        let groups = config.norm_groups;
        let mut loaded = Vec::new();
        for i in 0..scope.count(levels) {
            let level = scope.at(format_args!("{levels}.{i}"));
            let resnets =
                (0..level.count("resnets")).map(|j| Resnet::load(&level.at(format_args!("resnets.{j}")), groups));
            let (name, stride, padding) = resample;
            loaded.push(Level {
                resnets: resnets.collect::<Result<_, _>>()?,
                resample: level.has(name).then(|| Conv2d::load(&level.at(name), stride, padding)).transpose()?,
            });
        }
        let mid = scope.at("mid_block");
        let attention = match mid.has("attentions.0") {
            true => Some(PixelAttention::load(&mid.at("attentions.0"), groups)?),
            false => None,
        };
        Ok(Self {
            conv_in: Conv2d::load(&scope.at("conv_in"), 1, 1)?,
            levels: loaded,
            mid: (Resnet::load(&mid.at("resnets.0"), groups)?, attention, Resnet::load(&mid.at("resnets.1"), groups)?),
            norm_out: GroupNorm::load(&scope.at("conv_norm_out"), groups, 1e-6, true)?,
            conv_out: Conv2d::load(&scope.at("conv_out"), 1, 1)?,
        })
    }

    fn middle(&self, x: &Tensor) -> Computed<Tensor> {
        let (first, attention, second) = &self.mid;
        let mut x = first.forward(x)?;
        if let Some(attention) = attention {
            x = attention.forward(&x)?;
        }
        second.forward(&x)
    }
}

struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    norm2: GroupNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl Resnet {
    fn load(scope: &Scope, groups: usize) -> Result<Self, EngineError> {
        let shortcut = scope.at("conv_shortcut");
        Ok(Self {
            norm1: GroupNorm::load(&scope.at("norm1"), groups, 1e-6, true)?,
            conv1: Conv2d::load(&scope.at("conv1"), 1, 1)?,
            norm2: GroupNorm::load(&scope.at("norm2"), groups, 1e-6, true)?,
            conv2: Conv2d::load(&scope.at("conv2"), 1, 1)?,
            shortcut: scope.has("conv_shortcut").then(|| Conv2d::load(&shortcut, 1, 0)).transpose()?,
        })
    }

    fn forward(&self, x: &Tensor) -> Computed<Tensor> {
        let y = self.conv1.forward(&self.norm1.forward(x)?)?;
        // The widest moment of a large picture: what is not needed any more is let go at once.
        let normed = self.norm2.forward(&y)?;
        drop(y);
        let y = self.conv2.forward(&normed)?;
        drop(normed);
        match &self.shortcut {
            Some(conv) => conv.forward(x)? + y,
            None => x + y,
        }
    }
}

/// One-headed attention of every pixel to all others, in the middle of both halves.
struct PixelAttention {
    norm: GroupNorm,
    projections: [Linear; 4],
}

impl PixelAttention {
    fn load(scope: &Scope, groups: usize) -> Result<Self, EngineError> {
        let [query, key, value, out] = ["to_q", "to_k", "to_v", "to_out.0"].map(|name| Linear::load(&scope.at(name)));
        Ok(Self {
            norm: GroupNorm::load(&scope.at("group_norm"), groups, 1e-6, false)?,
            projections: [query?, key?, value?, out?],
        })
    }

    fn forward(&self, x: &Tensor) -> Computed<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        let tokens = self.norm.forward(x)?.permute((0, 2, 3, 1))?.contiguous()?.reshape((b, h * w, c))?;
        let [query, key, value, out] = &self.projections;
        let one_head = |projection: &Linear| projection.forward(&tokens)?.unsqueeze(1);
        let y = attend(&one_head(query)?, &one_head(key)?, &one_head(value)?, false)?.squeeze(1)?;
        x + out.forward(&y)?.transpose(1, 2)?.contiguous()?.reshape((b, c, h, w))?
    }
}
