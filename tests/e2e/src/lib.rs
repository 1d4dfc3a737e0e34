//! What every end-to-end test needs: the real binary, a home of its own, a way to say "skipped".
//!
//! The binary is the one cargo built beside this test (`cargo xtask test` builds it first); nothing here
//! starts a build, so that tests stay fast and never wait for cargo's lock.

pub mod controls;
#[cfg(unix)]
pub mod daemon;
pub mod holes;
mod pictures;
pub mod samples;
#[cfg(unix)]
pub mod web;

pub use pictures::{Pixels, claimed_png, pixels, png, png_text};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

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

/// `underpaint` with a home and a port of its own, so that no test meets the developer's daemon or another test's.
pub fn underpaint(home: &Path) -> Command {
    let mut command = Command::new(binary());
    command.env("UNDERPAINT_HOME", home).env("UNDERPAINT_WS_PORTS", "0").env_remove("UNDERPAINT_SOCKET");
    command
}

/// Runs `underpaint` with `args` in the folder `dir`, whose `home` is its home.
pub fn run(dir: &Path, args: &[&str]) -> Output {
    let mut command = underpaint(&dir.join("home"));
    command.args(args).current_dir(dir).output().expect("the binary runs")
}

/// What a run that must succeed says of itself with `--json`.
pub fn made(dir: &Path, args: &[&str]) -> serde_json::Value {
    let output = run(dir, &[args, &["--json"]].concat());
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON on stdout")
}

/// Writes an upscaler of four times to `path`: the compact one of the reference data.
pub fn upscaler(path: &Path) {
    part(path, |name| name.starts_with("body.").then(|| name.to_owned()));
}

/// Writes the narrow tiny autoencoder of the reference data to `path`, under diffusers' names.
pub fn tiny_autoencoder(path: &Path) {
    part(path, |name| {
        let name = name.strip_prefix("taesd.").filter(|name| name.contains(".layers."));
        name.map(str::to_owned)
    });
}

/// Writes those tensors of the reference data that `rename` gives a name.
fn part(path: &Path, rename: impl Fn(&str) -> Option<String>) {
    let golden = std::fs::read(root().join("tests/reference/golden/upscale.safetensors")).expect("the reference data");
    let length = u64::from_le_bytes(golden[..8].try_into().expect("8 bytes")) as usize;
    let header: serde_json::Value = serde_json::from_slice(&golden[8..8 + length]).expect("a header");
    let (mut entries, mut data) = (serde_json::Map::new(), Vec::new());
    for (name, entry) in header.as_object().expect("an object") {
        let Some(name) = rename(name) else { continue };
        let [from, to] = [0, 1].map(|i| 8 + length + entry["data_offsets"][i].as_u64().expect("a place") as usize);
        let mut entry = entry.clone();
        entry["data_offsets"] = serde_json::json!([data.len(), data.len() + to - from]);
        entries.insert(name, entry);
        data.extend(&golden[from..to]);
    }
    let header = serde_json::Value::Object(entries).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes()[..], header.as_bytes(), &data].concat();
    std::fs::write(path, bytes).expect("a file");
}

/// Copies a folder with all that is in it.
pub fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").map(|e| e.expect("an entry")) {
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => std::fs::copy(entry.path(), to.join(entry.file_name())).map(drop).expect("a copy"),
        }
    }
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
