//! The two pixel containers.

use crate::{Extent, Rect};
use rayon::prelude::*;

/// RGBA, interleaved, row-major, tightly packed: `data[(y * w + x) * 4 + c]`.
/// Values are sRGB-encoded, 0..=1, with straight (unassociated) alpha.
#[derive(Clone, Debug, PartialEq)]
pub struct Image {
    extent: Extent,
    data: Vec<f32>,
}

/// One plane, row-major: 0 keeps a pixel, 1 repaints it, values between are soft.
#[derive(Clone, Debug, PartialEq)]
pub struct Mask {
    extent: Extent,
    data: Vec<f32>,
}

impl Image {
    /// Fully transparent black.
    pub fn new(extent: Extent) -> Self {
        Self { extent, data: vec![0.0; extent.area() as usize * 4] }
    }

    /// Takes `extent.w * extent.h * 4` values; panics on any other length, which is a bug of the caller.
    pub fn from_data(extent: Extent, data: Vec<f32>) -> Self {
        assert_eq!(data.len() as u64, extent.area() * 4, "an image of {extent:?} needs w*h*4 values");
        Self { extent, data }
    }

    /// A picture whose rows `write` fills, each told by its number, on all cores; they begin transparent.
    pub fn from_rows(extent: Extent, write: impl Fn(usize, &mut [[f32; 4]]) + Sync) -> Self {
        let mut image = Self::new(extent);
        let rows = image.data.as_chunks_mut().0.par_chunks_exact_mut(extent.w.max(1) as usize);
        rows.enumerate().for_each(|(y, row)| write(y, row));
        image
    }

    /// `per_pixel` values for each pixel, as `write` makes them of each row, told its number, on all cores.
    pub fn to_rows<T: Clone + Default + Send>(
        &self,
        per_pixel: usize,
        write: impl Fn(usize, &[[f32; 4]], &mut [T]) + Sync,
    ) -> Vec<T> {
        let w = self.extent.w.max(1) as usize;
        let mut out = vec![T::default(); self.extent.area() as usize * per_pixel];
        let rows = out.par_chunks_exact_mut(w * per_pixel).zip(self.data.as_chunks().0.par_chunks_exact(w));
        rows.enumerate().for_each(|(y, (out, row))| write(y, row, out));
        out
    }

    /// Size in pixels.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// All values, interleaved RGBA.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All values, interleaved RGBA.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The values, without a copy.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The pixel at column `x`, row `y`.
    pub fn pixel(&self, x: u32, y: u32) -> [f32; 4] {
        let i = (y as usize * self.extent.w as usize + x as usize) * 4;
        [self.data[i], self.data[i + 1], self.data[i + 2], self.data[i + 3]]
    }

    /// Sets the pixel at column `x`, row `y`.
    pub fn set_pixel(&mut self, x: u32, y: u32, rgba: [f32; 4]) {
        let i = (y as usize * self.extent.w as usize + x as usize) * 4;
        self.data[i..i + 4].copy_from_slice(&rgba);
    }

    /// The smallest rect holding every pixel with alpha above 0, `None` if there is none.
    pub fn bounds(&self) -> Option<Rect> {
        bounds(self.data.as_chunks::<4>().0.chunks_exact(self.extent.w.max(1) as usize), |p| p[3] > 0.0)
    }

    /// A copy of `rect`, which must lie inside the image.
    pub fn crop(&self, rect: Rect) -> Image {
        Image { extent: rect.extent(), data: crop(&self.data, self.extent, rect, 4) }
    }
}

impl Mask {
    /// All `value`.
    pub fn new(extent: Extent, value: f32) -> Self {
        Self { extent, data: vec![value; extent.area() as usize] }
    }

    /// Takes `extent.w * extent.h` values; panics on any other length, which is a bug of the caller.
    pub fn from_data(extent: Extent, data: Vec<f32>) -> Self {
        assert_eq!(data.len() as u64, extent.area(), "a mask of {extent:?} needs w*h values");
        Self { extent, data }
    }

    /// Size in pixels.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// All values.
    pub fn data(&self) -> &[f32] {
        &self.data
    }

    /// All values.
    pub fn data_mut(&mut self) -> &mut [f32] {
        &mut self.data
    }

    /// The values, without a copy.
    pub fn into_data(self) -> Vec<f32> {
        self.data
    }

    /// The value at column `x`, row `y`.
    pub fn at(&self, x: u32, y: u32) -> f32 {
        self.data[y as usize * self.extent.w as usize + x as usize]
    }

    /// Sets the value at column `x`, row `y`.
    pub fn set(&mut self, x: u32, y: u32, value: f32) {
        self.data[y as usize * self.extent.w as usize + x as usize] = value;
    }

    /// A copy of `rect`, which must lie inside the mask.
    pub fn crop(&self, rect: Rect) -> Mask {
        Mask { extent: rect.extent(), data: crop(&self.data, self.extent, rect, 1) }
    }

    /// Lays `part` over `rect`, which must be as large and lie inside.
    pub fn put(&mut self, rect: Rect, part: &Mask) {
        assert!(self.extent.rect().contains(rect) && rect.extent() == part.extent, "{rect:?} in {:?}", self.extent);
        let (width, from) = (self.extent.w as usize, rect.w.max(1) as usize);
        for (y, row) in (rect.y as usize..).zip(part.data.chunks_exact(from)) {
            self.data[y * width + rect.x as usize..][..row.len()].copy_from_slice(row);
        }
    }

    /// The smallest rect holding every value above 0, `None` for an empty mask.
    pub fn bounds(&self) -> Option<Rect> {
        bounds(self.data.chunks_exact(self.extent.w.max(1) as usize), |v| *v > 0.0)
    }
}

/// The smallest rect that holds everything of these rows that is `something`.
fn bounds<'a, T: 'a>(rows: impl Iterator<Item = &'a [T]>, something: impl Fn(&T) -> bool + Copy) -> Option<Rect> {
    let (mut x0, mut y0, mut x1, mut y1) = (u32::MAX, u32::MAX, 0, 0);
    for (y, row) in rows.enumerate() {
        // Many at a time where there is nothing, which most rows are full of.
        const MANY: usize = 64;
        let empty = |many: &&[T]| many.iter().fold(true, |empty, v| empty & !something(v));
        let skipped = MANY * row.chunks_exact(MANY).take_while(empty).count();
        let Some(first) = row[skipped..].iter().position(something).map(|at| skipped + at) else {
            continue;
        };
        let end = row.len() - MANY * row.rchunks_exact(MANY).take_while(empty).count();
        let last = row[..end].iter().rposition(something).unwrap_or(first);
        x0 = x0.min(first as u32);
        x1 = x1.max(last as u32 + 1);
        y0 = y0.min(y as u32);
        y1 = y as u32 + 1;
    }
    (x1 > 0).then(|| Rect::new(x0 as i32, y0 as i32, x1 - x0, y1 - y0))
}

fn crop(data: &[f32], extent: Extent, rect: Rect, channels: usize) -> Vec<f32> {
    assert!(extent.rect().contains(rect), "crop {rect:?} must lie inside {extent:?}");
    let (w, row) = (extent.w as usize * channels, rect.w as usize * channels);
    let mut out = Vec::with_capacity(row * rect.h as usize);
    for y in rect.y as usize..rect.y as usize + rect.h as usize {
        let start = y * w + rect.x as usize * channels;
        out.extend_from_slice(&data[start..start + row]);
    }
    out
}
