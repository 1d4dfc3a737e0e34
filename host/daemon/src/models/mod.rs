//! Models on this machine: found by scanning folders, named by ids, at most one in memory.
//!
//! Decision: an id is made here from a file's name and looked up here; no string of a client is ever joined to a
//! path. [`Catalogue`] is the result of a scan and can be shared; [`Models`] adds the resident model and belongs to
//! the one thread that owns the device. Two models are always there: the embedded exemplar fill, and the starter, which
//! is unpacked into the cache and from then on is a folder like any other.

mod resident;
mod source;

pub use resident::{LoadError, Models, Steered};
pub use source::Source;

use crate::controls::{self, Controls};
use crate::loras::Loras;
use crate::{platform, save};
use serde_json::json;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;
use underpaint_engine::{self as engine, EngineError, prompt, taesd, upscale};
use underpaint_plan::{Defaults, Family, Kind, ModelFacts, Sampler, Scheduler, modes};
use underpaint_raster::Extent;
use underpaint_starter as starter;
use underpaint_wire::generate::{Generate, Mode};
use underpaint_wire::methods::{ModelDefaults, ModelInfo, ModelKind, ModelState};

/// Id of the embedded fill.
pub const EXEMPLAR: &str = "exemplar";
/// Id of the diffusion model that comes along.
pub const STARTER: &str = starter::ID;
/// Folders below a models folder that are looked into.
const MAX_DEPTH: u32 = 4;
/// Entries of all models folders that are looked at.
const MAX_ENTRIES: usize = 20_000;

/// Why a model cannot be used. Displays as one sentence.
#[derive(Debug)]
pub enum ModelError {
    /// Not an id of the scan.
    NoSuchModel {
        /// What was asked for.
        id: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Not a control model of the scan.
    NoSuchControl {
        /// What was asked for.
        id: String,
        /// What there is.
        known: Vec<String>,
    },
    /// There is no depth estimator, or another thing was named for one.
    NoEstimator {
        /// What was asked for.
        id: Option<String>,
        /// The depth estimators there are.
        known: Vec<String>,
    },
    /// Not a LoRA of the scan.
    NoSuchLora {
        /// What was asked for.
        name: String,
        /// What there is.
        known: Vec<String>,
    },
    /// Found, but its file is damaged or of another kind.
    Unusable {
        /// Its id.
        id: String,
        /// Why, one sentence.
        reason: String,
    },
    /// Nothing to enlarge with was named, or something that does not enlarge.
    NoUpscaler {
        /// What was asked for.
        id: Option<String>,
        /// The upscalers there are.
        known: Vec<String>,
    },
}

impl ModelError {
    /// The member of the request that names it.
    pub fn field(&self) -> &'static str {
        match self {
            Self::NoSuchControl { .. } | Self::NoEstimator { .. } => "controls",
            Self::NoSuchLora { .. } => "loras",
            Self::NoSuchModel { .. } | Self::NoUpscaler { .. } | Self::Unusable { .. } => "model",
        }
    }
}

impl fmt::Display for ModelError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoSuchModel { id, known } => {
                write!(f, "there is no model `{}`; there are: {}", shown(id), known.join(", "))
            }
            Self::NoSuchLora { name, known } if known.is_empty() => {
                write!(f, "there is no LoRA `{}`: none was found in the models folders", shown(name))
            }
            Self::NoSuchLora { name, known } => {
                write!(f, "there is no LoRA `{}`; there are: {}", shown(name), known.join(", "))
            }
            Self::NoSuchControl { id, known } => {
                let known = if known.is_empty() { "none yet".to_owned() } else { known.join(", ") };
                write!(f, "there is no control model `{}`; there are: {known}", shown(id))
            }
            Self::NoEstimator { id, known } => {
                match id {
                    Some(id) => write!(f, "there is no depth estimator `{}`; ", shown(id))?,
                    None => f.write_str("pictures of depth are made by a depth estimator; ")?,
                }
                match known.as_slice() {
                    [] => f.write_str(
                        "there are none yet: put Depth Anything V2 (a .safetensors file or transformers folder) into a models folder",
                    ),
                    known => write!(f, "there are: {}", known.join(", ")),
                }
            }
            Self::Unusable { id, reason } => write!(f, "the model `{id}` cannot be used: {reason}"),
            Self::NoUpscaler { id, known } => {
                match id {
                    Some(id) => write!(f, "the model `{id}` does not enlarge pictures; ")?,
                    None => f.write_str("name the upscaler to use; ")?,
                }
                match known.as_slice() {
                    [] => f.write_str(
                        "there are none yet: put an ESRGAN or Real-ESRGAN model (.safetensors) into a models folder",
                    ),
                    known => write!(f, "there are: {}", known.join(", ")),
                }
            }
        }
    }
}

