//! Pixels on the wire: a description of bytes in a blob, and the way between those bytes and rasters.
//!
//! Decision: descriptions are checked against the blob with checked arithmetic before anything is allocated, and
//! whatever passes [`Image::check`] converts without failing. 8- and 16-bit values come back bit for bit.

use crate::blob::Name;
use crate::hello::Limits;
use crate::{Error, Kind};
use serde::{Deserialize, Serialize};
use std::borrow::Cow;
use underpaint_raster as raster;
use underpaint_raster::{Extent, Rect};

/// Layout of one pixel; multi-byte values are little endian.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Px {
    /// 4 bytes R, G, B, A.
    #[default]
    Rgba8,
    /// 4 bytes B, G, R, A.
    Bgra8,
    /// 8 bytes R, G, B, A.
    Rgba16,
    /// 16 bytes R, G, B, A, 0..=1; values outside are clamped, NaN reads as 0.
    Rgbaf32,
    /// 1 byte.
    G8,
    /// 2 bytes.
    G16,
    /// 4 bytes, 0..=1; values outside are clamped, NaN reads as 0.
    Gf32,
}

impl Px {
    /// Bytes of one pixel.
    pub const fn bytes(self) -> u64 {
        match self {
            Px::G8 => 1,
            Px::G16 => 2,
            Px::Rgba8 | Px::Bgra8 | Px::Gf32 => 4,
            Px::Rgba16 => 8,
            Px::Rgbaf32 => 16,
        }
    }

    /// True for one channel, which masks must have.
    pub const fn is_grey(self) -> bool {
        matches!(self, Px::G8 | Px::G16 | Px::Gf32)
    }
}

/// What the alpha channel means.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Alpha {
    /// Colours are not multiplied by alpha.
    #[default]
    Straight,
    /// Colours are multiplied by alpha.
    Premul,
    /// The fourth channel is padding; every pixel is opaque.
    None,
}

/// Colour encoding.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Color {
    /// sRGB, encoded.
    #[default]
    #[serde(rename = "srgb")]
    Srgb,
    /// sRGB primaries, linear light.
    #[serde(rename = "linear-srgb")]
    LinearSrgb,
}

/// How the bytes are packed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoding {
    /// Rows of pixels.
    #[default]
    Raw,
}

/// Where an image's pixels are and how to read them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Image {
    /// The blob they are in; several images may share one.
    pub blob: Name,
    /// First byte of the first row.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub offset: u64,
    /// Width in pixels.
    pub w: u32,
    /// Height in pixels.
    pub h: u32,
    /// From the start of one row to the start of the next, in bytes; absent = packed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stride: Option<u64>,
    /// Layout of one pixel.
    pub px: Px,
    /// What the alpha channel means; ignored for grey.
    #[serde(default, skip_serializing_if = "is_default")]
    pub alpha: Alpha,
    /// Colour encoding; ignored for masks.
    #[serde(default, skip_serializing_if = "is_default")]
    pub color: Color,
    /// Packing.
    #[serde(default, skip_serializing_if = "is_default")]
    pub enc: Encoding,
}

fn is_zero(n: &u64) -> bool {
    *n == 0
}

fn is_default<T: Default + PartialEq>(t: &T) -> bool {
    *t == T::default()
}

/// An image of part of the canvas.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// Which part, in canvas pixels; as large as the image.
    pub rect: Rect,
    /// Its pixels.
    pub image: Image,
}

/// The document and its visible pixels, or the part of them the job needs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Canvas {
    /// Size of the whole document, `[w, h]`.
    pub extent: Extent,
    /// Which part of it `image` covers; inside the document.
    pub rect: Rect,
    /// The pixels.
    pub image: Image,
}

impl Image {
    /// A packed raw image at the start of `blob`.
    pub fn packed(blob: Name, extent: Extent, px: Px) -> Self {
        Self {
            blob,
            offset: 0,
            w: extent.w,
            h: extent.h,
            stride: None,
            px,
            alpha: Alpha::Straight,
            color: Color::Srgb,
            enc: Encoding::Raw,
        }
    }

