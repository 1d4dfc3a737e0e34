//! The three types a value of a pixel can have.

/// `u8` (0..=255), `u16` (0..=65535) or `f32` (0..=1); the highest is white and opaque. A filter for several of them
/// is written once, generic over its sample, and exported for each: `export!(Blur<u8>, Blur<f32>)`.
pub trait Sample: Copy + Default + PartialEq + PartialOrd + core::fmt::Debug + crate::abi::Sealed + 'static {
    /// White, opaque.
    const MAX: Self;

    /// As a number 0..=1.
    fn to_unit(self) -> f32;

    /// The nearest value; what lies outside of 0..=1 becomes the end nearest to it, for floats too.
    fn from_unit(value: f32) -> Self;
}

impl Sample for u8 {
    const MAX: Self = 255;

    #[inline]
    fn to_unit(self) -> f32 {
        f32::from(self) * (1.0 / 255.0)
    }

    #[inline]
    fn from_unit(value: f32) -> Self {
        (value.clamp(0.0, 1.0) * 255.0 + 0.5) as u8
    }
}

impl Sample for u16 {
    const MAX: Self = 65535;

    #[inline]
    fn to_unit(self) -> f32 {
        f32::from(self) * (1.0 / 65535.0)
    }

    #[inline]
    fn from_unit(value: f32) -> Self {
        (value.clamp(0.0, 1.0) * 65535.0 + 0.5) as u16
    }
}

impl Sample for f32 {
    const MAX: Self = 1.0;

    #[inline]
    fn to_unit(self) -> f32 {
        self
    }

    #[inline]
    fn from_unit(value: f32) -> Self {
        value.clamp(0.0, 1.0)
    }
}

/// A picture with a size of its own: what an [`Input::image`](crate::Input::image) gives.
#[derive(Clone, Debug, PartialEq)]
pub struct Image<S> {
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// Rows of RGBA, tightly packed.
    pub pixels: Vec<S>,
}

impl<S: Sample> Image<S> {
    /// The pixel at column `x`, row `y`; beyond an edge, that edge's.
    pub fn at(&self, x: i32, y: i32) -> [S; 4] {
        let x = x.clamp(0, self.width as i32 - 1) as usize;
        let y = y.clamp(0, self.height as i32 - 1) as usize;
        let i = (y * self.width as usize + x) * 4;
        [self.pixels[i], self.pixels[i + 1], self.pixels[i + 2], self.pixels[i + 3]]
    }
}
