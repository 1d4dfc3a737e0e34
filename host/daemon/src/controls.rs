//! Control models on this machine: found by the scan that finds whole models, named by ids, a few in memory.
//!
//! Decision: they stand beside the models, not among them. Nothing can be painted with one alone, so no list of models to
//! paint with has to leave them out.

use crate::models::{LoadError, ModelError, Source};
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use underpaint_engine as engine;
use underpaint_plan::{ControlFacts, ControlKind, Preprocessing};
use underpaint_raster::{Job, Stage, Wrapper};
use underpaint_wire::generate::ControlCall;
use underpaint_wire::methods::ControlInfo;

/// Kinds of folders that hold one, as their `config.json` says.
const CLASSES: [&str; 5] = [
    "ControlNetModel",
    "ControlNetUnionModel",
    "T2IAdapter",
    "CLIPVisionModelWithProjection",
    "DepthAnythingForDepthEstimation",
];

/// What a scan found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Controls {
    entries: BTreeMap<String, Entry>,
}

#[derive(Clone, Debug, PartialEq)]
struct Entry {
    name: String,
    path: PathBuf,
    bytes: u64,
    facts: ControlFacts,
}

impl Controls {
    /// Takes the control model at `path` in and gives its id; `None` if it is none, or cannot be read.
    pub fn look(&mut self, path: &Path) -> Option<String> {
        let facts = engine::inspect_control(path).ok()??;
        let name = path.file_name()?.to_string_lossy().into_owned();
        let id = crate::models::free_id(&name, |id| self.entries.contains_key(id));
        let bytes = crate::models::bytes(path);
        let facts = ControlFacts { id: id.clone(), ..facts };
        self.entries.insert(id.clone(), Entry { name, path: path.to_owned(), bytes, facts });
        Some(id)
    }

    /// The same for a path typed by the painter, with the reason if it is none.
    pub fn add(&mut self, path: &Path) -> Result<String, ModelError> {
        let id = path.display().to_string();
        let reason = match engine::inspect_control(path) {
            Ok(Some(_)) => return self.look(path).ok_or(ModelError::Unusable { id, reason: "it has no name".into() }),
            Ok(None) => "it is no ControlNet, T2I-Adapter, IP-Adapter, image encoder or depth estimator by its tensors"
                .to_owned(),
            Err(e) => e.to_string(),
        };
        Err(ModelError::Unusable { id, reason })
    }

    /// Facts of the control model `id`.
    pub fn facts(&self, id: &str) -> Result<&ControlFacts, ModelError> {
        self.entry(id).map(|entry| &entry.facts)
    }

    /// Where the control model `id` is.
    pub fn path(&self, id: &str) -> Option<&Path> {
        self.entries.get(id).map(|entry| entry.path.as_path())
    }

    /// As `controls/list` shows them.
    pub fn list(&self) -> Vec<ControlInfo> {
        let info = |(id, entry): (&String, &Entry)| ControlInfo {
            id: id.clone(),
            name: entry.name.clone(),
            kind: entry.facts.kind.name().to_owned(),
            family: entry.facts.family.map(|family| family.name().to_owned()),
            bytes: entry.bytes,
        };
        self.entries.iter().map(info).collect()
    }

    fn entry(&self, id: &str) -> Result<&Entry, ModelError> {
        self.entries.get(id).ok_or_else(|| ModelError::NoSuchControl {
            id: id.to_owned(),
            known: self.entries.keys().cloned().collect(),
        })
    }

    /// Where the control and, for an IP-Adapter, the encoder it looks through are.
    pub fn place(&self, call: &ControlCall) -> Result<Place, ModelError> {
        let entry = self.entry(&call.model)?;
        let model = Source::of(&entry.path);
        if entry.facts.kind != ControlKind::IpAdapter {
            return Ok(Place { model, encoder: None });
        }
        let encoder = match &call.encoder {
            Some(id) => Some(self.entry(id)?),
            None => self.entries.values().find(|e| entry.facts.sees_through(&e.facts)),
        };
        let reason = "it looks through CLIP's image encoder, and none that fits was found; put the image_encoder folder it \
                      was published with into a models folder, or name it with `encoder`";
        let missing = || ModelError::Unusable { id: call.model.clone(), reason: reason.into() };
        Ok(Place { model, encoder: Some(Source::of(&encoder.ok_or_else(missing)?.path)) })
    }

