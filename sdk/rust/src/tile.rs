//! The pixels a filter works on.

use crate::Sample;
use std::borrow::Cow;
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

impl Rect {
    /// The picture cut into squares of `size` pixels from its upper left corner, those at the right and at the bottom
    /// into what is left: column and row of each that the area touches, and what it covers.
    ///
    /// An area with a halo of `size - 1` has each of them whole.
    pub fn blocks(self, size: u32, width: u32, height: u32) -> impl Iterator<Item = (i32, i32, Rect)> {
        let (side, right, bottom) = (size as i32, self.x + self.width as i32, self.y + self.height as i32);
        let columns = move || self.x.div_euclid(side)..(right - 1).div_euclid(side) + 1;
        (self.y.div_euclid(side)..(bottom - 1).div_euclid(side) + 1).flat_map(move |row| {
            columns().map(move |column| {
                let (x, y) = (column * side, row * side);
                let (w, h) = (size.min(width.saturating_sub(x as u32)), size.min(height.saturating_sub(y as u32)));
                (column, row, Rect { x, y, width: w, height: h })
            })
        })
    }

    /// What both cover, which may be nothing: then a side is 0.
    pub fn intersect(self, other: Rect) -> Rect {
        let (x, y) = (self.x.max(other.x), self.y.max(other.y));
        let side = |from: i32, a: i32, b: i32| (a.min(b) - from).max(0) as u32;
        Rect {
            x,
            y,
            width: side(x, self.x + self.width as i32, other.x + other.width as i32),
            height: side(y, self.y + self.height as i32, other.y + other.height as i32),
        }
    }
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

impl<S: Sample> Tile<S> {
    /// The same tile in floats, 0..=1: for filters that take whole numbers but reckon with fractions.
    pub fn to_floats(&self) -> Tile<f32> {
        let floats = |values: &[S]| values.iter().map(|v| v.to_unit()).collect();
        let inputs = self.inputs.iter().map(|values| floats(values)).collect();
        let Tile { pass, area, source, .. } = *self;
        Tile { pass, area, source, pixels: floats(&self.pixels), inputs, names: self.names.clone() }
    }
}

/// Rows of a tile that are whole vectors of four pixels, whatever the tile's width: see [`Tile::padded`].
pub struct Padded<'a, S: Sample> {
    /// Values from one row of the source to the next, a multiple of 16.
    pub stride: usize,
    /// Values of a row to make, the area's rounded up to a multiple of 16.
    pub made: usize,
    values: Cow<'a, [S]>,
    width: usize,
}

impl<S: Sample> Tile<S> {
    /// The pixels for filters that take four at a time. Where the tile's width is no multiple of four, and only there,
    /// it is a copy, with the last pixel of every row repeated. An even halo keeps it from being one on most tiles.
    pub fn padded(&self) -> Padded<'_, S> {
        let whole = |pixels: usize| pixels.next_multiple_of(4);
        let (width, source) = (self.area.width as usize, self.source.width as usize);
        let stride = whole(whole(width) + source - width) * 4;
        let values = if stride == source * 4 {
            Cow::Borrowed(&*self.pixels)
        } else {
            let mut values = Vec::with_capacity(stride * self.source.height as usize);
            for row in self.pixels.chunks_exact(source * 4) {
                values.extend_from_slice(row);
                let last = &row[row.len() - 4..];
                (source..stride / 4).for_each(|_| values.extend_from_slice(last));
            }
            Cow::Owned(values)
        };
        Padded { stride, made: whole(width) * 4, values, width: width * 4 }
    }
}

impl<S: Sample> Padded<'_, S> {
    /// Row `y` of the source, counted from its first: `stride` values.
    pub fn row(&self, y: usize) -> &[S] {
        &self.values[y * self.stride..][..self.stride]
    }

    /// All rows of the source.
    pub fn values(&self) -> &[S] {
        &self.values
    }

    /// Rows of `made` values as rows of the area's.
    pub fn trimmed(&self, mut made: Vec<S>) -> Vec<S> {
        if self.made > self.width {
            for y in 0..made.len() / self.made {
                made.copy_within(y * self.made..y * self.made + self.width, y * self.width);
            }
            made.truncate(made.len() / self.made * self.width);
        }
        made
    }
}

#[cfg(test)]
mod tests {
    use super::Rect;

    #[test]
    fn blocks_cover_an_area_once() {
        let area = Rect { x: 5, y: 3, width: 7, height: 6 };
        let mut seen = [0; 12 * 9];
        for (column, row, block) in area.blocks(4, 12, 9) {
            assert_eq!((block.x, block.y), (column * 4, row * 4));
            assert!(block.width == 4 && (block.height == 4 || (row == 2 && block.height == 1)));
            let part = block.intersect(area);
            for y in part.y..part.y + part.height as i32 {
                (part.x..part.x + part.width as i32).for_each(|x| seen[(y * 12 + x) as usize] += 1);
            }
        }
        for (i, &count) in seen.iter().enumerate() {
            let (x, y) = (i % 12, i / 12);
            assert_eq!(count, u32::from((5..12).contains(&x) && (3..9).contains(&y)), "({x}, {y})");
        }
        let apart = area.intersect(Rect { x: 40, y: 3, width: 2, height: 2 });
        assert_eq!(apart.width, 0);
    }
}
