//! GIMP 3: a folder below `plug-ins` with a program of the same name. Each minor version has a profile of its own.

use super::places::{Place, Surroundings, System, names};
use std::path::{Path, PathBuf};

/// Where there is no profile yet, GIMP 3.0 will look here; what GIMP makes on its first start it makes beside it.
const FIRST: &str = "3.0";

/// Every profile of a GIMP 3 that exists, a Flatpak's and a Snap's too; `GIMP3_DIRECTORY` is the only one where it is set, as
/// for GIMP itself.
pub fn places(around: &Surroundings) -> Result<Vec<Place>, String> {
    let place = |what: String, profile: &Path, seen: bool| Place {
        what,
        folder: profile.join("plug-ins"),
        settings: None,
        seen,
    };
    if let Some(own) = around.folder("GIMP3_DIRECTORY") {
        let home = around.folder(if around.system == System::Windows { "USERPROFILE" } else { "HOME" });
        let profile = home.unwrap_or_default().join(own);
        return Ok(vec![place("GIMP 3 of GIMP3_DIRECTORY".into(), &profile, profile.is_dir())]);
    }
    let bases = bases(around)?;
    let mut places = Vec::new();
    for (kind, base) in &bases {
        for version in names(base).iter().filter(|name| is_third(name)) {
            places.push(place(format!("GIMP {version}{kind}"), &base.join(version), true));
        }
    }
    if let (true, Some((kind, base))) = (places.is_empty(), bases.first()) {
        let here = around.has_program(&["gimp-3.0", "gimp-3", "gimp-3.0.exe"]);
        places.push(place(format!("GIMP {FIRST}{kind}"), &base.join(FIRST), here));
    }
    Ok(places)
}

/// Folders that hold a profile for each version, the usual one first.
fn bases(around: &Surroundings) -> Result<Vec<(&'static str, PathBuf)>, String> {
    if around.system == System::Windows {
        return Ok(vec![("", around.needed("APPDATA")?.join("GIMP"))]);
    }
    let home = around.needed("HOME")?;
    if around.system == System::Macos {
        return Ok(vec![("", home.join("Library/Application Support/GIMP"))]);
    }
    let config = around.folder("XDG_CONFIG_HOME").unwrap_or_else(|| home.join(".config"));
    Ok(vec![
        // Most Flatpaks and Snaps of GIMP 3 share it.
        ("", config.join("GIMP")),
        (" (Flatpak)", home.join(".var/app/org.gimp.GIMP/config/GIMP")),
        (" (Snap)", home.join("snap/gimp/current/.config/GIMP")),
    ])
}

/// `3.0`, `3.2`, …; not `2.10`, `3.0.bak`.
fn is_third(version: &str) -> bool {
    version.strip_prefix("3.").is_some_and(|minor| !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit()))
}

#[cfg(test)]
mod tests {
    use super::super::places::tests::{Row, chosen, surroundings};
    use super::*;

    #[test]
    fn every_profile_of_a_gimp_3_is_found() {
        let unix: &[(&str, &str)] = &[("HOME", "u")];
        let windows: &[(&str, &str)] = &[("APPDATA", "u/Roaming"), ("USERPROFILE", "u")];
        let rows: [Row<'_, &str>; 9] = [
            (System::Linux, unix, &[], &["u/.config/GIMP/3.0/plug-ins"]),
            (System::Linux, unix, &["u/.config/GIMP/2.10"], &["u/.config/GIMP/3.0/plug-ins"]),
            (
                System::Linux,
                unix,
                &["u/.config/GIMP/3.0", "u/.config/GIMP/3.2", "u/.config/GIMP/3.2.bak", "u/.config/GIMP/2.10"],
                &["u/.config/GIMP/3.0/plug-ins", "u/.config/GIMP/3.2/plug-ins"],
            ),
            (
                System::Linux,
                unix,
                &["u/.var/app/org.gimp.GIMP/config/GIMP/3.2", "u/snap/gimp/current/.config/GIMP/3.0"],
                &["u/.var/app/org.gimp.GIMP/config/GIMP/3.2/plug-ins", "u/snap/gimp/current/.config/GIMP/3.0/plug-ins"],
            ),
            (System::Linux, &[("HOME", "u"), ("XDG_CONFIG_HOME", "c")], &["c/GIMP/3.2"], &["c/GIMP/3.2/plug-ins"]),
            (System::Linux, &[("HOME", "u"), ("GIMP3_DIRECTORY", "own")], &["u/.config/GIMP/3.0"], &["own/plug-ins"]),
            (
                System::Macos,
                unix,
                &["u/Library/Application Support/GIMP/3.0"],
                &["u/Library/Application Support/GIMP/3.0/plug-ins"],
            ),
            (System::Windows, windows, &[], &["u/Roaming/GIMP/3.0/plug-ins"]),
            (System::Windows, windows, &["u/Roaming/GIMP/3.2"], &["u/Roaming/GIMP/3.2/plug-ins"]),
        ];
        for (system, variables, made, expected) in rows {
            let root = tempfile::tempdir().unwrap();
            let places = places(&surroundings(system, root.path(), variables, made)).unwrap();
            assert_eq!(chosen(&places, root.path()), expected, "{system:?} {made:?}");
        }
    }
}
