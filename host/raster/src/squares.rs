//! A picture without its detail: values of squares of pixels, and linear between their centres.
//!
//! Decision: they are looked up pixel by pixel, as what needs them needs them in few places.

use crate::{Extent, Image};
use rayon::prelude::*;

/// One value for each square of `side` by `side` pixels, the last of each line as large as the picture leaves them.
#[derive(Clone, Debug)]
pub(crate) struct Squares {
    pub side: usize,
    /// How many there are.
    pub extent: Extent,
    pub values: Vec<[f32; 3]>,
}

impl Squares {
    /// The mean colours of `image`.
    pub(crate) fn means(image: &Image, side: usize) -> Self {
        let (w, h) = (image.extent().w as usize, image.extent().h as usize);
        let extent = Extent::new(w.div_ceil(side) as u32, h.div_ceil(side) as u32);
        let mut values = vec![[0.0; 3]; extent.area() as usize];
        values.par_chunks_exact_mut(extent.w.max(1) as usize).enumerate().for_each(|(row, means)| {
            let lines = row * side..h.min((row + 1) * side);
            for line in image.data().chunks_exact(4 * w).skip(lines.start).take(lines.len()) {
                for (mean, square) in means.iter_mut().zip(line.chunks(4 * side)) {
                    let share = 1.0 / (lines.len() * square.len() / 4) as f32;
                    square.chunks_exact(4).for_each(|p| (0..3).for_each(|c| mean[c] += share * p[c]));
                }
            }
        });
        Self { side, extent, values }
    }

    /// At the pixel `(x, y)`, which must be one of the picture's.
    pub(crate) fn at(&self, x: usize, y: usize) -> [f32; 3] {
        let between = |at: usize, n: u32| {
            let at = (at as f32 + 0.5) / self.side as f32 - 0.5;
            let first = at.floor().max(0.0) as usize;
            (first, (first + 1).min(n as usize - 1), (at - first as f32).max(0.0))
        };
        let ((x0, x1, u), (y0, y1, v)) = (between(x, self.extent.w), between(y, self.extent.h));
        let value = |x: usize, y: usize| self.values[y * self.extent.w as usize + x];
        let (a, b, c, d) = (value(x0, y0), value(x1, y0), value(x0, y1), value(x1, y1));
        [0, 1, 2].map(|k| (1.0 - v) * ((1.0 - u) * a[k] + u * b[k]) + v * ((1.0 - u) * c[k] + u * d[k]))
    }
}
