//! From prompts to what the denoiser is told: tokens, chunks, and one or two text encoders.
//!
//! Decision: the encoders of a model stand side by side. Each reads every prompt with its own vocabulary; their embeddings are
//! joined along the width, and the last encoder with a projection gives the embedding of the whole text (SDXL).

use crate::checkpoint::TextPart;
use crate::clip::{Activation, Clip};
use crate::lora::{Component, Layers};
use crate::tokenizer::Tokenizer;
use crate::weights::Loading;
use crate::{EngineError, model};
use candle_core::Tensor;

/// The text encoders of a model.
pub struct Text {
    encoders: Vec<Encoder>,
    /// What stands for a prompt that was not given: zeros, or what the encoders make of an empty text.
    zeros_when_absent: bool,
}

struct Encoder {
    clip: Clip,
    tokenizer: Tokenizer,
}

/// One prompt as the denoiser sees it.
#[derive(Clone, Debug)]
pub struct Encoded {
    /// `[1, N, D]`, one row per token.
    pub context: Tensor,
    /// `[1, P]`, the whole text; only SDXL has it.
    pub pooled: Option<Tensor>,
}

impl Text {
    /// Reads the encoders, and notes in `layers` what LoRAs can change.
    pub fn load(
        parts: &[TextPart],
        zeros_when_absent: bool,
        loading: &Loading<'_>,
        layers: &mut Layers,
    ) -> Result<Self, EngineError> {
        let mut encoders: Vec<Encoder> = Vec::new();
        for TextPart { weights, config, vocabulary } in parts {
            let root = weights.root(loading);
            let clip = Clip::load(&root, config)?;
            model::known(weights, "text encoder")?;
            // SDXL's refiner has the second of SDXL's alone.
            let second = clip.pooled_width() > 0;
            layers.insert(if second { Component::TextEncoder2 } else { Component::TextEncoder }, loading);
            let own = vocabulary.as_deref().map(Tokenizer::from_folder).transpose()?.flatten();
            let tokenizer = own.unwrap_or_else(|| match config.activation {
                Activation::QuickGelu => Tokenizer::clip(),
                Activation::Gelu => Tokenizer::open_clip(),
            });
            if tokenizer.size() > clip.vocabulary() {
                let what = format!("has {} rows, its tokenizer needs {}", clip.vocabulary(), tokenizer.size());
                return Err(root.error("embeddings.token_embedding.weight", what));
            }
            if encoders.first().is_some_and(|first| first.clip.length() != clip.length()) {
                let what = "has another length than that of the first text encoder";
                return Err(root.error("embeddings.position_embedding.weight", what));
            }
            encoders.push(Encoder { clip, tokenizer });
        }
        Ok(Self { encoders, zeros_when_absent })
    }

    /// The largest possible clip skip.
    pub fn deepest_skip(&self) -> usize {
        self.encoders.iter().map(|e| e.clip.deepest_skip()).min().unwrap_or(1)
    }

    /// Width of the whole text's embedding, 0 if there is none.
    pub fn pooled_width(&self) -> usize {
        self.encoders.iter().map(|e| e.clip.pooled_width()).rfind(|w| *w > 0).unwrap_or(0)
    }

    /// All `prompts` with the same number of tokens: prompts longer than one chunk are encoded chunk by chunk and joined, the
    /// shorter ones are padded with empty chunks. `skip` as A1111 counts.
    pub fn encode(&self, prompts: &[Option<&str>], skip: usize) -> Result<Vec<Encoded>, EngineError> {
        let chunked: Vec<Vec<Vec<Vec<u32>>>> = self
            .encoders
            .iter()
            .map(|e| prompts.iter().map(|p| e.chunks(p.unwrap_or_default())).collect::<Vec<_>>())
            .collect();
        let most = chunked.iter().flatten().map(Vec::len).max().unwrap_or(1);
        let mut encoded = Vec::with_capacity(prompts.len());
        for (i, prompt) in prompts.iter().enumerate() {
            let (mut contexts, mut pooled) = (Vec::new(), None);
            for (encoder, chunked) in self.encoders.iter().zip(&chunked) {
                let mut chunks = chunked[i].clone();
                chunks.resize_with(most, || encoder.chunks("").swap_remove(0));
                let embedded = encoder.clip.forward(&chunks, skip, encoder.tokenizer.end())?;
                contexts.push(embedded.tokens.reshape((1, most * encoder.clip.length(), encoder.clip.width()))?);
                pooled = embedded.pooled.or(pooled);
            }
            let mut text = Encoded { context: Tensor::cat(&contexts, 2)?, pooled };
            if prompt.is_none() && self.zeros_when_absent {
                text.context = text.context.zeros_like()?;
                text.pooled = text.pooled.map(|p| p.zeros_like()).transpose()?;
            }
            encoded.push(text);
        }
        Ok(encoded)
    }
}

impl Encoder {
    fn chunks(&self, prompt: &str) -> Vec<Vec<u32>> {
        self.tokenizer.chunks(&self.tokenizer.encode(prompt), self.clip.length())
    }
}
