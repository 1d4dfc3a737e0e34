//! Photoshop: plug-ins come as a `.ccx`, a zip that Adobe's own installer lays out and registers. It comes with Creative
//! Cloud, opens on a double click, and takes orders on the command line, too.

use super::files::{Files, State};
use super::places::{Place, Surroundings, System, names};
use serde::Deserialize;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What of `manifest.json` tells how Adobe's side names the plug-in.
#[derive(Deserialize)]
pub struct Manifest {
    id: String,
    /// The installer removes by it.
    name: String,
    version: String,
}

impl Manifest {
    pub fn of(files: &Files) -> Result<Manifest, String> {
        let text = files.get("manifest.json").ok_or("the Photoshop adapter has no manifest.json")?;
        serde_json::from_slice(text).map_err(|e| format!("the Photoshop adapter's manifest.json cannot be read: {e}"))
    }
}

/// Folders of the plug-in as Adobe's installer makes them, one for each version that lies there; this version's if there is
/// none. Empty where there is no Photoshop.
pub fn places(around: &Surroundings, manifest: &Manifest) -> Result<Vec<Place>, String> {
    let (data, programs) = match around.system {
        System::Linux => return Ok(Vec::new()),
        System::Macos => (around.needed("HOME")?.join("Library/Application Support"), PathBuf::from("/Applications")),
        System::Windows => (around.needed("APPDATA")?, around.folder("ProgramFiles").unwrap_or_default().join("Adobe")),
    };
    let seen = names(&programs).iter().any(|name| name.starts_with("Adobe Photoshop"));
    let external = data.join("Adobe/UXP/Plugins/External");
    let place =
        |name: &str, seen| Place { what: "Photoshop".to_owned(), folder: external.join(name), settings: None, seen };
    let ours = format!("{}_", manifest.id);
    let there: Vec<_> =
        names(&external).iter().filter(|name| name.starts_with(&ours)).map(|name| place(name, true)).collect();
    Ok(if there.is_empty() { vec![place(&format!("{ours}{}", manifest.version), seen)] } else { there })
}

/// The sum over all its folders.
pub fn state(places: &[Place], files: &Files) -> State {
    match places.iter().map(|place| files.state(&place.folder)).collect::<Vec<_>>().as_slice() {
        [] => State::Absent,
        [one] => *one,
        _ => State::Other,
    }
}

/// Where Adobe's installer would be.
pub fn installers(around: &Surroundings) -> Vec<PathBuf> {
    const BELOW: &str = "Adobe/Adobe Desktop Common/RemoteComponents/UPI/UnifiedPluginInstallerAgent";
    match around.system {
        System::Linux => Vec::new(),
        System::Macos => {
            let program = "UnifiedPluginInstallerAgent.app/Contents/MacOS/UnifiedPluginInstallerAgent";
            vec![Path::new("/Library/Application Support").join(BELOW).join(program)]
        }
        System::Windows => ["CommonProgramW6432", "CommonProgramFiles", "CommonProgramFiles(x86)"]
            .iter()
            .filter_map(|variable| around.folder(variable))
            .map(|common| common.join(BELOW).join("UnifiedPluginInstallerAgent.exe"))
            .collect(),
    }
}

/// What Adobe's installer is asked to do.
#[derive(Clone, Copy)]
pub enum Order<'a> {
    Install(&'a Path),
    Remove(&'a Manifest),
}

impl Order<'_> {
    /// As each system's installer wants to hear it.
    fn arguments(self, system: System) -> [PathBuf; 2] {
        let (word, what) = match self {
            Order::Install(ccx) => ("install", ccx.to_owned()),
            Order::Remove(manifest) => ("remove", manifest.name.clone().into()),
        };
        let dash = if system == System::Windows { "/" } else { "--" };
        [format!("{dash}{word}").into(), what]
    }

    /// Gives it to `installer`; false if that could not do it.
    pub fn give(self, installer: &Path, system: System) -> bool {
        let said = Command::new(installer).args(self.arguments(system)).output();
        // Its exit status has been 0 for failures.
        let failed = |text: &[u8]| String::from_utf8_lossy(text).to_lowercase().contains("fail");
        said.is_ok_and(|said| said.status.success() && !failed(&said.stdout) && !failed(&said.stderr))
    }
}

