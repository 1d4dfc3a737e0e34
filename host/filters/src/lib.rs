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
//! - Filters run in a process of their own ([`Filters::in_worker`]) that has no file, no socket and no secret, and
//!   whose end is the end of one job; or in this process ([`Filters::new`]), for tools and tests. Both make the same
//!   pixels.
//!
//! What is compiled is kept in a cache folder. In this process compiling is the one step without a time limit: the
//! size cap bounds it. A worker is stopped.

mod cache;
mod contract;
mod descriptor;
mod error;
mod guest;
mod inline;
mod package;
mod picture;
mod run;
mod sandbox;
mod signature;
mod tiles;
mod worker;

pub use descriptor::{Choice, Descriptor, Input, Kind, Limits, Param, Role};
pub use error::{FilterError, Reason};
pub use package::{MAX_BYTES, with_manifest};
pub use picture::{Encoding, Picture, PictureRef, Sample, Samples};
pub use run::{Beside, Settings};
pub use sandbox::{Level, Log};
pub use signature::{public_key, sign};
pub use worker::serve as serve_worker;

use cache::Cache;
use guest::Linked;
use inline::Inline;
use package::Manifest;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use underpaint_raster::{Image, Job, Stage};
use worker::Workers;

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

/// Steps of progress for each filter of a chain.
const STEPS: u32 = 1000;

/// One step of a chain.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Call {
    /// A filter's name.
    pub name: String,
    /// Parameter name to value; those left out take their default.
    pub params: Map<String, Value>,
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

/// The filters that may be used, and where they run. Many threads may use it at once. A clone has the same filters,
/// compiled once for both, to which others can be added.
#[derive(Clone)]
pub struct Filters {
    place: Arc<Place>,
    entries: BTreeMap<String, Arc<Entry>>,
}

/// A filter's file and what stands in it.
struct Package {
    manifest: Manifest,
    wasm: Cow<'static, [u8]>,
    sha256: [u8; 32],
}

impl Package {
    /// Checks the file as [`package::read`] does, and its signature if it has one.
    fn new(wasm: Cow<'static, [u8]>) -> Result<Self, Reason> {
        let mut manifest = package::read(&wasm)?;
        manifest.signer = signature::signer(&wasm)?.map(|key| cache::hex(&key));
        let sha256 = Sha256::digest(&wasm).into();
        Ok(Self { manifest, wasm, sha256 })
    }
}

/// Where filters run.
enum Place {
    Inline(Inline),
    Worker(Workers),
}

struct Entry {
    package: Package,
    origin: Origin,
    /// What a first-party filter is known to say of itself before it is loaded.
    known: Option<Descriptor>,
    /// Made on first use, so that starting up compiles nothing. What failed may have failed for want of memory, and is
    /// tried again.
    loaded: OnceLock<Loaded>,
}

struct Loaded {
    descriptor: Descriptor,
    ready: Ready,
}

/// What a run begins with.
enum Ready {
    Here(Linked),
    /// The machine code for a worker, where no cache keeps it.
    InWorker(Option<Arc<Vec<u8>>>),
}

impl Filters {
    /// The filters of [`FIRST_PARTY`], run in this process. `cache_dir` is made if need be and must be writable by its
    /// owner alone, since it holds compiled code; without one, everything is compiled anew.
    pub fn new(cache_dir: Option<&Path>) -> Result<Filters, FilterError> {
        Self::empty(cache_dir)?.with_first_party()
    }

    /// As [`Filters::new`], with filters in processes of their own: `program`, started with `arguments`, must do
    /// nothing but call [`serve_worker`].
    pub fn in_worker(program: &Path, arguments: &[&str], cache_dir: Option<&Path>) -> Result<Filters, FilterError> {
        let place = Place::Worker(Workers::new(program, arguments, open(cache_dir)?));
        Filters { place: Arc::new(place), entries: BTreeMap::new() }.with_first_party()
    }

    /// No filters at all: for tools that look at one file.
    pub fn empty(cache_dir: Option<&Path>) -> Result<Filters, FilterError> {
        let inline = Inline::new(open(cache_dir)?).map_err(|reason| reason.of("sandbox"))?;
        Ok(Filters { place: Arc::new(Place::Inline(inline)), entries: BTreeMap::new() })
    }

    fn with_first_party(mut self) -> Result<Filters, FilterError> {
        for FirstParty { name, wasm, descriptor } in FIRST_PARTY {
            let known = serde_json::from_str(descriptor).ok();
            self.insert(name, Cow::Borrowed(wasm), Origin::FirstParty, known)?;
        }
        Ok(self)
    }