impl std::error::Error for ModelError {}

/// A name that was asked for, fit for a sentence.
fn shown(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(80).collect()
}

/// What a scan found.
#[derive(Clone, Debug)]
pub struct Catalogue {
    entries: BTreeMap<String, Entry>,
    controls: Controls,
    loras: Loras,
    default_model: Option<String>,
    cache: PathBuf,
}

#[derive(Clone, Debug)]
struct Entry {
    /// For people: what the model calls itself, else the file's or folder's own name.
    name: String,
    /// `None` for the embedded fill, and for the starter where it could not be unpacked.
    path: Option<PathBuf>,
    bytes: u64,
    facts: Result<ModelFacts, String>,
    /// What it is if it does not paint by itself.
    part: Option<Part>,
}

/// What a model file is that does not paint by itself.
#[derive(Clone, Debug)]
enum Part {
    /// It enlarges pictures.
    Upscaler(upscale::Facts),
    /// It stands for words in a prompt: the widths of its vectors.
    Embedding(Vec<usize>),
}

impl Catalogue {
    /// Looks for models and LoRAs in `folders`: single files (.safetensors) and diffusers folders, a few levels deep. Links
    /// that lead out of the folders are not followed. `default_model` is used when a request names none. `cache` keeps
    /// the starter's files and remembers hashes. `before` is the last scan, whose LoRAs are not read again.
    pub fn scan(
        folders: &[PathBuf],
        default_model: Option<String>,
        cache: &Path,
        before: Option<&Catalogue>,
    ) -> Catalogue {
        let mut catalogue = Catalogue {
            entries: BTreeMap::new(),
            controls: Controls::default(),
            loras: Loras::default(),
            default_model,
            cache: cache.to_owned(),
        };
        let name = "Exemplar fill (built in)".to_owned();
        let exemplar = Entry { name, path: None, bytes: 0, facts: Ok(exemplar()), part: None };
        catalogue.entries.insert(EXEMPLAR.to_owned(), exemplar);
        // The home may come to be here.
        let _ = platform::make_private(cache);
        catalogue.entries.insert(STARTER.to_owned(), unpacked(cache));
        let roots: Vec<PathBuf> = folders.iter().filter_map(|f| f.canonicalize().ok()).collect();
        let mut found = Vec::new();
        for root in &roots {
            candidates(root, &roots, 0, &mut found);
        }
        found.sort();
        found.dedup();
        // Tiny autoencoders serve the models beside them and are none themselves.
        for path in found.into_iter().filter(|path| !taesd::is_tiny(path)) {
            let lora = path.is_file() && catalogue.loras.look(&path, before.map(|b| &b.loras)).is_some();
            if !lora && catalogue.controls.look(&path).is_none() {
                catalogue.insert(path);
            }
        }
        catalogue
    }

    /// Adds the model at `path`, a file or diffusers folder typed by the painter, and gives its id.
    pub fn add(&mut self, path: &Path) -> Result<String, ModelError> {
        let id = self.insert(path.to_owned());
        self.facts(&id).map(|_| id.clone()).map_err(|_| ModelError::Unusable {
            reason: self.entries.get(&id).and_then(|e| e.facts.clone().err()).unwrap_or_default(),
            id,
        })
    }

