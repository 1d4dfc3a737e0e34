//! Levels: which tone becomes black, which white, how bright what lies between is, and a curve through a few points.
//!
//! Works on sRGB-encoded numbers, channel by channel; alpha stays as it is. What is black and white can be found in
//! the picture itself: a survey counts its tones, and the darkest and the lightest few are let go.
//!
//! Whole numbers go through a table of every value. Floats go through the same curve, four values at a time.

mod curve;

use curve::Curve;
use underpaint_filter::simd::{f32x4, load, store};
use underpaint_filter::{About, Error, Filter, Param, Pass, Plan, Request, Sample, Tile, choices, export, params};

export!(Levels<u8>, Levels<u16>, Levels<f32>);

params! {
    /// What the painter sets.
    pub struct Settings {
        /// Find black and white in the picture: for all colours together, which keeps their hue, or for each colour,
        /// which also takes away a cast.
        auto: Auto = Param::choice("Automatic", Auto::Off),
        /// How much of the picture may end up quite black, and quite white, where they are found automatically.
        clip: f32 = Param::float("Let go", 0.1, 0.0..=5.0).step(0.05).unit("%"),
        /// What is as dark as this becomes black.
        black: f32 = Param::float("Black", 0.0, 0.0..=1.0).group("Levels"),
        /// What is as light as this becomes white. Below black, the picture is inverted.
        white: f32 = Param::float("White", 1.0, 0.0..=1.0).group("Levels"),
        /// Above 1 lifts the middle tones, below 1 lowers them.
        gamma: f32 = Param::float("Gamma", 1.0, 0.1..=10.0).step(0.01).group("Levels"),
        /// Lifts or lowers the dark tones.
        shadows: f32 = Param::float("Shadows", 0.0, -1.0..=1.0).group("Curve"),
        /// Lifts or lowers the middle tones.
        middle: f32 = Param::float("Middle tones", 0.0, -1.0..=1.0).group("Curve"),
        /// Lifts or lowers the light tones.
        highlights: f32 = Param::float("Highlights", 0.0, -1.0..=1.0).group("Curve"),
    }
}

choices! {
    /// Where black and white come from.
    pub enum Auto {
        Off = "Off",
        Together = "All colours together",
        Each = "Each colour",
    }
}

/// One run's curves.
pub struct Levels<S> {
    settings: Settings,
    /// Of red, green and blue.
    curves: [Curve; 3],
    /// The same as tables, for whole numbers.
    tables: [Vec<S>; 3],
}

/// A sample type whose tones can be changed.
pub trait Toned: Sample {
    /// Every value through a curve, for types that have few; none for others.
    fn table(_: &Curve) -> Vec<Self> {
        Vec::new()
    }

    /// Changes all pixels in place.
    fn tone(levels: &Levels<Self>, pixels: &mut [Self]);
}

const BINS: usize = 1024;

impl<S: Toned> Filter for Levels<S> {
    type Sample = S;
    type Params = Settings;

    fn about() -> About {
        About::new("Levels", "Sets black, white and the tones between, by hand or from the picture.")
    }

    fn new(settings: Settings, _: &mut Request<S>) -> Result<Self, Error> {
        if settings.auto == Auto::Off && settings.black == settings.white {
            return Err(Error::BadParameter("white".into(), "must be another tone than black".into()));
        }
        let curve = Curve::new(settings.black, settings.white, &settings);
        Ok(Self { tables: [const { Vec::new() }; 3].map(|_: Vec<S>| S::table(&curve)), curves: [curve; 3], settings })
    }

    fn plan(&self) -> Plan {
        match self.settings.auto {
            Auto::Off if self.curves[0].is_nothing() => Plan::unchanged(),
            Auto::Off => Plan::pointwise(),
            _ => Plan::passes([Pass::Survey, Pass::Pointwise]),
        }
    }

    fn process(&mut self, mut tile: Tile<S>) -> Result<Vec<S>, Error> {
        S::tone(self, &mut tile.pixels);
        Ok(tile.pixels)
    }

