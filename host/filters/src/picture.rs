//! Pictures of any sample type, and the way from one to another.
//!
//! Decision: a picture stays in the type it came in for as long as the filters of a chain take it; it is converted
//! as a whole, between two filters, when one does not. What runs filters then knows a single type at a time.

use crate::contract::{self, PixelsParam, PixelsThere};
use crate::sandbox::State;
use std::borrow::Cow;
use underpaint_raster::{Extent, Image, linear_from_srgb, srgb_from_linear};
use wasmtime::Store;
use wasmtime::component::WasmList;

/// The type of one value of a pixel.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sample {
    /// 0..=255.
    Uint8,
    /// 0..=65535.
    Uint16,
    /// 0..=1.
    Float32,
}

/// What numbers stand for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Encoding {
    /// sRGB-encoded.
    Srgb,
    /// Light.
    Linear,
}

/// RGBA, interleaved, row-major, tightly packed, straight alpha.
#[derive(Clone, Debug, PartialEq)]
pub enum Samples {
    /// 0..=255.
    Uint8(Vec<u8>),
    /// 0..=65535.
    Uint16(Vec<u16>),
    /// 0..=1.
    Float32(Vec<f32>),
}

/// A picture of any sample type, sRGB-encoded.
#[derive(Clone, Debug, PartialEq)]
pub struct Picture {
    extent: Extent,
    samples: Samples,
}

/// A borrowed [`Picture`] or [`Image`].
#[derive(Clone, Copy, Debug)]
pub enum PictureRef<'a> {
    /// 0..=255.
    Uint8(View<'a, u8>),
    /// 0..=65535.
    Uint16(View<'a, u16>),
    /// 0..=1.
    Float32(View<'a, f32>),
}

/// Pixels of one sample type.
#[derive(Clone, Copy, Debug)]
pub struct View<'a, S> {
    pub(crate) extent: Extent,
    pub(crate) data: &'a [S],
}

impl Picture {
    /// Takes `w * h * 4` values; panics on any other length, which is a bug of the caller.
    pub fn new(extent: Extent, samples: Samples) -> Self {
        let len = match &samples {
            Samples::Uint8(data) => data.len(),
            Samples::Uint16(data) => data.len(),
            Samples::Float32(data) => data.len(),
        };
        assert_eq!(len as u64, extent.area() * 4, "a picture of {extent:?} needs w*h*4 values");
        Self { extent, samples }
    }

    /// Size in pixels.
    pub fn extent(&self) -> Extent {
        self.extent
    }

    /// All values.
    pub fn samples(&self) -> &Samples {
        &self.samples
    }

    /// With the pixels of `was` where its alpha is 0, if it has the same size: on the way through a smaller sample
    /// type or through linear light they may have changed in the last bits.
    pub(crate) fn keeping_transparent(mut self, was: PictureRef<'_>) -> Self {
        if was.extent() == self.extent {
            match (&mut self.samples, was) {
                (Samples::Uint8(now), PictureRef::Uint8(was)) => keep_transparent(now, was.data),
                (Samples::Uint16(now), PictureRef::Uint16(was)) => keep_transparent(now, was.data),
                (Samples::Float32(now), PictureRef::Float32(was)) => keep_transparent(now, was.data),
                _ => {}
            }
        }
        self
    }

    /// Without a copy.
    pub fn view(&self) -> PictureRef<'_> {
        let extent = self.extent;
        match &self.samples {
            Samples::Uint8(data) => PictureRef::Uint8(View { extent, data }),
            Samples::Uint16(data) => PictureRef::Uint16(View { extent, data }),
            Samples::Float32(data) => PictureRef::Float32(View { extent, data }),
        }
    }
}

fn keep_transparent<S: Value>(now: &mut [S], was: &[S]) {
    let pixels = now.chunks_exact_mut(4).zip(was.chunks_exact(4));
    pixels.filter(|(_, was)| was[3] == S::default()).for_each(|(now, was)| now.copy_from_slice(was));
}

