//! The real editors against the real daemon. A script for each tells the story (`tests/krita`, `tests/gimp`,
//! `tests/photoshop`, `tests/wine`); a test passes on its verdict and prints what it said.
//!
//! Decision: three at a time (`.config/nextest.toml`), which takes less than half as long; the limits of those that watch how long
//! an event loop stands still hold on two cores all the same. `cargo test`, which knows no such groups, plays one after the other
//! (a lock).

use std::path::PathBuf;
use std::process::Command;
use std::sync::{Mutex, PoisonError};

/// A script's exit status when a tool is missing; its output says which.
const SKIPPED: i32 = 77;

/// Held by the script that plays.
static STAGE: Mutex<()> = Mutex::new(());

fn play(script: &str, args: &[&str]) {
    let _stage = STAGE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut command = Command::new("python3");
    command.arg(e2e::root().join("tests").join(script)).args(args).arg(e2e::binary());
    let Ok(output) = command.output() else {
        return e2e::skip(&format!("tests/{script}, because python3 is not installed (apt install python3)"));
    };
    let said = String::from_utf8_lossy(&output.stdout);
    println!("{said}{}", String::from_utf8_lossy(&output.stderr));
    match output.status.code() {
        Some(SKIPPED) => e2e::skip(said.trim().trim_start_matches("skipped: ")),
        _ => assert!(output.status.success(), "tests/{script} failed; what it said stands above"),
    }
}

#[test]
fn krita() {
    play("krita/run.py", &["--daemon"]);
}

/// The Krita of a newer Debian; minutes for little that is new, so only where `.ci/run` has built that Debian.
#[test]
fn krita_of_a_newer_system() {
    match std::env::var_os("UNDERPAINT_ROOTS").map(PathBuf::from) {
        Some(roots) => play("krita/run.py", &["--root", &roots.join("trixie").to_string_lossy(), "--daemon"]),
        None => println!("the newer Krita is played by .ci/run, which names its root in UNDERPAINT_ROOTS"),
    }
}

#[test]
fn gimp() {
    play("gimp/run.py", &["--daemon"]);
}

#[test]
fn photoshop_panel_on_a_mock() {
    play("photoshop/run.py", &["--daemon"]);
}

/// Built by `cargo xtask test`, where Wine is.
#[test]
fn windows_under_wine() {
    play("wine/run.py", &["--native"]);
}
