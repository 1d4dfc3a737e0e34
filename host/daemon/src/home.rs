//! Where Underpaint's files live, and the small file that tells clients where the daemon listens.
//!
//! Decision: one folder holds everything, built from the home directory itself (Flatpaks remap the XDG variables, so
//! an editor inside one would look elsewhere). `UNDERPAINT_HOME` moves all of it.

use serde::{Deserialize, Serialize};
use std::io;
use std::path::{Path, PathBuf};
use underpaint_wire::hello::Versions;

/// The folder that holds every file Underpaint owns. Whoever comes first makes it, by [`crate::platform::make_private`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Home {
    root: PathBuf,
}

impl Home {
    /// `$UNDERPAINT_HOME`, else the place the system has for such things. Nothing is created.
    /// Fails with a sentence if the system names no home directory.
    pub fn find() -> Result<Home, String> {
        if let Some(path) = std::env::var_os("UNDERPAINT_HOME").filter(|p| !p.is_empty()) {
            return Home::at(Path::new(&path));
        }
        let (variable, below) =
            if cfg!(windows) { ("LOCALAPPDATA", "underpaint") } else { ("HOME", ".local/state/underpaint") };
        match std::env::var_os(variable).filter(|p| !p.is_empty()) {
            Some(path) => Home::at(&Path::new(&path).join(below)),
            None => Err(format!(
                "Neither UNDERPAINT_HOME nor {variable} is set, so there is no place for Underpaint's files; set UNDERPAINT_HOME to a folder."
            )),
        }
    }

    /// A home at `root`; a relative path is taken from the current directory.
    pub fn at(root: &Path) -> Result<Home, String> {
        let root =
            std::path::absolute(root).map_err(|e| format!("{} cannot be Underpaint's home: {e}.", root.display()))?;
        Ok(Home { root })
    }

    /// The folder itself.
    pub fn root(&self) -> &Path {
        &self.root
    }

    /// Private to the user: socket, lock, endpoint, token.
    pub fn run_dir(&self) -> PathBuf {
        self.root.join("run")
    }

    /// Where the daemon says it listens.
    pub fn endpoint_file(&self) -> PathBuf {
        self.run_dir().join("endpoint.json")
    }

    /// Held by the running daemon for its whole life, never removed.
    pub fn lock_file(&self) -> PathBuf {
        self.run_dir().join("daemon.lock")
    }

    /// 256 random bits in hex.
    pub fn token_file(&self) -> PathBuf {
        self.run_dir().join(TOKEN_FILE)
    }

    /// Models the painter put here; other folders are added by configuration.
    pub fn models_dir(&self) -> PathBuf {
        self.root.join("models")
    }

    /// Installed third-party filters.
    pub fn filters_dir(&self) -> PathBuf {
        self.root.join("filters")
    }

    /// The painter's styles.
    pub fn styles_file(&self) -> PathBuf {
        self.root.join("styles.json")
    }

    /// What was painted, private to the user: receipts hold prompts.
    pub fn history_dir(&self) -> PathBuf {
        self.root.join("history")
    }

    /// What can be made again: compiled filters, hashes of models, the starter's files.
    pub fn cache_dir(&self) -> PathBuf {
        self.root.join("cache")
    }

    /// What a daemon published, `None` if there is no such file. A daemon that was killed leaves it behind.
    pub fn endpoint(&self) -> io::Result<Option<Endpoint>> {
        match std::fs::read(self.endpoint_file()) {
            Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::from),
            Err(e) if e.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(e) => Err(e),
        }
    }
}

/// Name of the token's file beside the socket.
pub const TOKEN_FILE: &str = "token";

/// Content of `endpoint.json`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// What the daemon speaks.
    pub protocol: Versions,
    /// Its process.
    pub pid: u32,
    /// Changes with every start.
    pub instance: String,
    /// A socket's path, or a pipe's on Windows.
    pub socket: String,
    /// Where the WebSocket is on this machine; absent if it is switched off or found no free port.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ws_port: Option<u16>,
    /// Beside `endpoint.json`.
    pub token_file: String,
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;
    use crate::config::Config;
    use crate::models::Catalogue;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn whoever_comes_first_makes_it_private() {
        let firsts: [fn(&Home); 2] = [
            |home| Config::default().save(home.root()).unwrap(),
            |home| drop(Catalogue::scan(&[], None, &home.cache_dir(), None)),
        ];
        let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        for first in firsts {
            let dir = tempfile::tempdir().unwrap();
            let home = Home::at(&dir.path().join("home")).unwrap();
            first(&home);
            assert_eq!(mode(home.root()), 0o700);
            Config::default().save(home.root()).unwrap();
            assert_eq!(mode(&home.root().join(Config::FILE)), 0o600);
        }
    }
}