    /// Sends what filters log somewhere; without this call it is dropped. Only the first call counts.
    pub fn set_log(&self, log: Log) {
        match &*self.place {
            Place::Inline(inline) => inline.sandbox.set_log(log),
            Place::Worker(workers) => workers.set_log(log),
        }
    }

    /// Adds a filter: checks it, compiles it and asks for its description.
    pub fn add(&mut self, wasm: &[u8], origin: Origin) -> Result<&Descriptor, FilterError> {
        let shown = match &origin {
            Origin::File(path) => path.file_name().map_or("?".into(), |name| error::plain(&name.to_string_lossy(), 80)),
            Origin::FirstParty => "built in".into(),
        };
        let name = self.insert(&shown, Cow::Owned(wasm.to_vec()), origin, None)?;
        if let Err(error) = self.loaded(&name) {
            self.entries.remove(&name);
            return Err(error);
        }
        self.loaded(&name).map(|loaded| &loaded.descriptor)
    }

    /// These filters with what lies in a folder now, instead of what lay in it before: every `*.wasm`, in the order of
    /// their names, of which `admit` has no complaint. What cannot be added is told and left out. Files that did not
    /// change are not compiled again. A folder that does not exist holds no filters.
    pub fn rescan(
        &self,
        dir: &Path,
        mut admit: impl FnMut(&Path, &Descriptor) -> Result<(), Reason>,
    ) -> (Filters, Vec<FilterError>) {
        let mut now = self.clone();
        let in_folder = |entry: &Entry| matches!(&entry.origin, Origin::File(path) if path.starts_with(dir));
        now.entries.retain(|_, entry| !in_folder(entry));
        let found = fs::read_dir(dir).into_iter().flatten().flatten();
        let mut paths: Vec<PathBuf> = found.map(|entry| entry.path()).collect();
        paths.retain(|path| path.extension().is_some_and(|e| e == "wasm"));
        paths.sort();
        let mut refused = Vec::new();
        for path in paths {
            let added = now.add_known(&path, self).and_then(|name| {
                let admitted = now.get(&name).cloned().and_then(|d| admit(&path, &d).map_err(|r| r.of(&name)));
                admitted.inspect_err(|_| _ = now.entries.remove(&name))
            });
            refused.extend(added.err());
        }
        (now, refused)
    }

    /// Adds one file and gives its name; what `before` knows of the same bytes is not worked out again.
    fn add_known(&mut self, path: &Path, before: &Filters) -> Result<String, FilterError> {
        let (shown, wasm) = read_shown(path)?;
        let name = self.insert(&shown, Cow::Owned(wasm), Origin::File(path.into()), None)?;
        let known = before.entries.get(&name);
        if let (Some(known), Some(entry)) = (known, self.entries.get_mut(&name))
            && known.package.sha256 == entry.package.sha256
            && known.origin == entry.origin
        {
            *entry = known.clone();
        }
        if let Err(error) = self.loaded(&name) {
            self.entries.remove(&name);
            return Err(error);
        }
        Ok(name)
    }

    /// Adds one file.
    pub fn add_file(&mut self, path: &Path) -> Result<&Descriptor, FilterError> {
        let (_, wasm) = read_shown(path)?;
        self.add(&wasm, Origin::File(path.to_path_buf()))
    }

    /// Adds one file in the place of a filter of the same name, if there is one: for those who try out a file.
    pub fn replace_file(&mut self, path: &Path) -> Result<&Descriptor, FilterError> {
        let (_, wasm) = read_shown(path)?;
        if let Ok(manifest) = package::read(&wasm) {
            self.entries.remove(&manifest.name);
        }
        self.add(&wasm, Origin::File(path.to_path_buf()))
    }

    /// No filters, in the place where these run.
    pub fn none(&self) -> Filters {
        Filters { place: self.place.clone(), entries: BTreeMap::new() }
    }

    /// One of these filters alone, in this process: for tools that measure it.
    pub fn inline(&self, name: &str) -> Result<Filters, FilterError> {
        let mut alone = Self::empty(None)?;
        if let Some(entry) = self.entries.get(name) {
            alone.insert(name, entry.package.wasm.clone(), entry.origin.clone(), None)?;
        }
        alone.loaded(name)?;
        Ok(alone)
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
        chain.iter().try_for_each(|call| self.check_one(&call.name, &call.params, call.images.keys()))
    }

