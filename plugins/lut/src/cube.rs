//! The table: read from a `.cube` text, asked for colours.

use crate::Interpolation;

/// A table of colours.
pub struct Cube {
    /// Entries along an axis.
    size: usize,
    /// True for one curve for each of red, green and blue; false for a table of all colours, red fastest.
    curves: bool,
    /// The value of the first entry and the last, for each of red, green and blue.
    domain: [[f32; 2]; 3],
    entries: Vec<[f32; 3]>,
}

impl Cube {
    /// Reads a `.cube` text. An error is a sentence that names the line.
    pub fn read(text: &str) -> Result<Self, String> {
        let mut size: Option<(usize, bool)> = None;
        let mut domain = [[0.0, 1.0]; 3];
        let mut entries: Vec<[f32; 3]> = Vec::new();
        let mut wanted = 0;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text);
        for (number, line) in (1..).zip(text.lines()) {
            let wrong = |what: &str| format!("line {number} of the table: {what}");
            let line = line.split('#').next().unwrap_or_default().trim();
            let (word, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
            match word {
                "" | "TITLE" => {}
                "LUT_1D_SIZE" | "LUT_3D_SIZE" => {
                    if size.is_some() {
                        return Err(wrong("the size is given twice"));
                    }
                    let curves = word == "LUT_1D_SIZE";
                    let most = if curves { 65_536 } else { 256 };
                    let Some(n) = rest.trim().parse::<usize>().ok().filter(|n| (2..=most).contains(n)) else {
                        return Err(wrong(&format!("{word} must be a whole number from 2 to {most}")));
                    };
                    size = Some((n, curves));
                    wanted = if curves { n } else { n * n * n };
                }
                "DOMAIN_MIN" | "DOMAIN_MAX" => {
                    let Some(values) = numbers::<3>(rest) else {
                        return Err(wrong(&format!("{word} needs three numbers")));
                    };
                    let end = usize::from(word == "DOMAIN_MAX");
                    (0..3).for_each(|c| domain[c][end] = values[c]);
                }
                "LUT_1D_INPUT_RANGE" | "LUT_3D_INPUT_RANGE" => {
                    let Some(range) = numbers::<2>(rest) else {
                        return Err(wrong(&format!("{word} needs two numbers")));
                    };
                    domain = [range; 3];
                }
                _ if word.starts_with(|c: char| c.is_ascii_alphabetic()) => {
                    return Err(wrong(&format!(
                        "{:?} is no word of a .cube file",
                        word.chars().take(40).collect::<String>()
                    )));
                }
                _ => {
                    let Some(entry) = numbers::<3>(line) else {
                        return Err(wrong("three numbers are wanted, with a point for the decimals"));
                    };
                    if size.is_none() {
                        return Err(wrong("the size, LUT_3D_SIZE or LUT_1D_SIZE, must come before the first row"));
                    }
                    if entries.len() == wanted {
                        return Err(wrong(&format!("there are more rows than the {wanted} that the size says")));
                    }
                    entries.push(entry);
                }
            }
        }
        let Some((size, curves)) = size else {
            return Err("this is no .cube table: it has no line LUT_3D_SIZE or LUT_1D_SIZE".into());
        };
        if entries.len() < wanted {
            return Err(format!("the table ends after {} of {wanted} rows: is the file whole?", entries.len()));
        }
        if domain.iter().any(|[from, to]| from >= to) {
            return Err("the table's DOMAIN_MIN must be below its DOMAIN_MAX, for red, green and blue".into());
        }
        Ok(Self { size, curves, domain, entries })
    }

    /// The colour for a colour.
    pub fn at(&self, rgb: [f32; 3], interpolation: Interpolation) -> [f32; 3] {
        let last = (self.size - 1) as f32;
        let mut cell = [0; 3];
        let mut part = [0.0; 3];
        for c in 0..3 {
            let [from, to] = self.domain[c];
            let place = ((rgb[c] - from) / (to - from)).clamp(0.0, 1.0) * last;
            // The last entry belongs to the cell before it.
            cell[c] = (place as usize).min(self.size - 2);
            part[c] = place - cell[c] as f32;
        }
        if self.curves {
            return [0, 1, 2].map(|c| {
                let (low, high) = (self.entries[cell[c]][c], self.entries[cell[c] + 1][c]);
                low + (high - low) * part[c]
            });
        }
        let step = [1, self.size, self.size * self.size];
        let base = cell[0] + cell[1] * step[1] + cell[2] * step[2];
        match interpolation {
            Interpolation::Tetrahedral => self.tetrahedral(base, step, part),
            Interpolation::Trilinear => self.trilinear(base, step, part),
        }
    }

