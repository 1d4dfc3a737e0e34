//! `<lora:name:weight>` in a prompt.

use super::{decimal, escaped, sane};

/// Both words are in use; LyCORIS files are applied as any LoRA.
const OPENINGS: [&str; 2] = ["<lora:", "<lyco:"];

/// A LoRA that a prompt asks for.
#[derive(Clone, Debug, PartialEq)]
pub struct Tag {
    /// As written.
    pub name: String,
    /// Strength in the U-Net.
    pub unet: f64,
    /// Strength in the text encoders.
    pub text: f64,
}

/// `prompt` without its LoRA tags, and the tags in order: `<lora:name>` (weight 1), `<lora:name:w>`, `<lora:name:unet:text>`, or
/// with names, `<lora:name:te=0.5:unet=1>`. The sentence in the error fits "prompt …".
pub fn loras(prompt: &str) -> Result<(String, Vec<Tag>), String> {
    let (mut text, mut tags) = (String::with_capacity(prompt.len()), Vec::new());
    let mut rest = prompt;
    while let Some(at) = opening(rest) {
        // A tag that is never closed is text, and so are all after it.
        let Some(length) = rest[at..].find('>') else { break };
        text.push_str(&rest[..at]);
        tags.push(tag(&rest[at..=at + length])?);
        rest = &rest[at + length + 1..];
    }
    text.push_str(rest);
    Ok((text, tags))
}

/// Where the first tag begins.
fn opening(text: &str) -> Option<usize> {
    let starts = |at: &usize| OPENINGS.iter().any(|o| text[*at..].starts_with(o)) && !escaped(text, *at);
    text.match_indices('<').map(|(at, _)| at).find(starts)
}

fn tag(written: &str) -> Result<Tag, String> {
    let shown: String = written.chars().filter(|c| !c.is_control()).take(80).collect();
    let wrong = |what: &str| format!("holds `{shown}`, {what}; <lora:name:0.8> would be right");
    let mut fields = written[OPENINGS[0].len()..written.len() - 1].split(':').map(str::trim);
    let name = fields.next().filter(|name| !name.is_empty()).ok_or_else(|| wrong("which names no LoRA"))?;
    let (mut numbers, mut unet, mut text) = (Vec::new(), None, None);
    for field in fields {
        let (key, number) = field.split_once('=').map_or((None, field), |(key, number)| (Some(key.trim()), number));
        let number = decimal(number).ok_or_else(|| wrong("whose weight is not a number"))?;
        let strength = Some(sane(number)?);
        match key {
            None => numbers.extend(strength),
            Some("unet") => unet = strength,
            Some("te") => text = strength,
            Some(_) => return Err(wrong("in which only unet= and te= can be set")),
        }
    }
    if numbers.len() > 2 {
        return Err(wrong("which has more than two weights"));
    }
    // A name counts more than a place; as in A1111 `te=` alone stands for both, and `unet=` alone for itself.
    let (first, second) = (numbers.first().copied(), numbers.get(1).copied());
    Ok(Tag {
        name: name.to_owned(),
        unet: unet.or(first).or(text).unwrap_or(1.0),
        text: text.or(second).or(first).unwrap_or(1.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tags_are_taken_out() {
        let tag = |name: &str, unet, text| Tag { name: name.into(), unet, text };
        for (prompt, text, tags) in [
            ("a cat", "a cat", vec![]),
            ("a <lora:ink:0.8> cat", "a  cat", vec![tag("ink", 0.8, 0.8)]),
            ("<lora:ink>", "", vec![tag("ink", 1.0, 1.0)]),
            ("<lora:ink:0.8:0.5>", "", vec![tag("ink", 0.8, 0.5)]),
            ("<lora:ink:-1:0>", "", vec![tag("ink", -1.0, 0.0)]),
            ("<lora:ink:te=0.5:unet=0.7>", "", vec![tag("ink", 0.7, 0.5)]),
            ("<lora:ink:te=0.5>", "", vec![tag("ink", 0.5, 0.5)]),
            ("<lora:ink:unet=0.5>", "", vec![tag("ink", 0.5, 1.0)]),
            ("<lora:ink:0.8:te=0.5>", "", vec![tag("ink", 0.8, 0.5)]),
            ("<lora:ink:0.8:unet=0.5>", "", vec![tag("ink", 0.5, 0.8)]),
            ("<lora: my style v2.1 :1>x<lyco:b:2>", "x", vec![tag("my style v2.1", 1.0, 1.0), tag("b", 2.0, 2.0)]),
            ("(<lora:a:1>b:1.2)", "(b:1.2)", vec![tag("a", 1.0, 1.0)]),
            (r"\<lora:a:1>", r"\<lora:a:1>", vec![]),
            ("<lora:a:1", "<lora:a:1", vec![]),
            ("a < b <c> <lora>", "a < b <c> <lora>", vec![]),
        ] {
            assert_eq!(loras(prompt), Ok((text.to_owned(), tags)), "{prompt}");
        }
    }

    #[test]
    fn wrong_tags_are_named() {
        for (prompt, part) in [
            ("<lora::1>", "which names no LoRA"),
            ("<lora:>", "which names no LoRA"),
            ("<lora:a:b>", "`<lora:a:b>`, whose weight is not a number"),
            ("<lora:a:>", "not a number"),
            ("<lora:a:nan>", "not a number"),
            ("<lora:a:1:2:3>", "more than two weights"),
            ("<lora:a:dyn=4>", "only unet= and te="),
            ("<lora:a:1e4>", "has the weight 10000"),
        ] {
            let what = loras(prompt).unwrap_err();
            assert!(what.contains(part), "{what}");
        }
    }
}
