//! Decoding: limits first, then pixels, then orientation.

use super::{Depth, MAX_PIXELS, MAX_SIDE, Picture, PictureError};
use image::{ColorType, DynamicImage, ExtendedColorType, ImageDecoder, ImageError, ImageFormat, ImageReader, Limits};
use std::fs::File;
use std::io::{BufReader, Cursor, Read};
use std::path::Path;
use underpaint_raster::{Extent, Image, Mask};

/// Largest file that is read.
const MAX_BYTES: u64 = 1 << 30;
/// Memory a decoder may use for itself.
const MAX_DECODER_BYTES: u64 = 1 << 30;

/// Reads a picture: PNG, JPEG, WebP (its first frame), BMP or TIFF (its first page), recognised by content.
pub fn read(path: &Path) -> Result<Picture, PictureError> {
    decode(path, &bytes(path)?)
}

/// As [`read`], from bytes already in memory; `path` is only the name in errors.
pub fn decode(path: &Path, bytes: &[u8]) -> Result<Picture, PictureError> {
    let format = image::guess_format(bytes).map_err(|_| PictureError::Kind(path.into(), None))?;
    if let Some(kind) = refused(format) {
        return Err(PictureError::Kind(path.into(), Some(kind)));
    }
    let damaged = |e: ImageError| match e {
        ImageError::Limits(_) => PictureError::Endless(path.into()),
        e => PictureError::Damaged(path.into(), sentence(&e)),
    };
    if format == ImageFormat::Jpeg && !is_whole_jpeg(bytes) {
        return Err(PictureError::Damaged(path.into(), "it ends early".into()));
    }
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    let mut limits = Limits::default();
    limits.max_alloc = Some(MAX_DECODER_BYTES);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(damaged)?;
    let (w, h) = decoder.dimensions();
    if w.max(h) > MAX_SIDE || u64::from(w) * u64::from(h) > MAX_PIXELS {
        return Err(PictureError::TooLarge(path.into(), w, h));
    }
    if w == 0 || h == 0 {
        return Err(PictureError::NotAPicture(path.into(), "without a single pixel"));
    }
    let (color, original) = (decoder.color_type(), decoder.original_color_type());
    if matches!(color, ColorType::Rgb32F | ColorType::Rgba32F) {
        return Err(PictureError::Damaged(path.into(), "it has 32 bits a channel; save it with 8 or 16".into()));
    }
    // A profile of another colour space (CMYK, grey) says nothing about the RGB values decoded here.
    let icc = decoder.icc_profile().ok().flatten().filter(|icc| icc.get(16..20) == Some(b"RGB "));
    let orientation = decoder.orientation().map_err(damaged)?;
    let mut decoded = DynamicImage::from_decoder(decoder).map_err(damaged)?;
    decoded.apply_orientation(orientation);
    let extent = Extent::new(decoded.width(), decoded.height());
    let has_alpha = color.has_alpha() || matches!(original, ExtendedColorType::A8);
    let depth = if color.bytes_per_pixel() / color.channel_count() == 2 { Depth::Sixteen } else { Depth::Eight };
    let data = match depth {
        Depth::Eight => decoded.into_rgba8().iter().map(|&v| f32::from(v) / 255.0).collect(),
        Depth::Sixteen => decoded.into_rgba16().iter().map(|&v| f32::from(v) / 65535.0).collect(),
    };
    Ok(Picture { image: Image::from_data(extent, data), depth, has_alpha, icc })
}

/// Reads a mask: white = repaint, black = keep, greys between are soft; colours count by their mean, and where the
/// file is transparent nothing is repainted. Values are taken as they stand, not as light.
pub fn read_mask(path: &Path) -> Result<Mask, PictureError> {
    Ok(as_mask(&read(path)?))
}

/// A picture's values as a mask, by the rules of [`read_mask`].
pub fn as_mask(picture: &Picture) -> Mask {
    let value = |p: &[f32]| {
        // Equal channels must come out exactly, so that a grey mask survives bit for bit.
        let grey = if p[0] == p[1] && p[1] == p[2] { p[0] } else { (p[0] + p[1] + p[2]) / 3.0 };
        grey * p[3]
    };
    let data = picture.image.data().chunks_exact(4).map(value).collect();
    Mask::from_data(picture.image.extent(), data)
}

fn bytes(path: &Path) -> Result<Vec<u8>, PictureError> {
    let failed = |e| PictureError::Read(path.into(), e);
    let meta = std::fs::metadata(path).map_err(failed)?;
    if meta.is_dir() {
        return Err(PictureError::NotAPicture(path.into(), "a folder"));
    }
    if !meta.is_file() {
        return Err(PictureError::NotAPicture(path.into(), "not a regular file"));
    }
    if meta.len() > MAX_BYTES {
        return Err(PictureError::NotAPicture(path.into(), "more than 1 GiB large"));
    }
    let mut bytes = Vec::new();
    BufReader::new(File::open(path).map_err(failed)?).take(MAX_BYTES).read_to_end(&mut bytes).map_err(failed)?;
    if bytes.is_empty() {
        return Err(PictureError::NotAPicture(path.into(), "empty"));
    }
    Ok(bytes)
}

/// False if a JPEG stops before its end marker: the decoder would make up the rest in grey. Only what follows the
/// last scan's start counts, since a thumbnail inside has an end of its own.
fn is_whole_jpeg(bytes: &[u8]) -> bool {
    let markers = |code| bytes.windows(2).rposition(move |w| w == [0xFF, code]);
    matches!((markers(0xDA), markers(0xD9)), (Some(scan), Some(end)) if end > scan)
}

/// Kinds that can be told apart but are not read.
fn refused(format: ImageFormat) -> Option<&'static str> {
    match format {
        ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::WebP | ImageFormat::Bmp | ImageFormat::Tiff => None,
        ImageFormat::Gif => Some("a GIF"),
        ImageFormat::Avif => Some("an AVIF"),
        ImageFormat::Hdr | ImageFormat::OpenExr => Some("a high dynamic range picture"),
        ImageFormat::Ico => Some("an icon"),
        _ => Some("of a rare kind"),
    }
}

/// The decoder's words on one line.
fn sentence(error: &ImageError) -> String {
    error.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}
