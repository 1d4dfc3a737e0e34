//! Colour match: what was generated takes on the light and colours of what lies around it, or of another picture.
//!
//! Colours are compared in CIE Lab, where light and colour are apart and equal distances look equal. By mean and
//! spread (Reinhard et al., "Color Transfer between Images", 2001) each of L, a and b is moved and stretched until its
//! mean and deviation are those of the surroundings; by histogram, until as much of it lies below every value.
//!
//! Decision: the surroundings are what was in the painter's picture before, outside of the mask, up to `reach` pixels
//! from the box around the mask. Where there is next to nothing of it, because everything was selected, what was
//! there before is matched instead. Pixels count by their opacity and by how much of them was selected.

use underpaint_filter::color::{lab_from_srgb, srgb_from_lab};
use underpaint_filter::host::{Level, log};
use underpaint_filter::{
    About, Error, Filter, Image, Input, Param, Pass, Plan, Rect, Request, Tile, choices, export, params,
};

export!(ColorMatch);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// Mean and spread moves all colours alike and is safe; histogram follows every tone, also where that changes the drawing.
        method: Method = Param::choice("Match", Method::Spread),
        /// How far light and shadow follow; 0 keeps them.
        tone: f32 = Param::float("Light", 1.0, 0.0..=1.0).step(0.05),
        /// How far hue and saturation follow; 0 keeps them.
        color: f32 = Param::float("Colour", 1.0, 0.0..=1.0).step(0.05),
        /// How far from the selection the surroundings are looked at. With a picture to match it does not matter.
        reach: f32 = Param::float("Reach", 96.0, 8.0..=1024.0).step(8.0).unit("px"),
    }
}

choices! {
    /// What is made equal.
    pub enum Method {
        Spread = "Mean and spread",
        Histogram = "Histogram",
    }
}

/// One run: what is asked for and, after the surveys, how to do it.
pub struct ColorMatch {
    settings: Settings,
    reach: f32,
    /// A picture to match: its colours.
    reference: Option<Colors>,
    masked: bool,
    possible: bool,
    /// Left, top, right and bottom of what was selected.
    selected: Option<[i32; 4]>,
    /// For each of L, a and b.
    curves: Option<[Curve; 3]>,
}

/// Least and most that the deviation is changed by: a flat patch is not blown up into noise, nor a rich one flattened.
const GAIN: [f64; 2] = [0.5, 2.0];

/// Pixels that must lie around a selection to be its surroundings.
const ENOUGH: f64 = 32.0;

/// Bins of a histogram.
const BINS: usize = 256;

/// Where the bins of L, a and b begin and end.
const RANGE: [[f32; 2]; 3] = [[0.0, 100.0], [-110.0, 110.0], [-110.0, 110.0]];

impl Filter for ColorMatch {
    type Sample = f32;
    type Params = Settings;

    fn about() -> About {
        About::new(
            "Colour match",
            "Gives what was generated the light and colours of its surroundings, or those of another picture.",
        )
        .input(Input::mask("mask", "Selection").help("Only what was selected changes; the rest is its surroundings."))
        .input(
            Input::before("before", "Picture before").help("What the result should look as if it had always been in."),
        )
        .input(Input::image("reference", "Picture to match").help("Takes the place of the surroundings."))
    }

    fn new(settings: Settings, request: &mut Request<f32>) -> Result<Self, Error> {
        let reference = request.image("reference").map(|image: Image<f32>| {
            let mut colors = Colors::new();
            for pixel in image.pixels.chunks_exact(4) {
                colors.add(lab_from_srgb([pixel[0], pixel[1], pixel[2]]), pixel[3]);
            }
            colors
        });
        let possible = reference.is_some() || request.has("before");
        if !possible {
            log(Level::Warn, "There is nothing to match: give a picture to match, or use it on a generated patch.");
        }
        let masked = request.has("mask");
        let reach = settings.reach * request.scale;
        Ok(Self { settings, reach, reference, masked, possible, selected: None, curves: None })
    }

    fn plan(&self) -> Plan {
        if !self.possible || (self.settings.tone == 0.0 && self.settings.color == 0.0) {
            return Plan::unchanged();
        }
        Plan::passes([Pass::Survey, Pass::Survey, Pass::Pointwise])
    }

