//! `underpaint adapter`: puts the part that lives inside an editor where the editor looks for it.
//!
//! Decision: the files are inside this binary, so daemon and adapter always fit each other. Installing copies them
//! and switches the plug-in on in Krita's configuration; everything else in that file stays as it is.

use super::{Failure, Global};
use crate::save;
use clap::{Args, Subcommand, ValueEnum};
use serde_json::json;
use std::path::{Path, PathBuf};

macro_rules! plug_in {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_bytes!(concat!("../../../../adapters/krita/pykrita/", $name)))),*]
    };
}

/// The Krita plug-in as it lies in Krita's `pykrita` folder; a test compares the list with the folder.
const PLUG_IN: &[(&str, &[u8])] = plug_in![
    "underpaint.desktop",
    "underpaint/Manual.html",
    "underpaint/__init__.py",
    "underpaint/amount.py",
    "underpaint/apply.py",
    "underpaint/canvas.py",
    "underpaint/choice.py",
    "underpaint/connection.py",
    "underpaint/controls.py",
    "underpaint/conversion.py",
    "underpaint/daemon.py",
    "underpaint/docker.py",
    "underpaint/document.py",
    "underpaint/entries.py",
    "underpaint/expand.py",
    "underpaint/fill.py",
    "underpaint/filter_controls.py",
    "underpaint/filtering.py",
    "underpaint/filters.py",
    "underpaint/history.py",
    "underpaint/job.py",
    "underpaint/jobs.py",
    "underpaint/layers.py",
    "underpaint/ledger.py",
    "underpaint/live.py",
    "underpaint/loras.py",
    "underpaint/mirror.py",
    "underpaint/models.py",
    "underpaint/modes.py",
    "underpaint/moment.py",
    "underpaint/more.py",
    "underpaint/preview.py",
    "underpaint/prompt.py",
    "underpaint/qt.py",
    "underpaint/queue.py",
    "underpaint/regions.py",
    "underpaint/results.py",
    "underpaint/section.py",
    "underpaint/status.py",
    "underpaint/story.py",
    "underpaint/styles.py",
    "underpaint/watching.py",
    "underpaint/weights.py",
    "underpaint/widgets.py",
];
/// The client that every Python adapter brings along.
const CLIENT: (&str, &[u8]) =
    ("underpaint/underpaint_client.py", include_bytes!("../../../../adapters/python/underpaint_client.py"));
/// Tells the plug-in which program installed it.
const INSTALLED: &str = "underpaint/installed.json";
/// Switches the plug-in on in `kritarc`.
const SECTION: &str = "[python]";
const KEY: &str = "enable_underpaint";

const EXAMPLES: &str = "\
Examples:
  underpaint adapter install krita
  underpaint adapter install krita --uninstall

Close Krita first: it writes its settings when it ends.";

/// Install the part that lives inside an editor
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Adapter {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Copy the adapter to where the editor looks for it and switch it on
    Install {
        #[arg(value_enum)]
        editor: Editor,
        /// Take it away again
        #[arg(long)]
        uninstall: bool,
    },
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Editor {
    /// Krita 5
    Krita,
}

impl Adapter {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let Action::Install { editor: Editor::Krita, uninstall } = self.action;
        let places = Places::find().map_err(Failure::Failed)?;
        for place in &places {
            if uninstall { uninstall_krita(place) } else { install_krita(place) }.map_err(Failure::Failed)?;
        }
        let folders: Vec<_> = places.iter().map(|p| p.plugins.display().to_string()).collect();
        let sentence = match uninstall {
            true => format!("The Krita adapter is gone from {}", folders.join(" and ")),
            false => format!(
                "The Krita adapter is in {}; start Krita again and open Settings > Dockers > Underpaint",
                folders.join(" and ")
            ),
        };
        global.say(&json!({"editor": "krita", "installed": !uninstall, "folders": folders}), &sentence);
        Ok(())
    }
}

/// Where a Krita keeps what belongs to this user.
pub struct Places {
    /// Python plug-ins.
    plugins: PathBuf,
    /// `kritarc`.
    settings: PathBuf,
}

