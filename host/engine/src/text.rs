//! From prompts to what the denoiser is told: tokens, chunks, weights, and one or two text encoders.
//!
//! Decision: the encoders of a model stand side by side. Each reads every prompt with its own vocabulary; their embeddings are
//! joined along the width, and the last encoder with a projection gives the embedding of the whole text (SDXL).

use crate::checkpoint::TextPart;
use crate::clip::{Activation, Clip, Embedded};
use crate::lora::{Component, Layers};
use crate::prompt::{Embedding, Part, Prompt};
use crate::tokenizer::{Chunk, Group, Tokenizer, Weighed};
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
        let pieces = prompts.iter().map(|prompt| prompt.map_or(Ok(Vec::new()), |p| self.pieces(p, embeddings)));
        let pieces = pieces.collect::<Result<Vec<_>, _>>()?;
        let mut learned = vec![Vec::new(); self.encoders.len()];
        let chunked: Vec<Vec<Vec<Chunk>>> = self
            .encoders
            .iter()
            .zip(&mut learned)
            .map(|(encoder, learned)| pieces.iter().map(|pieces| encoder.chunks(pieces, learned)).collect())
            .collect();
        let most = chunked.iter().flatten().map(Vec::len).max().unwrap_or(1);
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

    /// `prompt` with the embeddings it names: by `embedding:name` as ComfyUI, an error if there is none, or by the bare name as A1111,
    /// if it fits.
    fn pieces<'a>(&self, prompt: &'a Prompt, embeddings: &'a [Embedding]) -> Result<Vec<Piece<'a>>, EngineError> {
        let bare: Vec<&Embedding> = embeddings.iter().filter(|e| self.fits(e).is_ok()).collect();
        let mut pieces = Vec::new();
        for part in &prompt.parts {
            let Part::Text { text, weight } = part else {
                pieces.push(Piece::Break);
                continue;
            };
            let (weight, mut rest) = (*weight as f32, &text[..]);
            while let Some((before, name, after)) = mention(rest) {
                words(before, weight, &bare, &mut pieces);
                let Some((embedding, length)) = called(name, embeddings) else {
                    return Err(EngineError::Request { field: prompt.field, what: unknown(name) });
                };
                self.fits(embedding).map_err(|error| match error {
                    EngineError::Request { what, .. } => EngineError::Request {
                        field: prompt.field,
                        what: format!("names embedding:{}, but {what}", embedding.name()),
                    },
                    error => error,
                })?;
                pieces.push(Piece::Embedding { embedding, weight });
                words(&name[length..], weight, &bare, &mut pieces);
                rest = after;
            }
            words(rest, weight, &bare, &mut pieces);
        }
        Ok(pieces)
    }
}

/// What a prompt consists of once its embeddings are known.
enum Piece<'a> {
    Text { text: &'a str, weight: f32 },
    Embedding { embedding: &'a Embedding, weight: f32 },
    Break,
}

const MENTION: &str = "embedding:";

/// The first `embedding:name` that begins a word: what is before it, the name up to the next blank, `<` or `[`, and what follows.
fn mention(text: &str) -> Option<(&str, &str, &str)> {
    let begins = |at: &usize| text[..*at].chars().next_back().is_none_or(char::is_whitespace);
    let mentions = text.match_indices(MENTION).map(|(at, _)| at).filter(begins);
    mentions.map(|at| (at, text[at + MENTION.len()..].trim_start())).find_map(|(at, name)| {
        let length = name.find(|c: char| c.is_whitespace() || c == '<' || c == '[').unwrap_or(name.len());
        (length > 0).then(|| (&text[..at], &name[..length], &name[length..]))
    })
}

/// The embedding called `name`, perhaps with the file's ending, perhaps with a comma behind it; and how much of `name` that is.
fn called<'a>(name: &str, embeddings: &'a [Embedding]) -> Option<(&'a Embedding, usize)> {
    let trimmed = name.trim_end_matches([',', '.', ';', ':', '!', '?']);
    [name, trimmed].into_iter().find_map(|name| {
        let stem = [".safetensors", ".pt", ".bin"].iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
        let found =
            embeddings.iter().find(|e| e.name().eq_ignore_ascii_case(name) || e.name().eq_ignore_ascii_case(stem));
        found.map(|embedding| (embedding, name.len()))
    })
}

fn unknown(name: &str) -> String {
    let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
    format!(
        "names embedding:{name}, but no embedding is called that; those in the models folders are called as their files are"
    )
}

/// `text` apart at each word that is the name of one of `embeddings`, the longest name first.
fn words<'a>(text: &'a str, weight: f32, embeddings: &[&'a Embedding], pieces: &mut Vec<Piece<'a>>) {
    let word = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_-".contains(c));
    let named = |at: usize, name: &str| {
        let rest = text[at..].get(..name.len()).filter(|rest| !name.is_empty() && rest.eq_ignore_ascii_case(name));
        let ends = |before: Option<char>, after: Option<char>| !(word(before) && word(after));
        rest.is_some()
            && ends(text[..at].chars().next_back(), name.chars().next())
            && ends(name.chars().next_back(), text[at + name.len()..].chars().next())
    };
    let (mut start, mut at) = (0, 0);
    while let Some(c) = text[at..].chars().next() {
        let found = embeddings.iter().filter(|e| named(at, e.name())).max_by_key(|e| e.name().len());
        match found {
            Some(embedding) => {
                pieces.push(Piece::Text { text: &text[start..at], weight });
                pieces.push(Piece::Embedding { embedding, weight });
                at += embedding.name().len();
                start = at;
            }
            None => at += c.len_utf8(),
        }
    }
    pieces.push(Piece::Text { text: &text[start..], weight });
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
