//! One resampler for pictures and masks, separable, with pixel centres.
//!
//! Decision: pixel `i` of `n` has its centre at `(i + 0.5) / n` of the side, on both sides of the
//! operation, so nothing ever shifts by half a pixel. Pictures shrink with a Lanczos-3 window widened to
//! the output's pixel, in linear light (where light adds up), and grow with Lanczos-3 in sRGB-encoded
//! values (where ringing is least visible). Both work on premultiplied colour, so that invisible pixels
//! lend no colour, and are clamped to the range of values a pixel can have. Masks shrink by area mean and
//! grow linearly, so that they never overshoot.

use crate::color::{to_linear, to_srgb};
use crate::{Extent, Image, Mask};
use rayon::prelude::*;

/// `image` at extent `to`. Every size is possible; an empty input gives a transparent picture.
pub fn resize(image: &Image, to: Extent) -> Image {
    let from = image.extent();
    if from == to {
        return image.clone();
    }
    if from.area() == 0 || to.area() == 0 {
        return Image::new(to);
    }
    // The light in which an axis is resampled is decided by the picture's overall change.
    let linear = to.area() < from.area();
    let table = Decode::new();
    let mut pixels: Vec<[f32; 4]> = image
        .data()
        .par_chunks_exact(4)
        .map(|p| {
            let a = p[3];
            let c = |v: f32| if linear { table.at(v) * a } else { v * a };
            [c(p[0]), c(p[1]), c(p[2]), a]
        })
        .collect();
    pixels = stretch(pixels, from, to, kernels(from, to, lanczos));
    let mut out = Image::new(to);
    out.data_mut().par_chunks_exact_mut(4).zip(pixels).for_each(|(rgba, p)| {
        let a = whole(p[3]);
        if a > 0.0 {
            for c in 0..3 {
                let v = (p[c] / p[3].max(f32::MIN_POSITIVE)).max(0.0);
                rgba[c] = if linear { to_srgb(v) } else { v }.clamp(0.0, 1.0);
            }
        }
        rgba[3] = a;
    });
    out
}

/// `mask` at extent `to`, in the same geometry as [`resize`]: the area mean when shrinking, linear when
/// growing. Values stay within the input's.
pub fn resize_mask(mask: &Mask, to: Extent) -> Mask {
    let from = mask.extent();
    if from == to {
        return mask.clone();
    }
    if from.area() == 0 || to.area() == 0 {
        return Mask::new(to, 0.0);
    }
    let plane = mask.data().iter().map(|&v| [v]).collect();
    let out = stretch(plane, from, to, kernels(from, to, area_or_linear));
    Mask::from_data(to, out.into_iter().map(|[v]| whole(v)).collect())
}

/// A value of 0..=1 after resampling: taps sum to 1 only within rounding, and what is whole stays whole.
fn whole(v: f32) -> f32 {
    if v > 1.0 - 1e-6 { 1.0 } else { v.max(0.0) }
}

/// `image` moved by `(dx, dy)` pixels, to the right and down, between pixels by Lanczos-3 in sRGB-encoded values; what
/// comes in at the border is the border's own colour. Alpha stays where it is.
pub(crate) fn shift(image: &Image, dx: f32, dy: f32) -> Image {
    let extent = image.extent();
    if extent.area() == 0 || (dx == 0.0 && dy == 0.0) {
        return image.clone();
    }
    let colors = image.data().chunks_exact(4).map(|p| [p[0], p[1], p[2]]).collect();
    let moved = |n: u32, by: f32| {
        let center = |i: u32| f64::from(i) + 0.5 - f64::from(by);
        Some((0..n).map(|i| taps(center(i), 3.0, n as usize, |d| window(d, 1.0))).collect())
    };
    let moved = stretch(colors, extent, extent, [moved(extent.w, dx), moved(extent.h, dy)]);
    let mut out = image.clone();
    let pixels = out.data_mut().par_chunks_exact_mut(4).zip(moved);
    pixels.for_each(|(rgba, p)| (0..3).for_each(|c| rgba[c] = p[c].clamp(0.0, 1.0)));
    out
}

/// sRGB to linear light by a table with linear interpolation, exact to 3e-8, which is f32's own step.
struct Decode(Vec<f32>);

impl Decode {
    fn new() -> Self {
        Decode((0..=4097u32).map(|i| to_linear(i as f32 / 4096.0)).collect())
    }

    fn at(&self, v: f32) -> f32 {
        let at = v.clamp(0.0, 1.0) * 4096.0;
        let i = at as usize;
        self.0[i] + (self.0[i + 1] - self.0[i]) * (at - i as f32)
    }
}

