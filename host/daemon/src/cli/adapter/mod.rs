//! `underpaint adapter`: puts the part that lives inside an editor where the editor looks for it.
//!
//! Decision: the files are inside this binary (see [`sources`]), so daemon and adapter always fit each other, and every
//! way of handing them out starts from there: laid out for Krita and GIMP, packed for Photoshop and for carrying elsewhere.

mod files;
mod gimp;
mod krita;
mod photoshop;
mod places;
mod sources;

use super::{Failure, Global};
use crate::home::Home;
use crate::{platform, save};
use clap::{Args, Subcommand, ValueEnum};
use files::Files;
pub use files::State;
use places::{Place, Surroundings, System, wanted};
use serde_json::json;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  underpaint adapter list                      which editors are here, and what is installed
  underpaint adapter install krita             also gimp, photoshop
  underpaint adapter install krita --uninstall
  underpaint adapter install gimp --to DIR     lay it out elsewhere, to be carried where it belongs
  underpaint adapter pack krita -o krita.zip   one file, for Krita's Import Python Plugin from File

Close the editor first: Krita writes its settings when it ends.";

/// Install the part that lives inside an editor
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Adapter {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show which editors are here, and whether their adapters are installed and of this version
    List,
    /// Put the adapter where the editor looks for it, and switch it on
    Install {
        #[arg(value_enum)]
        editor: Editor,
        /// Take it away again
        #[arg(long)]
        uninstall: bool,
        /// Use this folder instead of those the editor looks into; switch nothing on
        #[arg(long, value_name = "FOLDER")]
        to: Option<PathBuf>,
        /// Take the files from this checkout of Underpaint instead of from this program
        #[arg(long, value_name = "FOLDER", hide = true)]
        tree: Option<PathBuf>,
    },
    /// Write the adapter as one file, the form in which it is handed on
    Pack {
        #[arg(value_enum)]
        editor: Editor,
        /// The file to write; by default underpaint-EDITOR.zip (.ccx for Photoshop) here
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
        /// Take the files from this checkout of Underpaint instead of from this program
        #[arg(long, value_name = "FOLDER", hide = true)]
        tree: Option<PathBuf>,
    },
}

/// The editors there are adapters for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Editor {
    /// Krita 5 and later
    Krita,
    /// GIMP 3
    Gimp,
    /// Photoshop 25 and later
    Photoshop,
}

impl Editor {
    /// Every one.
    pub const ALL: [Editor; 3] = [Editor::Krita, Editor::Gimp, Editor::Photoshop];

    /// As it is typed.
    pub fn name(self) -> &'static str {
        match self {
            Editor::Krita => "krita",
            Editor::Gimp => "gimp",
            Editor::Photoshop => "photoshop",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Editor::Krita => "Krita",
            Editor::Gimp => "GIMP",
            Editor::Photoshop => "Photoshop",
        }
    }

    /// Where the painter finds it once it is installed.
    fn next(self) -> &'static str {
        match self {
            Editor::Krita => "start Krita again and open Settings > Dockers > Underpaint",
            Editor::Gimp => "start GIMP again and open Filters > Generate > Underpaint",
            Editor::Photoshop => "start Photoshop again and open Plugins > Underpaint",
        }
    }

    /// What one file that holds all of it is called.
    fn packed(self) -> &'static str {
        match self {
            Editor::Krita => "underpaint-krita.zip",
            Editor::Gimp => "underpaint-gimp.zip",
            Editor::Photoshop => "underpaint-photoshop.ccx",
        }
    }

    fn places(self, around: &Surroundings, files: &Files) -> Result<Vec<Place>, String> {
        match self {
            Editor::Krita => krita::places(around),
            Editor::Gimp => gimp::places(around),
            Editor::Photoshop => photoshop::places(around, &photoshop::Manifest::of(files)?),
        }
    }

    /// True if the editor is here, and what is found of its adapter in all places that matter.
    pub fn look(self) -> Result<(bool, State), String> {
        let files = Files::of(self.name(), None)?;
        let places = self.places(&Surroundings::here(), &files)?;
        let seen = places.iter().any(|place| place.seen);
        Ok((seen, sum(self, &places, &files)))
    }
}

fn sum(editor: Editor, places: &[Place], files: &Files) -> State {
    if editor == Editor::Photoshop {
        return photoshop::state(places, files);
    }
    let states: Vec<_> = wanted(places).iter().map(|place| files.state(&place.folder)).collect();
    match () {
        () if states.iter().all(|state| *state == State::Absent) => State::Absent,
        () if states.iter().all(|state| *state == State::Current) => State::Current,
        () => State::Other,
    }
}

