//! The filters of this machine: those that come with Underpaint and those the painter installed.
//!
//! Installed is whatever lies in the folder `filters` of Underpaint's home. `filters.lock` beside the files remembers
//! for each name which version it was, the hash of its file and who signed it: a file that changes without a new
//! version, or a new version by somebody else, is refused until the painter adds it by hand.
//!
//! Decision: filters run in a process of their own. `UNDERPAINT_FILTERS=inline` runs them in this one, which saves
//! two copies of each picture and gives up the wall behind the wall.

use crate::home::Home;
use crate::save;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::SystemTime;
use underpaint_filters::{Descriptor, FIRST_PARTY, FilterError, Filters, Reason};

/// The filters of a home, as they are now.
pub struct Installed {
    dir: PathBuf,
    seen: Mutex<(Option<Stamp>, Arc<Filters>)>,
    tell: OnceLock<Box<dyn Fn() + Send + Sync>>,
}

/// Name, time and length of every file in the folder: another stamp, another look.
type Stamp = Vec<(PathBuf, Option<SystemTime>, u64)>;

impl Installed {
    /// Without a look into the folder yet. Where nothing can be kept, filters are compiled anew each time.
    pub fn new(home: &Home) -> Result<Self, FilterError> {
        let cache = home.cache_dir().join("filters");
        let filters = make(Some(&cache)).or_else(|refused| {
            eprintln!("warning: {refused}; filters will be compiled anew at each start");
            make(None)
        })?;
        Ok(Self { dir: home.filters_dir(), seen: Mutex::new((None, Arc::new(filters))), tell: OnceLock::new() })
    }

    /// Calls `tell` from now on whenever a look finds other files than the one before. Only the first call counts.
    pub fn when_changed(&self, tell: impl Fn() + Send + Sync + 'static) {
        let _ = self.tell.set(Box::new(tell));
    }

    /// All of them. Files that came, went or changed since the last look are noticed; one that is refused is told on
    /// stderr and left out.
    pub fn current(&self) -> Arc<Filters> {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let stamp = stamp(&self.dir);
        if seen.0.as_ref() != Some(&stamp) {
            let mut lock = Lock::read(&self.dir);
            let before = lock.clone();
            let (filters, refused) = seen.1.rescan(&self.dir, |path, filter| lock.admit(path, filter));
            for refused in refused {
                eprintln!("warning: {refused}");
            }
            if lock != before
                && let Err(error) = lock.write(&self.dir)
            {
                eprintln!("warning: {} cannot be written: {error}", Lock::path(&self.dir).display());
            }
            let first = seen.0.is_none();
            *seen = (Some(stamp), Arc::new(filters));
            if let Some(tell) = self.tell.get().filter(|_| !first) {
                tell();
            }
        }
        seen.1.clone()
    }

    /// None of them, in the place where they would run: for tools that look at files of their own.
    pub fn none(&self) -> Filters {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).1.none()
    }
}

fn stamp(dir: &Path) -> Stamp {
    let found = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let wasm = found.filter(|entry| entry.path().extension().is_some_and(|e| e == "wasm"));
    let mut files: Stamp = wasm
        .map(|entry| {
            let metadata = std::fs::metadata(entry.path()).ok();
            let time = metadata.as_ref().and_then(|m| m.modified().ok());
            (entry.path(), time, metadata.map_or(0, |m| m.len()))
        })
        .collect();
    files.sort();
    files
}

fn make(cache: Option<&Path>) -> Result<Filters, FilterError> {
    match program() {
        Some(program) => Filters::in_worker(&program, &["filter-worker"], cache),
        None => Filters::new(cache),
    }
}

/// This very program, also after an update has put another in its place; `None` to run filters in this process.
fn program() -> Option<PathBuf> {
    if std::env::var_os("UNDERPAINT_FILTERS").is_some_and(|v| v == "inline") {
        return None;
    }
    // Nowhere but on Linux is this anything of the system's: on Windows whoever likes may make such a folder.
    let running = Path::new("/proc/self/exe");
    if cfg!(target_os = "linux") && running.exists() { Some(running.into()) } else { std::env::current_exe().ok() }
}

/// Content of `filters.lock`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Lock {
    filters: BTreeMap<String, Pin>,
}

/// What was installed under a name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pin {
    /// Name of the file in the folder.
    pub file: String,
    /// The author's version.
    pub version: String,
    /// SHA-256 of the file, in hexadecimal.
    pub sha256: String,
    /// Public key of whoever signed it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signer: Option<String>,
}

impl Lock {
    fn path(dir: &Path) -> PathBuf {
        dir.join("filters.lock")
    }

    /// What the folder's lock says; nothing if there is none yet. One that cannot be read is told on stderr.
    pub fn read(dir: &Path) -> Self {
        let path = Self::path(dir);
        let read = match std::fs::read(&path) {
            Ok(bytes) => serde_json::from_slice(&bytes).map_err(io::Error::from),
            Err(e) if e.kind() == io::ErrorKind::NotFound => return Self::default(),
            Err(e) => Err(e),
        };
        read.unwrap_or_else(|error| {
            eprintln!("warning: {} cannot be read: {error}; what is installed is pinned anew", path.display());
            Self::default()
        })
    }

    /// Writes it, whole or not at all.
    pub fn write(&self, dir: &Path) -> io::Result<()> {
        let mut text = serde_json::to_vec_pretty(self)?;
        text.push(b'\n');
        save::replace(&Self::path(dir), &text)
    }

    /// What was installed under a name.
    pub fn get(&self, name: &str) -> Option<&Pin> {
        self.filters.get(name)
    }

    /// Forgets a name.
    pub fn remove(&mut self, name: &str) -> Option<Pin> {
        self.filters.remove(name)
    }

    /// Remembers the file, unless it is not what the painter agreed to: other bytes under the same version, or a new
    /// version that does not come from whoever signed the one before.
    pub fn admit(&mut self, path: &Path, filter: &Descriptor) -> Result<(), Reason> {
        if let Some(pin) = self.filters.get(&filter.name) {
            if pin.version == filter.version && pin.sha256 != filter.sha256 {
                return Err(Reason::NotAsInstalled(format!(
                    "{} is not the file that was installed as version {}; a changed filter needs a new version, or `underpaint filter add --force` to be taken as it is",
                    path.display(),
                    pin.version
                )));
            }
            if pin.signer.is_some() && pin.signer != filter.signer {
                let is = if filter.signer.is_some() { "by somebody else" } else { "by nobody" };
                return Err(Reason::NotAsInstalled(format!(
                    "version {} was signed by its author, version {} is signed {is}; `underpaint filter add --force` takes it all the same",
                    pin.version, filter.version
                )));
            }
        }
        self.pin(path, filter);
        Ok(())
    }

    /// Remembers the file, whatever was there.
    pub fn pin(&mut self, path: &Path, filter: &Descriptor) {
        let Descriptor { name, version, sha256, signer, .. } = filter.clone();
        let file = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.filters.insert(name, Pin { file, version, sha256, signer });
    }
}

/// True for a name that only a filter of Underpaint itself has.
pub fn is_first_party(name: &str) -> bool {
    FIRST_PARTY.iter().any(|f| f.name == name)
}
