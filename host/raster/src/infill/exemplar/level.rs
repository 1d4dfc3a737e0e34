//! One level of the pyramid: texels with a border, what each one is, and which patches it holds.

use super::search::REACH;
use super::vote::for_patches;
use crate::distance::distance;
use crate::{Extent, Image};
use rayon::prelude::*;

/// R, G, B, sRGB-encoded, and how busy the neighbourhood is.
pub(super) type Texel = [f32; 4];

/// Weight of the busyness channel against a colour channel.
const BUSY: f32 = 6.0;

/// A texel one step deeper in the hole counts this much of the last, down to [`DEEP`] steps: what is
/// known must win over what was guessed, but a guess deep inside is as good as its neighbours.
const FADE: f32 = 0.6;
const DEEP: f32 = 12.0;

/// What a texel is.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Part of the picture, may be copied.
    Known,
    /// Part of the picture, too near to the hole to be copied.
    Near,
    /// To be filled.
    Hole,
    /// Transparent, or beyond the picture: never compared, never copied.
    Void,
}

/// A picture of the pyramid with a border of [`REACH`] void texels, so that no patch leaves the arrays.
pub(super) struct Picture {
    /// Row length, border included.
    pub stride: usize,
    /// Number of rows, border included.
    pub rows: usize,
    pub texels: Vec<Texel>,
    pub kind: Vec<Kind>,
    /// True where a whole patch may be copied from, by its centre.
    pub source: Vec<bool>,
}

/// A picture that is being filled: with what is only needed once it is its turn, so that the coarsest can begin early.
pub(super) struct Level {
    /// As the [`Picture`]'s, like the next four.
    pub stride: usize,
    pub rows: usize,
    pub texels: Vec<Texel>,
    pub kind: Vec<Kind>,
    pub source: Vec<bool>,
    /// True where a patch touches the hole, by its centre: these are matched.
    pub target: Vec<bool>,
    /// How much a texel of a target counts in comparisons and votes: 1 where it is known, less the
    /// deeper it lies in the hole, 0 where it is void.
    pub confidence: Vec<f32>,
    /// Sum of the confidences of a target's patch.
    pub mass: Vec<f32>,
    /// Standard deviation of the known luma in the patch around a texel.
    pub contrast: Vec<f32>,
}

impl Picture {
    /// The full picture; `hole` and `near` (which includes the hole) are row-major without border.
    pub fn finest(image: &Image, hole: &[bool], near: &[bool]) -> Picture {
        let (w, h) = (image.extent().w as usize, image.extent().h as usize);
        let (stride, rows) = (w + 2 * REACH, h + 2 * REACH);
        let mut texels = vec![[0.0; 4]; stride * rows];
        let mut kind = vec![Kind::Void; stride * rows];
        let lines = texels.par_chunks_exact_mut(stride).zip(kind.par_chunks_exact_mut(stride));
        lines.skip(REACH).take(h).enumerate().for_each(|(y, (texels, kinds))| {
            for x in 0..w {
                let (i, o) = (y * w + x, x + REACH);
                let p = &image.data()[i * 4..i * 4 + 4];
                kinds[o] = match (hole[i], near[i], p[3] >= 0.5) {
                    (true, ..) => Kind::Hole,
                    (_, _, false) => Kind::Void,
                    (_, true, _) => Kind::Near,
                    _ => Kind::Known,
                };
                texels[o] = [p[0], p[1], p[2], 0.0];
            }
        });
        busyness(&mut texels, &kind, stride);
        Picture::new(stride, rows, texels, kind)
    }

    fn new(stride: usize, rows: usize, texels: Vec<Texel>, kind: Vec<Kind>) -> Picture {
        let spoiled = touched(&kind, stride, |k| k != Kind::Known);
        let source = inside(stride, rows, |i| !spoiled[i]);
        Picture { stride, rows, texels, kind, source }
    }

    pub fn has_sources(&self) -> bool {
        self.source.contains(&true)
    }

    pub fn has_hole(&self) -> bool {
        self.kind.contains(&Kind::Hole)
    }

    /// Without the border.
    pub fn shorter_side(&self) -> usize {
        self.stride.min(self.rows) - 2 * REACH
    }

