//! One resampler for pictures and masks, separable, with pixel centres.
//!
//! Decision: pixel `i` of `n` has its centre at `(i + 0.5) / n` of the side, on both sides of the
//! operation, so nothing ever shifts by half a pixel. Pictures shrink with a Lanczos-3 window widened to
//! the output's pixel, in linear light (where light adds up), and grow with Lanczos-3 in sRGB-encoded
//! values (where ringing is least visible). Both work on premultiplied colour, so that invisible pixels
//! lend no colour, and are clamped to the range of values a pixel can have. Masks shrink by area mean and
//! grow linearly, so that they never overshoot.

use crate::light::{linear_from_srgb, srgb_from_linear};
use crate::{Extent, Image, Mask, Rect};
use rayon::prelude::*;

/// `image` at extent `to`. Every size is possible; an empty input gives a transparent picture.
pub fn resize(image: &Image, to: Extent) -> Image {
    resize_part(image, image.extent().rect(), to)
}

/// The `part` of `image`, which must lie inside it, at extent `to`: as [`resize`] of the cropped picture, without the crop.
pub fn resize_part(image: &Image, part: Rect, to: Extent) -> Image {
    let from = part.extent();
    let mut out = Image::new(to);
    if from.area() == 0 || to.area() == 0 {
        return out;
    }
    assert!(image.extent().rect().contains(part), "{part:?} must lie inside {:?}", image.extent());
    if from == to {
        return image.crop(part);
    }
    rows(image, part, to, out.data_mut().as_chunks_mut().0, |_, row, out| out.copy_from_slice(row));
    out
}

/// The rows of the `part` of `image` at extent `to`, each with its number and the one of `out` it belongs to, for whom the
/// picture itself would be one too many. None of the extents is empty.
pub(crate) fn rows(
    image: &Image,
    part: Rect,
    to: Extent,
    out: &mut [[f32; 4]],
    each: impl Fn(usize, &[[f32; 4]], &mut [[f32; 4]]) + Sync,
) {
    let from = part.extent();
    // The light in which an axis is resampled is decided by the picture's overall change.
    let linear = to.area() < from.area();
    let (width, left) = (image.extent().w as usize, part.x as usize);
    let read = |y: usize, row: &mut [[f32; 4]]| {
        let start = (y + part.y as usize) * width + left;
        row.copy_from_slice(&image.data().as_chunks().0[start..start + row.len()]);
        if linear {
            linear_from_srgb(row.as_flattened_mut());
        }
        for p in row.iter_mut() {
            (0..3).for_each(|c| p[c] *= p[3]);
        }
    };
    let write = |y: usize, row: &mut [[f32; 4]], out: &mut [[f32; 4]]| {
        for p in row.iter_mut() {
            let a = whole(p[3]);
            let share = if a > 0.0 { 1.0 / p[3].max(f32::MIN_POSITIVE) } else { 0.0 };
            (0..3).for_each(|c| p[c] = (p[c] * share).clamp(0.0, 1.0));
            p[3] = a;
        }
        if linear {
            srgb_from_linear(row.as_flattened_mut());
        }
        each(y, row, out);
    };
    stretch(from, to, kernels(from, to, lanczos), read, write, out);
}

/// `mask` at extent `to`, in the same geometry as [`resize`]: the area mean when shrinking, linear when
/// growing. Values stay within the input's.
pub fn resize_mask(mask: &Mask, to: Extent) -> Mask {
    let from = mask.extent();
    if from == to {
        return mask.clone();
    }
    let mut out = Mask::new(to, 0.0);
    if from.area() == 0 || to.area() == 0 {
        return out;
    }
    let width = from.w as usize;
    let read =
        |y: usize, row: &mut [[f32; 1]]| row.as_flattened_mut().copy_from_slice(&mask.data()[y * width..][..width]);
    let write = |_: usize, row: &mut [[f32; 1]], out: &mut [[f32; 1]]| {
        out.iter_mut().zip(row).for_each(|(out, [v])| *out = [whole(*v)]);
    };
    stretch(from, to, kernels(from, to, area_or_linear), read, write, out.data_mut().as_chunks_mut().0);
    out
}

