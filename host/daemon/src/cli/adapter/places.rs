//! Where editors keep what belongs to a user.
//!
//! Decision: pure functions of the system, its variables and the folders that exist, so that every system's rules are
//! tested on all of them.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

/// The systems whose rules are known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum System {
    /// And what is like it: XDG folders.
    Linux,
    /// The Library.
    Macos,
    /// AppData.
    Windows,
}

/// What decides where an editor looks.
pub struct Surroundings {
    /// Whose rules hold.
    pub system: System,
    variables: Vec<(OsString, OsString)>,
}

impl Surroundings {
    /// This process's own.
    pub fn here() -> Surroundings {
        let system = match () {
            () if cfg!(windows) => System::Windows,
            () if cfg!(target_os = "macos") => System::Macos,
            () => System::Linux,
        };
        Surroundings { system, variables: std::env::vars_os().collect() }
    }

    /// A folder that a variable names, if it is set.
    pub fn folder(&self, variable: &str) -> Option<PathBuf> {
        self.value(variable).filter(|value| !value.is_empty()).map(PathBuf::from)
    }

    fn value(&self, variable: &str) -> Option<&OsString> {
        let same = |name: &OsString| match self.system {
            System::Windows => name.eq_ignore_ascii_case(variable),
            _ => name == variable,
        };
        self.variables.iter().find(|(name, _)| same(name)).map(|(_, value)| value)
    }

    /// A folder that must be known.
    pub fn needed(&self, variable: &str) -> Result<PathBuf, String> {
        self.folder(variable).ok_or_else(|| format!("{variable} is not set, so the editor's folders cannot be found"))
    }

    /// True if one of these programs lies in the search path.
    pub fn has_program(&self, names: &[&str]) -> bool {
        let path = self.value("PATH");
        path.into_iter()
            .flat_map(std::env::split_paths)
            .any(|folder| names.iter().any(|name| folder.join(name).is_file()))
    }
}

/// Where one installation of an editor looks for plug-ins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which installation this is, for people.
    pub what: String,
    /// Plug-ins lie in it.
    pub folder: PathBuf,
    /// A file of settings in which the plug-in has to be switched on.
    pub settings: Option<PathBuf>,
    /// True if the editor is here, or was.
    pub seen: bool,
}

/// Those to install into: where the editor has been seen, else its usual place, which is the first.
pub fn wanted(places: &[Place]) -> Vec<&Place> {
    let seen: Vec<_> = places.iter().filter(|place| place.seen).collect();
    if seen.is_empty() { places.first().into_iter().collect() } else { seen }
}

/// Names of what lies in `folder`, sorted; none if there is no such folder.
pub fn names(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    names
}

#[cfg(test)]
pub mod tests {
    use super::*;

    /// The system, its variables, folders that exist, and what is expected of that.
    pub type Row<'a, E> = (System, &'a [(&'a str, &'a str)], &'a [&'a str], &'a [E]);

    /// Surroundings of `system`, whose variables name folders below `root`; the folders `made` exist there.
    pub fn surroundings(system: System, root: &Path, variables: &[(&str, &str)], made: &[&str]) -> Surroundings {
        for folder in made {
            std::fs::create_dir_all(root.join(folder)).unwrap();
        }
        let own = |(name, below): &(&str, &str)| (name.into(), root.join(below).into_os_string());
        Surroundings { system, variables: variables.iter().map(own).collect() }
    }

    /// Folders of those to install into, below `root` and with `/`.
    pub fn chosen(places: &[Place], root: &Path) -> Vec<String> {
        let below = |place: &&Place| {
            place.folder.strip_prefix(root).unwrap().to_string_lossy().replace(std::path::MAIN_SEPARATOR, "/")
        };
        wanted(places).iter().map(below).collect()
    }
}
