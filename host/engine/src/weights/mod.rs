//! Models on disk: safetensors files, diffusers folders and single-file checkpoints, all seen as named tensors.
//!
//! Decision: the models speak diffusers' tensor names only. A single-file checkpoint is renamed once, on opening
//! ([`single_file`]), so nothing behind this module knows that LDM names exist. Opening reads headers; tensors are read one
//! by one when a layer asks, so no more than one tensor is ever held twice.

pub mod control_file;
mod depth_file;
pub mod file;
pub mod folder;
pub mod header;
pub mod single_file;

use crate::EngineError;
use candle_core::{DType, Device, Tensor};
use file::SafetensorsFile;
use header::Entry;
use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use underpaint_kernels::{PackedConv, PackedLinear};
use underpaint_raster::{Job, Stage};

/// The tensors of one component (denoiser, VAE or text encoder) by diffusers' names.
#[derive(Debug)]
pub struct Weights {
    path: PathBuf,
    tensors: BTreeMap<String, Source>,
}

#[derive(Clone, Debug)]
struct Source {
    file: Rc<SafetensorsFile>,
    /// Where in the file, which may be a part of one of its tensors.
    entry: Entry,
    /// Stored as the transpose of what layers take; `entry.shape` is as stored.
    transposed: bool,
    used: Cell<bool>,
}

impl Source {
    /// Its values as `f32` of `shape`, whose number of elements is the entry's.
    fn tensor(&self, shape: &[usize], device: &Device) -> Result<Tensor, EngineError> {
        Ok(Tensor::from_vec(self.read()?, shape, device)?)
    }
}

/// A tensor as it is on disk, to be read again.
#[derive(Debug)]
pub struct Original {
    source: Source,
    shape: Vec<usize>,
    device: Device,
    dtype: DType,
}

impl Original {
    /// As the layer has it: `[out, in]`, `[out, in, k, k]`, or `[n]`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values the layer was made from, in `f32` on its device. An error if the file was written to since it was opened.
    pub fn read(&self) -> Result<Tensor, EngineError> {
        let file = &self.source.file;
        if !file.is_unchanged() {
            return Err(EngineError::Changed { path: file.path().to_owned() });
        }
        self.source.tensor(&self.shape, &self.device)
    }
}

/// A weight or bias in the form its layer computes with.
pub trait Held: fmt::Debug {
    /// Puts `weight`, of the same shape, in its place, once it is packed.
    fn replace(&self, weight: &Tensor) -> candle_core::Result<()>;

    /// Bytes it takes.
    fn bytes(&self) -> usize;
}

impl Held for RefCell<PackedLinear> {
    fn replace(&self, weight: &Tensor) -> candle_core::Result<()> {
        let packed = PackedLinear::new(weight)?;
        self.replace(packed);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.borrow().bytes()
    }
}

impl Held for RefCell<PackedConv> {
    fn replace(&self, weight: &Tensor) -> candle_core::Result<()> {
        let packed = self.borrow().repacked(weight)?;
        self.replace(packed);
        Ok(())
    }

    fn bytes(&self) -> usize {
        self.borrow().bytes()
    }
}

impl Held for RefCell<Tensor> {
    fn replace(&self, tensor: &Tensor) -> candle_core::Result<()> {
        self.replace(tensor.clone());
        Ok(())
    }

    fn bytes(&self) -> usize {
        let tensor = self.borrow();
        tensor.elem_count() * tensor.dtype().size_in_bytes()
    }
}

/// A weight or bias that can be exchanged while the model is loaded.
#[derive(Debug)]
pub struct Exchangeable {
    /// Full name in its component, such as `conv_in.weight`.
    pub name: String,
    /// Where it came from.
    pub original: Original,
    /// What the layer computes with.
    pub held: Rc<dyn Held>,
}

impl Exchangeable {
    /// Puts `weight` in its place, in the layer's own precision.
    pub fn put(&self, weight: &Tensor) -> candle_core::Result<()> {
        self.held.replace(&weight.to_dtype(self.original.dtype)?)
    }
}

