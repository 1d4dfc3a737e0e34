//! Dither: the picture in few colours, mixed from dots as old screens and printers did.
//!
//! Ordered: for every dot a short list of palette colours is made whose mean is the colour wanted, and a matrix says
//! which of them stands here (Knoll's pattern dithering, US patent 6606166, expired); it works with any palette and in tiles. The matrix
//! is Bayer's, or blue noise made by void-and-cluster (Ulichney 1993), which shows no pattern. Error diffusion
//! (Floyd and Steinberg 1976; Jarvis, Judice and Ninke 1976; Atkinson's from the first Macintosh) hands what a dot
//! lacks on to its neighbours, row after row, so it needs the whole picture on one core.
//!
//! Decision: colours are mixed as light, which is what the eye does from afar, and brightness stays; to choose among
//! palette colours the root of the light is compared, which is about what the eye sees.

mod palettes;

use palettes::Palettes;
use underpaint_filter::color::{linear_from_srgb, srgb_from_linear};
use underpaint_filter::{
    About, Error, Filter, Param, Plan, Rect, Request, Tile, choices, export, host, palette, params,
};

export!(Dither; timeout_ms = 20000);

params! {
    /// What the painter sets.
    pub struct Settings {
        palette: Palettes = Param::choice("Palette", Palettes::Pico8),
        /// For the palette "Own": colours as #rrggbb, or a palette file of GIMP (.gpl) or Lospec (.hex).
        colors: String = Param::lines("Own colours", "#000000 #ffffff", 16384),
        /// Ordered patterns stay in place when the picture changes; diffusion draws finer but takes longer.
        method: Method = Param::choice("Method", Method::BlueNoise),
        /// The side of a dot.
        size: i32 = Param::int("Dot size", 2, 1..=32).unit("px"),
        /// 0 takes the nearest colour everywhere.
        amount: f32 = Param::float("Amount", 100.0, 0.0..=100.0).step(1.0).unit("%"),
        /// Mixes light, as the eye does. Off is brighter, as old programs were.
        keep_light: bool = Param::boolean("Keep brightness", true),
    }
}

choices! {
    /// How dots are laid.
    pub enum Method {
        BlueNoise = "Blue noise",
        Bayer2 = "Bayer 2x2",
        Bayer4 = "Bayer 4x4",
        Bayer8 = "Bayer 8x8",
        FloydSteinberg = "Floyd-Steinberg",
        Jarvis = "Jarvis-Judice-Ninke",
        Atkinson = "Atkinson",
    }
}

/// One run.
pub struct Dither {
    /// sRGB-encoded, from dark to light.
    colors: Vec<[f32; 3]>,
    /// The same, as they are mixed and as they are compared.
    mixed: Vec<[f32; 3]>,
    seen: Vec<[f32; 3]>,
    method: Method,
    size: u32,
    amount: f32,
    light: bool,
    width: u32,
    height: u32,
}

/// 64 by 64 ranks, of 256, made by void-and-cluster (`tests/reference/filters_party.py`).
const BLUE: &[u8; 4096] = include_bytes!("blue.bin");

/// Colours on the list of a dot. With few to choose from more are needed for as many tones, and cost less.
const LIST: usize = 32;
const LONG_LIST: usize = 64;

/// How strongly what the list lacks so far draws the next colour away from the nearest. Any number makes the mean right
/// in the end; a small one takes colours that are near each other, so that greys have no specks of green and blue.
const PULL: f32 = 0.5;

/// What of a dot's lack goes where: columns to the right and rows down, parts.
type Kernel = &'static [(i32, usize, f32)];

const FLOYD_STEINBERG: Kernel = &[(1, 0, 7.0 / 16.0), (-1, 1, 3.0 / 16.0), (0, 1, 5.0 / 16.0), (1, 1, 1.0 / 16.0)];

