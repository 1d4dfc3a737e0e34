//! Which files of the repository an adapter consists of, and where each lies in what is installed.
//!
//! Decision: one list, used twice. The build script puts the files into the program, so daemon and adapter always fit
//! each other; `--tree` takes them from a checkout, for those who work on an adapter.

use std::path::{Path, PathBuf};
use std::{fs, io};

/// Folders and files below `adapters/`, and where they, or their content, go.
type Folders = &'static [(&'static str, &'static str)];

/// Where every adapter's files come from, by the editor's name. The Python ones bring along what they share.
pub const SOURCES: &[(&str, Folders)] = &[
    (
        "krita",
        &[
            ("krita/pykrita", ""),
            ("python/underpaint_client.py", "underpaint/underpaint_client.py"),
            ("python/underpaint_program.py", "underpaint/underpaint_program.py"),
        ],
    ),
    (
        "gimp",
        &[
            ("gimp/underpaint", "underpaint"),
            ("python/underpaint_client.py", "underpaint/underpaint_client.py"),
            ("python/underpaint_program.py", "underpaint/underpaint_program.py"),
        ],
    ),
    (
        "photoshop",
        &[
            ("photoshop/manifest.json", "manifest.json"),
            ("photoshop/index.html", "index.html"),
            ("photoshop/style.css", "style.css"),
            ("photoshop/icons", "icons"),
            ("photoshop/dist", "dist"),
        ],
    ),
];

/// (path in what is installed, file) of all that belongs to `editor`, sorted; `adapters` is the repository's folder of
/// that name.
pub fn files(adapters: &Path, editor: &str) -> io::Result<Vec<(String, PathBuf)>> {
    let mut found = Vec::new();
    for (from, to) in SOURCES.iter().filter(|(name, _)| *name == editor).flat_map(|(_, folders)| *folders) {
        below(&adapters.join(from), to, &mut found)?;
    }
    found.sort();
    Ok(found)
}

/// `path` itself or everything in it, but for what Python and editors leave behind.
fn below(path: &Path, to: &str, found: &mut Vec<(String, PathBuf)>) -> io::Result<()> {
    if path.is_file() {
        found.push((to.to_owned(), path.to_owned()));
        return Ok(());
    }
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "__pycache__" || name.ends_with('~') {
            continue;
        }
        let to = if to.is_empty() { name } else { format!("{to}/{name}") };
        below(&entry.path(), &to, found)?;
    }
    Ok(())
}
