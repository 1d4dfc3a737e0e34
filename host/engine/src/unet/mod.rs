//! The denoiser of Stable Diffusion 1.x, 2.x and XL: a U-Net with cross-attention to the text.
//!
//! Decision: the structure (levels, layers per level, where attention sits, every width) is read off the tensors that are
//! there; the configuration only adds what shapes cannot tell, namely heads and norm groups. So pruned and tiny models load,
//! and folders and single files take the same path.
//!
//! What control models add, they add as data ([`Hooks`]): the network knows where something may be added, not by whom.

pub(crate) mod blocks;
pub(crate) mod embedding;
pub(crate) mod encoder;
mod regions;

use crate::layers::{Conv2d, GroupNorm};
use crate::{EngineError, weights::Scope};
use blocks::{Level, Looks, Transformer, alive, block};
use candle_core::{DType, Result as Computed, Tensor};
use encoder::{Encoder, Shape};
pub use regions::Regions;
use underpaint_raster::Job;

/// What the tensors' shapes do not tell.
#[derive(Clone, Debug, PartialEq)]
pub struct UNetConfig {
    /// Attention heads.
    pub heads: Heads,
    /// Groups of every group normalisation.
    pub norm_groups: usize,
    /// Epsilon of the residual blocks' normalisations; the transformers' own is always 1e-6.
    pub norm_eps: f64,
    /// Timestep embedding: cosines first.
    pub flip_sin_to_cos: bool,
    /// Timestep embedding: subtracted from the number of frequencies.
    pub freq_shift: f64,
    /// SDXL: features made of each size told besides the text.
    pub size_features: usize,
}

/// Number of attention heads at each level of the network.
#[derive(Clone, Debug, PartialEq)]
pub enum Heads {
    /// The same number everywhere (SD 1.x: 8).
    Same(usize),
    /// One number per level, from the top.
    PerLevel(Vec<usize>),
    /// As many as there are parts of this width (SD 2.x and SDXL: 64), at least one.
    OfWidth(usize),
}

impl Heads {
    /// At `level`, whose attention is `width` wide.
    fn at(&self, level: usize, width: usize) -> usize {
        match self {
            Self::Same(heads) => *heads,
            Self::PerLevel(heads) => heads.get(level).or(heads.last()).copied().unwrap_or(0),
            Self::OfWidth(head) => (width / (*head).max(1)).max(1),
        }
    }
}

/// The network.
pub struct UNet {
    encoder: Encoder,
    up: Vec<Level>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    context_width: usize,
}

/// What the denoiser is told besides the picture and the timestep, for each of `B` rows.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// `[B, N, D]`: the text, token by token.
    pub context: Tensor,
    /// `[B, A]`: the whole text and sizes, as [`UNet::added_features`] makes them; SDXL only.
    pub added: Option<Tensor>,
    /// Where the last row is told something else than `context`.
    pub regions: Option<Regions>,
}

/// What others add inside the network during one evaluation; nothing by default.
#[derive(Clone, Debug, Default)]
pub struct Hooks {
    /// Added to what the decoder is shown (ControlNet).
    pub residuals: Option<Residuals>,
    /// `[1 or B, C, h, w]` for each level, added to what the encoder sees (T2I-Adapter); see [`Encoder::forward`].
    pub features: Vec<Tensor>,
    /// Looked at besides the text (IP-Adapter).
    pub images: Vec<ImagePrompt>,
}

/// What is added behind the encoder: one tensor for each thing it saw, and one for the middle.
#[derive(Clone, Debug)]
pub struct Residuals {
    /// `[B, C, h, w]` each, from the first convolution on.
    pub skips: Vec<Tensor>,
    /// `[B, C, h, w]`.
    pub mid: Tensor,
}

/// A picture as every transformer block sees it.
#[derive(Clone, Debug)]
pub struct ImagePrompt {
    /// Keys and values `[B, M, width]` by [`UNet::attention_widths`]' order.
    pub keys_values: Vec<[Tensor; 2]>,
    /// How much it counts against the text's 1.
    pub weight: f32,
}

impl Conditions {
    /// The same in `dtype`.
    pub fn in_precision(&self, dtype: DType) -> Computed<Self> {
        let added = self.added.as_ref().map(|added| added.to_dtype(dtype)).transpose()?;
        let regions = self.regions.as_ref().map(|regions| regions.in_precision(dtype)).transpose()?;
        Ok(Self { context: self.context.to_dtype(dtype)?, added, regions })
    }
}

impl Hooks {
    /// The same in `dtype`.
    pub fn in_precision(self, dtype: DType) -> Computed<Self> {
        let all = |tensors: Vec<Tensor>| tensors.iter().map(|t| t.to_dtype(dtype)).collect::<Computed<Vec<_>>>();
        let residuals = match self.residuals {
            Some(Residuals { skips, mid }) => Some(Residuals { skips: all(skips)?, mid: mid.to_dtype(dtype)? }),
            None => None,
        };
        let image = |image: ImagePrompt| {
            let both = |[keys, values]: [Tensor; 2]| Ok([keys.to_dtype(dtype)?, values.to_dtype(dtype)?]);
            let keys_values = image.keys_values.into_iter().map(both).collect::<Computed<_>>()?;
            Ok(ImagePrompt { keys_values, ..image })
        };
        let images = self.images.into_iter().map(image).collect::<Computed<_>>()?;
        Ok(Self { residuals, features: all(self.features)?, images })
    }
}

