//! One safetensors file on disk: recognised by content, read tensor by tensor.
//!
//! Decision: plain positioned reads, no memory map. A map keeps the file's pages resident next to the copy a layer makes
//! (twice the model at the peak), and a file truncated while mapped kills the process. The file stays open, and its length and
//! time are remembered, so that a tensor read again later is either the one that was there or an error.

use super::header::{self, ElementType, Entry};
use crate::EngineError;
use half::slice::HalfFloatSliceExt;
use half::{bf16, f16};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// An open file whose header holds against its length.
#[derive(Debug)]
pub struct SafetensorsFile {
    path: PathBuf,
    file: File,
    data_start: u64,
    entries: Vec<Entry>,
    stamp: Stamp,
}

/// What changes when a file is written to; the time is absent where the system keeps none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    bytes: u64,
    modified: Option<SystemTime>,
}

impl Stamp {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self { bytes: metadata.len(), modified: metadata.modified().ok() }
    }
}

impl SafetensorsFile {
    /// Opens and checks `path`; reads the header only.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let read = |error| EngineError::Read { path: path.to_owned(), error };
        // Before opening: a named pipe would block until somebody writes into it.
        if !std::fs::metadata(path).map_err(read)?.is_file() {
            return Err(EngineError::NotSafetensors { path: path.to_owned(), what: "not a regular file" });
        }
        let mut file = File::open(path).map_err(read)?;
        let metadata = file.metadata().map_err(read)?;
        let mut start = Vec::with_capacity(16);
        (&mut file).take(16).read_to_end(&mut start).map_err(read)?;
        if let Some(what) = other_format(&start) {
            return Err(EngineError::NotSafetensors { path: path.to_owned(), what });
        }
        let damaged = |what: String| EngineError::Damaged { path: path.to_owned(), what };
        let Some(length) = start.first_chunk::<8>() else {
            return Err(damaged(format!("it has {} bytes, too few for a header", start.len())));
        };
        let (length, total) = (u64::from_le_bytes(*length), metadata.len());
        if length > header::MAX_HEADER_BYTES || length > total.saturating_sub(8) {
            let limit = header::MAX_HEADER_BYTES;
            return Err(damaged(format!(
                "it claims a header of {length} bytes in a file of {total} (at most {limit} are read)"
            )));
        }
        if start.get(8) != Some(&b'{') {
            return Err(EngineError::NotSafetensors { path: path.to_owned(), what: "not a safetensors file" });
        }
        let mut json = vec![0; length as usize];
        file.seek(SeekFrom::Start(8)).map_err(read)?;
        file.read_exact(&mut json).map_err(read)?;
        let entries = header::parse(&json, total - 8 - length).map_err(damaged)?;
        Ok(Self { path: path.to_owned(), file, data_start: 8 + length, entries, stamp: Stamp::of(&metadata) })
    }

    /// Its length and time when it was opened.
    pub fn stamp(&self) -> Stamp {
        self.stamp
    }

    /// True if nobody has written to it since it was opened. A file that was renamed or replaced is still open here.
    pub fn is_unchanged(&self) -> bool {
        self.file.metadata().is_ok_and(|metadata| Stamp::of(&metadata) == self.stamp)
    }

    /// The texts its header carries besides the tensors (`__metadata__`); values that are not texts are left out.
    pub fn metadata(&self) -> Result<BTreeMap<String, String>, EngineError> {
        let read = |error| EngineError::Read { path: self.path.clone(), error };
        let mut json = vec![0; self.data_start as usize - 8];
        let mut file = &self.file;
        file.seek(SeekFrom::Start(8)).map_err(read)?;
        file.read_exact(&mut json).map_err(read)?;
        Ok(header::metadata(&json))
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its tensors in file order.
    pub fn entries(&self) -> &[Entry] {
        &self.entries
    }

    /// The values of one tensor as `f32`, in row-major order. Values that are not finite are refused.
    pub fn read(&self, entry: &Entry) -> Result<Vec<f32>, EngineError> {
        let tensor = |what: String| EngineError::Tensor { path: self.path.clone(), name: entry.name.clone(), what };
        let mut values = Vec::with_capacity((entry.end - entry.start) as usize / entry.dtype.bytes() as usize);
        match entry.dtype {
            ElementType::F32 => {
                self.chunks(entry, |bytes| values.extend(bytes.as_chunks().0.iter().map(|b| f32::from_le_bytes(*b))))
            }
            ElementType::F64 => self.chunks(entry, |bytes| {
                values.extend(bytes.as_chunks().0.iter().map(|b| f64::from_le_bytes(*b) as f32))
            }),
            ElementType::BF16 => self.chunks(entry, |bytes| {
                values.extend(bytes.as_chunks().0.iter().map(|b| bf16::from_le_bytes(*b).to_f32()));
            }),
            // Scalars that a trainer kept as whole numbers.
            ElementType::I64 => self.chunks(entry, |bytes| {
                values.extend(bytes.as_chunks().0.iter().map(|b| i64::from_le_bytes(*b) as f32));
            }),
            ElementType::I32 => self.chunks(entry, |bytes| {
                values.extend(bytes.as_chunks().0.iter().map(|b| i32::from_le_bytes(*b) as f32));
            }),
            // Widened many at a time, for which processors have an instruction.
            ElementType::F16 => self.chunks(entry, |bytes| {
                let halves: Vec<f16> = bytes.as_chunks().0.iter().map(|b| f16::from_le_bytes(*b)).collect();
                let start = values.len();
                values.resize(start + halves.len(), 0.0);
                halves.convert_to_f32_slice(&mut values[start..]);
            }),
            ElementType::F8_E4M3 => self.chunks(entry, |bytes| values.extend(bytes.iter().map(|b| f8_e4m3(*b)))),
            other => {
                return Err(tensor(format!("is stored as {other:?}; F32, F16, BF16, F64 and F8_E4M3 can be read")));
            }
        }?;
        finite(values).map_err(tensor)
    }

    /// Hands the bytes of `entry` over in pieces of 1 MiB, so that a conversion never holds a tensor twice.
    fn chunks(&self, entry: &Entry, mut take: impl FnMut(&[u8])) -> Result<(), EngineError> {
        let read = |error| EngineError::Read { path: self.path.clone(), error };
        let mut file = &self.file;
        file.seek(SeekFrom::Start(self.data_start + entry.start)).map_err(read)?;
        let (mut left, mut buffer) =
            (entry.end - entry.start, vec![0; (1 << 20).min((entry.end - entry.start) as usize)]);
        while left > 0 {
            let n = left.min(buffer.len() as u64) as usize;
            file.read_exact(&mut buffer[..n]).map_err(read)?;
            take(&buffer[..n]);
            left -= n as u64;
        }
        Ok(())
    }
}