impl Adapter {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        match self.action {
            Action::List => list(global),
            Action::Install { editor, uninstall, to, tree } => {
                Files::of(editor.name(), tree.as_deref()).and_then(|files| {
                    let outcome = match (editor, to) {
                        (Editor::Photoshop, to) => hand_over(&files, to, uninstall),
                        (_, Some(folder)) => elsewhere(editor, &files, &folder, uninstall),
                        (_, None) if uninstall => uninstall_from(editor, &files, &Surroundings::here()),
                        (_, None) => install_into(editor, &files, &Surroundings::here()),
                    }?;
                    outcome.say(global, editor);
                    Ok(())
                })
            }
            Action::Pack { editor, output, tree } => pack(global, editor, output, tree.as_deref()),
        }
        .map_err(Failure::Failed)
    }
}

/// What installing or its opposite came to.
struct Outcome {
    /// True if the editor will find it.
    installed: bool,
    /// What was written or removed.
    paths: Vec<PathBuf>,
    /// For people; it tells what to do next.
    sentence: String,
}

impl Outcome {
    fn say(&self, global: &Global, editor: Editor) {
        let folders: Vec<_> = self.paths.iter().map(|path| path.display().to_string()).collect();
        let name = editor.name();
        let said = json!({"editor": name, "installed": self.installed, "folders": folders, "next": self.sentence});
        global.say(&said, &self.sentence);
    }
}

fn install_into(editor: Editor, files: &Files, around: &Surroundings) -> Result<Outcome, String> {
    let places = editor.places(around, files)?;
    let places = wanted(&places);
    for place in &places {
        files.lay_out(&place.folder)?;
        if let Some(settings) = &place.settings {
            krita::switch(settings, true)?;
        }
    }
    let mut sentence = format!("The {} adapter is in {}; {}", editor.title(), folders(&places), editor.next());
    if !places.iter().any(|place| place.seen) {
        sentence +=
            &format!(". No {} was found here yet; one that looks elsewhere can be served with --to", editor.title());
    }
    if places.iter().any(|place| place.what.contains("Snap")) {
        sentence += ". A Snap is kept away from other programs, so in it the adapter may not find the daemon; the Flatpak or \
                     your distribution's own package will";
    }
    Ok(Outcome { installed: true, paths: places.iter().map(|place| place.folder.clone()).collect(), sentence })
}

fn uninstall_from(editor: Editor, files: &Files, around: &Surroundings) -> Result<Outcome, String> {
    let places = editor.places(around, files)?;
    let there: Vec<_> = places.iter().filter(|place| files.state(&place.folder) != State::Absent).collect();
    for place in &places {
        files.take_away(&place.folder)?;
        if let Some(settings) = &place.settings {
            krita::switch(settings, false)?;
        }
    }
    let sentence = match there.as_slice() {
        [] => format!("The {} adapter was not installed", editor.title()),
        there => format!("The {} adapter is gone from {}", editor.title(), folders(there)),
    };
    Ok(Outcome { installed: false, paths: there.iter().map(|place| place.folder.clone()).collect(), sentence })
}

/// Into or out of a folder that no editor need look into.
fn elsewhere(editor: Editor, files: &Files, folder: &Path, uninstall: bool) -> Result<Outcome, String> {
    let (title, shown) = (editor.title(), folder.display());
    let sentence = if uninstall {
        let there = files.state(folder) != State::Absent;
        files.take_away(folder)?;
        format!("The {title} adapter {} {shown}", if there { "is gone from" } else { "was not in" })
    } else {
        files.lay_out(folder)?;
        match editor {
            Editor::Krita => format!(
                "The {title} adapter is in {shown}; once it lies in Krita's folder pykrita, tick Underpaint under Settings > \
                 Configure Krita > Python Plugin Manager and start Krita again"
            ),
            _ => format!("The {title} adapter is in {shown}; once it lies in a folder for plug-ins, {}", editor.next()),
        }
    };
    Ok(Outcome { installed: !uninstall, paths: vec![folder.to_owned()], sentence })
}