impl<'a> From<&'a Image> for PictureRef<'a> {
    fn from(image: &'a Image) -> Self {
        PictureRef::Float32(View { extent: image.extent(), data: image.data() })
    }
}

impl<'a> From<&'a Picture> for PictureRef<'a> {
    fn from(picture: &'a Picture) -> Self {
        picture.view()
    }
}

impl From<Picture> for Image {
    fn from(picture: Picture) -> Self {
        let data = match picture.samples {
            Samples::Float32(data) => data,
            Samples::Uint8(data) => data.into_iter().map(u8::unit).collect(),
            Samples::Uint16(data) => data.into_iter().map(u16::unit).collect(),
        };
        Image::from_data(picture.extent, data)
    }
}

impl<'a> PictureRef<'a> {
    /// Size in pixels.
    pub fn extent(self) -> Extent {
        match self {
            PictureRef::Uint8(view) => view.extent,
            PictureRef::Uint16(view) => view.extent,
            PictureRef::Float32(view) => view.extent,
        }
    }

    /// The type of its values.
    pub fn sample(self) -> Sample {
        match self {
            PictureRef::Uint8(_) => Sample::Uint8,
            PictureRef::Uint16(_) => Sample::Uint16,
            PictureRef::Float32(_) => Sample::Float32,
        }
    }

    /// A copy.
    pub fn to_picture(self) -> Picture {
        let extent = self.extent();
        let samples = match self {
            PictureRef::Uint8(view) => Samples::Uint8(view.data.to_vec()),
            PictureRef::Uint16(view) => Samples::Uint16(view.data.to_vec()),
            PictureRef::Float32(view) => Samples::Float32(view.data.to_vec()),
        };
        Picture { extent, samples }
    }
}

/// A value of a pixel: `u8`, `u16` or `f32`.
pub(crate) trait Value: Copy + Default + PartialEq + PartialOrd + Send + Sync + 'static {
    const SAMPLE: Sample;
    /// 0..=1.
    fn unit(self) -> f32;
    /// The nearest value.
    fn from_unit(v: f32) -> Self;
    /// False for what no pixel may hold.
    fn is_number(self) -> bool;
    /// Inside the range of a picture's values.
    fn clamped(self) -> Self;
    /// The picture's values as this type in an encoding: borrowed where they are that already.
    fn values(picture: PictureRef<'_>, encoding: Encoding) -> Cow<'_, [Self]>;
    fn samples(values: Vec<Self>) -> Samples;
    fn lower(values: &[Self]) -> PixelsParam<'_>;
    /// The list where it lies in the filter's memory, if it is of this type.
    fn there<'a>(pixels: &'a PixelsThere, store: &'a Store<State>) -> Option<&'a [Self]>;
    /// The list that was copied out, if it is of this type.
    fn back(pixels: contract::PixelsResult) -> Option<Vec<Self>>;
}

macro_rules! value {
    ($ty:ty, $sample:ident, unit: $unit:expr, from_unit: $from_unit:expr, is_number: $is_number:expr, clamped: $clamped:expr, there: $there:expr) => {
        impl Value for $ty {
            const SAMPLE: Sample = Sample::$sample;
            fn unit(self) -> f32 {
                $unit(self)
            }
            fn from_unit(v: f32) -> Self {
                $from_unit(v)
            }
            fn is_number(self) -> bool {
                $is_number(self)
            }
            fn clamped(self) -> Self {
                $clamped(self)
            }
            fn values(picture: PictureRef<'_>, encoding: Encoding) -> Cow<'_, [Self]> {
                if let (PictureRef::$sample(view), Encoding::Srgb) = (picture, encoding) {
                    return Cow::Borrowed(view.data);
                }
                Cow::Owned(match picture {
                    PictureRef::Uint8(view) => convert(view.data, Encoding::Srgb, encoding),
                    PictureRef::Uint16(view) => convert(view.data, Encoding::Srgb, encoding),
                    PictureRef::Float32(view) => convert(view.data, Encoding::Srgb, encoding),
                })
            }
            fn samples(values: Vec<Self>) -> Samples {
                Samples::$sample(values)
            }
            fn lower(values: &[Self]) -> PixelsParam<'_> {
                PixelsParam::$sample(values)
            }
            fn there<'a>(pixels: &'a PixelsThere, store: &'a Store<State>) -> Option<&'a [Self]> {
                if let PixelsThere::$sample(list) = pixels { Some($there(list, store)) } else { None }
            }
            fn back(pixels: contract::PixelsResult) -> Option<Vec<Self>> {
                if let contract::PixelsResult::$sample(list) = pixels { Some(list) } else { None }
            }
        }
    };
}

