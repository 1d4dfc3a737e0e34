//! From a picture to what a control model is to see: edges, lines, rough colours.
//!
//! Decision: these are the ones that need no weights. Each takes and gives an opaque picture of the same size, its findings
//! light on black where they are lines, as the control models were trained.

mod blur;
mod canny;
mod scribble;
mod soft_edge;
mod tile;

use crate::{Extent, Image, Mask};

/// Which one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Preprocess {
    /// Thin sharp edges.
    Canny,
    /// Edges as light as they are steep.
    SoftEdge,
    /// Broad strokes along the lines of a drawing.
    Scribble,
    /// Colours without detail, for adding another.
    Tile,
    /// Colours out of focus.
    Blur,
}

impl Preprocess {
    /// All, in the order shown to painters.
    pub const ALL: [Self; 5] = [Self::Canny, Self::SoftEdge, Self::Scribble, Self::Tile, Self::Blur];

    /// The name on the wire and on the command line.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Canny => "canny",
            Self::SoftEdge => "soft_edge",
            Self::Scribble => "scribble",
            Self::Tile => "tile",
            Self::Blur => "blur",
        }
    }

    /// What the control model sees instead of `image`; any size, alpha is left out.
    pub fn apply(self, image: &Image) -> Image {
        match self {
            Self::Canny => canny::apply(image),
            Self::SoftEdge => soft_edge::apply(image),
            Self::Scribble => scribble::apply(image),
            Self::Tile => tile::apply(image),
            Self::Blur => blur::apply(image),
        }
    }
}

/// Luma (Rec. 601, of encoded values): what a drawing's lines differ in.
fn luma(image: &Image) -> Mask {
    let luma = |p: &[f32]| (0.299 * p[0] + 0.587 * p[1] + 0.114 * p[2]).clamp(0.0, 1.0);
    Mask::from_data(image.extent(), image.data().chunks_exact(4).map(luma).collect())
}

/// One plane as an opaque grey picture.
fn grey(extent: Extent, plane: impl Iterator<Item = f32>) -> Image {
    Image::from_data(extent, plane.flat_map(|v| [v, v, v, 1.0]).collect())
}

/// How steep `plane` is at each pixel by Sobel's kernels, across and down; beyond the border its last pixel goes on. A step
/// from 0 to 1 is 4.
fn sobel(plane: &[f32], extent: Extent) -> Vec<[f32; 2]> {
    let (w, h) = (extent.w as usize, extent.h as usize);
    let at = |x: usize, y: usize, dx: i64, dy: i64| {
        let clamp = |i: usize, d: i64, n: usize| (i as i64 + d).clamp(0, n as i64 - 1) as usize;
        plane[clamp(y, dy, h) * w + clamp(x, dx, w)]
    };
    let pixel = |i: usize| {
        let (x, y) = (i % w, i / w);
        let sum = |a: [(i64, i64); 3], b: [(i64, i64); 3]| {
            let line = |c: [(i64, i64); 3]| {
                at(x, y, c[0].0, c[0].1) + 2.0 * at(x, y, c[1].0, c[1].1) + at(x, y, c[2].0, c[2].1)
            };
            line(b) - line(a)
        };
        [
            sum([(-1, -1), (-1, 0), (-1, 1)], [(1, -1), (1, 0), (1, 1)]),
            sum([(-1, -1), (0, -1), (1, -1)], [(-1, 1), (0, 1), (1, 1)]),
        ]
    };
    (0..w * h).map(pixel).collect()
}