impl UNet {
    /// Reads all tensors below `scope`.
    pub fn load(scope: &Scope, config: &UNetConfig) -> Result<Self, EngineError> {
        let mut encoder = Encoder::load(scope, config)?;
        let levels = encoder.down.len();
        if scope.count("up_blocks") != levels {
            return Err(scope.error("down_blocks", "and up_blocks must be equally many, and at least one"));
        }
        let mut up = Vec::new();
        for i in 0..levels {
            let block = scope.at(format_args!("up_blocks.{i}"));
            up.push(Level::load(&block, config, levels - 1 - i, ("upsamplers.0.conv", 1))?);
        }
        // diffusers counts its attention processors down, up, middle, and IP-Adapter's files are numbered so.
        let (mut place, (down, mid)) = (0, encoder.transformers_mut());
        for transformer in down.chain(up.iter_mut().flat_map(Level::transformers_mut)).chain(mid) {
            transformer.number(&mut place);
        }
        let transformers = || {
            let up = up.iter().flat_map(Level::transformers);
            encoder.down_transformers().chain(up).chain(encoder.mid_transformer())
        };
        let context_width = transformers().find_map(Transformer::context_width).unwrap_or(0);
        if transformers().any(|t| t.context_width() != Some(context_width)) {
            return Err(scope.error("attn2.to_k.weight", "does not take the same context everywhere"));
        }
        Ok(Self {
            encoder,
            up,
            norm_out: GroupNorm::load(&scope.at("conv_norm_out"), config.norm_groups, config.norm_eps, true)?,
            conv_out: Conv2d::load(&scope.at("conv_out"), 1, 1)?,
            context_width,
        })
    }

    /// Width of the text embedding it attends to.
    pub fn context_width(&self) -> usize {
        self.context_width
    }

    /// Width of each transformer block's attention, the blocks in diffusers' order: down, up, middle.
    pub fn attention_widths(&self) -> Vec<usize> {
        let up = self.up.iter().flat_map(Level::transformers);
        let all = self.encoder.down_transformers().chain(up).chain(self.encoder.mid_transformer());
        all.flat_map(Transformer::widths).collect()
    }

    /// True if features of these `widths` can be added level by level, one more in the middle.
    pub(crate) fn takes_features(&self, widths: &[usize]) -> bool {
        self.encoder.takes_features(widths)
    }

    /// The sizes at which latents of `h` by `w` are looked at, from the top.
    pub fn levels(&self, [h, w]: [usize; 2]) -> Vec<[usize; 2]> {
        let levels = 1 + self.encoder.down.iter().filter(|level| level.resample.is_some()).count();
        let half = |size: &[usize; 2]| Some(size.map(|side| side.div_ceil(2)));
        std::iter::successors(Some([h, w]), half).take(levels).collect()
    }

    /// What a ControlNet must share with it.
    pub(crate) fn shape(&self) -> Shape {
        self.encoder.shape()
    }

    /// How many sizes it is told beside a whole text `pooled` wide: 0 without SDXL's embedding, `None` if that does not fit.
    pub fn sizes(&self, pooled: usize) -> Option<usize> {
        self.encoder.sizes(pooled)
    }

    /// `[1, A]` of the whole text `pooled` `[1, P]` and `sizes`; `None` without SDXL's embedding.
    pub fn added_features(&self, pooled: &Tensor, sizes: &[f64]) -> Computed<Option<Tensor>> {
        self.encoder.added_features(pooled, sizes)
    }

    /// Predicts the noise in `x` `[B, in_channels, h, w]` at `timestep` (may be fractional) under `conditions`, with what
    /// `hooks` add. Any `h` and `w` will do. Returns `[B, out_channels, h, w]`; asks `job` between blocks.
    pub fn forward(
        &self,
        x: &Tensor,
        timestep: f64,
        conditions: &Conditions,
        hooks: &Hooks,
        job: &dyn Job,
    ) -> Result<Tensor, EngineError> {
        let time = self.encoder.embed(timestep, conditions, None)?;
        let looks = Looks { context: &conditions.context, regions: conditions.regions.as_ref(), images: &hooks.images };
        let x = self.encoder.conv_in.forward(x)?;
        let (mut skips, mut x) = self.encoder.forward(x, &time, &looks, &hooks.features, job)?;
        if let Some(residuals) = &hooks.residuals {
            for (skip, residual) in skips.iter_mut().zip(&residuals.skips) {
                *skip = (&*skip + residual)?;
            }
            x = (x + &residuals.mid)?;
        }
        for level in &self.up {
            for (resnet, transformer) in &level.layers {
                alive(job)?;
                let Some(skip) = skips.pop() else { break };
                x = block(resnet, transformer.as_ref(), &Tensor::cat(&[&x, &skip], 1)?, &time, &looks)?;
            }
            if let Some(conv) = &level.resample {
                // To the size of the skip that comes next, not simply twice: latents may have odd sides.
                let (_, _, h, w) = x.dims4()?;
                let (h, w) = skips.last().map_or(Ok((2 * h, 2 * w)), |s| s.dims4().map(|(_, _, h, w)| (h, w)))?;
                x = conv.forward(&x.upsample_nearest2d(h, w)?)?;
            }
        }
        Ok(self.conv_out.forward(&self.norm_out.forward(&x)?)?)
    }
}

impl Residuals {
    /// All of it `by` times as strong.
    pub fn scale(&self, by: f64) -> Computed<Self> {
        let skips = self.skips.iter().map(|skip| skip * by).collect::<Computed<_>>()?;
        Ok(Self { skips, mid: (&self.mid * by)? })
    }

    /// Both together.
    pub fn add(&self, other: &Self) -> Computed<Self> {
        let skips = self.skips.iter().zip(&other.skips).map(|(a, b)| a + b).collect::<Computed<_>>()?;
        Ok(Self { skips, mid: (&self.mid + &other.mid)? })
    }
}