    /// Id of the depth estimator that was `asked` for, or of the first there is.
    pub fn estimator(&self, asked: Option<&str>) -> Result<&str, ModelError> {
        let all = || {
            let depth = self.entries.iter().filter(|(_, entry)| entry.facts.kind == ControlKind::Depth);
            depth.map(|(id, _)| id.as_str())
        };
        all().find(|id| asked.is_none_or(|asked| asked == *id)).ok_or_else(|| ModelError::NoEstimator {
            id: asked.map(str::to_owned),
            known: all().map(str::to_owned).collect(),
        })
    }

    /// Fails unless each of `calls` names a control model that can be loaded, and what its picture is made with is there.
    pub fn check(&self, calls: &[ControlCall]) -> Result<Vec<&ControlFacts>, ModelError> {
        let check = |call: &ControlCall| {
            if call.preprocess.as_deref() == Some(Preprocessing::Depth.name()) {
                self.estimator(call.preprocessor.as_deref())?;
            }
            self.place(call)?;
            self.facts(&call.model)
        };
        calls.iter().map(check).collect()
    }
}

/// True if `folder` holds one control model, as its configuration says.
pub fn is_folder_of_one(folder: &Path) -> bool {
    let config = std::fs::read(folder.join("config.json")).ok().filter(|bytes| bytes.len() < 1 << 20);
    let config: Option<serde_json::Value> = config.and_then(|bytes| serde_json::from_slice(&bytes).ok());
    let Some(config) = config else { return false };
    let classes = [&config["_class_name"], &config["architectures"][0]];
    classes.iter().any(|class| class.as_str().is_some_and(|class| CLASSES.contains(&class)))
}

/// What one control model is loaded from.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Its file or folder.
    pub model: Source,
    /// What it looks through, if it looks through another.
    pub encoder: Option<Source>,
}

/// Control models in memory, beside the denoiser they steer.
#[derive(Default)]
pub struct Loaded {
    models: BTreeMap<Place, engine::ControlModel>,
    /// What makes pictures of depth for them.
    estimator: Option<(Source, engine::DepthEstimator)>,
}

impl Loaded {
    /// The models of `calls`, in order; those that are not in memory are loaded, and those that none asks for are freed first.
    pub fn load(
        &mut self,
        controls: &Controls,
        calls: &[ControlCall],
        options: &engine::Options,
        job: &dyn Job,
    ) -> Result<Vec<&engine::ControlModel>, LoadError> {
        let places = calls.iter().map(|call| controls.place(call)).collect::<Result<Vec<_>, _>>();
        let places = places.map_err(LoadError::Model)?;
        let wanted: BTreeSet<_> = places.iter().collect();
        self.models.retain(|place, _| wanted.contains(place));
        for place in wanted {
            if !self.models.contains_key(place) {
                let encoder = place.encoder.as_ref().map(|encoder| &*encoder.path);
                let model = engine::ControlModel::load(&place.model.path, encoder, options, &Unseen(job));
                self.models.insert(place.clone(), model.map_err(LoadError::Engine)?);
            }
        }
        Ok(places.iter().filter_map(|place| self.models.get(place)).collect())
    }

    /// The depth estimator `id`, loaded if it is not; the former one is freed first.
    pub fn estimator(
        &mut self,
        controls: &Controls,
        id: &str,
        options: &engine::Options,
        job: &dyn Job,
    ) -> Result<&engine::DepthEstimator, LoadError> {
        let source = Source::of(&controls.entry(id).map_err(LoadError::Model)?.path);
        let estimator = match self.estimator.take().filter(|(loaded, _)| *loaded == source) {
            Some((_, estimator)) => estimator,
            None => engine::DepthEstimator::load(&source.path, options, job).map_err(LoadError::Engine)?,
        };
        Ok(&self.estimator.insert((source, estimator)).1)
    }

    /// Bytes of their weights.
    pub fn weights_bytes(&self) -> u64 {
        let models = self.models.values().map(engine::ControlModel::weights_bytes).sum::<u64>();
        models + self.estimator.as_ref().map_or(0, |(_, estimator)| estimator.weights_bytes())
    }

    /// Frees their memory.
    pub fn clear(&mut self) {
        (self.models, self.estimator) = Default::default();
    }
}

/// A job that can be cancelled but is not told of progress: that of each stage belongs to the denoiser, and never goes back.
pub struct Unseen<'a>(pub &'a dyn Job);

impl Wrapper for Unseen<'_> {
    fn owner(&self) -> &dyn Job {
        self.0
    }

    fn progress(&self, _: Stage, _: u32, _: u32) {}

    fn wants_preview(&self) -> bool {
        false
    }
}
