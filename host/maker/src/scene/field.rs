//! Crops and meadows: a plane in perspective to a distant line of trees. Also the ground other scenes stand on.
//!
//! Decision: everything on the ground is drawn in the plane's own coordinates (how far, how far aside), so that
//! furrows, patches and cloud shadows all run to the same horizon.

use super::sky;
use super::things::{self, LEAVES, NEEDLES, Woods};
use crate::color::{Rgb, hex, mix, scale};
use crate::facts::{Distance, Facts};
use crate::light::Light;
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};
use std::f32::consts::FRAC_PI_2;

/// Level ground from the line `far_edge` down: two local colours in patches, under passing cloud shadows.
#[derive(Clone, Copy, Debug)]
pub struct Ground {
    /// Where it meets what lies behind.
    pub far_edge: f32,
    /// The accidents of its patches.
    pub noise: Noise,
    /// Local colours.
    pub local: [Rgb; 2],
    /// How strongly the patches differ, 0..=1.
    pub patches: f32,
}

impl Ground {
    /// How far away the ground at `y` is: 0 at the lower edge, 1 at the far edge.
    pub fn far(&self, y: f32) -> f32 {
        let t = ((y - self.far_edge) / (1.0 - self.far_edge).max(0.05)).clamp(0.0, 1.0);
        (1.0 - t).powi(2)
    }

    /// Where a point of the picture lies on the plane: aside from `middle`, and away.
    pub fn plane(&self, [x, y]: [f32; 2], middle: f32) -> [f32; 2] {
        let depth = (y - self.far_edge).max(0.0) + 0.03;
        [(x - middle) / depth, 0.9 / depth.sqrt()]
    }

    /// The paint at a point, with `local` instead of its own colours if given.
    pub fn touch(&self, light: &Light, x: f32, y: f32, local: Option<Rgb>) -> Touch {
        let [u, v] = self.plane([x, y], 0.5);
        let patch = self.noise.fbm(u * 0.9 + 11.0, v * 4.0, 3);
        let shadow = self.noise.at(u * 0.22 + 40.0, v * 2.2);
        let color = local.unwrap_or_else(|| mix(self.local[0], self.local[1], 0.5 + 1.4 * patch * self.patches));
        // Dark before one's feet, so that the eye walks in.
        let near = ((y - 0.84) / 0.16).clamp(0.0, 1.0);
        let facing = 0.45 + 0.5 * patch - 1.1 * ((shadow - 0.12) * 5.0).clamp(0.0, 1.0) - 0.55 * near;
        let color = light.on(scale(color, 1.0 - 0.22 * near), facing, 0.8 * self.far(y));
        Touch::new(color).angle(0.25 * patch).breadth(0.7 + 0.7 * (1.0 - self.far(y)))
    }

    /// Where something stands on it: close ones well down, distant ones near the far edge.
    pub fn stand(&self, distance: Distance) -> f32 {
        let depth = 1.0 - self.far_edge;
        match distance {
            Distance::Close => (self.far_edge + 0.55 * depth).max(self.far_edge + 0.12).min(0.93),
            Distance::Distant => self.far_edge + 0.07 * depth,
        }
    }
}

/// What grows.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Crop {
    Wheat,
    Ploughed,
    Rows,
    Meadow,
    Strips,
}

/// Far low hills behind the fields, where there are any.
fn far_hills(sketch: &mut Sketch, light: &Light, rng: &mut Rng, horizon: f32) {
    let noise = Noise::new(rng.bits());
    let rise = (horizon * rng.range(0.06, 0.16)).min(0.07);
    let blue = hex(0x7d8f84);
    let line = |x: f32| horizon - rise * (0.5 + 0.5 * noise.fbm(x * 1.7, 2.0, 3));
    let slope = |x: f32| (line(x + 0.02) - line(x)) / 0.02;
    sketch.lay([0.0, horizon - rise * 1.2, sketch.aspect, horizon + 0.01], |x, y| {
        let inside = y - line(x);
        let color = light.on(blue, 0.2 + 3.0 * slope(x) * light.side, 0.85);
        (inside > 0.0).then(|| Touch::new(color).breadth(0.8))
    });
}