impl Places {
    /// As Qt finds them: XDG folders on Linux (a Flatpak's as well, if there is one), the Library on macOS, AppData
    /// on Windows.
    pub fn find() -> Result<Vec<Places>, String> {
        let folder = |variable: &str| std::env::var_os(variable).filter(|v| !v.is_empty()).map(PathBuf::from);
        let needed = |variable: &str| {
            folder(variable).ok_or_else(|| format!("{variable} is not set, so Krita's folders cannot be found"))
        };
        if cfg!(windows) {
            let (data, local) = (needed("APPDATA")?, needed("LOCALAPPDATA")?);
            return Ok(vec![Places { plugins: data.join("krita/pykrita"), settings: local.join("kritarc") }]);
        }
        let home = needed("HOME")?;
        if cfg!(target_os = "macos") {
            let (data, settings) = (home.join("Library/Application Support"), home.join("Library/Preferences"));
            return Ok(vec![Places { plugins: data.join("krita/pykrita"), settings: settings.join("kritarc") }]);
        }
        let data = folder("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
        let config = folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
        let mut places = vec![Places { plugins: data.join("krita/pykrita"), settings: config.join("kritarc") }];
        let flatpak = home.join(".var/app/org.kde.krita");
        if flatpak.is_dir() {
            let settings = flatpak.join("config/kritarc");
            places.push(Places { plugins: flatpak.join("data/krita/pykrita"), settings });
        }
        Ok(places)
    }

    /// True if the plug-in's files are there and are this version's.
    pub fn is_current(&self) -> bool {
        files().all(|(path, bytes)| std::fs::read(self.plugins.join(path)).is_ok_and(|there| there == bytes))
    }

    /// True if some version of the plug-in is there.
    pub fn is_installed(&self) -> bool {
        self.plugins.join("underpaint/__init__.py").is_file()
    }
}

/// Path below `pykrita` and content of every file.
fn files() -> impl Iterator<Item = (&'static str, &'static [u8])> {
    PLUG_IN.iter().copied().chain([CLIENT])
}

fn install_krita(places: &Places) -> Result<(), String> {
    let program = std::env::current_exe().map_err(|e| format!("this program cannot be found: {e}"))?;
    let installed = json!({ "program": program }).to_string();
    let written: [(&str, &[u8]); 1] = [(INSTALLED, installed.as_bytes())];
    for (path, bytes) in files().collect::<Vec<(&str, &[u8])>>().into_iter().chain(written) {
        let to = places.plugins.join(path);
        let failed = |e: std::io::Error| format!("{} cannot be written: {e}", to.display());
        to.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
        save::replace(&to, bytes).map_err(failed)?;
    }
    edit_settings(&places.settings, |text| set(text, true))
}

fn uninstall_krita(places: &Places) -> Result<(), String> {
    let gone = |result: std::io::Result<()>, path: &Path| match result {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("{} cannot be removed: {e}", path.display())),
        _ => Ok(()),
    };
    let folder = places.plugins.join("underpaint");
    gone(std::fs::remove_dir_all(&folder), &folder)?;
    let desktop = places.plugins.join("underpaint.desktop");
    gone(std::fs::remove_file(&desktop), &desktop)?;
    match places.settings.exists() {
        true => edit_settings(&places.settings, |text| set(text, false)),
        false => Ok(()),
    }
}

fn edit_settings(path: &Path, edit: impl Fn(&str) -> String) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{} cannot be changed: {e}", path.display());
    let text = match std::fs::read_to_string(path) {
        Ok(text) => text,
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(failed(e)),
    };
    let edited = edit(&text);
    if edited == text {
        return Ok(());
    }
    path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
    save::replace(path, edited.as_bytes()).map_err(failed)
}

/// The settings with the plug-in's switch as wanted; every other line as it was.
fn set(text: &str, enabled: bool) -> String {
    let is_switch = |line: &str| line.split('=').next().is_some_and(|key| key.trim() == KEY);
    let mut lines: Vec<&str> = text.lines().filter(|line| !is_switch(line)).collect();
    let switch = format!("{KEY}=true");
    if enabled {
        match lines.iter().position(|line| line.trim() == SECTION) {
            Some(at) => lines.insert(at + 1, &switch),
            None => {
                if lines.last().is_some_and(|line| !line.trim().is_empty()) {
                    lines.push("");
                }
                lines.extend([SECTION, &switch]);
            }
        }
    }
    let mut out = lines.join("\n");
    if !out.is_empty() {
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_switch_changes_in_kritarc() {
        for (before, on, off) in [
            ("", "[python]\nenable_underpaint=true\n", ""),
            ("[a]\nx=1\n", "[a]\nx=1\n\n[python]\nenable_underpaint=true\n", "[a]\nx=1\n"),
            (
                "[python]\nenable_underpaint_more=true\nenable_underpaint=false\n[b]\n",
                "[python]\nenable_underpaint=true\nenable_underpaint_more=true\n[b]\n",
                "[python]\nenable_underpaint_more=true\n[b]\n",
            ),
        ] {
            assert_eq!(set(before, true), on);
            assert_eq!(set(before, false), off);
            assert_eq!(set(on, true), on, "twice is once");
        }
    }

    #[test]
    fn installing_and_uninstalling_leaves_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let places = Places { plugins: dir.path().join("data/pykrita"), settings: dir.path().join("config/kritarc") };
        assert!(!places.is_installed());
        install_krita(&places).unwrap();
        assert!(places.is_installed() && places.is_current());
        assert!(places.plugins.join("underpaint.desktop").is_file() && places.plugins.join(CLIENT.0).is_file());
        assert!(std::fs::read_to_string(&places.settings).unwrap().contains("enable_underpaint=true"));
        let program = std::fs::read_to_string(places.plugins.join(INSTALLED)).unwrap();
        assert!(program.contains("program"), "{program}");
        std::fs::write(places.plugins.join(CLIENT.0), "old").unwrap();
        assert!(!places.is_current());
        uninstall_krita(&places).unwrap();
        uninstall_krita(&places).unwrap();
        assert_eq!(std::fs::read_dir(&places.plugins).unwrap().count(), 0);
    }

    #[test]
    fn every_file_of_the_plug_in_is_inside() {
        fn below(dir: &Path, found: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path()) {
                if entry.is_dir() {
                    below(&entry, found);
                } else if entry.extension().is_some_and(|e| e != "pyc") {
                    found.push(entry);
                }
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../adapters/krita/pykrita");
        let mut found = Vec::new();
        below(&root, &mut found);
        let mut found: Vec<String> =
            found.iter().map(|path| path.strip_prefix(&root).unwrap().to_string_lossy().replace('\\', "/")).collect();
        found.sort();
        let mut inside: Vec<&str> = PLUG_IN.iter().map(|(name, _)| *name).collect();
        inside.sort_unstable();
        assert_eq!(inside, found, "PLUG_IN in cli/adapter.rs lists the files of adapters/krita/pykrita");
    }
}
