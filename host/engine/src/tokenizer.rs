//! CLIP's byte-pair tokenizer.
//!
//! Decision: the vocabulary is embedded, since single files carry none; a diffusers folder's own (`tokenizer/tokenizer.json` or
//! `vocab.json` + `merges.txt`) is used where there is one. Text is treated as `transformers`' `CLIPTokenizer` treats it:
//! NFC, runs of white space to one blank, lower case, then the pattern below, then merges by rank. There is no HTML or
//! mojibake repair, which only the original research code did.

use crate::EngineError;
use regex::Regex;
use serde_json::Value;
use std::collections::HashMap;
use std::path::Path;
use std::sync::LazyLock;
use unicode_normalization::UnicodeNormalization;

const START: &str = "<|startoftext|>";
const END: &str = "<|endoftext|>";
static MERGES: &str = include_str!("../assets/clip_merges.txt");
static WORDS: LazyLock<Regex> = LazyLock::new(|| {
    let pattern = r"'s|'t|'re|'ve|'m|'ll|'d|\p{L}+|\p{N}|[^\s\p{L}\p{N}]+";
    Regex::new(pattern).unwrap_or_else(|e| unreachable!("the pattern is constant: {e}"))
});

/// Groups of fewer tokens than this are not cut at the end of a chunk.
const KEPT_TOGETHER: usize = 8;

/// A token and what it weighs; 1 is neutral.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Weighed {
    /// Its number.
    pub token: u32,
    /// Its weight.
    pub weight: f32,
}

/// What is laid out in chunks.
#[derive(Clone, Debug, PartialEq)]
pub enum Group {
    /// Tokens that belong together: words of one weight, or the vectors of an embedding.
    Tokens(Vec<Weighed>),
    /// What follows begins a new chunk.
    Break,
}

/// As many tokens as a text encoder reads at once, with start, end and padding.
#[derive(Clone, Debug, PartialEq)]
pub struct Chunk {
    /// Their numbers.
    pub tokens: Vec<u32>,
    /// Their weights.
    pub weights: Vec<f32>,
}

/// Vocabulary and merges.
pub struct Tokenizer {
    vocabulary: HashMap<String, u32>,
    ranks: HashMap<(String, String), u32>,
    start: u32,
    end: u32,
    pad: u32,
    unknown: u32,
}

impl Tokenizer {
    /// OpenAI's CLIP: 49,408 tokens, padded with the end token as SD 1.x is.
    pub fn clip() -> Self {
        let mut vocabulary = HashMap::with_capacity(49_408);
        let mut ranks = HashMap::with_capacity(48_894);
        let mut add = |token: String| {
            let id = vocabulary.len() as u32;
            vocabulary.insert(token, id);
        };
        let alphabet = printable_first();
        alphabet.iter().for_each(|&b| add(symbol(b).to_string()));
        alphabet.iter().for_each(|&b| add(format!("{}</w>", symbol(b))));
        for (rank, (a, b)) in MERGES.lines().filter_map(|line| line.split_once(' ')).enumerate() {
            add(format!("{a}{b}"));
            ranks.insert((a.to_owned(), b.to_owned()), rank as u32);
        }
        let start = vocabulary.len() as u32;
        Self { vocabulary, ranks, start, end: start + 1, pad: start + 1, unknown: start + 1 }
    }

    /// The same vocabulary padded with token 0, as OpenCLIP's encoders of SD 2.x and SDXL are.
    pub fn open_clip() -> Self {
        Self { pad: 0, ..Self::clip() }
    }

