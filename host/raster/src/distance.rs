//! Euclidean distance to a set of pixels (Felzenszwalb & Huttenlocher 2012), exact, linear time.

use crate::Extent;
use rayon::prelude::*;

/// Where there is no seed pixel at all.
pub(crate) const NONE: u32 = u32::MAX;

/// For every pixel the distance in pixels to the nearest one for which `seed` is true (0 there,
/// infinite where there is none). `seed` is row-major, `extent.area()` long.
pub(crate) fn distance(extent: Extent, seed: &[bool]) -> Vec<f32> {
    let w = extent.w.max(1);
    let away = |i: u32, n: u32| ((i % w).abs_diff(n % w) as f32).hypot((i / w).abs_diff(n / w) as f32);
    let nearest = nearest(extent, seed).into_par_iter().enumerate();
    nearest.map(|(i, n)| if n == NONE { f32::INFINITY } else { away(i as u32, n) }).collect()
}

/// For every pixel the index of the nearest one for which `seed` is true: itself there, [`NONE`] where there is none,
/// one of them where several are equally near.
pub(crate) fn nearest(extent: Extent, seed: &[bool]) -> Vec<u32> {
    let (w, h) = (extent.w as usize, extent.h as usize);
    if w == 0 || h == 0 {
        return Vec::new();
    }
    // The column of the nearest one in the own row.
    let mut across = vec![NONE; w * h];
    across.par_chunks_exact_mut(w).zip(seed.par_chunks_exact(w)).for_each(|(row, seed)| {
        let mut last = NONE;
        for x in 0..w {
            last = if seed[x] { x as u32 } else { last };
            row[x] = last;
        }
        last = NONE;
        for x in (0..w as u32).rev() {
            let left = &mut row[x as usize];
            last = if seed[x as usize] { x } else { last };
            if last != NONE && (*left == NONE || last - x < x - *left) {
                *left = last;
            }
        }
    });
    // Of those, for each column, the row that has the nearest of all.
    let columns: Vec<Vec<u32>> = (0..w)
        .into_par_iter()
        .map(|x| {
            let squared = |n: u32| if n == NONE { f32::INFINITY } else { ((x as u32).abs_diff(n) as f32).powi(2) };
            lower_envelope(&(0..h).map(|y| squared(across[y * w + x])).collect::<Vec<_>>())
        })
        .collect();
    let mut out = vec![NONE; w * h];
    out.par_chunks_exact_mut(w).enumerate().for_each(|(y, row)| {
        for (x, (out, column)) in row.iter_mut().zip(&columns).enumerate().filter(|(_, (_, c))| c[y] != NONE) {
            *out = column[y] * w as u32 + across[column[y] as usize * w + x];
        }
    });
    out
}

/// For every p the q with the least `(p - q)^2 + f(q)`, by the lower envelope of the parabolas.
fn lower_envelope(f: &[f32]) -> Vec<u32> {
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
            hull.get(k).map_or(NONE, |&(q, _)| q as u32)
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
