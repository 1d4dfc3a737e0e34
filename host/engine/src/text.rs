//! From prompts to what the denoiser is told: tokens, chunks, weights, and one or two text encoders.
//!
//! Decision: the encoders of a model stand side by side. Each reads every prompt with its own vocabulary; their embeddings are
//! joined along the width, and the last encoder with a projection gives the embedding of the whole text (SDXL).

use crate::checkpoint::TextPart;
use crate::clip::{Activation, Clip, Embedded};
use crate::lora::Layers;
use crate::prompt::{Embedding, Piece, Prompt, pieces};
use crate::tokenizer::{Chunk, Group, Tokenizer, Weighed};
use crate::weights::Loading;
use crate::{EngineError, model};
use candle_core::Tensor;

/// Most chunks a prompt may have, five times those of the longest plain text: embeddings can make many tokens of a word.
const MAX_CHUNKS: usize = 256;

/// The text encoders of a model.
pub struct Text {
    encoders: Vec<Encoder>,
    /// What stands for a prompt that was not given: zeros, or what the encoders make of an empty text.
    zeros_when_absent: bool,
}

struct Encoder {
    clip: Clip,
    tokenizer: Tokenizer,
    /// ComfyUI's name for it, by which files with embeddings for several encoders tell them apart.
    name: &'static str,
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
        for part in parts {
            let TextPart { weights, config, vocabulary } = part;
            let root = weights.root(loading);
            let clip = Clip::load(&root, config)?;
            model::known(weights, "text encoder")?;
            layers.insert(part.component(), loading);
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
            let first_of_two = parts.len() > 1 && encoders.is_empty();
            let alone = parts.len() == 1 && config.activation == Activation::QuickGelu;
            let name = if first_of_two || alone { "clip_l" } else { "clip_g" };
            encoders.push(Encoder { clip, tokenizer, name });
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
    /// shorter ones are padded with empty chunks. `embeddings` may be named in them. `skip` as A1111 counts.
    pub fn encode(
        &self,
        prompts: &[Option<&Prompt>],
        embeddings: &[Embedding],
        skip: usize,
    ) -> Result<Vec<Encoded>, EngineError> {
        let fits = |embedding: &Embedding| self.fits(embedding);
        let pieces = prompts.iter().map(|prompt| prompt.map_or(Ok(Vec::new()), |p| pieces(p, embeddings, &fits)));
        let pieces = pieces.collect::<Result<Vec<_>, _>>()?;
        let mut learned = vec![Vec::new(); self.encoders.len()];
        let chunked: Vec<Vec<Vec<Chunk>>> = self
            .encoders
            .iter()
            .zip(&mut learned)
            .map(|(encoder, learned)| pieces.iter().map(|pieces| encoder.chunks(pieces, learned)).collect())
            .collect();
        let most = chunked.iter().flatten().map(Vec::len).max().unwrap_or(1);
        if most > MAX_CHUNKS {
            let what = format!("fills {most} chunks of a text encoder; at most {MAX_CHUNKS} would be right");
            return Err(EngineError::Request { field: "prompt", what });
        }
        let mut encoded = Vec::with_capacity(prompts.len());
        for (i, prompt) in prompts.iter().enumerate() {
            let (mut contexts, mut pooled) = (Vec::new(), None);
            for ((encoder, chunked), learned) in self.encoders.iter().zip(&chunked).zip(&learned) {
                let (context, whole) = encoder.encode(&chunked[i], most, learned, skip)?;
                contexts.push(context);
                pooled = whole.or(pooled);
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

    /// Refuses an embedding that was not made for these encoders.
    pub fn fits(&self, embedding: &Embedding) -> Result<(), EngineError> {
        match self.encoders.iter().all(|e| embedding.vectors(e.name, e.clip.width()).is_some()) {
            true => Ok(()),
            false => {
                let list = |widths: Vec<usize>| widths.iter().map(usize::to_string).collect::<Vec<_>>().join(" and ");
                let what = format!(
                    "{} has embeddings {} wide; the text encoders of this {} model need {}",
                    embedding.path().display(),
                    list(embedding.widths()),
                    self.family(),
                    list(self.encoders.iter().map(|e| e.clip.width()).collect()),
                );
                Err(EngineError::Request { field: "embedding", what })
            }
        }
    }

    /// The family, as painters call it.
    fn family(&self) -> &'static str {
        match &self.encoders[..] {
            [_, _, ..] => "SDXL",
            [Encoder { name: "clip_l", .. }] => "SD 1.x",
            _ if self.pooled_width() > 0 => "SDXL refiner",
            _ => "SD 2.x",
        }
    }
}

impl Encoder {
    /// The tokens of `pieces`; vectors of embeddings are added to `learned` and numbered from the end of the vocabulary on.
    fn chunks<'a>(&self, pieces: &[Piece<'a>], learned: &mut Vec<&'a [f32]>) -> Vec<Chunk> {
        let groups = pieces.iter().map(|piece| match piece {
            Piece::Break => Group::Break,
            Piece::Text { text, weight } => {
                let tokens = self.tokenizer.encode(text).into_iter();
                Group::Tokens(tokens.map(|token| Weighed { token, weight: *weight }).collect())
            }
            Piece::Embedding { embedding, weight } => {
                let vectors = embedding.vectors(self.name, self.clip.width());
                let rows = vectors.into_iter().flat_map(|v| v.data.chunks_exact(v.width));
                let first = self.clip.vocabulary() + learned.len();
                let before = learned.len();
                learned.extend(rows);
                let numbers = (first..).take(learned.len() - before);
                Group::Tokens(numbers.map(|n| Weighed { token: n as u32, weight: *weight }).collect())
            }
        });
        self.tokenizer.weighed_chunks(groups.collect(), self.clip.length())
    }

    /// `[1, most * length, width]` of `chunks`, filled up with empty ones, and the whole text's embedding, which is not weighted.
    fn encode(
        &self,
        chunks: &[Chunk],
        most: usize,
        learned: &[&[f32]],
        skip: usize,
    ) -> Result<(Tensor, Option<Tensor>), EngineError> {
        let (length, width) = (self.clip.length(), self.clip.width());
        let weights: Vec<f32> = chunks.iter().flat_map(|chunk| &chunk.weights).copied().collect();
        let weighed = weights.iter().any(|w| *w != 1.0);
        let empty = || self.tokenizer.chunks(&[], length).swap_remove(0);
        let mut tokens: Vec<Vec<u32>> = chunks.iter().map(|chunk| chunk.tokens.clone()).collect();
        // One more, from which the weights count.
        tokens.resize_with(most + usize::from(weighed), empty);
        let Embedded { tokens, pooled } = self.clip.forward_with(&tokens, learned, skip, self.tokenizer.end())?;
        let mut context = tokens.narrow(0, 0, most)?;
        if weighed {
            let neutral = tokens.narrow(0, most, 1)?.broadcast_as(context.shape())?;
            let mut weights = weights;
            weights.resize(most * length, 1.0);
            let weights = Tensor::from_vec(weights, (most, length, 1), context.device())?;
            let scale = weights.to_dtype(context.dtype())?.broadcast_as(context.shape())?;
            let moved = (((&context - &neutral)? * &scale)? + &neutral)?;
            // What weighs 1 stays as it is to the last bit.
            context = weights.ne(1f32)?.broadcast_as(context.shape())?.where_cond(&moved, &context)?;
        }
        Ok((context.reshape((1, most * length, width))?, pooled))
    }
}
