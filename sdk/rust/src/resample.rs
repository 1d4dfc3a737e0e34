//! Pictures of another size.

use crate::math::sin_cos;
use std::f32::consts::PI;

/// What a new pixel is made of along one axis: the weights of the old pixels from `first` on. They add up to 1.
#[derive(Clone, Debug, PartialEq)]
pub struct Taps {
    /// Column or row of the first old pixel.
    pub first: i32,
    /// At least one.
    pub weights: Vec<f32>,
}

/// Lanczos' kernel of three lobes for the new pixels `start..start + len` of `is`, made from `was` old ones: a sinc
/// under the middle of another. Made smaller, it is as much wider, so that nothing flickers. Near an edge the weights
/// of what lies outside go to the rest.
pub fn lanczos(was: u32, is: u32, start: u32, len: u32) -> Vec<Taps> {
    const LOBES: f32 = 3.0;
    let ratio = was as f32 / is as f32;
    let scale = ratio.max(1.0);
    (start..start + len)
        .map(|i| {
            let middle = (i as f32 + 0.5) * ratio;
            let first = ((middle - LOBES * scale + 0.5).floor() as i32).clamp(0, was as i32 - 1);
            let end = ((middle + LOBES * scale + 0.5).floor() as i32).clamp(first + 1, was as i32);
            let mut weights: Vec<f32> =
                (first..end).map(|j| window((j as f32 + 0.5 - middle) / scale, LOBES)).collect();
            let sum: f32 = weights.iter().sum();
            weights.iter_mut().for_each(|weight| *weight /= sum);
            Taps { first, weights }
        })
        .collect()
}

fn window(x: f32, lobes: f32) -> f32 {
    if x == 0.0 {
        return 1.0;
    }
    if x.abs() >= lobes {
        return 0.0;
    }
    let sinc = |x: f32| sin_cos(PI * x).0 / (PI * x);
    sinc(x) * sinc(x / lobes)
}

/// New pixels from old: `columns` and `rows` say what of the old each is made of, `old(x, y)` gives them, colour
/// times opacity. Row by row.
pub fn resample(columns: &[Taps], rows: &[Taps], old: impl Fn(i32, i32) -> [f32; 4]) -> Vec<[f32; 4]> {
    let mut out = vec![[0.0; 4]; columns.len() * rows.len()];
    let (Some(top), Some(bottom)) = (rows.first(), rows.last()) else { return out };
    let end = bottom.first + bottom.weights.len() as i32;
    // Each old row across, once; then added to the new rows it belongs to.
    for y in top.first..end {
        let across: Vec<[f32; 4]> = columns
            .iter()
            .map(|taps| {
                let mut sum = [0.0; 4];
                for (x, weight) in (taps.first..).zip(&taps.weights) {
                    let pixel = old(x, y);
                    (0..4).for_each(|c| sum[c] += weight * pixel[c]);
                }
                sum
            })
            .collect();
        for (taps, row) in rows.iter().zip(out.chunks_exact_mut(columns.len())) {
            let weight = usize::try_from(y - taps.first).ok().and_then(|i| taps.weights.get(i));
            let Some(weight) = weight else { continue };
            for (out, pixel) in row.iter_mut().zip(&across) {
                (0..4).for_each(|c| out[c] += weight * pixel[c]);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::{lanczos, resample};

    #[test]
    fn weights_add_up_and_any_part_is_the_same() {
        for (was, is) in [(10, 25), (25, 10), (7, 7), (1, 9), (9, 1), (100, 99)] {
            let all = lanczos(was, is, 0, is);
            for taps in &all {
                assert!((taps.weights.iter().sum::<f32>() - 1.0).abs() < 1e-5);
                assert!(taps.first >= 0 && taps.first as usize + taps.weights.len() <= was as usize);
            }
            let half = is / 2;
            assert_eq!(lanczos(was, is, half, is - half), all[half as usize..]);
        }
        let same = lanczos(5, 5, 2, 1);
        assert!((same[0].weights[2 - same[0].first as usize] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn flat_stays_flat() {
        let (columns, rows) = (lanczos(8, 19, 0, 19), lanczos(6, 3, 0, 3));
        let made = resample(&columns, &rows, |_, _| [0.25, 0.5, 0.75, 1.0]);
        assert_eq!(made.len(), 57);
        assert!(made.iter().flatten().zip([0.25, 0.5, 0.75, 1.0].iter().cycle()).all(|(a, b)| (a - b).abs() < 1e-5));
    }
}
