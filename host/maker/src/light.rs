//! The light outdoors: one description from time, weather and side that sky, land and water all share, so that a
//! picture holds together. Warm light has cool shadows; distance takes the colour of the haze.

use crate::color::{Rgb, hex, luma, mix, multiply, scale};
use crate::facts::{Facts, Side, Time, Weather};
use crate::rng::Rng;

/// The light of one picture.
#[derive(Clone, Debug)]
pub struct Light {
    /// Sky colours from the zenith (0) to the horizon (1).
    pub sky: [(f32, Rgb); 4],
    /// What far things fade to: the sky just above the horizon.
    pub haze: Rgb,
    /// How fast they fade, 0..=1: about 0.35 on a clear day, 0.95 in fog.
    pub thickness: f32,
    /// Colour of what the sun or moon falls on, as a filter over local colour.
    pub key: Rgb,
    /// Colour of shadow, as a filter over local colour.
    pub shadow: Rgb,
    /// Where the sun or moon stands or would stand, in sketch units for an aspect of 1; x is times the aspect.
    pub sun: [f32; 2],
    /// The disc's own colour.
    pub disc: Rgb,
    /// -1 if the light comes from the left, 1 from the right.
    pub side: f32,
    /// Cloud colours, lit side and shadow side.
    pub cloud: [Rgb; 2],
    /// How hard light and shadow part, 0 (overcast) to 1 (clear).
    pub contrast: f32,
}

impl Light {
    /// The light of `facts`, which must be outdoors, with small accidents from `rng`.
    pub fn new(facts: &Facts, rng: &mut Rng) -> Self {
        let time = facts.time.unwrap_or(Time::Day);
        let weather = facts.weather.unwrap_or(Weather::Clear);
        let side = if facts.light == Side::Left { -1.0 } else { 1.0 };
        let horizon = facts.horizon.unwrap_or(0.5);
        // zenith, upper, lower, horizon; key, shadow, disc; cloud lit, cloud shade
        let table: [u32; 9] = match time {
            Time::Dawn => [0x6f8fbe, 0x9db4d2, 0xe3c9c4, 0xf6dcb8, 0xf7e0cc, 0x8f9cc0, 0xfff0d0, 0xf7d9cc, 0x8d97b8],
            Time::Day if rng.chance(0.5) => {
                [0x3c78bf, 0x5f9ad4, 0x9cc4e4, 0xd6e6ea, 0xfff6e2, 0x8ea2c8, 0xfffbe6, 0xfbfaf4, 0x9fb0c6]
            }
            Time::Day => [0x5189c4, 0x77aad6, 0xabcbe0, 0xe6ead9, 0xfff4da, 0x94a6c4, 0xfffbe6, 0xfdf8ec, 0xa7b2c2],
            Time::Sunset if rng.chance(0.5) => {
                [0x46598f, 0x8a6a9a, 0xe07f5a, 0xfbc061, 0xffc890, 0x6a5f92, 0xfff0a8, 0xf99b62, 0x71587f]
            }
            Time::Sunset => [0x31598e, 0x7f84a4, 0xe9a06a, 0xffd98a, 0xffd49a, 0x6c6f9c, 0xfff4b8, 0xffb676, 0x7a6684],
            Time::Dusk => [0x1f2a55, 0x3d4379, 0x7a6596, 0xc58f93, 0x8e86b4, 0x4a4c80, 0xf6e3d0, 0x8a76a4, 0x3c3f6a],
            Time::Night => [0x0b132e, 0x142144, 0x213662, 0x36527c, 0x7490bc, 0x24345a, 0xf2f2e0, 0x667a9e, 0x1c2846],
        };
        let [zenith, upper, lower, low, key, shadow, disc, cloud_lit, cloud_dark] = table.map(hex);
        // What weather does to all of it: a grey it is drawn to, how far, and how dark it gets.
        let grey = match time {
            Time::Night => hex(0x3a4459),
            Time::Dusk => hex(0x6f6c88),
            Time::Sunset => hex(0xc2a190),
            Time::Dawn => hex(0xb4b2bb),
            Time::Day => hex(0xbdc0c0),
        };
        let (drawn, dark, thickness, contrast) = match weather {
            Weather::Clear => (0.0, 1.0, rng.range(0.25, 0.45), 1.0),
            Weather::Cloudy => (0.12, 1.0, rng.range(0.3, 0.5), 0.85),
            Weather::Overcast => (0.72, 0.9, rng.range(0.45, 0.6), 0.25),
            Weather::Fog => (0.82, 1.12, rng.range(0.85, 0.98), 0.2),
            Weather::Storm => (0.62, 0.56, rng.range(0.5, 0.65), 0.55),
        };
        // Where there is little light to lose, a storm must not swallow all of it.
        let dark = if matches!(time, Time::Night | Time::Dusk) { 0.55 * dark + 0.45 } else { dark };
        let weathered = |c: Rgb| scale(mix(c, mix(grey, c, 0.2), drawn), dark);
        let height = match time {
            Time::Day => rng.range(0.10, 0.22),
            Time::Night => rng.range(0.12, 0.30),
            _ => (horizon - rng.range(0.07, 0.15)).max(0.08),
        };
        // In fog the sky is nearly as pale above as below.
        let pale = |c: Rgb| if weather == Weather::Fog { mix(weathered(c), weathered(low), 0.6) } else { weathered(c) };
        let sky = [(0.0, pale(zenith)), (0.4, pale(upper)), (0.78, pale(lower)), (1.0, weathered(low))];
        Self {
            haze: sky[3].1,
            sky,
            thickness,
            key: mix(weathered(key), key, 0.5),
            shadow: mix(weathered(shadow), shadow, 0.5),
            sun: [0.5 + side * rng.range(0.18, 0.34), height.min(horizon - 0.05)],
            disc,
            side,
            cloud: [weathered(cloud_lit), weathered(cloud_dark)],
            contrast,
        }
    }

    /// A local colour under this light. `facing`: -1 turned away from the light, 1 towards it. `distance`: 0 at the
    /// painter's feet, 1 at the horizon.
    pub fn on(&self, local: Rgb, facing: f32, distance: f32) -> Rgb {
        let turned = 0.5 + 0.5 * facing.clamp(-1.0, 1.0) * (0.35 + 0.65 * self.contrast);
        let lit = multiply(local, mix(self.shadow, self.key, turned));
        self.air(lit, distance)
    }

    /// A colour seen through the air at `distance`.
    pub fn air(&self, color: Rgb, distance: f32) -> Rgb {
        let amount = 1.0 - (-distance.max(0.0) * 3.2 * self.thickness).exp();
        mix(color, self.haze, amount * 0.96)
    }

    /// The sky's colour without clouds at `t`: 0 zenith, 1 horizon.
    pub fn sky_at(&self, t: f32) -> Rgb {
        crate::color::gradient(&self.sky, t)
    }

    /// True if it is too dark for colours to be told well.
    pub fn is_dark(&self) -> bool {
        luma(self.sky[2].1) < 0.25
    }
}

/// How far `v` has gone from `from` (0) to `to` (1), easing in and out: the soft edge of clouds, foam and haze.
pub fn ramp(from: f32, to: f32, v: f32) -> f32 {
    let t = ((v - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