/// Photoshop's is packed, and Adobe's installer is asked to take it, where there is one and no folder was named.
fn hand_over(files: &Files, to: Option<PathBuf>, uninstall: bool) -> Result<Outcome, String> {
    let (around, manifest) = (Surroundings::here(), photoshop::Manifest::of(files)?);
    let ccx = match &to {
        Some(folder) => folder.join(Editor::Photoshop.packed()),
        None => Home::find()?.root().join("adapters").join(Editor::Photoshop.packed()),
    };
    let shown = ccx.display();
    if uninstall {
        remove(&ccx)?;
    } else {
        if let (None, Some(own)) = (&to, ccx.parent()) {
            platform::make_private(own).map_err(|e| format!("{} cannot be made: {e}", own.display()))?;
        }
        write(&ccx, &files.zip()?)?;
    }
    let installer = photoshop::installers(&around).into_iter().find(|program| program.is_file() && to.is_none());
    let order = if uninstall { photoshop::Order::Remove(&manifest) } else { photoshop::Order::Install(&ccx) };
    let done = installer.is_some_and(|program| order.give(&program, around.system));
    let sentence = match (uninstall, done) {
        (false, true) => format!("The Photoshop adapter is installed; {}", Editor::Photoshop.next()),
        (false, false) if around.system == System::Linux => {
            format!(
                "Photoshop is not here; on its machine, open {shown} with a double click, then start Photoshop again"
            )
        }
        (false, false) => format!(
            "Open {shown} with a double click, so that Creative Cloud installs it (it warns of a plug-in from outside the \
             Marketplace), then {}",
            Editor::Photoshop.next()
        ),
        (true, true) => "The Photoshop adapter is gone".to_owned(),
        (true, false) if !places_there(&around, &manifest)? => format!("{shown} is gone; Photoshop has no adapter"),
        (true, false) => {
            "Remove Underpaint in Creative Cloud, under Stock and Marketplace > Plugins > Manage plugins".to_owned()
        }
    };
    Ok(Outcome { installed: !uninstall && done, paths: vec![ccx], sentence })
}

fn places_there(around: &Surroundings, manifest: &photoshop::Manifest) -> Result<bool, String> {
    Ok(photoshop::places(around, manifest)?.iter().any(|place| place.folder.is_dir()))
}

fn list(global: &Global) -> Result<(), String> {
    let around = Surroundings::here();
    let mut rows = Vec::new();
    for editor in Editor::ALL {
        let files = Files::of(editor.name(), None)?;
        let places = editor.places(&around, &files)?;
        // Where an editor was never seen, its usual place is still worth a look.
        for place in &places {
            rows.push((editor, place.clone(), files.state(&place.folder)));
        }
        if places.is_empty() {
            let nowhere = Place { what: editor.title().into(), folder: PathBuf::new(), settings: None, seen: false };
            rows.push((editor, nowhere, State::Absent));
        }
    }
    if global.json {
        let row = |(editor, place, state): &(Editor, Place, State)| {
            let folder = Some(place.folder.display().to_string()).filter(|folder| !folder.is_empty());
            json!({"editor": editor.name(), "what": place.what, "found": place.seen, "folder": folder, "state": state.name()})
        };
        global.print(&serde_json::Value::Array(rows.iter().map(row).collect()));
        return Ok(());
    }
    for (_, place, state) in rows {
        let found = if place.seen { "found" } else { "not found" };
        let Place { what, folder, .. } = place;
        outln!("{what:<16} {found:<10} {:<16} {}", state.name(), folder.display());
    }
    Ok(())
}

fn pack(global: &Global, editor: Editor, output: Option<PathBuf>, tree: Option<&Path>) -> Result<(), String> {
    let output = output.unwrap_or_else(|| editor.packed().into());
    write(&output, &Files::of(editor.name(), tree)?.zip()?)?;
    let said = json!({"editor": editor.name(), "file": output.display().to_string()});
    global.say(&said, &format!("wrote {}", output.display()));
    Ok(())
}

fn folders(places: &[&Place]) -> String {
    places.iter().map(|place| place.folder.display().to_string()).collect::<Vec<_>>().join(" and ")
}

fn write(path: &Path, bytes: &[u8]) -> Result<(), String> {
    let failed = |e: std::io::Error| format!("{} cannot be written: {e}", path.display());
    path.parent().map_or(Ok(()), std::fs::create_dir_all).map_err(failed)?;
    save::replace(path, bytes).map_err(failed)
}

