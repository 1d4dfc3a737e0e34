//! Watercolour: transparent washes on white paper that bleed, dry with dark rims, granulate and bloom.
//!
//! Decision: everything is density of pigment over paper. The sketch is read through a wandering lens (bleeding), its
//! density set partly to a few washes, and every border of a wash gets its rim from the difference to its softened
//! self.

use crate::color::{Rgb, luma, multiply};
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::Sketch;

/// The paper: white, a little warm.
const PAPER: Rgb = [0.985, 0.975, 0.95];
/// How much of the sketch's density is laid down; the rest is paper shining through.
const STRENGTH: f32 = 0.91;
/// Density up to which the paper is left bare.
const BARE: f32 = 0.05;
/// The densest a wash gets.
const DENSEST: f32 = 2.7;

/// A backrun: water pushed pigment outwards.
struct Bloom {
    at: [f32; 2],
    radius: f32,
}

/// Paints `sketch` in washes.
pub(super) fn paint(sketch: &Sketch, rng: &mut Rng) -> Vec<Rgb> {
    let (w, h) = (sketch.w, sketch.h);
    let scale = super::mark_scale(sketch);
    let (bleed, grain) = (Noise::new(rng.bits()), Noise::new(rng.bits()));
    let wander = rng.range(1.5, 3.5) * scale;
    let steps = rng.range(3.5, 6.0);
    let unit = 1.0 / scale;
    let body = |c: Rgb| -luma(c).max(0.02).ln();
    let start = super::quiet_cut(sketch.color.iter().step_by(7).map(|c| body(*c) * steps));
    let mut color = Vec::with_capacity(w * h);
    let mut density = Vec::with_capacity(w * h);
    for y in 0..h {
        for x in 0..w {
            let (u, v) = (x as f32 * unit, y as f32 * unit);
            let slow = [bleed.at(u * 0.05, v * 0.05), bleed.at(u * 0.05 + 40.0, v * 0.05)];
            let fast = [bleed.at(u * 0.2 + 90.0, v * 0.2), bleed.at(u * 0.2, v * 0.2 + 70.0)];
            let shift = |k: usize| wander * (0.6 * slow[k] + 0.4 * fast[k]);
            let c = read(sketch, x as f32 + shift(0), y as f32 + shift(1));
            let body = body(c);
            // Each wash ends where it dried; lights stay free of washes.
            let level = body * steps + start + 0.25 * slow[0] + 0.12 * fast[1];
            let floor = level.floor();
            let washed = (floor + super::ramp(0.4, 0.6, level - floor) - level) / steps * super::ramp(0.0, 0.3, body);
            // Pigment pools.
            let pool = 0.06 * slow[1];
            color.push(c);
            density.push((body - BARE + 0.5 * washed).max(0.0) * STRENGTH * (1.0 + pool));
        }
    }
    let soft = super::soften(&density, w, (3.0 * scale).round().max(1.0) as usize);
    let blooms = blooms(sketch, rng);
    let margin = margin(sketch, rng);
    let mut out = Vec::with_capacity(w * h);
    for y in 0..h {
        for x in 0..w {
            let i = y * w + x;
            let (u, v) = (x as f32, y as f32);
            // Turned, so that the noise's lattice does not show.
            let (p, q) = (0.8 * u + 0.6 * v, 0.8 * v - 0.6 * u);
            let rough = 0.6 * grain.at(p * 0.85, q * 0.85) + 0.4 * grain.at(q * 0.37, p * 0.37);
            let rim = (density[i] - soft[i]).clamp(0.0, 0.4);
            let mut laid = density[i] + 0.6 * rim;
            laid *= 1.0 + 0.15 * rough;
            if margin > 0.0 || !blooms.is_empty() {
                let wobble =
                    1.6 * bleed.at(p * unit * 0.08, q * unit * 0.08) + bleed.at(q * unit * 0.27, p * unit * 0.27);
                laid *= blooms.iter().map(|b| b.push(u, v, wobble)).product::<f32>();
                laid *= margin_cover(sketch, margin, u, v, wobble * scale);
            }
            out.push(wash_over_paper(color[i], laid.min(DENSEST), 1.0 + 0.012 * rough));
        }
    }
    out
}

/// The sketch between its pixels.
fn read(sketch: &Sketch, x: f32, y: f32) -> Rgb {
    let (x, y) = (x.clamp(0.0, sketch.w as f32 - 1.001), y.clamp(0.0, sketch.h as f32 - 1.001));
    let (column, row) = (x as usize, y as usize);
    let i = row * sketch.w + column;
    let across = |i: usize| crate::color::mix(sketch.color[i], sketch.color[i + 1], x - column as f32);
    crate::color::mix(across(i), across(i + sketch.w), y - row as f32)
}

/// Pigment of the hue of `color`, `density` thick, on paper of some `tooth`.
fn wash_over_paper(color: Rgb, density: f32, tooth: f32) -> Rgb {
    // The same hue at another density: every channel's own density in proportion.
    let own = (-luma(color).max(0.02).ln()).max(0.05);
    let thick = density / own;
    let through = color.map(|v| v.max(0.02).powf(thick));
    multiply(through, PAPER).map(|v| (v * tooth).clamp(0.0, 1.0))
}

/// None to two blooms, too ragged to be taken for a moon.
fn blooms(sketch: &Sketch, rng: &mut Rng) -> Vec<Bloom> {
    let short = sketch.w.min(sketch.h) as f32;
    (0..rng.int(0, 2))
        .map(|_| Bloom {
            at: [rng.unit() * sketch.w as f32, rng.unit() * sketch.h as f32],
            radius: short * rng.range(0.05, 0.14),
        })
        .collect()
}

impl Bloom {
    /// Factor on density: thin inside, a crinkled dark rim, nothing outside.
    fn push(&self, x: f32, y: f32, wobble: f32) -> f32 {
        let inside = self.radius - (x - self.at[0]).hypot(y - self.at[1]) + wobble * self.radius * 0.5;
        let near = inside / self.radius;
        if near < -0.2 {
            return 1.0;
        }
        let rim = (1.0 - (near * 9.0).abs()).max(0.0);
        1.0 + 0.10 * rim - 0.16 * super::ramp(0.0, 0.25, near) * (1.0 - near * 0.7)
    }
}

/// Width of the unpainted border in pixels; none on two of three sheets.
fn margin(sketch: &Sketch, rng: &mut Rng) -> f32 {
    let short = sketch.w.min(sketch.h) as f32;
    if rng.chance(0.35) { short * rng.range(0.02, 0.045) } else { 0.0 }
}

/// How much pigment is laid near the border: none outside, more at the rim.
fn margin_cover(sketch: &Sketch, margin: f32, x: f32, y: f32, wobble: f32) -> f32 {
    if margin == 0.0 {
        return 1.0;
    }
    let to_edge = x.min(y).min(sketch.w as f32 - 1.0 - x).min(sketch.h as f32 - 1.0 - y);
    let inside = to_edge - margin + wobble * 0.5;
    let rim = (1.0 - (inside - 1.5).abs() / 2.0).max(0.0);
    (inside + 0.5).clamp(0.0, 1.0) * (1.0 + 0.25 * rim)
}