impl Weights {
    /// No tensors yet; `path` is what errors name.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), tensors: BTreeMap::new() }
    }

    /// Takes `entry` of `file` in under `name`.
    pub fn insert(&mut self, name: String, file: &Rc<SafetensorsFile>, entry: &Entry) {
        self.put(name, file, entry.clone(), false);
    }

    /// Takes the matrix `entry` of `file` in under `name`, turned over.
    pub fn insert_transposed(&mut self, name: String, file: &Rc<SafetensorsFile>, entry: &Entry) {
        self.put(name, file, entry.clone(), true);
    }

    /// Takes `entry` of `file`, which holds equally many rows for each of `names` one after the other, apart.
    pub fn insert_parts(
        &mut self,
        names: &[String],
        file: &Rc<SafetensorsFile>,
        entry: &Entry,
    ) -> Result<(), EngineError> {
        let (parts, bytes) = (names.len(), (entry.end - entry.start) / names.len() as u64);
        let Some((rows, rest)) = entry.shape.split_first().filter(|(rows, _)| *rows % parts == 0) else {
            let what = format!("has shape {:?}, which cannot be taken apart into {parts}", entry.shape);
            return Err(EngineError::Tensor { path: self.path.clone(), name: entry.name.clone(), what });
        };
        for (i, name) in (0..).zip(names) {
            let start = entry.start + i * bytes;
            let shape = [&[rows / parts], rest].concat();
            self.put(name.clone(), file, Entry { start, end: start + bytes, shape, ..entry.clone() }, false);
        }
        Ok(())
    }

    fn put(&mut self, name: String, file: &Rc<SafetensorsFile>, entry: Entry, transposed: bool) {
        self.tensors.insert(name, Source { file: file.clone(), entry, transposed, used: Cell::new(false) });
    }

    /// Leaves out the tensors of the last of the parts `prefix`0, `prefix`1, ….
    pub fn drop_last(&mut self, prefix: &str) {
        let number = |name: &str| name.strip_prefix(prefix)?.split('.').next()?.parse::<usize>().ok();
        if let Some(last) = self.tensors.keys().filter_map(|name| number(name)).max() {
            self.tensors.retain(|name, _| number(name) != Some(last));
        }
    }

    /// Leaves out tensor `name`.
    pub fn drop(&mut self, name: &str) {
        self.tensors.remove(name);
    }

    /// Gives every tensor another name, or leaves it out.
    pub fn rename(&mut self, to: impl Fn(&str) -> Option<String>) {
        let tensors = std::mem::take(&mut self.tensors);
        self.tensors = tensors.into_iter().filter_map(|(name, source)| Some((to(&name)?, source))).collect();
    }

    /// The file or folder they come from.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// True if there is no tensor at all.
    pub fn is_empty(&self) -> bool {
        self.tensors.is_empty()
    }

    /// All names, sorted.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.tensors.keys().map(String::as_str)
    }

    /// True if some name starts with `prefix`.
    pub fn has(&self, prefix: &str) -> bool {
        self.tensors.range(prefix.to_owned()..).next().is_some_and(|(name, _)| name.starts_with(prefix))
    }

    /// The shape of tensor `name`.
    pub fn shape(&self, name: &str) -> Option<Vec<usize>> {
        self.tensors.get(name).map(Source::shape)
    }

    /// Bytes of each value of tensor `name` in the file.
    pub fn stored_bytes(&self, name: &str) -> Option<u64> {
        self.tensors.get(name).map(|source| source.entry.dtype.bytes())
    }

    /// Reads tensor `name` by itself, without a layer asking for it.
    pub fn read(&self, name: &str) -> Result<Option<Vec<f32>>, EngineError> {
        self.tensors.get(name).map(Source::read).transpose()
    }

    /// The first tensor no layer has asked for: a sign of an architecture we do not know.
    pub fn unused(&self) -> Option<&str> {
        self.tensors.iter().find(|(_, s)| !s.used.get()).map(|(name, _)| name.as_str())
    }

    /// The whole component, for layers to take their tensors from.
    pub fn root<'a>(&'a self, loading: &'a Loading<'a>) -> Scope<'a> {
        Scope { weights: self, loading, dtype: loading.dtype, prefix: String::new() }
    }

    fn error(&self, name: &str, what: String) -> EngineError {
        let path = self.tensors.get(name).map_or(&*self.path, |s| s.file.path());
        EngineError::Tensor { path: path.to_owned(), name: name.to_owned(), what }
    }
}

impl Source {
    fn shape(&self) -> Vec<usize> {
        let mut shape = self.entry.shape.clone();
        if self.transposed {
            shape.reverse();
        }
        shape
    }

    /// The values in row-major order of [`shape`](Self::shape).
    fn read(&self) -> Result<Vec<f32>, EngineError> {
        let values = self.file.read(&self.entry)?;
        Ok(match (self.transposed, &self.entry.shape[..]) {
            (true, &[rows, columns]) => (0..rows * columns).map(|i| values[i % rows * columns + i / rows]).collect(),
            _ => values,
        })
    }
}

/// Where tensors are read to, and the job that waits for them.
pub struct Loading<'a> {
    device: Device,
    dtype: DType,
    job: &'a dyn Job,
    done: Cell<u32>,
    total: u32,
    exchangeable: RefCell<Vec<Exchangeable>>,
}

impl<'a> Loading<'a> {
    /// Reads `total` tensors onto `device`; more or fewer only make the progress wrong.
    pub fn new(device: &Device, total: usize, job: &'a dyn Job) -> Self {
        let exchangeable = RefCell::default();
        Self { device: device.clone(), dtype: DType::F32, job, done: Cell::new(0), total: total as u32, exchangeable }
    }

