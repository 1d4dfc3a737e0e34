//! ControlNet: the denoiser's encoder once more, shown a picture besides the latents; what each layer finds is added to
//! what the denoiser's decoder is shown (Zhang et al. 2023, arXiv:2302.05543).
//!
//! A Union ControlNet knows several kinds of pictures. It is told which, mixes the kind's own embedding into the picture's,
//! and its timestep embedding carries a one for the kind.

use crate::checkpoint::{Json, lone_unet_settings, unet_settings};
use crate::layers::{Conv2d, LayerNorm, Linear};
use crate::unet::blocks::Looks;
use crate::unet::embedding::{Embedding, Sinusoids};
use crate::unet::encoder::{Encoder, Shape};
use crate::unet::{Conditions, Residuals, UNetConfig};
use crate::weights::{Scope, Weights};
use crate::{EngineError, pixels};
use candle_core::{Result as Computed, Tensor};
use underpaint_kernels::{PackedLinear, linear, quick_gelu, silu};
use underpaint_raster::{Image, Job};

/// The network.
pub struct ControlNet {
    encoder: Encoder,
    hint: Vec<Conv2d>,
    skips: Vec<Conv2d>,
    mid: Conv2d,
    union: Option<Union>,
}

/// What a Union has more.
struct Union {
    /// `[kinds, C]`.
    kinds: Tensor,
    layers: Vec<MixLayer>,
    shift: Linear,
    embedding: Embedding,
    features: Sinusoids,
}

/// A transformer layer without attention to others; see [`Union::shift`].
struct MixLayer {
    norm1: LayerNorm,
    value: (PackedLinear, Tensor),
    out: Linear,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
}

/// The settings of the folder `path`, or those of the family for a lone file.
pub fn settings(weights: &Weights) -> Result<UNetConfig, EngineError> {
    let file = weights.path().join("config.json");
    if !file.is_file() {
        return Ok(lone_unet_settings(weights));
    }
    let config = Json::read(&file)?;
    config.only("controlnet_conditioning_channel_order", &["rgb"])?;
    if config.value["global_pool_conditions"].as_bool() == Some(true) {
        return Err(config.error("global_pool_conditions", "is true, which this version does not know"));
    }
    unet_settings(&config)
}

impl ControlNet {
    /// Reads all tensors below `scope`.
    pub fn load(scope: &Scope, config: &UNetConfig) -> Result<Self, EngineError> {
        let encoder = Encoder::load(scope, config)?;
        let shape = encoder.shape();
        let cond = scope.at("controlnet_cond_embedding");
        let mut hint = vec![Conv2d::load(&cond.at("conv_in"), 1, 1)?];
        for i in 0..cond.count("blocks") {
            // A layer of the same size, then one of half, and so on.
            hint.push(Conv2d::load(&cond.at(format_args!("blocks.{i}")), 1 + i % 2, 1)?);
        }
        hint.push(Conv2d::load(&cond.at("conv_out"), 1, 1)?);
        for (before, after) in hint.iter().zip(&hint[1..]) {
            if before.channels()[1] != after.channels()[0] {
                return Err(cond.error("blocks", "do not fit each other"));
            }
        }
        if hint[0].channels()[0] != 3 || hint.last().map(|c| c.channels()[1]) != shape.skips.first().copied() {
            return Err(cond.error("conv_in.weight", "does not lead from a picture of 3 channels to the first layer"));
        }
        let mut skips = Vec::new();
        for (i, &channels) in shape.skips.iter().enumerate() {
            let block = scope.at(format_args!("controlnet_down_blocks.{i}"));
            skips.push(square(&block, channels)?);
        }
        let mid = square(&scope.at("controlnet_mid_block"), shape.skips.last().copied().unwrap_or(0))?;
        let union = match scope.contains("task_embedding") {
            true => Some(Union::load(scope, config, shape.skips[0])?),
            false => None,
        };
        Ok(Self { encoder, hint, skips, mid, union })
    }

    /// What the denoiser must share with it.
    pub(crate) fn shape(&self) -> Shape {
        self.encoder.shape()
    }

    /// Channels of the latents it takes.
    pub(crate) fn in_channels(&self) -> usize {
        self.encoder.conv_in.channels()[0]
    }

    /// Kinds of pictures it knows; 0 if it is for one only.
    pub(crate) fn kinds(&self) -> usize {
        self.union.as_ref().map_or(0, |u| u.kinds.dims()[0])
    }

    /// `[1, A]` of the whole text `pooled` `[1, P]` and `sizes`, as the denoiser's; `None` without SDXL's embedding.
    pub fn added_features(&self, pooled: &Tensor, sizes: &[f64]) -> Computed<Option<Tensor>> {
        self.encoder.added_features(pooled, sizes)
    }

    /// `[1, C, h, w]` of a picture eight times as large as the latents; the same for all steps.
    pub fn see(&self, image: &Image, device: &candle_core::Device) -> Computed<Tensor> {
        let mut x = pixels::to_unit_tensor(image, device)?;
        for (i, conv) in self.hint.iter().enumerate() {
            x = conv.forward(&x)?;
            if i + 1 < self.hint.len() {
                x = silu(&x)?;
            }
        }
        Ok(x)
    }

