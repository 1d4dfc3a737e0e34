//! The configuration file, `config.json` in Underpaint's home.
//!
//! Decision: unknown keys are errors, so that a typing mistake does not pass for a setting; the file is only ever
//! written by a command the painter typed, never by a request.

use crate::{platform, save};
use serde::{Deserialize, Serialize};
use std::path::{Path, PathBuf};

/// What a painter may set. Every member may be left out.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// Folders with models, searched besides the home's own.
    pub model_folders: Vec<PathBuf>,
    /// Id of the model used when a request names none.
    pub default_model: Option<String>,
    /// What is kept of what was painted.
    pub history: Keeping,
    /// Whether the daemon listens on a WebSocket too, which Photoshop needs; true if left out.
    pub websocket: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { model_folders: Vec::new(), default_model: None, history: Keeping::default(), websocket: true }
    }
}

impl Config {
    /// Name of the file in the home.
    pub const FILE: &str = "config.json";

    /// Reads the file in `home`; a missing one is all defaults. Fails with one sentence naming the file.
    pub fn load(home: &Path) -> Result<Config, String> {
        let path = home.join(Self::FILE);
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(Config::default()),
            Err(e) => return Err(format!("{} cannot be read: {e}", path.display())),
        };
        serde_json::from_str(&text).map_err(|e| format!("{} is not right: {e}", path.display()))
    }

    /// Writes the file whole.
    pub fn save(&self, home: &Path) -> Result<(), String> {
        let path = home.join(Self::FILE);
        let failed = |e: std::io::Error| format!("{} cannot be written: {e}", path.display());
        platform::make_private(home).map_err(failed)?;
        let text = serde_json::to_string_pretty(self).map_err(|e| failed(e.into()))?;
        save::replace_private(&path, (text + "\n").as_bytes()).map_err(failed)
    }
}

/// What the history keeps; the oldest entries go first. Looked at whenever something was painted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Keeping {
    /// Whether what is painted is entered.
    pub keep: bool,
    /// Most bytes of all entries.
    pub max_bytes: u64,
    /// Most entries.
    pub max_entries: usize,
}

impl Default for Keeping {
    fn default() -> Self {
        Self { keep: true, max_bytes: 2 << 30, max_entries: 1000 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_read_and_a_typing_mistake_is_named() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Config::load(home.path()).unwrap(), Config::default());
        let history = Keeping { keep: false, ..Keeping::default() };
        let (model_folders, default_model) = (vec!["/models".into()], Some("a".into()));
        let config = Config { model_folders, default_model, history, websocket: false };
        config.save(home.path()).unwrap();
        assert_eq!(Config::load(home.path()).unwrap(), config);
        std::fs::write(home.path().join(Config::FILE), r#"{"history": {"max_entries": 3}}"#).unwrap();
        let Keeping { keep, max_bytes, max_entries } = Config::load(home.path()).unwrap().history;
        assert_eq!((keep, max_bytes, max_entries), (true, 2 << 30, 3));
        for (text, word) in [(r#"{"model_folder": []}"#, "model_folder"), (r#"{"history": {"kept": 1}}"#, "kept")] {
            std::fs::write(home.path().join(Config::FILE), text).unwrap();
            let sentence = Config::load(home.path()).unwrap_err();
            assert!(sentence.contains("config.json") && sentence.contains(word), "{sentence}");
        }
    }
}