    /// The same, for layers that compute in `dtype` instead of `f32`.
    pub fn in_precision(self, dtype: DType) -> Self {
        Self { dtype, ..self }
    }

    /// The weights that were announced with [`Scope::exchangeable`] since the last call: those of one component, if it is
    /// asked after each.
    pub fn exchangeable(&self) -> Vec<Exchangeable> {
        self.exchangeable.take()
    }

    fn step(&self) -> Result<(), EngineError> {
        let done = self.done.get();
        self.done.set(done + 1);
        Ok(self.job.step(Stage::Load, done.min(self.total), self.total)?)
    }
}

/// A prefix into [`Weights`], as a layer sees it.
#[derive(Clone)]
pub struct Scope<'a> {
    weights: &'a Weights,
    loading: &'a Loading<'a>,
    dtype: DType,
    prefix: String,
}

impl<'a> Scope<'a> {
    /// The scope `part` below this one.
    pub fn at(&self, part: impl std::fmt::Display) -> Scope<'a> {
        let prefix = if self.prefix.is_empty() { part.to_string() } else { format!("{}.{part}", self.prefix) };
        Scope { prefix, ..*self }
    }

    /// The same scope for layers that compute in `f32` whatever the rest does.
    pub fn exact(self) -> Self {
        Scope { dtype: DType::F32, ..self }
    }

    /// True if there is anything below `part`.
    pub fn has(&self, part: impl std::fmt::Display) -> bool {
        self.weights.has(&format!("{}.", self.at(part).prefix))
    }

    /// How many consecutive parts `part.0`, `part.1`, … there are.
    pub fn count(&self, part: &str) -> usize {
        (0..).take_while(|i| self.has(format_args!("{part}.{i}"))).count()
    }

    /// The shape of tensor `name`, which must exist and have `N` dimensions.
    pub fn dims<const N: usize>(&self, name: &str) -> Result<[usize; N], EngineError> {
        let full = self.at(name).prefix;
        let shape = self.weights.shape(&full).ok_or_else(|| self.weights.error(&full, "is missing".into()))?;
        let wrong =
            |shape: &[usize]| self.weights.error(&full, format!("has shape {shape:?}, {N} dimensions are needed"));
        let dims: [usize; N] = shape.try_into().map_err(|shape: Vec<usize>| wrong(&shape))?;
        if dims.contains(&0) {
            return Err(wrong(&dims));
        }
        Ok(dims)
    }

    /// True if tensor `name` itself exists.
    pub fn contains(&self, name: &str) -> bool {
        self.weights.shape(&self.at(name).prefix).is_some()
    }

    /// Reads tensor `name`, whose shape must be `shape`, onto the device in the layers' precision; asks the job first.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, EngineError> {
        let full = self.at(name).prefix;
        let Some(source) = self.weights.tensors.get(&full) else {
            return Err(self.weights.error(&full, "is missing".into()));
        };
        let stored = source.shape();
        // A 1x1 convolution and a linear layer have the same values; old VAEs store one, new ones the other.
        let same = stored == shape
            || (stored.len() == 4 && shape.len() == 2 && stored[..2] == *shape && stored[2..] == [1, 1])
            || (stored.len() == 2 && shape.len() == 4 && stored == shape[..2] && shape[2..] == [1, 1]);
        if !same {
            return Err(self.weights.error(&full, format!("has shape {stored:?}, {shape:?} is needed")));
        }
        source.used.set(true);
        self.loading.step()?;
        Ok(source.tensor(shape, &self.loading.device)?.to_dtype(self.dtype)?)
    }

    /// Reads tensor `name` as [`Scope::tensor`] does, as one that can be exchanged.
    pub fn shared(&self, name: &str, shape: &[usize]) -> Result<Rc<RefCell<Tensor>>, EngineError> {
        let tensor = Rc::new(RefCell::new(self.tensor(name, shape)?));
        self.exchangeable(name, shape, tensor.clone());
        Ok(tensor)
    }

    /// Announces that another weight of `shape` can be put in the place of tensor `name`, which was just read and is `held`.
    pub fn exchangeable(&self, name: &str, shape: &[usize], held: Rc<dyn Held>) {
        let name = self.at(name).prefix;
        let Some(source) = self.weights.tensors.get(&name).cloned() else { return };
        let original =
            Original { source, shape: shape.to_vec(), device: self.loading.device.clone(), dtype: self.dtype };
        self.loading.exchangeable.borrow_mut().push(Exchangeable { name, original, held });
    }

    /// An error about tensor `name` of this scope.
    pub fn error(&self, name: &str, what: impl Into<String>) -> EngineError {
        self.weights.error(&self.at(name).prefix, what.into())
    }
}
