//! The files of an adapter: laid out in a folder, taken away again, compared, packed.

use super::sources;
use crate::home::Home;
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

/// By these an adapter is known, of whatever version and however it came: the file its editor starts with, and what all in
/// Python have in common.
const MARKS: [&str; 4] =
    ["manifest.json", "underpaint/__init__.py", "underpaint/underpaint.py", "underpaint/underpaint_client.py"];

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

    /// Writes them below `folder` in place of an older version, and beside them which program this is. Refuses to replace
    /// what is no adapter.
    pub fn lay_out(&self, folder: &Path) -> Result<(), String> {
        let program = env::current_exe().map_err(|e| format!("this program cannot be found: {e}"))?;
        let installed = json!({ "program": program }).to_string();
        self.admit(folder, &kept())?;
        let files = self.0.iter().map(|(path, bytes)| (path.as_str(), &**bytes));
        let mut files = files.chain([(INSTALLED, installed.as_bytes())]);
        let fill = |new: &Path| {
            files.try_for_each(|(path, bytes)| {
                let to = new.join(path);
                to.parent().map_or(Ok(()), fs::create_dir_all)?;
                save::replace(&to, bytes)?;
                if is_program(bytes) { make_executable(&to) } else { Ok(()) }
            })
        };
        save::replace_in(folder, &self.tops(), fill)
            .map_err(|e| format!("the adapter cannot be written to {}: {e}", folder.display()))
    }

    /// Removes what [`Files::lay_out`] put below `folder`, of whatever version; nothing there is fine. Refuses to remove
    /// what is no adapter.
    pub fn take_away(&self, folder: &Path) -> Result<(), String> {
        self.admit(folder, &kept())?;
        let tops = self.tops();
        if !tops.iter().any(|top| save::is_there(&folder.join(top))) {
            return Ok(());
        }
        save::replace_in(folder, &tops, |_| Ok(()))
            .map_err(|e| format!("the adapter cannot be removed from {}: {e}", folder.display()))
    }

    /// Whether they are below `folder`.
    pub fn state(&self, folder: &Path) -> State {
        if !self.are_known_in(folder) {
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

    /// What of them lies directly in a folder: whole folders and single files.
    fn tops(&self) -> Vec<&str> {
        let mut tops: Vec<_> = self.0.iter().filter_map(|(path, _)| path.split('/').next()).collect();
        tops.dedup();
        tops
    }

    /// Whether the marks of this adapter are below `folder`.
    fn are_known_in(&self, folder: &Path) -> bool {
        let mut marks = MARKS.iter().filter(|mark| self.get(mark).is_some());
        marks.all(|mark| folder.join(mark).is_file())
    }

    /// Fails with a sentence unless the places below `folder` where they go hold the adapter or nothing, and none of `kept`.
    fn admit(&self, folder: &Path, kept: &[PathBuf]) -> Result<(), String> {
        const ELSE: &str = "name another folder with --to";
        let known = self.are_known_in(folder);
        for top in self.tops() {
            let path = folder.join(top);
            let shown = path.display();
            if let Some(kept) = kept.iter().find(|kept| resolved(kept).starts_with(resolved(&path))) {
                let kept = kept.display();
                return Err(format!(
                    "{shown} is no place for the adapter, because Underpaint's own {kept} is there; {ELSE}"
                ));
            }
            let same = || self.get(top).is_some_and(|bytes| fs::read(&path).is_ok_and(|there| there == bytes));
            if !known && save::is_there(&path) && !same() {
                return Err(format!("{shown} is not the adapter but something else; move it away, or {ELSE}"));
            }
        }
        Ok(())
    }
}

/// What must not be replaced or removed with an adapter: Underpaint's home, and the program that runs.
fn kept() -> Vec<PathBuf> {
    let home = Home::find().ok().map(|home| home.root().to_owned());
    home.into_iter().chain(env::current_exe().ok()).collect()
}

/// Without links, as far as it exists.
fn resolved(path: &Path) -> PathBuf {
    fs::canonicalize(path).unwrap_or_else(|_| match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => resolved(parent).join(name),
        _ => path.to_owned(),
    })
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

#[cfg(test)]
mod tests {
    use super::*;

    fn files() -> [Files; 2] {
        ["krita", "gimp"].map(|editor| Files::of(editor, None).unwrap())
    }

    #[test]
    fn what_is_no_adapter_is_left_alone() {
        let [krita, gimp] = &files();
        for (files, there) in [
            (krita, "underpaint/Cargo.toml"),
            (gimp, "underpaint/models/own.safetensors"),
            (gimp, "underpaint"),
            (krita, "underpaint.desktop"),
            // A plug-in of somebody else's.
            (krita, "underpaint/__init__.py"),
        ] {
            let root = tempfile::tempdir().unwrap();
            let (folder, own) = (root.path(), root.path().join(there));
            fs::create_dir_all(own.parent().unwrap()).unwrap();
            fs::write(&own, "own").unwrap();
            assert_eq!(files.state(folder), State::Absent, "{there}");
            for done in [files.lay_out(folder), files.take_away(folder)] {
                let sentence = done.unwrap_err();
                assert!(sentence.contains("something else; move it away, or name another folder"), "{sentence}");
            }
            assert!(fs::read(&own).unwrap() == b"own" && fs::read_dir(folder).unwrap().count() == 1, "{there}");
        }
        // Nor is another editor's, nor the client that anybody may use.
        let root = tempfile::tempdir().unwrap();
        krita.lay_out(root.path()).unwrap();
        assert!(gimp.lay_out(root.path()).is_err() && gimp.take_away(root.path()).is_err());
        assert_eq!([krita, gimp].map(|files| files.state(root.path())), [State::Current, State::Absent]);
        fs::remove_file(root.path().join("underpaint/__init__.py")).unwrap();
        for (editor, _) in sources::SOURCES {
            assert_eq!(Files::of(editor, None).unwrap().state(root.path()), State::Absent, "{editor}");
        }
    }

    #[test]
    fn an_adapter_that_was_unpacked_by_hand_is_replaced() {
        let root = tempfile::tempdir().unwrap();
        let (folder, [files, _]) = (root.path(), files());
        files.lay_out(folder).unwrap();
        for gone in ["installed.json", "docker.py"] {
            fs::remove_file(folder.join("underpaint").join(gone)).unwrap();
        }
        assert_eq!(files.state(folder), State::Other);
        files.lay_out(folder).unwrap();
        assert_eq!(files.state(folder), State::Current);
        // A file alone that is to the letter ours is no other's.
        fs::remove_dir_all(folder.join("underpaint")).unwrap();
        files.take_away(folder).unwrap();
        assert_eq!(fs::read_dir(folder).unwrap().count(), 0);
    }

    #[cfg(unix)]
    #[test]
    fn a_link_to_an_adapter_is_replaced_and_not_what_it_leads_to() {
        let root = tempfile::tempdir().unwrap();
        let (folder, kept, [files, _]) = (root.path().join("pykrita"), root.path().join("kept"), files());
        files.lay_out(&kept).unwrap();
        fs::create_dir(&folder).unwrap();
        for name in files.tops() {
            std::os::unix::fs::symlink(kept.join(name), folder.join(name)).unwrap();
        }
        fs::write(kept.join("underpaint/docker.py"), "own").unwrap();
        files.lay_out(&folder).unwrap();
        assert!(!folder.join("underpaint").is_symlink() && files.state(&folder) == State::Current);
        assert_eq!(fs::read(kept.join("underpaint/docker.py")).unwrap(), b"own");
    }

    #[test]
    fn the_home_and_the_program_never_go_with_an_adapter() {
        let root = tempfile::tempdir().unwrap();
        let (folder, [_, files]) = (root.path(), files());
        // Where nothing is yet, and where an adapter and a home have been mixed.
        for _ in 0..2 {
            for kept in ["underpaint", "underpaint/target/debug/underpaint"] {
                let sentence = files.admit(folder, &[folder.join("other"), folder.join(kept)]).unwrap_err();
                assert!(sentence.contains(kept) && sentence.contains("name another folder"), "{sentence}");
            }
            files.admit(folder, &[folder.join("underpaint-home"), folder.to_owned()]).unwrap();
            files.lay_out(folder).unwrap();
        }
    }

    #[test]
    fn an_adapter_stays_if_the_new_one_cannot_be_written() {
        let root = tempfile::tempdir().unwrap();
        let (folder, [files, _]) = (root.path(), files());
        files.lay_out(folder).unwrap();
        fs::write(folder.join(".underpaint.part"), "in the way").unwrap();
        assert!(files.lay_out(folder).is_err() && files.take_away(folder).is_err());
        assert_eq!(files.state(folder), State::Current);
    }
}
