//! The configuration file, `config.json` in Underpaint's home.
//!
//! Decision: unknown keys are errors, so that a typing mistake does not pass for a setting; the file is only ever
//! written by a command the painter typed, never by a request.

use crate::save;
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
    /// Whether the daemon listens on a WebSocket too, which Photoshop needs; true if left out.
    pub websocket: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { model_folders: Vec::new(), default_model: None, websocket: true }
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
        std::fs::create_dir_all(home).map_err(failed)?;
        let text = serde_json::to_string_pretty(self).map_err(|e| failed(e.into()))?;
        save::replace(&path, (text + "\n").as_bytes()).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_saved_is_read_and_a_typing_mistake_is_named() {
        let home = tempfile::tempdir().unwrap();
        assert_eq!(Config::load(home.path()).unwrap(), Config::default());
        let config =
            Config { model_folders: vec!["/models".into()], default_model: Some("a".into()), websocket: false };
        config.save(home.path()).unwrap();
        assert_eq!(Config::load(home.path()).unwrap(), config);
        std::fs::write(home.path().join(Config::FILE), r#"{"model_folder": []}"#).unwrap();
        let sentence = Config::load(home.path()).unwrap_err();
        assert!(sentence.contains("config.json") && sentence.contains("model_folder"), "{sentence}");
    }
}
