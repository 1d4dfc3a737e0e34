//! Halftone: tones as dots or lines of ink, in one ink or in the four of the printing press.
//!
//! A screen orders the points of a cell from the first that takes ink to the last; a point has ink where its place in
//! that order is below the tone. Decision: places are shares of the cell's area, so that a tone of 30 % inks 30 % of
//! the paper with every shape; the tone is the encoded value, as printers count it, since ink that spreads makes up
//! for the light in between. Edges are as soft as a pixel.

use std::f32::consts::{FRAC_PI_2, PI};
use underpaint_filter::math::{gaussian, sin_cos, smooth};
use underpaint_filter::{About, Color, Error, Filter, Param, Plan, Rect, Request, Tile, choices, export, params};

export!(Halftone);

params! {
    /// What the painter sets.
    pub struct Settings {
        colors: Colors = Param::choice("Inks", Colors::Cmyk),
        shape: Shape = Param::choice("Shape", Shape::Dots),
        /// From one dot to the next.
        size: f32 = Param::float("Size", 6.0, 2.0..=100.0).step(0.5).unit("px"),
        /// How the rows of dots are turned; with four inks, that of black.
        angle: f32 = Param::float("Angle", 45.0, 0.0..=90.0).step(1.0).unit("°"),
        /// Tones further apart before they become dots.
        contrast: f32 = Param::float("Contrast", 0.0, 0.0..=100.0).step(1.0).unit("%"),
        /// 0 is ink with clear edges, 100 % a soft screen.
        softness: f32 = Param::float("Softness", 10.0, 0.0..=100.0).step(1.0).unit("%"),
        /// The ink when there is but one.
        ink: Color = Param::color("Ink", 0x1a1a1a).group("Colours"),
        paper: Color = Param::color("Paper", 0xfdfaf2).group("Colours"),
    }
}

choices! {
    /// Which inks.
    pub enum Colors {
        Cmyk = "Four colours",
        One = "One ink",
    }
}

choices! {
    /// What the ink makes.
    pub enum Shape {
        Dots = "Dots",
        Checks = "Dots to checks",
        Lines = "Lines",
    }
}

/// Cyan, magenta, yellow and black as they look on coated paper.
const INKS: [[f32; 3]; 4] = [[0.0, 0.62, 0.88], [0.89, 0.0, 0.48], [1.0, 0.93, 0.0], [0.12, 0.11, 0.12]];

/// Angles of the four screens against that of black: far enough apart that they make no pattern together.
const ANGLES: [f32; 4] = [-30.0, 30.0, -45.0, 0.0];

/// One run.
pub struct Halftone {
    screens: Vec<Screen>,
    shape: Shape,
    order: Order,
    /// Half of the kernel that tones are averaged with.
    kernel: Vec<f32>,
    /// Tones are `0.5 + (tone - 0.5) * contrast`.
    contrast: f32,
    softness: f32,
    paper: [f32; 3],
}

/// One ink.
struct Screen {
    ink: [f32; 3],
    /// A step of one pixel to the right in cells.
    step: [f32; 2],
}

impl Filter for Halftone {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("Halftone", "Prints the picture: its tones become dots or lines of ink on paper.")
    }

    fn new(settings: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        let size = (settings.size * request.scale).max(1.0);
        let screen = |ink: [f32; 3], turn: f32| {
            let (sin, cos) = sin_cos((settings.angle + turn) * (PI / 180.0));
            Screen { ink, step: [cos / size, sin / size] }
        };
        let screens = match settings.colors {
            Colors::One => vec![screen(settings.ink.rgb(), 0.0)],
            Colors::Cmyk => INKS.into_iter().zip(ANGLES).map(|(ink, turn)| screen(ink, turn)).collect(),
        };
        Ok(Self {
            screens,
            shape: settings.shape,
            order: Order::new(settings.shape),
            kernel: gaussian(size * 0.2),
            contrast: 1.0 + settings.contrast * 0.01 * 1.5,
            softness: settings.softness * 0.01,
            paper: settings.paper.rgb(),
        })
    }

    fn plan(&self) -> Plan {
        Plan::tiles(self.kernel.len() as u32 - 1)
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        let tones = tones(&tile, &self.kernel);
        let mut out = tile.area_pixels();
        let Rect { x: left, y: top, width, .. } = tile.area;
        for (i, (pixel, tone)) in out.chunks_exact_mut(4).zip(&tones).enumerate() {
            if pixel[3] == 0.0 {
                continue;
            }
            let x = (left + (i as u32 % width) as i32) as f32 + 0.5;
            let y = (top + (i as u32 / width) as i32) as f32 + 0.5;
            let tone = tone.map(|v| (0.5 + (v - 0.5) * self.contrast).clamp(0.0, 1.0));
            let mut rgb = self.paper;
            for (screen, wanted) in self.screens.iter().zip(self.inks(tone)) {
                let covered = self.covered(screen, x, y, wanted);
                rgb.iter_mut().zip(screen.ink).for_each(|(v, ink)| *v *= 1.0 - covered * (1.0 - ink));
            }
            pixel[..3].copy_from_slice(&rgb);
        }
        Ok(out)
    }
}

