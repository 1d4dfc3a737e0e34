//! `{a|b}`: one of several texts, drawn with the picture's seed.
//!
//! Decision: the draws are our own (SplitMix64, Steele et al. 2014), since no two programs agree on theirs. They hang on nothing but the seed
//! and the text, so a receipt's seed and template give the prompt again. Braces without a `|` are text, as in ComfyUI's editor.

use super::{MAX_DEPTH, escaped, too_deep};
use std::ops::Range;

/// Longest result in bytes, four times the longest prompt.
const MAX_BYTES: usize = 64 << 10;

/// `template` with one choice made at each pair of braces: `{a|b}` at even odds, `{3::a|b}` with weights, `{2$$a|b|c}` two different
/// ones joined by `, `, `{1-2$$ and $$a|b|c}` one or two joined by ` and `. Braces may stand inside each other; the escapes `\{`, `\|` and `\}`
/// stay for [`parse`](super::parse) to resolve. The same seed makes the same choices. The sentence in the error fits "prompt …".
pub fn expand(template: &str, seed: u64) -> Result<String, String> {
    let mut reader = Reader { template, partners: partners(template), random: SplitMix(seed), out: String::new() };
    reader.text(0..template.len(), 0)?;
    Ok(reader.out)
}

struct Reader<'a> {
    template: &'a str,
    /// For each `{` that is closed, in order: where both are.
    partners: Vec<(usize, usize)>,
    random: SplitMix,
    out: String,
}

/// One of the texts between the bars.
struct Choice {
    text: Range<usize>,
    weight: f64,
}

