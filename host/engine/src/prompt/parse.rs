//! Weights and breaks: the brackets of a prompt.

use super::{MAX_DEPTH, decimal, escaped, sane, too_deep};
use std::collections::HashMap;
use std::ops::Range;

/// What an unnumbered bracket multiplies or divides by.
const STEP: f64 = 1.1;

/// A piece of a prompt.
#[derive(Clone, Debug, PartialEq)]
pub enum Part {
    /// Words that weigh the same; never empty.
    Text {
        /// As it is to be tokenised: the escapes are gone.
        text: String,
        /// 1 is neutral.
        weight: f64,
    },
    /// What follows begins a new chunk.
    Break,
}

/// The parts of `prompt`. The sentence in the error fits "prompt …".
pub fn parse(prompt: &str) -> Result<Vec<Part>, String> {
    let mut reader = Reader { prompt, squares: squares(prompt), parts: Vec::new() };
    reader.group(0..prompt.len(), 1.0, 0)?;
    Ok(reader.parts)
}

struct Reader<'a> {
    prompt: &'a str,
    /// Where each square bracket that has a partner is closed.
    squares: HashMap<usize, usize>,
    parts: Vec<Part>,
}

impl Reader<'_> {
    /// The text of a bracket, or the whole prompt. As in ComfyUI a parenthesis counts if as many were closed before it as were
    /// opened; a stray `)` leaves the count at -1, and what follows is text.
    fn group(&mut self, range: Range<usize>, weight: f64, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let (mut level, mut start, mut i) = (0i64, range.start, range.start);
        while i < range.end {
            match bracket(self.prompt, i) {
                Some(b'(') => {
                    if level == 0 {
                        self.item(start..i, weight, depth)?;
                        start = i;
                    }
                    level += 1;
                }
                Some(b')') => {
                    level -= 1;
                    if level == 0 {
                        self.item(start..i + 1, weight, depth)?;
                        start = i + 1;
                    }
                }
                Some(b'[') if level == 0 => {
                    if let Some(close) = self.squares.get(&i).copied().filter(|close| *close < range.end) {
                        self.item(start..i, weight, depth)?;
                        self.group(i + 1..close, weight / STEP, depth + 1)?;
                        (i, start) = (close, close + 1);
                    }
                }
                _ => {}
            }
            i += 1;
        }
        self.item(start..range.end, weight, depth)
    }

    /// Plain text, or something in parentheses.
    fn item(&mut self, range: Range<usize>, weight: f64, depth: usize) -> Result<(), String> {
        let bracketed = range.len() >= 2
            && bracket(self.prompt, range.start) == Some(b'(')
            && bracket(self.prompt, range.end - 1) == Some(b')');
        if !bracketed {
            self.text(&self.prompt[range], weight);
            return Ok(());
        }
        let inner = range.start + 1..range.end - 1;
        let text = &self.prompt[inner.clone()];
        let number = text.rfind(':').filter(|at| *at > 0).and_then(|at| Some((at, decimal(&text[at + 1..])?)));
        match number {
            Some((at, number)) => self.group(inner.start..inner.start + at, sane(number)?, depth + 1),
            None => self.group(inner, sane(weight * STEP)?, depth + 1),
        }
    }

    /// Text without brackets that count, apart at each `BREAK`.
    fn text(&mut self, text: &str, weight: f64) {
        let mut start = 0;
        for at in breaks(text) {
            self.words(&text[start..at], weight);
            self.parts.push(Part::Break);
            start = at + BREAK.len();
        }
        self.words(&text[start..], weight);
    }

    fn words(&mut self, text: &str, weight: f64) {
        if !text.is_empty() {
            self.parts.push(Part::Text { text: unescaped(text), weight });
        }
    }
}

/// The bracket at byte `i`, if there is one that is not escaped.
fn bracket(prompt: &str, i: usize) -> Option<u8> {
    let byte = prompt.as_bytes()[i];
    (b"()[]".contains(&byte) && !escaped(prompt, i)).then_some(byte)
}

/// Where each `[` is closed. Those that overlap with parentheses are text.
fn squares(prompt: &str) -> HashMap<usize, usize> {
    let (mut open, mut partners) = (Vec::new(), HashMap::new());
    // How many parentheses are open, so that a stray `)` does not search all that is.
    let mut round = 0usize;
    for i in 0..prompt.len() {
        match bracket(prompt, i) {
            Some(byte @ (b'(' | b'[')) => {
                open.push((byte, i));
                round += usize::from(byte == b'(');
            }
            Some(b')') if round > 0 => {
                while open.pop().is_some_and(|(byte, _)| byte != b'(') {}
                round -= 1;
            }
            Some(b']') => {
                if let Some((_, at)) = open.pop_if(|(byte, _)| *byte == b'[') {
                    partners.insert(at, i);
                }
            }
            _ => {}
        }
    }
    partners
}

const BREAK: &str = "BREAK";