/// A value of 0..=1 after resampling: taps sum to 1 only within rounding, and what is whole stays whole.
fn whole(v: f32) -> f32 {
    if v > 1.0 - 1e-6 { 1.0 } else { v.max(0.0) }
}

/// `image` moved by `(dx, dy)` pixels, to the right and down, between pixels by Lanczos-3 in sRGB-encoded values; what
/// comes in at the border is the border's own colour. Alpha stays where it is.
pub(crate) fn shift(image: &Image, dx: f32, dy: f32) -> Image {
    let extent = image.extent();
    let mut out = image.clone();
    if extent.area() == 0 || (dx == 0.0 && dy == 0.0) {
        return out;
    }
    let width = extent.w as usize;
    let read = |y: usize, row: &mut [[f32; 3]]| {
        let pixels = &image.data().as_chunks::<4>().0[y * width..][..width];
        row.iter_mut().zip(pixels).for_each(|(row, p)| *row = [p[0], p[1], p[2]]);
    };
    let write = |_: usize, row: &mut [[f32; 3]], out: &mut [[f32; 4]]| {
        out.iter_mut().zip(row).for_each(|(out, p)| (0..3).for_each(|c| out[c] = p[c].clamp(0.0, 1.0)));
    };
    let moved = |n: u32, by: f32| {
        let center = |i: u32| f64::from(i) + 0.5 - f64::from(by);
        Some((0..n).map(|i| taps(center(i), 3.0, n as usize, |d| window(d, 1.0))).collect())
    };
    let moved = [moved(extent.w, dx), moved(extent.h, dy)];
    stretch(extent, extent, moved, read, write, out.data_mut().as_chunks_mut().0);
    out
}

/// The taps of one output pixel: first input pixel and weights of unit sum.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

impl Taps {
    /// The weighted sum of the pixels of a row.
    fn sum<const C: usize>(&self, row: &[[f32; C]]) -> [f32; C] {
        let mut sum = [0.0; C];
        for (k, p) in self.weights.iter().zip(&row[self.first..]) {
            (0..C).for_each(|c| sum[c] += k * p[c]);
        }
        sum
    }
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

/// Resamples the rows that `read` gives by number, of `from`, to rows that `write` puts into `out`, of `to`: the columns first, so
/// that nothing as large as the larger picture is held in between but itself. `columns` and `rows` are the taps of what
/// comes out.
fn stretch<const C: usize, const D: usize>(
    from: Extent,
    to: Extent,
    [columns, rows]: [Option<Vec<Taps>>; 2],
    read: impl Fn(usize, &mut [[f32; C]]) + Sync,
    write: impl Fn(usize, &mut [[f32; C]], &mut [[f32; D]]) + Sync,
    out: &mut [[f32; D]],
) {
    let (width, made) = (from.w as usize, to.w as usize);
    let mut across = vec![[0.0; C]; from.h as usize * made];
    across.par_chunks_exact_mut(made).enumerate().for_each_init(
        || vec![[0.0; C]; width],
        |row, (y, out)| match &columns {
            None => read(y, out),
            Some(columns) => {
                read(y, row);
                columns.iter().zip(out).for_each(|(taps, out)| *out = taps.sum(row));
            }
        },
    );
    let across = &across;
    out.par_chunks_exact_mut(made).enumerate().for_each_init(
        || vec![[0.0; C]; made],
        |sums, (y, out)| {
            match &rows {
                None => sums.copy_from_slice(&across[y * made..][..made]),
                Some(rows) => {
                    sums.fill([0.0; C]);
                    let taps = &rows[y];
                    for (k, row) in taps.weights.iter().zip(across[taps.first * made..].chunks_exact(made)) {
                        let values = sums.as_flattened_mut().iter_mut().zip(row.as_flattened());
                        values.for_each(|(sum, v)| *sum += k * v);
                    }
                }
            }
            write(y, sums, out);
        },
    );
}