const JARVIS: Kernel = &[
    (1, 0, 7.0 / 48.0),
    (2, 0, 5.0 / 48.0),
    (-2, 1, 3.0 / 48.0),
    (-1, 1, 5.0 / 48.0),
    (0, 1, 7.0 / 48.0),
    (1, 1, 5.0 / 48.0),
    (2, 1, 3.0 / 48.0),
    (-2, 2, 1.0 / 48.0),
    (-1, 2, 3.0 / 48.0),
    (0, 2, 5.0 / 48.0),
    (1, 2, 3.0 / 48.0),
    (2, 2, 1.0 / 48.0),
];

/// Hands on three quarters: shadows and lights become clean.
const ATKINSON: Kernel = &[(1, 0, 0.125), (2, 0, 0.125), (-1, 1, 0.125), (0, 1, 0.125), (1, 1, 0.125), (0, 2, 0.125)];

impl Filter for Dither {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("Dither", "Shows the picture in a few colours, mixed from dots.")
    }

    fn new(settings: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        let mut colors: Vec<[f32; 3]> = match settings.palette.text() {
            Some(text) => palette(text),
            None => palette(&settings.colors),
        }
        .map_err(|message| Error::BadParameter("colors".into(), message))?
        .into_iter()
        .map(|color| color.rgb())
        .collect();
        colors.sort_by(|a, b| brightness(*a).total_cmp(&brightness(*b)));
        let light = settings.keep_light;
        let mixed: Vec<_> =
            colors.iter().map(|&color| if light { color.map(linear_from_srgb) } else { color }).collect();
        let seen = mixed.iter().map(|&color| seen(color, light)).collect();
        Ok(Self {
            colors,
            mixed,
            seen,
            method: settings.method,
            size: ((settings.size as f32 * request.scale + 0.5) as u32).max(1),
            amount: settings.amount * 0.01,
            light,
            width: request.width,
            height: request.height,
        })
    }

    fn plan(&self) -> Plan {
        if self.kernel().is_some() { Plan::whole_picture() } else { Plan::tiles(self.size - 1) }
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        let mut out = tile.area_pixels();
        match self.kernel() {
            Some(kernel) => self.diffuse(&tile, kernel, &mut out),
            None => {
                for (column, row, block) in tile.area.blocks(self.size, self.width, self.height) {
                    if let Some(goal) = self.goal(&tile, block) {
                        self.fill(&mut out, tile.area, block, self.ordered(goal, column, row));
                    }
                }
            }
        }
        Ok(out)
    }
}

impl Dither {
    fn kernel(&self) -> Option<Kernel> {
        match self.method {
            Method::FloydSteinberg => Some(FLOYD_STEINBERG),
            Method::Jarvis => Some(JARVIS),
            Method::Atkinson => Some(ATKINSON),
            _ => None,
        }
    }

    /// What a dot should look like: the mean of its pixels by their opacity. `None` if there is nothing in it.
    fn goal(&self, tile: &Tile<f32>, block: Rect) -> Option<[f32; 3]> {
        let (mut sum, mut weight) = ([0.0; 3], 0.0);
        for y in block.y..block.y + block.height as i32 {
            let start = (block.x - tile.source.x) as usize * 4;
            for pixel in tile.picture_row(y)[start..start + block.width as usize * 4].chunks_exact(4) {
                for c in 0..3 {
                    sum[c] += pixel[3] * if self.light { linear_from_srgb(pixel[c]) } else { pixel[c] };
                }
                weight += pixel[3];
            }
        }
        (weight > 0.0).then(|| sum.map(|v| v / weight))
    }

    fn fill(&self, out: &mut [f32], area: Rect, block: Rect, color: usize) {
        let part = block.intersect(area);
        for y in part.y..part.y + part.height as i32 {
            let start = ((y - area.y) as usize * area.width as usize + (part.x - area.x) as usize) * 4;
            for pixel in out[start..start + part.width as usize * 4].chunks_exact_mut(4) {
                pixel[..3].copy_from_slice(&self.colors[color]);
            }
        }
    }

