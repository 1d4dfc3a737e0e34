//! The manners: how a laid-in sketch becomes a painting.
//!
//! Decision: a manner sees only the sketch (colours, stroke angle, stroke breadth), never the facts, so every scene
//! can be painted in every manner and what the sketch shows is what the picture shows.

mod charcoal;
mod flat;
mod impasto;
mod oil;
mod strokes;
mod watercolor;

use crate::color::Rgb;
use crate::facts::Manner;
use crate::rng::Rng;
use crate::sketch::Sketch;

/// Paints `sketch` in `manner`; row by row, as wide and high as the sketch.
pub fn paint(manner: Manner, sketch: &Sketch, rng: &mut Rng) -> Vec<Rgb> {
    match manner {
        Manner::Oil => oil::paint(sketch, rng),
        Manner::Flat => flat::paint(sketch, rng),
        Manner::Impasto => impasto::paint(sketch, rng),
        Manner::Watercolor => watercolor::paint(sketch, rng),
        Manner::Charcoal => charcoal::paint(sketch, rng),
    }
}

/// How large a mark is that is one pixel on a picture with a short side of 256: marks grow slower than pictures do.
fn mark_scale(sketch: &Sketch) -> f32 {
    (sketch.w.min(sketch.h) as f32 / 256.0).powf(0.6)
}

/// Mean colour of the sketch.
fn mean(sketch: &Sketch) -> Rgb {
    let n = sketch.color.len() as f32;
    let sum = sketch.color.iter().fold([0.0f32; 3], |s, c| [s[0] + c[0], s[1] + c[1], s[2] + c[2]]);
    sum.map(|v| v / n)
}

/// How far the sketch's colours lie apart, 1 = an ordinary motif; fog and night have less. A painter looks closer
/// then.
fn contrast(sketch: &Sketch) -> f32 {
    let middle = mean(sketch);
    let off = |c: &Rgb| (0..3).map(|k| (c[k] - middle[k]).powi(2)).sum::<f32>();
    let variance = sketch.color.iter().map(off).sum::<f32>() / (3 * sketch.color.len()) as f32;
    (variance.sqrt() / 0.14).clamp(0.35, 1.0)
}

/// What to add to `levels` so that the cuts between whole steps (at every half) run where few of them lie: a cut
/// through a wide calm area would break it into islands.
fn quiet_cut(levels: impl Iterator<Item = f32>) -> f32 {
    const BINS: usize = 16;
    let mut counts = [0usize; BINS];
    levels.for_each(|l| counts[(((l - l.floor()) * BINS as f32) as usize).min(BINS - 1)] += 1);
    let around = |bin: usize| (0..5).map(|k| counts[(bin + BINS + k - 2) % BINS]).sum::<usize>();
    let calmest = (0..BINS).min_by_key(|&bin| around(bin)).unwrap_or(0);
    0.5 - (calmest as f32 + 0.5) / BINS as f32
}

/// A plane of `w` columns averaged over squares of side `2 * radius + 1`; edges repeat.
fn soften(plane: &[f32], w: usize, radius: usize) -> Vec<f32> {
    let h = plane.len() / w;
    let share = 1.0 / (2 * radius + 1) as f32;
    let mut across = vec![0.0; plane.len()];
    for (row, out) in plane.chunks_exact(w).zip(across.chunks_exact_mut(w)) {
        let at = |x: usize| row[x.saturating_sub(radius).min(w - 1)];
        let mut sum: f32 = (0..=2 * radius).map(at).sum();
        for (x, out) in out.iter_mut().enumerate() {
            *out = sum * share;
            sum += at(x + 2 * radius + 1) - at(x);
        }
    }
    let row = |y: usize| {
        let top = y.saturating_sub(radius).min(h - 1) * w;
        &across[top..top + w]
    };
    let mut sums = vec![0.0; w];
    (0..=2 * radius).for_each(|y| sums.iter_mut().zip(row(y)).for_each(|(s, v)| *s += v));
    let mut down = Vec::with_capacity(plane.len());
    for y in 0..h {
        down.extend(sums.iter().map(|s| s * share));
        let (enter, leave) = (row(y + 2 * radius + 1), row(y));
        sums.iter_mut().zip(enter.iter().zip(leave)).for_each(|(s, (e, l))| *s += e - l);
    }
    down
}

/// 0 below `from`, 1 above `to`, smooth between.
fn ramp(from: f32, to: f32, v: f32) -> f32 {
    let t = ((v - from) / (to - from)).clamp(0.0, 1.0);
    t * t * (3.0 - 2.0 * t)
}
