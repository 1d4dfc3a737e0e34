//! The author's tools and the installing of filters, as somebody types them.

#[allow(dead_code)]
#[path = "../../filters/guests.rs"]
mod guests;

use e2e::{made, pixels, png, run, skip};
use guests::Guest;
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use tempfile::TempDir;

/// A folder with a picture of the size guests are made for.
fn folder() -> TempDir {
    let dir = tempfile::tempdir().expect("a temporary folder");
    fs::write(dir.path().join("photo.png"), png(24, 16, |x, y| [x as u8 * 10, y as u8 * 15, 7])).expect("a picture");
    dir
}

/// A filter's file that says this version of itself and returns every tile as it came, or crashes.
fn guest(path: &Path, name: &str, version: &str, crashes: bool) {
    let mut guest = Guest::new(name);
    if crashes {
        guest = Guest::process(name, |code| _ = code.unreachable());
    }
    guest.manifest = vec![format!(
        r#"{{"api":"1.0.0","name":"{name}","version":"{version}","license":"MIT","authors":"Ada","timeout_ms":2000}}"#
    )];
    fs::write(path, guest.wasm()).expect("a file");
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// What a command that must fail says, in one sentence, and its exit code.
fn refused(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let output = run(dir, args);
    let text = stderr(&output);
    let errors: Vec<&str> = text.lines().filter(|l| l.starts_with("error:")).collect();
    assert!(!output.status.success() && errors.len() == 1, "{args:?}: {text}");
    (output.status.code(), errors[0].to_owned())
}

fn has_rust_for_wasm() -> bool {
    let asked = Command::new("rustc").args(["--print", "target-libdir", "--target", "wasm32-unknown-unknown"]).output();
    asked.is_ok_and(|o| Path::new(String::from_utf8_lossy(&o.stdout).trim()).is_dir())
}

/// From nothing to a filter of one's own, installed, in the order of the guide.
#[test]
fn a_new_author_gets_to_a_filter_on_a_picture() {
    if !has_rust_for_wasm() {
        return skip("filters in Rust need `rustup target add wasm32-unknown-unknown`");
    }
    let dir = folder();
    let project = dir.path().join("warm-glow");
    let made_new = made(dir.path(), &["filter", "new", "warm-glow"]);
    assert_eq!(made_new["lang"], "rust");
    let (code, sentence) = refused(dir.path(), &["filter", "check", "warm-glow"]);
    assert!(code == Some(1) && sentence.contains("filter build"), "{sentence}");
    let built = made(dir.path(), &["filter", "build", "warm-glow"]);
    assert_eq!((&built["filter"], &built["version"]), (&json!("warm-glow"), &json!("0.1.0")));
    assert!(project.join("target").is_dir() && built["bytes"].as_u64() < Some(200_000), "{built}");

    let report = made(dir.path(), &["filter", "check", "warm-glow"]);
    assert_eq!(report["ok"], true, "{report}");
    let findings = report["findings"].as_array().expect("findings");
    assert!(findings.len() >= 9 && findings.iter().all(|f| f["says"].as_str().is_some_and(|s| !s.is_empty())));

    made(dir.path(), &["filter", "run", "warm-glow", "photo.png", "-o", "glow.png", "--param", "strength=1"]);
    let (before, after) = (pixels(&dir.path().join("photo.png")), pixels(&dir.path().join("glow.png")));
    assert!(before.differing(&after) > 300);
    made(dir.path(), &["filter", "run", "warm-glow", "photo.png", "-o", "none.png", "--param", "strength=0"]);
    assert_eq!(before.differing(&pixels(&dir.path().join("none.png"))), 0, "8 bits come back as they were");

    made(dir.path(), &["filter", "add", "warm-glow"]);
    let list = made(dir.path(), &["filter", "list"]);
    assert!(list["filters"].as_array().expect("a list").iter().any(|f| f["name"] == "warm-glow"));
    made(dir.path(), &["filter", "run", "warm-glow", "photo.png", "-o", "installed.png", "--param", "strength=1"]);
    assert_eq!(after.differing(&pixels(&dir.path().join("installed.png"))), 0);
}

/// A recipe for any compiler: here `cp`, with the manifest put in afterwards.
#[test]
#[cfg(unix)]
fn a_project_is_built_by_its_recipe() {
    let dir = folder();
    let project = dir.path().join("copied");
    fs::create_dir(&project).expect("a folder");
    let guest = Guest { manifest: vec![], ..Guest::new("copied") };
    fs::write(project.join("source.bin"), guest.wasm()).expect("a file");
    let recipe = |build: Value| {
        let manifest = json!({"api": "1.0.0", "name": "copied", "version": "3", "license": "MIT"});
        let recipe = json!({"build": build, "wasm": "out.wasm", "manifest": manifest, "needs": {"no-such-compiler": "dig one up"}});
        fs::write(project.join("underpaint.json"), recipe.to_string()).expect("a file");
    };
    recipe(json!([["true"], ["cp", "source.bin", "out.wasm"]]));
    let built = made(dir.path(), &["filter", "build", "copied"]);
    assert_eq!((&built["filter"], &built["version"]), (&json!("copied"), &json!("3")));
    // Built again, it has one manifest still.
    made(dir.path(), &["filter", "build", "copied"]);
    for (build, words) in [
        (json!(["no-such-compiler", "x"]), ["no-such-compiler is not installed", "dig one up"]),
        (json!(["false"]), ["`false` failed", "stands above"]),
        (json!(["cp", "source.bin", "elsewhere.wasm"]), ["ended well", "out.wasm is not there"]),
        (json!("cp"), ["underpaint.json is wrong", "a list of words"]),
    ] {
        recipe(build);
        let _ = fs::remove_file(project.join("out.wasm"));
        let (code, sentence) = refused(dir.path(), &["filter", "build", "copied"]);
        assert!(code == Some(1) && words.iter().all(|w| sentence.contains(w)), "{sentence}");
    }
}

/// A filter that is not as it should be, and the sentence its author reads.
#[test]
fn broken_promises_are_told() {
    let dir = folder();
    // A plan for 24x16 whatever the picture, and a crash: nothing that is checked can work.
    guest(&dir.path().join("bad.wasm"), "bad", "1", true);
    let output = run(dir.path(), &["filter", "check", "bad.wasm"]);
    let (text, error) = (String::from_utf8_lossy(&output.stdout).into_owned(), stderr(&output));
    assert_eq!(output.status.code(), Some(1), "{text}{error}");
    assert!(text.contains("FAILED  determinism") && text.contains("crashed"), "{text}");
    assert!(error.starts_with("error: bad 1 breaks ") && error.lines().count() == 1, "{error}");
    let output = run(dir.path(), &["filter", "check", "bad.wasm", "--json"]);
    let report: Value = serde_json::from_slice(&output.stdout).expect("one JSON object");
    assert_eq!((&report["ok"], output.status.code()), (&json!(false), Some(1)));
}

/// A filter may refuse a text it cannot read, and keeps its promises all the same.
#[test]
fn refusing_breaks_no_promise() {
    let dir = folder();
    let report = made(dir.path(), &["filter", "check", "lut"]);
    assert_eq!(report["ok"], true, "{report}");
    assert!(report.to_string().contains("refused with a reason"), "{report}");
}

#[test]
fn filters_run_in_a_chain_with_texts_from_files() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    guest(&at("same.wasm"), "same", "1", false);
    let grain = ["--param", "strength=0.5", "--seed", "4"];
    made(dir.path(), &[&["filter", "run", "film-grain", "photo.png", "-o", "one.png"][..], &grain].concat());
    let chain =
        [&["filter", "run", "film-grain", "photo.png", "-o", "two.png", "--then", "same.wasm"][..], &grain].concat();
    let said = made(dir.path(), &chain);
    assert_eq!(said["filters"].as_array().map(Vec::len), Some(2));
    assert_eq!(pixels(&at("one.png")).differing(&pixels(&at("two.png"))), 0);
    let grainy =
        ["filter", "run", "same.wasm", "photo.png", "-o", "three.png", "--then", "film-grain,strength=0.5,size=2"];
    made(dir.path(), &grainy);
    assert!(pixels(&at("three.png")).differing(&pixels(&at("photo.png"))) > 100);
    for (args, words) in [
        (&["same.wasm", "photo.png", "-o", "x.png", "--param", "loud=1"][..], ["loud", "it has none"]),
        (&["same.wasm", "photo.png", "-o", "x.png", "--param", "loud"], ["loud", "name=value"]),
        (&["same.wasm", "photo.png", "-o", "x.png", "--param", "k=@none.cube"], ["none.cube", "cannot be read"]),
        (&["same.wasm", "photo.png", "-o", "x.png", "--input", "map=photo.png"], ["map", "it takes none"]),
        (&["same.wasm", "photo.png", "-o", "x.png", "--then", "nobody,k=1"], ["nobody", "film-grain"]),
        (&["same.wasm", "photo.png", "-o", "x.png", "--scale", "7"], ["--scale", "0.01 to 1"]),
        (&["same.wasm", "photo.png", "-o", "x.jpg"], ["x.jpg", ".png"]),
        (&["none.wasm", "photo.png", "-o", "x.png"], ["none.wasm", "cannot be read"]),
        (&["photo.png", "photo.png", "-o", "x.png"], ["photo.png", "no filter of this name"]),
    ] {
        let (_, sentence) = refused(dir.path(), &[&["filter", "run"], args].concat());
        assert!(words.iter().all(|w| sentence.contains(w)), "{sentence}");
    }
    assert!(!at("x.png").exists());
}

