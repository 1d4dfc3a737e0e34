//! A diffusers folder: one sub-folder per component, each with its configuration and weights.

use super::{Weights, file::SafetensorsFile};
use crate::EngineError;
use std::fs;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// Opens the weights of the component in `folder`; `rename` may change a name or leave a tensor out.
pub fn open(folder: &Path, rename: impl Fn(&str) -> Option<String>) -> Result<Weights, EngineError> {
    let mut weights = Weights::new(folder);
    for path in weight_files(folder)? {
        let file = Rc::new(SafetensorsFile::open(&path)?);
        for entry in file.entries() {
            if let Some(name) = rename(&entry.name) {
                weights.insert(name, &file, entry);
            }
        }
    }
    Ok(weights)
}

/// The safetensors files of a component: the only one, or all parts of one set, or the plain one among variants
/// (`name.safetensors` before `name.fp16.safetensors`).
fn weight_files(folder: &Path) -> Result<Vec<PathBuf>, EngineError> {
    let read = |error| EngineError::Read { path: folder.to_owned(), error };
    let mut names: Vec<String> = Vec::new();
    let mut pickled = false;
    for item in fs::read_dir(folder).map_err(read)? {
        let name = item.map_err(read)?.file_name().to_string_lossy().into_owned();
        pickled |= [".bin", ".ckpt", ".pt", ".pth"].iter().any(|end| name.ends_with(end));
        if name.ends_with(".safetensors") {
            names.push(name);
        }
    }
    names.sort_by_key(|name| (name.matches('.').count(), name.clone()));
    let Some(first) = names.first() else {
        let found =
            if pickled { "a folder with pickled weights only" } else { "a folder without .safetensors weights" };
        return Err(EngineError::WrongArchitecture { path: folder.to_owned(), found: found.into() });
    };
    let set = first.rsplit_once("-of-").map(|(_, end)| end.to_owned());
    let chosen = match set {
        Some(end) => names.iter().filter(|name| name.ends_with(&format!("-of-{end}"))).collect(),
        None => vec![first],
    };
    Ok(chosen.into_iter().map(|name| folder.join(name)).collect())
}