    /// Its size in pixels.
    pub fn extent(&self) -> Extent {
        Extent::new(self.w, self.h)
    }

    fn row_bytes(&self) -> u64 {
        self.w as u64 * self.px.bytes()
    }

    /// Bytes from one row to the next.
    pub fn stride(&self) -> u64 {
        self.stride.unwrap_or(self.row_bytes())
    }

    /// Fails unless the description fits a blob of `blob_bytes` and the limits. `field` is its path in the
    /// request, for the error.
    pub fn check(&self, field: &str, blob_bytes: u64, limits: &Limits) -> Result<(), Error> {
        let Image { blob, offset, w, h, .. } = self;
        if *w == 0 || *h == 0 {
            return Err(Error::field(field, format!("`{field}` is {w}x{h} pixels; both sides must be at least 1.")));
        }
        if (*w).max(*h) > limits.max_side || self.extent().area() > limits.max_pixels {
            let message = format!(
                "`{field}` is {w}x{h} pixels; at most {} in all and {} a side are accepted.",
                limits.max_pixels, limits.max_side
            );
            return Err(Error::new(Kind::TooLarge, message).with("field", field));
        }
        let (row, stride) = (self.row_bytes(), self.stride());
        if stride < row {
            return Err(Error::field(
                &format!("{field}.stride"),
                format!("`{field}.stride` is {stride}, less than a row's {row} bytes."),
            ));
        }
        let end =
            stride.checked_mul(*h as u64 - 1).and_then(|n| n.checked_add(row)).and_then(|n| n.checked_add(*offset));
        if end.is_none_or(|end| end > blob_bytes) {
            return Err(Error::field(
                field,
                format!("`{field}` needs more bytes than the {blob_bytes} of blob `{blob}`."),
            ));
        }
        Ok(())
    }

    fn row<'a>(&self, bytes: &'a [u8], y: usize) -> &'a [u8] {
        &bytes[self.offset as usize + y * self.stride() as usize..][..self.row_bytes() as usize]
    }

    /// The pixels as a raster: sRGB-encoded, straight alpha; grey becomes opaque RGB.
    /// Panics if [`Image::check`] was not passed with this blob.
    pub fn to_raster(&self, bytes: &[u8]) -> raster::Image {
        raster::Image::from_rows(self.extent(), |y, out| {
            write_rgba(self.px, self.row(bytes, y), out);
            self.normalise(out);
        })
    }

    /// The pixels as a mask; the image must be grey. Panics if [`Image::check`] was not passed with this blob.
    pub fn to_mask(&self, bytes: &[u8]) -> raster::Mask {
        let mut data = vec![0.0; self.extent().area() as usize];
        let rows = data.chunks_exact_mut(self.w as usize).enumerate();
        rows.for_each(|(y, out)| write_grey(self.px, self.row(bytes, y), out));
        raster::Mask::from_data(self.extent(), data)
    }

    /// That mask at `rect`, which is as large, as seen through `window`: 0 where it does not reach.
    pub fn to_mask_within(&self, bytes: &[u8], rect: Rect, window: Rect) -> raster::Mask {
        let mut mask = raster::Mask::new(window.extent(), 0.0);
        let Some(common) = rect.intersect(window) else { return mask };
        let corner = |seen: Rect| ((common.x - seen.x) as usize, (common.y - seen.y) as usize);
        let ((x, y), (left, top), px) = (corner(rect), corner(window), self.px.bytes() as usize);
        let rows = mask.data_mut().chunks_exact_mut(window.w as usize).skip(top).take(common.h as usize);
        for (out, y) in rows.zip(y..) {
            write_grey(self.px, &self.row(bytes, y)[x * px..], &mut out[left..][..common.w as usize]);
        }
        mask
    }

    fn normalise(&self, row: &mut [[f32; 4]]) {
        if self.px.is_grey() || self.alpha == Alpha::None {
            row.iter_mut().for_each(|px| px[3] = 1.0);
        } else if self.alpha == Alpha::Premul {
            for px in row.iter_mut() {
                let a = px[3];
                px[..3].iter_mut().for_each(|c| *c = if a > 0.0 { (*c / a).min(1.0) } else { 0.0 });
            }
        }
        if self.color == Color::LinearSrgb {
            for px in row {
                px[..3].iter_mut().for_each(|c| *c = encode_srgb(*c));
            }
        }
    }
}

