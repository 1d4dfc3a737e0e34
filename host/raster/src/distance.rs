//! Euclidean distance to a set of pixels (Felzenszwalb & Huttenlocher 2012), exact, linear time.

use crate::Extent;
use rayon::prelude::*;

/// For every pixel the distance in pixels to the nearest one for which `seed` is true (0 there,
/// infinite where there is none). `seed` is row-major, `extent.area()` long.
pub(crate) fn distance(extent: Extent, seed: &[bool]) -> Vec<f32> {
    let (w, h) = (extent.w as usize, extent.h as usize);
    if w == 0 || h == 0 {
        return Vec::new();
    }
    let mut squared = vec![f32::INFINITY; w * h];
    squared.par_chunks_exact_mut(w).zip(seed.par_chunks_exact(w)).for_each(|(row, seed)| {
        let mut last = None;
        for x in 0..w {
            last = if seed[x] { Some(x) } else { last };
            row[x] = last.map_or(f32::INFINITY, |l| ((x - l) as f32).powi(2));
        }
        last = None;
        for x in (0..w).rev() {
            last = if seed[x] { Some(x) } else { last };
            row[x] = last.map_or(row[x], |l| row[x].min(((l - x) as f32).powi(2)));
        }
    });
    let columns: Vec<Vec<f32>> = (0..w)
        .into_par_iter()
        .map(|x| lower_envelope(&(0..h).map(|y| squared[y * w + x]).collect::<Vec<_>>()))
        .collect();
    squared.par_chunks_exact_mut(w).enumerate().for_each(|(y, row)| {
        for (v, column) in row.iter_mut().zip(&columns) {
            *v = column[y].sqrt();
        }
    });
    squared
}

/// `min over q of (p - q)^2 + f(q)` for every p, by the lower envelope of the parabolas.
fn lower_envelope(f: &[f32]) -> Vec<f32> {
    let mut hull: Vec<(usize, f32)> = Vec::with_capacity(f.len());
    for (q, &value) in f.iter().enumerate().filter(|(_, v)| v.is_finite()) {
        let start = loop {
            let Some(&(p, start)) = hull.last() else {
                break f32::NEG_INFINITY;
            };
            let meet = ((value + (q * q) as f32) - (f[p] + (p * p) as f32)) / (2.0 * (q - p) as f32);
            if meet > start {
                break meet;
            }
            hull.pop();
        };
        hull.push((q, start));
    }
    let mut k = 0;
    (0..f.len())
        .map(|p| {
            while k + 1 < hull.len() && hull[k + 1].1 < p as f32 {
                k += 1;
            }
            hull.get(k).map_or(f32::INFINITY, |&(q, _)| (p.abs_diff(q) as f32).powi(2) + f[q])
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_brute_force() {
        let (w, h) = (23usize, 17usize);
        for step in [1usize, 7, 29, 97, 1000] {
            let seed: Vec<bool> = (0..w * h).map(|i| i * 31 % step == step / 2).collect();
            let got = distance(Extent::new(w as u32, h as u32), &seed);
            for (i, &got) in got.iter().enumerate() {
                let want = (0..w * h)
                    .filter(|&j| seed[j])
                    .map(|j| ((i % w).abs_diff(j % w) as f32).hypot((i / w).abs_diff(j / w) as f32))
                    .fold(f32::INFINITY, f32::min);
                assert!(got == want || (got - want).abs() < 1e-4, "{i}: {} instead of {want}", got);
            }
        }
    }
}
