//! PNGs for tests, written and read by the `png` crate alone, so that a fault of the daemon's own reader or writer
//! cannot hide itself.

use std::path::Path;

/// An 8-bit RGB picture, each pixel from its column and row.
pub fn png(w: u32, h: u32, pixel: impl Fn(u32, u32) -> [u8; 3]) -> Vec<u8> {
    let data: Vec<u8> = (0..h).flat_map(|y| (0..w).map(move |x| (x, y))).flat_map(|(x, y)| pixel(x, y)).collect();
    let mut out = Vec::new();
    let mut encoder = png::Encoder::new(&mut out, w, h);
    encoder.set_color(png::ColorType::Rgb);
    let mut writer = encoder.write_header().expect("a header");
    writer.write_image_data(&data).expect("pixels");
    writer.finish().expect("an end");
    out
}

/// A PNG that says it is `w` by `h` and holds nothing.
pub fn claimed_png(w: u32, h: u32) -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let ihdr = [&w.to_be_bytes()[..], &h.to_be_bytes(), &[8, 2, 0, 0, 0]].concat();
    for (kind, data) in [(b"IHDR", ihdr), (b"IDAT", vec![0x78, 0x9c, 0x03, 0, 0, 0, 0, 1]), (b"IEND", Vec::new())] {
        out.extend((data.len() as u32).to_be_bytes());
        let body = [&kind[..], &data].concat();
        out.extend(&body);
        out.extend(crc32(&body).to_be_bytes());
    }
    out
}

/// The checksum of PNG chunks (ISO 3309).
fn crc32(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| if c & 1 == 1 { 0xEDB8_8320 ^ (c >> 1) } else { c >> 1 })
    })
}

/// 8-bit RGBA.
pub struct Pixels {
    w: u32,
    rgba: Vec<u8>,
}

impl Pixels {
    /// Width and height.
    pub fn extent(&self) -> (u32, u32) {
        (self.w, self.rgba.len() as u32 / 4 / self.w)
    }

    /// All of it, row by row.
    pub fn rgba(&self) -> &[u8] {
        &self.rgba
    }

    /// The pixel at column `x`, row `y`.
    pub fn at(&self, x: u32, y: u32) -> [u8; 4] {
        let i = (y * self.w + x) as usize * 4;
        [self.rgba[i], self.rgba[i + 1], self.rgba[i + 2], self.rgba[i + 3]]
    }

    /// How many pixels are not the same.
    pub fn differing(&self, other: &Pixels) -> usize {
        self.rgba.chunks_exact(4).zip(other.rgba.chunks_exact(4)).filter(|(a, b)| a != b).count()
    }
}

/// An 8-bit RGB or RGBA picture.
pub fn pixels(path: &Path) -> Pixels {
    let (info, bytes, _) = decode(path);
    let rgba = match info.color_type {
        png::ColorType::Rgba => bytes,
        png::ColorType::Rgb => bytes.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 255]).collect(),
        other => panic!("{} is {other:?}", path.display()),
    };
    Pixels { w: info.width, rgba }
}

/// The text under `keyword`.
pub fn png_text(path: &Path, keyword: &str) -> Option<String> {
    let (_, _, texts) = decode(path);
    texts.into_iter().find(|(k, _)| k == keyword).map(|(_, text)| text)
}

fn decode(path: &Path) -> (png::OutputInfo, Vec<u8>, Vec<(String, String)>) {
    let file = std::fs::File::open(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let mut reader = png::Decoder::new(std::io::BufReader::new(file)).read_info().expect("a PNG");
    let mut bytes = vec![0; reader.output_buffer_size().expect("a size")];
    let info = reader.next_frame(&mut bytes).expect("pixels");
    bytes.truncate(info.buffer_size());
    let plain = reader.info().uncompressed_latin1_text.iter().map(|t| (t.keyword.clone(), t.text.clone()));
    let wide = reader.info().utf8_text.iter().map(|t| (t.keyword.clone(), t.get_text().expect("text")));
    let texts = plain.chain(wide).collect();
    (info, bytes, texts)
}
