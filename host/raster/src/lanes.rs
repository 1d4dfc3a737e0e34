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
pub(crate) fn both_ways(data: Vec<f32>, w: usize, operate: impl Fn(&[Lanes], &mut [Lanes]) + Sync) -> Vec<f32> {
    columns(rows(data, w, &operate), w, &operate)
}

/// One operation and then another on what that gave, in one pass.
pub(crate) fn then(
    first: impl Fn(&[Lanes], &mut [Lanes]) + Sync,
    second: impl Fn(&[Lanes], &mut [Lanes]) + Sync,
) -> impl Fn(&[Lanes], &mut [Lanes]) + Sync {
    move |line, out| {
        let mut between = vec![[0.0; LANES]; line.len()];
        first(line, &mut between);
        second(&between, out);
    }
}

/// `operate` on every row of `data`, which are `w` values long.
pub(crate) fn rows(mut data: Vec<f32>, w: usize, operate: impl Fn(&[Lanes], &mut [Lanes]) + Sync) -> Vec<f32> {
    data.par_chunks_mut(LANES * w.max(1)).for_each_init(
        || (vec![[0.0; LANES]; w], vec![[0.0; LANES]; w]),
        |(from, to), data| {
            if data.iter().all(|&v| v == 0.0) {
                return;
            }
            // In squares, which the nearest cache holds whichever way they are walked through.
            for (left, from) in (0..).step_by(LANES).zip(from.chunks_mut(LANES)) {
                for (lane, row) in data.chunks_exact(w).enumerate() {
                    from.iter_mut().zip(&row[left..]).for_each(|(lanes, &v)| lanes[lane] = v);
                }
            }
            operate(from, to);
            for (left, to) in (0..).step_by(LANES).zip(to.chunks(LANES)) {
                for (lane, row) in data.chunks_exact_mut(w).enumerate() {
                    row[left..].iter_mut().zip(to).for_each(|(v, lanes)| *v = lanes[lane]);
                }
            }
        },
    );
    data
}

/// `operate` on every column of `data`, whose rows are `w` values long.
pub(crate) fn columns(mut data: Vec<f32>, w: usize, operate: impl Fn(&[Lanes], &mut [Lanes]) + Sync) -> Vec<f32> {
    let part = |row: &[f32], left: usize| match row[left..].first_chunk() {
        Some(lanes) => *lanes,
        None => {
            let mut lanes = [0.0; LANES];
            lanes[..w - left].copy_from_slice(&row[left..]);
            lanes
        }
    };
    let strip = |left: usize| {
        let from: Vec<Lanes> = data.chunks_exact(w).map(|row| part(row, left)).collect();
        let mut to = vec![[0.0; LANES]; from.len()];
        if from.as_flattened().iter().any(|&v| v != 0.0) {
            operate(&from, &mut to);
        }
        to
    };
    let strips: Vec<Vec<Lanes>> = (0..w).into_par_iter().step_by(LANES).map(strip).collect();
    data.par_chunks_exact_mut(w.max(1)).enumerate().for_each(|(y, row)| {
        let (whole, rest) = row.as_chunks_mut::<LANES>();
        whole.iter_mut().zip(&strips).for_each(|(part, strip)| *part = strip[y]);
        if let Some(strip) = strips.get(whole.len()) {
            rest.copy_from_slice(&strip[y][..rest.len()]);
        }
    });
    data
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
            let got = both_ways(data.clone(), w, running);
            for (x, y) in (0..w).flat_map(|x| (0..h).map(move |y| (x, y))) {
                let wanted: f32 = (0..=y).flat_map(|v| (0..=x).map(move |u| v * w + u)).map(|i| data[i]).sum();
                assert_eq!(got[y * w + x], wanted, "{w}x{h}: ({x}, {y})");
            }
            assert_eq!(both_ways(vec![0.0; w * h], w, running), vec![0.0; w * h]);
        }
        assert!(both_ways(vec![], 0, running).is_empty() && both_ways(vec![], 7, running).is_empty());
    }
}
