//! Where a prompt names embeddings.

use super::{Embedding, Part, Prompt};
use crate::EngineError;

/// A piece of a prompt once its embeddings are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Piece<'a> {
    /// Words; may be empty.
    Text {
        /// To be tokenised.
        text: &'a str,
        /// 1 is neutral.
        weight: f32,
    },
    /// Vectors in the place of a name.
    Embedding {
        /// Whose.
        embedding: &'a Embedding,
        /// 1 is neutral.
        weight: f32,
    },
    /// What follows begins a new chunk.
    Break,
}

/// `prompt` with those of `embeddings` that it names: by `embedding:name` as in ComfyUI, an error if there is none or it does not fit
/// the model, or by the bare name as in A1111, if it fits.
pub fn pieces<'a>(
    prompt: &'a Prompt,
    embeddings: &'a [Embedding],
    fits: &dyn Fn(&Embedding) -> Result<(), EngineError>,
) -> Result<Vec<Piece<'a>>, EngineError> {
    let bare: Vec<&Embedding> = embeddings.iter().filter(|e| fits(e).is_ok()).collect();
    let refuse = |name: &str, why: &dyn std::fmt::Display| {
        let name: String = name.chars().filter(|c| !c.is_control()).take(80).collect();
        EngineError::Request { field: prompt.field, what: format!("names embedding:{name}, but {why}") }
    };
    let mut pieces = Vec::new();
    for part in &prompt.parts {
        let Part::Text { text, weight } = part else {
            pieces.push(Piece::Break);
            continue;
        };
        let (weight, mut rest) = (*weight as f32, &text[..]);
        while let Some((before, name, after)) = mention(rest) {
            words(before, weight, &bare, &mut pieces);
            let unknown = "no embedding is called that; those in the models folders are called as their files are";
            let (embedding, length) = called(name, embeddings).ok_or_else(|| refuse(name, &unknown))?;
            fits(embedding).map_err(|why| refuse(embedding.name(), &what(why)))?;
            pieces.push(Piece::Embedding { embedding, weight });
            words(&name[length..], weight, &bare, &mut pieces);
            rest = after;
        }
        words(rest, weight, &bare, &mut pieces);
    }
    Ok(pieces)
}

/// An error without the field's name.
fn what(error: EngineError) -> String {
    match error {
        EngineError::Request { what, .. } => what,
        error => error.to_string(),
    }
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

/// The embedding called `name`, perhaps with its folder and the file's ending, perhaps with a comma behind it; and how much of
/// `name` that is.
fn called<'a>(name: &str, embeddings: &'a [Embedding]) -> Option<(&'a Embedding, usize)> {
    let trimmed = name.trim_end_matches([',', '.', ';', ':', '!', '?']);
    [name, trimmed].into_iter().find_map(|name| {
        let file = name.rsplit(['/', '\\']).next().unwrap_or(name);
        let stem = [".safetensors", ".pt", ".bin"].iter().find_map(|ending| file.strip_suffix(ending)).unwrap_or(file);
        let is = |e: &&Embedding| [name, file, stem].iter().any(|n| e.name().eq_ignore_ascii_case(n));
        embeddings.iter().find(is).map(|embedding| (embedding, name.len()))
    })
}

/// `text` apart at each word that is the name of one of `embeddings`, of two names the longer one.
fn words<'a>(text: &'a str, weight: f32, embeddings: &[&'a Embedding], pieces: &mut Vec<Piece<'a>>) {
    let (mut start, mut at) = (0, 0);
    while let Some(c) = text[at..].chars().next() {
        let found = embeddings.iter().filter(|e| is_word(text, at, e.name())).max_by_key(|e| e.name().len());
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

/// True if `name` stands at byte `at` of `text`, and not as a part of a longer word.
fn is_word(text: &str, at: usize, name: &str) -> bool {
    let letter = |c: Option<char>| c.is_some_and(|c| c.is_alphanumeric() || "_-".contains(c));
    let inside = |before: Option<char>, after: Option<char>| letter(before) && letter(after);
    match text[at..].split_at_checked(name.len()) {
        Some((found, after)) if !name.is_empty() && found.eq_ignore_ascii_case(name) => {
            !inside(text[..at].chars().next_back(), name.chars().next())
                && !inside(name.chars().next_back(), after.chars().next())
        }
        _ => false,
    }
}
