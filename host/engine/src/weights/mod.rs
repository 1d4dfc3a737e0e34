//! Models on disk: safetensors files, diffusers folders and single-file checkpoints, all seen as named tensors.
//!
//! Decision: the models speak diffusers' tensor names only. A single-file checkpoint is renamed once, on opening
//! ([`single_file`]), so nothing behind this module knows that LDM names exist. Opening reads headers; tensors are read one
//! by one when a layer asks, so no more than one tensor is ever held twice.

pub mod file;
pub mod folder;
pub mod header;
pub mod single_file;

use crate::EngineError;
use candle_core::{Device, Tensor};
use file::SafetensorsFile;
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
    entry: usize,
    used: Cell<bool>,
}

impl Source {
    /// Its values as `f32` of `shape`, whose number of elements is the entry's.
    fn tensor(&self, shape: &[usize], device: &Device) -> Result<Tensor, EngineError> {
        Ok(Tensor::from_vec(self.file.read(&self.file.entries()[self.entry])?, shape, device)?)
    }
}

/// A tensor as it is on disk, to be read again.
#[derive(Debug)]
pub struct Original {
    source: Source,
    shape: Vec<usize>,
    device: Device,
}

impl Original {
    /// As the layer has it: `[out, in]`, `[out, in, k, k]`, or `[n]`.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The values the layer was made from, on its device. An error if the file was written to since it was opened.
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
}

impl Held for RefCell<PackedLinear> {
    fn replace(&self, weight: &Tensor) -> candle_core::Result<()> {
        let packed = PackedLinear::new(weight)?;
        self.replace(packed);
        Ok(())
    }
}

impl Held for RefCell<PackedConv> {
    fn replace(&self, weight: &Tensor) -> candle_core::Result<()> {
        let packed = self.borrow().repacked(weight)?;
        self.replace(packed);
        Ok(())
    }
}

impl Held for RefCell<Tensor> {
    fn replace(&self, tensor: &Tensor) -> candle_core::Result<()> {
        self.replace(tensor.clone());
        Ok(())
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

impl Weights {
    /// No tensors yet; `path` is what errors name.
    pub fn new(path: &Path) -> Self {
        Self { path: path.to_owned(), tensors: BTreeMap::new() }
    }

    /// Takes `entry` of `file` in under `name`.
    pub fn insert(&mut self, name: String, file: &Rc<SafetensorsFile>, entry: usize) {
        self.tensors.insert(name, Source { file: file.clone(), entry, used: Cell::new(false) });
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
    pub fn shape(&self, name: &str) -> Option<&[usize]> {
        let source = self.tensors.get(name)?;
        Some(&source.file.entries()[source.entry].shape)
    }

    /// The first tensor no layer has asked for: a sign of an architecture we do not know.
    pub fn unused(&self) -> Option<&str> {
        self.tensors.iter().find(|(_, s)| !s.used.get()).map(|(name, _)| name.as_str())
    }

    /// The whole component, for layers to take their tensors from.
    pub fn root<'a>(&'a self, loading: &'a Loading<'a>) -> Scope<'a> {
        Scope { weights: self, loading, prefix: String::new() }
    }

    fn error(&self, name: &str, what: String) -> EngineError {
        let path = self.tensors.get(name).map_or(&*self.path, |s| s.file.path());
        EngineError::Tensor { path: path.to_owned(), name: name.to_owned(), what }
    }
}

/// Where tensors are read to, and the job that waits for them.
pub struct Loading<'a> {
    device: Device,
    job: &'a dyn Job,
    done: Cell<u32>,
    total: u32,
    exchangeable: RefCell<Vec<Exchangeable>>,
}

impl<'a> Loading<'a> {
    /// Reads `total` tensors onto `device`; more or fewer only make the progress wrong.
    pub fn new(device: &Device, total: usize, job: &'a dyn Job) -> Self {
        let exchangeable = RefCell::default();
        Self { device: device.clone(), job, done: Cell::new(0), total: total as u32, exchangeable }
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
    prefix: String,
}

impl<'a> Scope<'a> {
    /// The scope `part` below this one.
    pub fn at(&self, part: impl std::fmt::Display) -> Scope<'a> {
        let prefix = if self.prefix.is_empty() { part.to_string() } else { format!("{}.{part}", self.prefix) };
        Scope { prefix, ..*self }
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
        let wrong = || self.weights.error(&full, format!("has shape {shape:?}, {N} dimensions are needed"));
        let dims: [usize; N] = shape.try_into().map_err(|_| wrong())?;
        if dims.contains(&0) {
            return Err(wrong());
        }
        Ok(dims)
    }

    /// True if tensor `name` itself exists.
    pub fn contains(&self, name: &str) -> bool {
        self.weights.shape(&self.at(name).prefix).is_some()
    }

    /// Reads tensor `name`, whose shape must be `shape`, as `f32` onto the device; asks the job first.
    pub fn tensor(&self, name: &str, shape: &[usize]) -> Result<Tensor, EngineError> {
        let full = self.at(name).prefix;
        let Some(source) = self.weights.tensors.get(&full) else {
            return Err(self.weights.error(&full, "is missing".into()));
        };
        let entry = &source.file.entries()[source.entry];
        // A 1x1 convolution and a linear layer have the same values; old VAEs store one, new ones the other.
        let same = entry.shape == shape
            || (entry.shape.len() == 4 && shape.len() == 2 && entry.shape[..2] == *shape && entry.shape[2..] == [1, 1])
            || (entry.shape.len() == 2 && shape.len() == 4 && entry.shape == shape[..2] && shape[2..] == [1, 1]);
        if !same {
            return Err(self.weights.error(&full, format!("has shape {:?}, {shape:?} is needed", entry.shape)));
        }
        source.used.set(true);
        self.loading.step()?;
        source.tensor(shape, &self.loading.device)
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
        let original = Original { source, shape: shape.to_vec(), device: self.loading.device.clone() };
        self.loading.exchangeable.borrow_mut().push(Exchangeable { name, original, held });
    }

    /// An error about tensor `name` of this scope.
    pub fn error(&self, name: &str, what: impl Into<String>) -> EngineError {
        self.weights.error(&self.at(name).prefix, what.into())
    }
}
