//! Smooth fill by a push-pull pyramid (Gortler et al. 1996, "The Lumigraph").
//!
//! Decision: colours are pushed premultiplied and weighted by `1 - mask`, so a soft mask mixes the original
//! and the fill in proportion, and transparent surroundings lend no colour.

use crate::{Extent, Image, Mask};
use rayon::prelude::*;

/// One level: premultiplied RGBA times weight, and the weight, 0..=1.
type Weighted = [f32; 5];

/// `image` with its masked pixels replaced by a smooth blend of their surroundings; a soft value `m` keeps
/// `1 - m` of the original. Pixels under mask 0 are bit-identical. With nothing unmasked to draw from, the
/// image is returned as it came. One extent for both; costs about 30 ms per megapixel.
pub fn push_pull(image: &Image, mask: &Mask) -> Image {
    assert_eq!(image.extent(), mask.extent(), "image and mask have one extent");
    let mut out = image.clone();
    if image.extent().area() == 0 {
        return out;
    }
    let base: Vec<Weighted> = image
        .data()
        .par_chunks_exact(4)
        .zip(mask.data())
        .map(|(p, &m)| {
            let w = 1.0 - m.clamp(0.0, 1.0);
            let a = p[3] * w;
            [p[0] * a, p[1] * a, p[2] * a, a, w]
        })
        .collect();
    let mut levels = vec![(image.extent(), base)];
    while let Some((extent, level)) = levels.last()
        && (extent.w > 1 || extent.h > 1)
    {
        let next = halve(*extent, level);
        levels.push(next);
    }
    let Some((mut extent, mut coarse)) = levels.pop() else {
        return out;
    };
    if coarse.first().is_none_or(|p| p[4] <= 0.0) {
        return out;
    }
    coarse.iter_mut().for_each(normalise);
    while let Some((fine_extent, mut fine)) = levels.pop() {
        pull(fine_extent, &mut fine, extent, &coarse);
        (extent, coarse) = (fine_extent, fine);
    }
    out.data_mut().par_chunks_exact_mut(4).zip(mask.data()).zip(&coarse).for_each(|((rgba, &m), p)| {
        if m > 0.0 {
            let a = p[3].clamp(0.0, 1.0);
            let color = |v: f32| {
                if a > 1e-6 { (v / a).clamp(0.0, 1.0) } else { 0.0 }
            };
            rgba.copy_from_slice(&[color(p[0]), color(p[1]), color(p[2]), a]);
        }
    });
    out
}

fn normalise(p: &mut Weighted) {
    if p[4] > 0.0 {
        (0..4).for_each(|c| p[c] /= p[4]);
        p[4] = 1.0;
    }
}

/// Half the size, rounded up: each pixel sums its (up to four) children; weights saturate at 1.
fn halve(extent: Extent, fine: &[Weighted]) -> (Extent, Vec<Weighted>) {
    let to = Extent::new(extent.w.div_ceil(2), extent.h.div_ceil(2));
    let (w, h) = (extent.w as usize, extent.h as usize);
    let mut out = vec![[0.0; 5]; to.area() as usize];
    out.par_chunks_exact_mut(to.w as usize).enumerate().for_each(|(y, row)| {
        for (x, sum) in row.iter_mut().enumerate() {
            for v in 2 * y..(2 * y + 2).min(h) {
                for p in &fine[v * w + 2 * x..v * w + (2 * x + 2).min(w)] {
                    (0..5).for_each(|c| sum[c] += p[c]);
                }
            }
            if sum[4] > 1.0 {
                normalise(sum);
            }
        }
    });
    (to, out)
}

/// Adds to each fine pixel what its weight lacks, bilinearly from the (complete) coarse level.
fn pull(extent: Extent, fine: &mut [Weighted], from: Extent, coarse: &[Weighted]) {
    let side = |i: usize, n: u32| {
        let near = i / 2;
        let far = if i.is_multiple_of(2) { near.saturating_sub(1) } else { (near + 1).min(n as usize - 1) };
        (near, far)
    };
    fine.par_chunks_exact_mut(extent.w as usize).enumerate().for_each(|(y, row)| {
        let (y0, y1) = side(y, from.h);
        for (x, p) in row.iter_mut().enumerate().filter(|(_, p)| p[4] < 1.0) {
            let (x0, x1) = side(x, from.w);
            let at = |x: usize, y: usize| &coarse[y * from.w as usize + x];
            let (a, b, c, d) = (at(x0, y0), at(x1, y0), at(x0, y1), at(x1, y1));
            let missing = 1.0 - p[4];
            for k in 0..4 {
                p[k] += missing * (0.5625 * a[k] + 0.1875 * (b[k] + c[k]) + 0.0625 * d[k]);
            }
            p[4] = 1.0;
        }
    });
}
