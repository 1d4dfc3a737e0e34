//! The pixels a filter works on.

use crate::Sample;
use std::rc::Rc;

/// Left, top and size in pixels.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(C)]
pub struct Rect {
    /// Left.
    pub x: i32,
    /// Top.
    pub y: i32,
    /// At least 1.
    pub width: u32,
    /// At least 1.
    pub height: u32,
}

/// An area of the picture to make, and the pixels to make it from.
///
/// A pixel is `[r, g, b, a]` with straight alpha. Colour under alpha 0 is 0 and means nothing, so weigh by alpha when
/// mixing pixels. Outside the picture the nearest pixel of its edge is repeated.
pub struct Tile<S> {
    /// Which pass of the plan, counted from 0, surveys included.
    pub pass: u32,
    /// What to make, in pixels of the result.
    pub area: Rect,
    /// What `pixels` covers, in pixels of the picture: the area with the halo on every side. Where the result has
    /// another size, the part of the picture that the area shows and the halo around that.
    pub source: Rect,
    /// Rows of `source.width` pixels of 4 values.
    pub pixels: Vec<S>,
    /// The inputs that come with tiles, each covering `source`.
    pub inputs: Vec<Vec<S>>,
    pub(crate) names: Rc<[String]>,
}

impl<S: Sample> Tile<S> {
    /// How many pixels there are on every side of the area, where the result has the picture's size.
    pub fn halo(&self) -> u32 {
        (self.area.x - self.source.x) as u32
    }

    /// Row `y` of the area, `-halo <= y < height + halo`: `source.width * 4` values, which begin `halo` pixels left
    /// of the area.
    pub fn row(&self, y: i32) -> &[S] {
        self.picture_row(y + self.area.y)
    }

    /// The row at `y` of the picture: `source.width * 4` values, which begin at `source.x`.
    pub fn picture_row(&self, y: i32) -> &[S] {
        let row = self.source.width as usize * 4;
        let start = (y - self.source.y) as usize * row;
        &self.pixels[start..start + row]
    }

    /// The pixel at column `x` and row `y` of the area, up to `halo` outside of it.
    pub fn at(&self, x: i32, y: i32) -> [S; 4] {
        let i = (x + self.area.x - self.source.x) as usize * 4;
        let row = self.row(y);
        [row[i], row[i + 1], row[i + 2], row[i + 3]]
    }

    /// The pixels of an input that comes with tiles, in the order of `pixels`; `None` where there is nothing of it.
    pub fn input(&self, name: &str) -> Option<&[S]> {
        let index = self.names.iter().position(|input| input == name)?;
        self.inputs.get(index).map(Vec::as_slice)
    }

    /// Every pixel of the area through `f(x, y, rgba)`, where x and y are its position in the picture. In place when
    /// there is no halo.
    pub fn map(mut self, mut f: impl FnMut(u32, u32, [S; 4]) -> [S; 4]) -> Vec<S> {
        if self.source != self.area {
            self.pixels = self.area_pixels();
        }
        let Rect { x, y, width, .. } = self.area;
        for (y, row) in (y as u32..).zip(self.pixels.chunks_exact_mut(width as usize * 4)) {
            for (x, pixel) in (x as u32..).zip(row.chunks_exact_mut(4)) {
                pixel.copy_from_slice(&f(x, y, [pixel[0], pixel[1], pixel[2], pixel[3]]));
            }
        }
        self.pixels
    }

    /// A copy of the area without its halo: where a result often starts from.
    pub fn area_pixels(&self) -> Vec<S> {
        let (skip, len) = (self.halo() as usize * 4, self.area.width as usize * 4);
        let mut out = Vec::with_capacity(len * self.area.height as usize);
        for y in 0..self.area.height as i32 {
            out.extend_from_slice(&self.row(y)[skip..skip + len]);
        }
        out
    }
}
