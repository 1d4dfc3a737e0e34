//! Rock and peaks: ranges behind each other, paler with distance, over foothills and a valley floor.
//!
//! Decision: a mountain is a lit face and a shaded face that meet in a jagged spine running down from the peak. Snow
//! and rock, spurs and gullies only vary these two.

use super::things::{self, LEAVES, NEEDLES, STONE, Woods};
use super::{field, sky};
use crate::color::{Rgb, hex, mix, scale};
use crate::facts::Facts;
use crate::light::Light;
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::{Sketch, Touch};

/// Snow in daylight.
const SNOW: Rgb = hex(0xf3f4f6);

/// One peak: where, how high above the range's foot, how steep to either side.
#[derive(Clone, Copy)]
struct Peak {
    x: f32,
    height: f32,
    steep: [f32; 2],
}

/// A range of peaks.
struct Range {
    peaks: Vec<Peak>,
    foot: f32,
    noise: Noise,
    jagged: f32,
    /// Snow lies down to this much below the highest peak; 0 if none.
    snow: f32,
    rock: Rgb,
    far: f32,
}

impl Range {
    /// How high the range stands at `x`, and the peak that makes it so high there.
    fn at(&self, x: f32) -> (f32, Peak) {
        let mut best = (-1.0, self.peaks[0]);
        for peak in &self.peaks {
            let away = x - peak.x;
            let height = peak.height - away.abs() * peak.steep[usize::from(away > 0.0)];
            if height > best.0 {
                best = (height, *peak);
            }
        }
        let jag = self.jagged * (self.noise.fbm(x * 7.0, 0.5, 4) + 0.6 * self.noise.ridged(x * 4.0, 9.0, 2) - 0.4);
        ((best.0 + jag).max(0.004), best.1)
    }
}

/// Lays it in.
pub fn lay_in(facts: &Facts, sketch: &mut Sketch, rng: &mut Rng) {
    let light = Light::new(facts, rng);
    sky::lay_in(facts, &light, sketch, rng);
    let horizon = facts.horizon.unwrap_or(0.5);
    let rock = *rng.pick(&[hex(0x7d7884), hex(0x8a7f78), hex(0x6f7580), hex(0x94806e), hex(0x7c8078)]);
    let count = rng.int(2, 4);
    let snowy = rng.chance(0.7);
    let tallest = horizon * rng.range(0.55, 0.8);
    let mut ranges = Vec::new();
    for i in 0..count {
        let t = i as f32 / count as f32;
        let range = range(rng, sketch.aspect, horizon, tallest * (1.0 - 0.72 * t), t);
        let snow = if snowy && t < 0.6 { tallest * rng.range(0.35, 0.6) * (1.0 - t) } else { 0.0 };
        let rock = mix(rock, hex(0x5f6b4e), if snow > 0.0 { 0.0 } else { 0.75 * t });
        ranges.push(Range { snow, rock, ..range });
    }
    for (i, range) in ranges.iter().enumerate() {
        paint(sketch, &light, range, ranges.get(i + 1));
    }
    valley(facts, sketch, &light, rng, horizon);
}

fn range(rng: &mut Rng, aspect: f32, foot: f32, tallest: f32, near: f32) -> Range {
    let count = (2.0 + aspect * rng.range(1.2, 2.4)) as u32;
    let turn = rng.unit();
    let main = rng.int(0, count - 1);
    let peaks = (0..count)
        .map(|i| {
            let x = aspect * ((i as f32 + turn) / count as f32 * 1.2 - 0.1) + rng.range(-0.06, 0.06);
            let height = tallest * if i == main { 1.0 } else { rng.range(0.45, 0.85) };
            let steep =
                [rng.range(0.55, 1.15), rng.range(0.55, 1.15)].map(|s: f32| s * (0.45 + tallest * 1.2).min(1.0));
            Peak { x, height, steep }
        })
        .collect();
    let jagged = tallest * rng.range(0.1, 0.2);
    Range { peaks, foot, noise: Noise::new(rng.bits()), jagged, snow: 0.0, rock: SNOW, far: 0.72 * (1.0 - near) + 0.06 }
}