/// A line of trees along the far edge of the ground, with gaps.
pub fn tree_line(sketch: &mut Sketch, light: &Light, rng: &mut Rng, base: f32, height: f32) {
    let conifer = rng.chance(0.25);
    let leaf = if conifer { *rng.pick(&NEEDLES) } else { *rng.pick(&LEAVES) };
    for (far, part) in [(0.62, 1.0), (0.4, 0.72)] {
        let gaps = Noise::new(rng.bits());
        let (often, whole) = (rng.range(1.2, 2.2), rng.range(0.35, 0.75));
        let height = height * part;
        let woods = Woods { noise: Noise::new(rng.bits()), height, conifer, leaf, far };
        let thick = |x: f32| (whole + 1.1 * gaps.fbm(x * often, 0.5, 2)).min(1.0);
        let lower = if far < 0.5 { base + 0.012 } else { base + 0.004 };
        woods.paint(sketch, light, [0.0, sketch.aspect], |_| lower, thick);
    }
}

/// Lays it in.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let light = Light::new(facts, rng);
    sky::lay_in(facts, &light, sketch, rng);
    let horizon = facts.horizon.unwrap_or(0.5);
    if rng.chance(0.6) {
        far_hills(sketch, &light, rng, horizon);
    }
    let crop = *rng.pick(&[Crop::Wheat, Crop::Ploughed, Crop::Rows, Crop::Meadow, Crop::Strips, Crop::Wheat]);
    let local = match crop {
        Crop::Wheat => [hex(0xd9b04e), hex(0xc89a3f)],
        Crop::Ploughed => [hex(0x86654a), hex(0x9a7a58)],
        Crop::Rows => [hex(0x6f9440), hex(0x8aa552)],
        Crop::Meadow => [hex(0x86a24a), hex(0xa9ab57)],
        Crop::Strips => [hex(0x94a44e), hex(0xc2a756)],
    };
    let ground = Ground { far_edge: horizon, noise: Noise::new(rng.bits()), local, patches: rng.range(0.5, 0.9) };
    crops(sketch, &light, rng, ground, crop);
    if rng.chance(0.3) {
        track(sketch, &light, rng, ground);
    }
    let height = rng.range(0.025, 0.055);
    tree_line(sketch, &light, rng, horizon, height);
    things::place(facts, &light, sketch, rng, |_, distance| ground.stand(distance));
}