    fn survey(&mut self, tile: Tile<f32>) -> Result<Vec<u8>, Error> {
        if tile.pass == 0 { Ok(self.box_of_mask(&tile)) } else { Ok(self.colors(&tile)) }
    }

    fn learn(&mut self, pass: u32, answers: Vec<Vec<u8>>) -> Result<(), Error> {
        if pass == 0 {
            let boxes = answers.iter().filter(|answer| !answer.is_empty()).map(|answer| {
                let mut sides = answer.chunks_exact(4).map(|b| i32::from_le_bytes([b[0], b[1], b[2], b[3]]));
                [(); 4].map(|()| sides.next().unwrap_or_default())
            });
            self.selected = boxes.reduce(|a, b| [a[0].min(b[0]), a[1].min(b[1]), a[2].max(b[2]), a[3].max(b[3])]);
            return Ok(());
        }
        let mut sums = [Colors::new(), Colors::new(), Colors::new()];
        for answer in &answers {
            let mut rest = answer.as_slice();
            sums.iter_mut().for_each(|colors| rest = colors.add_bytes(rest));
        }
        let [own, around, before] = sums;
        let wanted = match &self.reference {
            Some(reference) => reference,
            None if around.weight >= ENOUGH => &around,
            None => &before,
        };
        if own.weight > 0.0 && wanted.weight > 0.0 {
            self.curves = Some([0, 1, 2].map(|c| match self.settings.method {
                Method::Spread => Curve::spread(&own, wanted, c),
                Method::Histogram => Curve::histogram(&own, wanted, c),
            }));
        }
        Ok(())
    }

    fn process(&mut self, tile: Tile<f32>) -> Result<Vec<f32>, Error> {
        let Some(curves) = &self.curves else { return Ok(tile.pixels) };
        let mask = tile.input("mask").map(|mask| mask.iter().step_by(4).copied().collect::<Vec<f32>>());
        let mut pixels = tile.pixels;
        for (i, pixel) in pixels.chunks_exact_mut(4).enumerate() {
            let share = mask.as_ref().map_or(1.0, |mask| mask[i]);
            if share == 0.0 || pixel[3] == 0.0 {
                continue;
            }
            let is = lab_from_srgb([pixel[0], pixel[1], pixel[2]]);
            let mut lab = is;
            for c in 0..3 {
                let strength = if c == 0 { self.settings.tone } else { self.settings.color };
                lab[c] += (curves[c].at(is[c]) - is[c]) * strength * share;
            }
            pixel[..3].copy_from_slice(&srgb_from_lab(lab));
        }
        Ok(pixels)
    }
}

impl ColorMatch {
    /// The box around what was selected in the tile; nothing if nothing was.
    fn box_of_mask(&self, tile: &Tile<f32>) -> Vec<u8> {
        let Some(mask) = tile.input("mask") else { return Vec::new() };
        let Rect { x, y, width, .. } = tile.area;
        let mut sides: Option<[i32; 4]> = None;
        for (i, _) in mask.iter().step_by(4).enumerate().filter(|(_, v)| **v > 0.0) {
            let (x, y) = (x + (i as u32 % width) as i32, y + (i as u32 / width) as i32);
            let [left, top, right, bottom] = sides.unwrap_or([x, y, x, y]);
            sides = Some([left.min(x), top.min(y), right.max(x), bottom.max(y)]);
        }
        sides.iter().flatten().flat_map(|side| side.to_le_bytes()).collect()
    }

    /// The colours of the picture, around it and before it.
    fn colors(&self, tile: &Tile<f32>) -> Vec<u8> {
        let (mask, before) = (tile.input("mask"), tile.input("before"));
        let [mut own, mut around, mut all] = [Colors::new(), Colors::new(), Colors::new()];
        let Rect { x, y, width, .. } = tile.area;
        for (i, pixel) in tile.pixels.chunks_exact(4).enumerate() {
            let selected = mask.map_or(1.0, |mask| mask[i * 4]);
            own.add_pixel(pixel, selected);
            let Some(before) = before.filter(|_| self.reference.is_none()).map(|p| &p[i * 4..i * 4 + 4]) else {
                continue;
            };
            all.add_pixel(before, selected);
            if self.masked && self.near(x + (i as u32 % width) as i32, y + (i as u32 / width) as i32) {
                around.add_pixel(before, 1.0 - selected);
            }
        }
        [own, around, all].iter().flat_map(|colors| colors.bytes(self.settings.method)).collect()
    }