    /// The same of one call, whose pictures need not be there yet: only what the inputs they are for are called.
    pub fn check_one<'a>(
        &self,
        name: &str,
        params: &Map<String, Value>,
        images: impl Iterator<Item = &'a String>,
    ) -> Result<(), FilterError> {
        let descriptor = self.get(name)?;
        let checked = descriptor.values(params).and_then(|_| descriptor.check_images(images));
        checked.map_err(|reason| reason.of(name))
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
        match &*self.place {
            Place::Inline(inline) => self.run_inline(inline, picture, chain, settings, job),
            Place::Worker(workers) => self.run_in_worker(workers, picture, chain, settings, job),
        }
    }

    fn run_inline(
        &self,
        inline: &Inline,
        picture: PictureRef<'_>,
        chain: &[Call],
        settings: &Settings<'_>,
        job: &dyn Job,
    ) -> Result<Option<Picture>, FilterError> {
        let steps = STEPS * chain.len() as u32;
        let mut made: Option<Picture> = None;
        // A filter leaves pixels of alpha 0 alone; the way to its sample type, to light or to another size may not.
        let mut alone = true;
        for (index, call) in (0..).zip(chain) {
            let step = |share: f32| index * STEPS + (share * STEPS as f32) as u32;
            let named = |reason: Reason| reason.of(&call.name);
            job.step(Stage::Filter, step(0.0), steps).map_err(|_| named(Reason::Cancelled))?;
            let Loaded { ready: Ready::Here(linked), descriptor } = self.loaded(&call.name)? else { continue };
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
            if let Some(new) = run::run(&inline.sandbox, &ready, before, &settings, job, report).map_err(named)? {
                alone &= descriptor.encoding == Encoding::Srgb
                    && (new.extent(), new.view().sample()) == (before.extent(), before.sample());
                made = Some(new);
            }
        }
        job.progress(Stage::Filter, steps, steps);
        Ok(made.map(|made| if alone { made } else { made.keeping_transparent(picture) }))
    }

    fn run_in_worker(
        &self,
        workers: &Workers,
        picture: PictureRef<'_>,
        chain: &[Call],
        settings: &Settings<'_>,
        job: &dyn Job,
    ) -> Result<Option<Picture>, FilterError> {
        let steps = chain.iter().map(|call| {
            let loaded = self.loaded(&call.name)?;
            let Ready::InWorker(code) = &loaded.ready else { return Ok(None) };
            let entry = &self.entries[&call.name];
            Ok(Some(worker::Step { package: &entry.package, code: code.as_deref(), call }))
        });
        let steps: Vec<worker::Step<'_>> = steps.filter_map(Result::transpose).collect::<Result<_, FilterError>>()?;
        workers.run(picture, &steps, settings, job)
    }

    /// `wasm` under the name in its manifest, not loaded yet.
    fn insert(
        &mut self,
        shown: &str,
        wasm: Cow<'static, [u8]>,
        origin: Origin,
        known: Option<Descriptor>,
    ) -> Result<String, FilterError> {
        let package = Package::new(wasm).map_err(|reason| reason.of(shown))?;
        let name = package.manifest.name.clone();
        if let Some(there) = self.entries.get(&name) {
            return Err(Reason::NameTaken(there.package.manifest.version.clone()).of(&name));
        }
        self.entries.insert(name.clone(), Arc::new(Entry { package, origin, known, loaded: OnceLock::new() }));
        Ok(name)
    }

    fn loaded(&self, name: &str) -> Result<&Loaded, FilterError> {
        let Some(entry) = self.entries.get(name) else {
            let known = self.entries.keys().map(String::as_str).collect::<Vec<_>>().join(", ");
            return Err(Reason::Unknown(known).of(&error::plain(name, 64)));
        };
        if let Some(loaded) = entry.loaded.get() {
            return Ok(loaded);
        }
        let loaded = self.load(&entry.package).map_err(|reason| reason.of(name))?;
        Ok(entry.loaded.get_or_init(|| loaded))
    }

    fn load(&self, package: &Package) -> Result<Loaded, Reason> {
        match &*self.place {
            Place::Inline(inline) => {
                let (linked, descriptor) = inline.load(package)?;
                Ok(Loaded { descriptor, ready: Ready::Here(linked) })
            }
            Place::Worker(workers) => {
                let (descriptor, code) = workers.load(package)?;
                Ok(Loaded { descriptor, ready: Ready::InWorker(code.map(Arc::new)) })
            }
        }
    }
}

fn open(cache_dir: Option<&Path>) -> Result<Option<Cache>, FilterError> {
    cache_dir.map(Cache::open).transpose().map_err(|e| Reason::Io(e.to_string()).of("cache"))
}

/// A file's name as it may be shown, and its content.
fn read_shown(path: &Path) -> Result<(String, Vec<u8>), FilterError> {
    let shown = path.file_name().map_or("?".into(), |name| error::plain(&name.to_string_lossy(), 80));
    match read_capped(path) {
        Ok(wasm) => Ok((shown, wasm)),
        Err(e) => Err(Reason::Io(format!("{} cannot be read: {e}", path.display())).of(&shown)),
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