    /// From black to white of the cell along its edges, the farthest first: the four corners on that way.
    fn tetrahedral(&self, base: usize, step: [usize; 3], part: [f32; 3]) -> [f32; 3] {
        let mut order = [0, 1, 2];
        for (a, b) in [(0, 1), (1, 2), (0, 1)] {
            if part[order[a]] < part[order[b]] {
                order.swap(a, b);
            }
        }
        let corners =
            [base, base + step[order[0]], base + step[order[0]] + step[order[1]], base + step[0] + step[1] + step[2]]
                .map(|i| self.entries[i]);
        let far = order.map(|axis| part[axis]);
        let weights = [1.0 - far[0], far[0] - far[1], far[1] - far[2], far[2]];
        [0, 1, 2].map(|c| {
            weights[0] * corners[0][c]
                + weights[1] * corners[1][c]
                + weights[2] * corners[2][c]
                + weights[3] * corners[3][c]
        })
    }

    fn trilinear(&self, base: usize, step: [usize; 3], part: [f32; 3]) -> [f32; 3] {
        let mix = |a: [f32; 3], b: [f32; 3], t: f32| [0, 1, 2].map(|c| a[c] + (b[c] - a[c]) * t);
        let row = |i: usize| mix(self.entries[i], self.entries[i + step[0]], part[0]);
        let plane = |i: usize| mix(row(i), row(i + step[1]), part[1]);
        mix(plane(base), plane(base + step[2]), part[2])
    }
}

/// Exactly so many numbers, apart by blanks, none so large that sums of them overflow.
fn numbers<const N: usize>(text: &str) -> Option<[f32; N]> {
    let mut out = [0.0; N];
    let mut words = text.split_ascii_whitespace();
    for value in &mut out {
        *value = words.next()?.parse().ok().filter(|v: &f32| v.abs() <= 65_504.0)?;
    }
    words.next().is_none().then_some(out)
}

#[cfg(test)]
mod tests {
    use super::Cube;

    /// What an author of a broken file should read.
    #[test]
    fn errors_name_the_line() {
        let rows = "0 0 0\n1 0 0\n0 1 0\n1 1 0\n0 0 1\n1 0 1\n0 1 1\n";
        let cases = [
            ("0 0 0\nLUT_3D_SIZE 2\n", "line 1 of the table: the size, LUT_3D_SIZE"),
            ("LUT_3D_SIZE 257", "line 1 of the table: LUT_3D_SIZE must be a whole number from 2 to 256"),
            ("LUT_1D_SIZE -3", "line 1 of the table: LUT_1D_SIZE must be a whole number from 2 to 65536"),
            ("LUT_1D_SIZE 2\nLUT_3D_SIZE 2", "line 2 of the table: the size is given twice"),
            ("# c\nLUT_3D_SIZE 2\n0 0\n", "line 3 of the table: three numbers are wanted"),
            ("LUT_1D_SIZE 2\n0,1 0,2 0,3", "line 2 of the table: three numbers are wanted"),
            ("LUT_1D_SIZE 2\n0 0 0\n1 1 nan", "line 3 of the table: three numbers"),
            ("LUT_1D_SIZE 2\n0 0 0 0", "line 2 of the table: three numbers"),
            ("LUT_1D_SIZE 2\n0 0 0\n1 1 1\n1 1 1", "line 4 of the table: there are more rows than the 2"),
            ("<html>", "line 1 of the table: three numbers"),
            ("PK\u{3}\u{4}", "line 1 of the table: \"PK"),
            ("DOMAIN_MIN 0 0", "line 1 of the table: DOMAIN_MIN needs three numbers"),
            ("LUT_1D_SIZE 2\nDOMAIN_MIN 1 0 0\n0 0 0\n1 1 1", "the table's DOMAIN_MIN must be below"),
            ("TITLE \"empty\"", "this is no .cube table"),
        ];
        for (text, message) in cases {
            let said = Cube::read(text).err().unwrap_or_default();
            assert!(said.starts_with(message), "{text:?}: {said:?}, not {message:?}");
        }
        let cut = format!("LUT_3D_SIZE 2\n{rows}");
        assert_eq!(Cube::read(&cut).err().unwrap(), "the table ends after 7 of 8 rows: is the file whole?");
        let whole = format!("\u{feff}TITLE \"x\" # y\r\nLUT_3D_SIZE\t2\r\n{rows}1 1 1\r\n\r\n");
        assert!(Cube::read(&whole).is_ok());
    }
}
