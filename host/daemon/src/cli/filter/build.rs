//! `underpaint filter build`: from a project's folder to one `.wasm` file that is a filter.

use super::project::Project;
use crate::cli::{Failure, Global};
use crate::save;
use clap::Args;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use underpaint_filters::Descriptor;

const EXAMPLES: &str = "\
Examples:
  underpaint filter build
  underpaint filter build my-filter --json

The commands stand in the project's underpaint.json and run as you: build projects you trust, as with any
compiler.";

/// Build the filter in a folder
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Build {
    /// The project's folder
    #[arg(default_value = ".")]
    dir: PathBuf,
}

impl Build {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let project = Project::open(&self.dir)?;
        let filter = build(global, &project)?;
        let wasm = project.wasm();
        let bytes = fs::metadata(&wasm).map_or(0, |m| m.len());
        let said = json!({"wasm": wasm, "bytes": bytes, "filter": filter.name, "version": filter.version});
        let size = bytes as f64 / 1024.0;
        global.say(&said, &format!("{} {}: {size:.1} KiB in {}", filter.name, filter.version, wasm.display()));
        Ok(())
    }
}

/// Runs the project's commands, puts the manifest in where it is missing, and finds out whether a filter came out.
pub fn build(global: &Global, project: &Project) -> Result<Descriptor, Failure> {
    for words in project.commands() {
        run(project, words)?;
    }
    let wasm = project
        .built()
        .map_err(|_| Failure::Failed(format!("the build ended well, but {} is not there", project.wasm().display())))?;
    if let Some(manifest) = project.manifest() {
        let read = fs::read(&wasm).map_err(|e| Failure::Failed(format!("{} cannot be read: {e}", wasm.display())))?;
        if let Some(with) = underpaint_filters::with_manifest(&read, &manifest.to_string()) {
            save::replace(&wasm, &with)
                .map_err(|e| Failure::Failed(format!("{} cannot be written: {e}", wasm.display())))?;
        }
    }
    super::inspect(global, &wasm)
}

/// One command. What it says goes to stderr, so that stdout stays ours.
fn run(project: &Project, words: &[String]) -> Result<(), Failure> {
    let [program, args @ ..] = words else { return Ok(()) };
    if program == "cargo" {
        has_target(args)?;
    }
    let started = start(&project.dir, program, args).or_else(|error| match program.as_str() {
        // As `pip install ziglang` brings it.
        "zig" if error.kind() == std::io::ErrorKind::NotFound && has_ziglang() => {
            let args = [&["-m".into(), "ziglang".into()], args].concat();
            start(&project.dir, "python3", &args)
        }
        _ => Err(error),
    });
    let status = started.and_then(|mut child| child.wait()).map_err(|e| match e.kind() {
        std::io::ErrorKind::NotFound => Failure::Failed(format!(
            "{program} is not installed, and the project is built with it: {}",
            project.installs(program)
        )),
        _ => Failure::Failed(format!("{program} cannot be started: {e}")),
    })?;
    match status.success() {
        true => Ok(()),
        false => Err(Failure::Failed(format!("`{}` failed ({status}); what it said stands above", words.join(" ")))),
    }
}

/// Whether Python brings zig along.
fn has_ziglang() -> bool {
    let asked =
        Command::new("python3").args(["-c", "import ziglang"]).stdin(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

fn start(dir: &Path, program: &str, args: &[String]) -> std::io::Result<std::process::Child> {
    Command::new(program).args(args).current_dir(dir).stdin(Stdio::null()).stdout(std::io::stderr()).spawn()
}

/// Finds out whether Rust can build for the target before cargo complains at length.
fn has_target(args: &[String]) -> Result<(), Failure> {
    let Some(at) = args.iter().position(|a| a == "--target") else { return Ok(()) };
    let Some(target) = args.get(at + 1) else { return Ok(()) };
    let asked = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output();
    // Without an answer cargo has the word.
    let Ok(output) = asked else { return Ok(()) };
    let folder = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    match folder.is_empty() || Path::new(&folder).is_dir() {
        true => Ok(()),
        false => Err(Failure::Failed(format!(
            "Rust cannot build for {target} here yet; `rustup target add {target}` installs what is missing"
        ))),
    }
}
