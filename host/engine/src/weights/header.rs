//! The header of a safetensors file, checked before anything is believed.
//!
//! Decision: our own reader instead of the `safetensors` crate, because the caps are ours (8 MiB, 20,000 tensors; upstream
//! allows 100 MB) and every claim must hold against the real file length before a byte is allocated for it. Pure: bytes in,
//! entries out, no panic on any input (fuzzed).

use serde::de::{self, Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::collections::BTreeMap;
use std::fmt;

/// Longest header read, in bytes.
pub const MAX_HEADER_BYTES: u64 = 8 << 20;
/// Most tensors a file may hold.
pub const MAX_TENSORS: usize = 20_000;
/// Most dimensions a tensor may have.
const MAX_RANK: usize = 8;

/// Element types of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Deserialize)]
#[allow(missing_docs, non_camel_case_types)]
pub enum ElementType {
    BOOL,
    U8,
    I8,
    F8_E4M3,
    F8_E5M2,
    U16,
    I16,
    F16,
    BF16,
    U32,
    I32,
    F32,
    U64,
    I64,
    F64,
}

impl ElementType {
    /// Bytes per element.
    pub const fn bytes(self) -> u64 {
        use ElementType::*;
        match self {
            BOOL | U8 | I8 | F8_E4M3 | F8_E5M2 => 1,
            U16 | I16 | F16 | BF16 => 2,
            U32 | I32 | F32 => 4,
            U64 | I64 | F64 => 8,
        }
    }
}

/// One tensor: its name, type, shape and place in the data part of the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// As in the file.
    pub name: String,
    /// Element type.
    pub dtype: ElementType,
    /// Row-major shape; empty for a scalar.
    pub shape: Vec<usize>,
    /// First byte, counted from the end of the header.
    pub start: u64,
    /// One past the last byte.
    pub end: u64,
}

/// Reads the JSON `header` of a file whose data part has `data_bytes` bytes.
///
/// Entries come back in file order. The sentence in the error fits "FILE is damaged: …".
pub fn parse(header: &[u8], data_bytes: u64) -> Result<Vec<Entry>, String> {
    let raw: RawHeader = serde_json::from_slice(header).map_err(|e| format!("its header is not valid ({e})"))?;
    let mut entries = Vec::with_capacity(raw.0.len());
    for (name, tensor) in raw.0 {
        if tensor.shape.len() > MAX_RANK {
            return Err(format!(
                "tensor {name} has {} dimensions, at most {MAX_RANK} are possible",
                tensor.shape.len()
            ));
        }
        let bytes = tensor.shape.iter().try_fold(tensor.dtype.bytes(), |n, &d| n.checked_mul(d));
        let [start, end] = tensor.data_offsets;
        if start > end || end > data_bytes {
            return Err(format!("tensor {name} claims bytes {start} to {end} of {data_bytes}"));
        }
        if bytes != Some(end - start) {
            return Err(format!("tensor {name} of shape {:?} does not fit its {} bytes", tensor.shape, end - start));
        }
        let shape = tensor.shape.iter().map(|&d| usize::try_from(d)).collect::<Result<_, _>>();
        let shape = shape.map_err(|_| format!("tensor {name} is larger than this machine can address"))?;
        entries.push(Entry { name, dtype: tensor.dtype, shape, start, end });
    }
    entries.sort_by_key(|entry| (entry.start, entry.end));
    let mut at = 0;
    for entry in &entries {
        if entry.start != at {
            let what = if entry.start < at { "overlaps the one before it" } else { "leaves a gap before it" };
            return Err(format!("tensor {} {what}", entry.name));
        }
        at = entry.end;
    }
    if at != data_bytes {
        return Err(format!("its tensors take {at} bytes, but {data_bytes} follow the header"));
    }
    Ok(entries)
}

/// The texts under `__metadata__`; none if there are no such, whatever else is wrong with `header`.
pub fn metadata(header: &[u8]) -> BTreeMap<String, String> {
    #[derive(serde::Deserialize)]
    struct Raw {
        #[serde(default, rename = "__metadata__")]
        metadata: BTreeMap<String, serde_json::Value>,
    }
    let raw = serde_json::from_slice(header).map_or_else(|_| BTreeMap::new(), |raw: Raw| raw.metadata);
    raw.into_iter().filter_map(|(key, value)| Some((key, value.as_str()?.to_owned()))).collect()
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct RawTensor {
    dtype: ElementType,
    shape: Vec<u64>,
    data_offsets: [u64; 2],
}

/// Name and claim of every tensor, refusing repeated names and counting while reading.
struct RawHeader(Vec<(String, RawTensor)>);

impl<'de> Deserialize<'de> for RawHeader {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Names;
        impl<'de> Visitor<'de> for Names {
            type Value = RawHeader;

            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a map from tensor names to their type, shape and place")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<RawHeader, A::Error> {
                let (mut tensors, mut seen) = (Vec::new(), std::collections::HashSet::new());
                while let Some(name) = map.next_key::<String>()? {
                    if name == "__metadata__" {
                        map.next_value::<IgnoredAny>()?;
                        continue;
                    }
                    if tensors.len() == MAX_TENSORS {
                        return Err(de::Error::custom(format_args!("more than {MAX_TENSORS} tensors")));
                    }
                    if !seen.insert(name.clone()) {
                        return Err(de::Error::custom(format_args!("tensor {name} is there twice")));
                    }
                    tensors.push((name, map.next_value()?));
                }
                Ok(RawHeader(tensors))
            }
        }
        deserializer.deserialize_map(Names)
    }
}
