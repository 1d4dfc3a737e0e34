//! Runs third-party wasm filters: manifest, sandbox, chain.
//!
//! A filter is one `.wasm` file made against `sdk/filter.wit`. It can do nothing but arithmetic on the pixels it is
//! given: no file, network, clock, environment or other layer is there to import. [`Filters`] holds those that may
//! be used and runs chains of [`Call`]s over a picture, in tiles, on all cores.
//!
//! - Whatever a filter does (loops, crashes, eats memory, returns nonsense), the answer is a [`FilterError`] that
//!   names it and the [`Reason`], within the time its manifest allows; the picture stays with the caller, the
//!   [`Filters`] goes on.
//! - Results depend on picture, parameters and seed, never on the number of cores or the size of tiles.
//! - A pixel with alpha 0 comes back as it went in: no filter paints outside of a patch.
//! - This crate knows nothing of jobs' requests, models or sockets, and `engine` knows nothing of it.
//!
//! What is compiled is kept in a cache folder ([`Filters::new`]). Compiling is the one step without a time limit: the size cap bounds it.

mod cache;
mod contract;
mod descriptor;
mod error;
mod guest;
mod package;
mod picture;
mod run;
mod sandbox;

pub use descriptor::{Choice, Descriptor, Input, Kind, Limits, Param, Role};
pub use error::{FilterError, Reason};
pub use package::MAX_BYTES;
pub use picture::{Encoding, Picture, PictureRef, Sample, Samples};
pub use run::{Beside, Settings};
pub use sandbox::{Level, Log};

use cache::Cache;
use guest::{Instance, Linked};
use package::Manifest;
use sandbox::Sandbox;
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use underpaint_raster::{Image, Job, Stage};
use wasmtime::component::Component;

/// A filter that Underpaint comes with.
#[derive(Clone, Copy, Debug)]
pub struct FirstParty {
    /// Its folder under `plugins/`.
    pub name: &'static str,
    /// The filter.
    pub wasm: &'static [u8],
    /// What it says of itself, so that listing filters compiles nothing. A test holds both together.
    pub descriptor: &'static str,
}

/// The filters Underpaint comes with, by name.
pub const FIRST_PARTY: &[FirstParty] = include!(concat!(env!("OUT_DIR"), "/first_party.rs"));

/// How long `describe` may take.
const DESCRIBE_MS: u64 = 1000;

/// Steps of progress for each filter of a chain.
const STEPS: u32 = 1000;

/// One step of a chain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// A filter's name.
    pub name: String,
    /// Parameter name to value; those left out take their default.
    pub params: serde_json::Map<String, serde_json::Value>,
    /// Pictures for inputs of [`Role::Image`], by the input's name.
    pub images: BTreeMap<String, Arc<Image>>,
}

/// Where a filter came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Origin {
    /// Part of Underpaint.
    FirstParty,
    /// A file on the painter's disk.
    File(PathBuf),
}

/// The filters that may be used, and the sandbox they run in. Many threads may use it at once.
pub struct Filters {
    sandbox: Sandbox,
    cache: Option<Cache>,
    entries: BTreeMap<String, Entry>,
}

struct Entry {
    manifest: Manifest,
    origin: Origin,
    wasm: Cow<'static, [u8]>,
    sha256: [u8; 32],
    /// What a first-party filter is known to say of itself before it is loaded.
    known: Option<Descriptor>,
    /// Made on first use, so that starting up compiles nothing.
    loaded: OnceLock<Result<Loaded, Reason>>,
}

struct Loaded {
    linked: Linked,
    descriptor: Descriptor,
}

impl Filters {
    /// The filters of [`FIRST_PARTY`]. `cache_dir` is made if need be and must be writable by its owner alone, since
    /// it holds compiled code; without one, everything is compiled anew.
    pub fn new(cache_dir: Option<&Path>) -> Result<Filters, FilterError> {
        let mut filters = Self::empty(cache_dir)?;
        for FirstParty { name, wasm, descriptor } in FIRST_PARTY {
            filters.insert(name, Cow::Borrowed(wasm), Origin::FirstParty)?;
            if let (Some(entry), Ok(known)) = (filters.entries.get_mut(*name), serde_json::from_str(descriptor)) {
                entry.known = Some(known);
            }
        }
        Ok(filters)
    }

