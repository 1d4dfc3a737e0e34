//! `underpaint adapter`: what lies inside the program goes where editors look, and leaves again.

#![cfg(target_os = "linux")]

use serde_json::Value;
use std::path::{Path, PathBuf};

/// A painter's home, and commands that see nothing but it.
struct Home(tempfile::TempDir);

impl Home {
    fn new() -> Home {
        Home(tempfile::tempdir().expect("a folder"))
    }

    fn path(&self, below: &str) -> PathBuf {
        self.0.path().join(below)
    }

    fn make(&self, below: &str) -> PathBuf {
        std::fs::create_dir_all(self.path(below)).expect("a folder");
        self.path(below)
    }

    /// What a run that must succeed says.
    fn says(&self, args: &[&str]) -> String {
        let mut command = e2e::underpaint(&self.path("home"));
        command.env("HOME", self.0.path()).env("PATH", "").current_dir(self.0.path());
        for variable in ["XDG_DATA_HOME", "XDG_CONFIG_HOME", "GIMP3_DIRECTORY"] {
            command.env_remove(variable);
        }
        let output = command.args(args).output().expect("the binary runs");
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("UTF-8")
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.says(&[args, &["--json"]].concat())).expect("JSON")
    }

    /// `adapter list`: what is installed where, and whether the editor is there.
    fn list(&self) -> Vec<(String, bool, String)> {
        let text = |row: &Value, key: &str| row[key].as_str().expect("a text").to_owned();
        let rows = self.json(&["adapter", "list"]);
        let rows = rows.as_array().expect("rows").iter();
        rows.map(|row| (text(row, "what"), row["found"] == true, text(row, "state"))).collect()
    }
}

fn empty(folder: &Path) -> bool {
    std::fs::read_dir(folder).expect("the folder").count() == 0
}

#[test]
fn krita_gets_its_plug_in_and_is_told_to_use_it() {
    let home = Home::new();
    let settings = home.make(".config").join("kritarc");
    std::fs::write(&settings, "[theme]\nTheme=Krita dark\n").expect("a file");
    let flatpak = home.make(".var/app/org.kde.krita");
    let said = home.says(&["adapter", "install", "krita"]);
    assert!(said.contains("Settings > Dockers > Underpaint"), "{said}");
    let plug_ins = [home.path(".local/share/krita/pykrita"), flatpak.join("data/krita/pykrita")];
    for plug_in in &plug_ins {
        let installed = std::fs::read(plug_in.join("underpaint/installed.json")).expect("installed.json");
        let program: Value = serde_json::from_slice(&installed).expect("JSON");
        assert!(Path::new(program["program"].as_str().expect("a path")).is_file());
        assert!(
            plug_in.join("underpaint/underpaint_client.py").is_file() && plug_in.join("underpaint.desktop").is_file()
        );
    }
    let text = std::fs::read_to_string(&settings).expect("kritarc");
    assert!(text.contains("enable_underpaint=true") && text.starts_with("[theme]\nTheme=Krita dark\n"), "{text}");
    assert!(
        std::fs::read_to_string(flatpak.join("config/kritarc")).expect("kritarc").contains("enable_underpaint=true")
    );
    assert_eq!(home.json(&["doctor"])["krita"]["found"], "the adapter is installed");

    std::fs::write(plug_ins[1].join("underpaint/docker.py"), "old").expect("a file");
    let krita = |row: &(String, bool, String)| row.0.starts_with("Krita");
    let states: Vec<_> = home.list().into_iter().filter(krita).map(|(_, found, state)| (found, state)).collect();
    assert_eq!(states, [(true, "installed".to_owned()), (true, "another version".to_owned())]);
    assert!(home.json(&["doctor"])["krita"]["advice"].as_str().is_some_and(|a| a.contains("adapter install krita")));

    home.says(&["adapter", "install", "krita", "--uninstall"]);
    assert!(plug_ins.iter().all(|folder| empty(folder)));
    assert!(!std::fs::read_to_string(&settings).expect("kritarc").contains("underpaint"));
}

#[test]
fn every_gimp_3_gets_its_plug_in() {
    let home = Home::new();
    let plug_ins = ["3.0", "3.2"].map(|version| home.make(&format!(".config/GIMP/{version}")).join("plug-ins"));
    let old = home.make(".config/GIMP/2.10");
    let said = home.says(&["adapter", "install", "gimp"]);
    assert!(said.contains("Filters > Generate"), "{said}");
    for plug_in in &plug_ins {
        use std::os::unix::fs::PermissionsExt;
        let program = std::fs::metadata(plug_in.join("underpaint/underpaint.py")).expect("the program");
        assert_eq!(program.permissions().mode() & 0o111, 0o111, "GIMP starts only what may be executed");
        assert!(plug_in.join("underpaint/underpaint_client.py").is_file());
    }
    assert!(empty(&old));
    home.says(&["adapter", "install", "gimp", "--uninstall"]);
    assert!(plug_ins.iter().all(|folder| empty(folder)));
    assert!(home.says(&["adapter", "install", "gimp", "--uninstall"]).contains("was not installed"));
}

#[test]
fn where_photoshop_cannot_be_its_plug_in_is_packed_to_be_carried_there() {
    let home = Home::new();
    let told = home.json(&["adapter", "install", "photoshop"]);
    assert_eq!(
        (&told["installed"], told["next"].as_str().map(|s| s.contains("not here"))),
        (&false.into(), Some(true))
    );
    let own = std::fs::metadata(home.path("home")).expect("Underpaint's home").permissions();
    assert_eq!(std::os::unix::fs::PermissionsExt::mode(&own) & 0o777, 0o700, "whoever comes first makes it private");
    let ccx = home.path("home/adapters/underpaint-photoshop.ccx");
    let packed = std::fs::read(&ccx).expect("the .ccx");
    home.says(&["adapter", "pack", "photoshop", "-o", "own.zip"]);
    assert_eq!(std::fs::read(home.path("own.zip")).expect("a zip"), packed);
    home.says(&["adapter", "install", "photoshop", "--to", "elsewhere"]);
    assert_eq!(std::fs::read(home.path("elsewhere/underpaint-photoshop.ccx")).expect("the .ccx"), packed);
    home.says(&["adapter", "install", "photoshop", "--uninstall"]);
    assert!(!ccx.exists());
    assert_eq!(home.list().pop(), Some(("Photoshop".to_owned(), false, "not installed".to_owned())));
}

#[test]
fn a_folder_of_ones_own_and_a_checkout_will_do() {
    let home = Home::new();
    let tree = e2e::root();
    let tree = tree.to_str().expect("Unicode");
    for (editor, file) in [("krita", "underpaint.desktop"), ("gimp", "underpaint/underpaint.py")] {
        home.says(&["adapter", "install", editor, "--to", "own", "--tree", tree]);
        assert!(home.path("own").join(file).is_file());
        home.says(&["adapter", "install", editor, "--to", "own", "--uninstall"]);
        assert!(empty(&home.path("own")), "{editor}");
        home.says(&["adapter", "pack", editor]);
        home.says(&["adapter", "pack", editor, "-o", "tree.zip", "--tree", tree]);
        let packed = std::fs::read(home.path(&format!("underpaint-{editor}.zip"))).expect("a zip");
        assert!(
            packed == std::fs::read(home.path("tree.zip")).expect("a zip"),
            "{editor}: is the program older than the tree?"
        );
    }
    assert!(!home.path(".config").exists() && !home.path(".local/share").exists());
}
