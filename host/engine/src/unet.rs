//! The denoiser of Stable Diffusion 1.x, 2.x and XL: a U-Net with cross-attention to the text.
//!
//! Decision: the structure (levels, layers per level, where attention sits, every width) is read off the tensors that are
//! there; the configuration only adds what shapes cannot tell, namely heads and norm groups. So pruned and tiny models load,
//! and folders and single files take the same path.

use crate::layers::{Attention, Conv2d, GeGlu, GroupNorm, LayerNorm, Linear};
use crate::{EngineError, weights::Scope};
use candle_core::{Result as Computed, Tensor};
use underpaint_kernels::silu;
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
    conv_in: Conv2d,
    time: [Linear; 2],
    added: Option<Added>,
    down: Vec<Level>,
    mid: (Resnet, Option<Transformer>, Resnet),
    up: Vec<Level>,
    norm_out: GroupNorm,
    conv_out: Conv2d,
    features: Sinusoids,
    context_width: usize,
}

/// What the denoiser is told besides the picture and the timestep, for each of `B` rows.
#[derive(Clone, Debug)]
pub struct Conditions {
    /// `[B, N, D]`: the text, token by token.
    pub context: Tensor,
    /// `[B, A]`: the whole text and sizes, as [`UNet::added_features`] makes them; SDXL only.
    pub added: Option<Tensor>,
}

/// SDXL's way in for the whole text and for sizes.
struct Added {
    linears: [Linear; 2],
    features: Sinusoids,
}

/// Numbers as sines and cosines of falling frequency, computed in `f32` whatever the model's precision.
struct Sinusoids {
    frequencies: Vec<f32>,
    cosines_first: bool,
}

/// One resolution: residual blocks, each with its transformer if it has one, then a change of size.
struct Level {
    layers: Vec<(Resnet, Option<Transformer>)>,
    resample: Option<Conv2d>,
}

impl UNet {
    /// Reads all tensors below `scope`.
    pub fn load(scope: &Scope, config: &UNetConfig) -> Result<Self, EngineError> {
        let conv_in = Conv2d::load(&scope.at("conv_in"), 1, 1)?;
        let channels = conv_in.channels()[1];
        let time = [1, 2].map(|i| Linear::load(&scope.at(format_args!("time_embedding.linear_{i}"))));
        let [first, second] = time;
        let time = [first?, second?];
        if time[0].features()[0] != channels || channels % 2 != 0 {
            return Err(scope.error("time_embedding.linear_1.weight", format!("does not take {channels} features")));
        }
        let levels = scope.count("down_blocks");
        if levels == 0 || scope.count("up_blocks") != levels {
            return Err(scope.error("down_blocks", "and up_blocks must be equally many, and at least one"));
        }
        let mut down = Vec::new();
        for i in 0..levels {
            let block = scope.at(format_args!("down_blocks.{i}"));
            down.push(Level::load(&block, config, i, ("downsamplers.0.conv", 2))?);
        }
        let mid = scope.at("mid_block");
        let attention = match mid.has("attentions.0") {
            true => Some(Transformer::load(&mid.at("attentions.0"), config, levels - 1)?),
            false => None,
        };
        let mid = (Resnet::load(&mid.at("resnets.0"), config)?, attention, Resnet::load(&mid.at("resnets.1"), config)?);
        let mut up = Vec::new();
        for i in 0..levels {
            let block = scope.at(format_args!("up_blocks.{i}"));
            up.push(Level::load(&block, config, levels - 1 - i, ("upsamplers.0.conv", 1))?);
        }
        let blocks =
            || down.iter().chain(&up).flat_map(|l| &l.layers).filter_map(|(_, t)| t.as_ref()).chain(mid.1.as_ref());
        let context_width = blocks().find_map(Transformer::context_width).unwrap_or(0);
        if blocks().any(|t| t.context_width() != Some(context_width)) {
            return Err(scope.error("attn2.to_k.weight", "does not take the same context everywhere"));
        }
        let embedding = scope.at("add_embedding");
        let added = match embedding.has("linear_1") {
            true => Some(Added {
                linears: [Linear::load(&embedding.at("linear_1"))?, Linear::load(&embedding.at("linear_2"))?],
                features: Sinusoids::new(config.size_features, config),
            }),
            false => None,
        };
        Ok(Self {
            conv_in,
            time,
            added,
            down,
            mid,
            up,
            norm_out: GroupNorm::load(&scope.at("conv_norm_out"), config.norm_groups, config.norm_eps, true)?,
            conv_out: Conv2d::load(&scope.at("conv_out"), 1, 1)?,
            features: Sinusoids::new(channels, config),
            context_width,
        })
    }

