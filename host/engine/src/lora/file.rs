//! A LoRA file: recognised by its tensors' names, sorted by the layers they change. Opening reads the header and a few numbers.

use super::delta::{Delta, Parts};
use super::names::{self, Base, Component, Part, Target};
use crate::EngineError;
use crate::weights::file::{SafetensorsFile, Stamp};
use serde_json::{Map, Value};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// What a file says about itself, for lists.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LoraFacts {
    /// What it was trained on, as far as its tensors tell.
    pub base: Base,
    /// What its author calls it, if its header says so; one line.
    pub title: Option<String>,
    /// The words that call it up in a prompt, if its header says so.
    pub trigger: Option<String>,
    /// The words that were most frequent in its training, most frequent first; at most ten.
    pub tags: Vec<String>,
}

/// An open LoRA.
pub struct Lora {
    file: SafetensorsFile,
    layers: BTreeMap<Target, BTreeMap<Part, usize>>,
    /// Entries that are not a LoRA's.
    strange: Vec<usize>,
    scaling: Scaling,
}

/// Which file, as it was when it was read: two of the same identity hold the same.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    path: PathBuf,
    stamp: Stamp,
}

/// Reads what `path` says about itself; `None` if it is a sound file of something else.
pub fn inspect(path: &Path) -> Result<Option<LoraFacts>, EngineError> {
    let lora = Lora::sort(SafetensorsFile::open(path)?);
    if lora.layers.is_empty() {
        return Ok(None);
    }
    Ok(Some(LoraFacts { base: lora.base(), ..described(&lora.file.metadata()?) }))
}

impl Lora {
    /// Opens the file at `path`; an error if it is not a LoRA.
    pub fn open(path: &Path) -> Result<Self, EngineError> {
        let mut lora = Self::sort(SafetensorsFile::open(path)?);
        if lora.layers.is_empty() {
            let what = match lora.file.entries().first() {
                Some(first) => {
                    format!("is not a LoRA: none of its tensors is one's (the first is {})", shown(&first.name))
                }
                None => "is not a LoRA: it has no tensors".into(),
            };
            return Err(lora.error(what));
        }
        lora.scaling = Scaling::read(&lora.file)?;
        Ok(lora)
    }

    fn sort(file: SafetensorsFile) -> Self {
        let mut layers: BTreeMap<Target, BTreeMap<Part, usize>> = BTreeMap::new();
        let mut strange = Vec::new();
        for (entry, tensor) in file.entries().iter().enumerate() {
            match names::read(&tensor.name) {
                Some((target, part)) if !layers.get(&target).is_some_and(|parts| parts.contains_key(&part)) => {
                    layers.entry(target).or_default().insert(part, entry);
                }
                // Not a LoRA's, or the same thing in two dialects.
                _ => strange.push(entry),
            }
        }
        // A scale alone changes nothing; other files have tensors that end like one.
        let changes = |parts: &BTreeMap<Part, usize>| {
            parts.keys().any(|p| !matches!(p, Part::Alpha | Part::DoraScale | Part::Magnitude))
        };
        if !layers.values().any(changes) {
            layers.clear();
        }
        Self { file, layers, strange, scaling: Scaling::default() }
    }

    /// Which file this is.
    pub fn identity(&self) -> Identity {
        let path = self.file.path();
        Identity { path: path.canonicalize().unwrap_or_else(|_| path.to_owned()), stamp: self.file.stamp() }
    }

    /// The open file.
    pub fn file(&self) -> &SafetensorsFile {
        &self.file
    }

    /// The layers it changes.
    pub fn layers(&self) -> impl Iterator<Item = (&Target, usize)> {
        self.layers.iter().map(|(target, parts)| (target, parts.len()))
    }

    /// Keys that no LoRA we know has.
    pub fn strange(&self) -> impl Iterator<Item = &str> {
        self.strange.iter().map(|entry| self.name(*entry))
    }

    /// All keys.
    pub fn keys(&self) -> usize {
        self.file.entries().len()
    }

    /// Some key of a layer, to be shown.
    pub fn key(&self, target: &Target) -> &str {
        self.layers.get(target).and_then(|parts| parts.values().next()).map_or("", |entry| self.name(*entry))
    }

    /// What it adds to a layer whose weight has `shape`, and alpha by rank. The error is the sentence about a key that does not fit.
    pub fn delta(
        &self,
        target: &Target,
        layer: &str,
        shape: &[usize],
    ) -> Result<Result<(Delta, f64), String>, EngineError> {
        let Some(parts) = self.layers.get(target) else { return Ok(Err("is missing".into())) };
        let shapes: Parts<'_> =
            parts.iter().map(|(part, entry)| (*part, (*entry, &*self.file.entries()[*entry].shape))).collect();
        let delta = match Delta::new(&shapes, shape) {
            Ok(delta) => delta,
            Err((part, what)) => {
                let said = match parts.get(&part) {
                    Some(entry) => format!("{} {what}", shown(self.name(*entry))),
                    None => format!("{} has no {} beside it", shown(self.key(target)), part.ending()),
                };
                return Ok(Err(said));
            }
        };
        let Some(rank) = delta.rank else { return Ok(Ok((delta, 1.0))) };
        let scale = match delta.alpha {
            Some(entry) => {
                let alpha = self.file.read(&self.file.entries()[entry])?;
                // As trainers do, 0 stands for "as large as the rank".
                let alpha = alpha.first().copied().filter(|a| *a != 0.0).map_or(rank as f64, f64::from);
                alpha / rank as f64
            }
            None => self.scaling.of(target.component, layer, rank),
        };
        Ok(Ok((delta, scale)))
    }

