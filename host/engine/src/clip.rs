//! CLIP's text encoder: token numbers in, one embedding per token out, and for SDXL one for the whole text.
//!
//! Decision: clip skip counts as A1111 does. 1 is what the family was trained on: the last hidden state through the final
//! norm for SD 1.x and 2.x, the one before it without the norm for SDXL; each more leaves out one more layer.

use crate::layers::{Attention, LayerNorm, Linear};
use crate::{EngineError, weights::Scope};
use candle_core::{DType, Result as Computed, Tensor};
use underpaint_kernels::{gelu, quick_gelu};

/// What the tensors' shapes do not tell.
#[derive(Clone, Debug, PartialEq)]
pub struct ClipConfig {
    /// Attention heads.
    pub heads: usize,
    /// The feed-forward's activation.
    pub activation: Activation,
    /// Epsilon of the layer norms.
    pub norm_eps: f64,
    /// What the denoiser reads.
    pub reads: Reads,
}

/// Which hidden states a family's denoiser was trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reads {
    /// The last, through the final norm: SD 1.x, and 2.x, whose files in diffusers' form lack the layer it skips.
    Last,
    /// The one before the last layer, without the norm, and the whole text's embedding if there is a projection: SDXL.
    Penultimate,
}

/// The feed-forward's activation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Activation {
    /// `x * sigmoid(1.702 x)`: OpenAI's CLIP, SD 1.x.
    QuickGelu,
    /// The exact GELU: OpenCLIP, SD 2.x.
    Gelu,
}

/// The encoder.
pub struct Clip {
    tokens: Tensor,
    positions: Tensor,
    layers: Vec<Layer>,
    final_norm: LayerNorm,
    projection: Option<Linear>,
    reads: Reads,
    vocabulary: usize,
    length: usize,
}

/// What one text becomes.
pub struct Embedded {
    /// `[chunks, length, width]`.
    pub tokens: Tensor,
    /// `[1, P]`, of the first chunk; only encoders with a projection have it.
    pub pooled: Option<Tensor>,
}

/// One transformer layer of CLIP, of either half.
pub(crate) struct Layer {
    norm1: LayerNorm,
    attention: Attention,
    norm2: LayerNorm,
    fc1: Linear,
    fc2: Linear,
    activation: Activation,
}

impl Clip {
    /// Reads all tensors below `scope`.
    pub fn load(scope: &Scope, config: &ClipConfig) -> Result<Self, EngineError> {
        let embeddings = scope.at("embeddings");
        let [vocabulary, width] = embeddings.dims("token_embedding.weight")?;
        let [length, _] = embeddings.dims::<2>("position_embedding.weight")?;
        if length < 3 {
            return Err(embeddings.error("position_embedding.weight", "has no room for a token between start and end"));
        }
        let mut layers = Vec::new();
        for i in 0..scope.count("encoder.layers") {
            layers.push(Layer::load(&scope.at(format_args!("encoder.layers.{i}")), config)?);
        }
        if layers.is_empty() {
            return Err(scope.error("encoder.layers", "is missing"));
        }
        Ok(Self {
            tokens: embeddings.tensor("token_embedding.weight", &[vocabulary, width])?,
            positions: embeddings.tensor("position_embedding.weight", &[length, width])?,
            layers,
            final_norm: LayerNorm::load(&scope.at("final_layer_norm"), config.norm_eps)?,
            projection: match scope.contains("text_projection.weight") && config.reads == Reads::Penultimate {
                true => Some(Linear::load(&scope.at("text_projection"))?),
                false => None,
            },
            reads: config.reads,
            vocabulary,
            length,
        })
    }

    /// Number of tokens it knows.
    pub fn vocabulary(&self) -> usize {
        self.vocabulary
    }

    /// Tokens per chunk, start and end included; 77 for CLIP.
    pub fn length(&self) -> usize {
        self.length
    }

    /// The largest possible `skip`.
    pub fn deepest_skip(&self) -> usize {
        match self.reads {
            Reads::Last => self.layers.len(),
            Reads::Penultimate => self.layers.len().max(2) - 1,
        }
    }

    /// Width of the whole text's embedding, 0 if there is none.
    pub fn pooled_width(&self) -> usize {
        self.projection.as_ref().map_or(0, |p| p.features()[1])
    }

    /// Width of an embedding.
    pub fn width(&self) -> usize {
        self.tokens.dims()[1]
    }