    /// Half the size, rounded up. A texel is the mean of its known children and known itself if at least
    /// half of those inside the picture are.
    pub fn halved(&self) -> Picture {
        let (w, h) = (self.stride - 2 * REACH, self.rows - 2 * REACH);
        let (stride, rows) = (w.div_ceil(2) + 2 * REACH, h.div_ceil(2) + 2 * REACH);
        let mut texels = vec![[0.0; 4]; stride * rows];
        let mut kind = vec![Kind::Void; stride * rows];
        let lines = texels.par_chunks_exact_mut(stride).zip(kind.par_chunks_exact_mut(stride));
        lines.skip(REACH).take(h.div_ceil(2)).enumerate().for_each(|(y, (texels, kinds))| {
            for x in 0..w.div_ceil(2) {
                let mut sum = [0.0f32; 4];
                let (mut known, mut hole, mut near) = (0, 0, 0);
                for (u, v) in [(0, 0), (1, 0), (0, 1), (1, 1)] {
                    let i = (2 * y + v + REACH) * self.stride + 2 * x + u + REACH;
                    match self.kind[i] {
                        Kind::Void => continue,
                        Kind::Hole => hole += 1,
                        k => {
                            known += 1;
                            near += i32::from(k == Kind::Near);
                            (0..4).for_each(|c| sum[c] += self.texels[i][c]);
                        }
                    }
                }
                let o = x + REACH;
                if known > 0 && known >= hole {
                    texels[o] = sum.map(|v| v / known as f32);
                    kinds[o] = if 2 * near > known { Kind::Near } else { Kind::Known };
                } else if hole > 0 {
                    kinds[o] = Kind::Hole;
                }
            }
        });
        Picture::new(stride, rows, texels, kind)
    }
}

impl Level {
    pub fn new(picture: Picture) -> Level {
        let Picture { stride, rows, texels, kind, source } = picture;
        let touches_hole = touched(&kind, stride, |k| k == Kind::Hole);
        let target = inside(stride, rows, |i| touches_hole[i] && kind[i] != Kind::Void);
        let confidence = trust(&kind, stride);
        let contrast = contrast(&texels, &kind, stride);
        let mass = vec![0.0; kind.len()];
        let mut level = Level { stride, rows, texels, kind, source, target, confidence, mass, contrast };
        level.weigh();
        level
    }

    /// Brings `mass` up to date with `confidence`.
    pub fn weigh(&mut self) {
        let (stride, confidence, target) = (self.stride, &self.confidence, &self.target);
        self.mass.par_iter_mut().enumerate().filter(|(i, _)| target[*i]).for_each(|(i, mass)| {
            *mass = 0.0;
            for_patches(i, stride, |j| *mass += confidence[j]);
        });
    }
}

/// Confidences by depth in the hole.
fn trust(kind: &[Kind], stride: usize) -> Vec<f32> {
    let known: Vec<bool> = kind.iter().map(|&k| is_known(k)).collect();
    let depth = distance(Extent::new(stride as u32, (kind.len() / stride) as u32), &known);
    let trusted = kind.par_iter().zip(&depth).map(|(kind, &d)| match kind {
        Kind::Void => 0.0,
        _ if d == 0.0 => 1.0,
        _ => FADE.powf(d.min(DEEP)),
    });
    trusted.collect()
}

/// True where a patch, by its centre, has a texel of a kind that is `wanted`.
fn touched(kind: &[Kind], stride: usize, wanted: fn(Kind) -> bool) -> Vec<bool> {
    let plane: Vec<bool> = kind.par_iter().map(|&k| wanted(k)).collect();
    spread(&plane, stride)
}

/// `wanted` of every texel but the border's, where it is false.
fn inside(stride: usize, rows: usize, wanted: impl Fn(usize) -> bool + Sync) -> Vec<bool> {
    let inside = |i: usize| {
        let (x, y) = (i % stride, i / stride);
        (REACH..stride - REACH).contains(&x) && (REACH..rows - REACH).contains(&y)
    };
    (0..stride * rows).into_par_iter().map(|i| inside(i) && wanted(i)).collect()
}

