//! Dunes: sharp crests that part a lit from a shaded face, wind ripples, and distance dissolving in haze.
//!
//! Decision: a dune is a skyline and a spine. The spine winds from the peak down to the viewer; the side of it towards
//! the light is all light, the other all shadow, with nothing between at the crest and a slow turn at the foot.

use super::sea::Profile;
use super::{sky, things};
use crate::color::{Rgb, hex, mix, scale};
use crate::facts::{Distance, Facts};
use crate::light::{Light, ramp};
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};

/// Sands: golden, pale, red, grey-brown.
const SANDS: [u32; 4] = [0xe4b873, 0xe9d3a4, 0xd08a55, 0xc9b093];

/// Lays it in.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let light = Light::new(facts, rng);
    sky::lay_in(facts, &light, sketch, rng);
    let horizon = facts.horizon.unwrap_or(0.5);
    let sand = hex(*rng.pick(&SANDS));
    plain(&light, sketch, rng, horizon, sand);
    let count = rng.int(3, 4);
    let rows: Vec<Dunes> = (0..count)
        .map(|row| {
            let part = (row as f32 + rng.range(0.05, 0.55)) / count as f32;
            Dunes::new(sketch, rng, horizon, part)
        })
        .collect();
    for (i, row) in rows.iter().enumerate() {
        row.paint(&light, sketch, sand, rows.get(i + 1));
    }
    let (close, distant) = (horizon + (1.0 - horizon) * 0.62, horizon + (1.0 - horizon) * 0.05);
    things::place(facts, &light, sketch, rng, |_, d| if d == Distance::Close { close } else { distant });
}

/// The flat under and behind the dunes; its edge is the horizon.
fn plain(light: &Light, sketch: &mut Sketch, rng: &mut Rng, horizon: f32, sand: Rgb) {
    let noise = Noise::new(rng.bits());
    sketch.below(
        |_| horizon,
        |x, y, depth| {
            let near = depth / (1.0 - horizon);
            let rough = noise.fbm(x * 3.0, y * 40.0, 2);
            Some(Touch::new(light.on(sand, 0.35 + 0.4 * rough, 0.42 * (1.0 - near).powi(2))).angle(0.1 * rough))
        },
    );
}

/// One row of dunes.
struct Dunes {
    noise: Noise,
    /// 0 at the horizon, 1 at the viewer.
    part: f32,
    /// Where the hollows between them lie.
    foot: f32,
    height: f32,
    /// Half of a dune's width.
    half: f32,
    /// Each dune's peak: x, and height as part of `height`.
    peaks: Vec<[f32; 2]>,
    skyline: Profile,
}

impl Dunes {
    fn new(sketch: &Sketch, rng: &mut Rng, horizon: f32, part: f32) -> Self {
        let room = 1.0 - horizon;
        let height = (room * 0.6).min(0.3) * (0.12 + part) * rng.range(0.8, 1.2);
        let half = rng.range(0.5, 0.8) * (0.25 + part);
        let foot = horizon + room * part.powf(1.3) * 0.9 + height * 0.8;
        let (mut peaks, mut x) = (Vec::new(), rng.range(-0.3, 0.7) * half);
        while x < sketch.aspect + half {
            peaks.push([x, rng.range(0.55, 1.0)]);
            x += half * rng.range(1.1, 2.2);
        }
        let noise = Noise::new(rng.bits());
        let line = |x: f32| {
            let bent = x + 0.15 * half * noise.at(x * 1.4 / half, 5.0);
            let rise = peaks[dune(&peaks, half, bent).0];
            let sag = 0.12 * noise.at(x * 1.1 / half, 9.0);
            foot - height * (slope((bent - rise[0]) / half) * rise[1] + sag)
        };
        // The far ones hardly rise above the horizon.
        let skyline = Profile::new(sketch, |x| line(x).max(horizon - 0.015));
        Self { noise, part, foot, height, half, peaks, skyline }
    }

    fn paint(&self, light: &Light, sketch: &mut Sketch, sand: Rgb, next: Option<&Self>) {
        let far = 0.38 * (1.0 - self.part).powi(2);
        let pixel = sketch.px();
        let glow = light.air(scale(sand, 0.6), far);
        sketch.below(
            |x| self.skyline.at(x),
            |x, y, depth| {
                if next.is_some_and(|n| n.skyline.at(x) < y - pixel) {
                    return None;
                }
                let bent = x + 0.15 * self.half * self.noise.at(x * 1.4 / self.half, 5.0);
                let (i, clear) = dune(&self.peaks, self.half, bent);
                let [at, tall] = self.peaks[i];
                let down = ((y - self.foot) / self.height + tall).max(0.0);
                // The spine comes down towards the viewer, leaning away from the light, in one or two bends.
                let wind = self.noise.at(down * 1.1 + i as f32 * 13.0, 2.5);
                let spine = at + self.half * (0.55 * wind * down.min(1.0) - 0.3 * light.side * down);
                let across = (bent - spine) * light.side / self.half;
                let crest = ramp(-0.015, 0.015, across);
                let lee = -1.0 + 0.9 * ramp(0.25, 0.9, -across) + 0.5 * ramp(0.7, 1.7, down);
                let windward = 0.95 - 0.6 * ramp(0.1, 1.1, across) - 0.3 * ramp(0.3, 1.5, down);
                let ripple = if self.part > 0.4 { self.ripple(x, y) * crest * ramp(0.05, 0.4, depth) } else { 0.0 };
                let facing = lee + (windward - lee) * crest;
                // Where two dunes meet there is a hollow, no edge.
                let facing = 0.15 + (facing - 0.15) * ramp(0.0, 0.35, clear);
                let color = light.on(sand, facing + ripple, far);
                // Sand throws its own warmth into the shadow.
                let color = mix(color, glow, 0.15 * (1.0 - crest) * light.contrast);
                // On the lit face the brush follows the wind, on the slip face it falls with the sand.
                let angle =
                    if crest > 0.5 { 0.12 * light.side - 0.3 * light.side * down.min(1.0) } else { 0.35 * light.side };
                Some(Touch::new(color).angle(angle).breadth(0.8 + 0.7 * self.part))
            },
        );
    }

    /// Wind ripples, crowding with distance.
    fn ripple(&self, x: f32, y: f32) -> f32 {
        0.16 * (y * 120.0 / (0.4 + self.part) + 8.0 * self.noise.at(x * 3.0, y * 5.0)).sin()
    }
}

/// Which of `peaks` makes the skyline at `x`, and by how much it overtops the next.
fn dune(peaks: &[[f32; 2]], half: f32, x: f32) -> (usize, f32) {
    let (mut best, mut height, mut second) = (0, f32::MIN, f32::MIN);
    for (i, [at, tall]) in peaks.iter().enumerate() {
        let here = tall - (x - at).abs() / half;
        if here > height {
            (best, second, height) = (i, height, here);
        } else {
            second = second.max(here);
        }
    }
    (best, height - second)
}

/// How high a dune is `away` from its peak: straight at first, running out flat.
fn slope(away: f32) -> f32 {
    let away = away.abs().min(1.5);
    (1.0 - away * (1.25 - 0.4 * away)).max(0.0)
}
