//! Grey dilation and erosion by a square: the maximum or minimum over `(2r+1) x (2r+1)` pixels.
//!
//! Decision: outside the picture there is nothing, neither 0 nor 1, so an edge of the canvas never eats
//! into a selection. Van Herk's running maximum costs the same for every radius.

use crate::{Extent, Mask};
use rayon::prelude::*;

/// The largest value within `radius` pixels in both directions; soft edges stay as soft as they are.
pub(crate) fn dilate(mask: &Mask, radius: u32) -> Mask {
    let Extent { w, h } = mask.extent();
    if radius == 0 || w == 0 || h == 0 {
        return mask.clone();
    }
    let across = rows(mask.data(), w as usize, radius as usize);
    let turned = transpose(&across, w as usize, h as usize);
    let down = rows(&turned, h as usize, radius as usize);
    Mask::from_data(mask.extent(), transpose(&down, h as usize, w as usize))
}

/// The smallest value within `radius` pixels in both directions.
pub(crate) fn erode(mask: &Mask, radius: u32) -> Mask {
    let negative = Mask::from_data(mask.extent(), mask.data().iter().map(|v| -v).collect());
    let mut out = dilate(&negative, radius);
    out.data_mut().iter_mut().for_each(|v| *v = -*v);
    out
}

fn rows(data: &[f32], w: usize, radius: usize) -> Vec<f32> {
    let radius = radius.min(w);
    let window = 2 * radius + 1;
    let padded_len = (w + 2 * radius).next_multiple_of(window);
    let mut out = vec![0.0; data.len()];
    out.par_chunks_exact_mut(w).zip(data.par_chunks_exact(w)).for_each(|(out, row)| {
        // `left` runs the maximum from each block's start, `right` from each block's end.
        let mut left = vec![f32::NEG_INFINITY; padded_len];
        left[radius..radius + w].copy_from_slice(row);
        let mut right = left.clone();
        for i in 1..padded_len {
            if i % window != 0 {
                left[i] = left[i].max(left[i - 1]);
            }
            let j = padded_len - 1 - i;
            if !(j + 1).is_multiple_of(window) {
                right[j] = right[j].max(right[j + 1]);
            }
        }
        for (x, out) in out.iter_mut().enumerate() {
            *out = right[x].max(left[x + window - 1]);
        }
    });
    out
}

/// Columns as rows.
pub(crate) fn transpose(data: &[f32], w: usize, h: usize) -> Vec<f32> {
    let mut out = vec![0.0; data.len()];
    out.par_chunks_exact_mut(h).enumerate().for_each(|(x, column)| {
        for (y, v) in column.iter_mut().enumerate() {
            *v = data[y * w + x];
        }
    });
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn agrees_with_the_definition() {
        let mut state = 1u64;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        for (w, h, r) in [(1, 1, 3), (7, 5, 1), (16, 9, 4), (5, 31, 6), (40, 3, 50)] {
            let mask = Mask::from_data(Extent::new(w, h), (0..w * h).map(|_| random()).collect());
            let (big, small) = (dilate(&mask, r), erode(&mask, r));
            for y in 0..h {
                for x in 0..w {
                    let near = (y.saturating_sub(r)..(y + r + 1).min(h))
                        .flat_map(|v| (x.saturating_sub(r)..(x + r + 1).min(w)).map(move |u| (u, v)));
                    let values = near.map(|(u, v)| mask.at(u, v));
                    assert_eq!(big.at(x, y), values.clone().fold(f32::MIN, f32::max), "{w}x{h} r {r}");
                    assert_eq!(small.at(x, y), values.fold(f32::MAX, f32::min), "{w}x{h} r {r}");
                }
            }
        }
    }
}
