//! The history: what was painted, kept on this machine for every editor and across restarts.
//!
//! Decision: each job's patches are a folder of their own in the home, private to the user since its receipt holds prompts.
//! A folder appears whole and goes whole, so there is no index to fall out of step with: what is there is read once, when
//! somebody first asks, and known from then on. The oldest entries make room; a damaged one is put aside and told on stderr,
//! and costs no other. An entry's name is given here and parsed strictly, so none leads out of the folder.

mod entry;
mod writer;

pub use entry::{EntryId, Fetched, Known, KnownPatch, Made, MadePatch};
pub use writer::Writer;

use crate::config::{Config, Keeping};
use crate::home::Home;
use crate::{platform, save};
use entry::Unreadable;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, SystemTime};
use underpaint_wire::{Error, Kind};

/// End of the name of what was put aside.
const ASIDE: &str = "damaged";

/// The history of a home. Many threads may use it at once; files are read and written without holding anybody up.
pub struct History {
    home: Home,
    folder: PathBuf,
    /// Filled by whoever first asks.
    shelf: OnceLock<Mutex<Shelf>>,
    /// What the configuration said when it could last be read.
    keeping: Mutex<Keeping>,
}

/// What there is, without pixels.
#[derive(Debug, Default)]
struct Shelf {
    entries: BTreeMap<EntryId, (Known, u64)>,
    bytes: u64,
    /// When all was last removed: what was painted before, and is only now written, goes with it.
    cleared_ms: u64,
}

impl History {
    /// The history of `home`; nothing is looked at yet.
    pub fn new(home: &Home) -> Self {
        let folder = home.history_dir();
        Self { home: home.clone(), folder, shelf: OnceLock::new(), keeping: Mutex::default() }
    }

    /// For the daemon as it starts: removes what one that was killed left unfinished, and what the limits no longer allow.
    pub fn tidy(&self) {
        for name in names(&self.folder) {
            let id = name.strip_prefix('.').and_then(|rest| rest.split('.').next()).map(str::parse::<EntryId>);
            if name.ends_with(".part") && matches!(id, Some(Ok(_))) {
                let _ = fs::remove_dir_all(self.folder.join(name));
            }
        }
        self.trim(self.keeping());
    }

    /// What is to be kept, from the configuration as it is now.
    pub fn keeping(&self) -> Keeping {
        let mut last = lock(&self.keeping);
        if let Ok(config) = Config::load(self.home.root()) {
            *last = config.history;
        }
        *last
    }

    /// Enters what a job made, if the history is kept; gives its name. Fails with a sentence, and then nothing has changed.
    pub fn enter(&self, mut made: Made) -> Result<Option<EntryId>, String> {
        let keeping = self.keeping();
        if !keeping.keep || keeping.max_entries == 0 || made.patches.is_empty() {
            return Ok(None);
        }
        platform::private_dir(&self.folder)?;
        let newest = self.shelf().entries.last_key_value().map(|(id, _)| *id);
        let id =
            EntryId::after(newest, now_ms()).ok_or("The history has no more names; `underpaint history clear`.")?;
        made.entry.entry = id.to_string();
        let (known, bytes) = entry::write(&self.place(id), &made, keeping.max_bytes)
            .map_err(|e| format!("What was painted is not in the history: {e}."))?;
        let mut shelf = self.shelf();
        if known.entry.made_ms <= shelf.cleared_ms {
            drop(shelf);
            return self.discard(id).map(|()| None).map_err(|e| e.message);
        }
        shelf.entries.insert(id, (known, bytes));
        shelf.bytes += bytes;
        drop(shelf);
        self.trim(keeping);
        Ok(Some(id))
    }

    /// At most `limit` entries older than `before`, the newest first, each with its thumbnail (`rgba8`), and whether there
    /// are older ones.
    pub fn list(&self, limit: usize, before: Option<EntryId>) -> (Vec<(Known, Vec<u8>)>, bool) {
        let (found, more) = {
            let shelf = self.shelf();
            let older = |(id, _): &(&EntryId, _)| before.is_none_or(|before| **id < before);
            let mut older = shelf.entries.iter().rev().filter(older).map(|(id, (known, _))| (*id, known.clone()));
            (older.by_ref().take(limit).collect::<Vec<_>>(), older.next().is_some())
        };
        let with_thumbnail = |(id, known): (EntryId, Known)| match entry::thumbnail(&self.place(id), &known) {
            Ok(pixels) => Some((known, pixels)),
            Err(bad) => {
                self.put_aside(id, &bad);
                None
            }
        };
        (found.into_iter().filter_map(with_thumbnail).collect(), more)
    }