    /// Adds the upscaler at `path`, a file typed by the painter, and gives its id.
    pub fn add_upscaler(&mut self, path: &Path) -> Result<String, ModelError> {
        let id = self.insert(path.to_owned());
        match self.upscaler(Some(&id)) {
            Ok(_) => Ok(id),
            Err(ModelError::Unusable { id, reason }) => Err(ModelError::Unusable { id, reason }),
            Err(_) => {
                let reason = "it does not enlarge pictures; an ESRGAN or Real-ESRGAN model (.safetensors) does".into();
                Err(ModelError::Unusable { id, reason })
            }
        }
    }

    /// Facts of the upscaler `id`.
    pub fn upscaler(&self, id: Option<&str>) -> Result<(&str, &upscale::Facts), ModelError> {
        let upscalers = || {
            self.entries.iter().filter_map(|(id, e)| match &e.part {
                Some(Part::Upscaler(facts)) => Some((id.as_str(), facts)),
                _ => None,
            })
        };
        if let Some(found) = upscalers().find(|(known, _)| Some(*known) == id) {
            return Ok(found);
        }
        let known = upscalers().map(|(id, _)| id.to_owned()).collect();
        match id.map(|id| (id, self.entries.get(id))) {
            Some((id, None)) => Err(ModelError::NoSuchModel { id: id.to_owned(), known }),
            Some((id, Some(Entry { facts: Err(reason), .. }))) => {
                Err(ModelError::Unusable { id: id.to_owned(), reason: reason.clone() })
            }
            found => Err(ModelError::NoUpscaler { id: found.map(|(id, _)| id.to_owned()), known }),
        }
    }

    fn insert(&mut self, path: PathBuf) -> String {
        let name = path.file_name().map_or_else(|| "model".into(), |n| n.to_string_lossy().into_owned());
        let id = free_id(&name, |id| self.entries.contains_key(id));
        self.entries.insert(id.clone(), Entry::inspect(&id, name, path));
        id
    }

    /// The model a request is for: the one it names, else the configured one if it can do the mode, else the
    /// embedded fill where it suffices (nothing is to be painted after a prompt), else the painter's own first
    /// diffusion model, else the starter.
    pub fn choose(&self, request: &Generate) -> Result<&ModelFacts, ModelError> {
        let plain = request.prompt.is_empty()
            && request.loras.is_empty()
            && request.controls.is_empty()
            && request.regions.is_empty();
        self.choose_for(request.model.as_deref(), request.mode, plain)
    }

    /// The same for a request of which only this is known; `plain` if it has no words and nothing that steers.
    pub fn choose_for(&self, model: Option<&str>, mode: Mode, plain: bool) -> Result<&ModelFacts, ModelError> {
        if let Some(id) = model {
            return self.facts(id);
        }
        let can = |facts: &&ModelFacts| modes(facts).contains(&mode);
        let configured = self.default_model.as_deref().map(|id| self.facts(id)).transpose()?.filter(can);
        let embedded = self.facts(EXEMPLAR).ok().filter(can).filter(|_| plain);
        let own = || {
            let own = self.entries.iter().filter(|(id, _)| ![EXEMPLAR, STARTER].contains(&id.as_str()));
            own.filter_map(|(_, e)| e.facts.as_ref().ok()).find(can)
        };
        configured.or(embedded).or_else(own).map_or_else(|| self.facts(STARTER), Ok)
    }

    /// Facts of the model `id`.
    pub fn facts(&self, id: &str) -> Result<&ModelFacts, ModelError> {
        let entry = self.entries.get(id).ok_or_else(|| ModelError::NoSuchModel {
            id: id.to_owned(),
            known: self.entries.keys().cloned().collect(),
        })?;
        let unusable = |reason: &String| ModelError::Unusable { id: id.to_owned(), reason: reason.clone() };
        entry.facts.as_ref().map_err(unusable)
    }

