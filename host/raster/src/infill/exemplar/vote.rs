//! Voting: the hole's colours from the sources of all patches that cover a texel.

use super::level::{Kind, Level, Texel};
use super::search::{Field, NONE, REACH};
use crate::{Cancelled, Job};
use rayon::prelude::*;

/// How much worse than the best a patch may match, relative to the best, before its vote counts half.
pub(super) const SHARP: f32 = 0.3;

/// Replaces the hole's texels by the weighted mean of what their 49 patches' sources propose.
pub(super) fn vote(level: &mut Level, field: &Field, softness: f32, job: &dyn Job) -> Result<(), Cancelled> {
    let (stride, texels) = (level.stride, &level.texels);
    // By rows, beside the level: most of it is no hole.
    let votes = level.kind.par_chunks_exact(stride).enumerate().map(|(y, kinds)| {
        if job.is_cancelled() {
            return Err(Cancelled);
        }
        let mut votes = Vec::new();
        for (x, _) in kinds.iter().enumerate().filter(|(_, kind)| **kind == Kind::Hole) {
            let i = y * stride + x;
            let mut best = f32::INFINITY;
            for_patches(i, stride, |p| {
                if field.source[p] as usize != NONE {
                    best = best.min(field.cost[p]);
                }
            });
            let scale = softness * best + 1e-5;
            let (mut sum, mut weights) = ([0.0f32; 4], 0.0f32);
            for_patches(i, stride, |p| {
                let s = field.source[p] as usize;
                if s != NONE {
                    let w = level.confidence[p] * (scale / (scale + field.cost[p] - best)).powi(2);
                    let from = texels[s + i - p];
                    (0..4).for_each(|c| sum[c] += w * from[c]);
                    weights += w;
                }
            });
            if weights > 0.0 {
                votes.push((i, sum.map(|v| v / weights)));
            }
        }
        Ok(votes)
    });
    let votes: Vec<Vec<(usize, Texel)>> = votes.collect::<Result<_, Cancelled>>()?;
    votes.into_iter().flatten().for_each(|(i, texel)| level.texels[i] = texel);
    Ok(())
}

/// Calls `f` with the centre of each patch that covers texel `i`.
pub(super) fn for_patches(i: usize, stride: usize, mut f: impl FnMut(usize)) {
    for row in 0..=2 * REACH {
        let start = i + row * stride - REACH * stride - REACH;
        (start..start + 2 * REACH + 1).for_each(&mut f);
    }
}
