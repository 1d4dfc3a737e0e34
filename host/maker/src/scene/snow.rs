//! Land under snow: drifts rolling to a far wood or low hills, blue in the shadow, the light's colour where it falls.
//!
//! Decision: snow is drawn by its shadows alone. Each drift is a long curve with a lit back and a blue hollow before
//! the next.

use super::sea::Profile;
use super::things::Woods;
use super::{sky, things};
use crate::color::{Rgb, hex, mix, multiply};
use crate::facts::{Distance, Facts};
use crate::light::{Light, ramp};
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};
use std::f32::consts::FRAC_PI_2;

const SNOW: Rgb = hex(0xfbfbf8);
/// What the open sky makes of snow out of the light.
const HOLLOW: Rgb = hex(0xb4c8ec);
const FIRS: [u32; 3] = [0x3f5a52, 0x4a5a5e, 0x55604a];
const WOOD: Rgb = hex(0x5c4a3e);
const GRASS: Rgb = hex(0xa88a54);

/// Lays it in.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let light = Light::new(facts, rng);
    sky::lay_in(facts, &light, sketch, rng);
    let horizon = facts.horizon.unwrap_or(0.5);
    if rng.chance(0.6) {
        far_hills(&light, sketch, rng, horizon);
    }
    // Where sky and snow are of one grey, only a wood tells them apart.
    let grey = light.contrast < 0.6;
    if grey || rng.chance(0.7) {
        far_wood(&light, sketch, rng, horizon);
    }
    let drifts = rng.int(4, 6);
    let drifts: Vec<Drift> = (0..drifts).map(|i| Drift::new(sketch, rng, horizon, i as f32 / drifts as f32)).collect();
    for (i, drift) in drifts.iter().enumerate() {
        drift.paint(&light, sketch, drifts.get(i + 1));
    }
    if rng.chance(0.45) {
        fence(&light, sketch, rng, horizon);
    }
    if rng.chance(0.7) {
        grasses(&light, sketch, rng, horizon);
    }
    let (close, distant) = (horizon + (1.0 - horizon) * 0.62, horizon + (1.0 - horizon) * 0.05);
    things::place(facts, &light, sketch, rng, |_, d| if d == Distance::Close { close } else { distant });
}

/// Snow turned to the light (`facing` 1) or away from it (-1).
fn snow(light: &Light, facing: f32, distance: f32) -> Rgb {
    let turned = ramp(-0.9, 0.9, facing * (0.4 + 0.6 * light.contrast));
    // Reflected light from the sky fills the shadow: it is lighter and bluer than that of other ground.
    let shade = multiply(HOLLOW, mix(light.shadow, light.sky_at(0.55), 0.4));
    light.air(mix(shade, multiply(SNOW, light.key), turned), distance)
}

fn far_hills(light: &Light, sketch: &mut Sketch, rng: &mut Rng, horizon: f32) {
    let noise = Noise::new(rng.bits());
    let rise = (rng.range(0.03, 0.09) * (horizon / 0.5).min(1.0)).min(0.5 * (horizon - light.sun[1]));
    let wide = rng.range(0.9, 2.0);
    let line = |x: f32| horizon - rise * (0.5 + 0.5 * noise.fbm(x * wide, 3.0, 3)).max(0.0);
    sketch.below(line, |x, y, _| {
        if y > horizon {
            return None;
        }
        let slope = noise.at(x * wide * 2.0, y * 9.0) - noise.at(x * wide * 2.0 + 0.3 * light.side, y * 9.0);
        let woods = ramp(0.1, 0.4, noise.fbm(x * 8.0, y * 20.0, 2)) * 0.35;
        let color = mix(snow(light, 1.5 * slope, 0.4), light.on(hex(FIRS[0]), 0.0, 0.4), woods);
        Some(Touch::new(color).angle(0.3 * slope).breadth(0.7))
    });
}

fn far_wood(light: &Light, sketch: &mut Sketch, rng: &mut Rng, horizon: f32) {
    let thin = Noise::new(rng.bits());
    let (full, wide) = (rng.range(0.0, 0.7), rng.range(1.2, 3.0));
    let woods = Woods {
        noise: Noise::new(rng.bits()),
        height: rng.range(0.04, 0.09).min(0.6 * (horizon - light.sun[1])),
        conifer: rng.chance(0.7),
        leaf: hex(*rng.pick(&FIRS)),
        far: rng.range(0.18, 0.35),
    };
    let ends = [0.0, sketch.aspect];
    woods.paint(sketch, light, ends, |_| horizon + 0.004, |x| 0.2 + full + thin.at(x * wide, 0.5));
}

/// One drift: a long brow and the hollow below it.
struct Drift {
    noise: Noise,
    /// 0 for the farthest, whose line is the horizon, towards 1 for the nearest.
    part: f32,
    line: Profile,
    slope: Profile,
    /// How far below its brow the hollow lies.
    length: f32,
    /// Waves to the unit of width.
    wide: f32,
}