    /// No filters at all: for tools that look at one file.
    pub fn empty(cache_dir: Option<&Path>) -> Result<Filters, FilterError> {
        let named = |reason: Reason| reason.of("cache");
        let cache = cache_dir.map(Cache::open).transpose().map_err(|e| named(Reason::Io(e.to_string())))?;
        Ok(Filters { sandbox: Sandbox::new().map_err(named)?, cache, entries: BTreeMap::new() })
    }

    /// Sends what filters log somewhere; without this call it is dropped. Only the first call counts.
    pub fn set_log(&self, log: Log) {
        self.sandbox.set_log(log);
    }

    /// Adds a filter: checks it, compiles it and asks for its description.
    pub fn add(&mut self, wasm: &[u8], origin: Origin) -> Result<&Descriptor, FilterError> {
        let shown = match &origin {
            Origin::File(path) => path.file_name().map_or("?".into(), |name| error::plain(&name.to_string_lossy(), 80)),
            Origin::FirstParty => "built in".into(),
        };
        let name = self.insert(&shown, Cow::Owned(wasm.to_vec()), origin)?;
        if let Err(error) = self.loaded(&name) {
            self.entries.remove(&name);
            return Err(error);
        }
        self.loaded(&name).map(|loaded| &loaded.descriptor)
    }