    /// An entry with its pixels.
    pub fn get(&self, id: EntryId) -> Result<Fetched, Error> {
        if !self.shelf().entries.contains_key(&id) {
            return Err(no_such_entry());
        }
        entry::fetch(&self.place(id), id).map_err(|bad| match self.put_aside(id, &bad) {
            true => Error::new(Kind::Internal, format!("This entry of the history cannot be had: {}.", bad.what)),
            // It was removed meanwhile.
            false => no_such_entry(),
        })
    }

    /// Removes an entry for good; false if there was none.
    pub fn remove(&self, id: EntryId) -> Result<bool, Error> {
        let Some(_) = self.forget(id) else { return Ok(false) };
        self.discard(id).map(|()| true)
    }

    /// Removes everything for good, also what was put aside; gives the number of entries.
    pub fn clear(&self) -> Result<usize, Error> {
        let empty = Shelf { cleared_ms: now_ms(), ..Shelf::default() };
        let entries = std::mem::replace(&mut *self.shelf(), empty).entries;
        let discarded: Vec<_> = entries.keys().map(|id| self.discard(*id)).collect();
        for name in names(&self.folder) {
            if let Some((id, ASIDE)) = name.split_once('.')
                && id.parse::<EntryId>().is_ok()
            {
                let _ = save::remove_folder(&self.folder.join(name));
            }
        }
        discarded.into_iter().collect::<Result<Vec<()>, Error>>().map(|all| all.len())
    }

    /// Lets the oldest entries go until the rest is within the limits.
    fn trim(&self, keeping: Keeping) {
        loop {
            let mut shelf = self.shelf();
            if shelf.entries.len() <= keeping.max_entries && shelf.bytes <= keeping.max_bytes {
                return;
            }
            let Some((oldest, (_, bytes))) = shelf.entries.pop_first() else { return };
            shelf.bytes -= bytes;
            drop(shelf);
            if let Err(error) = self.discard(oldest) {
                eprintln!("warning: {error}");
            }
        }
    }

    fn discard(&self, id: EntryId) -> Result<(), Error> {
        match save::remove_folder(&self.place(id)) {
            Err(e) if e.kind() != std::io::ErrorKind::NotFound => {
                let place = self.place(id);
                Err(Error::new(Kind::Internal, format!("{} cannot be removed: {e}.", place.display())))
            }
            _ => Ok(()),
        }
    }

    /// Takes an entry that is damaged off the shelf and renames its folder; false if it was not on the shelf any more.
    fn put_aside(&self, id: EntryId, bad: &Unreadable) -> bool {
        if !bad.damaged {
            return self.shelf().entries.contains_key(&id);
        }
        let known = self.forget(id).is_some();
        if known {
            aside(&self.place(id), bad);
        }
        known
    }

    fn forget(&self, id: EntryId) -> Option<Known> {
        let mut shelf = self.shelf();
        let (known, bytes) = shelf.entries.remove(&id)?;
        shelf.bytes -= bytes;
        Some(known)
    }

    fn place(&self, id: EntryId) -> PathBuf {
        self.folder.join(id.to_string())
    }

    fn shelf(&self) -> MutexGuard<'_, Shelf> {
        lock(self.shelf.get_or_init(|| Mutex::new(Shelf::read(&self.folder))))
    }
}

impl Shelf {
    fn read(folder: &Path) -> Shelf {
        let mut shelf = Shelf::default();
        for name in names(folder) {
            let Ok(id) = name.parse::<EntryId>() else { continue };
            match entry::look(&folder.join(&name), id) {
                Ok((known, bytes)) => {
                    shelf.bytes += bytes;
                    shelf.entries.insert(id, (known, bytes));
                }
                Err(bad) => aside(&folder.join(&name), &bad),
            }
        }
        shelf
    }
}

/// Keeps what is damaged under a name that is no entry's, and tells.
fn aside(place: &Path, bad: &Unreadable) {
    let kept = place.with_extension(ASIDE);
    let moved = bad.damaged && fs::rename(place, &kept).is_ok();
    let kept = if moved { format!("; it is kept as {}", kept.display()) } else { String::new() };
    eprintln!("warning: {} cannot be shown in the history ({}){kept}", place.display(), bad.what);
}

/// Names in a folder; none where there is no folder.
fn names(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().into_string().ok()).collect()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Milliseconds since 1970.
pub fn now_ms() -> u64 {
    SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO).as_millis() as u64
}

fn no_such_entry() -> Error {
    Error::field("entry", "There is no such entry in the history any more.")
}

#[cfg(test)]
mod tests;