impl Drift {
    fn new(sketch: &Sketch, rng: &mut Rng, horizon: f32, part: f32) -> Self {
        let room = 1.0 - horizon;
        let noise = Noise::new(rng.bits());
        let top = horizon + room * part.powf(1.4) * 0.92;
        let swing = (room * 0.28).min(0.15) * part + 0.003;
        let (wide, tilt) = (rng.range(0.7, 1.5) / (0.35 + part), rng.range(-0.8, 0.8) * swing);
        let line = move |x: f32| (top + swing * noise.fbm(x * wide, 0.5, 2) + tilt * (x - 0.5)).max(horizon);
        Self {
            noise,
            part,
            line: Profile::new(sketch, line),
            slope: Profile::new(sketch, |x| (line(x + 0.03) - line(x - 0.03)) / 0.06),
            length: room * (0.2 + 0.3 * part),
            wide,
        }
    }

    /// Paints it as far as the `next` one does not hide it.
    fn paint(&self, light: &Light, sketch: &mut Sketch, next: Option<&Self>) {
        let far = (1.0 - self.part).powi(2) * 0.28;
        let pixel = sketch.px();
        let grain = [self.wide * 1.6, 4.5 / (0.3 + self.part)];
        sketch.below(
            |x| self.line.at(x),
            |x, y, depth| {
                if next.is_some_and(|n| n.line.at(x) < y - pixel) {
                    return None;
                }
                let slope = self.slope.at(x);
                let along = self.noise.fbm(x * grain[0] + 9.0, y * grain[1], 2);
                // The brow catches the light; the hollow below it does not.
                let hollow = ramp(0.05, 0.75, depth / self.length + 0.25 * along);
                let facing = 0.85 - 1.55 * hollow + 3.0 * slope * light.side + 0.7 * along;
                Some(
                    Touch::new(snow(light, facing, far))
                        .angle(slope.atan() + 0.2 * along)
                        .breadth(0.8 + 0.7 * self.part),
                )
            },
        );
    }
}

/// Posts walking into the distance, growing smaller and closer together.
fn fence(light: &Light, sketch: &mut Sketch, rng: &mut Rng, horizon: f32) {
    let room = 1.0 - horizon;
    let from = [rng.range(-0.1, 0.25) * sketch.aspect, horizon + room * rng.range(0.55, 0.85)];
    let to = [rng.range(0.45, 0.9) * sketch.aspect, horizon + room * 0.06];
    let mirrored = rng.chance(0.5);
    let tall = (room * 0.3).min(0.13);
    for i in 0..rng.int(6, 9) {
        // Even steps on the ground shrink as one over the distance.
        let near = 1.0 / (1.0 + 0.55 * i as f32);
        let x = to[0] + (from[0] - to[0]) * near;
        let x = if mirrored { sketch.aspect - x } else { x };
        let foot = to[1] + (from[1] - to[1]) * near;
        let (height, lean) = (tall * near * rng.range(0.85, 1.1), rng.range(-0.1, 0.1));
        let width = (0.0075 * near).max(0.6 * sketch.px());
        let dark = light.on(WOOD, -0.3, 0.3 * (1.0 - near));
        let tip = [x + lean * height, foot - height];
        let shadow = snow(light, -0.8, 0.2 * (1.0 - near));
        let cast = [x - light.side * height * 1.3, foot + 0.25 * height];
        let strength = 0.75 * light.contrast;
        sketch.line([x, foot], cast, width, width * 0.7, |_, _| Some(Touch::new(shadow).cover(strength).breadth(0.4)));
        sketch.line([x, foot + 0.004], tip, width, width * 0.8, |px, _| {
            let lit = ramp(-0.3, 0.7, (px - x) / width * light.side);
            Some(Touch::new(mix(dark, light.on(WOOD, 1.0, 0.1), lit * 0.8)).angle(FRAC_PI_2).breadth(0.3))
        });
        let cap = [width * 1.1, width * 0.7];
        sketch.ellipse(tip, cap, |_, _| Some(Touch::new(snow(light, 0.8, 0.1)).breadth(0.3)));
    }
}

/// Dry stalks that stick out of the near snow in a few tufts.
fn grasses(light: &Light, sketch: &mut Sketch, rng: &mut Rng, horizon: f32) {
    for _ in 0..rng.int(2, 5) {
        let (cx, cy) = (rng.unit() * sketch.aspect, horizon + (1.0 - horizon) * rng.range(0.6, 1.0));
        for _ in 0..rng.int(4, 10) {
            let foot = [cx + 0.03 * rng.normal(), cy + 0.006 * rng.normal()];
            let (tall, lean) = (rng.range(0.02, 0.07), rng.range(-0.5, 0.5));
            let color = light.on(GRASS, rng.range(-0.7, 0.7), 0.03);
            let tip = [foot[0] + lean * tall, foot[1] - tall];
            let width = 0.0018f32.max(0.5 * sketch.px());
            sketch.line(foot, tip, width, 0.0006, |_, _| Some(Touch::new(color).angle(FRAC_PI_2).breadth(0.3)));
        }
    }
}
