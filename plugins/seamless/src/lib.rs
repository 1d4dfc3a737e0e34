//! Seamless: a texture that goes on over its edges, so that it can be laid side by side.
//!
//! Near the left and the right edge the picture gives way to itself moved by half its width: what meets over the edge
//! then lay side by side in its middle. The same is done from top to bottom. The change runs along a cut through
//! where both look alike (the minimum error boundary of Efros and Freeman's image quilting, 2001), or as a broad blend.
//!
//! Decision: one direction after the other, the second over what the first made, so that the moved picture's own seam
//! never shows. It works in place on the whole picture, which one core does in well under a second.

use underpaint_filter::{About, Error, Filter, Param, Plan, Request, Tile, choices, export, host, params};

export!(Seamless);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// A cut follows the detail and suits most textures; a blend suits clouds and other soft ones.
        method: Method = Param::choice("Seam", Method::Cut),
        direction: Direction = Param::choice("Direction", Direction::Both),
        /// How far from the edges pixels may change.
        overlap: f32 = Param::float("Overlap", 35.0, 5.0..=50.0).step(1.0).unit("%"),
        /// How broad the change across a cut is.
        feather: f32 = Param::float("Feather", 6.0, 0.0..=64.0).step(0.5).unit("px"),
        /// Takes out light and colour that change from side to side, which would show as a chequerboard.
        even: f32 = Param::float("Even out light", 50.0, 0.0..=100.0).step(1.0).unit("%"),
        /// Moves the picture by half, so that its edges meet in the middle and can be looked at.
        shifted: bool = Param::boolean("Show edges in the middle", false),
    }
}

choices! {
    /// How the picture gives way.
    pub enum Method {
        Cut = "Cut along detail",
        Blend = "Blend",
    }
}

choices! {
    /// Which edges meet.
    pub enum Direction {
        Both = "All sides",
        Across = "Left and right",
        Down = "Top and bottom",
    }
}

/// One run.
pub struct Seamless {
    settings: Settings,
    /// Half of the change's width across a cut, in pixels.
    feather: f32,
}

/// Cells that the light is measured in, on each side.
const CELLS: usize = 6;

impl Filter for Seamless {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new("Seamless", "Makes a texture that can be laid side by side without visible edges.")
    }

    fn new(settings: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        let feather = (settings.feather * 0.5 * request.scale).max(0.5);
        Ok(Self { settings, feather })
    }

    fn plan(&self) -> Plan {
        Plan::whole_picture()
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        let (width, height) = (tile.area.width as usize, tile.area.height as usize);
        let mut pixels = tile.pixels;
        if self.settings.even > 0.0 {
            even(&mut pixels, width, height, self.settings.even * 0.01);
        }
        host::progress(0.2);
        if self.settings.direction != Direction::Down {
            self.join(&mut pixels, Axis { along: width, across: height, next: 1, row: width });
        }
        host::progress(0.6);
        if self.settings.direction != Direction::Across {
            self.join(&mut pixels, Axis { along: height, across: width, next: width, row: 1 });
        }
        if self.settings.shifted {
            pixels.rotate_right(height / 2 * width * 4);
            pixels.chunks_exact_mut(width * 4).for_each(|row| row.rotate_right(width / 2 * 4));
        }
        Ok(pixels)
    }
}

/// How to walk: `along` pixels towards the edge that is joined, each `next` further on; `across` such walks, each
/// beginning `row` further on.
#[derive(Clone, Copy)]
struct Axis {
    along: usize,
    across: usize,
    next: usize,
    row: usize,
}

impl Axis {
    fn at(self, along: usize, across: usize) -> usize {
        (along * self.next + across * self.row) * 4
    }
}

