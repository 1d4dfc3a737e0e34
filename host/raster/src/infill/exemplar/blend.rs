//! The last step: from matches to pixels.

use super::level::Level;
use super::search::{Field, NONE, REACH};
use super::vote::for_patches;
use crate::{Cancelled, Image, Job};

/// `image` with its hole filled from the sources of the best-matching patches.
pub(super) fn finish(
    image: &Image,
    hole: &[bool],
    level: &Level,
    field: &Field,
    job: &dyn Job,
) -> Result<Image, Cancelled> {
    let w = image.extent().w as usize;
    let mut out = image.clone();
    for (i, _) in hole.iter().enumerate().filter(|(_, h)| **h) {
        if i % 4096 == 0 && job.is_cancelled() {
            return Err(Cancelled);
        }
        let at = (i / w + REACH) * level.stride + i % w + REACH;
        let mut best = (NONE, f32::INFINITY);
        for_patches(at, level.stride, |p| {
            if field.source[p] as usize != NONE && field.cost[p] < best.1 {
                best = (field.source[p] as usize + at - p, field.cost[p]);
            }
        });
        if best.0 != NONE {
            let (x, y) = (best.0 % level.stride - REACH, best.0 / level.stride - REACH);
            out.set_pixel((i % w) as u32, (i / w) as u32, image.pixel(x as u32, y as u32));
        }
    }
    Ok(out)
}
