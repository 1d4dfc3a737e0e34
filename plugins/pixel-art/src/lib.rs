//! Pixel art: the picture in large square pixels of a few colours.
//!
//! Three steps. Every block becomes one colour: the mean, or, crisper, the mean of the larger of the two groups its
//! pixels fall into, so that an edge through a block does not turn it into mud. A survey of those colours finds
//! the palette by k-means in CIE Lab. Then each block takes the nearest colour of it.
//!
//! Decision: colours count by the root of how often they are there: an eye or a light is few pixels and needs its
//! colour, a sky does not need five.

use std::collections::BTreeMap;
use underpaint_filter::color::{distance2, lab_from_srgb, linear_from_srgb, srgb_from_lab, srgb_from_linear};
use underpaint_filter::{
    About, Error, Filter, Param, Pass, Plan, Rect, Request, Tile, choices, export, palette, params,
};

export!(PixelArt);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// The side of a new pixel.
        size: i32 = Param::int("Pixel size", 6, 2..=64).unit("px"),
        /// How many colours are found.
        colors: i32 = Param::int("Colours", 24, 2..=64),
        /// Takes these instead: colours as #rrggbb, or a palette file of GIMP (.gpl) or Lospec (.hex).
        palette: String = Param::lines("Own palette", "", 16384),
        /// Crisp keeps edges and small shapes, smooth averages them.
        sampling: Sampling = Param::choice("Sampling", Sampling::Crisp),
        /// A pattern that mixes colours; 0 leaves them flat.
        dither: f32 = Param::float("Dither", 0.0, 0.0..=100.0).step(1.0).unit("%"),
        /// Nothing half transparent: a pixel is there or it is not.
        hard_edge: bool = Param::boolean("Hard outline", false),
        output: Output = Param::choice("Result", Output::Blocks),
    }
}

choices! {
    /// How a block becomes a colour.
    pub enum Sampling {
        Crisp = "Crisp",
        Smooth = "Smooth",
    }
}

choices! {
    /// What comes out.
    pub enum Output {
        Blocks = "Same size, in blocks",
        Small = "Small, a pixel for each block",
    }
}

/// One run.
pub struct PixelArt {
    size: u32,
    count: usize,
    /// In Lab; empty until it is known.
    palette: Vec<[f32; 3]>,
    own: bool,
    crisp: bool,
    dither: f32,
    hard_edge: bool,
    small: bool,
    width: u32,
    height: u32,
}

/// How far apart in Lab the pattern may look for a colour, at its strongest.
const DITHER: f32 = 24.0;

/// Two groups of a block nearer than this (squared, of encoded values) are one.
const ONE_GROUP: f32 = 0.01;

/// Steps of L, a and b that colours are counted in.
const STEPS: [f32; 3] = [64.0, 32.0, 32.0];

/// Colours that a tile may answer with: 18 bytes each, 65536 in all.
const ANSWERS: usize = 3600;

