//! Flat: gouache or poster; clean shapes, few values, crisp edges.
//!
//! Decision: a Kuwahara filter cuts away what is smaller than the scissors, then lightness is set to a few steps. The
//! steps' borders wander with slow noise, so that a gradient becomes hand-cut bands and not contour lines; a step is
//! as light as what it replaces.

use crate::color::{Rgb, luma, mix};
use crate::noise::Noise;
use crate::rng::Rng;
use crate::sketch::Sketch;

/// Sums over the rectangle from the corner: colour, luma, squared luma. f64, because differences of large sums are
/// taken.
struct Sums {
    stride: usize,
    at: Vec<[f64; 5]>,
}

/// Paints `sketch` as shapes of flat colour.
pub(super) fn paint(sketch: &Sketch, rng: &mut Rng) -> Vec<Rgb> {
    let (w, h) = (sketch.w, sketch.h);
    let scale = super::mark_scale(sketch);
    let radius = (rng.range(1.6, 3.0) * scale).round().max(1.0) as usize;
    let steps = rng.range(7.0, 11.0) / super::contrast(sketch).max(0.5);
    let (cut, tooth) = (Noise::new(rng.bits()), Noise::new(rng.bits()));
    let unit = 1.0 / (26.0 * scale);
    let mut color = cut_shapes(sketch, radius);
    // One more than needed, so that no level is below zero.
    let start = 1.5 + super::quiet_cut(color.iter().map(|c| luma(*c) * steps));
    let level: Vec<f32> = color
        .iter()
        .enumerate()
        .map(|(i, c)| {
            let (x, y) = ((i % w) as f32, (i / w) as f32);
            luma(*c) * steps + start + 0.2 * cut.at(x * unit, y * unit) + 0.05 * cut.at(x * unit * 3.3, y * unit * 3.3)
        })
        .collect();
    let values = step_values(&level);
    for y in 0..h {
        for x in 0..w {
            let i = y * w + x;
            let (right, below) = (level[y * w + (x + 1).min(w - 1)], level[(y + 1).min(h - 1) * w + x]);
            let wide = ((right - level[i]).abs() + (below - level[i]).abs()).clamp(0.01, 1.0);
            let grain = 1.0 + 0.012 * tooth.at(x as f32 * 0.7, y as f32 * 0.7);
            let value = luma(color[i]).max(0.02);
            // 0.85: a breath of the modelling stays.
            let change = 0.85 * (stepped(&values, level[i], wide) - level[i]) / steps;
            let factor = (1.0 + change / value).clamp(0.6, 1.5) * grain;
            color[i] = color[i].map(|v| (v * factor).min(1.0));
        }
    }
    color
}

/// The mean level of what falls to each step.
fn step_values(level: &[f32]) -> Vec<f32> {
    let highest = level.iter().copied().fold(0.0, f32::max).max(0.0) as usize;
    let mut sums = vec![(0.0f64, 0.0f64); highest + 2];
    for l in level {
        let step = &mut sums[(l + 0.5).max(0.0) as usize];
        *step = (step.0 + f64::from(*l), step.1 + 1.0);
    }
    sums.iter().enumerate().map(|(i, (sum, n))| if *n > 0.0 { (sum / n) as f32 } else { i as f32 }).collect()
}

/// The value of the step nearest to `level`; the border between steps is `wide` across.
fn stepped(values: &[f32], level: f32, wide: f32) -> f32 {
    let below = level.max(0.0) as usize;
    let t = ((level - below as f32 - 0.5) / wide + 0.5).clamp(0.0, 1.0);
    values[below] + (values[below + 1] - values[below]) * t
}

/// Every pixel takes the mean of the four squares it is a corner of, the calmest nearly alone: softer than a choice,
/// so that borders stay smooth.
fn cut_shapes(sketch: &Sketch, radius: usize) -> Vec<Rgb> {
    let (w, h) = (sketch.w, sketch.h);
    let sums = Sums::of(sketch);
    let mut out = Vec::with_capacity(w * h);
    for y in 0..h {
        let (top, bottom) = (y.saturating_sub(radius), (y + radius + 1).min(h));
        for x in 0..w {
            let (left, right) = (x.saturating_sub(radius), (x + radius + 1).min(w));
            let squares =
                [[left, top, x + 1, y + 1], [x, top, right, y + 1], [left, y, x + 1, bottom], [x, y, right, bottom]];
            let (mut weight, mut color) = (0.0, [0.0; 3]);
            for square in squares {
                let [r, g, b, l, l2] = sums.mean(square);
                let calm = 1.0 / (1e-4 + (l2 - l * l).max(0.0)).powi(3);
                weight += calm;
                color = [color[0] + calm * r, color[1] + calm * g, color[2] + calm * b];
            }
            // Fine brushwork is left as it is, or masts and windows would be cut away.
            let i = y * w + x;
            let fine = super::ramp(-0.65, -0.4, -sketch.breadth[i]);
            out.push(mix(color.map(|v| (v / weight) as f32), sketch.color[i], fine));
        }
    }
    out
}

impl Sums {
    fn of(sketch: &Sketch) -> Self {
        let stride = sketch.w + 1;
        let mut at = vec![[0.0; 5]; stride * (sketch.h + 1)];
        for y in 0..sketch.h {
            let mut row = [0.0; 5];
            for x in 0..sketch.w {
                let c = sketch.color[y * sketch.w + x];
                let l = f64::from(luma(c));
                let here = [f64::from(c[0]), f64::from(c[1]), f64::from(c[2]), l, l * l];
                row = [0, 1, 2, 3, 4].map(|k| row[k] + here[k]);
                let above = at[y * stride + x + 1];
                at[(y + 1) * stride + x + 1] = [0, 1, 2, 3, 4].map(|k| above[k] + row[k]);
            }
        }
        Self { stride, at }
    }

    fn mean(&self, [x0, y0, x1, y1]: [usize; 4]) -> [f64; 5] {
        let corner = |x: usize, y: usize| &self.at[y * self.stride + x];
        let (a, b, c, d) = (corner(x0, y0), corner(x1, y0), corner(x0, y1), corner(x1, y1));
        let share = 1.0 / ((x1 - x0) * (y1 - y0)) as f64;
        [0, 1, 2, 3, 4].map(|k| (d[k] - b[k] - c[k] + a[k]) * share)
    }
}
