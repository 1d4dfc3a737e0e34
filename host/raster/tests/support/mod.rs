//! Pictures, masks and random numbers for raster's tests.
#![allow(dead_code)] // Each test crate uses its own part.

use underpaint_raster::{Extent, Image, Mask, Rect, lab_from_srgb};

/// xorshift64*: the same numbers on every machine.
pub struct Random(pub u64);

impl Random {
    pub fn unit(&mut self) -> f32 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 40) as f32 / (1u32 << 24) as f32
    }

    /// Uniform in `0..n`.
    pub fn below(&mut self, n: u32) -> u32 {
        ((self.unit() * n as f32) as u32).min(n - 1)
    }

    pub fn image(&mut self, extent: Extent) -> Image {
        Image::from_data(extent, (0..extent.area() * 4).map(|_| self.unit()).collect())
    }

    /// A few soft and hard rects and discs, sometimes touching the border, sometimes nothing.
    pub fn mask(&mut self, extent: Extent) -> Mask {
        let mut mask = Mask::new(extent, 0.0);
        for _ in 0..self.below(4) {
            let (x, y) = (self.below(extent.w) as f32, self.below(extent.h) as f32);
            let radius = 1.0 + self.unit() * extent.w.min(extent.h) as f32 / 3.0;
            let soft = if self.unit() < 0.5 { 0.01 } else { self.unit() * 12.0 };
            let round = self.unit() < 0.5;
            for v in 0..extent.h {
                for u in 0..extent.w {
                    let (dx, dy) = (u as f32 - x, v as f32 - y);
                    let d = if round { dx.hypot(dy) } else { dx.abs().max(dy.abs()) };
                    let value = ((radius - d) / soft + 0.5).clamp(0.0, 1.0);
                    mask.set(u, v, mask.at(u, v).max(value));
                }
            }
        }
        mask
    }
}

pub fn paint(extent: Extent, f: impl Fn(u32, u32) -> [f32; 4]) -> Image {
    let mut image = Image::new(extent);
    for y in 0..extent.h {
        for x in 0..extent.w {
            image.set_pixel(x, y, f(x, y));
        }
    }
    image
}

pub fn rect_mask(extent: Extent, rects: &[Rect]) -> Mask {
    let mut mask = Mask::new(extent, 0.0);
    for r in rects {
        for y in r.y..r.bottom() as i32 {
            for x in r.x..r.right() as i32 {
                mask.set(x as u32, y as u32, 1.0);
            }
        }
    }
    mask
}

/// The demo's public-domain photograph, 1024x768.
pub fn photo() -> Image {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../daemon/assets/demo/raccoon.jpg");
    let image = image::open(path).expect("the demo's photograph").to_rgba32f();
    Image::from_data(Extent::new(image.width(), image.height()), image.into_raw())
}

/// Peak signal to noise ratio of the colours, dB.
pub fn psnr(a: &Image, b: &Image) -> f64 {
    let colors = |i: &Image| i.data().chunks_exact(4).flat_map(|p| [p[0], p[1], p[2]]).collect::<Vec<_>>();
    let (a, b) = (colors(a), colors(b));
    let sum: f64 = a.iter().zip(&b).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    -10.0 * (sum / a.len() as f64).max(1e-20).log10()
}

pub fn lab(image: &Image, x: u32, y: u32) -> [f32; 3] {
    let p = image.pixel(x, y);
    lab_from_srgb([p[0], p[1], p[2]])
}

pub fn delta_e(a: [f32; 3], b: [f32; 3]) -> f32 {
    (0..3).map(|c| (a[c] - b[c]).powi(2)).sum::<f32>().sqrt()
}