    /// True within reach of the selection.
    fn near(&self, x: i32, y: i32) -> bool {
        let Some([left, top, right, bottom]) = self.selected else { return false };
        let (dx, dy) = ((left - x).max(x - right).max(0) as f32, (top - y).max(y - bottom).max(0) as f32);
        dx * dx + dy * dy <= self.reach * self.reach
    }
}

/// What there is of colours, counted by weight.
struct Colors {
    weight: f64,
    sum: [f64; 3],
    squares: [f64; 3],
    histogram: [Vec<f64>; 3],
}

impl Colors {
    fn new() -> Self {
        Self { weight: 0.0, sum: [0.0; 3], squares: [0.0; 3], histogram: [(); 3].map(|()| vec![0.0; BINS]) }
    }

    /// An sRGB-encoded pixel, by its opacity and `share`.
    fn add_pixel(&mut self, pixel: &[f32], share: f32) {
        if pixel[3] * share > 0.0 {
            self.add(lab_from_srgb([pixel[0], pixel[1], pixel[2]]), pixel[3] * share);
        }
    }

    fn add(&mut self, lab: [f32; 3], weight: f32) {
        let weight = f64::from(weight);
        self.weight += weight;
        for (c, value) in lab.into_iter().enumerate() {
            let v = f64::from(value);
            self.sum[c] += weight * v;
            self.squares[c] += weight * v * v;
            self.histogram[c][place(value, c) as usize] += weight;
        }
    }

    /// The sums and, where they are needed, the histograms.
    fn bytes(&self, method: Method) -> Vec<u8> {
        let mut out: Vec<u8> =
            [self.weight].iter().chain(&self.sum).chain(&self.squares).flat_map(|v| v.to_le_bytes()).collect();
        out.push(u8::from(method == Method::Histogram));
        if method == Method::Histogram {
            out.extend(self.histogram.iter().flatten().flat_map(|&v| (v as f32).to_le_bytes()));
        }
        out
    }

    /// Adds what [`Colors::bytes`] said; what follows it.
    fn add_bytes<'a>(&mut self, bytes: &'a [u8]) -> &'a [u8] {
        let sums = [&mut self.weight].into_iter().chain(&mut self.sum).chain(&mut self.squares);
        let (head, mut rest) = bytes.split_at(57);
        for (sum, bytes) in sums.zip(head.as_chunks().0) {
            *sum += f64::from_le_bytes(*bytes);
        }
        if head[56] == 1 {
            let (bins, after) = rest.split_at(3 * BINS * 4);
            for (sum, bytes) in self.histogram.iter_mut().flatten().zip(bins.as_chunks().0) {
                *sum += f64::from(f32::from_le_bytes(*bytes));
            }
            rest = after;
        }
        rest
    }

    fn mean(&self, c: usize) -> f64 {
        self.sum[c] / self.weight
    }

    fn deviation(&self, c: usize) -> f64 {
        (self.squares[c] / self.weight - self.mean(c) * self.mean(c)).max(0.0).sqrt()
    }

    /// Share of the colours below the beginning of every bin, and 1.
    fn below(&self, c: usize) -> Vec<f64> {
        let total: f64 = self.histogram[c].iter().sum();
        let mut sum = 0.0;
        let starts = self.histogram[c].iter().map(|v| {
            sum += v;
            sum / total
        });
        [0.0].into_iter().chain(starts).collect()
    }
}

/// Where a value lies among the bins.
fn place(v: f32, c: usize) -> f32 {
    let [from, to] = RANGE[c];
    ((v - from) * (BINS as f32 / (to - from))).clamp(0.0, BINS as f32 - 0.001)
}

/// Values of one of L, a, b to others.
enum Curve {
    /// `value * gain + offset`
    Line { gain: f32, offset: f32 },
    /// New values at the beginning of every bin of this channel, and at the end of the last.
    Bins { channel: usize, values: Vec<f32> },
}

impl Curve {
    fn spread(own: &Colors, wanted: &Colors, c: usize) -> Self {
        let gain = (wanted.deviation(c) / own.deviation(c).max(1e-3)).clamp(GAIN[0], GAIN[1]);
        Curve::Line { gain: gain as f32, offset: (wanted.mean(c) - own.mean(c) * gain) as f32 }
    }