    /// How many values of each colour there are in each of [`BINS`] steps; transparent pixels do not count.
    fn survey(&mut self, tile: Tile<S>) -> Result<Vec<u8>, Error> {
        let mut counts = vec![0u32; 3 * BINS];
        for pixel in tile.pixels.chunks_exact(4).filter(|pixel| pixel[3] > S::default()) {
            for c in 0..3 {
                counts[c * BINS + bin(pixel[c].to_unit())] += 1;
            }
        }
        Ok(counts.into_iter().flat_map(u32::to_le_bytes).collect())
    }

    fn learn(&mut self, _: u32, answers: Vec<Vec<u8>>) -> Result<(), Error> {
        let mut counts = vec![0u64; 3 * BINS];
        for answer in &answers {
            counts.iter_mut().zip(answer.as_chunks::<4>().0).for_each(|(n, &m)| *n += u64::from(u32::from_le_bytes(m)));
        }
        let together: Vec<u64> = (0..BINS).map(|i| (0..3).map(|c| counts[c * BINS + i]).sum()).collect();
        for c in 0..3 {
            let counts = if self.settings.auto == Auto::Each { &counts[c * BINS..][..BINS] } else { &together };
            let (black, white) = ends(counts, self.settings.clip);
            self.curves[c] = Curve::new(black, white, &self.settings);
            self.tables[c] = S::table(&self.curves[c]);
        }
        Ok(())
    }
}

fn bin(unit: f32) -> usize {
    ((unit.clamp(0.0, 1.0) * (BINS - 1) as f32 + 0.5) as usize).min(BINS - 1)
}

/// The tones below and above which `clip` percent of all values lie; black and white themselves for a picture of one
/// tone.
fn ends(counts: &[u64], clip: f32) -> (f32, f32) {
    let all: u64 = counts.iter().sum();
    let go = (all as f64 * f64::from(clip) / 100.0) as u64;
    let mut sums = counts.iter().scan(0, |sum, n| {
        *sum += n;
        Some(*sum)
    });
    let low = sums.position(|below| below > go);
    let mut sums = counts.iter().rev().scan(0, |sum, n| {
        *sum += n;
        Some(*sum)
    });
    let high = sums.position(|above| above > go).map(|i| BINS - 1 - i);
    match (low, high) {
        (Some(low), Some(high)) if low < high => (low as f32 / (BINS - 1) as f32, high as f32 / (BINS - 1) as f32),
        _ => (0.0, 1.0),
    }
}

fn table<S: Sample>(curve: &Curve, values: usize) -> Vec<S> {
    let one = |i: usize| S::from_unit(curve.at(f32x4::splat(i as f32 / (values - 1) as f32)).to_array()[0]);
    (0..values).map(one).collect()
}

impl Toned for u8 {
    fn table(curve: &Curve) -> Vec<u8> {
        table(curve, 256)
    }

    fn tone(levels: &Levels<u8>, pixels: &mut [u8]) {
        let [r, g, b] = &levels.tables;
        let tables: [&[u8; 256]; 3] = [r, g, b].map(|table| table.first_chunk().unwrap_or(&[0; 256]));
        // Four pixels at a time.
        let (fours, rest) = pixels.as_chunks_mut::<16>();
        let one = |p: &mut [u8; 4]| {
            *p = [tables[0][usize::from(p[0])], tables[1][usize::from(p[1])], tables[2][usize::from(p[2])], p[3]]
        };
        for four in fours {
            four.as_chunks_mut::<4>().0.iter_mut().for_each(one);
        }
        rest.as_chunks_mut::<4>().0.iter_mut().for_each(one);
    }
}

impl Toned for u16 {
    fn table(curve: &Curve) -> Vec<u16> {
        table(curve, 65536)
    }

    fn tone(levels: &Levels<u16>, pixels: &mut [u16]) {
        let [r, g, b] = &levels.tables;
        for p in pixels.as_chunks_mut::<4>().0 {
            *p = [r[usize::from(p[0])], g[usize::from(p[1])], b[usize::from(p[2])], p[3]];
        }
    }
}

