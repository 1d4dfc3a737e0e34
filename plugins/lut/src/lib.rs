//! LUT: a colour table in a `.cube` file, the look of a film stock or of a grade made in a video editor.
//!
//! The format is Adobe's Cube LUT Specification 1.0: `TITLE`, `DOMAIN_MIN`, `DOMAIN_MAX`, `LUT_1D_SIZE` (2..=65536) or
//! `LUT_3D_SIZE` (2..=256), then a row of three numbers for every entry, red fastest; `#` begins a comment. What
//! DaVinci Resolve writes besides is read too: `LUT_1D_INPUT_RANGE`, `LUT_3D_INPUT_RANGE`.
//!
//! Decision: a table is applied to sRGB-encoded values, which is what tables for pictures are made for. Between
//! entries of a 3D table the four corners of the tetrahedron around the colour are weighed, as video tools do: it
//! keeps greys grey and shows no bands where the eight corners of the cube do.

mod cube;

use cube::Cube;
use underpaint_filter::{About, Error, Filter, Param, Plan, Request, Tile, choices, export, params};

// A table of the longest text: every number f32, beside the text itself.
export!(Lut; memory_bytes = 67108864);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// A .cube file, 1D or 3D. Without one the picture stays as it is.
        table: String = Param::lines("Table (.cube)", "", 16_777_216),
        /// How much of the look; 0 leaves the picture as it is.
        strength: f32 = Param::float("Strength", 100.0, 0.0..=100.0).step(1.0).unit("%"),
        /// Only colours change, light and dark stay.
        keep_light: bool = Param::boolean("Keep light", false),
        /// How colours between those in the table are found. Tetrahedral is smoother.
        interpolation: Interpolation = Param::choice("Interpolation", Interpolation::Tetrahedral),
    }
}

choices! {
    /// How a colour between entries is made.
    pub enum Interpolation {
        Tetrahedral = "Tetrahedral",
        Trilinear = "Trilinear",
    }
}

/// One run's table.
pub struct Lut {
    cube: Option<Cube>,
    strength: f32,
    keep_light: bool,
    interpolation: Interpolation,
}

impl Filter for Lut {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("LUT", "Colours the picture by a table from a .cube file: a film stock, a grade, a look.")
    }

    fn new(settings: Settings, _: &mut Request<f32>) -> Result<Self, Error> {
        let empty = settings.table.trim().is_empty();
        let cube = (!empty).then(|| Cube::read(&settings.table)).transpose();
        Ok(Self {
            cube: cube.map_err(|message| Error::BadParameter("table".into(), message))?,
            strength: settings.strength * 0.01,
            keep_light: settings.keep_light,
            interpolation: settings.interpolation,
        })
    }

    fn plan(&self) -> Plan {
        if self.cube.is_none() || self.strength == 0.0 { Plan::unchanged() } else { Plan::pointwise() }
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        let Some(cube) = &self.cube else { return Ok(tile.pixels) };
        Ok(tile.map(|_, _, [r, g, b, a]| {
            let rgb = [r, g, b];
            let mut new = cube.at(rgb, self.interpolation);
            if self.keep_light {
                new = with_luma(new, luma(rgb));
            }
            let mix = |c: usize| rgb[c] + (new[c] - rgb[c]) * self.strength;
            [mix(0), mix(1), mix(2), a]
        }))
    }
}

/// How light an encoded colour is (Rec. 709).
fn luma([r, g, b]: [f32; 3]) -> f32 {
    0.2126 * r + 0.7152 * g + 0.0722 * b
}

/// The colour with another luma, its saturation reduced where it would leave the range.
fn with_luma(rgb: [f32; 3], wanted: f32) -> [f32; 3] {
    let is = luma(rgb);
    let room = rgb.iter().fold(1.0f32, |room, v| {
        let away = v - is;
        let most = if away > 0.0 { 1.0 - wanted } else { wanted };
        if away.abs() * room > most { most / away.abs() } else { room }
    });
    rgb.map(|v| wanted + (v - is) * room)
}

#[cfg(test)]
mod tests {
    use super::Lut;
    use underpaint_filter::Error;
    use underpaint_filter::testing::{self, Case};

    fn identity(n: usize) -> String {
        let v = |i: usize| i as f32 / (n - 1) as f32;
        let mut text = format!("LUT_3D_SIZE {n}\n");
        for i in 0..n * n * n {
            text += &format!("{} {} {}\n", v(i % n), v(i / n % n), v(i / n / n));
        }
        text
    }

    #[test]
    fn a_table_of_the_colours_themselves_changes_nothing() {
        let picture: Vec<f32> = testing::picture(80, 50);
        for interpolation in ["tetrahedral", "trilinear"] {
            let case =
                Case::<Lut>::new(80, 50).with("table", identity(7).as_str()).with("interpolation", interpolation);
            case.check(&picture);
            let made = case.run(&picture, 256).unwrap().pixels;
            assert!(made.iter().zip(&picture).all(|(a, b)| (a - b).abs() < 1e-6));
        }
    }

    #[test]
    fn domains_strength_and_light() {
        let picture = [0.5, 0.25, 0.75, 0.5].repeat(4);
        let run = |table: &str, keep: bool, strength: f32| {
            let case = Case::<Lut>::new(2, 2).with("table", table).with("keep_light", keep).with("strength", strength);
            case.run(&picture, 256).unwrap().pixels[..4].to_vec()
        };
        let invert = "LUT_1D_SIZE 2\n1 1 1\n0 0 0\n";
        assert_eq!(run(invert, false, 100.0), [0.5, 0.75, 0.25, 0.5]);
        assert_eq!(run(invert, false, 50.0), [0.5, 0.5, 0.5, 0.5]);
        assert_eq!(run(invert, false, 0.0), [0.5, 0.25, 0.75, 0.5]);
        let half = "DOMAIN_MIN 0 0 0\nDOMAIN_MAX 2 2 0.5\nLUT_1D_SIZE 2\n0 0 0\n1 1 1\n";
        assert_eq!(run(half, false, 100.0), [0.25, 0.125, 1.0, 0.5]);
        let kept = run(invert, true, 100.0);
        let luma = |p: &[f32]| 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2];
        assert!((luma(&kept) - luma(&picture[..4])).abs() < 1e-6, "{kept:?}");
        assert!(kept.iter().all(|v| (0.0..=1.0).contains(v)), "{kept:?}");
    }

    #[test]
    fn no_table_is_no_change_and_a_broken_one_is_named() {
        let picture: Vec<f32> = testing::picture(8, 8);
        assert_eq!(Case::<Lut>::new(8, 8).with("table", " \n").run(&picture, 8).unwrap().pixels, picture);
        let said = Case::<Lut>::new(8, 8).with("table", "LUT_1D_SIZE 2\n0 0 0\nx").run(&picture, 8);
        let Err(Error::BadParameter(name, message)) = said else { panic!("{said:?}") };
        assert!(name == "table" && message.starts_with("line 3 of the table"), "{message}");
    }
}