impl Halftone {
    /// How much of each ink makes a tone.
    fn inks(&self, [r, g, b]: [f32; 3]) -> [f32; 4] {
        if self.screens.len() == 1 {
            return [1.0 - (0.2126 * r + 0.7152 * g + 0.0722 * b), 0.0, 0.0, 0.0];
        }
        let ink = [1.0 - r, 1.0 - g, 1.0 - b];
        let grey = ink[0].min(ink[1]).min(ink[2]);
        // Black takes over slowly: light greys are made of colours, and no black dots stand in a face.
        let dark = ((grey - 0.25) / 0.75).max(0.0);
        let black = dark * dark;
        let rest = (1.0 - black).max(1e-4);
        let [c, m, y] = ink.map(|v| (v - black) / rest);
        [c, m, y, black]
    }

    /// How much of a pixel is under ink.
    fn covered(&self, screen: &Screen, x: f32, y: f32, wanted: f32) -> f32 {
        let [cos, sin] = screen.step;
        let (u, v) = (x * cos + y * sin, y * cos - x * sin);
        let per_pixel = (cos * cos + sin * sin).sqrt();
        // In a cell, -0.5..0.5.
        let (u, v) = (u - u.round_ties_even(), v - v.round_ties_even());
        let (place, slope) = match self.shape {
            Shape::Lines => (2.0 * u.abs(), 2.0),
            Shape::Dots => self.order.at((u * u + v * v).sqrt(), 1.0),
            Shape::Checks => {
                let ((su, cu), (sv, cv)) = (sin_cos(2.0 * PI * u), sin_cos(2.0 * PI * v));
                self.order.at(1.0 - 0.5 * (cu + cv), PI * (su * su + sv * sv).sqrt())
            }
        };
        let width = (slope * per_pixel + self.softness).max(1e-3);
        ((edge(wanted, width) - place) / width + 0.5).clamp(0.0, 1.0)
    }
}

/// The middle of an edge of this width that leaves a share of the cell under ink. Where the edge is cut off by the
/// cell's first or last point it moves outwards, so that white has no ink and black no holes.
fn edge(share: f32, width: f32) -> f32 {
    let outwards = |share: f32| (2.0 * width * share).sqrt() - 0.5 * width;
    if share < 0.5 * width && share <= 0.5 {
        outwards(share.max(0.0))
    } else if 1.0 - share < 0.5 * width {
        1.0 - outwards((1.0 - share).max(0.0))
    } else {
        share
    }
}

/// What share of a cell comes before a point.
struct Order {
    /// For the height of a point, 0..=`most` in equal steps: shares.
    shares: Vec<f32>,
    most: f32,
}

impl Order {
    /// Counted on a fine grid of points.
    fn new(shape: Shape) -> Self {
        const SIDE: usize = 256;
        const STEPS: usize = 1024;
        let most = if shape == Shape::Checks { 2.0 } else { 0.5 * 2f32.sqrt() };
        let mut counts = vec![0u32; STEPS + 1];
        let cosines: Vec<f32> =
            (0..SIDE).map(|i| sin_cos(FRAC_PI_2 * 2.0 * (i as f32 + 0.5) / SIDE as f32).1).collect();
        for j in 0..SIDE {
            for i in 0..SIDE {
                let half = |i: usize| (i as f32 + 0.5) / SIDE as f32 * 0.5;
                let height = match shape {
                    Shape::Checks => 1.0 - 0.5 * (cosines[i] + cosines[j]),
                    _ => (half(i) * half(i) + half(j) * half(j)).sqrt(),
                };
                counts[(height / most * STEPS as f32) as usize + 1] += 1;
            }
        }
        let mut sum = 0;
        let shares = counts.iter().map(|count| {
            sum += count;
            sum as f32 / (SIDE * SIDE) as f32
        });
        Self { shares: shares.collect(), most }
    }