#[test]
fn an_installed_filter_stays_what_it_was() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    let installed = |name: &str| -> PathBuf { dir.path().join("home/filters").join(name) };
    let versions = || -> Vec<String> {
        let list = made(dir.path(), &["filter", "list"]);
        let list = list["filters"].as_array().expect("a list").iter().filter(|f| f["name"] == "soft");
        list.map(|f| f["version"].as_str().expect("a version").to_owned()).collect()
    };
    guest(&at("soft.wasm"), "soft", "1.0.0", false);
    let output = run(dir.path(), &["filter", "add", "soft.wasm"]);
    let card = String::from_utf8_lossy(&output.stdout).into_owned();
    for words in
        ["soft 1.0.0", "Ada", "MIT", "32 MiB", "2000 ms", "nothing else", "sha256", "by nobody", "installed as"]
    {
        assert!(card.contains(words), "{words:?} is not in {card}");
    }
    assert_eq!(versions(), ["1.0.0"]);
    let lock: Value = serde_json::from_slice(&fs::read(installed("filters.lock")).expect("a lock")).expect("JSON");
    assert_eq!(lock["filters"]["soft"]["sha256"].as_str().map(str::len), Some(64));

    // Other bytes under the same version: not loaded, not added; the painter may insist.
    guest(&at("soft.wasm"), "soft", "1.0.0", true);
    fs::copy(at("soft.wasm"), installed("soft.wasm")).expect("a copy");
    let output = run(dir.path(), &["filter", "list"]);
    assert!(stderr(&output).contains("not the file that was installed as version 1.0.0"), "{}", stderr(&output));
    assert!(versions().is_empty());
    let (_, sentence) = refused(dir.path(), &["filter", "add", "soft.wasm"]);
    assert!(sentence.contains("soft.wasm is not the file") && sentence.contains("--force"), "{sentence}");
    made(dir.path(), &["filter", "add", "--force", "soft.wasm"]);
    assert_eq!(versions(), ["1.0.0"]);

    // A new version may come by copying, too.
    guest(&installed("soft.wasm"), "soft", "1.1.0", false);
    assert_eq!(versions(), ["1.1.0"]);
    made(dir.path(), &["filter", "remove", "soft"]);
    assert!(versions().is_empty() && !installed("soft.wasm").exists());
    guest(&installed("by-hand.wasm"), "soft", "0.1", false);
    made(dir.path(), &["filter", "remove", "soft"]);
    assert!(!installed("by-hand.wasm").exists());

    guest(&at("grain.wasm"), "film-grain", "9", false);
    for (args, words) in [
        (&["add", "grain.wasm"][..], "a name of its own"),
        (&["add", "photo.png"], "not WebAssembly"),
        (&["add", "none.wasm"], "cannot be read"),
        (&["remove", "film-grain"], "part of Underpaint"),
        (&["remove", "soft"], "no filter of the name soft"),
        (&["remove", "../soft"], "no filter of the name"),
    ] {
        let (_, sentence) = refused(dir.path(), &[&["filter"], args].concat());
        assert!(sentence.contains(words), "{sentence}");
    }
}

