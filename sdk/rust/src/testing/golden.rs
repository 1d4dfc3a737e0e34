//! Pictures kept beside a test: read, written, compared by number.
//!
//! Decision: binary PPM and PAM of 8 bits, which need no dependency, and which GIMP, Krita and ImageMagick open.

use super::Made;
use crate::Sample;
use crate::color::{linear_from_srgb, srgb_from_linear};
use std::path::Path;

impl<S: Sample> Made<S> {
    /// The picture in a binary `.ppm` or a `.pam` with RGBA, 8 bits each. Panics on anything else.
    pub fn read(path: impl AsRef<Path>) -> Self {
        let path = path.as_ref();
        let bytes = std::fs::read(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        let Some((width, height, depth, start)) = header(&bytes) else {
            panic!("{}: not a .ppm or .pam", path.display())
        };
        let values = &bytes[start..];
        assert_eq!(values.len(), width as usize * height as usize * depth, "{} is cut off", path.display());
        let unit = |v: u8| S::from_unit(f32::from(v) / 255.0);
        let mut pixels = Vec::with_capacity(width as usize * height as usize * 4);
        for pixel in values.chunks_exact(depth) {
            pixels.extend(pixel.iter().map(|&v| unit(v)));
            pixels.extend((depth == 3).then_some(S::MAX));
        }
        // As a host hands it over: colour under alpha 0 is 0.
        let clear = pixels.chunks_exact_mut(4).filter(|pixel| pixel[3] == S::default());
        clear.for_each(|pixel| pixel.fill(S::default()));
        Self { width, height, pixels }
    }

    /// Writes it as a `.pam` of RGBA, 8 bits each.
    pub fn write(&self, path: impl AsRef<Path>) {
        let mut out = format!(
            "P7\nWIDTH {}\nHEIGHT {}\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n",
            self.width, self.height
        )
        .into_bytes();
        out.extend(self.pixels.iter().map(|v| u8::from_unit(v.to_unit())));
        std::fs::write(path.as_ref(), out).unwrap_or_else(|e| panic!("{}: {e}", path.as_ref().display()));
    }

    /// Panics unless this is the picture in `golden`: of its size, and with no more than `apart` of its values further
    /// away than half an 8-bit step and a hundredth. What was made is left in the folder for temporary files, to be
    /// looked at.
    pub fn assert_golden(&self, golden: impl AsRef<Path>, apart: f64) {
        let golden = golden.as_ref();
        if std::env::var_os("MAKE_REF").is_some() && !golden.exists() {
            self.write(golden);
        }
        let should = Made::<f32>::read(golden);
        let far = |is: f32, should: f32| (is - should).abs() * 255.0 > 0.51;
        let values = self.pixels.iter().map(|v| v.to_unit()).zip(&should.pixels);
        let count = values.clone().filter(|&(is, &should)| far(is, should)).count();
        let most = values.map(|(is, &should)| (is - should).abs()).fold(0.0, f32::max) * 255.0;
        let size = (self.width, self.height) == (should.width, should.height);
        if size && count as f64 <= apart * self.pixels.len() as f64 {
            return;
        }
        let actual = std::env::temp_dir().join(golden.with_extension("actual.pam").file_name().unwrap_or_default());
        self.write(&actual);
        panic!(
            "{} ({}x{}) is not {} ({}x{}): {count} of {} values differ, by up to {most:.2} of 255",
            actual.display(),
            self.width,
            self.height,
            golden.display(),
            should.width,
            should.height,
            self.pixels.len()
        );
    }
}

/// The largest difference of values from those that another program made, kept as little-endian u16. Panics if there
/// are not as many.
pub fn furthest<S: Sample>(made: &[S], kept: &[u8]) -> f32 {
    let kept = kept.as_chunks::<2>().0.iter().map(|&v| u16::from_le_bytes(v).to_unit());
    assert_eq!(made.len(), kept.len(), "as many values as were kept");
    made.iter().zip(kept).map(|(v, kept)| (v.to_unit() - kept).abs()).fold(0.0, f32::max)
}

impl Made<f32> {
    /// sRGB-encoded values as light: what a filter gets that says [`About::linear`](crate::About::linear).
    pub fn linear(self) -> Self {
        self.each(linear_from_srgb)
    }

    /// Light as sRGB-encoded values, within 0..=1.
    pub fn encoded(self) -> Self {
        self.each(|v| srgb_from_linear(v).clamp(0.0, 1.0))
    }

    fn each(mut self, f: impl Fn(f32) -> f32) -> Self {
        for pixel in self.pixels.chunks_exact_mut(4) {
            pixel[..3].iter_mut().for_each(|v| *v = f(*v));
        }
        self
    }
}

/// Width, height, values in a pixel and where they begin.
fn header(bytes: &[u8]) -> Option<(u32, u32, usize, usize)> {
    if bytes.starts_with(b"P7\n") {
        const END: &[u8] = b"ENDHDR\n";
        let end = bytes.windows(END.len()).position(|w| w == END)?;
        let text = std::str::from_utf8(&bytes[..end]).ok()?;
        let field = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<u32>().ok());
        let depth = field("DEPTH ")?;
        let known = matches!(depth, 3 | 4) && field("MAXVAL ")? == 255;
        return known.then_some((field("WIDTH ")?, field("HEIGHT ")?, depth as usize, end + END.len()));
    }
    // Magic, width, height, maximum, one blank.
    let mut ends = bytes.iter().enumerate().filter(|(_, b)| b.is_ascii_whitespace()).map(|(i, _)| i);
    let end = ends.nth(3)?;
    let text = std::str::from_utf8(&bytes[..end]).ok()?;
    let fields: Vec<&str> = text.split_ascii_whitespace().collect();
    let ["P6", width, height, "255"] = fields[..] else { return None };
    Some((width.parse().ok()?, height.parse().ok()?, 3, end + 1))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comes_back_as_it_was_written() {
        let made = Made::<u8> { width: 3, height: 2, pixels: crate::testing::picture(3, 2) };
        let path = std::env::temp_dir().join(format!("underpaint-golden-{}.pam", std::process::id()));
        made.write(&path);
        assert_eq!(Made::<u8>::read(&path), made);
        made.assert_golden(&path, 0.0);
        let mut other = made.clone();
        other.pixels[0] ^= 128;
        assert!(std::panic::catch_unwind(|| other.assert_golden(&path, 0.0)).is_err());
        other.assert_golden(&path, 0.05);
        std::fs::write(&path, b"P6\n2 1\n255\n\x00\x80\xff\xff\xff\xff").unwrap();
        assert_eq!(Made::<u8>::read(&path).pixels, [0, 128, 255, 255, 255, 255, 255, 255]);
        std::fs::remove_file(&path).unwrap();
    }
}