impl Seamless {
    fn join(&self, pixels: &mut [f32], axis: Axis) {
        let half = axis.along / 2;
        // A quarter at most: what is read in the middle is then never what was changed at the edges.
        let band = (half as f32 * self.settings.overlap * 0.01) as usize;
        if band < 2 {
            return;
        }
        // Places in a band count from the edge inwards, on either side.
        for right in [false, true] {
            let place = |i: usize| if right { axis.along - 1 - i } else { i };
            let moved = |i: usize| (place(i) + half) % axis.along;
            let cut = match self.settings.method {
                Method::Blend => Vec::new(),
                Method::Cut => self.cut(band, axis.across, |i, j| {
                    let (a, b) = (axis.at(place(i), j), axis.at(moved(i), j));
                    difference(&pixels[a..a + 4], &pixels[b..b + 4])
                }),
            };
            for j in 0..axis.across {
                for i in 0..band {
                    let share = match cut.get(j) {
                        Some(&cut) => 1.0 - soft((i as f32 - cut as f32 + self.feather) / (2.0 * self.feather)),
                        None => 1.0 - soft((i as f32 + 0.5) / band as f32),
                    };
                    let (to, from) = (axis.at(place(i), j), axis.at(moved(i), j));
                    mix(pixels, to, from, share);
                }
            }
        }
    }

    /// The way of the least differences from one side of the band to the other: its place in each of `across` rows.
    fn cut(&self, band: usize, across: usize, differs: impl Fn(usize, usize) -> f32) -> Vec<usize> {
        // The change must be over before the band ends, and not have begun at the edge.
        let margin = (self.feather.ceil() as usize + 1).min((band - 1) / 2);
        let (first, last) = (margin, band - 1 - margin);
        let mut cost = vec![0.0f32; band];
        let mut came: Vec<i8> = vec![0; band * across];
        for j in 0..across {
            let before = cost.clone();
            for i in first..=last {
                let mut best = (before[i], 0);
                for step in [-1i8, 1] {
                    let from = i.wrapping_add_signed(step as isize);
                    if (first..=last).contains(&from) && before[from] < best.0 {
                        best = (before[from], step);
                    }
                }
                cost[i] = best.0 + differs(i, j);
                came[j * band + i] = best.1;
            }
        }
        let mut at = (first..=last).fold(first, |best, i| if cost[i] < cost[best] { i } else { best });
        let mut cut = vec![0; across];
        for j in (0..across).rev() {
            cut[j] = at;
            at = at.wrapping_add_signed(came[j * band + at] as isize);
        }
        cut
    }
}

/// Squared, of colours by their opacity.
fn difference(a: &[f32], b: &[f32]) -> f32 {
    let mut sum = (a[3] - b[3]) * (a[3] - b[3]);
    for c in 0..3 {
        let d = a[c] * a[3] - b[c] * b[3];
        sum += d * d;
    }
    sum
}

/// 0 to 1, without an edge where it begins or ends.
fn soft(t: f32) -> f32 {
    let t = t.clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}

/// A share of the pixel at `from` into that at `to`, by opacity.
fn mix(pixels: &mut [f32], to: usize, from: usize, share: f32) {
    let other = [0, 1, 2, 3].map(|c| pixels[from + c]);
    let (own, taken) = (pixels[to + 3] * (1.0 - share), other[3] * share);
    let alpha = own + taken;
    for c in 0..3 {
        pixels[to + c] = if alpha > 0.0 { (pixels[to + c] * own + other[c] * taken) / alpha } else { 0.0 };
    }
    pixels[to + 3] = alpha;
}

