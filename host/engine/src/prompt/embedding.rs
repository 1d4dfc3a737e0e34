//! Textual inversion: vectors that stand for words (Gal et al. 2022).
//!
//! A safetensors file with one matrix for each text encoder, one row for each token the name stands for: `emb_params` (A1111, kohya),
//! `string_to_param…` (converted pickles), `clip_l` and `clip_g` or `text_encoders_0` and `…_1` (SDXL), or diffusers' learned embeds, whose only tensor has the
//! word's own name.
//!
//! Decision: which encoder a matrix is for is decided by its width; the names only decide between equal widths.

use crate::EngineError;
use crate::weights::file::SafetensorsFile;
use crate::weights::header::Entry;
use std::path::{Path, PathBuf};
use underpaint_plan::Family;

/// Most rows of a matrix.
const MAX_ROWS: usize = 1024;
/// Largest width of a row.
const MAX_WIDTH: usize = 8192;
/// Widths of the text encoders of SD 1.x, 2.x and SDXL, by which a lone tensor of any name is taken for an embedding.
const WIDTHS: [usize; 3] = [768, 1024, 1280];

/// An embedding, read.
#[derive(Clone, Debug, PartialEq)]
pub struct Embedding {
    name: String,
    path: PathBuf,
    parts: Vec<Vectors>,
}

/// What one text encoder is shown.
#[derive(Clone, Debug, PartialEq)]
pub struct Vectors {
    /// The encoder, as far as the file tells: `clip_l`, `clip_g`, or another name.
    pub encoder: String,
    /// Length of each.
    pub width: usize,
    /// Row by row.
    pub data: Vec<f32>,
}

impl Embedding {
    /// Reads the file at `path`; in prompts it is called `name`.
    pub fn open(name: &str, path: &Path) -> Result<Self, EngineError> {
        let file = SafetensorsFile::open(path)?;
        let entries = matrices(&file);
        if entries.is_empty() {
            let found =
                "not a textual inversion: no tensor is called emb_params, clip_l or clip_g, and there is more than one";
            let found = if file.entries().is_empty() { "without any tensor" } else { found };
            return Err(EngineError::Damaged { path: path.to_owned(), what: format!("it is {found}") });
        }
        let mut parts = Vec::new();
        for entry in entries {
            let (rows, width) = shape(entry).ok_or_else(|| {
                let shape = &entry.shape;
                let what = format!(
                    "has shape {shape:?}; [n, width] with at most {MAX_ROWS} vectors of at most {MAX_WIDTH} is needed"
                );
                EngineError::Tensor { path: path.to_owned(), name: entry.name.clone(), what }
            })?;
            let data = file.read(entry)?;
            debug_assert_eq!(data.len(), rows * width);
            parts.push(Vectors { encoder: encoder(&entry.name).to_owned(), width, data });
        }
        Ok(Self { name: name.to_owned(), path: path.to_owned(), parts })
    }

    /// What it is called in prompts.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Where it lies.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Widths of its vectors.
    pub fn widths(&self) -> Vec<usize> {
        self.parts.iter().map(|part| part.width).collect()
    }

    /// The vectors for the encoder called `encoder`, whose tokens are `width` wide.
    pub fn vectors(&self, encoder: &str, width: usize) -> Option<&Vectors> {
        let fitting = || self.parts.iter().filter(|part| part.width == width);
        let for_another = |part: &&Vectors| part.encoder != encoder && ["clip_l", "clip_g"].contains(&&*part.encoder);
        fitting().find(|part| part.encoder == encoder).or_else(|| fitting().find(|part| !for_another(part)))
    }
}

/// Widths of the vectors in the file at `path`, from its header; `None` if it is something else than an embedding.
pub fn inspect(path: &Path) -> Result<Option<Vec<usize>>, EngineError> {
    let file = SafetensorsFile::open(path)?;
    let named = file.entries().iter().any(|entry| known(&entry.name));
    let shapes: Option<Vec<_>> = matrices(&file).into_iter().map(shape).collect();
    let widths: Vec<usize> = shapes.unwrap_or_default().into_iter().map(|(_, width)| width).collect();
    let sure = named || widths.iter().all(|width| WIDTHS.contains(width));
    Ok((!widths.is_empty() && sure).then_some(widths))
}

/// The family whose text encoders have vectors of these `widths`; `None` if none has.
pub fn family(widths: &[usize]) -> Option<Family> {
    let has = |width| widths.contains(&width);
    match (has(768), has(1280)) {
        (true, true) => Some(Family::Sdxl),
        (true, false) => Some(Family::Sd15),
        (false, true) => Some(Family::SdxlRefiner),
        (false, false) => has(1024).then_some(Family::Sd2),
    }
}

/// The tensors that hold vectors: those with a known name, else the only one.
fn matrices(file: &SafetensorsFile) -> Vec<&Entry> {
    let named: Vec<&Entry> = file.entries().iter().filter(|entry| known(&entry.name)).collect();
    match file.entries() {
        [only] if named.is_empty() => vec![only],
        _ => named,
    }
}

fn known(name: &str) -> bool {
    name.starts_with("string_to_param")
        || ["emb_params", "clip_l", "clip_g", "text_encoders_0", "text_encoders_1"].contains(&name)
}

/// ComfyUI's name of the encoder a tensor is for.
fn encoder(name: &str) -> &str {
    match name {
        "text_encoders_0" => "clip_l",
        "text_encoders_1" => "clip_g",
        name => name,
    }
}

/// Rows and width.
fn shape(entry: &Entry) -> Option<(usize, usize)> {
    let (rows, width) = match entry.shape[..] {
        [width] => (1, width),
        [rows, width] => (rows, width),
        _ => return None,
    };
    ((1..=MAX_ROWS).contains(&rows) && (1..=MAX_WIDTH).contains(&width)).then_some((rows, width))
}
