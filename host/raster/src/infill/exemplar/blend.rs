//! The last step: from matches to pixels.
//!
//! Decision: every hole pixel is copied from the source of its own patch, not averaged. Where neighbours were
//! copied from different places, and at the hole's edge, a screened Poisson equation (Pérez et al. 2003;
//! Bhat et al. 2008) spreads the step over a few pixels: the differences inside the copies are kept, the
//! steps between them become what the sources show there.

use super::level::{Kind, Level};
use super::search::{Field, NONE, REACH};
use crate::{Cancelled, Image, Job};
use rayon::prelude::*;

/// How strongly a pixel holds on to its copied value: steps fade over about `1 / sqrt(HOLD)` pixels.
const HOLD: f32 = 0.02;
/// A step of this size counts half: a large one is an edge that should stay, not a seam to spread as haze.
const EDGE: f32 = 0.15;
const ITERATIONS: u32 = 40;
/// Unknowns that are summed by one thread.
const RUN: usize = 4096;

type Rgb = [f32; 3];

/// `image` with its hole filled from the sources of the matches.
pub(super) fn finish(
    image: &Image,
    hole: &[bool],
    level: &Level,
    field: &Field,
    job: &dyn Job,
) -> Result<Image, Cancelled> {
    let w = image.extent().w as usize;
    let mut out = image.clone();
    for (i, _) in hole.iter().enumerate().filter(|(_, h)| **h) {
        let at = (i / w + REACH) * level.stride + i % w + REACH;
        let s = field.source[at] as usize;
        if s != NONE {
            let (x, y) = (s % level.stride - REACH, s / level.stride - REACH);
            out.set_pixel((i % w) as u32, (i / w) as u32, image.pixel(x as u32, y as u32));
        }
    }
    let unknown: Vec<usize> = (0..level.kind.len()).filter(|&i| level.kind[i] == Kind::Hole).collect();
    for (&at, fix) in unknown.iter().zip(correction(level, field, &unknown, job)?) {
        let (x, y) = (at % level.stride - REACH, at / level.stride - REACH);
        let rgba = &mut out.data_mut()[4 * (y * w + x)..][..3];
        (0..3).for_each(|c| rgba[c] = (rgba[c] + fix[c]).clamp(0.0, 1.0));
    }
    Ok(out)
}

/// What to add to the copied texels of the hole, which are `unknown`. With c the copies, it minimises over the hole
/// `sum w_qr (u_q - u_r - (g_qr - (c_q - c_r)))^2 + HOLD sum u_q^2`, where g is the sources' own difference,
/// w is smaller for steps beyond [`EDGE`] and u is 0 on known texels; by conjugate gradients from 0.
fn correction(level: &Level, field: &Field, unknown: &[usize], job: &dyn Job) -> Result<Vec<Rgb>, Cancelled> {
    let stride = level.stride;
    let neighbours = |i: usize| [i - 1, i + 1, i - stride, i + stride];
    let in_hole = |i: usize| level.kind[i] == Kind::Hole;
    let known = |i: usize| matches!(level.kind[i], Kind::Known | Kind::Near);
    let source = |i: usize| field.source[i] as usize;
    let color = |i: usize| -> Rgb { [level.texels[i][0], level.texels[i][1], level.texels[i][2]] };
    let copy = |i: usize| if in_hole(i) && source(i) != NONE { color(source(i)) } else { color(i) };
    let minus = |a: Rgb, b: Rgb| [a[0] - b[0], a[1] - b[1], a[2] - b[2]];

    // Each unknown's neighbours among the unknowns; the one behind the last stands for everything else, where u is 0.
    let mut number = vec![unknown.len() as u32; level.kind.len()];
    unknown.iter().zip(0..).for_each(|(&i, k)| number[i] = k);
    let beside: Vec<[u32; 4]> = unknown.par_iter().map(|&q| neighbours(q).map(|r| number[r])).collect();
    drop(number);
    // Right-hand side, and how much each step to a neighbour counts.
    let equation = |&q: &usize| {
        let (mut sum, mut weights) = ([0.0; 3], [0.0f32; 4]);
        for (r, weight) in neighbours(q).into_iter().zip(&mut weights) {
            if !in_hole(r) && !known(r) {
                continue;
            }
            // The difference q - r as q's source shows it, and as r's source does.
            let (mut wanted, mut views) = ([0.0; 3], 0.0);
            let mut view = |a: usize, b: usize| {
                if known(a) && known(b) {
                    let d = minus(color(a), color(b));
                    (0..3).for_each(|c| wanted[c] += d[c]);
                    views += 1.0;
                }
            };
            if source(q) != NONE {
                view(source(q), source(q) + r - q);
            }
            if in_hole(r) && source(r) != NONE {
                view(source(r) + q - r, source(r));
            }
            *weight = 1.0;
            if views > 0.0 {
                let now = minus(copy(q), copy(r));
                let step = [0, 1, 2].map(|c| wanted[c] / views - now[c]);
                let size = (step[0] * step[0] + step[1] * step[1] + step[2] * step[2]) / 3.0;
                *weight = 1.0 / (1.0 + size / (EDGE * EDGE));
                (0..3).for_each(|c| sum[c] += *weight * step[c]);
            }
        }
        (sum, weights)
    };
    let (right, weights): (Vec<Rgb>, Vec<[f32; 4]>) = unknown.par_iter().map(equation).unzip();
    // A u: the operator of the normal equations.
    let apply = |u: &[Rgb], out: &mut [Rgb]| {
        out.par_iter_mut().zip(&beside).zip(&weights).enumerate().for_each(|(q, ((out, beside), weights))| {
            let mut sum = u[q].map(|v| v * HOLD);
            for (&r, weight) in beside.iter().zip(weights) {
                (0..3).for_each(|c| sum[c] += weight * (u[q][c] - u[r as usize][c]));
            }
            *out = sum;
        });
    };
    // Summed in runs and then in order, so that the number of threads does not show.
    let dot = |a: &[Rgb], b: &[Rgb]| -> f64 {
        let runs = a.par_chunks(RUN).zip(b.par_chunks(RUN));
        let sums: Vec<f64> = runs
            .map(|(a, b)| a.iter().zip(b).map(|(a, b)| f64::from(a[0] * b[0] + a[1] * b[1] + a[2] * b[2])).sum())
            .collect();
        sums.iter().sum()
    };
    let add = |to: &mut [Rgb], from: &[Rgb], factor: f32| {
        to.par_iter_mut().zip(from).for_each(|(to, from)| (0..3).for_each(|c| to[c] += factor * from[c]));
    };
    let mut u = vec![[0.0; 3]; right.len()];
    let mut residual = right;
    let mut direction = residual.clone();
    direction.push([0.0; 3]);
    let mut applied = u.clone();
    let mut power = dot(&residual, &residual);
    for _ in 0..ITERATIONS {
        if job.is_cancelled() {
            return Err(Cancelled);
        }
        if power < 1e-9 {
            break;
        }
        apply(&direction, &mut applied);
        let factor = (power / dot(&direction[..u.len()], &applied).max(1e-30)) as f32;
        add(&mut u, &direction[..applied.len()], factor);
        add(&mut residual, &applied, -factor);
        let next = dot(&residual, &residual);
        let keep = (next / power) as f32;
        power = next;
        direction.par_iter_mut().zip(&residual).for_each(|(d, r)| (0..3).for_each(|c| d[c] = r[c] + keep * d[c]));
    }
    Ok(u)
}
