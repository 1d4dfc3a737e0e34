//! What a level has made of the hole so far, for whoever waits: the composition is seen long before the pixels are copied.

use super::level::{Kind, Level};
use super::search::REACH;
use crate::{Extent, Image, Rect};
use rayon::prelude::*;
use std::ops::Range;

/// Longest side of a preview, in pixels ([`Job::preview`](crate::Job::preview)).
const SIDE: u32 = 512;

/// Where a hole lies, so that its previews can be those of the whole picture.
pub(super) struct View {
    /// Size of the picture.
    pub picture: Extent,
    /// What the pyramid is made of, in the picture.
    pub window: Rect,
    /// The hole's bounds, in the picture; they lie inside `window`.
    pub hole: Rect,
}

impl View {
    /// The hole's bounds in the window.
    pub fn within(&self) -> Rect {
        Rect { x: self.hole.x - self.window.x, y: self.hole.y - self.window.y, ..self.hole }
    }

    /// The picture, small: in and just around the hole's bounds what `level` shows, which is halved `halvings` times;
    /// transparent elsewhere.
    pub fn of(&self, level: &Level, halvings: usize) -> Image {
        let (w, h) = (self.picture.w, self.picture.h);
        let shrink = (f64::from(SIDE) / f64::from(w.max(h))).min(1.0);
        let small = |side: u32| ((f64::from(side) * shrink).round() as u32).max(1);
        let extent = Extent::new(small(w), small(h));
        let texel = (1u64 << halvings) as f64;
        let axis = |size: u32, small: u32, window: i32, texels: usize| Axis {
            step: f64::from(size) / f64::from(small) / texel,
            start: f64::from(window) / texel,
            texels,
        };
        let columns = axis(w, extent.w, self.window.x, level.stride - 2 * REACH);
        let rows = axis(h, extent.h, self.window.y, level.rows - 2 * REACH);
        let xs = seen(self.hole.x, self.hole.w, w, extent.w);
        let ys = seen(self.hole.y, self.hole.h, h, extent.h);
        let mut out = Image::new(extent);
        let lines = out.data_mut().par_chunks_exact_mut(4 * extent.w as usize).zip(0..extent.h);
        lines.filter(|(_, y)| ys.contains(y)).for_each(|(line, y)| {
            for x in xs.clone() {
                let mut sum = [0.0; 4];
                for (v, across) in rows.under(y) {
                    for (u, along) in columns.under(x) {
                        let i = (v + REACH) * level.stride + u + REACH;
                        let weight = if level.kind[i] == Kind::Void { 0.0 } else { across * along };
                        let [r, g, b, _] = level.texels[i];
                        [r, g, b, 1.0].iter().zip(&mut sum).for_each(|(v, sum)| *sum += weight * v);
                    }
                }
                if sum[3] > 0.0 {
                    line[4 * x as usize..][..4].copy_from_slice(&sum.map(|v| v / sum[3]));
                }
            }
        });
        out
    }
}

/// How the pixels along one side of a preview lie over a level's texels.
struct Axis {
    /// A pixel's length, in texels.
    step: f64,
    /// Where the window begins, in texels from the picture's edge.
    start: f64,
    texels: usize,
}

impl Axis {
    /// The texels under pixel `at` with their weights: their mean where a pixel is larger than a texel, between two of them
    /// where it is smaller.
    fn under(&self, at: u32) -> impl Iterator<Item = (usize, f32)> {
        let (centre, half) = ((f64::from(at) + 0.5) * self.step - self.start, self.step.max(1.0) / 2.0);
        let last = self.texels as f64 - 1.0;
        let (from, to) = (centre - half, centre + half);
        let texels = from.floor().clamp(0.0, last) as usize..=(to.ceil() - 1.0).clamp(0.0, last) as usize;
        texels.map(move |i| (i, (to.min(i as f64 + 1.0) - from.max(i as f64)).max(0.0) as f32))
    }
}

/// The pixels of a preview's side that touch `start..start + len` of the picture's, and one more on either end.
fn seen(start: i32, len: u32, side: u32, small: u32) -> Range<u32> {
    let scaled = |at: u64| at * u64::from(small) / u64::from(side.max(1));
    let first = scaled(start.max(0) as u64).saturating_sub(1);
    let last = scaled(start.max(0) as u64 + u64::from(len)) + 2;
    first as u32..last.min(u64::from(small)) as u32
}
