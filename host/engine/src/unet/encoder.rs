//! The half of the network that looks: from latents down to the middle, keeping what each layer saw.
//!
//! Decision: it stands alone, because a ControlNet is this half once more, with other weights and other eyes.

use super::blocks::{Level, Looks, Resnet, Transformer, alive, block};
use super::embedding::{Embedding, Sinusoids};
use super::{Conditions, UNetConfig};
use crate::layers::Conv2d;
use crate::{EngineError, weights::Scope};
use candle_core::{Result as Computed, Tensor};
use underpaint_kernels::silu;
use underpaint_raster::Job;

/// First convolution, timestep embedding, levels and middle.
pub(crate) struct Encoder {
    pub conv_in: Conv2d,
    time: Embedding,
    features: Sinusoids,
    added: Option<Added>,
    pub down: Vec<Level>,
    mid: (Resnet, Option<Transformer>, Resnet),
}

/// SDXL's way in for the whole text and for sizes.
struct Added {
    embedding: Embedding,
    features: Sinusoids,
}

/// What two halves must share to work on one picture.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Shape {
    /// Channels of what each layer saw, in order.
    pub skips: Vec<usize>,
    /// Width of the text, token by token.
    pub context: usize,
    /// Width of the whole text and sizes, 0 without.
    pub added: usize,
}

impl Encoder {
    /// Reads its tensors below `scope`.
    pub fn load(scope: &Scope, config: &UNetConfig) -> Result<Self, EngineError> {
        let conv_in = Conv2d::load(&scope.at("conv_in"), 1, 1)?;
        let channels = conv_in.channels()[1];
        let time = Embedding::load(&scope.at("time_embedding"))?;
        if time.width() != channels || channels % 2 != 0 {
            return Err(scope.error("time_embedding.linear_1.weight", format!("does not take {channels} features")));
        }
        let levels = scope.count("down_blocks");
        if levels == 0 {
            return Err(scope.error("down_blocks", "are missing"));
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
        let embedding = scope.at("add_embedding");
        let added = match embedding.has("linear_1") {
            true => Some(Added {
                embedding: Embedding::load(&embedding)?,
                features: Sinusoids::new(config.size_features, config),
            }),
            false => None,
        };
        Ok(Self { conv_in, time, features: Sinusoids::new(channels, config), added, down, mid })
    }

    /// Transformers of the levels, from the top.
    pub fn down_transformers(&self) -> impl Iterator<Item = &Transformer> {
        self.down.iter().flat_map(Level::transformers)
    }

    /// The transformer of the middle, and for numbering those of the levels too.
    pub fn transformers_mut(&mut self) -> (impl Iterator<Item = &mut Transformer>, Option<&mut Transformer>) {
        (self.down.iter_mut().flat_map(Level::transformers_mut), self.mid.1.as_mut())
    }

    /// The transformer of the middle.
    pub fn mid_transformer(&self) -> Option<&Transformer> {
        self.mid.1.as_ref()
    }

    /// What another half must share with this one.
    pub fn shape(&self) -> Shape {
        let mut skips = vec![self.conv_in.channels()[1]];
        for level in &self.down {
            skips.extend(level.layers.iter().map(|(resnet, _)| resnet.channels()));
            skips.extend(level.resample.as_ref().map(|conv| conv.channels()[1]));
        }
        let transformers = self.down_transformers().chain(self.mid_transformer());
        let context = transformers.filter_map(Transformer::context_width).next().unwrap_or(0);
        Shape { skips, context, added: self.added.as_ref().map_or(0, |a| a.embedding.width()) }
    }

    /// True if features of these `widths` can be added level by level, one more in the middle.
    pub fn takes_features(&self, widths: &[usize]) -> bool {
        let own = |level: &Level| level.layers.last().map_or(0, |(resnet, _)| resnet.channels());
        let (levels, mid) = (self.down.iter().map(own), self.mid.2.channels());
        let places: Vec<usize> = levels.chain([mid]).collect();
        !widths.is_empty() && widths.len() <= places.len() && places.starts_with(widths)
    }

    /// How many sizes it is told beside a whole text `pooled` wide: 0 without SDXL's embedding, `None` if that does not fit.
    pub fn sizes(&self, pooled: usize) -> Option<usize> {
        let Some(added) = &self.added else { return Some(0) };
        let rest = added.embedding.width().checked_sub(pooled)?;
        (rest % added.features.width() == 0).then(|| rest / added.features.width())
    }

    /// `[1, A]` of the whole text `pooled` `[1, P]` and `sizes`; `None` without SDXL's embedding.
    pub fn added_features(&self, pooled: &Tensor, sizes: &[f64]) -> Computed<Option<Tensor>> {
        let Some(added) = &self.added else { return Ok(None) };
        let features: Vec<f32> = sizes.iter().flat_map(|&s| added.features.of(s)).collect();
        let features = Tensor::from_vec(features, (1, sizes.len() * added.features.width()), pooled.device())?;
        let features = features.to_dtype(pooled.dtype())?;
        Tensor::cat(&[pooled, &features], 1).map(Some)
    }

    /// The timestep, and what else is told, as features `[1 or B, T]`; `more` of that shape is added.
    pub fn embed(&self, timestep: f64, conditions: &Conditions, more: Option<&Tensor>) -> Computed<Tensor> {
        let features = self.features.of(timestep);
        let context = &conditions.context;
        let features = Tensor::from_vec(features, (1, self.features.width()), context.device())?;
        let features = features.to_dtype(context.dtype())?;
        let mut time = self.time.forward(&features)?;
        if let Some(more) = more {
            time = time.broadcast_add(more)?;
        }
        if let (Some(embedding), Some(added)) = (&self.added, &conditions.added) {
            time = embedding.embedding.forward(added)?.broadcast_add(&time)?;
        }
        // Every residual block begins with SiLU of it, so that is done here, once.
        silu(&time)
    }

    /// From `x` behind the first convolution to what each layer saw, `x` first, and to the middle. A picture of
    /// `features` is added at the end of its level; one that has the size the level is reduced to, behind the reduction;
    /// one more than there are levels, to the middle (T2I-Adapter's two manners, for SD and SDXL).
    pub fn forward(
        &self,
        x: Tensor,
        time: &Tensor,
        looks: &Looks<'_>,
        features: &[Tensor],
        job: &dyn Job,
    ) -> Result<(Vec<Tensor>, Tensor), EngineError> {
        let mut x = x;
        let mut skips = vec![x.clone()];
        for (i, level) in self.down.iter().enumerate() {
            let feature = features.get(i);
            let fits = |x: &Tensor| feature.filter(|f| f.dims()[2..] == x.dims()[2..]);
            let last = level.layers.len().saturating_sub(1);
            for (j, (resnet, transformer)) in level.layers.iter().enumerate() {
                alive(job)?;
                x = block(resnet, transformer.as_ref(), &x, time, looks)?;
                if let (true, Some(feature)) = (j == last, fits(&x)) {
                    x = x.broadcast_add(feature)?;
                }
                skips.push(x.clone());
            }
            if let Some(conv) = &level.resample {
                let before = fits(&x).is_some();
                x = conv.forward(&x)?;
                if let (false, Some(feature)) = (before, fits(&x)) {
                    x = x.broadcast_add(feature)?;
                }
                skips.push(x.clone());
            }
        }
        alive(job)?;
        let (first, transformer, second) = &self.mid;
        x = block(first, transformer.as_ref(), &x, time, looks)?;
        x = second.forward(&x, time)?;
        if let Some(feature) = features.get(self.down.len()) {
            x = x.broadcast_add(feature)?;
        }
        Ok((skips, x))
    }
}