    /// The embeddings whose names occur in one of `texts`: what they are called there, and where they are.
    pub fn embeddings_in<'a>(&'a self, texts: &[&str]) -> impl Iterator<Item = (&'a str, &'a Path)> {
        let texts: Vec<String> = texts.iter().map(|text| text.to_ascii_lowercase()).collect();
        let found = self.entries.iter().filter(|(_, entry)| matches!(entry.part, Some(Part::Embedding(_))));
        let named = move |id: &str| texts.iter().any(|text| text.contains(&id.to_ascii_lowercase()));
        found.filter_map(move |(id, entry)| Some((id.as_str(), entry.path.as_deref()?)).filter(|_| named(id)))
    }

    /// Where the model `id` is; `None` for the embedded one and for unknown ids.
    pub fn path(&self, id: &str) -> Option<&Path> {
        self.entries.get(id)?.path.as_deref()
    }

    /// Where the model `id` can be loaded from. The starter's files are put back if somebody emptied the cache.
    fn open(&self, id: &str) -> Result<PathBuf, ModelError> {
        self.facts(id)?;
        let unusable = |reason: String| ModelError::Unusable { id: id.to_owned(), reason };
        if id == STARTER {
            starter::unpack(&self.cache).map_err(|e| unusable(not_unpacked(&self.cache, &e)))?;
        }
        let built_in = || unusable("it is built in and has no weights to load".into());
        self.path(id).map(Path::to_owned).ok_or_else(built_in)
    }

    /// SHA-256 of the weights in hexadecimal, from the cache or computed now (about a second for each 2 GB). `None`
    /// for the embedded model. For a folder it is the hash of its files' names and hashes.
    pub fn hash(&self, id: &str) -> std::io::Result<Option<String>> {
        self.path(id).map(|path| self.hash_of(path)).transpose()
    }

    /// The same of the file or folder at `path`.
    pub fn hash_of(&self, path: &Path) -> std::io::Result<String> {
        if path.is_file() {
            return self.file_hash(path);
        }
        let files = files(path);
        let hashes = files.iter().map(|file| self.file_hash(file)).collect::<Result<Vec<_>, _>>()?;
        let mut all = Sha256::new();
        for (file, hash) in files.iter().zip(hashes) {
            all.update(file.strip_prefix(path).unwrap_or(file).to_string_lossy().replace('\\', "/"));
            all.update([0]);
            all.update(hash);
        }
        Ok(hex(&all.finalize()))
    }

    /// SHA-256 of one file in hexadecimal, from the cache or computed now.
    pub fn file_hash(&self, file: &Path) -> std::io::Result<String> {
        let meta = file.metadata()?;
        let modified = meta.modified()?.duration_since(UNIX_EPOCH).map_or(0, |d| d.as_nanos() as u64);
        let key = file.display().to_string();
        let stamp = json!([meta.len(), modified]);
        let hashes = self.cache.join("model-hashes.json");
        let read = |path: &Path| serde_json::from_slice(&std::fs::read(path).ok()?).ok();
        let mut known: serde_json::Map<String, serde_json::Value> = read(&hashes).unwrap_or_default();
        if let Some(hash) = known.get(&key).filter(|v| v["stamp"] == stamp).and_then(|v| v["sha256"].as_str()) {
            return Ok(hash.to_owned());
        }
        let hash = sha256(file)?;
        known.insert(key, json!({"stamp": stamp, "sha256": hash}));
        // Without the cache the next hash only takes longer.
        let _ = platform::make_private(&self.cache);
        let _ = save::replace(&hashes, serde_json::Value::Object(known).to_string().as_bytes());
        Ok(hash)
    }

    /// The control models among what was found.
    pub fn controls(&self) -> &Controls {
        &self.controls
    }

    /// The same, to add one typed by the painter.
    pub fn controls_mut(&mut self) -> &mut Controls {
        &mut self.controls
    }

    /// The LoRAs among what was found.
    pub fn loras(&self) -> &Loras {
        &self.loras
    }

    /// The same, to add one typed by the painter.
    pub fn loras_mut(&mut self) -> &mut Loras {
        &mut self.loras
    }

    /// As `models/list` shows it; `loaded` is the resident model's id.
    pub fn list(&self, loaded: Option<&str>) -> Vec<ModelInfo> {
        self.entries.iter().map(|(id, entry)| entry.info(id, loaded == Some(id))).collect()
    }
}