    /// Adds every `*.wasm` of a folder, in the order of their names. What cannot be added is told and left out. A folder that does not
    /// exist holds no filters.
    pub fn scan(&mut self, dir: &Path) -> Vec<FilterError> {
        let Ok(found) = fs::read_dir(dir) else { return Vec::new() };
        let mut paths: Vec<PathBuf> = found.flatten().map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|e| e == "wasm"));
        paths.sort();
        paths.iter().filter_map(|path| self.add_file(path).err()).collect()
    }

    /// Adds one file.
    pub fn add_file(&mut self, path: &Path) -> Result<&Descriptor, FilterError> {
        let shown = path.file_name().map_or("?".into(), |name| error::plain(&name.to_string_lossy(), 80));
        let wasm =
            read_capped(path).map_err(|e| Reason::Io(format!("{} cannot be read: {e}", path.display())).of(&shown))?;
        self.add(&wasm, Origin::File(path.to_path_buf()))
    }

    /// Every filter that can be used, by name.
    pub fn list(&self) -> Vec<Descriptor> {
        self.entries.keys().filter_map(|name| self.get(name).ok()).cloned().collect()
    }

    /// One filter.
    pub fn get(&self, name: &str) -> Result<&Descriptor, FilterError> {
        match self.entries.get(name).and_then(|entry| entry.known.as_ref()) {
            Some(known) => Ok(known),
            None => self.loaded(name).map(|loaded| &loaded.descriptor),
        }
    }

    /// Where a filter came from.
    pub fn origin(&self, name: &str) -> Option<&Origin> {
        self.entries.get(name).map(|entry| &entry.origin)
    }

    /// Finds unknown filters, unknown parameters and inputs, and values out of range before any work is done.
    pub fn check(&self, chain: &[Call]) -> Result<(), FilterError> {
        chain.iter().try_for_each(|call| {
            let descriptor = self.get(&call.name)?;
            let checked = descriptor.values(&call.params).and_then(|_| descriptor.check_images(&call.images));
            checked.map_err(|reason| reason.of(&call.name))
        })
    }

    /// The picture after all filters of the chain. `image` is left as it is, so that after an error the caller still
    /// has it. Reports [`Stage::Filter`] to the job and stops within some 10 ms once it is cancelled.
    pub fn apply(&self, image: &Image, chain: &[Call], seed: u64, job: &dyn Job) -> Result<Image, FilterError> {
        self.apply_with(image, chain, &Settings { seed, ..Settings::default() }, job)
    }

    /// As [`Filters::apply`], with everything that can be set.
    pub fn apply_with(
        &self,
        image: &Image,
        chain: &[Call],
        settings: &Settings<'_>,
        job: &dyn Job,
    ) -> Result<Image, FilterError> {
        Ok(self.run(image.into(), chain, settings, job)?.map_or_else(|| image.clone(), Image::from))
    }

    /// As [`Filters::apply_with`], for pictures of any sample type. What comes back has the type the last filter
    /// made; `None` is the picture itself, unchanged.
    ///
    /// Pixels of alpha 0 come back as they went in, unless a filter resized the picture.
    pub fn run(
        &self,
        picture: PictureRef<'_>,
        chain: &[Call],
        settings: &Settings<'_>,
        job: &dyn Job,
    ) -> Result<Option<Picture>, FilterError> {
        self.check(chain)?;
        let steps = STEPS * chain.len() as u32;
        let mut made: Option<Picture> = None;
        for (index, call) in (0..).zip(chain) {
            let step = |share: f32| index * STEPS + (share * STEPS as f32) as u32;
            let named = |reason: Reason| reason.of(&call.name);
            job.step(Stage::Filter, step(0.0), steps).map_err(|_| named(Reason::Cancelled))?;
            let Loaded { linked, descriptor } = self.loaded(&call.name)?;
            let values = descriptor.values(&call.params).map_err(named)?;
            let ready = run::Ready { linked, descriptor, values, images: &call.images };
            let settings = Settings { seed: settings.seed.wrapping_add(index.into()), ..*settings };
            let mut last = step(0.0);
            let report = |share: f32| {
                if step(share) > last {
                    last = step(share);
                    job.progress(Stage::Filter, last, steps);
                }
            };
            let before = made.as_ref().map_or(picture, Picture::view);
            if let Some(new) = run::run(&self.sandbox, &ready, before, &settings, job, report).map_err(named)? {
                made = Some(new);
            }
        }
        job.progress(Stage::Filter, steps, steps);
        Ok(made.map(|made| made.keeping_transparent(picture)))
    }

    fn insert(&mut self, shown: &str, wasm: Cow<'static, [u8]>, origin: Origin) -> Result<String, FilterError> {
        let manifest = package::read(&wasm).map_err(|reason| reason.of(shown))?;
        let name = manifest.name.clone();
        if let Some(there) = self.entries.get(&name) {
            return Err(Reason::NameTaken(there.manifest.version.clone()).of(&name));
        }
        let sha256 = Sha256::digest(&wasm).into();
        self.entries
            .insert(name.clone(), Entry { manifest, origin, wasm, sha256, known: None, loaded: OnceLock::new() });
        Ok(name)
    }

    fn loaded(&self, name: &str) -> Result<&Loaded, FilterError> {
        let Some(entry) = self.entries.get(name) else {
            let known = self.entries.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(Reason::Unknown(known).of(&error::plain(name, 64)));
        };
        entry.loaded.get_or_init(|| self.load(entry)).as_ref().map_err(|reason| reason.clone().of(name))
    }

    fn load(&self, entry: &Entry) -> Result<Loaded, Reason> {
        let component = self.compiled(entry)?;
        let linked = Linked::new(&self.sandbox, &component, &entry.manifest)?;
        let describe = |watch: &_| Instance::new(&linked, watch, entry.manifest.memory_bytes)?.describe();
        let said = self.sandbox.watched(&entry.manifest.name, DESCRIBE_MS, describe, |_| {})?;
        let descriptor = Descriptor::new(&entry.manifest, cache::hex(&entry.sha256), said)?;
        Ok(Loaded { linked, descriptor })
    }

    fn compiled(&self, entry: &Entry) -> Result<Component, Reason> {
        let engine = &self.sandbox.engine;
        if let Some(component) = self.cache.as_ref().and_then(|cache| cache.load(engine, &entry.sha256)) {
            return Ok(component);
        }
        let wasm = package::component(&entry.wasm, entry.manifest.api)?;
        let component =
            Component::from_binary(engine, &wasm).map_err(|e| Reason::NotWasm(error::plain(&format!("{e:#}"), 300)))?;
        if let Some(cache) = &self.cache {
            // A full disk only costs the next start its compilation.
            let _ = cache.store(engine, &entry.sha256, &component);
        }
        Ok(component)
    }
}

/// At most one byte more than is allowed, which is enough to refuse it.
fn read_capped(path: &Path) -> std::io::Result<Vec<u8>> {
    // Before opening: a named pipe would block until somebody writes into it.
    if !fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is not a regular file"));
    }
    let mut wasm = Vec::new();
    fs::File::open(path)?.take(MAX_BYTES as u64 + 1).read_to_end(&mut wasm)?;
    Ok(wasm)
}