impl Toned for f32 {
    fn tone(levels: &Levels<f32>, pixels: &mut [f32]) {
        let curve = Curve::of_channels(&levels.curves);
        let (fours, rest) = pixels.as_chunks_mut::<16>();
        let one = |p: &mut [f32; 4]| {
            let alpha = p[3];
            store(curve.at(load(p)), p);
            p[3] = alpha;
        };
        for four in fours {
            four.as_chunks_mut::<4>().0.iter_mut().for_each(one);
        }
        rest.as_chunks_mut::<4>().0.iter_mut().for_each(one);
    }
}

#[cfg(test)]
mod tests {
    use super::{Levels, Toned};
    use underpaint_filter::testing::{self, Case};

    fn in_any_tiles<S: Toned>() {
        let picture = testing::picture::<S>(130, 61);
        let case = || Case::<Levels<S>>::new(130, 61).with("gamma", 1.4).with("shadows", -0.5);
        case().with("black", 0.1).with("white", 0.8).check(&picture);
        case().with("auto", "together").check(&picture);
        case().with("auto", "each").with("clip", 1.0).check(&picture);
    }

    #[test]
    fn the_same_in_any_tiles() {
        in_any_tiles::<u8>();
        in_any_tiles::<u16>();
        in_any_tiles::<f32>();
    }

    fn ramp() -> Vec<f32> {
        (0..256).flat_map(|i| [i as f32 / 255.0; 3].into_iter().chain([1.0])).collect()
    }

    fn made(case: Case<Levels<f32>>) -> Vec<f32> {
        case.run(&ramp(), 256).unwrap().pixels.chunks(4).map(|p| p[0]).collect()
    }

    fn case() -> Case<Levels<f32>> {
        Case::new(256, 1)
    }

    #[test]
    fn tones_go_where_they_are_sent() {
        let levels = made(case().with("black", 0.2).with("white", 0.6).with("gamma", 2.0));
        for (i, is) in levels.iter().enumerate() {
            let should = ((i as f64 / 255.0 - f64::from(0.2f32)) / 0.4).clamp(0.0, 1.0).sqrt();
            assert!((f64::from(*is) - should).abs() < 2e-6, "{i}: {is}, not {should}");
        }
        let inverted = made(case().with("black", 1.0).with("white", 0.0));
        assert!(inverted.iter().enumerate().all(|(i, is)| (is - (255 - i) as f32 / 255.0).abs() < 1e-6));
        assert_eq!(case().run(&ramp(), 256).unwrap().pixels, ramp());
        assert!(case().with("black", 1.0).run(&ramp(), 256).is_err());
    }

    /// Through its points, and never down where they go up.
    #[test]
    fn the_curve_is_smooth_and_rises() {
        for (shadows, middle, highlights) in [(0.5, 0.0, 0.0), (-1.0, 0.0, 1.0), (1.0, 1.0, 1.0), (-1.0, 1.0, -1.0)] {
            let case = case().with("shadows", shadows).with("middle", middle).with("highlights", highlights);
            let curve = made(case);
            assert!(curve.windows(2).all(|w| w[1] >= w[0] - 1e-6), "{shadows} {middle} {highlights}: {curve:?}");
            let at = |x: f32| curve[(x * 255.0).round() as usize];
            assert_eq!((at(0.0), at(1.0)), (0.0, 1.0));
            assert!((at(0.25) - (0.25 + shadows * 0.125)).abs() < 0.01, "{}", at(0.25));
        }
    }

    /// Nine tenths of the picture lie between 0.3 and 0.6.
    #[test]
    fn automatic_levels_reach_from_black_to_white() {
        let picture: Vec<f32> = (0..1000)
            .map(|i| match i {
                0..50 => 0.1,
                950.. => 0.9,
                _ => 0.3 + 0.3 * (i - 50) as f32 / 900.0,
            })
            .flat_map(|v| [v, v, v, 1.0])
            .collect();
        let run = |clip: f32| {
            let case = Case::<Levels<f32>>::new(1000, 1).with("auto", "together").with("clip", clip);
            case.run(&picture, 256).unwrap().pixels
        };
        let made = run(5.0);
        assert!(made[50 * 4] < 0.01 && made[949 * 4] > 0.99, "{} {}", made[50 * 4], made[949 * 4]);
        let made = run(0.0);
        assert!((made[50 * 4] - 0.25).abs() < 0.002, "{}", made[50 * 4]);
    }
}