/// The ground with its furrows, rows, stalks or strips.
fn crops(sketch: &mut Sketch, light: &Light, rng: &mut Rng, ground: Ground, crop: Crop) {
    let aspect = sketch.aspect;
    let vanish = aspect * rng.range(0.1, 0.9);
    let spacing = match crop {
        Crop::Ploughed | Crop::Rows => rng.range(6.0, 10.0),
        _ => rng.range(1.6, 2.6),
    };
    let (rough, bend) = (Noise::new(rng.bits()), rng.range(-0.35, 0.35));
    let wild = *rng.pick(&[hex(0xd8c25a), hex(0xe8e4d0), hex(0xb98fb0)]);
    let strips = [hex(0xd2b35c), hex(0x88a04a), hex(0x9c7c58), hex(0xb0b060), hex(0x6f8c46)];
    let from = rng.int(0, 4) as usize;
    // Ripe corn ends at a mown edge; a headland keeps furrows from running into one's feet.
    let edge = if rng.chance(0.5) { rng.range(0.86, 0.96) } else { 1.2 };
    let green = [hex(0x7f8f45), hex(0x8f8a4c)];
    sketch.below(
        |_| ground.far_edge,
        |x, y, depth| {
            let [u, v] = ground.plane([x, y], vanish);
            let u = u + bend * v;
            let run = (y + 0.25 - ground.far_edge).atan2(x - vanish);
            let grain = rough.at(x * 34.0, y * 34.0);
            if y + 0.02 * rough.at(x * 6.0, 1.0) > edge {
                let verge = mix(green[0], green[1], 0.5 + 0.5 * grain);
                let touch = ground.touch(light, x, y, Some(verge));
                return Some(touch.angle(FRAC_PI_2 + 0.4 * grain).breadth(0.6));
            }
            let clear = (depth * 5.0).clamp(0.0, 1.0);
            match crop {
                Crop::Ploughed | Crop::Rows => {
                    let wave = (u * spacing + 0.5 * rough.at(u * 2.0, v * 3.0)).sin();
                    let (crest, trough) = if crop == Crop::Rows {
                        (scale(ground.local[0], 1.08), hex(0x7d6448))
                    } else {
                        (scale(ground.local[1], 1.12), scale(ground.local[0], 0.62))
                    };
                    let even = mix(crest, trough, 0.4);
                    let color = mix(even, mix(trough, crest, 0.5 + 0.9 * wave), clear * 0.85);
                    Some(ground.touch(light, x, y, Some(color)).angle(run).breadth(0.6))
                }
                Crop::Wheat => {
                    let sway = rough.fbm(u * 0.8, v * 5.0, 2);
                    let lanes = (1.0 - ((u * spacing * 0.5).sin().abs() * 9.0).min(1.0)) * clear;
                    let ripe = mix(ground.local[1], hex(0xf0d27c), 0.5 + 0.8 * sway + 0.2 * grain);
                    let color = mix(ripe, scale(ground.local[1], 0.66), 0.6 * lanes);
                    Some(
                        ground
                            .touch(light, x, y, Some(color))
                            .angle(FRAC_PI_2 + 0.35 * sway)
                            .breadth(0.45 + 0.5 * depth),
                    )
                }
                Crop::Meadow => {
                    let spot = rough.fbm(u * 3.0, v * 14.0, 2);
                    let touch = ground.touch(light, x, y, None);
                    let bloom = ((spot - 0.32) * 8.0).clamp(0.0, 0.6) * clear;
                    let flower = light.on(wild, 0.4, 0.8 * ground.far(y));
                    Some(Touch { color: mix(touch.color, flower, bloom), angle: FRAC_PI_2 + grain, ..touch })
                }
                Crop::Strips => {
                    let lane = u * spacing * 0.32 + 0.06 * rough.at(u, v * 2.0);
                    let color = strips[(lane.floor() as i32 + from as i32).rem_euclid(5) as usize];
                    let within = lane - lane.floor();
                    let furrow = 0.92 + 0.08 * (within * 40.0).sin() * clear;
                    Some(ground.touch(light, x, y, Some(scale(color, furrow))).angle(run).breadth(0.6))
                }
            }
        },
    );
}

/// A pale track winding to the horizon.
pub fn track(sketch: &mut Sketch, light: &Light, rng: &mut Rng, ground: Ground) {
    let aspect = sketch.aspect;
    let (from, to) = (aspect * rng.range(0.25, 0.75), aspect * rng.range(0.3, 0.7));
    let (swing, phase) = (rng.range(0.03, 0.12) * aspect, rng.range(0.0, 6.0));
    let dust = *rng.pick(&[hex(0xc9b48e), hex(0xbfa682), hex(0xb8aa94)]);
    let wobble = Noise::new(rng.bits());
    sketch.lay([0.0, ground.far_edge, aspect, 1.0], |x, y| {
        let t = ((y - ground.far_edge) / (1.0 - ground.far_edge)).clamp(0.0, 1.0);
        let middle = to + (from - to) * t + swing * (phase + 5.0 * t.sqrt()).sin() * t.sqrt();
        let half = 0.003 + 0.10 * t * t + 0.015 * t;
        let away = ((x - middle).abs() - half * (1.0 + 0.3 * wobble.at(x * 20.0, y * 20.0))) / (0.2 * half + 0.004);
        let cover = (0.5 - away).clamp(0.0, 0.85);
        let rut = 0.9 + 0.1 * ((x - middle) / half * 5.0).cos();
        (cover > 0.0).then(|| ground.touch(light, x, y, Some(scale(dust, rut))).cover(cover).angle(0.2))
    });
}
