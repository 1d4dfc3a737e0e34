//! The parts a level is made of: residual blocks, and transformers that look at what was asked for.

use super::regions::Regions;
use super::{ImagePrompt, UNetConfig};
use crate::layers::{Attention, Conv2d, GeGlu, GroupNorm, LayerNorm, Linear, Seen, Weight, What};
use crate::{EngineError, weights::Scope};
use candle_core::{Result as Computed, Tensor};
use underpaint_kernels::add_channels;
use underpaint_raster::Job;

/// What every transformer looks at besides its own pixels.
pub(crate) struct Looks<'a> {
    /// `[B, N, D]`: the text.
    pub context: &'a Tensor,
    /// Where other texts take its place.
    pub regions: Option<&'a Regions>,
    /// Further contexts, each with keys and values for every transformer block by its number.
    pub images: &'a [ImagePrompt],
}

impl<'a> Looks<'a> {
    /// The text alone.
    pub(crate) fn text(context: &'a Tensor) -> Self {
        Self { context, regions: None, images: &[] }
    }

    /// What the transformer block `place` looks at from `h` by `w` pixels.
    fn at(&self, place: usize, [h, w]: [usize; 2]) -> Computed<Vec<Seen<'a>>> {
        let images = self.images.iter().filter_map(|image| {
            let [keys, values] = image.keys_values.get(place)?;
            Some(Seen { what: What::Projected { keys, values }, weight: Weight::Same(image.weight) })
        });
        let texts = match self.regions {
            Some(regions) => regions.texts(self.context, [h, w])?,
            None => vec![Seen { what: What::Tokens(self.context), weight: Weight::Same(1.0) }],
        };
        Ok(texts.into_iter().chain(images).collect())
    }
}

/// One resolution: residual blocks, each with its transformer if it has one, then a change of size.
pub(crate) struct Level {
    /// From the top.
    pub layers: Vec<(Resnet, Option<Transformer>)>,
    /// Half the size in the encoder, twice in the decoder.
    pub resample: Option<Conv2d>,
}

impl Level {
    pub(crate) fn load(
        scope: &Scope,
        config: &UNetConfig,
        level: usize,
        resample: (&str, usize),
    ) -> Result<Self, EngineError> {
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

    /// Its transformers, in order.
    pub(crate) fn transformers(&self) -> impl Iterator<Item = &Transformer> {
        self.layers.iter().filter_map(|(_, t)| t.as_ref())
    }

    /// The same, to be numbered.
    pub(crate) fn transformers_mut(&mut self) -> impl Iterator<Item = &mut Transformer> {
        self.layers.iter_mut().filter_map(|(_, t)| t.as_mut())
    }
}

/// An end of the job between two blocks.
pub(crate) fn alive(job: &dyn Job) -> Result<(), EngineError> {
    if job.is_cancelled() { Err(underpaint_raster::Cancelled.into()) } else { Ok(()) }
}

/// A residual block, then its transformer if it has one.
pub(crate) fn block(
    resnet: &Resnet,
    transformer: Option<&Transformer>,
    x: &Tensor,
    time: &Tensor,
    looks: &Looks<'_>,
) -> Computed<Tensor> {
    let x = resnet.forward(x, time)?;
    match transformer {
        Some(transformer) => transformer.forward(&x, looks),
        None => Ok(x),
    }
}

/// Residual block with the timestep added between its convolutions.
pub(crate) struct Resnet {
    norm1: GroupNorm,
    conv1: Conv2d,
    time: Linear,
    norm2: GroupNorm,
    conv2: Conv2d,
    shortcut: Option<Conv2d>,
}

impl Resnet {
    pub(crate) fn load(scope: &Scope, config: &UNetConfig) -> Result<Self, EngineError> {
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

    /// Channels it gives.
    pub(crate) fn channels(&self) -> usize {
        self.conv2.channels()[1]
    }

    /// `[B, C, h, w]` with the timestep's features `[1 or B, T]` to `[B, C', h, w]`.
    pub(crate) fn forward(&self, x: &Tensor, time: &Tensor) -> Computed<Tensor> {
        let time = self.time.forward(time)?;
        let y = self.conv1.forward(&self.norm1.forward(x)?)?;
        let y = add_channels(&y, &time)?;
        let y = self.conv2.forward(&self.norm2.forward(&y)?)?;
        match &self.shortcut {
            Some(conv) => conv.forward(x)? + y,
            None => x + y,
        }
    }
}

/// Pixels as tokens through transformer blocks, added to where they came from.
pub(crate) struct Transformer {
    norm: GroupNorm,
    proj_in: Linear,
    blocks: Vec<TransformerBlock>,
    proj_out: Linear,
}

struct TransformerBlock {
    norms: [LayerNorm; 3],
    to_itself: Attention,
    to_text: Attention,
    /// Its number among the network's transformer blocks, by which further contexts know it.
    place: usize,
    feed_forward: GeGlu,
}

impl Transformer {
    pub(crate) fn load(scope: &Scope, config: &UNetConfig, level: usize) -> Result<Self, EngineError> {
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
                place: 0,
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

    /// Width of the text it looks at.
    pub(crate) fn context_width(&self) -> Option<usize> {
        self.blocks.first().map(|b| b.to_text.context_width())
    }

    /// Width of each block's attention.
    pub(crate) fn widths(&self) -> impl Iterator<Item = usize> {
        self.blocks.iter().map(|b| b.to_text.width())
    }

    /// Numbers its blocks, taking on from `next`.
    pub(crate) fn number(&mut self, next: &mut usize) {
        for block in &mut self.blocks {
            block.place = *next;
            *next += 1;
        }
    }

    /// `[B, C, h, w]` to the same.
    pub(crate) fn forward(&self, x: &Tensor, looks: &Looks<'_>) -> Computed<Tensor> {
        let (b, c, h, w) = x.dims4()?;
        let tokens = self.norm.forward(x)?.permute((0, 2, 3, 1))?.contiguous()?.reshape((b, h * w, c))?;
        let mut y = self.proj_in.forward(&tokens)?;
        for block in &self.blocks {
            let n = block.norms[0].forward(&y)?;
            y = (block.to_itself.forward(&n, &n, false)? + y)?;
            y = (block.to_text.look(&block.norms[1].forward(&y)?, &looks.at(block.place, [h, w])?)? + y)?;
            y = (block.feed_forward.forward(&block.norms[2].forward(&y)?)? + y)?;
        }
        let y = self.proj_out.forward(&y)?.transpose(1, 2)?.contiguous()?.reshape((b, c, h, w))?;
        x + y
    }
}