/// The sRGB encoding to linear light, the inverse of [`encode_srgb`].
fn decode_srgb(encoded: f32) -> f32 {
    if encoded <= 0.040_45 { encoded / 12.92 } else { ((encoded + 0.055) / 1.055).powf(2.4) }
}

/// Linear light to the sRGB encoding (IEC 61966-2-1), 0..=1 to 0..=1.
fn encode_srgb(linear: f32) -> f32 {
    if linear <= 0.003_130_8 { linear * 12.92 } else { 1.055 * linear.powf(1.0 / 2.4) - 0.055 }
}

fn u16_at(b: &[u8]) -> f32 {
    u16::from_le_bytes([b[0], b[1]]) as f32 / 65535.0
}

fn f32_at(b: &[u8]) -> f32 {
    let v = f32::from_le_bytes([b[0], b[1], b[2], b[3]]);
    if v.is_nan() { 0.0 } else { v.clamp(0.0, 1.0) }
}

/// A row of pixels as numbers.
fn write_rgba(px: Px, row: &[u8], out: &mut [[f32; 4]]) {
    let byte = |b: u8| b as f32 / 255.0;
    match px {
        Px::Rgba8 => each(row, out, |p: &[u8; 4]| p.map(byte)),
        Px::Bgra8 => each(row, out, |&[b, g, r, a]| [r, g, b, a].map(byte)),
        Px::Rgba16 => each(row, out, |p: &[u8; 8]| [0, 2, 4, 6].map(|i| u16_at(&p[i..]))),
        Px::Rgbaf32 => each(row, out, |p: &[u8; 16]| [0, 4, 8, 12].map(|i| f32_at(&p[i..]))),
        Px::G8 => each(row, out, |&[v]| grey(byte(v))),
        Px::G16 => each(row, out, |p: &[u8; 2]| grey(u16_at(p))),
        Px::Gf32 => each(row, out, |p: &[u8; 4]| grey(f32_at(p))),
    }
}

fn write_grey(px: Px, row: &[u8], out: &mut [f32]) {
    match px {
        Px::G16 => each(row, out, |p: &[u8; 2]| u16_at(p)),
        Px::Gf32 => each(row, out, |p: &[u8; 4]| f32_at(p)),
        // `check_mask_px` lets nothing else through.
        _ => each(row, out, |&[b]| b as f32 / 255.0),
    }
}

fn grey(v: f32) -> [f32; 4] {
    [v, v, v, 1.0]
}

fn each<const N: usize, T>(row: &[u8], out: &mut [T], pixel: impl Fn(&[u8; N]) -> T) {
    out.iter_mut().zip(row.as_chunks::<N>().0).for_each(|(out, p)| *out = pixel(p));
}

/// A raster as packed bytes of `px`, straight alpha, rounded to nearest. Grey formats take the red channel.
pub fn to_bytes(image: &raster::Image, px: Px) -> Vec<u8> {
    to_bytes_in(image, px, Color::Srgb, Rounding::Nearest)
}

/// How a number becomes one of 8 bits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rounding {
    /// The nearest.
    Nearest,
    /// One of the two nearest, so that a gradient has no bands ([`raster::dither`]).
    Dithered,
}

