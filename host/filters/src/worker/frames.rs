//! What host and worker say to each other over the worker's standard input and output.
//!
//! A frame is the length of a JSON text (u32, little endian), the text, and behind it the bytes the text speaks of.
//!
//! Decision: pixels go through the pipe. Memory that both processes map would save a copy, but a worker that a filter
//! has broken out into could then change what the host has already checked.

use crate::error::FilterError;
use crate::picture::{Picture, PictureRef, Sample, Samples};
use crate::{Descriptor, Level};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use std::io::{self, Read, Write};
use underpaint_raster::Extent;

/// What the host asks for.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Ask {
    /// Compile the wasm of so many bytes that follow; nothing of it is run.
    Compile { wasm: u64 },
    /// Keep this filter ready: wasm and the code it was compiled to follow.
    Load { wasm: u64, code: u64 },
    /// Run filters that were loaded. The picture follows, then the calls' images, mask, before, generated.
    Run(Box<Run>),
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Run {
    pub calls: Vec<Step>,
    pub seed: u64,
    pub scale: f32,
    pub tile: u32,
    pub threads: usize,
    pub picture: Shape,
    pub mask: Option<(u32, u32)>,
    pub before: Option<Shape>,
    pub generated: Option<Shape>,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Step {
    pub name: String,
    pub params: Map<String, Value>,
    pub images: Vec<(String, Shape)>,
}

/// What the worker answers.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Answer {
    /// First of all: which engine it has.
    Hello { engine: String },
    /// The code follows.
    Compiled { code: u64 },
    /// The filter is ready.
    Loaded(Box<Descriptor>),
    /// The code is another engine's.
    Stale,
    /// Still at it.
    Beat,
    /// As [`underpaint_raster::Job::progress`].
    Progress { step: u32, steps: u32 },
    /// A filter's message.
    Log { filter: String, level: Level, line: String },
    /// The result, whose pixels follow; `None` is the picture itself, unchanged.
    Made(Option<Shape>),
    /// It went wrong; the worker goes on.
    Failed(FilterError),
}

/// Size and type of the pixels that follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Shape {
    pub w: u32,
    pub h: u32,
    pub sample: Sample,
}

impl Shape {
    pub fn of(picture: PictureRef<'_>) -> Self {
        let Extent { w, h } = picture.extent();
        Self { w, h, sample: picture.sample() }
    }

    pub fn extent(self) -> Extent {
        Extent::new(self.w, self.h)
    }
}

/// The longest JSON text: 64 parameters with the longest texts, with room for escapes.
const MAX_TEXT: u32 = 512 << 20;

/// Pixels of the largest picture; more than a filter may make.
const MAX_PIXELS: u64 = 1 << 29;

pub(crate) fn write(to: &mut impl Write, says: &impl Serialize, follows: &[&[u8]]) -> io::Result<()> {
    let mut frame = vec![0; 4];
    serde_json::to_writer(&mut frame, says)?;
    let length = u32::try_from(frame.len() - 4).ok().filter(|&n| n <= MAX_TEXT);
    let length = length.ok_or_else(|| io::Error::other("a request too large for the worker"))?;
    frame[..4].copy_from_slice(&length.to_le_bytes());
    to.write_all(&frame)?;
    follows.iter().try_for_each(|bytes| to.write_all(bytes))?;
    to.flush()
}

pub(crate) fn read<T: DeserializeOwned>(from: &mut impl Read) -> io::Result<T> {
    let mut length = [0; 4];
    from.read_exact(&mut length)?;
    let length = u32::from_le_bytes(length);
    if length > MAX_TEXT {
        return Err(io::Error::other("a frame too large"));
    }
    Ok(serde_json::from_slice(&read_bytes(from, length.into())?)?)
}

/// Exactly `len` bytes; memory is taken as they come.
pub(crate) fn read_bytes(from: &mut impl Read, len: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(len.min(64 << 20) as usize);
    from.take(len).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == len { Ok(bytes) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

/// The pixels of a picture as they are sent.
pub(crate) fn bytes(picture: PictureRef<'_>) -> &[u8] {
    match picture {
        PictureRef::Uint8(view) => view.data,
        PictureRef::Uint16(view) => bytemuck::cast_slice(view.data),
        PictureRef::Float32(view) => bytemuck::cast_slice(view.data),
    }
}

pub(crate) fn read_picture(from: &mut impl Read, shape: Shape) -> io::Result<Picture> {
    let extent = shape.extent();
    if extent.area() > MAX_PIXELS {
        return Err(io::Error::other("a picture too large"));
    }
    let samples = match shape.sample {
        Sample::Uint8 => Samples::Uint8(read_values(from, extent)?),
        Sample::Uint16 => Samples::Uint16(read_values(from, extent)?),
        Sample::Float32 => Samples::Float32(read_values(from, extent)?),
    };
    Ok(Picture::new(extent, samples))
}

fn read_values<S: bytemuck::Pod + Default>(from: &mut impl Read, extent: Extent) -> io::Result<Vec<S>> {
    let mut values = underpaint_pages::zeros(extent.area() as usize * 4);
    from.read_exact(bytemuck::cast_slice_mut(&mut values))?;
    Ok(values)
}