    /// Share of the cell below a height, and how fast it grows where height grows by `slope`.
    fn at(&self, height: f32, slope: f32) -> (f32, f32) {
        let steps = self.shares.len() - 1;
        let place = (height / self.most).clamp(0.0, 1.0) * steps as f32;
        let i = (place as usize).min(steps - 1);
        let rise = self.shares[i + 1] - self.shares[i];
        // The slope over a few steps: the grid's grain is finer than that.
        let (low, high) = (i.saturating_sub(8), (i + 9).min(steps));
        let mean = (self.shares[high] - self.shares[low]) / (high - low) as f32;
        (self.shares[i] + rise * (place - i as f32), mean * steps as f32 / self.most * slope)
    }
}

/// Colours of the area, averaged with the kernel by their opacity.
fn tones(tile: &Tile<f32>, kernel: &[f32]) -> Vec<[f32; 3]> {
    let weighed: Vec<[f32; 4]> =
        tile.pixels.as_chunks::<4>().0.iter().map(|&[r, g, b, a]| [r * a, g * a, b * a, a]).collect();
    let mean = |[r, g, b, a]: [f32; 4]| if a > 0.0 { [r / a, g / a, b / a] } else { [0.0; 3] };
    smooth(&weighed, tile.source.width as usize, kernel).into_iter().map(mean).collect()
}

#[cfg(test)]
mod tests {
    use super::Halftone;
    use underpaint_filter::testing::{self, Case};

    const SHAPES: [&str; 3] = ["dots", "checks", "lines"];

    #[test]
    fn the_same_in_any_tiles_and_at_every_end() {
        let picture = testing::picture(150, 90);
        for shape in SHAPES {
            for size in [2.0, 8.0, 100.0] {
                Case::<Halftone>::new(150, 90).with("shape", shape).with("size", size).check(&picture);
            }
        }
        for end in [0.0, 100.0] {
            let case = Case::<Halftone>::new(150, 90).with("softness", end).with("contrast", end);
            case.with("colors", "one").with("angle", end * 0.9).check(&picture);
        }
    }

    /// A tone of 30 % covers 30 % of the paper, whatever the shape; white has no ink and black no hole.
    #[test]
    fn ink_covers_what_the_tone_asks_for() {
        use underpaint_filter::Color;
        let side = 160;
        for shape in SHAPES {
            for tone in [0.0, 0.1, 0.3, 0.5, 0.8, 1.0] {
                let grey: f32 = 1.0 - tone;
                let picture = [grey, grey, grey, 1.0].repeat(side * side);
                let case = Case::<Halftone>::new(side as u32, side as u32)
                    .with("shape", shape)
                    .with("colors", "one")
                    .with("angle", 27.0)
                    .with("contrast", 0.0)
                    .with("softness", 0.0)
                    .with("ink", Color { r: 0.0, g: 0.0, b: 0.0, a: 1.0 })
                    .with("paper", Color { r: 1.0, g: 1.0, b: 1.0, a: 1.0 });
                let made = case.run(&picture, 256).unwrap().pixels;
                let ink = 1.0 - made.chunks(4).map(|p| p[0]).sum::<f32>() / (side * side) as f32;
                let off = if tone == 0.0 || tone == 1.0 { 1e-6 } else { 0.03 };
                assert!((ink - tone).abs() < off, "{shape}: {ink} for {tone}");
            }
        }
    }

    #[test]
    fn colour_under_alpha_0_makes_no_ink() {
        let mut picture = [1.0, 1.0, 1.0, 1.0].repeat(40 * 40);
        picture.chunks_exact_mut(4).enumerate().filter(|(i, _)| i % 40 >= 20).for_each(|(_, p)| p.fill(0.0));
        let made = Case::<Halftone>::new(40, 40).with("contrast", 0.0).run(&picture, 64).unwrap().pixels;
        let paper = [0xfd, 0xfa, 0xf2].map(|v| v as f32 / 255.0);
        for pixel in made.chunks(4).filter(|p| p[3] > 0.0) {
            assert!((0..3).all(|c| (pixel[c] - paper[c]).abs() < 1e-4), "{pixel:?}");
        }
    }
}