/// The taps of one output pixel: first input pixel and weights of unit sum.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

/// Taps of a kernel `weight(distance)` of half-width `radius`, in input pixels around `center`.
fn taps(center: f64, radius: f64, n: usize, weight: impl Fn(f64) -> f64) -> Taps {
    let first = ((center - radius).floor().max(0.0) as usize).min(n - 1);
    let last = ((center + radius).ceil().max(1.0) as usize).min(n).max(first + 1);
    let mut weights: Vec<f64> = (first..last).map(|i| weight(i as f64 + 0.5 - center)).collect();
    let sum: f64 = weights.iter().sum();
    if sum.abs() < 1e-9 {
        let even = 1.0 / weights.len() as f64;
        weights.fill(even);
    } else {
        weights.iter_mut().for_each(|w| *w /= sum);
    }
    Taps { first, weights: weights.into_iter().map(|w| w as f32).collect() }
}

/// Lanczos-3, `scale` times as wide.
fn window(distance: f64, scale: f64) -> f64 {
    let x = distance / scale;
    let sinc = |x: f64| {
        if x == 0.0 { 1.0 } else { (std::f64::consts::PI * x).sin() / (std::f64::consts::PI * x) }
    };
    if x.abs() < 3.0 { sinc(x) * sinc(x / 3.0) } else { 0.0 }
}

fn lanczos(from: usize, to: usize) -> Vec<Taps> {
    let ratio = from as f64 / to as f64;
    let scale = ratio.max(1.0);
    (0..to).map(|i| taps((i as f64 + 0.5) * ratio, 3.0 * scale, from, |d| window(d, scale))).collect()
}

fn area_or_linear(from: usize, to: usize) -> Vec<Taps> {
    let ratio = from as f64 / to as f64;
    let center = |i: usize| (i as f64 + 0.5) * ratio;
    if ratio > 1.0 {
        // The share of each input pixel that the output pixel covers.
        let share = |d: f64| ((d + 0.5).min(ratio / 2.0) - (d - 0.5).max(-ratio / 2.0)).max(0.0);
        (0..to).map(|i| taps(center(i), ratio / 2.0, from, share)).collect()
    } else {
        (0..to).map(|i| taps(center(i), 1.0, from, |d| (1.0 - d.abs()).max(0.0))).collect()
    }
}

/// The taps of each axis; an axis that keeps its length has none.
fn kernels(from: Extent, to: Extent, kernel: fn(usize, usize) -> Vec<Taps>) -> [Option<Vec<Taps>>; 2] {
    [(from.w, to.w), (from.h, to.h)].map(|(from, to)| (from != to).then(|| kernel(from as usize, to as usize)))
}

/// Resamples both axes, the one that shrinks more first; `columns` and `rows` are the taps of what comes out.
fn stretch<const C: usize>(
    data: Vec<[f32; C]>,
    from: Extent,
    to: Extent,
    [columns, rows]: [Option<Vec<Taps>>; 2],
) -> Vec<[f32; C]> {
    let across = |data: Vec<[f32; C]>| -> Vec<[f32; C]> {
        let Some(kernel) = &columns else { return data };
        let (w, rows) = (from.w as usize, data.len() / from.w as usize);
        let mut out = vec![[0.0; C]; rows * to.w as usize];
        out.par_chunks_exact_mut(to.w as usize).zip(data.par_chunks_exact(w)).for_each(|(out, row)| {
            for (out, taps) in out.iter_mut().zip(kernel) {
                for (k, p) in taps.weights.iter().zip(&row[taps.first..]) {
                    (0..C).for_each(|c| out[c] += k * p[c]);
                }
            }
        });
        out
    };
    let down = |data: Vec<[f32; C]>| -> Vec<[f32; C]> {
        let Some(kernel) = &rows else { return data };
        let w = data.len() / from.h as usize;
        let mut out = vec![[0.0; C]; w * to.h as usize];
        out.par_chunks_exact_mut(w).zip(kernel).for_each(|(out, taps)| {
            for (i, k) in taps.weights.iter().enumerate() {
                let at = (taps.first + i) * w;
                for (out, p) in out.iter_mut().zip(&data[at..at + w]) {
                    (0..C).for_each(|c| out[c] += k * p[c]);
                }
            }
        });
        out
    };
    if u64::from(to.w) * u64::from(from.h) <= u64::from(from.w) * u64::from(to.h) {
        down(across(data))
    } else {
        across(down(data))
    }
}