impl Reader<'_> {
    /// Writes `range` out with the choices in it made.
    fn text(&mut self, range: Range<usize>, depth: usize) -> Result<(), String> {
        if depth > MAX_DEPTH {
            return Err(too_deep());
        }
        let mut start = range.start;
        while let Some((open, close)) = self.next_group(start, range.end) {
            self.write(start..open)?;
            self.group(open, close, depth)?;
            start = close + 1;
        }
        self.write(start..range.end)
    }

    fn group(&mut self, open: usize, close: usize, depth: usize) -> Result<(), String> {
        let mut texts = self.texts(open + 1..close);
        if texts.len() < 2 {
            self.write(open..open + 1)?;
            self.text(open + 1..close, depth + 1)?;
            return self.write(close..close + 1);
        }
        let (count, separator) = self.count(&mut texts[0]).unwrap_or((1..=1, None));
        let mut left = texts.into_iter().map(|text| self.weighed(text)).collect::<Result<Vec<_>, _>>()?;
        if left.iter().all(|choice| choice.weight == 0.0) {
            let shown: String = self.template[open..=close].chars().filter(|c| !c.is_control()).take(60).collect();
            return Err(format!("has `{shown}`, in which nothing can be chosen; one weight must be above 0"));
        }
        let many = *count.end() > 1;
        let [least, most] = [count.start(), count.end()].map(|n| *n.min(&left.len()));
        for i in 0..least + self.random.below(most - least + 1) {
            let total: f64 = left.iter().map(|choice| choice.weight).sum();
            let mut at = self.random.unit() * total;
            // The last that has a weight, should rounding lead past all.
            let found = left.iter().position(|choice| {
                at -= choice.weight;
                at < 0.0 && choice.weight > 0.0
            });
            let Some(i_chosen) = found.or_else(|| left.iter().rposition(|choice| choice.weight > 0.0)) else { break };
            let Choice { text, .. } = left.swap_remove(i_chosen);
            if i > 0 {
                match &separator {
                    Some(separator) => self.write(separator.clone())?,
                    None => self.out.push_str(", "),
                }
            }
            let text = if many { self.trimmed(text) } else { text };
            self.text(text, depth + 1)?;
        }
        Ok(())
    }

    /// The texts between the bars that stand directly in `range`.
    fn texts(&self, range: Range<usize>) -> Vec<Range<usize>> {
        let (mut texts, mut start, mut i) = (Vec::new(), range.start, range.start);
        while i < range.end {
            match self.template.as_bytes()[i] {
                b'{' => i = self.partner(i).unwrap_or(i),
                b'|' if !escaped(self.template, i) => {
                    texts.push(start..i);
                    start = i + 1;
                }
                _ => {}
            }
            i += 1;
        }
        texts.push(start..range.end);
        texts
    }

    /// Takes `2$$`, `1-3$$` or `2$$ and $$` off the first text: how many are chosen, and where it is written what joins them.
    fn count(&self, first: &mut Range<usize>) -> Option<(std::ops::RangeInclusive<usize>, Option<Range<usize>>)> {
        let text = &self.template[first.clone()];
        let at = text.find("$$")?;
        let whole = |text: &str| text.trim().parse::<usize>().ok().filter(|n| *n <= 1000);
        let (least, most) = match text[..at].split_once('-') {
            None => (whole(&text[..at])?, whole(&text[..at])?),
            Some((least, most)) => {
                let least = if least.trim().is_empty() { 0 } else { whole(least)? };
                (least, if most.trim().is_empty() { 1000 } else { whole(most)? })
            }
        };
        first.start += at + 2;
        let separator = self.template[first.clone()].find("$$").map(|at| first.start..first.start + at);
        if let Some(separator) = &separator {
            first.start = separator.end + 2;
        }
        Some((least..=most.max(least), separator))
    }

    /// Takes `3::` off a text.
    fn weighed(&self, text: Range<usize>) -> Result<Choice, String> {
        let written = &self.template[text.clone()];
        let number = written.split_once("::").and_then(|(number, _)| Some((number.len(), super::decimal(number)?)));
        match number {
            None => Ok(Choice { text, weight: 1.0 }),
            Some((length, weight)) if (0.0..=1e6).contains(&weight) => {
                Ok(Choice { text: text.start + length + 2..text.end, weight })
            }
            Some((_, weight)) => {
                Err(format!("has the odds {weight}:: in braces; a number from 0 to 1000000 would be right"))
            }
        }
    }

    fn trimmed(&self, text: Range<usize>) -> Range<usize> {
        let written = &self.template[text.clone()];
        let start = text.start + written.len() - written.trim_start().len();
        start..start + written.trim().len()
    }

    fn write(&mut self, range: Range<usize>) -> Result<(), String> {
        if self.out.len() + range.len() > MAX_BYTES.max(self.template.len()) {
            return Err(format!("becomes longer than {MAX_BYTES} bytes when its braces are filled in; ask for fewer"));
        }
        self.out.push_str(&self.template[range]);
        Ok(())
    }

    /// The first closed pair of braces that begins in `start..end`.
    fn next_group(&self, start: usize, end: usize) -> Option<(usize, usize)> {
        let next = self.partners.partition_point(|(open, _)| *open < start);
        self.partners.get(next).copied().filter(|(open, _)| *open < end)
    }

    fn partner(&self, open: usize) -> Option<usize> {
        self.next_group(open, open + 1).map(|(_, close)| close)
    }
}

/// Where each `{` is closed, in order of the opening.
fn partners(template: &str) -> Vec<(usize, usize)> {
    let (mut open, mut partners) = (Vec::new(), Vec::new());
    for (i, byte) in template.bytes().enumerate() {
        match byte {
            b'{' if !escaped(template, i) => open.push(i),
            b'}' if !escaped(template, i) => partners.extend(open.pop().map(|at| (at, i))),
            _ => {}
        }
    }
    partners.sort_unstable();
    partners
}

/// SplitMix64.
struct SplitMix(u64);

