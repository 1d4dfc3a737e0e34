//! Bending a patch's colours towards the picture's in the band where it fades: blending in the gradient domain.
//!
//! Decision: Poisson editing (Pérez et al. 2003, section 2) keeps a patch's gradients and adds a membrane, which is the difference of
//! both pictures where the patch ends and harmonic within. A patch that fades needs it in its band alone: the membrane is
//! fixed to nothing where the patch is whole, so what was painted there stays. It is solved over means of small squares, because
//! what differs is light and colour; the texture along the border would run into the patch as streaks.

use crate::squares::Squares;
use crate::{Extent, Image, Mask};
use rayon::prelude::*;

/// Side of the squares over which both pictures are compared, in pixels.
const SQUARE_PX: usize = 4;
/// Over-relaxation, and when to stop: at a change that nobody sees, or after so many rounds.
const OVER: f32 = 1.8;
const ENOUGH: f32 = 1e-5;
const MAX_ROUNDS: usize = 500;

/// `result` with its colours bent so that they meet `original`'s where `alpha`, the patch's opacity, ends, and are its own where it is
/// 1. All three share one extent. Pixels under alpha 0 or 1, and all alpha, are as they were.
pub fn membrane(result: &Image, original: &Image, alpha: &Mask) -> Image {
    assert_eq!(result.extent(), original.extent(), "result and original have one extent");
    assert_eq!(result.extent(), alpha.extent(), "result and alpha have one extent");
    let mut out = result.clone();
    let (mut squares, kinds) = known(result, original, alpha);
    relax(&mut squares, &kinds);
    let w = result.extent().w.max(1) as usize;
    out.data_mut().par_chunks_exact_mut(4).zip(alpha.data()).enumerate().for_each(|(i, (rgba, &a))| {
        if a > 0.0 && a < 1.0 {
            let bent = squares.at(i % w, i / w);
            (0..3).for_each(|c| rgba[c] = (rgba[c] + bent[c]).clamp(0.0, 1.0));
        }
    });
    out
}

/// What a square is to the membrane.
#[derive(Clone, Copy, PartialEq)]
enum Kind {
    /// Fixed to its value.
    Fixed,
    /// Between those.
    Free,
    /// Of a transparent part of the picture: nothing is known, and nothing pulls.
    Void,
}

/// The difference where the patch is gone, 0 where it is whole.
fn known(result: &Image, original: &Image, alpha: &Mask) -> (Squares, Vec<Kind>) {
    let (w, h) = (result.extent().w as usize, result.extent().h as usize);
    let extent = Extent::new(w.div_ceil(SQUARE_PX) as u32, h.div_ceil(SQUARE_PX) as u32);
    let square = |i: usize| {
        let (x, y) = (i % extent.w as usize * SQUARE_PX, i / extent.w as usize * SQUARE_PX);
        let pixels =
            (y..h.min(y + SQUARE_PX)).flat_map(|y| (x..w.min(x + SQUARE_PX)).map(move |x| (x as u32, y as u32)));
        let (mut sum, mut weight, mut gone, mut whole) = ([0.0; 3], 0.0, false, true);
        for (x, y) in pixels {
            let a = alpha.at(x, y);
            whole &= a >= 1.0;
            if a <= 0.0 {
                let (made, there) = (result.pixel(x, y), original.pixel(x, y));
                gone = true;
                weight += there[3];
                (0..3).for_each(|c| sum[c] += there[3] * (there[c] - made[c]));
            }
        }
        match (whole, gone) {
            (true, _) => ([0.0; 3], Kind::Fixed),
            (false, false) => ([0.0; 3], Kind::Free),
            (false, true) if weight > 0.0 => (sum.map(|v| v / weight), Kind::Fixed),
            (false, true) => ([0.0; 3], Kind::Void),
        }
    };
    let (values, kinds) = (0..extent.area() as usize).into_par_iter().map(square).unzip();
    (Squares { side: SQUARE_PX, extent, values }, kinds)
}