    fn nearest(&self, mixed: [f32; 3]) -> usize {
        let wanted = seen(mixed, self.light);
        let (mut best, mut least) = (0, f32::INFINITY);
        for (i, color) in self.seen.iter().enumerate() {
            let d = [color[0] - wanted[0], color[1] - wanted[1], color[2] - wanted[2]];
            // The eye sees green best.
            let distance = 2.0 * d[0] * d[0] + 4.0 * d[1] * d[1] + 3.0 * d[2] * d[2];
            if distance < least {
                (best, least) = (i, distance);
            }
        }
        best
    }

    /// The colour at a place of the pattern.
    fn ordered(&self, goal: [f32; 3], column: i32, row: i32) -> usize {
        let list = if self.colors.len() <= 8 { LONG_LIST } else { LIST };
        let (threshold, of) = match self.method {
            Method::Bayer2 => (bayer(column, row, 1), 4),
            Method::Bayer4 => (bayer(column, row, 2), 16),
            Method::Bayer8 => (bayer(column, row, 3) * list / 64, list),
            _ => (BLUE[((row & 63) * 64 + (column & 63)) as usize] as usize * list / 256, list),
        };
        let mut counts = [0u8; 256];
        let mut lack = [0.0; 3];
        for _ in 0..of {
            let wanted = [0, 1, 2].map(|c| goal[c] + lack[c] * self.amount * PULL);
            let chosen = self.nearest(wanted);
            counts[chosen] += 1;
            (0..3).for_each(|c| lack[c] += goal[c] - self.mixed[chosen][c]);
        }
        // The list from dark to light.
        let mut before = 0;
        let place = counts.iter().position(|&count| {
            before += count as usize;
            before > threshold
        });
        place.unwrap_or(0)
    }

    /// Row after row, there and back again.
    fn diffuse(&self, tile: &Tile<f32>, kernel: Kernel, out: &mut [f32]) {
        const MARGIN: usize = 2;
        let columns = self.width.div_ceil(self.size) as usize;
        // What this row and the next two lack.
        let mut lack = [(); 3].map(|()| vec![[0.0f32; 3]; columns + 2 * MARGIN]);
        let rows = self.height.div_ceil(self.size);
        for row in 0..rows {
            let forward = row % 2 == 0;
            for step in 0..columns {
                let column = if forward { step } else { columns - 1 - step };
                let area =
                    Rect { x: (column as u32 * self.size) as i32, y: (row * self.size) as i32, width: 1, height: 1 };
                let Some((_, _, block)) = area.blocks(self.size, self.width, self.height).next() else { continue };
                let Some(goal) = self.goal(tile, block) else { continue };
                let due = lack[0][column + MARGIN];
                // Colours that the palette cannot mix would pile up a debt that later smears.
                let wanted = [0, 1, 2].map(|c| (goal[c] + due[c] * self.amount).clamp(-0.5, 1.5));
                let chosen = self.nearest(wanted);
                self.fill(out, tile.area, block, chosen);
                for &(right, down, part) in kernel {
                    let to = (column + MARGIN).wrapping_add_signed(if forward { right } else { -right } as isize);
                    for c in 0..3 {
                        lack[down][to][c] += (wanted[c] - self.mixed[chosen][c]) * part;
                    }
                }
            }
            lack.rotate_left(1);
            lack[2].fill([0.0; 3]);
            host::progress((row + 1) as f32 / rows as f32);
        }
    }
}

/// Of an encoded colour.
fn brightness(color: [f32; 3]) -> f32 {
    let [r, g, b] = color.map(linear_from_srgb);
    srgb_from_linear(0.2126 * r + 0.7152 * g + 0.0722 * b)
}

/// As colours are compared: of light, the root.
fn seen(mixed: [f32; 3], light: bool) -> [f32; 3] {
    if light { mixed.map(|v| v.max(0.0).sqrt()) } else { mixed }
}

/// Bayer's matrix of side 2^`bits` at a place: 0 to 4^`bits` - 1.
fn bayer(x: i32, y: i32, bits: u32) -> usize {
    let (x, y) = (x as u32, y as u32);
    (0..bits).fold(0, |rank, bit| {
        let (x, y) = (x >> bit & 1, y >> bit & 1);
        rank << 2 | ((x ^ y) << 1 | y) as usize
    })
}

