//! The pixels a filter works on.

/// An area of the picture to make, and the pixels to make it from.
///
/// A pixel is `[r, g, b, a]`: sRGB-encoded, straight alpha, each 0..=1. Colour under alpha 0 is 0 and means nothing,
/// so weigh by alpha when mixing pixels. Outside the picture the nearest pixel of its edge is repeated.
pub struct Tile {
    /// Left of the area, in pixels of the picture.
    pub x: u32,
    /// Top of the area, in pixels of the picture.
    pub y: u32,
    /// Width of the area, at least 1.
    pub width: u32,
    /// Height of the area, at least 1.
    pub height: u32,
    /// How many more pixels there are on every side, as the plan asked.
    pub halo: u32,
    /// The area with its halo: `height + 2 * halo` rows of `width + 2 * halo` pixels of 4 values.
    pub pixels: Vec<f32>,
}

impl Tile {
    /// Row `y` of the area with its halo, `-halo <= y < height + halo`: `(width + 2 * halo) * 4` values, which begin
    /// `halo` pixels left of the area.
    pub fn row(&self, y: i32) -> &[f32] {
        let row = (self.width + 2 * self.halo) as usize * 4;
        let start = (y + self.halo as i32) as usize * row;
        &self.pixels[start..start + row]
    }

    /// The pixel at column `x` and row `y` of the area, up to `halo` outside of it.
    pub fn at(&self, x: i32, y: i32) -> [f32; 4] {
        let i = (x + self.halo as i32) as usize * 4;
        let row = self.row(y);
        [row[i], row[i + 1], row[i + 2], row[i + 3]]
    }

    /// Every pixel of the area through `f(x, y, rgba)`, where x and y are its position in the picture. In place when
    /// there is no halo.
    pub fn map(mut self, mut f: impl FnMut(u32, u32, [f32; 4]) -> [f32; 4]) -> Vec<f32> {
        if self.halo > 0 {
            self.pixels = self.area();
        }
        for (y, row) in (self.y..).zip(self.pixels.chunks_exact_mut(self.width as usize * 4)) {
            for (x, pixel) in (self.x..).zip(row.chunks_exact_mut(4)) {
                pixel.copy_from_slice(&f(x, y, [pixel[0], pixel[1], pixel[2], pixel[3]]));
            }
        }
        self.pixels
    }

    /// A copy of the area without its halo: where a result often starts from.
    pub fn area(&self) -> Vec<f32> {
        let (skip, len) = (self.halo as usize * 4, self.width as usize * 4);
        let mut out = Vec::with_capacity(len * self.height as usize);
        for y in 0..self.height as i32 {
            out.extend_from_slice(&self.row(y)[skip..skip + len]);
        }
        out
    }
}
