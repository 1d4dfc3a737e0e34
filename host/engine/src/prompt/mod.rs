//! What painters write: weights, breaks, embeddings by name, LoRA tags and wildcards.
//!
//! A prompt passes through here in this order: [`expand`] draws the wildcards `{a|b}` with a picture's seed, [`loras`] takes the
//! tags `<lora:name:w>` out, [`parse`] reads weights and breaks, and [`crate::text`] makes tokens of the parts, with an
//! [`Embedding`] in the place of its name. All of it is pure and takes any text without a panic, in time linear in its length.
//!
//! Decision: a prompt means what it means in ComfyUI; what only A1111 has, it means there.
//!
//! | written | here | ComfyUI | A1111 |
//! |---|---|---|---|
//! | `(a:1.2)` | weight 1.2 | same | same, times that of the brackets around it |
//! | `(a)` | 1.1 times what is around it | same | same |
//! | `((a:1.2))` | 1.2: the innermost number counts | same | 1.32 |
//! | `[a]` | what is around it divided by 1.1 | plain text | same as here |
//! | `[a:b:0.5]`, `[a\|b]` | `[a]`, whatever is inside | plain text | another prompt from step to step |
//! | a bracket without its partner | plain text, as all from a stray `)` on | same | a weight to the end |
//! | `\(` `\)` `\[` `\]` `\{` `\}` `\<` `\>` `\\|` | the sign itself | parentheses only | brackets and `\\` |
//! | `BREAK` | a new chunk | plain text | same as here |
//! | a weight | a token's embedding away from the empty prompt's: `(z - z_empty) * w + z_empty` | same | `z * w`, then the old mean |
//! | more than 75 tokens | cut after the 75th; a part of less than 8 tokens goes to the next chunk as a whole | same | cut at the last comma |
//! | a shorter prompt beside a longer one | filled up with empty chunks | repeated | same as here |
//! | `embedding:name` | the embedding; an error if there is none | ignored if there is none | plain text |
//! | `name` of an embedding as a word | the embedding | plain text | same as here |
//! | `<lora:name:u:t>` | U-Net, then text encoders (or `unet=`, `te=`) | plain text; its loaders count so | text encoders, then U-Net |
//! | `{a\|b}` | one of them, by seed | one of them, by chance | plain text |
//!
//! The embedding of the whole text (SDXL) comes from the first chunk and is never weighted, as in ComfyUI.

mod embedding;
mod lora;
mod parse;
mod pieces;
mod wildcards;

pub use embedding::{Embedding, Vectors, family, inspect};
pub use lora::{Tag, loras};
pub use parse::{Part, parse};
pub use pieces::{Piece, pieces};
pub use wildcards::expand;

use crate::EngineError;

/// Largest weight of a word or a LoRA, and with a minus the smallest.
pub const MAX_WEIGHT: f64 = 1000.0;
/// Most brackets or braces inside each other.
pub const MAX_DEPTH: usize = 64;

/// A prompt that has been read.
#[derive(Clone, Debug, PartialEq)]
pub struct Prompt {
    /// The member of the request it comes from, for errors.
    pub field: &'static str,
    /// What it says, in order.
    pub parts: Vec<Part>,
}

impl Prompt {
    /// Reads `text`, the member `field` of a request.
    pub fn read(field: &'static str, text: &str) -> Result<Self, EngineError> {
        let parts = parse(text).map_err(|what| EngineError::Request { field, what })?;
        Ok(Self { field, parts })
    }
}

/// True if the byte at `i` is preceded by a backslash and stands for itself.
fn escaped(text: &str, i: usize) -> bool {
    i > 0 && text.as_bytes()[i - 1] == b'\\'
}

/// A decimal number; the words that `f64` also reads (`inf`, `nan`) are words here.
fn decimal(text: &str) -> Option<f64> {
    let text = text.trim();
    let digits = text.bytes().all(|b| b.is_ascii_digit() || b"+-.eE".contains(&b));
    if digits { text.parse().ok() } else { None }
}

/// `weight` if it is sane, else the rest of a sentence that begins with the field's name.
fn sane(weight: f64) -> Result<f64, String> {
    match weight.abs() <= MAX_WEIGHT {
        true => Ok(weight),
        false => Err(format!("has the weight {weight}; a number from -{MAX_WEIGHT} to {MAX_WEIGHT} would be right")),
    }
}

fn too_deep() -> String {
    format!("has more than {MAX_DEPTH} brackets inside each other; escape those that are text, as in \\(")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Any text passes through all readers; `noise` decides what text.
    fn hostile(noise: &mut u64) -> String {
        const PIECES: [&str; 24] = [
            "(",
            ")",
            "[",
            "]",
            "{",
            "}",
            "|",
            ":",
            "::",
            "$$",
            "2$$",
            "\\",
            "<lora:",
            ">",
            "BREAK",
            " ",
            "a",
            "é",
            "日本",
            "1.2",
            "-1e9",
            "\n",
            "embedding:",
            "😀",
        ];
        let mut next = || {
            *noise = noise.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (*noise >> 33) as usize
        };
        let length = next() % 40;
        (0..length).map(|_| PIECES[next() % PIECES.len()]).collect()
    }

    #[test]
    fn any_text_is_read_or_refused_in_a_sentence() {
        let mut noise = 1;
        let (mut read, mut refused) = (0, 0);
        for seed in 0..20_000 {
            let text = hostile(&mut noise);
            let result = expand(&text, seed).and_then(|text| loras(&text)).and_then(|(text, _)| parse(&text));
            match result {
                Ok(parts) => {
                    read += 1;
                    for part in parts {
                        let Part::Text { text, weight } = part else { continue };
                        assert!(!text.is_empty() && weight.abs() <= MAX_WEIGHT, "{text}");
                    }
                }
                Err(what) => {
                    refused += 1;
                    assert!(!what.contains('\n') && what.len() < 300, "{what}");
                }
            }
            assert_eq!(expand(&text, seed), expand(&text, seed), "{text}");
        }
        assert!(read > 10_000 && refused > 100, "{read} {refused}");
    }

    #[test]
    fn long_texts_take_no_longer_than_they_are() {
        // Quadratic readers would need minutes for these.
        for piece in [
            "(", ")", "[", "]", "{", "}", "|", "<lora:", "(a", "[a", "{a|", "\\(", "BREAK", "$$", "(a:1)", "[(",
            "{a|b}",
        ] {
            let text = piece.repeat(1 << 18);
            let _ = parse(&text);
            let _ = loras(&text);
            let _ = expand(&text, 1);
        }
    }
}
