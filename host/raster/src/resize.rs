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
use std::ops::Range;

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
    let linear = linear(from, to);
    let kernels = Kernels::new(from, to, lanczos);
    let read = |y: usize, xs: Range<usize>, row: &mut [[f32; 4]]| read_pixels(image, part, linear, y, xs, row);
    let write = |row: &mut [[f32; 4]], out: &mut [[f32; 4]]| {
        write_pixels(linear, row);
        out.copy_from_slice(row);
    };
    stretch(from, to, &kernels, read, write, out.data_mut().as_chunks_mut().0);
    out
}

/// How pictures of one extent become pictures of another: for whoever wants a part of what comes out, or of several.
pub(crate) struct Resampling {
    from: Extent,
    linear: bool,
    kernels: Kernels,
}

impl Resampling {
    /// To extent `to`, there `moved` by so many pixels to the right and down; what comes in at the border is the border's
    /// own colour. Neither extent is empty.
    pub(crate) fn new(from: Extent, to: Extent, moved: [f32; 2]) -> Self {
        let kernels = match moved {
            [0.0, 0.0] => Kernels::new(from, to, lanczos),
            [dx, dy] => {
                let axis = |from: u32, to: u32, by: f32| {
                    (from != to || by != 0.0).then(|| lanczos_moved(from as usize, to as usize, by.into()))
                };
                Kernels { columns: axis(from.w, to.w, dx), rows: axis(from.h, to.h, dy) }
            }
        };
        Self { from, linear: linear(from, to), kernels }
    }

    /// The rows of the part `rect` of what `image` becomes, from the top, each with its number in that part.
    pub(crate) fn rows(&self, image: &Image, rect: Rect, mut each: impl FnMut(usize, &[[f32; 4]])) {
        assert_eq!(image.extent(), self.from, "a resampling is for pictures of one extent");
        let all = self.from.rect();
        let read = |y: usize, xs: Range<usize>, row: &mut [[f32; 4]]| read_pixels(image, all, self.linear, y, xs, row);
        stretch_part(&self.kernels, rect, read, |y, row| {
            write_pixels(self.linear, row);
            each(y, row);
        });
    }
}

/// The light in which both axes are resampled is decided by the picture's overall change.
fn linear(from: Extent, to: Extent) -> bool {
    to.area() < from.area()
}

/// The columns `xs` of row `y` of a `part`, ready to be added up.
fn read_pixels(image: &Image, part: Rect, linear: bool, y: usize, xs: Range<usize>, row: &mut [[f32; 4]]) {
    let start = (y + part.y as usize) * image.extent().w as usize + part.x as usize;
    let pixels = &image.data().as_chunks().0[start + xs.start..start + xs.end];
    // As many at a time as the nearest cache holds beside the tables.
    const SOME: usize = 256;
    for (row, pixels) in row.chunks_mut(SOME).zip(pixels.chunks(SOME)) {
        row.copy_from_slice(pixels);
        if linear {
            linear_from_srgb(row.as_flattened_mut());
        }
        for p in row.iter_mut() {
            (0..3).for_each(|c| p[c] *= p[3]);
        }
    }
}

/// Sums as pixels again.
fn write_pixels(linear: bool, row: &mut [[f32; 4]]) {
    for p in row.iter_mut() {
        let a = whole(p[3]);
        let share = if a > 0.0 { 1.0 / p[3].max(f32::MIN_POSITIVE) } else { 0.0 };
        (0..3).for_each(|c| p[c] = (p[c] * share).clamp(0.0, 1.0));
        p[3] = a;
    }
    if linear {
        srgb_from_linear(row.as_flattened_mut());
    }
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
    let write = |row: &mut [[f32; 1]], out: &mut [[f32; 1]]| {
        out.iter_mut().zip(row).for_each(|(out, [v])| *out = [whole(*v)]);
    };
    let kernels = Kernels::new(from, to, area_or_linear);
    stretch(from, to, &kernels, values(mask), write, out.data_mut().as_chunks_mut().0);
    out
}

/// As [`Resampling`], for masks.
pub(crate) struct MaskResampling(Kernels);

impl MaskResampling {
    /// Neither extent is empty.
    pub(crate) fn new(from: Extent, to: Extent) -> Self {
        Self(Kernels::new(from, to, area_or_linear))
    }

    /// The part `rect` of what `mask` becomes.
    pub(crate) fn part(&self, mask: &Mask, rect: Rect) -> Vec<f32> {
        let mut out = Vec::with_capacity(rect.extent().area() as usize);
        stretch_part(&self.0, rect, values(mask), |_, row| out.extend(row.iter().map(|[v]| whole(*v))));
        out
    }
}

/// Reads rows of a mask.
fn values(mask: &Mask) -> impl Fn(usize, Range<usize>, &mut [[f32; 1]]) + Sync {
    let width = mask.extent().w as usize;
    move |y, xs, row| row.as_flattened_mut().copy_from_slice(&mask.data()[y * width..][xs])
}

/// A value of 0..=1 after resampling: taps sum to 1 only within rounding, and what is whole stays whole.
fn whole(v: f32) -> f32 {
    if v > 1.0 - 1e-6 { 1.0 } else { v.max(0.0) }
}

/// The taps of one output pixel: first input pixel and weights of unit sum.
struct Taps {
    first: usize,
    weights: Vec<f32>,
}