    /// The tokenizer of a diffusers folder, `None` if `folder` holds no vocabulary.
    pub fn from_folder(folder: &Path) -> Result<Option<Self>, EngineError> {
        let (json, vocab) = (folder.join("tokenizer.json"), folder.join("vocab.json"));
        let (path, vocabulary, merges) = if vocab.is_file() {
            let merges = read(&folder.join("merges.txt"))?;
            let merges = merges.lines().filter(|l| !l.starts_with("#version")).filter_map(|l| l.split_once(' '));
            let merges = merges.map(|(a, b)| (a.to_owned(), b.to_owned())).collect();
            (&vocab, object(&parse(&vocab)?), merges)
        } else if json.is_file() {
            let model = parse(&json)?.get_mut("model").map(Value::take).unwrap_or_default();
            let merges = model["merges"].as_array().map(|m| m.iter().filter_map(pair).collect());
            (&json, object(&model["vocab"]), merges.unwrap_or_default())
        } else {
            return Ok(None);
        };
        let config = |field: &str, what: &str| EngineError::Config {
            path: path.clone(),
            field: field.into(),
            what: what.into(),
        };
        let vocabulary = vocabulary.ok_or_else(|| config("vocab", "must map tokens to whole numbers"))?;
        let merges: Vec<(String, String)> = merges;
        let ranks = merges.into_iter().zip(0..).collect();
        // Which token pads is written next to the vocabulary; SD 1.x pads with the end token, SD 2.x with "!".
        let settings = folder.join("tokenizer_config.json");
        let settings = if settings.is_file() { parse(&settings)? } else { Value::Null };
        let special = |role: &str, default: &str| {
            let named = &settings[role];
            let name = named.as_str().or(named["content"].as_str()).unwrap_or(default);
            vocabulary.get(name).copied().ok_or_else(|| config(name, "is missing from the vocabulary"))
        };
        let (start, end) = (special("bos_token", START)?, special("eos_token", END)?);
        let (pad, unknown) = (special("pad_token", END)?, special("unk_token", END)?);
        Ok(Some(Self { ranks, start, end, pad, unknown, vocabulary }))
    }

    /// The token that ends a text.
    pub fn end(&self) -> u32 {
        self.end
    }

    /// One more than the largest token it gives.
    pub fn size(&self) -> usize {
        let largest = self.vocabulary.values().copied().max().unwrap_or(0);
        largest.max(self.start).max(self.end).max(self.pad) as usize + 1
    }

    /// The tokens of `text`, without start and end.
    pub fn encode(&self, text: &str) -> Vec<u32> {
        let mut tokens = Vec::new();
        let mut rest = text;
        // The special tokens are looked for in the text as typed, before anything is lowered.
        while let Some((at, special, token)) = [(START, self.start), (END, self.end)]
            .into_iter()
            .filter_map(|(special, token)| Some((rest.find(special)?, special, token)))
            .min()
        {
            self.words(&rest[..at], &mut tokens);
            tokens.push(token);
            rest = &rest[at + special.len()..];
        }
        self.words(rest, &mut tokens);
        tokens
    }

    fn words(&self, text: &str, tokens: &mut Vec<u32>) {
        let text: String = text.nfc().flat_map(char::to_lowercase).collect();
        WORDS.find_iter(&text).for_each(|word| self.merge(word.as_str(), tokens));
    }

    /// `tokens` in chunks of `length`, each with start and end and padded; as many as needed, at least one.
    pub fn chunks(&self, tokens: &[u32], length: usize) -> Vec<Vec<u32>> {
        let tokens = tokens.iter().map(|&token| Weighed { token, weight: 1.0 }).collect();
        let chunks = self.weighed_chunks(vec![Group::Tokens(tokens)], length);
        chunks.into_iter().map(|chunk| chunk.tokens).collect()
    }

