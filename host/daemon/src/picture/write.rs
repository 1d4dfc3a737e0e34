//! Encoding: PNG, quickly, with the texts that say how the picture was made.

use super::{Depth, Picture, PictureError};
use crate::save;
use std::borrow::Cow;
use std::path::Path;
use underpaint_raster::Image;

/// A text in a PNG: keyword (1 to 79 Latin-1 characters) and content.
pub type Text = (&'static str, String);

/// Finds out before long work whether a result can be written to `path`: a name in .png, in a folder that takes files.
pub fn check_target(path: &Path) -> Result<(), PictureError> {
    if !path.extension().is_some_and(|e| e.eq_ignore_ascii_case("png")) {
        return Err(PictureError::NotPng(path.into()));
    }
    save::probe(path).map_err(|e| PictureError::Write(path.into(), e))
}

/// Writes `image` as PNG in the depth, with the alpha channel and colour profile, of `like`. The file appears whole
/// or not at all.
pub fn write(path: &Path, image: &Image, like: &Picture, texts: &[Text]) -> Result<(), PictureError> {
    let bytes = encode(image, like.depth, like.has_alpha, like.icc.as_deref(), texts);
    let bytes = bytes.map_err(|e| PictureError::Write(path.into(), std::io::Error::other(e)))?;
    save::replace(path, &bytes).map_err(|e| PictureError::Write(path.into(), e))
}

/// The bytes of a PNG: values rounded to the nearest of the depth, so that what was read comes back as it was.
pub fn encode(
    image: &Image,
    depth: Depth,
    has_alpha: bool,
    icc: Option<&[u8]>,
    texts: &[Text],
) -> Result<Vec<u8>, png::EncodingError> {
    let extent = image.extent();
    let mut info = png::Info::with_size(extent.w, extent.h);
    info.color_type = if has_alpha { png::ColorType::Rgba } else { png::ColorType::Rgb };
    info.bit_depth = if depth == Depth::Sixteen { png::BitDepth::Sixteen } else { png::BitDepth::Eight };
    match icc {
        Some(icc) => info.icc_profile = Some(Cow::Borrowed(icc)),
        None => info.srgb = Some(png::SrgbRenderingIntent::Perceptual),
    }
    let mut out = Vec::new();
    let mut encoder = png::Encoder::with_info(&mut out, info)?;
    encoder.set_compression(png::Compression::Fast);
    for (keyword, text) in texts {
        let keyword = (*keyword).to_owned();
        match text.chars().all(|c| (c as u32) < 256) {
            true => encoder.add_text_chunk(keyword, text.clone())?,
            false => encoder.add_itxt_chunk(keyword, text.clone())?,
        }
    }
    let mut writer = encoder.write_header()?;
    let channels = if has_alpha { 4 } else { 3 };
    let values = image.data().chunks_exact(4).flat_map(|p| p[..channels].iter());
    let data: Vec<u8> = match depth {
        Depth::Eight => values.map(|v| (v.clamp(0.0, 1.0) * 255.0).round() as u8).collect(),
        Depth::Sixteen => values.flat_map(|v| ((v.clamp(0.0, 1.0) * 65535.0).round() as u16).to_be_bytes()).collect(),
    };
    writer.write_image_data(&data)?;
    writer.finish()?;
    Ok(out)
}