impl Filter for PixelArt {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("Pixel art", "Redraws the picture in large pixels and a palette of its own few colours.")
    }

    fn new(settings: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        let own = !settings.palette.trim().is_empty();
        let palette = if own {
            let colors = palette(&settings.palette).map_err(|e| Error::BadParameter("palette".into(), e))?;
            colors.into_iter().map(|color| lab_from_srgb(color.rgb())).collect()
        } else {
            Vec::new()
        };
        Ok(Self {
            size: ((settings.size as f32 * request.scale + 0.5) as u32).max(1),
            count: settings.colors as usize,
            palette,
            own,
            crisp: settings.sampling == Sampling::Crisp,
            dither: settings.dither * 0.01 * DITHER,
            hard_edge: settings.hard_edge,
            small: settings.output == Output::Small,
            width: request.width,
            height: request.height,
        })
    }

    fn plan(&self) -> Plan {
        let blocks = Pass::Tiles { halo: self.size - 1 };
        let last = if self.small { Pass::Tiles { halo: self.size + 1 } } else { Pass::Pointwise };
        let plan = if self.own { Plan::passes([blocks, last]) } else { Plan::passes([blocks, Pass::Survey, last]) };
        if self.small { plan.resized(self.width.div_ceil(self.size), self.height.div_ceil(self.size)) } else { plan }
    }

    fn survey(&mut self, tile: Tile<f32>) -> Result<Vec<u8>, Error> {
        let mut counts: BTreeMap<u16, [f32; 4]> = BTreeMap::new();
        let (mut last, mut lab, mut key) = ([-1.0; 3], [0.0; 3], 0);
        for pixel in tile.pixels.chunks_exact(4).filter(|pixel| pixel[3] > 0.0) {
            let rgb = [pixel[0], pixel[1], pixel[2]];
            if rgb != last {
                lab = lab_from_srgb(rgb);
                (last, key) = (rgb, place(lab));
            }
            let entry = counts.entry(key).or_default();
            (0..3).for_each(|c| entry[c] += pixel[3] * lab[c]);
            entry[3] += pixel[3];
        }
        let mut counts: Vec<(u16, [f32; 4])> = counts.into_iter().collect();
        if counts.len() > ANSWERS {
            counts.sort_by(|a, b| b.1[3].total_cmp(&a.1[3]).then(a.0.cmp(&b.0)));
            counts.truncate(ANSWERS);
        }
        let bytes = |(key, sums): (u16, [f32; 4])| {
            key.to_le_bytes().into_iter().chain(sums.into_iter().flat_map(f32::to_le_bytes)).collect::<Vec<u8>>()
        };
        Ok(counts.into_iter().flat_map(bytes).collect())
    }

    fn learn(&mut self, _: u32, answers: Vec<Vec<u8>>) -> Result<(), Error> {
        let mut counts: BTreeMap<u16, [f64; 4]> = BTreeMap::new();
        for entry in answers.iter().flat_map(|answer| answer.as_chunks::<18>().0) {
            let (key, sums) = entry.split_at(2);
            let total = counts.entry(u16::from_le_bytes([key[0], key[1]])).or_default();
            for (total, sum) in total.iter_mut().zip(sums.as_chunks().0) {
                *total += f64::from(f32::from_le_bytes(*sum));
            }
        }
        let colors = counts.values().map(|sums| ([0, 1, 2].map(|c| sums[c] / sums[3]), sums[3].sqrt())).collect();
        self.palette = k_means(colors, self.count);
        Ok(())
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        if tile.pass == 0 { Ok(self.blocks(&tile)) } else { Ok(self.colored(&tile)) }
    }
}

impl PixelArt {
    /// Every block in its colour; its opacity where the result asks for it, else each pixel's own.
    fn blocks(&self, tile: &Tile<f32>) -> Vec<f32> {
        let mut out = tile.area_pixels();
        for (_, _, block) in tile.area.blocks(self.size, self.width, self.height) {
            let mut pixels: Vec<[f32; 4]> = Vec::with_capacity((block.width * block.height) as usize);
            for y in block.y..block.y + block.height as i32 {
                let start = (block.x - tile.source.x) as usize * 4;
                let row = &tile.picture_row(y)[start..start + block.width as usize * 4];
                pixels.extend(row.as_chunks::<4>().0);
            }
            let alpha = pixels.iter().map(|pixel| pixel[3]).sum::<f32>() / pixels.len() as f32;
            let rgb = self.color_of(&pixels);
            let part = block.intersect(tile.area);
            for y in part.y..part.y + part.height as i32 {
                let start =
                    ((y - tile.area.y) as usize * tile.area.width as usize + (part.x - tile.area.x) as usize) * 4;
                for pixel in out[start..start + part.width as usize * 4].chunks_exact_mut(4) {
                    pixel[..3].copy_from_slice(&rgb);
                    if self.hard_edge {
                        pixel[3] = if alpha >= 0.5 { 1.0 } else { 0.0 };
                    } else if self.small {
                        pixel[3] = alpha;
                    }
                }
            }
        }
        out
    }

    /// The colour that stands for some pixels, sRGB-encoded.
    fn color_of(&self, pixels: &[[f32; 4]]) -> [f32; 3] {
        let mut kept = pixels.to_vec();
        if self.crisp
            && let Some((darker, lighter)) = two_groups(pixels)
        {
            let weight = |group: &[[f32; 4]]| group.iter().map(|pixel| pixel[3]).sum::<f32>();
            kept = if weight(&darker) > weight(&lighter) { darker } else { lighter };
        }
        let (mut sum, mut weight) = ([0.0; 3], 0.0);
        for pixel in &kept {
            (0..3).for_each(|c| sum[c] += pixel[3] * linear_from_srgb(pixel[c]));
            weight += pixel[3];
        }
        if weight > 0.0 { sum.map(|v| srgb_from_linear(v / weight)) } else { [0.0; 3] }
    }