/// The id for a file of this `name`: what of it is plain, with a number if that is `taken`.
pub fn free_id(name: &str, taken: impl Fn(&str) -> bool) -> String {
    let stem = name.strip_suffix(".safetensors").unwrap_or(name);
    let plain = |c: char| if c.is_ascii_alphanumeric() || "._-".contains(c) { c } else { '-' };
    let stem: String = stem.chars().map(plain).take(60).collect::<String>().trim_matches(['-', '.']).into();
    let stem = if stem.is_empty() { "model".to_owned() } else { stem };
    let ids = std::iter::once(stem.clone()).chain((2..).map(|n| format!("{stem}-{n}")));
    ids.into_iter().find(|id| !taken(id)).unwrap_or(stem)
}

impl Entry {
    /// The model at `path`, known by `name` unless it has one of its own.
    fn inspect(id: &str, name: String, path: PathBuf) -> Entry {
        // Upscalers are asked for first: they are told by a few names, and everything else is the engine's to explain.
        let embedding = || if path.is_file() { prompt::inspect(&path).ok().flatten() } else { None };
        let (facts, part) = match (upscale::inspect(&path), embedding()) {
            (Ok(Some(facts)), _) => {
                (Err(format!("it enlarges pictures: `underpaint upscale --model {id}`")), Some(Part::Upscaler(facts)))
            }
            (Err(error @ EngineError::Tensor { .. }), _) => (Err(error.to_string()), None),
            (_, Some(widths)) => {
                let what = format!("it is an embedding, which stands for words: write embedding:{id} in a prompt");
                (Err(what), Some(Part::Embedding(widths)))
            }
            _ => (engine::inspect(&path).map_err(|e| e.to_string()), None),
        };
        let facts = facts.map(|f| ModelFacts { id: id.to_owned(), ..f });
        let bytes = bytes(&path);
        let own = facts.as_ref().ok().and_then(|f| f.name.clone());
        Entry { name: own.unwrap_or(name), path: Some(path), bytes, facts, part }
    }

    fn info(&self, id: &str, loaded: bool) -> ModelInfo {
        let facts = self.facts.as_ref().ok();
        let diffusion = facts.filter(|f| f.family != Family::Exemplar);
        let state = match (facts, &self.part, loaded) {
            (None, None, _) => ModelState::Unusable,
            (_, _, true) => ModelState::Loaded,
            (_, _, false) => ModelState::Ready,
        };
        let (kind, family) = match &self.part {
            Some(Part::Upscaler(facts)) => (ModelKind::Upscaler, facts.architecture.name()),
            Some(Part::Embedding(widths)) => {
                (ModelKind::Embedding, prompt::family(widths).map_or("unknown", Family::name))
            }
            None => (ModelKind::Painter, facts.map_or("unknown", |f| f.family.name())),
        };
        let names = |all: Vec<&'static str>| match diffusion {
            Some(_) => all.into_iter().map(str::to_owned).collect(),
            None => Vec::new(),
        };
        ModelInfo {
            id: id.to_owned(),
            name: self.name.clone(),
            kind,
            family: family.to_owned(),
            bytes: self.bytes,
            state,
            reason: self.facts.as_ref().err().filter(|_| self.part.is_none()).cloned(),
            native_extent: diffusion.map(|f| Extent::new(f.native_side, f.native_side)),
            multiple: facts.map_or(1, |f| f.multiple),
            scale: match &self.part {
                Some(Part::Upscaler(facts)) => Some(facts.scale),
                _ => None,
            },
            modes: facts.map_or_else(Vec::new, |f| modes(f).to_vec()),
            defaults: diffusion.map(|f| ModelDefaults {
                steps: f.defaults.steps,
                guidance_scale: f.defaults.guidance_scale,
                sampler: f.defaults.sampler.name().to_owned(),
                scheduler: f.defaults.scheduler.name().to_owned(),
            }),
            samplers: names(Sampler::ALL.map(Sampler::name).to_vec()),
            schedulers: names(Scheduler::ALL.map(Scheduler::name).to_vec()),
            hash: None,
        }
    }
}

