//! LoRAs on this machine: found by the scan that finds models, told apart from them by content, named by ids.
//!
//! Decision: what a painter, a prompt or a client calls a LoRA is looked up here ([`Loras::choose`]) and nowhere else: its id, or as
//! in other tools its file's name without the ending, or the title in its header. Capitals count only where two differ in nothing else.

use crate::models::{ModelError, free_id};
use std::collections::BTreeMap;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use underpaint_engine::EngineError;
use underpaint_engine::lora::{self, LoraFacts};
use underpaint_wire::generate::LoraCall;
use underpaint_wire::methods::LoraInfo;

/// Every LoRA that was found.
#[derive(Clone, Debug, Default)]
pub struct Loras(BTreeMap<String, Entry>);

#[derive(Clone, Debug)]
struct Entry {
    /// The file's own, or its folder's.
    name: String,
    path: PathBuf,
    bytes: u64,
    modified: Option<SystemTime>,
    facts: LoraFacts,
}

/// A LoRA a job is painted with.
#[derive(Clone, Debug, PartialEq)]
pub struct Chosen {
    /// Its id.
    pub id: String,
    /// Its file.
    pub path: PathBuf,
    /// How much of it for the denoiser.
    pub weight: f64,
    /// How much of it for the text encoders.
    pub text_weight: f64,
}

impl Loras {
    /// Takes the file at `path` in if it is a LoRA, and gives its id; anything else is none of ours. What was known `before` is not
    /// read again while the file stays as it is: headers of LoRAs hold whole training logs.
    pub fn look(&mut self, path: &Path, before: Option<&Loras>) -> Option<String> {
        let known = before.and_then(|before| before.0.values().find(|entry| entry.path == path));
        let same = |entry: &&Entry| stamp(path) == (entry.bytes, entry.modified);
        let facts = match known.filter(same) {
            Some(entry) => entry.facts.clone(),
            None => lora::inspect(path).ok()??,
        };
        Some(self.insert(path, facts))
    }

    /// Takes in the LoRA at `path`, typed by the painter, and gives its id.
    pub fn add(&mut self, path: &Path) -> Result<String, EngineError> {
        if let Some((id, _)) = self.0.iter().find(|(_, entry)| entry.path == path) {
            return Ok(id.clone());
        }
        let what = "is not a LoRA; a .safetensors file with a LoRA's tensors is needed";
        let other = || EngineError::Lora { path: path.to_owned(), what: what.into() };
        let facts = lora::inspect(path)?.ok_or_else(other)?;
        Ok(self.insert(path, facts))
    }

    fn insert(&mut self, path: &Path, facts: LoraFacts) -> String {
        let text = |part: Option<&OsStr>| part.map_or_else(|| "lora".into(), |n| n.to_string_lossy().into_owned());
        let mut name = text(path.file_name());
        // As diffusers and PEFT call all of theirs: the folder tells them apart.
        if ["pytorch_lora_weights.safetensors", "adapter_model.safetensors"].contains(&name.as_str()) {
            name = text(path.parent().and_then(Path::file_name).or(path.file_name()));
        }
        let id = free_id(&name, |id| self.0.contains_key(id));
        let (bytes, modified) = stamp(path);
        self.0.insert(id.clone(), Entry { name, path: path.to_owned(), bytes, modified, facts });
        id
    }

    /// The LoRAs that `calls` name.
    pub fn choose(&self, calls: &[LoraCall]) -> Result<Vec<Chosen>, ModelError> {
        let chosen = calls.iter().map(|call| {
            let (id, entry) = self.find(&call.name).ok_or_else(|| ModelError::NoSuchLora {
                name: call.name.clone(),
                known: self.0.keys().cloned().collect(),
            })?;
            let text_weight = call.text_weight.unwrap_or(call.weight);
            Ok(Chosen { id: id.clone(), path: entry.path.clone(), weight: call.weight, text_weight })
        });
        chosen.collect()
    }

    fn find(&self, name: &str) -> Option<(&String, &Entry)> {
        let stem = |entry: &Entry| entry.name.strip_suffix(".safetensors").unwrap_or(&entry.name).to_owned();
        let title = |entry: &Entry| entry.facts.title.clone().unwrap_or_default();
        let all = || self.0.iter();
        let same = |text: &str| text.to_lowercase() == name.to_lowercase();
        (self.0.get_key_value(name))
            .or_else(|| all().find(|(_, entry)| stem(entry) == name))
            .or_else(|| all().find(|(_, entry)| title(entry) == name))
            .or_else(|| all().find(|(id, entry)| same(id) || same(&stem(entry)) || same(&title(entry))))
            .filter(|_| !name.is_empty())
    }

    /// As `loras/list` shows them.
    pub fn list(&self) -> Vec<LoraInfo> {
        let info = |(id, entry): (&String, &Entry)| LoraInfo {
            id: id.clone(),
            name: entry.name.clone(),
            family: entry.facts.base.word().to_owned(),
            bytes: entry.bytes,
            title: entry.facts.title.clone(),
            trigger: entry.facts.trigger.clone(),
            tags: entry.facts.tags.clone(),
        };
        self.0.iter().map(info).collect()
    }
}

/// What changes when a file is written to.
fn stamp(path: &Path) -> (u64, Option<SystemTime>) {
    path.metadata().map_or((0, None), |m| (m.len(), m.modified().ok()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_ids_file_names_or_titles() {
        let mut loras = Loras::default();
        for (path, title) in [
            ("a/My style (v2).safetensors", Some("Inky")),
            ("b/My style (v2).safetensors", None),
            ("c/cat.safetensors", None),
            ("c/Cat.safetensors", Some("cat")),
            ("mine/pytorch_lora_weights.safetensors", None),
        ] {
            loras.insert(Path::new(path), LoraFacts { title: title.map(str::to_owned), ..LoraFacts::default() });
        }
        let path = |name: &str| {
            let call = LoraCall { name: name.into(), weight: 0.5, text_weight: None };
            loras.choose(&[call]).map(|mut chosen| chosen.remove(0).path)
        };
        for (name, expected) in [
            ("My-style--v2", "a/My style (v2).safetensors"),
            ("My-style--v2-2", "b/My style (v2).safetensors"),
            ("My style (v2)", "a/My style (v2).safetensors"),
            ("inky", "a/My style (v2).safetensors"),
            ("mine", "mine/pytorch_lora_weights.safetensors"),
            ("cat", "c/cat.safetensors"),
            ("Cat", "c/Cat.safetensors"),
        ] {
            assert_eq!(path(name).unwrap(), Path::new(expected), "{name}");
        }
        for name in ["", "dog", "../c/cat", "c/cat.safetensors"] {
            assert!(path(name).is_err(), "{name}");
        }
    }
}
