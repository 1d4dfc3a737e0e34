//! NumPy's `.npy` arrays, for noise and latents that travel between programs.
//!
//! Written as version 1.0, little-endian `f32`, C order. Read: versions 1 to 3, little-endian `f2`, `f4` and `f8`, C order.

use crate::EngineError;
use half::f16;
use std::fs;
use std::io::Read;
use std::path::Path;

/// An array in C order.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Npy {
    /// Length of each dimension, slowest first.
    pub shape: Vec<usize>,
    /// `shape`'s product values.
    pub data: Vec<f32>,
}

/// Largest array read, in values: 64 pictures of 4096 x 4096 pixels have fewer latents.
const MAX_VALUES: usize = 1 << 26;

impl Npy {
    /// Reads `path`; its header must agree with its length.
    pub fn read(path: &Path) -> Result<Self, EngineError> {
        let read = |error| EngineError::Read { path: path.to_owned(), error };
        if !fs::metadata(path).map_err(read)?.is_file() {
            return Err(EngineError::Npy { path: path.to_owned(), what: "it is not a regular file".into() });
        }
        let mut bytes = Vec::new();
        let limit = MAX_VALUES as u64 * 8 + (1 << 16);
        fs::File::open(path).and_then(|file| file.take(limit + 1).read_to_end(&mut bytes)).map_err(read)?;
        Self::parse(&bytes).map_err(|what| EngineError::Npy { path: path.to_owned(), what })
    }

    /// The file's bytes.
    pub fn to_bytes(&self) -> Vec<u8> {
        let shape: String = self.shape.iter().map(|d| format!("{d}, ")).collect();
        let mut header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", shape.trim_end());
        // The data begins at a multiple of 64.
        let length = (10 + header.len() + 1).next_multiple_of(64) - 10;
        header.extend(std::iter::repeat_n(' ', length - 1 - header.len()));
        header.push('\n');
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((length as u16).to_le_bytes());
        bytes.extend(header.bytes());
        bytes.extend(self.data.iter().flat_map(|v| v.to_le_bytes()));
        bytes
    }

    /// Parses a file's bytes; the sentence in the error fits "FILE …".
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let wrong = || "is not a NumPy array (.npy) of floats in C order".to_owned();
        let [0x93, b'N', b'U', b'M', b'P', b'Y', major, _, rest @ ..] = bytes else { return Err(wrong()) };
        let (length, rest) = match (major, rest) {
            (1, [a, b, rest @ ..]) => (u16::from_le_bytes([*a, *b]) as usize, rest),
            (2 | 3, [a, b, c, d, rest @ ..]) => (u32::from_le_bytes([*a, *b, *c, *d]) as usize, rest),
            _ => return Err(wrong()),
        };
        let (header, data) = rest.split_at_checked(length).ok_or_else(wrong)?;
        let header: String =
            str::from_utf8(header).map_err(|_| wrong())?.chars().filter(|c| !c.is_whitespace()).collect();
        let after = |key: &str| header.split_once(key).map(|(_, rest)| rest);
        if !after("'fortran_order':").is_some_and(|v| v.starts_with("False")) {
            return Err(wrong());
        }
        let shape = after("'shape':(").and_then(|v| v.split_once(')')).ok_or_else(wrong)?.0;
        let shape = shape.split(',').filter(|d| !d.is_empty()).map(|d| d.parse().map_err(|_| wrong()));
        let shape: Vec<usize> = shape.collect::<Result<_, _>>()?;
        let values = shape.iter().try_fold(1usize, |n, &d| n.checked_mul(d)).filter(|&n| n <= MAX_VALUES);
        let values = values.ok_or_else(|| format!("has shape {shape:?}, at most {MAX_VALUES} values are read"))?;
        let kind = after("'descr':'").and_then(|v| v.split_once('\'')).ok_or_else(wrong)?.0;
        let (width, read): (usize, fn(&[u8]) -> f32) = match kind {
            "<f2" => (2, |b| f16::from_le_bytes([b[0], b[1]]).to_f32()),
            "<f4" => (4, |b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])),
            "<f8" => (8, |b| f64::from_le_bytes([b[0], b[1], b[2], b[3], b[4], b[5], b[6], b[7]]) as f32),
            other => return Err(format!("holds {other}, not floats (<f2, <f4 or <f8)")),
        };
        if data.len() != values * width {
            return Err(format!("has {} bytes of data where shape {shape:?} needs {}", data.len(), values * width));
        }
        Ok(Self { shape, data: data.chunks_exact(width).map(read).collect() })
    }
}