    /// What it was trained on.
    pub fn base(&self) -> Base {
        let named = Base::of_names(self.file.entries().iter().map(|e| e.name.as_str()));
        if named != Base::Unknown {
            return named;
        }
        let reads_text = |target: &&Target| target.component == Component::Unet && target.name.ends_with("attn2_to_k");
        let width = self.layers.keys().find(reads_text).and_then(|target| self.inputs(target));
        width.map_or(Base::Unknown, Base::of_context)
    }

    /// Features going into the layer, from the shapes of its parts.
    fn inputs(&self, target: &Target) -> Option<usize> {
        let parts = self.layers.get(target)?;
        let side = |part, at: usize| self.file.entries()[*parts.get(&part)?].shape.get(at).copied();
        let first = side(Part::LokrW1, 1).or_else(|| side(Part::LokrW1B, 1));
        let second = side(Part::LokrW2, 1).or_else(|| side(Part::LokrW2B, 1));
        let kron = first.zip(second).and_then(|(a, b)| a.checked_mul(b));
        side(Part::Down, 1).or_else(|| side(Part::HadaW1B, 1)).or_else(|| side(Part::Diff, 1)).or(kron)
    }

    fn name(&self, entry: usize) -> &str {
        &self.file.entries()[entry].name
    }

    /// An error about this file.
    pub fn error(&self, what: impl Into<String>) -> EngineError {
        EngineError::Lora { path: self.file.path().to_owned(), what: what.into() }
    }
}

/// A name from a file, fit for a sentence.
pub fn shown(name: &str) -> String {
    let short: String = name.chars().take(120).flat_map(char::escape_debug).collect();
    if name.chars().count() > 120 { short + "…" } else { short }
}

/// What PEFT and diffusers say about alpha beside the tensors: in the header (`lora_adapter_metadata`), or in the
/// `adapter_config.json` of a PEFT folder. Without either alpha is the rank.
#[derive(Debug, Default)]
struct Scaling(Map<String, Value>);

impl Scaling {
    fn read(file: &SafetensorsFile) -> Result<Self, EngineError> {
        let object = |text: &[u8]| serde_json::from_slice::<Map<String, Value>>(text).ok();
        let damaged = |path: &Path, what: &str| EngineError::Lora { path: path.to_owned(), what: what.into() };
        if let Some(text) = file.metadata()?.get("lora_adapter_metadata") {
            let known = object(text.as_bytes());
            return known
                .map(Self)
                .ok_or_else(|| damaged(file.path(), "is damaged: its lora_adapter_metadata is not a JSON object"));
        }
        let config = file.path().with_file_name("adapter_config.json");
        if file.path().file_name().is_some_and(|name| name == "adapter_model.safetensors") && config.is_file() {
            let bytes = std::fs::read(&config).map_err(|error| EngineError::Read { path: config.clone(), error })?;
            return object(&bytes).map(Self).ok_or_else(|| damaged(&config, "is not a JSON object"));
        }
        Ok(Self::default())
    }

    /// Alpha by rank for a layer without an alpha of its own.
    fn of(&self, component: Component, layer: &str, rank: usize) -> f64 {
        let get = |key: &str| self.0.get(&format!("{component}.{key}")).or_else(|| self.0.get(key));
        let ours =
            |pattern: &str| layer == pattern || layer.strip_suffix(pattern).is_some_and(|rest| rest.ends_with('.'));
        let patterns = get("alpha_pattern").and_then(Value::as_object);
        let own =
            patterns.and_then(|p| p.iter().find(|(pattern, _)| ours(pattern)).and_then(|(_, alpha)| alpha.as_f64()));
        let alpha = own.or_else(|| get("lora_alpha").and_then(Value::as_f64)).filter(|a| a.is_finite());
        let stabilised = get("use_rslora").and_then(Value::as_bool) == Some(true);
        let rank = rank as f64;
        alpha.map_or(1.0, |alpha| alpha / if stabilised { rank.sqrt() } else { rank })
    }
}

/// Title, trigger and tags as kohya and the modelspec standard keep them.
fn described(metadata: &BTreeMap<String, String>) -> LoraFacts {
    let line = |text: &str, most: usize| {
        let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).take(most).collect();
        Some(text.trim().to_owned()).filter(|text| !text.is_empty() && text != "None")
    };
    let get = |key: &str, most| metadata.get(key).and_then(|text| line(text, most));
    let mut counts: BTreeMap<String, f64> = BTreeMap::new();
    let datasets: Option<Map<String, Value>> =
        metadata.get("ss_tag_frequency").and_then(|text| serde_json::from_str(text).ok());
    for tags in datasets.iter().flat_map(Map::values).filter_map(Value::as_object) {
        for (tag, count) in tags {
            if let Some(tag) = line(tag, 80) {
                *counts.entry(tag).or_default() += count.as_f64().unwrap_or(0.0);
            }
        }
    }
    let mut tags: Vec<(String, f64)> = counts.into_iter().collect();
    tags.sort_by(|(_, a), (_, b)| b.total_cmp(a));
    LoraFacts {
        base: Base::Unknown,
        title: get("ss_output_name", 120).or_else(|| get("modelspec.title", 120)),
        trigger: get("modelspec.trigger_phrase", 300),
        tags: tags.into_iter().take(10).map(|(tag, _)| tag).collect(),
    }
}