/// Where the word `BREAK` stands in `text`.
fn breaks(text: &str) -> impl Iterator<Item = usize> {
    let word = |c: char| c.is_alphanumeric() || c == '_';
    text.match_indices(BREAK).map(|(at, _)| at).filter(move |at| {
        let (before, after) = (&text[..*at], &text[at + BREAK.len()..]);
        !before.ends_with(word) && !after.starts_with(word)
    })
}

/// `text` without the backslashes before signs that would mean something.
fn unescaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        if c != '\\' || !rest.peek().is_some_and(|next| "()[]{}<>|".contains(*next)) {
            out.push(c);
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Parts as `text@weight`, breaks as `|`.
    fn told(prompt: &str) -> String {
        let part = |part: Part| match part {
            Part::Text { text, weight } => format!("{text}@{}", (weight * 1e4).round() / 1e4),
            Part::Break => "|".to_owned(),
        };
        parse(prompt).unwrap().into_iter().map(part).collect::<Vec<_>>().join(" / ")
    }

    #[test]
    fn brackets_weigh() {
        for (prompt, parts) in [
            ("", ""),
            ("a cat", "a cat@1"),
            ("a (red) cat", "a @1 / red@1.1 /  cat@1"),
            ("a (red:1.3) cat", "a @1 / red@1.3 /  cat@1"),
            ("((a))", "a@1.21"),
            ("((a:1.5))", "a@1.5"),
            ("(a (b:0.5) c:2)", "a @2 / b@0.5 /  c@2"),
            ("(a (b) c:2)", "a @2 / b@2.2 /  c@2"),
            ("foo ((((lol (cat:666) attack:100)))) baz", "foo @1 / lol @100 / cat@666 /  attack@100 /  baz@1"),
            ("foo ((((lol (cat:666) attack):100))) baz", "foo @1 / lol @110 / cat@666 /  attack@110 /  baz@1"),
            ("(a:-1)", "a@-1"),
            ("(a: .5 )", "a@0.5"),
            ("(a:1e1)", "a@10"),
            ("(a:0)", "a@0"),
            // Not numbers.
            ("(a:b)", "a:b@1.1"),
            ("(:1.2)", ":1.2@1.1"),
            ("(to:infinity) (to:nan)", "to:infinity@1.1 /  @1 / to:nan@1.1"),
            ("(a:1:2)", "a:1@2"),
            ("()", ""),
            // Square brackets.
            ("[a]", "a@0.9091"),
            ("[[a]]", "a@0.8264"),
            ("([a])", "a@1"),
            ("[a (b:1.2) c]", "a @0.9091 / b@1.2 /  c@0.9091"),
            ("(x [y] z:2)", "x @2 / y@1.8182 /  z@2"),
            ("[a:1.2]", "a:1.2@0.9091"),
            // Escaped.
            (r"\(a\) \[b\] \{c\} \<d\> \|", "(a) [b] {c} <d> |@1"),
            (r"(\(a\):1.2)", "(a)@1.2"),
            (r"(a\):1.2)", "a)@1.2"),
            (r"\\(a)", r"\(a)@1"),
            (r"C:\dir", r"C:\dir@1"),
            // Without a partner.
            ("(a", "(a@1"),
            ("a)", "a)@1"),
            ("a) (b:1.5) (c)", "a) (b:1.5) (c)@1"),
            ("a) (b (c:1.5) d", "a) (b @1 / c@1.5 /  d@1"),
            ("(a (b)", "a @1.1 / (b@1.1"),
            ("(a (b) c", "(a (b) c@1"),
            ("[a", "[a@1"),
            ("a]", "a]@1"),
            ("[a (b] c)", "[a @1 / b] c@1.1"),
            (":( x", ":@1 / ( x@1"),
        ] {
            assert_eq!(told(prompt), parts, "{prompt}");
        }
    }

    #[test]
    fn breaks_are_words() {
        for (prompt, parts) in [
            ("a BREAK b", "a @1 / | /  b@1"),
            ("a,BREAK,b", "a,@1 / | / ,b@1"),
            ("BREAK a BREAK", "| /  a @1 / |"),
            ("(a BREAK b:1.2)", "a @1.2 / | /  b@1.2"),
            ("BREAKFAST break aBREAK BREAK_", "BREAKFAST break aBREAK BREAK_@1"),
            ("BREAKBREAK", "BREAKBREAK@1"),
        ] {
            assert_eq!(told(prompt), parts, "{prompt}");
        }
    }

    #[test]
    fn what_no_weight_can_be_is_said() {
        for (prompt, part) in [
            ("(a:1e9)", "has the weight 1000000000; a number from -1000 to 1000"),
            ("(a:1e999)", "has the weight inf"),
            ("(a:-1001)", "has the weight -1001"),
            (&"(".repeat(70).to_string(), ""),
            (&format!("{}a{}", "(".repeat(70), ")".repeat(70)), "more than 64 brackets"),
            (&format!("{}a{}", "[".repeat(70), "]".repeat(70)), "more than 64 brackets"),
        ] {
            match parse(prompt) {
                Ok(_) => assert_eq!(part, "", "{prompt}"),
                Err(what) => assert!(!part.is_empty() && what.contains(part), "{what}"),
            }
        }
    }
}
