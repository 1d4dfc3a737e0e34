//! The sky above the horizon: the gradient and its glow, stars, disc, and the clouds that tell the weather.
//!
//! Decision: each weather has cloud forms of its own, not more or less of one noise. Heaps are built of puffs and turn
//! in the light as solid bodies; decks and streaks lie on a ceiling seen in perspective; a storm is a bank with a lit
//! edge and rain.

use crate::color::{Rgb, mix, scale, screen};
use crate::facts::{Facts, Thing, Time, Weather};
use crate::light::{Light, ramp};
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};
use std::f32::consts::FRAC_PI_2;

/// Paints all of the sketch as sky; land comes over it. The disc is painted if the facts' accent is one.
pub fn lay_in(facts: &Facts, light: &Light, sketch: &mut Sketch, rng: &mut Rng) {
    let has_disc = facts.accent.is_some_and(|a| a.thing == Thing::Disc);
    let time = facts.time.unwrap_or(Time::Day);
    let sky = Sky {
        light,
        horizon: facts.horizon.unwrap_or(0.5),
        sun: [light.sun[0] * sketch.aspect, light.sun[1]],
        disc: if has_disc { rng.range(0.03, 0.05) } else { 0.0 },
        time,
    };
    sky.air(sketch, rng);
    let weather = facts.weather.unwrap_or(Weather::Clear);
    if time == Time::Night && matches!(weather, Weather::Clear | Weather::Cloudy) {
        sky.stars(sketch, rng);
    }
    if has_disc {
        sky.disc(sketch, weather);
    }
    match weather {
        Weather::Clear => match rng.int(0, 2) {
            0 => {}
            1 => sky.streaks(sketch, rng, 0.5, 0.4),
            _ => sky.heaps(sketch, rng, &[Rank::FAR]),
        },
        Weather::Cloudy => match rng.int(0, 3) {
            0 => {
                sky.streaks(sketch, rng, 0.35, 0.9);
                sky.heaps(sketch, rng, &[Rank::FAR]);
            }
            1 => sky.deck(sketch, rng, 0.48),
            _ => sky.heaps(sketch, rng, &[Rank::FAR, Rank::MIDDLE, Rank::NEAR]),
        },
        Weather::Overcast => sky.deck(sketch, rng, 1.0),
        Weather::Fog => sky.fog(sketch, rng),
        Weather::Storm => sky.storm(sketch, rng),
    }
}

/// What every part of the sky needs to know.
struct Sky<'a> {
    light: &'a Light,
    horizon: f32,
    /// Where the sun or moon is, in sketch units.
    sun: [f32; 2],
    /// The disc's radius, 0 if none is to be seen.
    disc: f32,
    time: Time,
}

/// A row of heaped clouds at one distance.
struct Rank {
    count: [u32; 2],
    /// Where their bases lie, as parts of the way from the zenith to the horizon.
    base: [f32; 2],
    /// Their widths, as parts of the sky's height.
    width: [f32; 2],
    /// Height to width.
    plump: f32,
    distance: f32,
}

impl Rank {
    const FAR: Self = Self { count: [3, 6], base: [0.74, 0.93], width: [0.3, 0.75], plump: 0.25, distance: 0.45 };
    const MIDDLE: Self = Self { count: [2, 4], base: [0.5, 0.76], width: [0.7, 1.2], plump: 0.36, distance: 0.2 };
    const NEAR: Self = Self { count: [1, 2], base: [0.26, 0.56], width: [1.1, 2.0], plump: 0.38, distance: 0.0 };
}