impl SplitMix {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let z = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// In 0..1.
    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    fn below(&mut self, n: usize) -> usize {
        if n <= 1 { 0 } else { ((self.unit() * n as f64) as usize).min(n - 1) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    /// How often each text comes out of a thousand seeds.
    fn drawn(template: &str) -> BTreeMap<String, usize> {
        let mut drawn = BTreeMap::new();
        (0..1000).for_each(|seed| *drawn.entry(expand(template, seed).unwrap()).or_default() += 1);
        drawn
    }

    #[test]
    fn without_a_choice_nothing_changes() {
        for text in [
            "",
            "a cat",
            "{a}",
            "{",
            "}",
            "}{",
            "a|b",
            "{a}|{b}",
            r"\{a|b\}",
            r"{a\|b}",
            "{\"json\": [1, 2]}",
            "{{a}}",
            "2$$a",
            "é{日}本",
        ] {
            assert_eq!(expand(text, 7).unwrap(), text);
        }
    }

    #[test]
    fn choices_are_drawn_by_seed() {
        for (template, texts) in [
            ("{a|b}", vec!["a", "b"]),
            ("x {a|b|c} y", vec!["x a y", "x b y", "x c y"]),
            ("{a|{b|c}}", vec!["a", "b", "c"]),
            ("{{a|b}}", vec!["{a}", "{b}"]),
            ("{a|}", vec!["", "a"]),
            ("{0::a|b}", vec!["b"]),
            ("{2$$a|b}", vec!["a, b", "b, a"]),
            ("{2$$ and $$a| b |c}", vec!["a and b", "a and c", "b and a", "b and c", "c and a", "c and b"]),
            ("{0-1$$a|b}", vec!["", "a", "b"]),
            ("{9$$a|b}", vec!["a, b", "b, a"]),
            ("{-$$a|b}", vec!["", "a", "a, b", "b", "b, a"]),
            ("{x$$a|b}", vec!["b", "x$$a"]),
            (r"{a\||b}", vec![r"a\|", "b"]),
            ("({a|b}:1.2)", vec!["(a:1.2)", "(b:1.2)"]),
            ("{a|b", vec!["{a|b"]),
            ("a}|{b|c}", vec!["a}|b", "a}|c"]),
        ] {
            let drawn = drawn(template);
            assert_eq!(drawn.keys().collect::<Vec<_>>(), texts, "{template}");
        }
        // Two of the same are drawn apart.
        assert_eq!(drawn("{a|b}{a|b}").len(), 4);
    }

    #[test]
    fn odds_are_kept() {
        let odds = drawn("{3::a|b}");
        assert!((700..800).contains(&odds["a"]), "{odds:?}");
        let nested = drawn("{a|{b|c}}");
        assert!((450..550).contains(&nested["a"]) && (200..300).contains(&nested["b"]), "{nested:?}");
    }

    #[test]
    fn a_seed_says_the_same_on_every_machine() {
        let template = "a {red|green|blue} {2$$ and $$cat|dog|owl} in {the {old|new} town|a garden}";
        let said = [0, 1, 2, u64::MAX].map(|seed| expand(template, seed).unwrap());
        let expected = [
            "a blue dog and cat in a garden",
            "a green owl and dog in the old town",
            "a green owl and dog in a garden",
            "a blue owl and cat in the new town",
        ];
        assert_eq!(said, expected);
    }

    #[test]
    fn what_cannot_be_drawn_is_said() {
        let deep = format!("{}a|b{}", "{".repeat(70), "}".repeat(70));
        let long = format!("{{9$${}$$a{}}}", "x".repeat(15 << 10), "|b".repeat(8));
        for (template, part) in [
            ("{0::a|0::b}", "`{0::a|0::b}`, in which nothing can be chosen"),
            ("{-1::a|b}", "the odds -1::"),
            ("{1e99::a|b}", "the odds"),
            (&deep, "more than 64"),
            (&long, "longer than 65536 bytes"),
        ] {
            let what = expand(template, 1).unwrap_err();
            assert!(what.contains(part), "{what}");
        }
    }
}
