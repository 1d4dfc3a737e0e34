//! Operations along a plane's rows and columns, sixteen lines side by side.
//!
//! Decision: an operation along a line is written once, for a line of [`Lanes`], and works in both directions; what it does
//! to sixteen lines at a time the compiler does in vectors, also where each value needs the one before it. Lines that
//! hold nothing are left out: the planes here are selections, and every operation makes nothing of nothing.

use rayon::prelude::*;

/// Lines side by side.
pub(crate) const LANES: usize = 16;

/// What lies at one place of each of them.
pub(crate) type Lanes = [f32; LANES];

/// `operate` on every row of `data`, which are `w` values long, and then on every column of what that gave.
pub(crate) fn both_ways(data: &[f32], w: usize, operate: impl Fn(&[Lanes], &mut [Lanes]) + Sync) -> Vec<f32> {
    if data.is_empty() {
        return Vec::new();
    }
    columns(&rows(data, w, &operate), w, &operate)
}

fn rows(data: &[f32], w: usize, operate: &(impl Fn(&[Lanes], &mut [Lanes]) + Sync)) -> Vec<f32> {
    let mut out = vec![0.0; data.len()];
    let strips = out.par_chunks_mut(LANES * w).zip(data.par_chunks(LANES * w));
    strips.for_each_init(
        || (vec![[0.0; LANES]; w], vec![[0.0; LANES]; w]),
        |(from, to), (out, data)| {
            if data.iter().all(|&v| v == 0.0) {
                return;
            }
            for (lane, row) in data.chunks_exact(w).enumerate() {
                from.iter_mut().zip(row).for_each(|(lanes, &v)| lanes[lane] = v);
            }
            operate(from, to);
            for (lane, row) in out.chunks_exact_mut(w).enumerate() {
                row.iter_mut().zip(&*to).for_each(|(v, lanes)| *v = lanes[lane]);
            }
        },
    );
    out
}

fn columns(data: &[f32], w: usize, operate: &(impl Fn(&[Lanes], &mut [Lanes]) + Sync)) -> Vec<f32> {
    let strip = |left: usize| {
        let wide = LANES.min(w - left);
        let part = |row: &[f32]| {
            let mut lanes = [0.0; LANES];
            lanes[..wide].copy_from_slice(&row[left..left + wide]);
            lanes
        };
        let from: Vec<Lanes> = data.chunks_exact(w).map(part).collect();
        let mut to = vec![[0.0; LANES]; from.len()];
        if from.as_flattened().iter().any(|&v| v != 0.0) {
            operate(&from, &mut to);
        }
        to
    };
    let strips: Vec<Vec<Lanes>> = (0..w).into_par_iter().step_by(LANES).map(strip).collect();
    let mut out = vec![0.0; data.len()];
    out.par_chunks_exact_mut(w).enumerate().for_each(|(y, row)| {
        row.chunks_mut(LANES).zip(&strips).for_each(|(part, strip)| part.copy_from_slice(&strip[y][..part.len()]));
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The sum of all values before and at a place, which needs each one's neighbour.
    #[test]
    fn every_line_is_operated_on_in_both_directions() {
        let running = |from: &[Lanes], to: &mut [Lanes]| {
            let mut sum = [0.0; LANES];
            for (from, to) in from.iter().zip(to) {
                (0..LANES).for_each(|l| sum[l] += from[l]);
                *to = sum;
            }
        };
        for (w, h) in [(1, 1), (3, 40), (16, 16), (17, 5), (50, 33)] {
            let data: Vec<f32> = (0..w * h).map(|i| (i * 7 % 11) as f32).collect();
            let got = both_ways(&data, w, running);
            for (x, y) in (0..w).flat_map(|x| (0..h).map(move |y| (x, y))) {
                let wanted: f32 = (0..=y).flat_map(|v| (0..=x).map(move |u| v * w + u)).map(|i| data[i]).sum();
                assert_eq!(got[y * w + x], wanted, "{w}x{h}: ({x}, {y})");
            }
            assert_eq!(both_ways(&vec![0.0; w * h], w, running), vec![0.0; w * h]);
        }
        assert!(both_ways(&[], 0, running).is_empty() && both_ways(&[], 7, running).is_empty());
    }
}