    /// Blocks in colours of the palette, or the pixels that stand for them.
    fn colored(&self, tile: &Tile<f32>) -> Vec<f32> {
        let Rect { x: left, y: top, width, height } = tile.area;
        let mut out = Vec::with_capacity((width * height * 4) as usize);
        let (mut last, mut lab) = ([-1.0; 3], [0.0; 3]);
        for y in top..top + height as i32 {
            for x in left..left + width as i32 {
                let side = self.size as i32;
                let ((column, row), (px, py)) =
                    if self.small { ((x, y), (x * side, y * side)) } else { ((x / side, y / side), (x, y)) };
                let at = (px - tile.source.x) as usize * 4;
                let pixel = &tile.picture_row(py)[at..at + 4];
                let rgb = [pixel[0], pixel[1], pixel[2]];
                if rgb != last {
                    (last, lab) = (rgb, lab_from_srgb(rgb));
                }
                out.extend(self.nearest(lab, column, row));
                out.push(pixel[3]);
            }
        }
        out
    }

    fn nearest(&self, lab: [f32; 3], column: i32, row: i32) -> [f32; 3] {
        // Bayer's 4 by 4.
        const PATTERN: [u8; 16] = [0, 8, 2, 10, 12, 4, 14, 6, 3, 11, 1, 9, 15, 7, 13, 5];
        let threshold = (f32::from(PATTERN[((row & 3) * 4 + (column & 3)) as usize]) + 0.5) / 16.0 - 0.5;
        let wanted = [lab[0] + threshold * self.dither, lab[1], lab[2]];
        let nearest = self.palette.iter().min_by(|a, b| distance2(**a, wanted).total_cmp(&distance2(**b, wanted)));
        srgb_from_lab(*nearest.unwrap_or(&lab))
    }
}

/// Which step of L, a and b a colour is in.
fn place(lab: [f32; 3]) -> u16 {
    let step =
        |c: usize, from: f32, to: f32| ((lab[c] - from) / (to - from) * STEPS[c]).clamp(0.0, STEPS[c] - 1.0) as u16;
    (step(0, 0.0, 100.0) * STEPS[1] as u16 + step(1, -110.0, 110.0)) * STEPS[2] as u16 + step(2, -110.0, 110.0)
}

/// Pixels of like colours, and others: the darker group first.
type Groups = (Vec<[f32; 4]>, Vec<[f32; 4]>);

/// The pixels of a block in two groups of like colours; `None` if they are all alike.
fn two_groups(pixels: &[[f32; 4]]) -> Option<Groups> {
    let luma = |p: &[f32; 4]| 0.2126 * p[0] + 0.7152 * p[1] + 0.0722 * p[2];
    let seen = || pixels.iter().filter(|pixel| pixel[3] > 0.0);
    let ends =
        [seen().min_by(|a, b| luma(a).total_cmp(&luma(b)))?, seen().rev().max_by(|a, b| luma(a).total_cmp(&luma(b)))?];
    let mut means = ends.map(|p| [p[0], p[1], p[2]]);
    let mut groups: Groups = Default::default();
    for _ in 0..3 {
        groups = seen().copied().partition(|p| {
            let rgb = [p[0], p[1], p[2]];
            distance2(rgb, means[0]) <= distance2(rgb, means[1])
        });
        for (mean, group) in means.iter_mut().zip([&groups.0, &groups.1]) {
            let weight: f32 = group.iter().map(|p| p[3]).sum();
            if weight > 0.0 {
                *mean = [0, 1, 2].map(|c| group.iter().map(|p| p[c] * p[3]).sum::<f32>() / weight);
            }
        }
    }
    (distance2(means[0], means[1]) > ONE_GROUP).then_some(groups)
}

