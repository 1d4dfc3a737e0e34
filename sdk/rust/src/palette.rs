//! A few colours, read from a text.

use crate::Color;

/// The colours of a text, 1 to 256 of them. An error is a sentence that names the line.
///
/// Either hexadecimal (`#1d2b53 7e2553, 008751`, apart by blanks, commas or lines, as a `.hex` file from Lospec has
/// them; `//` and `;` begin a comment), or a GIMP palette (`.gpl`).
pub fn palette(text: &str) -> Result<Vec<Color>, String> {
    let text = text.trim_start_matches('\u{feff}');
    let gimp = text.trim_start().starts_with("GIMP Palette");
    let mut colors = Vec::new();
    for (number, line) in (1..).zip(text.lines()) {
        let wrong = |what: &str| Err(format!("line {number} of the colours: {what}"));
        if gimp {
            let line = line.trim();
            let words: Vec<&str> = line.split_ascii_whitespace().take(3).collect();
            let values: Vec<u8> = words.iter().map_while(|word| word.parse().ok()).collect();
            match values[..] {
                [r, g, b] => colors.push(Color {
                    r: f32::from(r) / 255.0,
                    g: f32::from(g) / 255.0,
                    b: f32::from(b) / 255.0,
                    a: 1.0,
                }),
                _ if line.is_empty() || line.starts_with('#') || line.contains(':') || line == "GIMP Palette" => {}
                _ => return wrong("three whole numbers from 0 to 255 are wanted"),
            }
        } else {
            let line = line.split("//").next().unwrap_or_default().split(';').next().unwrap_or_default();
            for word in line.split(|c: char| c.is_whitespace() || c == ',').filter(|word| !word.is_empty()) {
                match Color::from_hex(word) {
                    Some(color) => colors.push(color),
                    None => {
                        let word: String = word.chars().take(20).collect();
                        return wrong(&format!("{word:?} is no colour; one is written #rrggbb"));
                    }
                }
            }
        }
        if colors.len() > 256 {
            return wrong("there are more than 256 colours");
        }
    }
    if colors.is_empty() { Err("there is no colour in it; one is written #rrggbb".into()) } else { Ok(colors) }
}

#[cfg(test)]
mod tests {
    use super::palette;

    #[test]
    fn both_spellings() {
        let hex = |text: &str| -> Vec<u8> {
            let all = palette(text).unwrap();
            all.iter().flat_map(|c| c.rgb()).map(|v| (v * 255.0).round() as u8).collect()
        };
        assert_eq!(hex("ff0000\n00ff00\n"), [255, 0, 0, 0, 255, 0]);
        assert_eq!(hex("#f00, 00f // two\n; none\n\n"), [255, 0, 0, 0, 0, 255]);
        assert_eq!(hex("GIMP Palette\nName: x\nColumns: 2\n# c\n255   0  7\tred\n  1 2 3\n"), [255, 0, 7, 1, 2, 3]);
        let long = "000 ".repeat(257);
        for (text, said) in [
            ("", "there is no colour in it"),
            ("fff\nred", "line 2 of the colours: \"red\" is no colour"),
            ("GIMP Palette\n1 2\n", "line 2 of the colours: three whole numbers"),
            ("GIMP Palette\n1 2 300\n", "line 2 of the colours: three whole numbers"),
            (&long, "line 1 of the colours: there are more than 256"),
        ] {
            let error = palette(text).unwrap_err();
            assert!(error.starts_with(said), "{error}");
        }
    }
}