/// The starter, its files put into `cache` if they are not there.
fn unpacked(cache: &Path) -> Entry {
    let name = "Starter".to_owned();
    match starter::unpack(cache) {
        Ok(folder) => Entry::inspect(STARTER, name, folder),
        Err(e) => Entry { name, path: None, bytes: 0, facts: Err(not_unpacked(cache, &e)), part: None },
    }
}

fn not_unpacked(cache: &Path, error: &std::io::Error) -> String {
    format!("its files cannot be unpacked into {}: {error}", cache.display())
}

/// What planning must know about the embedded fill; it has no steps, the numbers stand for nothing.
pub(crate) fn exemplar() -> ModelFacts {
    let defaults = Defaults { steps: 1, guidance_scale: 1.0, sampler: Sampler::Euler, scheduler: Scheduler::Normal };
    ModelFacts {
        id: EXEMPLAR.to_owned(),
        name: None,
        family: Family::Exemplar,
        native_side: 512,
        multiple: 1,
        in_channels: 4,
        kind: Kind::Text,
        defaults,
    }
}

/// Files and folders below `dir` that may be models, by their looks; the engine decides by content.
fn candidates(dir: &Path, roots: &[PathBuf], depth: u32, found: &mut Vec<PathBuf>) {
    if depth > MAX_DEPTH {
        return;
    }
    let Ok(entries) = std::fs::read_dir(dir) else { return };
    for entry in entries.flatten() {
        // A link is judged by where it leads.
        let Ok(path) = entry.path().canonicalize() else { continue };
        if found.len() >= MAX_ENTRIES || !roots.iter().any(|root| path.starts_with(root)) {
            continue;
        }
        if path.is_dir() {
            let whole = path.join("model_index.json").is_file() || path.join("unet").is_dir();
            match whole || controls::is_folder_of_one(&path) {
                true => found.push(path),
                false => candidates(&path, roots, depth + 1, found),
            }
        } else if path.is_file() && path.extension().is_some_and(|e| e.eq_ignore_ascii_case("safetensors")) {
            found.push(path);
        }
    }
}

/// Bytes of the files that make up a model.
pub(crate) fn bytes(path: &Path) -> u64 {
    files(path).iter().filter_map(|f| f.metadata().ok()).map(|m| m.len()).sum()
}

/// The files that make up a model: itself, or a folder's weights and configurations, sorted.
fn files(path: &Path) -> Vec<PathBuf> {
    if path.is_file() {
        return vec![path.to_owned()];
    }
    let list = |dir: &Path| {
        let entries = std::fs::read_dir(dir).map(|d| d.flatten().map(|e| e.path()).collect::<Vec<_>>());
        entries.unwrap_or_default()
    };
    let is_part =
        |p: &PathBuf| p.is_file() && p.extension().is_some_and(|e| e == "safetensors" || e == "json" || e == "txt");
    let mut files: Vec<PathBuf> =
        list(path).into_iter().flat_map(|p| if p.is_dir() { list(&p) } else { vec![p] }).filter(is_part).collect();
    files.sort();
    files
}

fn sha256(path: &Path) -> std::io::Result<String> {
    let mut file = std::fs::File::open(path)?;
    let mut hash = Sha256::new();
    let mut buffer = vec![0; 1 << 20];
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hex(&hash.finalize())),
            n => hash.update(&buffer[..n]),
        }
    }
}

/// In hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
