//! Line art: a photograph or a painting as a drawing in ink.
//!
//! XDoG (Winnemöller, Kyprianidis and Olsen, "XDoG: An eXtended difference-of-Gaussians compendium", 2012): where the
//! picture is darker than its surroundings there is a line, and with `shadows` whatever is dark fills with ink. The
//! step from paper to ink is a soft threshold.
//!
//! Decision: shadows are a share of the tone that the threshold sees, so that lines alone, as for a colouring book,
//! are one end of a slider and not another filter. The paper may be left out, for lines on a layer of their own.

use underpaint_filter::math::{gaussian, smooth, tanh};
use underpaint_filter::{About, Color, Error, Filter, Param, Plan, Request, Tile, choices, export, params};

export!(LineArt);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// How thick the pen is.
        thickness: f32 = Param::float("Line width", 1.4, 0.5..=12.0).step(0.1).unit("px"),
        /// How slight a change of tone becomes a line.
        detail: f32 = Param::float("Detail", 50.0, 0.0..=100.0).step(1.0).unit("%"),
        /// How much of what is dark fills with ink; 0 draws lines alone.
        shadows: f32 = Param::float("Shadows", 40.0, 0.0..=100.0).step(1.0).unit("%"),
        /// 0 is a pen, 100 % a pencil.
        softness: f32 = Param::float("Softness", 30.0, 0.0..=100.0).step(1.0).unit("%"),
        ink: Color = Param::color("Ink", 0x16161d).group("Colours"),
        background: Background = Param::choice("Background", Background::Paper).group("Colours"),
        paper: Color = Param::color("Paper", 0xffffff).group("Colours"),
    }
}

choices! {
    /// What the lines are drawn on.
    pub enum Background {
        Paper = "Paper",
        Transparent = "Nothing (transparent)",
        Picture = "The picture",
    }
}

/// How much wider the surroundings are than the line.
const WIDER: f32 = 1.6;

/// One run.
pub struct LineArt {
    line: Vec<f32>,
    around: Vec<f32>,
    /// What differences are multiplied by.
    strength: f32,
    shadows: f32,
    steepness: f32,
    ink: [f32; 3],
    background: Background,
    paper: [f32; 3],
}

/// Below this there is ink.
const THRESHOLD: f32 = 0.7;

impl Filter for LineArt {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("Line art", "Draws the picture in ink: lines where tones change, black where it is dark.")
    }

    fn new(settings: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        // A pen of this width answers best to lines that are some two deviations wide.
        let deviation = (settings.thickness * 0.5 * request.scale).max(0.3);
        let detail = settings.detail * 0.01;
        let softness = settings.softness * 0.01;
        Ok(Self {
            line: gaussian(deviation),
            around: gaussian(deviation * WIDER),
            strength: 2.0 + 38.0 * detail * detail,
            shadows: settings.shadows * 0.01,
            steepness: 1.5 / (softness * softness).max(0.005),
            ink: settings.ink.rgb(),
            background: settings.background,
            paper: settings.paper.rgb(),
        })
    }

    fn plan(&self) -> Plan {
        Plan::tiles(self.around.len() as u32 - 1)
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        let ink = self.drawn(&tile);
        let mut out = tile.area_pixels();
        for (pixel, ink) in out.chunks_exact_mut(4).zip(ink) {
            match self.background {
                Background::Transparent => {
                    pixel[..3].copy_from_slice(&self.ink);
                    pixel[3] *= ink;
                }
                Background::Paper => {
                    (0..3).for_each(|c| pixel[c] = self.paper[c] + (self.ink[c] - self.paper[c]) * ink)
                }
                Background::Picture => (0..3).for_each(|c| pixel[c] += (self.ink[c] - pixel[c]) * ink),
            }
        }
        Ok(out)
    }
}