/// As [`to_bytes`], in a colour encoding; the image is sRGB-encoded. More than 8 bits are always rounded to the nearest.
pub fn to_bytes_in(image: &raster::Image, px: Px, color: Color, rounding: Rounding) -> Vec<u8> {
    let eight = matches!(px, Px::Rgba8 | Px::Bgra8);
    image.to_rows(px.bytes() as usize, |y, row, out| {
        let mut row = Cow::Borrowed(row);
        if color == Color::LinearSrgb {
            row.to_mut().iter_mut().for_each(|p| p[..3].iter_mut().for_each(|c| *c = decode_srgb(*c)));
        }
        if rounding == Rounding::Dithered && eight {
            raster::dither_row(y, row.to_mut());
        }
        read_rgba(px, &row, out);
    })
}

/// A row of numbers as pixels.
fn read_rgba(px: Px, row: &[[f32; 4]], out: &mut [u8]) {
    let byte = |v: f32| (v.clamp(0.0, 1.0) * 255.0 + 0.5) as u8;
    let word = |v: f32| ((v.clamp(0.0, 1.0) * 65535.0 + 0.5) as u16).to_le_bytes();
    match px {
        Px::Rgba8 => put(row, out, |p| p.map(byte)),
        Px::Bgra8 => put(row, out, |[r, g, b, a]| [b, g, r, a].map(byte)),
        Px::Rgba16 => put(row.as_flattened(), out, word),
        Px::Rgbaf32 => put(row.as_flattened(), out, f32::to_le_bytes),
        Px::G8 => put(row, out, |[v, ..]| [byte(v)]),
        Px::G16 => put(row, out, |[v, ..]| word(v)),
        Px::Gf32 => put(row, out, |[v, ..]| v.to_le_bytes()),
    }
}

fn put<const N: usize, T: Copy>(row: &[T], out: &mut [u8], bytes: impl Fn(T) -> [u8; N]) {
    out.as_chunks_mut().0.iter_mut().zip(row).for_each(|(out, value)| *out = bytes(*value));
}

/// A mask as packed 32-bit floats ([`Px::Gf32`]), which keeps it exact.
pub fn mask_to_bytes(mask: &raster::Mask) -> Vec<u8> {
    mask.data().iter().flat_map(|v| v.to_le_bytes()).collect()
}

/// Fails unless `rect` and `image` agree in size; `field` is the path of the object holding both.
pub fn check_placed(field: &str, rect: Rect, image: &Image) -> Result<(), Error> {
    if rect.extent() == image.extent() {
        return Ok(());
    }
    let message = format!(
        "`{field}.rect` is {}x{} pixels but its image {}x{}; they must agree.",
        rect.w, rect.h, image.w, image.h
    );
    Err(Error::field(&format!("{field}.rect"), message))
}

impl Canvas {
    /// Fails unless the rect lies inside the document and is as large as the image.
    pub fn check(&self) -> Result<(), Error> {
        check_placed("canvas", self.rect, &self.image)?;
        check_document(self.extent, self.rect)
    }
}

/// Fails unless the `rect` of a canvas lies inside a document of that `extent`.
pub(crate) fn check_document(extent: Extent, rect: Rect) -> Result<(), Error> {
    let Extent { w, h } = extent;
    if w == 0 || h == 0 || w > i32::MAX as u32 || h > i32::MAX as u32 {
        return Err(Error::field(
            "canvas.extent",
            format!("`canvas.extent` is {w}x{h} pixels; each side must be 1 to 2147483647."),
        ));
    }
    if !extent.rect().contains(rect) {
        let Rect { x, y, w: rw, h: rh } = rect;
        return Err(Error::field(
            "canvas.rect",
            format!("`canvas.rect` ({rw}x{rh} at {x},{y}) must lie inside the document's {w}x{h} pixels."),
        ));
    }
    Ok(())
}