    /// Width of the text embedding it attends to.
    pub fn context_width(&self) -> usize {
        self.context_width
    }

    /// How many sizes it is told beside a whole text `pooled` wide: 0 without SDXL's embedding, `None` if that does not fit.
    pub fn sizes(&self, pooled: usize) -> Option<usize> {
        let Some(added) = &self.added else { return Some(0) };
        let rest = added.linears[0].features()[0].checked_sub(pooled)?;
        (rest % added.features.width() == 0).then(|| rest / added.features.width())
    }

    /// `[1, A]` of the whole text `pooled` `[1, P]` and `sizes`; `None` without SDXL's embedding.
    pub fn added_features(&self, pooled: &Tensor, sizes: &[f64]) -> Computed<Option<Tensor>> {
        let Some(added) = &self.added else { return Ok(None) };
        let features: Vec<f32> = sizes.iter().flat_map(|&s| added.features.of(s)).collect();
        let features = Tensor::from_vec(features, (1, sizes.len() * added.features.width()), pooled.device())?;
        Tensor::cat(&[pooled, &features], 1).map(Some)
    }

    /// Predicts the noise in `x` `[B, in_channels, h, w]` at `timestep` (may be fractional) under `conditions`.
    /// Any `h` and `w` will do. Returns `[B, out_channels, h, w]`; asks `job` between blocks.
    pub fn forward(
        &self,
        x: &Tensor,
        timestep: f64,
        conditions: &Conditions,
        job: &dyn Job,
    ) -> Result<Tensor, EngineError> {
        let time = self.embed(timestep, conditions)?;
        let context = &conditions.context;
        let mut x = self.conv_in.forward(x)?;
        let mut skips = vec![x.clone()];
        for level in &self.down {
            for (resnet, transformer) in &level.layers {
                alive(job)?;
                x = block(resnet, transformer.as_ref(), &x, &time, context)?;
                skips.push(x.clone());
            }
            if let Some(conv) = &level.resample {
                x = conv.forward(&x)?;
                skips.push(x.clone());
            }
        }
        alive(job)?;
        let (first, transformer, second) = &self.mid;
        x = block(first, transformer.as_ref(), &x, &time, context)?;
        x = second.forward(&x, &time)?;
        for level in &self.up {
            for (resnet, transformer) in &level.layers {
                alive(job)?;
                let Some(skip) = skips.pop() else { break };
                x = block(resnet, transformer.as_ref(), &Tensor::cat(&[&x, &skip], 1)?, &time, context)?;
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

    /// The timestep, and what SDXL adds to it, as features `[1 or B, T]`.
    fn embed(&self, timestep: f64, conditions: &Conditions) -> Computed<Tensor> {
        let features = self.features.of(timestep);
        let features = Tensor::from_vec(features, (1, self.features.width()), conditions.context.device())?;
        let mut time = self.time[1].forward(&silu(&self.time[0].forward(&features)?)?)?;
        if let (Some(embedding), Some(added)) = (&self.added, &conditions.added) {
            let [first, second] = &embedding.linears;
            time = second.forward(&silu(&first.forward(added)?)?)?.broadcast_add(&time)?;
        }
        // Every residual block begins with SiLU of it, so that is done here, once.
        silu(&time)
    }
}

impl Sinusoids {
    fn new(width: usize, config: &UNetConfig) -> Self {
        let half = width / 2;
        // In f32 and in this order, as diffusers computes them: at timestep 999 the rounding shows in the fifth digit.
        let rate = |i: usize| (-(10000f64.ln()) as f32 * i as f32 / (half as f64 - config.freq_shift) as f32).exp();
        Self { frequencies: (0..half).map(rate).collect(), cosines_first: config.flip_sin_to_cos }
    }

    fn width(&self) -> usize {
        2 * self.frequencies.len()
    }

    fn of(&self, number: f64) -> Vec<f32> {
        let sines = self.frequencies.iter().map(|rate| (number as f32 * rate).sin());
        let cosines = self.frequencies.iter().map(|rate| (number as f32 * rate).cos());
        if self.cosines_first { cosines.chain(sines).collect() } else { sines.chain(cosines).collect() }
    }
}

fn alive(job: &dyn Job) -> Result<(), EngineError> {
    if job.is_cancelled() { Err(underpaint_raster::Cancelled.into()) } else { Ok(()) }
}

fn block(
    resnet: &Resnet,
    transformer: Option<&Transformer>,
    x: &Tensor,
    time: &Tensor,
    context: &Tensor,
) -> Computed<Tensor> {
    let x = resnet.forward(x, time)?;
    match transformer {
        Some(transformer) => transformer.forward(&x, context),
        None => Ok(x),
    }
}

impl Level {
    fn load(scope: &Scope, config: &UNetConfig, level: usize, resample: (&str, usize)) -> Result<Self, EngineError> {
        let mut layers = Vec::new();
        for i in 0..scope.count("resnets") {
            let resnet = Resnet::load(&scope.at(format_args!("resnets.{i}")), config)?;
            let attention = scope.at(format_args!("attentions.{i}"));
            let transformer = match attention.has("transformer_blocks") {
                true => Some(Transformer::load(&attention, config, level)?),
                false => None,
            };
            layers.push((resnet, transformer));
        }
        let (name, stride) = resample;
        let resample = if scope.has(name) { Some(Conv2d::load(&scope.at(name), stride, 1)?) } else { None };
        Ok(Self { layers, resample })
    }
}

/// Residual block with the timestep added between its convolutions.
struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    time: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl Resnet {
    fn load(scope: &Scope, config: &UNetConfig) -> Result<Self, EngineError> {
        let norm = |name| GroupNorm::load(&scope.at(name), config.norm_groups, config.norm_eps, true);
        Ok(Self {
            norm1: norm("norm1")?,
            conv1: Conv2d::load(&scope.at("conv1"), 1, 1)?,
            time: Linear::load(&scope.at("time_emb_proj"))?,
            norm2: norm("norm2")?,
            conv2: Conv2d::load(&scope.at("conv2"), 1, 1)?,
            shortcut: match scope.has("conv_shortcut") {
                true => Some(Conv2d::load(&scope.at("conv_shortcut"), 1, 0)?),
                false => None,
            },
        })
    }

    fn forward(&self, x: &Tensor, time: &Tensor) -> Computed<Tensor> {
        let time = self.time.forward(time)?;
        let (rows, channels) = time.dims2()?;
        let y = self.conv1.forward(&self.norm1.forward(x)?)?;
        let y = y.broadcast_add(&time.reshape((rows, channels, 1, 1))?)?;
        let y = self.conv2.forward(&self.norm2.forward(&y)?)?;
        match &self.shortcut {
            Some(conv) => conv.forward(x)? + y,
            None => x + y,
        }
    }
}

/// Pixels as tokens through transformer blocks, added to where they came from.
struct Transformer {
    norm: GroupNorm,
    proj_in: Linear,
    blocks: Vec<TransformerBlock>,
    proj_out: Linear,
}

struct TransformerBlock {
    norms: [LayerNorm; 3],
    to_itself: Attention,
    to_text: Attention,
    feed_forward: GeGlu,
}

impl Transformer {
    fn load(scope: &Scope, config: &UNetConfig, level: usize) -> Result<Self, EngineError> {
        // SD 1.x stores 1x1 convolutions, SD 2.x linear layers: the same sum per pixel.
        let proj_in = Linear::load(&scope.at("proj_in"))?;
        let heads = config.heads.at(level, proj_in.features()[1]);
        let mut blocks = Vec::new();
        for i in 0..scope.count("transformer_blocks") {
            let block = scope.at(format_args!("transformer_blocks.{i}"));
            let norm = |name| LayerNorm::load(&block.at(name), 1e-5);
            blocks.push(TransformerBlock {
                norms: [norm("norm1")?, norm("norm2")?, norm("norm3")?],
                to_itself: Attention::load(&block.at("attn1"), heads)?,
                to_text: Attention::load(&block.at("attn2"), heads)?,
                feed_forward: GeGlu::load(&block.at("ff"))?,
            });
        }
        Ok(Self {
            norm: GroupNorm::load(&scope.at("norm"), config.norm_groups, 1e-6, false)?,
            proj_in,
            blocks,
            proj_out: Linear::load(&scope.at("proj_out"))?,
        })
    }

    fn context_width(&self) -> Option<usize> {
        self.blocks.first().map(|b| b.to_text.context_width())
    }

    fn forward(&self, x: &Tensor, context: &Tensor) -> Computed<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        let tokens = self.norm.forward(x)?.flatten_from(2)?.transpose(1, 2)?.contiguous()?;
        let mut y = self.proj_in.forward(&tokens)?;
        for block in &self.blocks {
            let n = block.norms[0].forward(&y)?;
            y = (block.to_itself.forward(&n, &n, false)? + y)?;
            y = (block.to_text.forward(&block.norms[1].forward(&y)?, context, false)? + y)?;
            y = (block.feed_forward.forward(&block.norms[2].forward(&y)?)? + y)?;
        }
        let y = self.proj_out.forward(&y)?.transpose(1, 2)?.contiguous()?.reshape((b, c, h, w))?;
        x + y
    }
}
