//! CLIP's text encoder: token numbers in, one embedding per token out.
//!
//! Decision: it returns what A1111 calls clip skip 1, 2, …: the hidden state before the last `skip - 1` layers, always
//! through the final layer norm, which is what SD 1.x was trained on.

use crate::layers::{Attention, LayerNorm, Linear};
use crate::{EngineError, weights::Scope};
use candle_core::{Result as Computed, Tensor};
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
    vocabulary: usize,
    length: usize,
}

struct Layer {
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
            let layer = scope.at(format_args!("encoder.layers.{i}"));
            let names = ["q_proj", "k_proj", "v_proj", "out_proj"];
            layers.push(Layer {
                norm1: LayerNorm::load(&layer.at("layer_norm1"), config.norm_eps)?,
                attention: Attention::load_named(&layer.at("self_attn"), config.heads, names)?,
                norm2: LayerNorm::load(&layer.at("layer_norm2"), config.norm_eps)?,
                fc1: Linear::load(&layer.at("mlp.fc1"))?,
                fc2: Linear::load(&layer.at("mlp.fc2"))?,
                activation: config.activation,
            });
        }
        if layers.is_empty() {
            return Err(scope.error("encoder.layers", "is missing"));
        }
        Ok(Self {
            tokens: embeddings.tensor("token_embedding.weight", &[vocabulary, width])?,
            positions: embeddings.tensor("position_embedding.weight", &[length, width])?,
            layers,
            final_norm: LayerNorm::load(&scope.at("final_layer_norm"), config.norm_eps)?,
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

    /// Number of layers, the largest possible `skip`.
    pub fn layers(&self) -> usize {
        self.layers.len()
    }

    /// Width of an embedding.
    pub fn width(&self) -> usize {
        self.tokens.dims()[1]
    }

    /// Token numbers, `length()` per chunk, to embeddings `[chunks, length, width]`. `skip` counts from 1 (none).
    pub fn forward(&self, chunks: &[Vec<u32>], skip: usize) -> Computed<Tensor> {
        let ids: Vec<u32> = chunks.iter().flatten().copied().collect();
        let ids = Tensor::from_vec(ids, chunks.len() * self.length, self.tokens.device())?;
        let mut x = self.tokens.index_select(&ids, 0)?.reshape((chunks.len(), self.length, self.width()))?;
        x = x.broadcast_add(&self.positions)?;
        for layer in &self.layers[..self.layers.len() + 1 - skip.clamp(1, self.layers.len())] {
            x = layer.forward(&x)?;
        }
        self.final_norm.forward(&x)
    }
}

impl Layer {
    fn forward(&self, x: &Tensor) -> Computed<Tensor> {
        let n = self.norm1.forward(x)?;
        let x = (x + self.attention.forward(&n, &n, true)?)?;
        let y = self.fc1.forward(&self.norm2.forward(&x)?)?;
        let y = match self.activation {
            Activation::QuickGelu => quick_gelu(&y)?,
            Activation::Gelu => gelu(&y)?,
        };
        x + self.fc2.forward(&y)?
    }
}