    /// What is to be added to the denoiser's findings for the latents `x` `[B, C, h, w]`, all rows of one picture, at
    /// `timestep` under `conditions`, seeing `hint`, a picture of the Union's kind `kind`.
    pub fn forward(
        &self,
        x: &Tensor,
        timestep: f64,
        conditions: &Conditions,
        (hint, kind): (&Tensor, usize),
        job: &dyn Job,
    ) -> Result<Residuals, EngineError> {
        let x = self.encoder.conv_in.forward(x)?;
        let (hint, told) = match &self.union {
            Some(union) => (hint.broadcast_add(&union.shift(hint, kind)?)?, Some(union.told(kind, x.device())?)),
            None => (hint.clone(), None),
        };
        let time = self.encoder.embed(timestep, conditions, told.as_ref())?;
        let looks = Looks::text(&conditions.context);
        let (seen, mid) = self.encoder.forward(x.broadcast_add(&hint)?, &time, &looks, &[], job)?;
        let skips = seen.iter().zip(&self.skips).map(|(x, conv)| conv.forward(x)).collect::<Computed<_>>()?;
        Ok(Residuals { skips, mid: self.mid.forward(&mid)? })
    }
}

/// A 1x1 convolution from `channels` to as many.
fn square(scope: &Scope, channels: usize) -> Result<Conv2d, EngineError> {
    let conv = Conv2d::load(scope, 1, 0)?;
    match conv.channels() == [channels, channels] {
        true => Ok(conv),
        false => Err(scope.error("weight", format!("does not lead from {channels} channels to as many"))),
    }
}

impl Union {
    fn load(scope: &Scope, config: &UNetConfig, channels: usize) -> Result<Self, EngineError> {
        let [kinds, width] = scope.dims("task_embedding")?;
        if width != channels {
            return Err(scope.error("task_embedding", format!("is {width} wide, the first layer {channels}")));
        }
        let mut layers = Vec::new();
        for i in 0..scope.count("transformer_layes") {
            layers.push(MixLayer::load(&scope.at(format_args!("transformer_layes.{i}")), width)?);
        }
        let embedding = Embedding::load(&scope.at("control_add_embedding"))?;
        let features = Sinusoids::new(config.size_features, config);
        if embedding.width() != kinds * features.width() {
            let what = format!("does not take {} features for each of {kinds} kinds", features.width());
            return Err(scope.error("control_add_embedding.linear_1.weight", what));
        }
        let shift = Linear::load(&scope.at("spatial_ch_projs"))?;
        if shift.features() != [width, width] {
            return Err(scope.error("spatial_ch_projs.weight", format!("does not lead from {width} to as many")));
        }
        Ok(Self { kinds: scope.tensor("task_embedding", &[kinds, width])?, layers, shift, embedding, features })
    }

    /// `[1, C, 1, 1]`: what the kind adds everywhere to the picture `hint`.
    ///
    /// The published code lets `nn.MultiheadAttention` take the rows of the batch for the sequence, and the weights were
    /// trained so. The rows of one picture are the same here, and who looks at copies of themselves sees themselves: the
    /// attention is its value projection, and neither other tokens nor the latents matter.
    fn shift(&self, hint: &Tensor, kind: usize) -> Computed<Tensor> {
        let mut x = hint.mean((2, 3))?.broadcast_add(&self.kinds.narrow(0, kind, 1)?)?;
        for layer in &self.layers {
            x = layer.forward(&x)?;
        }
        self.shift.forward(&x)?.unsqueeze(2)?.unsqueeze(3)
    }

    /// `[1, T]`: the kind as the timestep embedding carries it.
    fn told(&self, kind: usize, device: &candle_core::Device) -> Computed<Tensor> {
        let kinds = self.kinds.dims()[0];
        let features: Vec<f32> = (0..kinds).flat_map(|i| self.features.of(f64::from(u8::from(i == kind)))).collect();
        self.embedding.forward(&Tensor::from_vec(features, (1, kinds * self.features.width()), device)?)
    }
}

impl MixLayer {
    fn load(scope: &Scope, width: usize) -> Result<Self, EngineError> {
        let (weight, bias) = (
            scope.tensor("attn.in_proj_weight", &[3 * width, width])?,
            scope.tensor("attn.in_proj_bias", &[3 * width])?,
        );
        let value = (
            PackedLinear::new(&weight.narrow(0, 2 * width, width)?.contiguous()?)?,
            bias.narrow(0, 2 * width, width)?.contiguous()?,
        );
        Ok(Self {
            norm1: LayerNorm::load(&scope.at("ln_1"), 1e-5)?,
            value,
            out: Linear::load(&scope.at("attn.out_proj"))?,
            norm2: LayerNorm::load(&scope.at("ln_2"), 1e-5)?,
            fc1: Linear::load(&scope.at("mlp.c_fc"))?,
            fc2: Linear::load(&scope.at("mlp.c_proj"))?,
        })
    }

    /// `[1, C]` to the same.
    fn forward(&self, x: &Tensor) -> Computed<Tensor> {
        let (weight, bias) = &self.value;
        let x = (x + self.out.forward(&linear(&self.norm1.forward(x)?, weight, Some(bias))?)?)?;
        let y = self.fc2.forward(&quick_gelu(&self.fc1.forward(&self.norm2.forward(&x)?)?)?)?;
        x + y
    }
}