impl LineArt {
    /// Ink on every pixel of the area, 0..=1.
    fn drawn(&self, tile: &Tile<f32>) -> Vec<f32> {
        let weighed: Vec<[f32; 2]> = tile
            .pixels
            .as_chunks::<4>()
            .0
            .iter()
            .map(|&[r, g, b, a]| [(0.2126 * r + 0.7152 * g + 0.0722 * b) * a, a])
            .collect();
        let width = tile.source.width as usize;
        let around = smooth(&weighed, width, &self.around);
        // The line's kernel reaches less far.
        let margin = self.around.len() - self.line.len();
        let (inner, rows) = (width - 2 * margin, tile.source.height as usize - 2 * margin);
        let part: Vec<[f32; 2]> =
            (margin..margin + rows).flat_map(|y| weighed[y * width + margin..][..inner].iter().copied()).collect();
        let line = smooth(&part, inner, &self.line);
        let tone = |[light, weight]: [f32; 2]| if weight > 0.0 { light / weight } else { 1.0 };
        line.into_iter().zip(around).map(|(line, around)| self.ink_of(tone(line), tone(around))).collect()
    }

    fn ink_of(&self, line: f32, around: f32) -> f32 {
        let seen = 1.0 + self.shadows * (line - 1.0) + self.strength * (line - around);
        if seen >= THRESHOLD { 0.0 } else { tanh(self.steepness * (THRESHOLD - seen)) }
    }
}

#[cfg(test)]
mod tests {
    use super::LineArt;
    use underpaint_filter::testing::{self, Case};

    #[test]
    fn the_same_in_any_tiles_and_at_every_end() {
        let picture = testing::picture(120, 80);
        let case = || Case::<LineArt>::new(120, 80);
        case().check(&picture);
        for (name, ends) in [
            ("thickness", [0.5, 12.0]),
            ("detail", [0.0, 100.0]),
            ("shadows", [0.0, 100.0]),
            ("softness", [0.0, 100.0]),
        ] {
            ends.iter().for_each(|&end| case().with(name, end).check(&picture));
        }
        for background in ["transparent", "picture"] {
            case().with("background", background).scale(0.3).check(&picture);
        }
    }

    /// A dark line on a light ground is drawn, its ground is not; flat tones give no lines.
    #[test]
    fn lines_are_drawn_and_flat_is_paper() {
        let mut picture = [0.8, 0.8, 0.8, 1.0].repeat(40 * 40);
        (0..40).for_each(|y| picture[(y * 40 + 20) * 4..][..3].fill(0.4));
        let case = Case::<LineArt>::new(40, 40).with("shadows", 0.0).with("background", "transparent");
        let made = case.run(&picture, 64).unwrap().pixels;
        let alpha = |x: usize| made[(20 * 40 + x) * 4 + 3];
        assert!(alpha(20) > 0.9 && alpha(10) == 0.0 && alpha(24) == 0.0, "{} {}", alpha(20), alpha(24));
        let flat = [0.1, 0.1, 0.1, 1.0].repeat(40 * 40);
        assert!(case.run(&flat, 64).unwrap().pixels.chunks(4).all(|p| p[3] == 0.0));
        let filled = Case::<LineArt>::new(40, 40).with("shadows", 100.0).run(&flat, 64).unwrap().pixels;
        assert!(filled.chunks(4).all(|p| p[0] < 0.15), "{:?}", &filled[..4]);
    }

    /// What nobody sees draws no line around what is seen.
    #[test]
    fn alpha_0_draws_no_outline() {
        let mut picture = [0.9, 0.9, 0.9, 1.0].repeat(40 * 40);
        picture.chunks_exact_mut(4).enumerate().filter(|(i, _)| i % 40 > 20).for_each(|(_, p)| p.fill(0.0));
        picture.chunks_exact_mut(4).enumerate().filter(|(i, _)| i % 40 == 20).for_each(|(_, p)| p[3] = 0.3);
        let made = Case::<LineArt>::new(40, 40).run(&picture, 64).unwrap().pixels;
        assert!(made.chunks(4).filter(|p| p[3] > 0.0).all(|p| p[0] == 1.0));
    }
}