/// Fills the fourth channel of known texels: the mean absolute luma difference to the right and lower
/// neighbour, over a window of known texels.
fn busyness(texels: &mut [Texel], kind: &[Kind], stride: usize) {
    const WINDOW: usize = 4;
    let steps = |i: usize| {
        let (mut sum, mut count) = (0.0, 0.0);
        for j in [i + 1, i + stride] {
            if j < kind.len() && is_known(kind[i]) && is_known(kind[j]) {
                sum += (luma(texels[i]) - luma(texels[j])).abs();
                count += 1.0;
            }
        }
        [sum, count]
    };
    let mut busy = vec![0.0; kind.len()];
    sums(
        stride,
        WINDOW,
        steps,
        &mut busy,
        |i, [sum, count]| {
            if is_known(kind[i]) && count > 0.0 { BUSY * (sum / count) } else { 0.0 }
        },
    );
    texels.par_iter_mut().zip(busy).for_each(|(texel, busy)| texel[3] = busy);
}

/// Standard deviation of the known texels' luma within [`REACH`], per texel.
fn contrast(texels: &[Texel], kind: &[Kind], stride: usize) -> Vec<f32> {
    let value = |i: usize| {
        let luma = luma(texels[i]);
        if is_known(kind[i]) { [1.0, luma, luma * luma] } else { [0.0; 3] }
    };
    let mut out = vec![0.0; kind.len()];
    sums(stride, REACH, value, &mut out, |_, [n, sum, squares]| match n > 0.0 {
        true => (squares / n - (sum / n).powi(2)).max(0.0).sqrt(),
        false => 0.0,
    });
    out
}

fn is_known(kind: Kind) -> bool {
    matches!(kind, Kind::Known | Kind::Near)
}

fn luma(texel: Texel) -> f32 {
    0.299 * texel[0] + 0.587 * texel[1] + 0.114 * texel[2]
}

/// What `make` makes, for each texel, of the sums of `value` over all within `reach` in both directions. Rows are summed
/// first, a band of them at a time, so that the sums of the columns find them in the cache.
fn sums<const K: usize>(
    stride: usize,
    reach: usize,
    value: impl Fn(usize) -> [f32; K] + Sync,
    out: &mut [f32],
    make: impl Fn(usize, [f32; K]) -> f32 + Sync,
) {
    const BAND: usize = 32;
    let rows = out.len() / stride;
    let add = |to: &mut [[f32; K]], from: &[[f32; K]]| {
        to.as_flattened_mut().iter_mut().zip(from.as_flattened()).for_each(|(to, from)| *to += from);
    };
    out.par_chunks_mut(BAND * stride).enumerate().for_each(|(band, out)| {
        let first = (band * BAND).saturating_sub(reach);
        let last = (band * BAND + BAND + reach).min(rows);
        let mut across = vec![[0.0; K]; (last - first) * stride];
        let mut row = vec![[0.0; K]; stride + 2 * reach];
        for (y, across) in (first..last).zip(across.chunks_exact_mut(stride)) {
            row[reach..][..stride].iter_mut().enumerate().for_each(|(x, v)| *v = value(y * stride + x));
            (0..=2 * reach).for_each(|shift| add(across, &row[shift..]));
        }
        let mut sums = vec![[0.0; K]; stride];
        for (y, out) in (band * BAND..).zip(out.chunks_exact_mut(stride)) {
            sums.fill([0.0; K]);
            let near = y.saturating_sub(reach).max(first)..(y + reach + 1).min(last);
            near.for_each(|v| add(&mut sums, &across[(v - first) * stride..][..stride]));
            out.iter_mut().zip(&sums).enumerate().for_each(|(x, (out, sums))| *out = make(y * stride + x, *sums));
        }
    });
}

/// True where any texel within [`REACH`] in both directions is true.
fn spread(plane: &[bool], stride: usize) -> Vec<bool> {
    let mut across = vec![false; plane.len()];
    across.par_chunks_exact_mut(stride).zip(plane.par_chunks_exact(stride)).for_each(|(out, row)| {
        for (x, out) in out.iter_mut().enumerate() {
            *out = row[x.saturating_sub(REACH)..(x + REACH + 1).min(stride)].contains(&true);
        }
    });
    let rows = plane.len() / stride;
    let mut out = vec![false; plane.len()];
    out.par_chunks_exact_mut(stride).enumerate().for_each(|(y, out)| {
        for v in y.saturating_sub(REACH)..(y + REACH + 1).min(rows) {
            out.iter_mut().zip(&across[v * stride..]).for_each(|(o, a)| *o |= a);
        }
    });
    out
}
