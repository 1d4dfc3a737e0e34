//! Rules of the repository as tests, so that `cargo xtask test` is the only command to know. They lie with xtask, which has no
//! dependencies: `cargo xtask check` runs them in seconds too.

use std::path::Path;
use std::process::Command;

/// Every text file git tracks or would track, as (path, text).
fn files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let output = Command::new("git")
        .args(["ls-files", "--cached", "--others", "--exclude-standard"])
        .current_dir(&root)
        .output()
        .expect("git ls-files runs");
    let list = String::from_utf8(output.stdout).expect("UTF-8 paths");
    list.lines().filter_map(|path| Some((path.to_owned(), std::fs::read_to_string(root.join(path)).ok()?))).collect()
}

fn rust_files() -> impl Iterator<Item = (String, String)> {
    files().into_iter().filter(|(path, _)| path.ends_with(".rs"))
}

#[test]
fn no_stub_stands_behind_a_name() {
    let words =
        [concat!("todo", "!("), concat!("unimplemented", "!("), concat!("#[ig", "nore]"), concat!("assert!(", "true")];
    for (path, text) in rust_files() {
        for word in words {
            assert!(!text.contains(word), "{path} contains `{word}`");
        }
    }
}

#[test]
fn every_unsafe_block_says_why_it_is_sound() {
    for (path, text) in rust_files() {
        let lines: Vec<&str> = text.lines().collect();
        for (i, line) in lines.iter().enumerate() {
            let code = line.split("//").next().unwrap_or_default();
            if code.contains(concat!("unsafe", " {")) {
                let explained = lines[i.saturating_sub(8)..=i].iter().any(|l| l.contains("SAFETY"));
                assert!(explained, "{path}:{} has an unsafe block without a SAFETY comment within 8 lines", i + 1);
            }
        }
    }
}

#[test]
fn modules_open_with_their_purpose() {
    for (path, text) in rust_files() {
        let first = text.lines().find(|l| !l.trim().is_empty()).unwrap_or_default();
        assert!(first.starts_with("//!"), "{path} does not open with a `//!` line that says what it is for");
    }
}

#[test]
fn the_tree_names_no_machine() {
    let marks = [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/ho", "me/user")];
    for (path, text) in files() {
        for mark in marks {
            assert!(!text.contains(mark), "{path} contains the machine path `{mark}`");
        }
    }
}