/// Fails unless a mask's image is one channel.
pub fn check_mask_px(field: &str, image: &Image) -> Result<(), Error> {
    if image.px.is_grey() {
        return Ok(());
    }
    Err(Error::field(&format!("{field}.px"), format!("`{field}.px` must be g8, g16 or gf32: a mask has one channel.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name() -> Name {
        Name::try_from("c1".to_owned()).unwrap()
    }

    #[test]
    fn descriptions_stay_inside_their_blob_and_the_limits() {
        let limits = Limits::default();
        let base = Image::packed(name(), Extent::new(4, 3), Px::Rgba8);
        let with = |f: &dyn Fn(&mut Image)| {
            let mut image = base.clone();
            f(&mut image);
            image
        };
        for (image, bytes, ok) in [
            (base.clone(), 48, true),
            (base.clone(), 47, false),
            (with(&|i| i.offset = 1), 48, false),
            (with(&|i| i.offset = u64::MAX), 48, false),
            (with(&|i| i.stride = Some(15)), 48, false),
            (with(&|i| i.stride = Some(20)), 56, true),
            (with(&|i| i.stride = Some(20)), 55, false),
            (with(&|i| i.stride = Some(u64::MAX)), u64::MAX, false),
            (with(&|i| i.w = 0), 48, false),
            (with(&|i| i.h = 0), 48, false),
            (with(&|i| (i.w, i.h) = (16385, 1)), u64::MAX, false),
            (with(&|i| (i.w, i.h) = (16384, 16384)), u64::MAX, false),
            (with(&|i| (i.w, i.h) = (u32::MAX, u32::MAX)), u64::MAX, false),
        ] {
            assert_eq!(image.check("canvas.image", bytes, &limits).is_ok(), ok, "{image:?} in {bytes}");
        }
    }

    #[test]
    fn linear_light_comes_back_as_linear_light() {
        let values: Vec<f32> = (0..=255).flat_map(|v| [v as f32 / 255.0, 0.5, 1.0 - v as f32 / 255.0, 1.0]).collect();
        let bytes: Vec<u8> = values.iter().flat_map(|v| v.to_le_bytes()).collect();
        let packed = Image::packed(name(), Extent::new(16, 16), Px::Rgbaf32);
        let image = Image { color: Color::LinearSrgb, ..packed }.to_raster(&bytes);
        assert!((image.data()[1] - 0.735_357).abs() < 1e-5, "half of the light is 188 of 255");
        let again = to_bytes_in(&image, Px::Rgbaf32, Color::LinearSrgb, Rounding::Nearest);
        let number = |bytes: &[u8]| f32::from_le_bytes(bytes.try_into().unwrap());
        assert!(again.chunks(4).map(number).zip(&values).all(|(is, was)| (is - was).abs() < 1e-5));
        assert_eq!(to_bytes_in(&image, Px::Rgba8, Color::Srgb, Rounding::Nearest), to_bytes(&image, Px::Rgba8));
    }

    #[test]
    fn a_mask_is_seen_through_a_window_wherever_it_lies() {
        let image = Image { offset: 3, stride: Some(7), ..Image::packed(name(), Extent::new(3, 2), Px::G16) };
        let bytes: Vec<u8> = (0..3 + 7 + 6).map(|i| i * 11).collect();
        let whole = image.to_mask(&bytes);
        for (x, y) in [(0, 0), (2, 1), (-1, -1), (4, 3), (-3, 0), (9, 9)] {
            let (rect, window) = (Rect::new(x + 10, y + 10, 3, 2), Rect::new(10, 10, 5, 4));
            let mask = image.to_mask_within(&bytes, rect, window);
            for (u, v) in (0..5).flat_map(|u| (0..4).map(move |v| (u, v))) {
                let inside = (0..3).contains(&(u - x)) && (0..2).contains(&(v - y));
                let expected = if inside { whole.at((u - x) as u32, (v - y) as u32) } else { 0.0 };
                assert_eq!(mask.at(u as u32, v as u32), expected, "{u},{v} of a mask at {x},{y}");
            }
        }
    }

    #[test]
    fn what_is_dithered_is_so_in_every_layout_and_leaves_eight_bits_alone() {
        let between: Vec<f32> = (0..64 * 64 * 4).map(|i| (i * 37 % 1009) as f32 / 1009.0).collect();
        let between = raster::Image::from_data(Extent::new(64, 64), between);
        let bytes: Vec<u8> = (0..=255).flat_map(|v: u8| [v, 255 - v, v / 2, 255]).collect();
        for px in [Px::Rgba8, Px::Bgra8] {
            let dithered = |image: &raster::Image, color| to_bytes_in(image, px, color, Rounding::Dithered);
            assert_eq!(dithered(&between, Color::Srgb), to_bytes(&raster::dither(between.clone()), px));
            assert_ne!(dithered(&between, Color::Srgb), to_bytes(&between, px));
            for color in [Color::Srgb, Color::LinearSrgb] {
                let image = Image { color, ..Image::packed(name(), Extent::new(16, 16), px) };
                assert_eq!(dithered(&image.to_raster(&bytes), color), bytes, "{px:?} in {color:?}");
            }
        }
    }

    #[test]
    fn eight_and_sixteen_bits_come_back_exactly() {
        let bytes: Vec<u8> = (0..=255).flat_map(|v: u8| [v, 255 - v, v / 2, v]).collect();
        for px in [Px::Rgba8, Px::Bgra8] {
            let image = Image::packed(name(), Extent::new(16, 16), px);
            assert_eq!(to_bytes(&image.to_raster(&bytes), px), bytes, "{px:?}");
        }
        let words: Vec<u8> = (0..=u16::MAX).flat_map(|v| v.to_le_bytes()).collect();
        let image = Image::packed(name(), Extent::new(128, 128), Px::Rgba16);
        assert_eq!(to_bytes(&image.to_raster(&words), Px::Rgba16), words);
    }

    #[test]
    fn pixels_mean_what_their_description_says() {
        let read = |px, alpha, color, bytes: &[u8]| {
            let image = Image { alpha, color, ..Image::packed(name(), Extent::new(1, 1), px) };
            image.check("image", bytes.len() as u64, &Limits::default()).unwrap();
            image.to_raster(bytes).pixel(0, 0).map(|v| (v * 255.0).round() as u8)
        };
        let (s, l) = (Color::Srgb, Color::LinearSrgb);
        assert_eq!(read(Px::Bgra8, Alpha::Straight, s, &[1, 2, 3, 4]), [3, 2, 1, 4]);
        assert_eq!(read(Px::Rgba8, Alpha::Premul, s, &[64, 128, 0, 128]), [128, 255, 0, 128]);
        assert_eq!(read(Px::Rgba8, Alpha::Premul, s, &[64, 128, 0, 0]), [0, 0, 0, 0]);
        assert_eq!(read(Px::Rgba8, Alpha::None, s, &[9, 8, 7, 0]), [9, 8, 7, 255]);
        assert_eq!(read(Px::Rgba8, Alpha::Straight, l, &[0, 255, 55, 9]), [0, 255, 128, 9]);
        assert_eq!(read(Px::G8, Alpha::Straight, s, &[77]), [77, 77, 77, 255]);
        let nan = [f32::NAN, 2.0, -1.0, 0.5].map(f32::to_le_bytes).concat();
        assert_eq!(read(Px::Rgbaf32, Alpha::Straight, s, &nan), [0, 255, 0, 128]);
    }

    #[test]
    fn masks_read_offset_and_stride() {
        let image = Image { offset: 1, stride: Some(4), ..Image::packed(name(), Extent::new(2, 2), Px::G8) };
        let bytes = [9, 0, 255, 9, 9, 51, 102];
        image.check("mask.image", bytes.len() as u64, &Limits::default()).unwrap();
        assert_eq!(image.to_mask(&bytes).data(), [0.0, 1.0, 0.2, 0.4]);
    }
}