#[cfg(test)]
mod tests {
    use super::super::places::tests::surroundings;
    use super::*;

    fn manifest() -> Manifest {
        Manifest { id: "org.example".into(), name: "Example".into(), version: "1.2.0".into() }
    }

    #[test]
    fn the_plug_in_lies_where_adobe_puts_it() {
        let windows = [("APPDATA", "u/Roaming"), ("ProgramFiles", "P"), ("CommonProgramFiles", "P/Common")];
        let external = "u/Roaming/Adobe/UXP/Plugins/External";
        let (old, other) = (format!("{external}/org.example_1.1.0"), format!("{external}/org.example.more_1.0.0"));
        for (made, folder, seen) in [
            (vec![], format!("{external}/org.example_1.2.0"), false),
            (vec!["P/Adobe/Adobe Photoshop 2026"], format!("{external}/org.example_1.2.0"), true),
            (vec![old.as_str(), &other], old.clone(), true),
        ] {
            let root = tempfile::tempdir().unwrap();
            let around = surroundings(System::Windows, root.path(), &windows, &made);
            let places = places(&around, &manifest()).unwrap();
            assert_eq!(places.len(), 1);
            assert_eq!((&places[0].folder, places[0].seen), (&root.path().join(folder), seen), "{made:?}");
        }
        let root = tempfile::tempdir().unwrap();
        let macos = surroundings(System::Macos, root.path(), &[("HOME", "u")], &[]);
        let folder = root.path().join("u/Library/Application Support/Adobe/UXP/Plugins/External/org.example_1.2.0");
        assert_eq!(places(&macos, &manifest()).unwrap()[0].folder, folder);
        let linux = surroundings(System::Linux, root.path(), &[("HOME", "u")], &[]);
        assert_eq!((places(&linux, &manifest()).unwrap(), installers(&linux)), (vec![], vec![]));
    }

    #[test]
    fn adobes_installer_is_told_what_it_understands() {
        let root = tempfile::tempdir().unwrap();
        let windows = surroundings(System::Windows, root.path(), &[("CommonProgramFiles", "P/Common")], &[]);
        let upi = "Adobe/Adobe Desktop Common/RemoteComponents/UPI/UnifiedPluginInstallerAgent";
        let agent = root.path().join("P/Common").join(upi).join("UnifiedPluginInstallerAgent.exe");
        assert_eq!(installers(&windows), [agent]);
        let (ccx, manifest) = (Path::new("a b.ccx"), manifest());
        for (order, system, expected) in [
            (Order::Install(ccx), System::Windows, ["/install", "a b.ccx"]),
            (Order::Install(ccx), System::Macos, ["--install", "a b.ccx"]),
            (Order::Remove(&manifest), System::Windows, ["/remove", "Example"]),
            (Order::Remove(&manifest), System::Macos, ["--remove", "Example"]),
        ] {
            assert_eq!(order.arguments(system), expected.map(PathBuf::from));
        }
    }

    #[cfg(unix)]
    #[test]
    fn an_installer_that_fails_is_not_believed() {
        use std::os::unix::fs::PermissionsExt;
        let root = tempfile::tempdir().unwrap();
        let installer = root.path().join("agent");
        for (script, done) in
            [("echo Installation Successful", true), ("echo Installation Failed", false), ("exit 3", false)]
        {
            std::fs::write(&installer, format!("#!/bin/sh\n{script}\n")).unwrap();
            std::fs::set_permissions(&installer, std::fs::Permissions::from_mode(0o755)).unwrap();
            assert_eq!(Order::Install(Path::new("x.ccx")).give(&installer, System::Macos), done, "{script}");
        }
        assert!(!Order::Install(Path::new("x.ccx")).give(&root.path().join("nowhere"), System::Macos));
    }
}