/// Eight bits with four of exponent (bias 7) and three of mantissa, without infinities: `float8_e4m3fn` of arXiv:2209.05433.
fn f8_e4m3(byte: u8) -> f32 {
    let (exponent, mantissa) = ((byte >> 3 & 15) as i32, f32::from(byte & 7) / 8.0);
    let size = match (exponent, byte & 7) {
        (15, 7) => f32::NAN,
        (0, _) => mantissa * 2f32.powi(-6),
        _ => (1.0 + mantissa) * 2f32.powi(exponent - 7),
    };
    if byte & 0x80 == 0 { size } else { -size }
}

fn finite(values: Vec<f32>) -> Result<Vec<f32>, String> {
    // Block by block, so that the test of a block is one vector loop.
    let finite = |block: &[f32]| block.iter().fold(true, |all, v| all & v.is_finite());
    match values.chunks(4096).all(finite) {
        true => Ok(values),
        false => Err("holds values that are not finite; the file is broken, get another copy".into()),
    }
}

/// What the first 16 bytes say if they do not begin a safetensors file.
fn other_format(start: &[u8]) -> Option<&'static str> {
    match start {
        [] => Some("empty"),
        [b'P', b'K', 3..=8, ..] => {
            Some("a zip archive, as PyTorch's pickled checkpoints are, which can run code when loaded")
        }
        [0x80, 0x02..=0x05, ..] if start.get(8) != Some(&b'{') => {
            Some("a Python pickle, which can run code when loaded")
        }
        [b'G', b'G', b'U', b'F', ..] => Some("a GGUF file, which this version does not read"),
        [b'v', b'e', b'r', b's', b'i', b'o', b'n', b' ', ..] => Some("a Git LFS pointer, not the model itself"),
        [b'<', ..] if start.get(8) != Some(&b'{') => Some("a web page or XML file, not the model itself"),
        [0x89, b'P', b'N', b'G', ..] | [0xff, 0xd8, 0xff, ..] => Some("a picture"),
        [0x1f, 0x8b, ..] if start.get(8) != Some(&b'{') => Some("a gzip archive"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::f8_e4m3;

    #[test]
    fn eight_bits_are_those_of_torchs_float8_e4m3fn() {
        // torch.tensor([…], dtype=torch.uint8).view(torch.float8_e4m3fn).float()
        for (byte, value) in [
            (0x00, 0.0),
            (0x01, 0.001953125),
            (0x07, 0.013671875),
            (0x08, 0.015625),
            (0x38, 1.0),
            (0x3b, 1.375),
            (0x7e, 448.0),
            (0xb8, -1.0),
            (0xc5, -3.25),
        ] {
            assert_eq!(f8_e4m3(byte), value, "{byte:#x}");
        }
        assert!(f8_e4m3(0x7f).is_nan() && f8_e4m3(0xff).is_nan());
        assert!((0..=255u8).filter(|b| b & 0x7f != 0x7f).all(|b| f8_e4m3(b).is_finite()));
    }
}