#[test]
fn a_signed_filter_stays_its_authors() {
    let dir = folder();
    let at = |name: &str| dir.path().join(name);
    let keys = ["ada.key", "eve.key"].map(|key| made(dir.path(), &["filter", "keygen", key])["public_key"].clone());
    assert!(keys[0] != keys[1]);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        assert_eq!(fs::metadata(at("ada.key")).expect("a key").permissions().mode() & 0o777, 0o600);
    }
    let sign = |version: &str, key: Option<&str>| {
        guest(&at("soft.wasm"), "soft", version, false);
        if let Some(key) = key {
            made(dir.path(), &["filter", "sign", "--key", key, "soft.wasm"]);
        }
    };
    sign("1", Some("ada.key"));
    let added = made(dir.path(), &["filter", "add", "soft.wasm"]);
    assert_eq!((&added["filter"]["signer"], &added["signed"]), (&keys[0], &json!("for the first time here")));
    sign("2", Some("ada.key"));
    let added = made(dir.path(), &["filter", "add", "soft.wasm"]);
    assert_eq!(added["signed"], "by the author of the version before");
    for (key, words) in [(Some("eve.key"), "by somebody else"), (None, "by nobody")] {
        sign("3", key);
        let (_, sentence) = refused(dir.path(), &["filter", "add", "soft.wasm"]);
        assert!(sentence.contains(words) && sentence.contains("--force"), "{sentence}");
        // Nor by copying.
        fs::copy(at("soft.wasm"), dir.path().join("home/filters/soft.wasm")).expect("a copy");
        assert!(stderr(&run(dir.path(), &["filter", "list"])).contains(words));
    }
    made(dir.path(), &["filter", "add", "--force", "soft.wasm"]);

    sign("4", Some("ada.key"));
    let mut changed = fs::read(at("soft.wasm")).expect("a file");
    let at_text = changed.windows(5).position(|w| w == b"speak").expect("its title");
    changed[at_text] = b'S';
    fs::write(at("soft.wasm"), changed).expect("a file");
    fs::write(at("odd.key"), "not a key").expect("a file");
    for (args, words) in [
        (&["add", "soft.wasm"][..], "changed after it was signed"),
        (&["keygen", "ada.key"], "ada.key cannot be made"),
        (&["sign", "--key", "odd.key", "soft.wasm"], "not a key made by"),
        (&["sign", "--key", "none.key", "soft.wasm"], "none.key cannot be read"),
        (&["sign", "--key", "ada.key", "photo.png"], "not WebAssembly"),
    ] {
        let (_, sentence) = refused(dir.path(), &[&["filter"], args].concat());
        assert!(sentence.contains(words), "{sentence}");
    }
}

/// Every command tells how it is used.
#[test]
fn every_command_has_help_with_examples() {
    let dir = folder();
    let help = |args: &[&str]| {
        let output = run(dir.path(), args);
        assert!(output.status.success(), "{args:?}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let overview = help(&["filter", "--help"]);
    let commands: Vec<&str> = overview
        .lines()
        .skip_while(|l| !l.starts_with("Commands:"))
        .skip(1)
        .take_while(|l| l.starts_with("  "))
        .filter(|l| !l.starts_with("   "))
        .filter_map(|l| l.split_whitespace().next())
        .filter(|&c| c != "help")
        .collect();
    assert!(commands.len() >= 10, "{overview}");
    for command in commands {
        let text = help(&["filter", command, "--help"]);
        assert!(text.contains("Examples:") && text.contains("--json"), "{command}: {text}");
    }
    assert!(!help(&["--help"]).contains("filter-worker"));
}