fn remove(path: &Path) -> Result<(), String> {
    match std::fs::remove_file(path) {
        Err(e) if e.kind() != std::io::ErrorKind::NotFound => Err(format!("{} cannot be removed: {e}", path.display())),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::places::tests::surroundings;
    use super::*;

    fn files(editor: Editor) -> Files {
        Files::of(editor.name(), None).unwrap()
    }

    #[test]
    fn installing_and_uninstalling_leaves_nothing() {
        for (editor, folder, own) in [
            (Editor::Krita, "u/.local/share/krita/pykrita", "underpaint/__init__.py"),
            (Editor::Gimp, "u/.config/GIMP/3.0/plug-ins", "underpaint/underpaint.py"),
        ] {
            let root = tempfile::tempdir().unwrap();
            let around = surroundings(System::Linux, root.path(), &[("HOME", "u")], &[]);
            let (files, folder) = (files(editor), root.path().join(folder));
            assert_eq!(files.state(&folder), State::Absent);
            let outcome = install_into(editor, &files, &around).unwrap();
            assert!(outcome.sentence.contains("was found here yet"), "{}", outcome.sentence);
            assert_eq!((outcome.paths.as_slice(), outcome.installed), ([folder.clone()].as_slice(), true));
            assert_eq!(files.state(&folder), State::Current);
            for path in [own, "underpaint/underpaint_client.py"] {
                assert_eq!(std::fs::read(folder.join(path)).unwrap(), files.get(path).unwrap());
            }
            let installed = std::fs::read(folder.join("underpaint/installed.json")).unwrap();
            let installed: serde_json::Value = serde_json::from_slice(&installed).unwrap();
            assert_eq!(Path::new(installed["program"].as_str().unwrap()), std::env::current_exe().unwrap());
            #[cfg(unix)]
            if editor == Editor::Gimp {
                use std::os::unix::fs::PermissionsExt;
                let mode = std::fs::metadata(folder.join(own)).unwrap().permissions().mode();
                assert_eq!(mode & 0o100, 0o100, "GIMP starts only what is executable");
            }
            // A file that an older version had does not stay, nor does an old one.
            std::fs::write(folder.join("underpaint/older.py"), "old").unwrap();
            std::fs::write(folder.join(own), "old").unwrap();
            assert_eq!(files.state(&folder), State::Other);
            install_into(editor, &files, &around).unwrap();
            assert!(files.state(&folder) == State::Current && !folder.join("underpaint/older.py").exists());
            for sentence in ["is gone from", "was not installed"] {
                assert!(uninstall_from(editor, &files, &around).unwrap().sentence.contains(sentence));
            }
            assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
        }
    }

    #[test]
    fn krita_is_told_to_switch_it_on_and_a_folder_of_ones_own_is_not() {
        let root = tempfile::tempdir().unwrap();
        let around = surroundings(System::Linux, root.path(), &[("HOME", "u")], &["u/.var/app/org.kde.krita"]);
        let kritarc = root.path().join("u/.var/app/org.kde.krita/config/kritarc");
        let outcome = install_into(Editor::Krita, &files(Editor::Krita), &around).unwrap();
        assert!(!outcome.sentence.contains("was found here yet"), "{}", outcome.sentence);
        assert!(std::fs::read_to_string(&kritarc).unwrap().contains("enable_underpaint=true"));
        assert!(!root.path().join("u/.config").exists(), "there is only a Flatpak");
        uninstall_from(Editor::Krita, &files(Editor::Krita), &around).unwrap();
        assert!(!std::fs::read_to_string(&kritarc).unwrap().contains("enable_underpaint"));

        let folder = root.path().join("own");
        let outcome = elsewhere(Editor::Krita, &files(Editor::Krita), &folder, false).unwrap();
        assert!(outcome.sentence.contains("Python Plugin Manager") && folder.join("underpaint.desktop").is_file());
        for sentence in ["is gone from", "was not in"] {
            let outcome = elsewhere(Editor::Krita, &files(Editor::Krita), &folder, true).unwrap();
            assert!(outcome.sentence.contains(sentence), "{}", outcome.sentence);
        }
        assert_eq!(std::fs::read_dir(&folder).unwrap().count(), 0);
    }

    #[test]
    fn what_is_embedded_is_what_the_checkout_has() {
        let tree = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        for editor in Editor::ALL {
            let (embedded, checkout) = (files(editor), Files::of(editor.name(), Some(&tree)).unwrap());
            assert!(embedded.zip().unwrap() == checkout.zip().unwrap(), "{}", editor.name());
        }
        assert!(Files::of("krita", Some(Path::new("nowhere"))).is_err_and(|e| e.contains("nowhere")));
    }

    #[test]
    fn a_packed_adapter_has_every_file_and_its_right_to_be_started() {
        for (editor, path, mode) in [
            (Editor::Krita, "underpaint.desktop", 0o644),
            (Editor::Gimp, "underpaint/underpaint.py", 0o755),
            (Editor::Gimp, "underpaint/underpaint_client.py", 0o644),
            (Editor::Photoshop, "manifest.json", 0o644),
        ] {
            let files = files(editor);
            let packed = files.zip().unwrap();
            assert_eq!(packed, files.zip().unwrap(), "the same files give the same bytes");
            let mut archive = zip::ZipArchive::new(std::io::Cursor::new(packed)).unwrap();
            let mut entry = archive.by_name(path).unwrap();
            let mut bytes = Vec::new();
            std::io::Read::read_to_end(&mut entry, &mut bytes).unwrap();
            assert_eq!(
                (bytes.as_slice(), entry.unix_mode().map(|m| m & 0o777)),
                (files.get(path).unwrap(), Some(mode))
            );
        }
    }
}