/// Takes out a share of how the mean of the neighbourhood differs from the mean of all.
fn even(pixels: &mut [f32], width: usize, height: usize, share: f32) {
    let mut cells = [[0.0f64; 4]; CELLS * CELLS];
    let cell = |i: usize, of: usize| i * CELLS / of;
    for (y, row) in pixels.chunks_exact(width * 4).enumerate() {
        for (x, pixel) in row.chunks_exact(4).enumerate() {
            let sums = &mut cells[cell(y, height) * CELLS + cell(x, width)];
            (0..3).for_each(|c| sums[c] += f64::from(pixel[c] * pixel[3]));
            sums[3] += f64::from(pixel[3]);
        }
    }
    let mean = |sums: &[f64; 4]| [0, 1, 2].map(|c| (sums[c] / sums[3]) as f32);
    let all = cells.iter().fold([0.0; 4], |a, b| [0, 1, 2, 3].map(|c| a[c] + b[c]));
    if all[3] == 0.0 {
        return;
    }
    let all = mean(&all);
    let off: Vec<[f32; 3]> = cells
        .iter()
        .map(|sums| if sums[3] > 0.0 { mean(sums) } else { all })
        .map(|mean| [0, 1, 2].map(|c| (mean[c] - all[c]) * share))
        .collect();
    // Between the middles of the cells in straight lines, beyond the outermost as these.
    let between = |i: usize, of: usize| {
        let place = ((i as f32 + 0.5) * CELLS as f32 / of as f32 - 0.5).clamp(0.0, (CELLS - 1) as f32);
        let low = (place as usize).min(CELLS - 2);
        (low, place - low as f32)
    };
    for (y, row) in pixels.chunks_exact_mut(width * 4).enumerate() {
        let (j, fy) = between(y, height);
        for (x, pixel) in row.chunks_exact_mut(4).enumerate().filter(|(_, pixel)| pixel[3] > 0.0) {
            let (i, fx) = between(x, width);
            for c in 0..3 {
                let at = |j: usize, i: usize| off[j * CELLS + i][c];
                let line = |j: usize| at(j, i) + (at(j, i + 1) - at(j, i)) * fx;
                pixel[c] = (pixel[c] - (line(j) + (line(j + 1) - line(j)) * fy)).clamp(0.0, 1.0);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Seamless;
    use underpaint_filter::testing::{self, Case};

    /// Steps over the edges against those inside: with a ramp, the picture's own edge is the largest step there is.
    #[test]
    fn edges_meet() {
        let (w, h) = (90, 64);
        let mut picture = Vec::new();
        for i in 0..w * h {
            let (u, v) = ((i % w) as f32 / w as f32, (i / w) as f32 / h as f32);
            picture.extend([u, v, 0.5 * (u + v), 1.0]);
        }
        for method in ["cut", "blend"] {
            let case = Case::<Seamless>::new(w, h).with("method", method).with("even", 0.0);
            let made = case.run(&picture, 512).unwrap().pixels;
            let at = |x: u32, y: u32| &made[((y * w + x) * 4) as usize..][..3];
            let step = |a: &[f32], b: &[f32]| (0..3).map(|c| (a[c] - b[c]).abs()).fold(0.0, f32::max);
            for y in 0..h {
                assert!(step(at(0, y), at(w - 1, y)) < 0.05, "{method}: row {y}");
            }
            for x in 0..w {
                assert!(step(at(x, 0), at(x, h - 1)) < 0.05, "{method}: column {x}");
            }
        }
    }

    #[test]
    fn every_end_and_small_pictures() {
        for (w, h) in [(1, 1), (2, 9), (5, 5), (40, 30)] {
            let picture: Vec<f32> = testing::picture(w, h);
            for method in ["cut", "blend"] {
                for direction in ["both", "across", "down"] {
                    for (overlap, feather, even) in [(5.0, 0.0, 0.0), (50.0, 64.0, 100.0)] {
                        let case = Case::<Seamless>::new(w, h).with("method", method).with("direction", direction);
                        let case = case.with("overlap", overlap).with("feather", feather).with("even", even);
                        case.with("shifted", true).run(&picture, 512).unwrap();
                    }
                }
            }
        }
    }

    /// Flat colour stays flat where it is seen at all: none comes from under alpha 0.
    #[test]
    fn colour_under_alpha_0_does_not_bleed() {
        let mut picture = [0.7, 0.5, 0.3, 1.0].repeat(60 * 60);
        picture.chunks_exact_mut(4).enumerate().filter(|(i, _)| i % 60 > 40).for_each(|(_, p)| p.fill(0.0));
        for method in ["cut", "blend"] {
            let made = Case::<Seamless>::new(60, 60).with("method", method).run(&picture, 64).unwrap().pixels;
            for pixel in made.chunks(4).filter(|p| p[3] > 0.0) {
                assert!((0..3).all(|c| (pixel[c] - [0.7, 0.5, 0.3][c]).abs() < 1e-4), "{method}: {pixel:?}");
            }
        }
    }
}
