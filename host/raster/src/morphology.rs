//! Grey dilation and erosion by a square: the maximum or minimum over `(2r+1) x (2r+1)` pixels.
//!
//! Decision: outside the picture there is nothing, neither 0 nor 1, so an edge of the canvas never eats
//! into a selection. Van Herk's running maximum costs the same for every radius.

use crate::lanes::{LANES, Lanes};

/// Lines of the largest values within `radius` pixels; soft edges stay as soft as they are. Along both axes it is a dilation.
pub(crate) fn largest(radius: u32) -> impl Fn(&[Lanes], &mut [Lanes]) + Sync {
    move |line, out| running(line, radius, out, f32::NEG_INFINITY, |a, b| if a > b { a } else { b })
}

/// Lines of the smallest values within `radius` pixels. Along both axes it is an erosion.
pub(crate) fn smallest(radius: u32) -> impl Fn(&[Lanes], &mut [Lanes]) + Sync {
    move |line, out| running(line, radius, out, f32::INFINITY, |a, b| if a < b { a } else { b })
}

/// What `pick` leaves of the values within `radius` pixels; `beyond` is never picked.
#[inline(always)]
fn running(line: &[Lanes], radius: u32, out: &mut [Lanes], beyond: f32, pick: impl Fn(f32, f32) -> f32) {
    let radius = (radius as usize).min(line.len());
    let window = 2 * radius + 1;
    let pick = |a: Lanes, b: Lanes| -> Lanes { std::array::from_fn(|l| pick(a[l], b[l])) };
    // `left` is picked from each block's start on, `right` from each block's end.
    let mut left = vec![[beyond; LANES]; (line.len() + 2 * radius).next_multiple_of(window)];
    left[radius..radius + line.len()].copy_from_slice(line);
    let mut right = left.clone();
    for block in left.chunks_exact_mut(window) {
        (1..window).for_each(|i| block[i] = pick(block[i], block[i - 1]));
    }
    for block in right.chunks_exact_mut(window) {
        (0..window - 1).rev().for_each(|i| block[i] = pick(block[i], block[i + 1]));
    }
    let both = right.iter().zip(left.get(window - 1..).unwrap_or_default());
    out.iter_mut().zip(both).for_each(|(out, (right, left))| *out = pick(*right, *left));
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Extent, Mask, lanes};

    #[test]
    fn agrees_with_the_definition() {
        let mut state = 1u64;
        let mut random = move || {
            state = state.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
            (state >> 40) as f32 / (1 << 24) as f32
        };
        for (w, h, r) in [(1, 1, 3), (7, 5, 1), (16, 9, 4), (5, 31, 6), (40, 3, 50)] {
            let mask = Mask::from_data(Extent::new(w, h), (0..w * h).map(|_| random()).collect());
            let [big, small] = [
                lanes::both_ways(mask.data().to_vec(), w as usize, largest(r)),
                lanes::both_ways(mask.data().to_vec(), w as usize, smallest(r)),
            ]
            .map(|data| Mask::from_data(mask.extent(), data));
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