/// Makes every free square the mean of those beside it, by successive over-relaxation.
fn relax(squares: &mut Squares, kinds: &[Kind]) {
    let (w, h) = (squares.extent.w as usize, squares.extent.h as usize);
    let beside = |i: usize| {
        let (x, y) = (i % w, i / w);
        let sides = [(x > 0, i.wrapping_sub(1)), (x + 1 < w, i + 1), (y > 0, i.wrapping_sub(w)), (y + 1 < h, i + w)];
        sides.into_iter().filter(|&(inside, n)| inside && kinds[n] != Kind::Void).map(|(_, n)| n)
    };
    let free: Vec<(usize, Vec<usize>)> =
        (0..w * h).filter(|&i| kinds[i] == Kind::Free).map(|i| (i, beside(i).collect())).collect();
    for _ in 0..MAX_ROUNDS {
        let mut most = 0.0f32;
        for (i, beside) in free.iter().filter(|(_, beside)| !beside.is_empty()) {
            for c in 0..3 {
                let mean = beside.iter().map(|&n| squares.values[n][c]).sum::<f32>() / beside.len() as f32;
                let step = OVER * (mean - squares.values[*i][c]);
                squares.values[*i][c] += step;
                most = most.max(step.abs());
            }
        }
        if most < ENOUGH {
            break;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A patch of one colour on another, fading over 40 columns: the membrane is a straight line between both.
    #[test]
    fn between_two_levels_it_is_straight() {
        let extent = Extent::new(120, 40);
        let alpha = |x: u32| ((x as f32 + 0.5 - 40.0) / 40.0).clamp(0.0, 1.0);
        let alpha = Mask::from_data(extent, (0..40).flat_map(|_| (0..120).map(alpha)).collect());
        let [result, original] = [[0.5, 0.25, 0.75, 1.0], [0.25, 0.5, 0.75, 1.0]]
            .map(|color| Image::from_data(extent, color.repeat(extent.area() as usize)));
        let bent = membrane(&result, &original, &alpha);
        for (x, y) in (0..120).flat_map(|x| (0..40).map(move |y| (x, y))) {
            let [r, g, b, a] = bent.pixel(x, y);
            let gone = 1.0 - ((x as f32 + 0.5 - 38.0) / 44.0).clamp(0.0, 1.0);
            match alpha.at(x, y) {
                0.0 | 1.0 => assert_eq!([r, g, b, a], result.pixel(x, y)),
                _ => {
                    assert!(
                        (r - 0.5 + 0.25 * gone).abs() < 2e-3 && (g - 0.25 - 0.25 * gone).abs() < 2e-3,
                        "{x}: {r} {g}"
                    );
                    assert_eq!((b, a), (0.75, 1.0));
                }
            }
        }
    }

    #[test]
    fn where_nothing_is_known_nothing_is_bent() {
        for (w, h) in [(0, 0), (1, 1), (3, 7), (30, 20)] {
            let extent = Extent::new(w, h);
            let picture = |v: f32, a: f32| Image::from_data(extent, [v, v, v, a].repeat(extent.area() as usize));
            for (alpha, original) in [(0.5, picture(0.1, 1.0)), (0.0, picture(0.1, 0.0)), (1.0, picture(0.1, 1.0))] {
                let result = picture(0.8, 1.0);
                assert_eq!(membrane(&result, &original, &Mask::new(extent, alpha)), result, "{w}x{h}, {alpha}");
            }
        }
        // Transparent surroundings do not pull.
        let extent = Extent::new(40, 8);
        let alpha = Mask::from_data(extent, (0..8).flat_map(|_| (0..40).map(|x| (x as f32 / 30.0).min(1.0))).collect());
        let clear = Image::new(extent);
        let result = Image::from_data(extent, [0.8, 0.8, 0.8, 1.0].repeat(320));
        assert_eq!(membrane(&result, &clear, &alpha), result);
    }
}
