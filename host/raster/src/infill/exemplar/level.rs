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
pub(super) struct Level {
    /// Row length, border included.
    pub stride: usize,
    /// Number of rows, border included.
    pub rows: usize,
    pub texels: Vec<Texel>,
    pub kind: Vec<Kind>,
    /// True where a whole patch may be copied from, by its centre.
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

impl Level {
    /// The full picture; `hole` and `near` (which includes the hole) are row-major without border.
    pub fn finest(image: &Image, hole: &[bool], near: &[bool]) -> Level {
        let (w, h) = (image.extent().w as usize, image.extent().h as usize);
        let (stride, rows) = (w + 2 * REACH, h + 2 * REACH);
        let mut texels = vec![[0.0; 4]; stride * rows];
        let mut kind = vec![Kind::Void; stride * rows];
        for y in 0..h {
            for x in 0..w {
                let (i, o) = (y * w + x, (y + REACH) * stride + x + REACH);
                let p = &image.data()[i * 4..i * 4 + 4];
                kind[o] = match (hole[i], near[i], p[3] >= 0.5) {
                    (true, ..) => Kind::Hole,
                    (_, _, false) => Kind::Void,
                    (_, true, _) => Kind::Near,
                    _ => Kind::Known,
                };
                texels[o] = [p[0], p[1], p[2], 0.0];
            }
        }
        busyness(&mut texels, &kind, stride);
        Level::new(stride, rows, texels, kind)
    }

    fn new(stride: usize, rows: usize, texels: Vec<Texel>, kind: Vec<Kind>) -> Level {
        let any = |wanted: fn(Kind) -> bool| {
            let plane: Vec<bool> = kind.par_iter().map(|&k| wanted(k)).collect();
            spread(&plane, stride)
        };
        let touches_hole = any(|k| k == Kind::Hole);
        let spoiled = any(|k| k != Kind::Known);
        let inside: Vec<bool> = (0..kind.len())
            .map(|i| {
                let (x, y) = (i % stride, i / stride);
                (REACH..stride - REACH).contains(&x) && (REACH..rows - REACH).contains(&y)
            })
            .collect();
        let pick = |f: &dyn Fn(usize) -> bool| (0..kind.len()).map(|i| inside[i] && f(i)).collect();
        let target = pick(&|i| touches_hole[i] && kind[i] != Kind::Void);
        let source = pick(&|i| !spoiled[i]);
        let confidence = vec![0.0; kind.len()];
        let mass = vec![0.0; kind.len()];
        let contrast = contrast(&texels, &kind, stride);
        let mut level = Level { stride, rows, texels, kind, source, target, confidence, mass, contrast };
        level.trust();
        level
    }

    /// Sets confidences by depth in the hole.
    fn trust(&mut self) {
        let known: Vec<bool> = self.kind.iter().map(|k| matches!(k, Kind::Known | Kind::Near)).collect();
        let depth = distance(Extent::new(self.stride as u32, self.rows as u32), &known);
        self.confidence = (self.kind.iter().zip(&depth))
            .map(|(kind, &d)| match kind {
                Kind::Void => 0.0,
                _ => FADE.powf(d.min(DEEP)),
            })
            .collect();
        self.weigh();
    }

    /// Brings `mass` up to date with `confidence`.
    pub fn weigh(&mut self) {
        let (stride, confidence, target) = (self.stride, &self.confidence, &self.target);
        self.mass.par_iter_mut().enumerate().filter(|(i, _)| target[*i]).for_each(|(i, mass)| {
            *mass = 0.0;
            for_patches(i, stride, |j| *mass += confidence[j]);
        });
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
    pub fn halved(&self) -> Level {
        let (w, h) = (self.stride - 2 * REACH, self.rows - 2 * REACH);
        let (stride, rows) = (w.div_ceil(2) + 2 * REACH, h.div_ceil(2) + 2 * REACH);
        let mut texels = vec![[0.0; 4]; stride * rows];
        let mut kind = vec![Kind::Void; stride * rows];
        for y in 0..h.div_ceil(2) {
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
                let o = (y + REACH) * stride + x + REACH;
                if known > 0 && known >= hole {
                    texels[o] = sum.map(|v| v / known as f32);
                    kind[o] = if 2 * near > known { Kind::Near } else { Kind::Known };
                } else if hole > 0 {
                    kind[o] = Kind::Hole;
                }
            }
        }
        Level::new(stride, rows, texels, kind)
    }
}

/// Fills the fourth channel of known texels: the mean absolute luma difference to the right and lower
/// neighbour, over a window of known texels.
fn busyness(texels: &mut [Texel], kind: &[Kind], stride: usize) {
    const WINDOW: usize = 4;
    let known = |i: usize| matches!(kind[i], Kind::Known | Kind::Near);
    let luma = |i: usize| 0.299 * texels[i][0] + 0.587 * texels[i][1] + 0.114 * texels[i][2];
    let rows = kind.len() / stride;
    // Summed-area tables of the differences and of their number, in f64 for exactness.
    let mut table = vec![[0.0f64; 2]; (stride + 1) * (rows + 1)];
    for y in 0..rows {
        let mut row = [0.0f64; 2];
        for x in 0..stride {
            let i = y * stride + x;
            for j in [i + 1, i + stride] {
                if j < kind.len() && known(i) && known(j) {
                    row[0] += f64::from((luma(i) - luma(j)).abs());
                    row[1] += 1.0;
                }
            }
            let above = table[y * (stride + 1) + x + 1];
            table[(y + 1) * (stride + 1) + x + 1] = [above[0] + row[0], above[1] + row[1]];
        }
    }
    for y in 0..rows {
        for x in 0..stride {
            let i = y * stride + x;
            if !known(i) {
                continue;
            }
            let (x0, x1) = (x.saturating_sub(WINDOW), (x + WINDOW + 1).min(stride));
            let (y0, y1) = (y.saturating_sub(WINDOW), (y + WINDOW + 1).min(rows));
            let at = |x: usize, y: usize, c: usize| table[y * (stride + 1) + x][c];
            let sum = |c: usize| at(x1, y1, c) - at(x0, y1, c) - at(x1, y0, c) + at(x0, y0, c);
            texels[i][3] = if sum(1) > 0.0 { BUSY * (sum(0) / sum(1)) as f32 } else { 0.0 };
        }
    }
}

/// Standard deviation of the known texels' luma within [`REACH`], per texel; 0 beyond the picture.
fn contrast(texels: &[Texel], kind: &[Kind], stride: usize) -> Vec<f32> {
    let rows = kind.len() / stride;
    let mut out = vec![0.0; kind.len()];
    out.par_chunks_exact_mut(stride).enumerate().skip(REACH).take(rows - 2 * REACH).for_each(|(y, row)| {
        for (x, out) in row.iter_mut().enumerate().skip(REACH).take(stride - 2 * REACH) {
            let (mut n, mut sum, mut squares) = (0.0f32, 0.0f32, 0.0f32);
            for_patches(y * stride + x, stride, |i| {
                if matches!(kind[i], Kind::Known | Kind::Near) {
                    let luma = 0.299 * texels[i][0] + 0.587 * texels[i][1] + 0.114 * texels[i][2];
                    (n, sum, squares) = (n + 1.0, sum + luma, squares + luma * luma);
                }
            });
            if n > 0.0 {
                *out = (squares / n - (sum / n).powi(2)).max(0.0).sqrt();
            }
        }
    });
    out
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