/// Paints one range, as far as the one before it does not hide it.
fn paint(sketch: &mut Sketch, light: &Light, range: &Range, before: Option<&Range>) {
    let h = sketch.h as f32;
    let columns: Vec<(f32, Peak)> = (0..sketch.w).map(|c| range.at((c as f32 + 0.5) / h)).collect();
    let hidden: Vec<f32> =
        (0..sketch.w).map(|c| before.map_or(-1.0, |r| r.at((c as f32 + 0.5) / h).0 - 2.0 / h)).collect();
    let highest = columns.iter().map(|c| c.0).fold(0.0, f32::max);
    let k = 2.4 / (0.12 + highest);
    let noise = range.noise;
    sketch.lay([0.0, range.foot - highest - 0.01, sketch.aspect, range.foot + 0.01], |x, y| {
        let column = ((x * h) as usize).min(columns.len() - 1);
        let (height, peak) = columns[column];
        let up = range.foot - y;
        if up > height + 1.0 / h || up < hidden[column] {
            return None;
        }
        // Two mountains meet in a winding gully, not on a plumb line.
        let winding = x + 0.09 * highest * noise.at(up * k * 3.0, 17.0);
        let peak = if (height - up) * h < 2.0 {
            peak
        } else {
            columns[((winding.max(0.0) * h) as usize).min(columns.len() - 1)].1
        };
        let cover = (0.5 + (height - up) * h).clamp(0.0, 1.0);
        if cover <= 0.0 {
            return None;
        }
        let down = peak.height - up;
        // The spine wanders as it comes down; spurs leave it to both sides.
        let spine =
            peak.x + 0.35 * down * noise.at(down * k * 1.6, peak.x * 9.0) + 0.12 * down * noise.at(down * k * 5.0, 3.0);
        let side = ((x - spine) / (0.012 + 0.1 * down)).clamp(-1.0, 1.0);
        let (u, v) = (x * k * 2.2 + side * down * k * 1.4, up * k * 1.1);
        let spur = noise.ridged(u, v, 2) - noise.ridged(u + 0.22, v, 2);
        let facing = (light.side * (0.75 * side + 4.5 * spur)).clamp(-1.0, 1.0);
        let rough = noise.fbm(x * k * 6.0, y * k * 9.0, 2);
        let snowline =
            highest - range.snow * (1.0 + 0.55 * rough + 0.35 * spur * 6.0) + 0.12 * range.snow * side * light.side;
        let snow = range.snow > 0.0 && up > snowline;
        let base = (1.0 - up / (0.12 + highest)).clamp(0.0, 1.0);
        let local = if snow { SNOW } else { scale(range.rock, 1.0 + 0.18 * rough) };
        let dark = if facing < 0.0 && !snow { 0.72 } else { 1.0 };
        // Haze gathers at the foot of a range, so that the next stands out before it.
        let color = light.on(scale(local, dark), facing, range.far * (0.75 + 0.5 * base * base));
        let angle = (1.0 + 0.3 * rough) * if side < 0.0 { -1.0 } else { 1.0 };
        Some(Touch::new(color).cover(cover).angle(-angle.signum() * -0.9 + 0.3 * rough).breadth(0.8))
    });
}

/// The land before the mountains: woods along their foot, a valley floor, a stream perhaps, broken ground in front.
fn valley(facts: &Facts, sketch: &mut Sketch, light: &Light, rng: &mut Rng, horizon: f32) {
    let stony = rng.chance(0.35);
    let local = if stony { [*rng.pick(&STONE), hex(0x8f8a62)] } else { [*rng.pick(&LEAVES), hex(0xa59f5c)] };
    let ground =
        field::Ground { far_edge: horizon, noise: Noise::new(rng.bits()), local, patches: rng.range(0.6, 1.0) };
    sketch.below(|_| horizon, |x, y, _| Some(ground.touch(light, x, y, None)));
    let stream = horizon < 0.72 && rng.chance(0.35);
    if stream {
        river(sketch, light, rng, ground);
    }
    let needles = *rng.pick(&NEEDLES);
    if horizon < 0.7 && !stream && rng.chance(0.7) {
        spurs(sketch, light, rng, ground, needles);
    }
    let edges = if horizon < 0.6 { 3 } else { 2 };
    for i in 0..edges {
        let t = i as f32 / 3.0;
        let gaps = Noise::new(rng.bits());
        let base = horizon + (1.0 - horizon) * 0.32 * t * t + 0.004;
        let height = 0.022 + 0.05 * t * t + 0.02 * t;
        let far = 0.5 * (1.0 - t) + 0.05;
        let woods = Woods { noise: Noise::new(rng.bits()), height, conifer: true, leaf: needles, far };
        // Nearer woods keep to the sides and leave the valley open.
        let open = if i == 0 { 0.45 } else { -0.35 };
        let middle = sketch.aspect * 0.5;
        woods.paint(
            sketch,
            light,
            [0.0, sketch.aspect],
            |x| base + 0.01 * gaps.at(x * 3.0, 5.0),
            |x| {
                open + 1.3 * gaps.fbm(x * 1.8, 1.0, 2)
                    + if i == 0 { 0.0 } else { 0.9 * ((x - middle) / middle).abs().powi(2) }
            },
        );
    }
    things::place(facts, light, sketch, rng, |_, distance| ground.stand(distance));
}