#[cfg(test)]
mod tests {
    use super::{Dither, bayer};
    use underpaint_filter::color::linear_from_srgb;
    use underpaint_filter::testing::{self, Case};
    use underpaint_filter::{Choice, Error};

    const METHODS: [&str; 7] = ["blue-noise", "bayer2", "bayer4", "bayer8", "floyd-steinberg", "jarvis", "atkinson"];

    #[test]
    fn the_same_in_any_tiles_and_at_every_end() {
        let picture = testing::picture(70, 50);
        for method in METHODS {
            for (size, amount) in [(1, 100.0), (5, 100.0), (32, 0.0)] {
                let case = Case::<Dither>::new(70, 50).with("method", method).with("size", size).with("amount", amount);
                case.check(&picture);
            }
        }
        for (_, name, _) in super::Palettes::ALL {
            let name = name.to_lowercase();
            Case::<Dither>::new(30, 20).with("palette", name.as_str()).run(&testing::picture(30, 20), 7).unwrap();
        }
    }

    #[test]
    fn the_matrix_of_bayer() {
        let four: Vec<usize> = (0..16).map(|i| bayer(i % 4, i / 4, 2)).collect();
        assert_eq!(four, [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5]);
        let mut all: Vec<usize> = (0..64).map(|i| bayer(i % 8, i / 8, 3)).collect();
        all.sort_unstable();
        assert_eq!(all, (0..64).collect::<Vec<_>>());
    }

    /// Black and white dots send as much light as the grey they stand for.
    #[test]
    fn brightness_stays() {
        let side = 128;
        for method in METHODS.iter().filter(|m| **m != "atkinson") {
            for grey in [0.3f32, 0.5, 0.8] {
                let picture = [grey, grey, grey, 1.0].repeat(side * side);
                let case = Case::<Dither>::new(side as u32, side as u32).with("palette", "own").with("method", *method);
                let made = case.with("size", 1).run(&picture, 256).unwrap().pixels;
                assert!(made.chunks(4).all(|p| p[0] == 0.0 || p[0] == 1.0));
                let mean = made.chunks(4).map(|p| p[0]).sum::<f32>() / (side * side) as f32;
                // A list of n colours mixes no finer than 1/n.
                let off = match *method {
                    "bayer2" => 0.25,
                    "bayer4" => 1.0 / 16.0,
                    _ => 1.0 / 48.0,
                };
                assert!((mean - linear_from_srgb(grey)).abs() < off, "{method}: {mean} for {grey}");
            }
        }
    }

    /// What nobody sees is in no dot's mean, and hands on no error.
    #[test]
    fn alpha_0_does_not_bleed() {
        let mut picture = [1.0, 1.0, 1.0, 1.0].repeat(40 * 40);
        picture.chunks_exact_mut(4).enumerate().filter(|(i, _)| i % 40 >= 21).for_each(|(_, p)| p.fill(0.0));
        for method in METHODS {
            let case = Case::<Dither>::new(40, 40).with("palette", "own").with("method", method).with("size", 4);
            let made = case.run(&picture, 64).unwrap().pixels;
            assert_eq!(made, picture, "{method}");
        }
    }

    #[test]
    fn own_colours_are_read_or_named() {
        let picture: Vec<f32> = testing::picture(20, 20);
        let run =
            |colors: &str| Case::<Dither>::new(20, 20).with("palette", "own").with("colors", colors).run(&picture, 20);
        let made = run("f00\n00f").unwrap().pixels;
        let known = |p: &[f32]| p[3] == 0.0 || p[..3] == [1.0, 0.0, 0.0] || p[..3] == [0.0, 0.0, 1.0];
        assert!(made.chunks(4).all(known));
        let Err(Error::BadParameter(name, message)) = run("red") else { panic!("red is taken for a colour") };
        assert!(name == "colors" && message.starts_with("line 1 of the colours"), "{message}");
    }
}