/// At most `count` colours that stand for weighed ones. It begins with the heaviest and then each time with the one
/// that is farthest from all, by weight; there is no chance in it.
fn k_means(colors: Vec<([f64; 3], f64)>, count: usize) -> Vec<[f32; 3]> {
    let distance = |a: &[f64; 3], b: &[f64; 3]| -> f64 { (0..3).map(|c| (a[c] - b[c]) * (a[c] - b[c])).sum() };
    let Some(first) = colors.iter().max_by(|a, b| a.1.total_cmp(&b.1)) else { return Vec::new() };
    let mut means = vec![first.0];
    let mut far: Vec<f64> = colors.iter().map(|color| distance(&color.0, &first.0)).collect();
    while means.len() < count {
        let worst = (0..colors.len()).max_by(|&a, &b| (far[a] * colors[a].1).total_cmp(&(far[b] * colors[b].1)));
        let Some(worst) = worst.filter(|&i| far[i] > 0.0) else { break };
        means.push(colors[worst].0);
        for (far, color) in far.iter_mut().zip(&colors) {
            *far = far.min(distance(&color.0, &colors[worst].0));
        }
    }
    for _ in 0..20 {
        let mut sums = vec![[0.0; 4]; means.len()];
        for (color, weight) in &colors {
            let (mut best, mut least) = (0, f64::INFINITY);
            for (i, mean) in means.iter().enumerate() {
                let d = distance(color, mean);
                if d < least {
                    (best, least) = (i, d);
                }
            }
            (0..3).for_each(|c| sums[best][c] += color[c] * weight);
            sums[best][3] += weight;
        }
        for (mean, sum) in means.iter_mut().zip(&sums).filter(|(_, sum)| sum[3] > 0.0) {
            *mean = [0, 1, 2].map(|c| sum[c] / sum[3]);
        }
    }
    means.into_iter().map(|mean| mean.map(|v| v as f32)).collect()
}

#[cfg(test)]
mod tests {
    use super::PixelArt;
    use std::collections::BTreeSet;
    use underpaint_filter::testing::{self, Case};

    #[test]
    fn the_same_in_any_tiles_and_at_every_end() {
        let picture = testing::picture(150, 90);
        let case = || Case::<PixelArt>::new(150, 90);
        case().check(&picture);
        for size in [2, 7, 64] {
            case().with("size", size).with("output", "small").check(&picture);
            case().with("size", size).with("sampling", "smooth").with("dither", 100.0).check(&picture);
        }
        case().with("colors", 2).with("hard_edge", true).check(&picture);
        case().with("palette", "000 fff f00").scale(0.4).check(&picture);
    }

    #[test]
    fn few_colours_in_blocks() {
        let picture: Vec<f32> = testing::picture(96, 64);
        let made = Case::<PixelArt>::new(96, 64).with("size", 8).with("colors", 5).run(&picture, 50).unwrap();
        let mut colors = BTreeSet::new();
        for (i, pixel) in made.pixels.chunks(4).enumerate().filter(|(_, p)| p[3] > 0.0) {
            let (x, y) = (i % 96 / 8 * 8, i / 96 / 8 * 8);
            let first = &made.pixels[(y * 96 + x) * 4..][..3];
            assert!(picture[(y * 96 + x) * 4 + 3] == 0.0 || pixel[..3] == *first, "block at ({x}, {y}) is not flat");
            colors.insert([pixel[0], pixel[1], pixel[2]].map(f32::to_bits));
        }
        assert!((2..=5).contains(&colors.len()), "{} colours", colors.len());
        let small = Case::<PixelArt>::new(96, 64).with("size", 7).with("output", "small").run(&picture, 50).unwrap();
        assert_eq!((small.width, small.height), (14, 10));
    }

    /// The colour of a block is that of what is seen of it.
    #[test]
    fn alpha_0_does_not_bleed() {
        let mut picture = [0.9, 0.1, 0.1, 1.0].repeat(32 * 32);
        picture.chunks_exact_mut(4).enumerate().filter(|(i, _)| i % 32 > 18).for_each(|(_, p)| p.fill(0.0));
        for sampling in ["crisp", "smooth"] {
            let made =
                Case::<PixelArt>::new(32, 32).with("size", 8).with("sampling", sampling).run(&picture, 64).unwrap();
            for pixel in made.pixels.chunks(4).filter(|p| p[3] > 0.0) {
                assert!((0..3).all(|c| (pixel[c] - [0.9, 0.1, 0.1][c]).abs() < 2e-3), "{pixel:?}");
            }
        }
    }
}
