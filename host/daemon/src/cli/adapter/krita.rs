//! Krita: Python plug-ins in `pykrita`, each switched on in `kritarc`. Everything else in that file stays as it is.

use super::places::{Place, Surroundings, System, names};
use crate::save;
use std::io;
use std::path::Path;

/// Switches the plug-in on in `kritarc`.
const SECTION: &str = "[python]";
const KEY: &str = "enable_underpaint";

/// What the Microsoft Store's Krita is called among the packages of a user, before a code of the Store's.
const STORE: &str = "49800Krita_";

/// As Qt finds them: XDG folders on Linux (a Flatpak's and a Snap's own besides), the Library on macOS, AppData on
/// Windows (the Store keeps a package's apart).
pub fn places(around: &Surroundings) -> Result<Vec<Place>, String> {
    let place = |what: &str, data: &Path, config: &Path, installed: bool| {
        let (data, settings) = (data.join("krita"), config.join("kritarc"));
        let seen = installed || data.is_dir() || settings.is_file();
        Place { what: what.to_owned(), folder: data.join("pykrita"), settings: Some(settings), seen }
    };
    if around.system == System::Windows {
        let (data, local) = (around.needed("APPDATA")?, around.needed("LOCALAPPDATA")?);
        let mut places = vec![place("Krita", &data, &local, false)];
        let packages = local.join("Packages");
        for name in names(&packages).iter().filter(|name| name.starts_with(STORE)) {
            let cache = packages.join(name).join("LocalCache");
            places.push(place("Krita of the Microsoft Store", &cache.join("Roaming"), &cache.join("Local"), true));
        }
        return Ok(places);
    }
    let home = around.needed("HOME")?;
    if around.system == System::Macos {
        let library = home.join("Library");
        return Ok(vec![place("Krita", &library.join("Application Support"), &library.join("Preferences"), false)]);
    }
    let data = around.folder("XDG_DATA_HOME").unwrap_or_else(|| home.join(".local/share"));
    let config = around.folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    let mut places = vec![place("Krita", &data, &config, around.has_program(&["krita"]))];
    let flatpak = home.join(".var/app/org.kde.krita");
    if flatpak.is_dir() {
        places.push(place("Krita (Flatpak)", &flatpak.join("data"), &flatpak.join("config"), true));
    }
    let snap = home.join("snap/krita/current");
    if snap.is_dir() {
        places.push(place("Krita (Snap)", &snap.join(".local/share"), &snap.join(".config"), true));
    }
    Ok(places)
}