/// Slopes that come down from the sides into the valley, dark with trees along their backs.
fn spurs(sketch: &mut Sketch, light: &Light, rng: &mut Rng, ground: field::Ground, needles: Rgb) {
    let (aspect, depth) = (sketch.aspect, 1.0 - ground.far_edge);
    let first = if rng.chance(0.5) { 1.0 } else { -1.0 };
    let grass = [mix(ground.local[0], hex(0x4f6240), 0.35), mix(ground.local[1], hex(0x7d7a4a), 0.35)];
    for i in 0..rng.int(1, 3) {
        let t = 0.06 + 0.24 * i as f32 + rng.range(0.0, 0.06);
        // They come from one side and the other by turns.
        let from = if (i % 2 == 0) == (first > 0.0) { 0.0 } else { aspect };
        let (top, fall) = (ground.far_edge + depth * t, depth * rng.range(0.25, 0.42) / aspect);
        let noise = Noise::new(rng.bits());
        let line = |x: f32| {
            let away = (x - from).abs();
            top + fall * away * (0.6 + 0.7 * away / aspect) + 0.035 * noise.fbm(x * 3.5, 0.5, 2)
        };
        let far = 0.45 * (1.0 - t).powi(2);
        let turned = if (from > 0.0) == (light.side > 0.0) { -0.35 } else { 0.45 };
        sketch.below(line, |x, y, down| {
            let rough = noise.fbm(x * 8.0, y * 14.0, 3);
            let facing = turned + 0.5 * rough + 0.25 - 2.0 * down;
            let color = light.on(mix(grass[0], grass[1], 0.5 + 0.8 * rough), facing, far);
            let run = if from > 0.0 { -0.3 } else { 0.3 };
            Some(Touch::new(color).angle(run + 0.3 * rough))
        });
        let woods = Woods { noise, height: 0.03 + 0.08 * t, conifer: true, leaf: needles, far };
        woods.paint(
            sketch,
            light,
            [0.0, aspect],
            |x| line(x) + 0.012,
            |x| 0.75 - 1.6 * (x - from).abs() / aspect + 0.8 * noise.fbm(x * 2.5, 9.0, 2),
        );
    }
}

/// A stream that winds down the valley and carries the sky.
fn river(sketch: &mut Sketch, light: &Light, rng: &mut Rng, ground: field::Ground) {
    let aspect = sketch.aspect;
    let (from, to) = (aspect * rng.range(0.3, 0.7), aspect * rng.range(0.35, 0.65));
    let (swing, phase) = (rng.range(0.1, 0.2) * aspect, rng.range(0.0, 6.0));
    let noise = Noise::new(rng.bits());
    sketch.lay([0.0, ground.far_edge + 0.01, aspect, 1.0], |x, y| {
        let t = ((y - ground.far_edge) / (1.0 - ground.far_edge)).clamp(0.0, 1.0);
        let middle = to + (from - to) * t + swing * (phase + 7.0 * t.sqrt()).sin() * t.sqrt();
        let half = 0.006 + 0.14 * t * t + 0.03 * t;
        let bank = (x - middle).abs() / half + 0.25 * noise.at(x * 18.0, y * 30.0);
        let cover = ((1.1 - bank) * half * 90.0).clamp(0.0, 1.0);
        let ripple = noise.at(x * 10.0, y * 70.0);
        let sky = light.sky_at(0.95 - 0.6 * t + 0.15 * ripple);
        (cover > 0.0).then(|| Touch::new(scale(sky, 0.92 - 0.12 * t)).cover(cover).breadth(0.6))
    });
}
