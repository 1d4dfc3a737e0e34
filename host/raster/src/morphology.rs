//! Grey dilation and erosion by a square: the maximum or minimum over `(2r+1) x (2r+1)` pixels.
//!
//! Decision: outside the picture there is nothing, neither 0 nor 1, so an edge of the canvas never eats
//! into a selection. Van Herk's running maximum costs the same for every radius.

use crate::lanes::{self, LANES, Lanes};
use crate::{Extent, Mask};

/// The largest value within `radius` pixels in both directions; soft edges stay as soft as they are. Values are not below 0.
pub(crate) fn dilate(mask: &Mask, radius: u32) -> Mask {
    let Extent { w, h } = mask.extent();
    if radius == 0 || w == 0 || h == 0 {
        return mask.clone();
    }
    let data = lanes::both_ways(mask.data(), w as usize, |line, out| largest(line, radius as usize, out));
    Mask::from_data(mask.extent(), data)
}

/// The smallest value within `radius` pixels in both directions. Values are not above 1.
pub(crate) fn erode(mask: &Mask, radius: u32) -> Mask {
    let rest = |mask: &Mask| mask.data().iter().map(|v| 1.0 - v).collect();
    let rest = |mask: &Mask| Mask::from_data(mask.extent(), rest(mask));
    rest(&dilate(&rest(mask), radius))
}

fn largest(line: &[Lanes], radius: usize, out: &mut [Lanes]) {
    let radius = radius.min(line.len());
    let window = 2 * radius + 1;
    let max = |a: Lanes, b: Lanes| std::array::from_fn(|l| if a[l] > b[l] { a[l] } else { b[l] });
    // `left` runs the maximum from each block's start, `right` from each block's end.
    let mut left = vec![[f32::NEG_INFINITY; LANES]; (line.len() + 2 * radius).next_multiple_of(window)];
    left[radius..radius + line.len()].copy_from_slice(line);
    let mut right = left.clone();
    for block in left.chunks_exact_mut(window) {
        (1..window).for_each(|i| block[i] = max(block[i], block[i - 1]));
    }
    for block in right.chunks_exact_mut(window) {
        (0..window - 1).rev().for_each(|i| block[i] = max(block[i], block[i + 1]));
    }
    for (x, out) in out.iter_mut().enumerate() {
        *out = max(right[x], left[x + window - 1]);
    }
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
