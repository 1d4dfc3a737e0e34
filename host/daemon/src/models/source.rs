//! What something in memory was read from, so that it can be told whether that is still what lies there: a model that was trained
//! anew under the same name is another one.

use super::files;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

/// A model's files, with their lengths and times. Two are equal if nobody has written in between.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Source {
    /// The file or folder.
    pub path: PathBuf,
    files: Vec<(PathBuf, Option<(u64, SystemTime)>)>,
}

impl Source {
    /// As it is now.
    pub fn of(path: &Path) -> Source {
        let stamp = |file: &PathBuf| file.metadata().and_then(|meta| Ok((meta.len(), meta.modified()?))).ok();
        let stamped = |file: PathBuf| (stamp(&file), file);
        let files = files(path).into_iter().map(stamped).map(|(stamp, file)| (file, stamp)).collect();
        Source { path: path.to_owned(), files }
    }
}
