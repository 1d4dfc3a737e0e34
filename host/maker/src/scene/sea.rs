//! Open water to the horizon: swell that grows towards the viewer, the mirrored sky, the path of light, breakers.
//!
//! Decision: waves are laid out in picture space, each row as much larger as it is nearer, and colour follows from tilt
//! alone: backs and far water mirror the sky, fronts show the water's own colour.

use super::{sky, things};
use crate::color::{Rgb, hex, mix, scale, screen};
use crate::facts::{Distance, Facts, Thing, Time, Weather};
use crate::light::{Light, ramp};
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};

/// What the sea itself may be coloured: ultramarine, blue-green, bottle green, slate.
const WATERS: [u32; 4] = [0x1f4a80, 0x1c6478, 0x2a6a62, 0x45606e];
const SAND: Rgb = hex(0xd9c39a);
const FOAM: Rgb = hex(0xf2f4f2);

/// Lays it in.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let light = Light::new(facts, rng);
    sky::lay_in(facts, &light, sketch, rng);
    let wind = match facts.weather.unwrap_or(Weather::Clear) {
        Weather::Clear => rng.range(0.1, 0.4),
        Weather::Cloudy => rng.range(0.25, 0.6),
        Weather::Overcast => rng.range(0.2, 0.5),
        Weather::Fog => rng.range(0.05, 0.2),
        Weather::Storm => rng.range(0.85, 1.0),
    };
    let own = hex(*rng.pick(&WATERS));
    let sea = Sea {
        light: &light,
        horizon: facts.horizon.unwrap_or(0.5),
        middle: sketch.aspect * 0.5,
        wind,
        own,
        lit: [-0.4, 0.7].map(|facing| light.on(own, facing, 0.0)),
        noise: Noise::new(rng.bits()),
    };
    sea.surface(sketch);
    if wind > 0.4 {
        sea.rollers(sketch, rng);
    }
    sea.glitter(facts, sketch);
    let beach = rng.chance(0.35) && wind < 0.7 && sea.horizon < 0.62;
    let shore = if beach { sea.beach(sketch, rng) } else { 1.0 };
    let close = (sea.horizon + (1.0 - sea.horizon) * 0.58).min(shore - 0.06);
    let distant = sea.horizon + (1.0 - sea.horizon) * 0.05;
    things::place(facts, &light, sketch, rng, |_, d| if d == Distance::Close { close } else { distant });
}

struct Sea<'a> {
    light: &'a Light,
    horizon: f32,
    middle: f32,
    /// 0 = a mirror, 1 = a storm.
    wind: f32,
    /// The water's own colour.
    own: Rgb,
    /// The same in this light, on fronts and on backs.
    lit: [Rgb; 2],
    noise: Noise,
}