value! {
    u8, Uint8,
    unit: |v: u8| f32::from(v) * (1.0 / 255.0),
    from_unit: |v: f32| (v * 255.0 + 0.5) as u8,
    is_number: |_| true,
    clamped: |v| v,
    there: WasmList::<u8>::as_le_slice
}
value! {
    u16, Uint16,
    unit: |v: u16| f32::from(v) * (1.0 / 65535.0),
    from_unit: |v: f32| (v * 65535.0 + 0.5) as u16,
    is_number: |_| true,
    clamped: |v| v,
    there: WasmList::<u16>::as_le_slice
}
value! {
    f32, Float32,
    unit: |v: f32| v,
    from_unit: |v: f32| v,
    is_number: |v: f32| v.is_finite(),
    clamped: |v: f32| v.clamp(0.0, 1.0),
    there: crate::contract::Floats::as_slice
}

/// Other values of the same pixels.
pub(crate) fn convert<A: Value, B: Value>(from: &[A], is: Encoding, wanted: Encoding) -> Vec<B> {
    let mut out = Vec::with_capacity(from.len());
    let mut row = [0.0; 4096];
    for values in from.chunks(row.len()) {
        let row = &mut row[..values.len()];
        row.iter_mut().zip(values).for_each(|(unit, value)| *unit = value.unit());
        match (is, wanted) {
            (Encoding::Srgb, Encoding::Linear) => linear_from_srgb(row),
            (Encoding::Linear, Encoding::Srgb) => srgb_from_linear(row),
            _ => {}
        }
        out.extend(row.iter().map(|&v| B::from_unit(v)));
    }
    out
}

/// A mask as the contract shows it: red, green and blue 0 where nothing is selected, 1 where all is; opaque.
pub(crate) fn mask_values<S: Value>(mask: &underpaint_raster::Mask) -> Vec<S> {
    let one = S::from_unit(1.0);
    mask.data().iter().map(|&v| S::from_unit(v.clamp(0.0, 1.0))).flat_map(|v| [v, v, v, one]).collect()
}

#[cfg(test)]
mod tests {
    use super::{Encoding, Picture, Samples, Value, convert};
    use underpaint_raster::{Extent, Image};

    #[test]
    fn eight_bits_survive_every_detour() {
        let all: Vec<u8> = (0..=255).collect();
        let wide: Vec<u16> = convert(&all, Encoding::Srgb, Encoding::Srgb);
        assert!(wide.iter().zip(&all).all(|(&wide, &v)| wide == u16::from(v) * 257));
        let float: Vec<f32> = convert(&wide, Encoding::Srgb, Encoding::Linear);
        assert_eq!(convert::<f32, u8>(&float, Encoding::Linear, Encoding::Srgb), all);
    }

    #[test]
    fn borrowed_where_nothing_is_to_convert() {
        let picture = Picture::new(Extent::new(1, 1), Samples::Uint8(vec![1, 2, 3, 4]));
        assert!(matches!(u8::values(picture.view(), Encoding::Srgb), std::borrow::Cow::Borrowed([1, 2, 3, 4])));
        let image = Image::from(picture);
        assert_eq!(image.pixel(0, 0), [1.0, 2.0, 3.0, 4.0].map(|v: f32| v * (1.0 / 255.0)));
    }
}