/// Switches the plug-in on or off in `kritarc`.
pub fn switch(kritarc: &Path, enabled: bool) -> Result<(), String> {
    let failed = |e: io::Error| format!("{} cannot be changed: {e}", kritarc.display());
    let text = match std::fs::read_to_string(kritarc) {
        Ok(text) => text,
        Err(e) if e.kind() == io::ErrorKind::NotFound => String::new(),
        Err(e) => return Err(failed(e)),
    };
    let edited = set(&text, enabled);
    if edited == text {
        return Ok(());
    }
    kritarc.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
    // Krita makes it so that only the user can read it.
    let write = if kritarc.exists() { save::replace } else { save::replace_private };
    write(kritarc, edited.as_bytes()).map_err(failed)
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
    use super::super::places::tests::{Row, chosen, surroundings};
    use super::*;

    #[test]
    fn plug_ins_and_settings_lie_where_each_system_keeps_them() {
        let unix = [("HOME", "u")];
        let windows = [("APPDATA", "u/Roaming"), ("LOCALAPPDATA", "u/Local")];
        let store = "u/Local/Packages/49800Krita_1a2b3c";
        let rows: [Row<'_, (&str, &str)>; 9] = [
            (System::Linux, &unix, &[], &[("u/.local/share/krita/pykrita", "u/.config/kritarc")]),
            (
                System::Linux,
                &[("HOME", "u"), ("XDG_DATA_HOME", "d"), ("XDG_CONFIG_HOME", "c")],
                &[],
                &[("d/krita/pykrita", "c/kritarc")],
            ),
            // Where only a Flatpak or a Snap is, nothing is put beside it.
            (
                System::Linux,
                &unix,
                &["u/.var/app/org.kde.krita"],
                &[("u/.var/app/org.kde.krita/data/krita/pykrita", "u/.var/app/org.kde.krita/config/kritarc")],
            ),
            (
                System::Linux,
                &unix,
                &["u/snap/krita/current"],
                &[("u/snap/krita/current/.local/share/krita/pykrita", "u/snap/krita/current/.config/kritarc")],
            ),
            (
                System::Linux,
                &unix,
                &["u/.local/share/krita", "u/.var/app/org.kde.krita"],
                &[
                    ("u/.local/share/krita/pykrita", "u/.config/kritarc"),
                    ("u/.var/app/org.kde.krita/data/krita/pykrita", "u/.var/app/org.kde.krita/config/kritarc"),
                ],
            ),
            (
                System::Macos,
                &unix,
                &[],
                &[("u/Library/Application Support/krita/pykrita", "u/Library/Preferences/kritarc")],
            ),
            (System::Windows, &windows, &[], &[("u/Roaming/krita/pykrita", "u/Local/kritarc")]),
            (
                System::Windows,
                &windows,
                &[store],
                &[(
                    "u/Local/Packages/49800Krita_1a2b3c/LocalCache/Roaming/krita/pykrita",
                    "u/Local/Packages/49800Krita_1a2b3c/LocalCache/Local/kritarc",
                )],
            ),
            (
                System::Windows,
                &windows,
                &[store, "u/Roaming/krita"],
                &[
                    ("u/Roaming/krita/pykrita", "u/Local/kritarc"),
                    (
                        "u/Local/Packages/49800Krita_1a2b3c/LocalCache/Roaming/krita/pykrita",
                        "u/Local/Packages/49800Krita_1a2b3c/LocalCache/Local/kritarc",
                    ),
                ],
            ),
        ];
        for (system, variables, made, expected) in rows {
            let root = tempfile::tempdir().unwrap();
            let places = places(&surroundings(system, root.path(), variables, made)).unwrap();
            let (folders, settings): (Vec<_>, Vec<_>) = expected.iter().copied().unzip();
            assert_eq!(chosen(&places, root.path()), folders, "{system:?} {made:?}");
            for (place, settings) in super::super::places::wanted(&places).iter().zip(settings) {
                assert_eq!(place.settings, Some(root.path().join(settings)));
            }
        }
        let root = tempfile::tempdir().unwrap();
        let unset = surroundings(System::Windows, root.path(), &[("APPDATA", "u")], &[]);
        assert!(places(&unset).unwrap_err().contains("LOCALAPPDATA"));
    }

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
    fn a_kritarc_that_is_not_there_is_made_only_to_switch_on() {
        let dir = tempfile::tempdir().unwrap();
        let kritarc = dir.path().join("config/kritarc");
        switch(&kritarc, false).unwrap();
        assert!(!kritarc.exists());
        switch(&kritarc, true).unwrap();
        assert_eq!(std::fs::read_to_string(&kritarc).unwrap(), "[python]\nenable_underpaint=true\n");
        std::fs::create_dir(dir.path().join("folder")).unwrap();
        assert!(switch(&dir.path().join("folder"), true).unwrap_err().contains("folder"));
    }

    #[cfg(unix)]
    #[test]
    fn a_kritarc_that_is_a_link_stays_one_and_nobody_else_reads_it() {
        use std::os::unix::fs::{PermissionsExt, symlink};
        let dir = tempfile::tempdir().unwrap();
        let (kritarc, kept) = (dir.path().join("kritarc"), dir.path().join("dotfiles/kritarc"));
        let mode = || std::fs::metadata(&kept).unwrap().permissions().mode() & 0o777;
        switch(&kept, true).unwrap();
        assert_eq!(mode(), 0o600, "a new one is as Krita makes it");
        symlink(&kept, &kritarc).unwrap();
        for before in [0o600, 0o644] {
            std::fs::set_permissions(&kept, std::fs::Permissions::from_mode(before)).unwrap();
            for on in [false, true] {
                switch(&kritarc, on).unwrap();
                assert_eq!((kritarc.is_symlink(), mode()), (true, before));
                assert_eq!(std::fs::read_to_string(&kept).unwrap().contains(KEY), on);
            }
        }
    }
}