impl Sea<'_> {
    /// 0 at the horizon, 1 at the lower edge.
    fn near(&self, y: f32) -> f32 {
        ((y - self.horizon) / (1.0 - self.horizon)).max(0.0)
    }

    /// Where a point lies among the waves: they narrow and crowd towards the horizon.
    fn plane(&self, x: f32, near: f32) -> [f32; 2] {
        [(x - self.middle) * 1.5 / (0.9 * near + 0.06), (near + 0.04).ln() * 7.0]
    }

    /// Water at `near`, tilted by `tilt` (1 = its back to the sky, -1 = its front to the viewer).
    fn water(&self, near: f32, tilt: f32) -> Rgb {
        let mirrored = scale(self.light.sky_at(0.96 - 0.7 * near.sqrt() - 0.2 * tilt), 0.92);
        let own = mix(self.lit[0], self.lit[1], 0.5 + 0.5 * tilt);
        let color = mix(own, mirrored, 0.78 - 0.42 * near + 0.34 * tilt);
        // The line of the far sea is darker than the sky above it.
        let line = 0.2 * self.light.contrast / (1.0 + 12.0 * near).powi(2);
        let far =
            if self.light.thickness > 0.7 { 0.1 + 0.3 * (1.0 - near).powi(3) } else { 0.4 * (1.0 - near).powi(5) };
        self.light.air(scale(color, 0.95 - line), far)
    }

    fn surface(&self, sketch: &mut Sketch) {
        let swell = 0.35 + 0.65 * self.wind;
        sketch.below(
            |_| self.horizon,
            |x, y, _| {
                let near = self.near(y);
                let [u, v] = self.plane(x, near);
                let chop = self.noise.fbm(u, v, 2);
                let broad = self.noise.at(u * 0.12 + 40.0, v * 0.3);
                let tilt = (chop * 1.7 * swell + broad * 0.6) * (0.4 + 0.6 * near.sqrt());
                Some(Touch::new(self.water(near, tilt)).angle(0.2 * chop * self.wind).breadth(0.45 + 0.9 * near))
            },
        );
    }

    /// Rows of waves, each a crest with a front, from far to near.
    fn rollers(&self, sketch: &mut Sketch, rng: &mut Rng) {
        let rows = 4 + (self.wind * 4.0) as usize;
        let room = 1.0 - self.horizon;
        let foam = self.light.on(FOAM, 0.5, 0.0);
        for row in 0..rows {
            let part = (row as f32 + rng.range(0.5, 0.9)) / rows as f32;
            let height = (room * 0.38).min(0.19) * self.wind * (0.12 + part);
            let (wide, drift) = (rng.range(1.4, 2.2) / (0.2 + part), rng.range(0.0, 90.0));
            let rest = self.horizon + room * part.powf(1.5) + height * 0.5;
            let peak = |x: f32| {
                let lean = self.noise.at(x * wide + drift, row as f32 * 3.7);
                let small = self.noise.at(x * wide * 4.0 + drift, row as f32 * 5.1);
                ((1.06 - lean.hypot(0.16)).powi(2) * (0.8 + 0.35 * small) + 0.08 * small).max(0.0)
            };
            let (front, back) = (self.water(part, -0.9), self.water(part, 0.35));
            let thin = mix(screen(scale(front, 1.15), scale(self.own, 0.3)), back, 0.3);
            let crests = Profile::new(sketch, peak);
            let slopes = Profile::new(sketch, |x| (peak(x + 0.02) - peak(x)) * height / 0.02);
            sketch.below(
                |x| (rest - height * crests.at(x)).max(self.horizon),
                |x, _, depth| {
                    let down = depth / height;
                    if down > 2.4 {
                        return None;
                    }
                    let (crest, slope) = (crests.at(x), slopes.at(x));
                    let veins = self.noise.at((x + slope * depth) * 22.0 / (0.3 + part), down * 2.2 + drift);
                    let color = mix(mix(thin, front, ramp(0.0, 0.55, down)), back, ramp(0.9, 2.0, down));
                    let broken = ramp(0.45, 0.85, crest) * ramp(0.4, 0.9, self.wind);
                    let edge = ramp(0.34, 0.08, down - 0.18 * veins - 0.12 * crest);
                    let spill = ramp(0.25, 0.6, veins) * ramp(1.2, 0.1, down) * 0.5;
                    let white = broken * edge.max(spill);
                    let angle = -slope.atan() * 0.9;
                    let cover = ramp(2.4, 1.1, down) * ramp(0.1, 0.4, crest);
                    Some(Touch::new(mix(color, foam, white)).cover(cover).angle(angle).breadth(0.4 + 0.7 * part))
                },
            );
        }
    }

    /// The path of light under the sun or moon, in broken dashes.
    fn glitter(&self, facts: &Facts, sketch: &mut Sketch) {
        let seen = facts.accent.is_some_and(|a| a.thing == Thing::Disc);
        let strength = if seen { 1.0 } else { 0.55 * (self.light.contrast - 0.55).max(0.0) / 0.45 };
        if strength <= 0.0 {
            return;
        }
        // A high sun strews its light widely.
        let spread = if facts.time == Some(Time::Day) { 2.0 } else { 1.0 };
        let sun = self.light.sun[0] * sketch.aspect;
        let color = mix(self.light.disc, self.light.haze, if facts.time == Some(Time::Night) { 0.3 } else { 0.15 });
        sketch.lay([sun - 0.5, self.horizon, sun + 0.5, 1.0], |x, y| {
            let near = self.near(y);
            let width = (0.025 + (0.07 + 0.07 * self.wind) * near) * spread;
            let on = (-((x - sun) / width).powi(2)).exp();
            if on < 0.05 {
                return None;
            }
            let [u, v] = self.plane(x, near);
            let dash = self.noise.at(u * 3.2 + 17.0, v * 3.6) * 0.6 + self.noise.at(u * 7.0, v * 6.0 + 5.0) * 0.5;
            let from = 0.7 - 0.95 * on * (1.0 - 0.4 * near);
            let cover = ramp(from, from + 0.25, dash) * strength * (0.9 - 0.25 * near);
            Some(Touch::new(color).cover(cover / spread.sqrt()).breadth(0.3 + 0.3 * near))
        });
    }

    /// A strip of beach at the lower edge; gives the height of its highest point.
    fn beach(&self, sketch: &mut Sketch, rng: &mut Rng) -> f32 {
        let (level, tilt) = (rng.range(0.86, 0.93), rng.range(-0.1, 0.1));
        let noise = Noise::new(rng.bits());
        let middle = self.middle;
        let line =
            |x: f32| level + tilt * (x - middle) + 0.012 * noise.at(x * 5.0, 0.0) + 0.02 * noise.at(x * 1.6, 4.0);
        let shallows = self.light.on(mix(self.own, hex(0x8fc4b4), 0.6), 0.3, 0.0);
        let (foam, dry) = (self.light.on(FOAM, 0.6, 0.0), self.light.on(SAND, 0.6, 0.0));
        let wet = mix(self.light.on(scale(SAND, 0.62), 0.2, 0.0), self.light.sky_at(0.8), 0.3);
        sketch.below(
            |x| line(x) - 0.1,
            |x, y, _| {
                let inland = y - line(x);
                let grain = noise.fbm(x * 9.0, y * 26.0, 2);
                if inland < 0.0 {
                    // A second line of foam runs in behind the first.
                    let wave = ramp(0.012, 0.004, (inland + 0.042 + 0.02 * noise.at(x * 3.0, 9.0)).abs())
                        * ramp(-0.35, 0.1, grain);
                    let near = ramp(-0.1, -0.01, inland) * 0.6;
                    return Some(Touch::new(mix(shallows, foam, wave)).cover(near.max(wave)).angle(tilt).breadth(0.6));
                }
                let lace = ramp(0.016, 0.006, inland + 0.008 * grain);
                let ground = mix(wet, dry, ramp(0.035, 0.06, inland + 0.01 * grain));
                let color = mix(scale(ground, 1.0 + 0.05 * grain), foam, lace);
                Some(Touch::new(color).angle(tilt).breadth(1.0 - 0.4 * lace))
            },
        );
        level - 0.05 - tilt.abs() * middle
    }
}

/// A curve over x, worked out once for each column of pixels.
pub(super) struct Profile {
    values: Vec<f32>,
    h: f32,
}

impl Profile {
    /// `f(x)` for every column of `sketch`.
    pub(super) fn new(sketch: &Sketch, f: impl Fn(f32) -> f32) -> Self {
        let h = sketch.h as f32;
        Self { values: (0..sketch.w).map(|c| f((c as f32 + 0.5) / h)).collect(), h }
    }

    /// Its value at `x`; beyond the edges, that at the edge.
    pub(super) fn at(&self, x: f32) -> f32 {
        self.values[((x * self.h).max(0.0) as usize).min(self.values.len() - 1)]
    }
}