    fn histogram(own: &Colors, wanted: &Colors, c: usize) -> Self {
        let (own, wanted) = (own.below(c), wanted.below(c));
        let [from, to] = RANGE[c];
        let width = f64::from(to - from) / BINS as f64;
        let value = |share: &f64| {
            // The first bin that reaches the share, and how much of that bin it takes.
            let bin = wanted[1..].partition_point(|below| below < share).min(BINS - 1);
            let part = (share - wanted[bin]) / (wanted[bin + 1] - wanted[bin]).max(1e-12);
            (f64::from(from) + (bin as f64 + part.clamp(0.0, 1.0)) * width) as f32
        };
        Curve::Bins { channel: c, values: own.iter().map(value).collect() }
    }

    fn at(&self, v: f32) -> f32 {
        match self {
            Curve::Line { gain, offset } => v * gain + offset,
            Curve::Bins { channel, values } => {
                let place = place(v, *channel);
                let bin = place as usize;
                values[bin] + (values[bin + 1] - values[bin]) * (place - bin as f32)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::ColorMatch;
    use underpaint_filter::Image;
    use underpaint_filter::color::lab_from_srgb;
    use underpaint_filter::testing::{self, Case};

    fn flat(width: u32, height: u32, rgba: [f32; 4]) -> Vec<f32> {
        rgba.repeat((width * height) as usize)
    }

    #[test]
    fn nothing_to_match_or_no_strength_is_the_picture_itself() {
        let picture = testing::picture(60, 40);
        let case = || Case::<ColorMatch>::new(60, 40);
        assert_eq!(case().run(&picture, 256).unwrap().pixels, picture);
        let none = case().beside("before", flat(60, 40, [0.0; 4]));
        let made = none.run(&picture, 256).unwrap().pixels;
        assert_eq!(made, picture, "what was transparent before is nothing to match");
        let weak = case().beside("before", flat(60, 40, [1.0; 4])).with("tone", 0.0).with("color", 0.0);
        assert_eq!(weak.run(&picture, 256).unwrap().pixels, picture);
    }

    #[test]
    fn mean_and_spread_are_met_by_any_cut() {
        let picture: Vec<f32> = testing::picture(300, 280);
        let other = Image { width: 40, height: 30, pixels: testing::picture(40, 30) };
        for method in ["spread", "histogram"] {
            let case = Case::<ColorMatch>::new(300, 280).image("reference", other.clone()).with("method", method);
            case.check(&picture);
        }
    }

    /// Colour that nobody sees says nothing, and a soft pixel as much as its opacity.
    #[test]
    fn pixels_count_by_opacity() {
        let grey = [0.5, 0.5, 0.5, 1.0];
        let picture = flat(20, 20, grey);
        let wanted = [[0.8, 0.2, 0.2, 1.0], [0.2, 0.2, 0.8, 0.25], [0.0, 1.0, 0.0, 0.0]].concat();
        let image = Image { width: 3, height: 1, pixels: wanted };
        let made = Case::<ColorMatch>::new(20, 20).image("reference", image).run(&picture, 256).unwrap();
        let (red, blue) = (lab_from_srgb([0.8, 0.2, 0.2]), lab_from_srgb([0.2, 0.2, 0.8]));
        let is = lab_from_srgb([made.pixels[0], made.pixels[1], made.pixels[2]]);
        for c in 0..3 {
            let mean = (red[c] + 0.25 * blue[c]) / 1.25;
            assert!((is[c] - mean).abs() < 0.05, "channel {c} is {}, the mean is {mean}", is[c]);
        }
    }

    /// All was selected: then what was there before is the only thing to go by.
    #[test]
    fn a_mask_without_surroundings_matches_what_was_there() {
        let picture = flat(20, 20, [0.5, 0.5, 0.5, 1.0]);
        let case = Case::<ColorMatch>::new(20, 20)
            .beside("mask", flat(20, 20, [1.0; 4]))
            .beside("before", flat(20, 20, [0.6, 0.4, 0.3, 1.0]));
        let made = case.run(&picture, 256).unwrap().pixels;
        assert!((made[0] - 0.6).abs() < 1e-3 && (made[2] - 0.3).abs() < 1e-3, "{:?}", &made[..4]);
    }
}