impl Taps {
    /// The weighted sum of the pixels of a row whose first is the pixel `first`.
    fn sum<const C: usize>(&self, first: usize, row: &[[f32; C]]) -> [f32; C] {
        let mut sum = [0.0; C];
        for (k, p) in self.weights.iter().zip(&row[self.first - first..]) {
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
    lanczos_moved(from, to, 0.0)
}

/// By pixels of what comes out.
fn lanczos_moved(from: usize, to: usize, by: f64) -> Vec<Taps> {
    let ratio = from as f64 / to as f64;
    let scale = ratio.max(1.0);
    (0..to).map(|i| taps((i as f64 + 0.5 - by) * ratio, 3.0 * scale, from, |d| window(d, scale))).collect()
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

/// The taps of each axis; an axis that stays as it is has none.
struct Kernels {
    columns: Option<Vec<Taps>>,
    rows: Option<Vec<Taps>>,
}

impl Kernels {
    fn new(from: Extent, to: Extent, kernel: fn(usize, usize) -> Vec<Taps>) -> Self {
        let axis = |from: u32, to: u32| (from != to).then(|| kernel(from as usize, to as usize));
        Self { columns: axis(from.w, to.w), rows: axis(from.h, to.h) }
    }

    /// What of the one side of an axis the other's `wanted` pixels are made of.
    fn needed(axis: &Option<Vec<Taps>>, wanted: Range<usize>) -> Range<usize> {
        // Neither end of taps ever goes back.
        match axis.as_ref().map(|taps| &taps[wanted.clone()]) {
            None => wanted,
            Some(taps @ [first, ..]) => first.first..taps.last().map_or(0, |last| last.first + last.weights.len()),
            Some([]) => 0..0,
        }
    }

    /// The columns `xs` of row `y` that `read` gives, of which `row` holds what is needed.
    fn across<const C: usize>(
        &self,
        read: &impl Fn(usize, Range<usize>, &mut [[f32; C]]),
        y: usize,
        xs: Range<usize>,
        row: &mut Vec<[f32; C]>,
        out: &mut [[f32; C]],
    ) {
        let Some(columns) = &self.columns else { return read(y, xs, out) };
        let needed = Self::needed(&self.columns, xs.clone());
        row.resize(needed.len(), [0.0; C]);
        read(y, needed.clone(), row);
        columns[xs].iter().zip(out).for_each(|(taps, out)| *out = taps.sum(needed.start, row));
    }

    /// Row `y` of what comes out, of the rows `across` that begin with the number `first`.
    fn down<const C: usize>(&self, across: &[[f32; C]], first: usize, y: usize, sums: &mut [[f32; C]]) {
        let made = sums.len();
        let Some(rows) = &self.rows else {
            return sums.copy_from_slice(&across[(y - first) * made..][..made]);
        };
        sums.fill([0.0; C]);
        let taps = &rows[y];
        let lines = across[(taps.first - first) * made..].chunks(2 * made);
        let sums = sums.as_flattened_mut();
        // Two at a time, so that the sums are read and written half as often.
        for (k, lines) in taps.weights.chunks(2).zip(lines) {
            let (upper, lower) = lines.split_at(made);
            match k {
                [k, l] => {
                    let both = upper.as_flattened().iter().zip(&lower.as_flattened()[..sums.len()]);
                    sums.iter_mut().zip(both).for_each(|(sum, (u, v))| *sum = (*sum + k * u) + l * v);
                }
                k => sums.iter_mut().zip(upper.as_flattened()).for_each(|(sum, u)| *sum += k[0] * u),
            }
        }
    }
}

/// Resamples the rows that `read` gives by number, of `from`, to rows that `write` puts into `out`, of `to`, on all cores: the
/// columns first, so that nothing as large as the larger picture is held in between but itself.
fn stretch<const C: usize, const D: usize>(
    from: Extent,
    to: Extent,
    kernels: &Kernels,
    read: impl Fn(usize, Range<usize>, &mut [[f32; C]]) + Sync,
    write: impl Fn(&mut [[f32; C]], &mut [[f32; D]]) + Sync,
    out: &mut [[f32; D]],
) {
    let made = to.w as usize;
    let mut across = vec![[0.0; C]; from.h as usize * made];
    across
        .par_chunks_exact_mut(made)
        .enumerate()
        .for_each_init(Vec::new, |row, (y, out)| kernels.across(&read, y, 0..made, row, out));
    let across = &across;
    out.par_chunks_exact_mut(made).enumerate().for_each_init(
        || vec![[0.0; C]; made],
        |sums, (y, out)| {
            kernels.down(across, 0, y, sums);
            write(sums, out);
        },
    );
}

/// As [`stretch`] on one core, for the part `rect` of what comes out: its rows, each with its number there, go to `write`.
fn stretch_part<const C: usize>(
    kernels: &Kernels,
    rect: Rect,
    read: impl Fn(usize, Range<usize>, &mut [[f32; C]]),
    mut write: impl FnMut(usize, &mut [[f32; C]]),
) {
    let (made, top) = (rect.w as usize, rect.y as usize);
    let xs = rect.x as usize..rect.x as usize + made;
    let ys = Kernels::needed(&kernels.rows, top..top + rect.h as usize);
    let first = ys.start;
    let (mut across, mut row, mut sums) = (vec![[0.0; C]; ys.len() * made], Vec::new(), vec![[0.0; C]; made]);
    for (y, out) in ys.zip(across.chunks_exact_mut(made)) {
        kernels.across(&read, y, xs.clone(), &mut row, out);
    }
    for y in 0..rect.h as usize {
        kernels.down(&across, first, top + y, &mut sums);
        write(y, &mut sums);
    }
}
