//! What every end-to-end test needs: the real binary, a home of its own, a way to say "skipped".
//!
//! The binary is the one cargo built beside this test (`cargo xtask test` builds it first); nothing here
//! starts a build, so that tests stay fast and never wait for cargo's lock.

#[cfg(unix)]
pub mod daemon;
mod pictures;

pub use pictures::{Pixels, claimed_png, pixels, png, png_text};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The `underpaint` binary under test: `$UNDERPAINT_BIN`, else the one in this build's target directory.
pub fn binary() -> PathBuf {
    if let Some(path) = std::env::var_os("UNDERPAINT_BIN") {
        return path.into();
    }
    let test = std::env::current_exe().expect("the path of the running test");
    let profile_dir = test.parent().and_then(Path::parent).expect("target/<profile>/deps/<test>");
    let path = profile_dir.join(format!("underpaint{}", std::env::consts::EXE_SUFFIX));
    assert!(path.exists(), "{} is missing: run `cargo build -p underpaint` or `cargo xtask test`", path.display());
    path
}

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository root")
}

/// `underpaint` with a home of its own, so that no test meets the developer's daemon or another test's.
pub fn underpaint(home: &Path) -> Command {
    let mut command = Command::new(binary());
    command.env("UNDERPAINT_HOME", home).env_remove("UNDERPAINT_SOCKET");
    command
}

/// Says why a test could not run here. `cargo xtask test` collects the sentences and prints them at the end.
/// Where everything must be installed (`UNDERPAINT_CI`, set by `.ci/run`) a missing thing is a failure instead.
pub fn skip(why: &str) {
    assert!(std::env::var_os("UNDERPAINT_CI").is_none(), "may not be skipped in continuous integration: {why}");
    println!("skipped: {why}");
    if let Some(path) = std::env::var_os("UNDERPAINT_SKIPPED") {
        let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut f| writeln!(f, "skipped: {why}"));
    }
}