impl Sky<'_> {
    /// True if the sun stands low, so that it lights clouds from the side and below.
    fn low_sun(&self) -> bool {
        matches!(self.time, Time::Dawn | Time::Sunset | Time::Dusk)
    }

    fn to_sun(&self, x: f32, y: f32) -> f32 {
        (x - self.sun[0]).hypot(y - self.sun[1])
    }

    /// How much of a cloud may cover a point: nothing before the disc, if the facts have one.
    fn leave_disc(&self, x: f32, y: f32) -> f32 {
        if self.disc > 0.0 { ramp(1.3 * self.disc, 4.5 * self.disc, self.to_sun(x, y)) } else { 1.0 }
    }

    /// The gradient and the glow around the sun.
    fn air(&self, sketch: &mut Sketch, rng: &mut Rng) {
        let noise = Noise::new(rng.bits());
        let glow = self.light.contrast
            * match self.time {
                Time::Sunset | Time::Dawn => 0.55,
                Time::Night => 0.22,
                _ => 0.3,
            };
        let halo = if self.disc > 0.0 { 0.4 } else { 0.0 };
        sketch.lay_all(|x, y| {
            if y > self.horizon + 0.08 {
                return Some(Touch::new(self.light.haze));
            }
            let drift = noise.at(x * 2.0, y * 4.0);
            let far = (x - self.sun[0]).hypot((y - self.sun[1]) * 1.4);
            let near = (-far * 3.4).exp();
            // The halo is the glow drawn together.
            let near = glow * near + halo * near.powi(4);
            let color = screen(self.light.sky_at(y / self.horizon + 0.06 * drift), scale(self.light.disc, near));
            Some(Touch::new(color).breadth(1.6).angle(0.35 * drift))
        });
    }

    fn stars(&self, sketch: &mut Sketch, rng: &mut Rng) {
        let color = self.light.disc;
        for _ in 0..rng.int(18, 48) {
            let at = [rng.unit() * sketch.aspect, rng.unit() * self.horizon * 0.8];
            let (radius, bright) = (rng.range(0.0012, 0.0032).max(0.55 * sketch.px()), rng.range(0.25, 0.9));
            if self.to_sun(at[0], at[1]) > 0.15 {
                // The haze below puts them out.
                let bright = bright * (1.0 - at[1] / self.horizon);
                sketch.ellipse(at, [radius, radius], |_, _| Some(Touch::new(color).cover(bright).breadth(0.3)));
            }
        }
    }

    fn disc(&self, sketch: &mut Sketch, weather: Weather) {
        // Fog lets only a pale disc through.
        let color = if weather == Weather::Fog { mix(self.light.disc, self.light.haze, 0.25) } else { self.light.disc };
        let night = self.time == Time::Night;
        sketch.ellipse(self.sun, [self.disc, self.disc], |u, v| {
            let seas = if night { ramp(0.5, 0.2, (u + 0.3).hypot(v + 0.15)) * 0.12 } else { 0.0 };
            Some(Touch::new(scale(color, 1.0 - seas)).breadth(0.5).angle(v.atan2(u) + FRAC_PI_2))
        });
    }

    /// Thin high clouds drawn out by the wind; `thin` is the density where they begin, `cover` how opaque they get.
    fn streaks(&self, sketch: &mut Sketch, rng: &mut Rng, thin: f32, cover: f32) {
        let (field, wide) = (Noise::new(rng.bits()), Noise::new(rng.bits()));
        let tilt = rng.range(-0.35, 0.35);
        let (sin, cos) = tilt.sin_cos();
        let (long, fine) = (rng.range(1.0, 1.8), rng.range(6.0, 10.0));
        let dark = mix(self.light.cloud[0], self.light.cloud[1], 0.75);
        sketch.lay([0.0, 0.0, sketch.aspect, self.horizon], |x, y| {
            let height = 1.0 - y / self.horizon;
            let (u, v) = (x * cos + y * sin, y * cos - x * sin);
            let bend = wide.at(u * 1.5, v * 2.5);
            let squeeze = fine * (1.0 + 1.2 / (0.3 + height));
            let density = 0.5 + 0.5 * field.fbm(u * long + 0.4 * bend, v * squeeze * 0.6 + 0.8 * bend, 3) + 0.22 * bend;
            let opaque = ramp(thin, thin + 0.4, density) * cover * ramp(0.0, 0.12, height) * self.leave_disc(x, y);
            let lit = 0.55 + 0.45 * ramp(1.0, 0.2, self.to_sun(x, y)) - 0.5 * ramp(thin + 0.25, thin + 0.6, density);
            let color = mix(dark, self.light.cloud[0], lit);
            Some(Touch::new(color).cover(opaque).angle(tilt + 0.25 * bend).breadth(1.3))
        });
    }

    /// A ceiling of cloud seen in perspective, `amount` of it closed (1 = an even lid).
    fn deck(&self, sketch: &mut Sketch, rng: &mut Rng, amount: f32) {
        let field = Noise::new(rng.bits());
        let (middle, drift, grain) = (sketch.aspect * 0.5, rng.range(0.0, 60.0), rng.range(0.9, 1.5));
        let lid = amount >= 1.0;
        let from = 0.62 - 0.5 * amount;
        let [lit, shade] = self.light.cloud;
        let relief = if lid { 0.8 } else { 1.0 };
        sketch.lay([0.0, 0.0, sketch.aspect, self.horizon], |x, y| {
            let height = 1.0 - y / self.horizon;
            let far = 1.0 / (height + 0.2);
            let (u, v) = ((x - middle) / self.horizon * far * 0.55 * grain + drift, far * 1.5 * grain);
            let density = 0.5 + 0.62 * field.fbm(u, v, 4);
            // Towards the sun the deck is thinner or thicker: its lit and its shadow side.
            let turned = 0.7 * (density - 0.5 - 0.62 * field.at(u + self.light.side * 0.22, v + 0.1));
            let cover = if lid { 0.96 } else { ramp(from, from + 0.16, density) } * self.leave_disc(x, y);
            let thick = ramp(from + 0.05, from + 0.5, density);
            let sunward = if self.low_sun() { 0.5 * ramp(0.9, 0.1, self.to_sun(x, y)) } else { 0.0 };
            let tone = (0.72 - 0.75 * thick * (1.0 - sunward) + 0.9 * turned) * relief + 0.22 * (1.0 - relief);
            let color = mix(scale(shade, if lid { 0.74 } else { 1.0 }), lit, tone);
            let angle = (0.5 * turned).clamp(-0.6, 0.6) + 0.25 * (u * 2.0).sin();
            Some(Touch::new(self.light.air(color, 0.7 * (1.0 - height).powi(3))).cover(cover).angle(angle).breadth(1.4))
        });
    }

    fn heaps(&self, sketch: &mut Sketch, rng: &mut Rng, ranks: &[Rank]) {
        for rank in ranks {
            // The sky's height is the measure, but in a strip of sky clouds do not shrink to crumbs.
            let unit = self.horizon.max(0.34);
            for _ in 0..rng.int(rank.count[0], rank.count[1]) {
                let width = rng.range(rank.width[0], rank.width[1]) * unit;
                let center = rng.range(-0.05, 1.05) * sketch.aspect;
                let base = rng.range(rank.base[0], rank.base[1]) * self.horizon;
                let height = width * rank.plump * rng.range(0.6, 1.1);
                self.heap(sketch, rng, [center, base], [width, height], rank.distance);
            }
        }
    }

    /// One heaped cloud: puffs on a flat base, each a ball in the light.
    fn heap(&self, sketch: &mut Sketch, rng: &mut Rng, [cx, base]: [f32; 2], [width, height]: [f32; 2], far: f32) {
        let lean = rng.range(-0.4, 0.4);
        // Broad puffs side by side carry smaller ones.
        let count = rng.int(10, 14);
        let puffs: Vec<[f32; 3]> = (0..count)
            .map(|i| {
                let carrier = i < count / 2;
                let along = (i % count.div_ceil(2)) as f32 + rng.range(0.2, 0.8);
                let t = 2.0 * along / (count / 2) as f32 - 1.0;
                let profile = (1.0 - (t - lean).abs().powf(1.4) / 1.5).max(0.12);
                let r =
                    height * rng.range(0.8, 1.15) * if carrier { 0.24 + 0.26 * profile } else { 0.2 + 0.12 * profile };
                let up = if carrier {
                    0.45 * r
                } else {
                    0.5 * r + (0.85 * height * profile - r).max(0.0) * rng.range(0.5, 1.0)
                };
                [cx + t * (width * 0.5 - 0.8 * r), base - up, r]
            })
            .collect();
        let noise = Noise::new(rng.bits());
        let (fine, warp) = (2.4 / height.max(0.02), 0.2 * height);
        let (lx, ly): (f32, f32) = match self.time {
            _ if self.low_sun() => (self.light.side * 0.9, 0.15),
            _ => (self.light.side * 0.62, -0.75),
        };
        let [lit, shade] = self.light.cloud;
        let bounds =
            [cx - width * 0.62, base - height * 1.25, cx + width * 0.62, (base + 0.2 * height).min(self.horizon)];
        sketch.lay(bounds, |x, y| {
            let (a, b) = (noise.fbm(x * fine, y * fine, 2), noise.at(x * fine * 2.0 + 31.0, y * fine * 2.0));
            let (px, py) = (x + warp * (a + 0.3 * b), y + warp * (0.7 * b - 0.6 * a));
            let mut best = (-1.0f32, 0.0, 0.0);
            for [qx, qy, r] in &puffs {
                let (u, v) = ((px - qx) / r, (py - qy) / r);
                let inside = (1.0 - (u * u + v * v)) * (0.6 + 0.4 * r / height);
                if inside > best.0 {
                    best = (inside, u, v);
                }
            }
            let (inside, u, v) = best;
            let up = (base - py) / height;
            let cover = ramp(0.0, 0.3, inside) * ramp(-0.1, 0.06, up) * self.leave_disc(x, y);
            if cover <= 0.0 {
                return None;
            }
            let body = (x - cx) / width * 2.0 * lx - (up - 0.4) * 1.3 * ly.min(-0.25);
            let facing = 0.55 * (u * lx + v * ly) + 0.55 * body + 0.2 * a;
            let color = mix(shade, lit, ramp(-0.45, 0.5, facing));
            // The base takes up the haze below.
            let color = mix(color, mix(shade, self.light.haze, 0.25), 0.6 * ramp(0.3, 0.0, up));
            let angle = if up < 0.15 { 0.0 } else { v.atan2(u) + FRAC_PI_2 };
            Some(Touch::new(self.light.air(color, far)).cover(cover).angle(angle).breadth(if far > 0.3 {
                0.7
            } else {
                1.1
            }))
        });
    }

    /// Banks of fog: the sky loses its depth towards the ground.
    fn fog(&self, sketch: &mut Sketch, rng: &mut Rng) {
        let noise = Noise::new(rng.bits());
        let lift = rng.range(0.35, 0.7);
        sketch.lay([0.0, 0.0, sketch.aspect, self.horizon], |x, y| {
            let t = y / self.horizon;
            let bank = noise.fbm(x * 1.3, y * 5.0, 2);
            let cover = ramp(lift - 0.4, 1.0, t + 0.3 * bank) * 0.85 * self.leave_disc(x, y);
            Some(Touch::new(self.light.haze).cover(cover).breadth(1.8).angle(0.15 * bank))
        });
    }

    /// A dark bank with a ragged base, a lit edge towards the light, a bright gap below and rain.
    fn storm(&self, sketch: &mut Sketch, rng: &mut Rng) {
        let field = Noise::new(rng.bits());
        let base = self.horizon * rng.range(0.5, 0.78);
        let size = rng.range(2.0, 3.2) / self.horizon.max(0.4);
        let [lit, shade] = self.light.cloud;
        let black = scale(shade, 0.62);
        let bright = mix(self.light.haze, self.light.disc, if self.light.is_dark() { 0.08 } else { 0.3 });
        let middle = sketch.aspect * 0.5;
        sketch.lay([0.0, base - 0.1, sketch.aspect, self.horizon], |x, y| {
            let toward = 0.5 + 0.5 * self.light.side * (x - middle) / middle;
            Some(Touch::new(bright).cover(ramp(base, self.horizon, y) * (0.15 + 0.7 * toward * toward)))
        });
        sketch.lay([0.0, 0.0, sketch.aspect, self.horizon], |x, y| {
            let (u, v) = (x * size, y * size * 1.7);
            let density = field.fbm(u, v, 4);
            let turned = density - 0.8 * field.at(u + self.light.side * 0.25, v - 0.3);
            // Heavier away from the light, and lower.
            let away = -self.light.side * (x - middle) / middle;
            let under = base + self.horizon * (0.16 * density + 0.12 * away) - y;
            let cover = ramp(-0.05 * self.horizon, 0.06 * self.horizon, under);
            let tone = 0.24 + 0.95 * turned - 0.2 * away + 0.15 * density - 0.25 * ramp(0.3, 0.0, under / self.horizon);
            let color = mix(black, lit, tone * 0.85);
            Some(Touch::new(color).cover(cover * 0.97).angle(1.1 * field.at(u * 0.8 + 7.0, v * 0.8)).breadth(1.4))
        });
        for _ in 0..rng.int(1, 3) {
            self.rain(sketch, rng, base, mix(black, self.light.haze, 0.3));
        }
    }

    /// One veil of rain hanging from the clouds' base to the horizon.
    fn rain(&self, sketch: &mut Sketch, rng: &mut Rng, base: f32, color: Rgb) {
        let noise = Noise::new(rng.bits());
        let (center, half) = (rng.unit() * sketch.aspect, rng.range(0.12, 0.32) * sketch.aspect);
        let slant = self.light.side * rng.range(0.15, 0.5);
        let deepest = rng.range(0.35, 0.65);
        let top = base - 0.1 * self.horizon;
        sketch.lay([0.0, top, sketch.aspect, self.horizon], |x, y| {
            let along = x + slant * (y - base);
            let streak = noise.at(along * 28.0, y * 1.5);
            let band = ramp(1.0, 0.2, ((along - center) / half).abs() + 0.15 * streak);
            let hanging = ramp(top, base + 0.1, y);
            Some(
                Touch::new(color)
                    .cover(band * hanging * (deepest + 0.2 * streak))
                    .angle(FRAC_PI_2 + slant)
                    .breadth(1.2),
            )
        });
    }
}