    /// `groups` in chunks of `length`, at least one, as ComfyUI lays them out: a group of less than 8 tokens that does not fit is
    /// moved to the next chunk as a whole, a longer one is cut where the chunk is full.
    pub fn weighed_chunks(&self, groups: Vec<Group>, length: usize) -> Vec<Chunk> {
        let room = length.saturating_sub(2).max(1);
        let mut chunks: Vec<Vec<Weighed>> = vec![Vec::new()];
        // After a break as A1111 has it: a chunk begins only when something follows.
        let mut broken = false;
        for group in groups {
            let tokens = match group {
                Group::Break => {
                    if std::mem::replace(&mut broken, true) {
                        chunks.push(Vec::new());
                    }
                    continue;
                }
                Group::Tokens(tokens) if tokens.is_empty() => continue,
                Group::Tokens(tokens) => tokens,
            };
            if std::mem::take(&mut broken) {
                chunks.push(Vec::new());
            }
            let whole = tokens.len() < KEPT_TOGETHER && tokens.len() <= room;
            let mut rest = &tokens[..];
            while !rest.is_empty() {
                let at = chunks.len() - 1;
                let fits = room - chunks[at].len();
                let taken = if rest.len() <= fits {
                    rest.len()
                } else if whole {
                    0
                } else {
                    fits
                };
                chunks[at].extend(&rest[..taken]);
                rest = &rest[taken..];
                if !rest.is_empty() {
                    chunks.push(Vec::new());
                }
            }
        }
        let chunk = |part: Vec<Weighed>| {
            let frame = |token| Weighed { token, weight: 1.0 };
            let mut all = vec![frame(self.start)];
            all.extend(part);
            all.push(frame(self.end));
            all.resize(length, frame(self.pad));
            Chunk { tokens: all.iter().map(|t| t.token).collect(), weights: all.iter().map(|t| t.weight).collect() }
        };
        chunks.into_iter().map(chunk).collect()
    }

    /// Joins the bytes of one word, the pair of lowest rank first.
    fn merge(&self, word: &str, tokens: &mut Vec<u32>) {
        let mut parts: Vec<String> = word.bytes().map(|b| symbol(b).to_string()).collect();
        if let Some(last) = parts.last_mut() {
            last.push_str("</w>");
        }
        loop {
            let rank = |i: usize| self.ranks.get(&(parts[i].clone(), parts[i + 1].clone()));
            let best = (1..parts.len()).filter_map(|i| rank(i - 1).map(|r| (*r, i - 1))).min();
            let Some((_, i)) = best else { break };
            let right = parts.remove(i + 1);
            parts[i].push_str(&right);
        }
        tokens.extend(parts.iter().map(|p| self.vocabulary.get(p).copied().unwrap_or(self.unknown)));
    }
}

/// The character that stands for a byte: itself if it is printable Latin-1, else the next free one from U+0100.
fn symbol(byte: u8) -> char {
    match byte {
        b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff => byte as char,
        _ => {
            let before = (0..byte).filter(|b| !matches!(b, b'!'..=b'~' | 0xa1..=0xac | 0xae..=0xff)).count() as u32;
            char::from_u32(0x100 + before).unwrap_or(char::REPLACEMENT_CHARACTER)
        }
    }
}

/// All bytes in the order the vocabulary numbers them.
fn printable_first() -> Vec<u8> {
    let (mut printable, rest): (Vec<u8>, Vec<u8>) = (0..=255).partition(|&b| symbol(b) as u32 == b as u32);
    printable.extend(rest);
    printable
}

fn read(path: &Path) -> Result<String, EngineError> {
    crate::checkpoint::read_text(path, 64 << 20)
}

fn parse(path: &Path) -> Result<Value, EngineError> {
    crate::checkpoint::read_json(path, 64 << 20)
}

fn object(value: &Value) -> Option<HashMap<String, u32>> {
    let number = |v: &Value| v.as_u64().and_then(|n| u32::try_from(n).ok());
    value.as_object()?.iter().map(|(k, v)| Some((k.clone(), number(v)?))).collect()
}

/// A merge as `"a b"` (older files) or `["a", "b"]`.
fn pair(value: &Value) -> Option<(String, String)> {
    let split = value.as_str().and_then(|s| s.split_once(' '));
    let (a, b) = split.or_else(|| Some((value[0].as_str()?, value[1].as_str()?)))?;
    Some((a.to_owned(), b.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::Tokenizer;

    /// Found by the fuzz target `configuration`: a file that is JSON, but no object.
    #[test]
    fn a_vocabulary_of_another_shape_is_refused_in_a_sentence() {
        let folder = tempfile::tempdir().unwrap();
        for text in ["1", "[]", "\"model\"", "{}", r#"{"model": 3}"#, r#"{"model": {"vocab": [1]}}"#] {
            std::fs::write(folder.path().join("tokenizer.json"), text).unwrap();
            let error = Tokenizer::from_folder(folder.path()).map(drop).unwrap_err().to_string();
            assert!(error.contains("tokenizer.json") && error.lines().count() == 1, "{text}: {error}");
        }
    }
}
