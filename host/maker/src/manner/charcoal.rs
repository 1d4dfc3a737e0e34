//! Charcoal: black on toned paper, hatched, smudged, with a few lights of white chalk.
//!
//! Decision: values only, stretched to the range charcoal has. The stick's pressure is a plane of hatching strokes
//! along the sketch's angle; whether the paper takes the charcoal at a pixel is decided by its tooth.

use super::strokes::Stroke;
use crate::color::{Rgb, hex, luma, mix};
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::Sketch;

/// Charcoal at its blackest.
const BLACK: Rgb = hex(0x171513);
/// White chalk.
const CHALK: Rgb = hex(0xf6f2e8);

/// Draws `sketch` with charcoal.
pub(super) fn paint(sketch: &Sketch, rng: &mut Rng) -> Vec<Rgb> {
    let (w, h) = (sketch.w, sketch.h);
    let scale = super::mark_scale(sketch);
    let paper = *rng.pick(&[hex(0xe3d9c4), hex(0xd6cbb4), hex(0xc4bca9), hex(0xb9b7b0), hex(0xcdb896)]);
    let tone = luma(paper);
    let value = stretched(sketch);
    let smudged = super::soften(&value, w, (2.5 * scale).round().max(1.0) as usize);
    let hatch = hatching(sketch, scale, rng);
    let tooth = Noise::new(rng.bits());
    // The paper's tooth is as coarse on a small sheet; it bites less there, or it would eat the drawing.
    let bite = 0.35 / scale.min(1.0);
    let rubbed = rng.range(0.45, 0.7);
    let mut out = Vec::with_capacity(w * h);
    for y in 0..h {
        for x in 0..w {
            let i = y * w + x;
            let (u, v) = (x as f32, y as f32);
            let (p, q) = (0.8 * u + 0.6 * v, 0.8 * v - 0.6 * u);
            let grain = 0.75 * tooth.at(p * 0.9, q * 0.9) + 0.25 * tooth.at(q * 0.35, p * 0.35);
            // Where a dark shape ends against a light one the stick draws the border.
            let contour = (smudged[i] - value[i]).clamp(0.0, 0.2);
            // Some borders are lost.
            let lost = super::ramp(0.0, 0.6, tooth.at(p * 0.025 / scale, q * 0.025 / scale)) * 0.7;
            let value = (value[i] - contour * 0.8) * (1.0 - lost) + smudged[i] * lost;
            let dark = ((tone - value) / tone).clamp(0.0, 1.0);
            let pressure = dark * (1.0 + 0.3 * hatch[i]) + 0.05 * hatch[i] * (1.0 - dark);
            let caught = super::ramp(-bite, bite, pressure * 1.5 - 0.62 - 0.45 * grain);
            let black = (rubbed * pressure + (1.0 - rubbed) * caught).clamp(0.0, 1.0);
            let light = super::ramp(tone + 0.02, 1.0, value + 0.06 * hatch[i]);
            let chalk = light * super::ramp(-0.6, 0.5, grain + light * 0.9 - 0.2) * 0.85;
            let sheet = paper.map(|c| c * (1.0 + 0.02 * grain));
            out.push(mix(mix(sheet, CHALK, chalk), BLACK, black));
        }
    }
    out
}

/// Values of the sketch, stretched most of the way to where a few pixels in a hundred are black and white; not all
/// the way, so that fog stays fog.
fn stretched(sketch: &Sketch) -> Vec<f32> {
    let mut counts = [0usize; 256];
    let value: Vec<f32> = sketch.color.iter().map(|c| luma(*c)).collect();
    value.iter().for_each(|v| counts[(v * 255.0).clamp(0.0, 255.0) as usize] += 1);
    let ranked = |rank: usize| {
        let mut seen = 0;
        let found = counts.iter().position(|n| {
            seen += n;
            seen > rank
        });
        found.unwrap_or(255) as f32 / 255.0
    };
    let few = value.len() / 40;
    let (low, high) = (ranked(few), ranked(value.len() - 1 - few));
    let (low, high) = (low.min(0.6) * 0.8, 1.0 - (1.0 - high.max(0.4)) * 0.75);
    value.iter().map(|v| ((v - low) / (high - low)).clamp(0.0, 1.0).powf(0.85)).collect()
}

/// Pressure of the stick, -1..1: short strokes side by side, crossed in some drawings.
fn hatching(sketch: &Sketch, scale: f32, rng: &mut Rng) -> Vec<f32> {
    let (w, h) = (sketch.w, sketch.h);
    let mut plane = vec![0.0f32; w * h];
    let radius = rng.range(1.0, 1.7) * scale.max(0.8);
    let tilt = *rng.pick(&[0.0, 0.0, 0.5, -0.7]);
    let cell = radius * 3.0;
    let (columns, rows) = ((w as f32 / cell).ceil() as usize, (h as f32 / cell).ceil() as usize);
    for _ in 0..columns * rows {
        let at = [rng.unit() * w as f32, rng.unit() * h as f32];
        let pixel = (at[1] as usize).min(h - 1) * w + (at[0] as usize).min(w - 1);
        let long = radius * rng.range(4.0, 9.0);
        let angle = sketch.angle[pixel] + tilt + 0.1 * rng.normal();
        let stroke = Stroke { at, angle, bend: 0.05 * rng.normal() / long, reach: [long; 2], radius, stopped: true };
        let press = rng.range(-1.0, 1.0);
        stroke.each(w, h, |i, along, across| {
            let cover = ((1.0 - across.abs()) * radius + 0.5).min(1.0) * (1.0 - along / (2.4 * long));
            plane[i] += (press - plane[i]) * cover * 0.85;
        });
    }
    plane
}
