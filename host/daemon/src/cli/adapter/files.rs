//! The files of an adapter: laid out in a folder, taken away again, compared, packed.

use super::sources;
use crate::save;
use serde_json::json;
use std::borrow::Cow;
use std::io::{self, Cursor, Write};
use std::path::{Path, PathBuf};
use std::{env, fs};
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, DateTime, ZipWriter};

/// Path and content of each embedded file, by editor; made by the build script.
type Embedded = &'static [(&'static str, &'static [(&'static str, &'static [u8])])];
const EMBEDDED: Embedded = include!(concat!(env!("OUT_DIR"), "/adapters.rs"));

/// Tells an adapter which program installed it, so that it can start the daemon.
const INSTALLED: &str = "underpaint/installed.json";

/// What is found where an adapter would be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nothing of ours.
    Absent,
    /// Files of another version, or not all of them.
    Other,
    /// This program's files.
    Current,
}

impl State {
    /// For people and for JSON.
    pub fn name(self) -> &'static str {
        match self {
            State::Absent => "not installed",
            State::Other => "another version",
            State::Current => "installed",
        }
    }
}

/// Path below the folder and content of every file, sorted by path.
pub struct Files(Vec<(String, Cow<'static, [u8]>)>);

impl Files {
    /// Those this program was built with, or those of the checkout `tree`.
    pub fn of(editor: &str, tree: Option<&Path>) -> Result<Files, String> {
        let Some(tree) = tree else {
            let embedded = EMBEDDED.iter().filter(|(name, _)| *name == editor).flat_map(|(_, files)| *files);
            return Ok(Files(embedded.map(|(path, bytes)| ((*path).to_owned(), Cow::Borrowed(*bytes))).collect()));
        };
        let read = || -> io::Result<_> {
            let files = sources::files(&tree.join("adapters"), editor)?.into_iter();
            files.map(|(path, file)| Ok((path, Cow::Owned(fs::read(file)?)))).collect()
        };
        read().map(Files).map_err(|e| format!("{} is no checkout of Underpaint that can be read: {e}", tree.display()))
    }

    /// The content of one file.
    pub fn get(&self, path: &str) -> Option<&[u8]> {
        self.0.iter().find(|(name, _)| name == path).map(|(_, bytes)| &**bytes)
    }

    /// Writes them below `folder` in place of an older version, and beside them which program this is.
    pub fn lay_out(&self, folder: &Path) -> Result<(), String> {
        let program = env::current_exe().map_err(|e| format!("this program cannot be found: {e}"))?;
        let installed = json!({ "program": program }).to_string();
        self.take_away(folder)?;
        let files = self.0.iter().map(|(path, bytes)| (path.as_str(), &**bytes));
        for (path, bytes) in files.chain([(INSTALLED, installed.as_bytes())]) {
            let to = folder.join(path);
            let failed = |e: io::Error| format!("{} cannot be written: {e}", to.display());
            to.parent().map_or(Ok(()), fs::create_dir_all).map_err(failed)?;
            save::replace(&to, bytes).map_err(failed)?;
            if is_program(bytes) {
                make_executable(&to).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// Removes what [`Files::lay_out`] put below `folder`, of whatever version; nothing there is fine.
    pub fn take_away(&self, folder: &Path) -> Result<(), String> {
        for top in self.tops(folder) {
            let removed = if top.is_dir() { fs::remove_dir_all(&top) } else { fs::remove_file(&top) };
            match removed {
                Err(e) if e.kind() != io::ErrorKind::NotFound => {
                    return Err(format!("{} cannot be removed: {e}", top.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Whether they are below `folder`.
    pub fn state(&self, folder: &Path) -> State {
        if !self.tops(folder).iter().any(|top| top.exists()) {
            return State::Absent;
        }
        let same =
            |(path, bytes): &(String, Cow<[u8]>)| fs::read(folder.join(path)).is_ok_and(|there| there == **bytes);
        if self.0.iter().all(same) { State::Current } else { State::Other }
    }

    /// All of them in one zip. The same files give the same bytes.
    pub fn zip(&self) -> Result<Vec<u8>, String> {
        let failed = |e: &dyn std::fmt::Display| format!("the files cannot be packed: {e}");
        let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
        for (path, bytes) in &self.0 {
            let mode = if is_program(bytes) { 0o755 } else { 0o644 };
            let options = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
            let options = options.last_modified_time(DateTime::default()).unix_permissions(mode);
            archive.start_file(path, options).map_err(|e| failed(&e))?;
            archive.write_all(bytes).map_err(|e| failed(&e))?;
        }
        archive.finish().map(Cursor::into_inner).map_err(|e| failed(&e))
    }

    /// What lies directly in `folder`: whole folders and single files.
    fn tops(&self, folder: &Path) -> Vec<PathBuf> {
        let mut tops: Vec<_> = self.0.iter().filter_map(|(path, _)| path.split('/').next()).collect();
        tops.dedup();
        tops.into_iter().map(|top| folder.join(top)).collect()
    }
}

/// True for what the system starts by itself, as GIMP wants it of its plug-ins.
fn is_program(bytes: &[u8]) -> bool {
    bytes.starts_with(b"#!")
}

#[cfg(unix)]
fn make_executable(path: &Path) -> io::Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let mode = fs::metadata(path)?.permissions().mode();
    fs::set_permissions(path, fs::Permissions::from_mode(mode | (mode & 0o444) >> 2))
}

#[cfg(not(unix))]
fn make_executable(_: &Path) -> io::Result<()> {
    Ok(())
}
