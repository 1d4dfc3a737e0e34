//! Pillow's bicubic resampling of bytes: how pictures are brought to the size a vision transformer was trained at.
//!
//! Decision: rounded to bytes after each direction, as Pillow and PyTorch's kernels for bytes do, so that an encoder sees what it
//! would see in transformers.

use std::ops::Range;

/// The part `columns` x `rows` of a `w` x `h` plane of bytes (0..=255) brought to the size `to`, rounded to bytes.
pub(crate) fn resized(
    plane: &[f64],
    (w, h): (usize, usize),
    to: (usize, usize),
    columns: Range<usize>,
    rows: Range<usize>,
) -> Vec<f64> {
    let (width, height) = (columns.len(), rows.len());
    let across = bicubic(plane, w, to.0, columns);
    let down = bicubic(&turned(&across, width, h), h, to.1, rows);
    turned(&down, height, width)
}

/// Columns as rows.
fn turned(plane: &[f64], w: usize, h: usize) -> Vec<f64> {
    (0..w).flat_map(|x| (0..h).map(move |y| plane[y * w + x])).collect()
}

/// Rows of `n` values resampled to `to` by Pillow's bicubic filter, widened when shrinking, rounded to bytes; of each row the
/// part `kept`.
fn bicubic(plane: &[f64], n: usize, to: usize, kept: Range<usize>) -> Vec<f64> {
    const A: f64 = -0.5;
    let kernel = |x: f64| match x.abs() {
        x if x < 1.0 => ((A + 2.0) * x - (A + 3.0)) * x * x + 1.0,
        x if x < 2.0 => (((x - 5.0) * x + 8.0) * x - 4.0) * A,
        _ => 0.0,
    };
    let scale = n as f64 / to as f64;
    let widened = scale.max(1.0);
    let taps = |i: usize| {
        let center = (i as f64 + 0.5) * scale;
        let first = (center - 2.0 * widened + 0.5).max(0.0) as usize;
        let last = ((center + 2.0 * widened + 0.5) as usize).min(n);
        let weights: Vec<f64> = (first..last).map(|x| kernel((x as f64 - center + 0.5) / widened)).collect();
        let sum: f64 = weights.iter().sum();
        (first, weights.into_iter().map(|w| w / sum).collect())
    };
    let taps: Vec<(usize, Vec<f64>)> = kept.map(taps).collect();
    let value = |row: &[f64], (first, weights): &(usize, Vec<f64>)| {
        let sum: f64 = weights.iter().zip(&row[*first..]).map(|(w, v)| w * v).sum();
        sum.round().clamp(0.0, 255.0)
    };
    plane.chunks_exact(n.max(1)).flat_map(|row| taps.iter().map(move |taps| value(row, taps))).collect()
}