    /// Encodes token numbers, `length()` per chunk. `skip` counts from 1 (none) to [`deepest_skip`](Self::deepest_skip);
    /// `end` is the token at whose first place the whole text's embedding is read.
    pub fn forward(&self, chunks: &[Vec<u32>], skip: usize, end: u32) -> Computed<Embedded> {
        self.forward_with(chunks, &[], skip, end)
    }

    /// As [`forward`](Self::forward), with words of its own: token `vocabulary() + i` stands for the vector `learned[i]`.
    pub fn forward_with(&self, chunks: &[Vec<u32>], learned: &[&[f32]], skip: usize, end: u32) -> Computed<Embedded> {
        let x = self.look_up(chunks, learned)?.reshape((chunks.len(), self.length, self.width()))?;
        let mut x = x.broadcast_add(&self.positions)?;
        let left_out = skip.clamp(1, self.deepest_skip()) - usize::from(self.reads == Reads::Last);
        let (read, rest) = self.layers.split_at(self.layers.len() - left_out);
        for layer in read {
            x = layer.forward(&x, true)?;
        }
        let tokens = match self.reads {
            Reads::Last => self.final_norm.forward(&x)?,
            Reads::Penultimate => x.clone(),
        };
        let Some(projection) = &self.projection else { return Ok(Embedded { tokens, pooled: None }) };
        let mut x = x.narrow(0, 0, 1)?;
        for layer in rest {
            x = layer.forward(&x, true)?;
        }
        let at = chunks.first().and_then(|c| c.iter().position(|&t| t == end)).unwrap_or(self.length - 1);
        let pooled = projection.forward(&self.final_norm.forward(&x)?.narrow(1, at, 1)?.squeeze(1)?)?;
        Ok(Embedded { tokens, pooled: Some(pooled) })
    }

    /// `[tokens, width]`: the rows of the table, or the learned vectors.
    fn look_up(&self, chunks: &[Vec<u32>], learned: &[&[f32]]) -> Computed<Tensor> {
        let own = |id: &u32| (*id as usize).checked_sub(self.vocabulary).map(|i| learned[i]);
        let ids: Vec<u32> = chunks.iter().flatten().copied().collect();
        let device = self.tokens.device();
        if learned.is_empty() {
            return self.tokens.index_select(&Tensor::from_vec(ids, chunks.len() * self.length, device)?, 0);
        }
        let known: Vec<u32> = ids.iter().map(|id| if own(id).is_some() { 0 } else { *id }).collect();
        let known = Tensor::from_vec(known, ids.len(), device)?;
        let (table, mut rows) = (&self.tokens, Vec::with_capacity(ids.len() * self.width()));
        let found = table.index_select(&known, 0)?.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
        for (id, row) in ids.iter().zip(found.chunks_exact(self.width())) {
            rows.extend_from_slice(own(id).unwrap_or(row));
        }
        Tensor::from_vec(rows, (ids.len(), self.width()), device)?.to_dtype(table.dtype())
    }
}

impl Layer {
    /// Reads all tensors below `scope`.
    pub(crate) fn load(scope: &Scope, config: &ClipConfig) -> Result<Self, EngineError> {
        let names = ["q_proj", "k_proj", "v_proj", "out_proj"];
        Ok(Self {
            norm1: LayerNorm::load(&scope.at("layer_norm1"), config.norm_eps)?,
            attention: Attention::load_named(&scope.at("self_attn"), config.heads, names)?,
            norm2: LayerNorm::load(&scope.at("layer_norm2"), config.norm_eps)?,
            fc1: Linear::load(&scope.at("mlp.fc1"))?,
            fc2: Linear::load(&scope.at("mlp.fc2"))?,
            activation: config.activation,
        })
    }

    /// `[B, N, C]` to the same; `causal` hides later tokens, as in texts.
    pub(crate) fn forward(&self, x: &Tensor, causal: bool) -> Computed<Tensor> {
        let n = self.norm1.forward(x)?;
        let x = (x + self.attention.forward(&n, &n, causal)?)?;
        let y = self.fc1.forward(&self.norm2.forward(&x)?)?;
        let y = match self.activation {
            Activation::QuickGelu => quick_gelu(&y)?,
            Activation::Gelu => gelu(&y)?,
        };
        x + self.fc2.forward(&y)?
    }
}
