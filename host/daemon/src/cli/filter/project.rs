//! The folder in which somebody writes a filter: how it is built, and where the result lies.
//!
//! Decision: what a language needs stands in the project, in `underpaint.json`, not in this program: a template for
//! another compiler is a folder of files.

use crate::cli::Failure;
use serde::Deserialize;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The file that says how a project is built.
pub const RECIPE: &str = "underpaint.json";

/// A filter's project.
#[derive(Debug)]
pub struct Project {
    /// Its folder.
    pub dir: PathBuf,
    recipe: Recipe,
}

/// The content of [`RECIPE`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Recipe {
    /// The command that makes the wasm, or several in order; each is a program and its arguments.
    build: Commands,
    /// Where the wasm lies then, from the project's folder.
    wasm: PathBuf,
    /// The manifest as in `filter.wit`, where the language cannot put it into the file itself.
    manifest: Option<Value>,
    /// For each program of `build`, the command that installs it.
    #[serde(default)]
    needs: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Commands {
    One(Vec<String>),
    Several(Vec<Vec<String>>),
}

impl Project {
    /// The project in `dir`: one with an `underpaint.json`, or a Rust crate.
    pub fn open(dir: &Path) -> Result<Self, Failure> {
        let file = dir.join(RECIPE);
        let recipe = match fs::read_to_string(&file) {
            Ok(text) => {
                serde_json::from_str(&text).map_err(|e| Failure::Failed(format!("{} is wrong: {e}", file.display())))?
            }
            Err(_) => Recipe::of_crate(dir).ok_or_else(|| {
                let dir = std::path::absolute(dir).unwrap_or(dir.into());
                Failure::Failed(format!(
                    "{} is no filter's project: it has no {RECIPE}; `underpaint filter new NAME` makes one",
                    dir.display()
                ))
            })?,
        };
        Ok(Self { dir: dir.into(), recipe })
    }

    /// The commands that build it, in order.
    pub fn commands(&self) -> &[Vec<String>] {
        match &self.recipe.build {
            Commands::One(command) => std::slice::from_ref(command),
            Commands::Several(commands) => commands,
        }
    }

    /// Where the wasm is or will be.
    pub fn wasm(&self) -> PathBuf {
        self.dir.join(&self.recipe.wasm)
    }

    /// The wasm, which must have been built.
    pub fn built(&self) -> Result<PathBuf, Failure> {
        let wasm = self.wasm();
        match wasm.is_file() {
            true => Ok(wasm),
            false => Err(Failure::Failed(format!(
                "{} is not there yet; `underpaint filter build` in {} makes it",
                wasm.display(),
                self.dir.display()
            ))),
        }
    }

    /// The manifest to put into the wasm, if the language does not.
    pub fn manifest(&self) -> Option<&Value> {
        self.recipe.manifest.as_ref()
    }

    /// How `program` gets onto this machine.
    pub fn installs(&self, program: &str) -> String {
        let known = match program {
            "cargo" | "rustc" => "see https://rustup.rs",
            "zig" | "python3" => "pip install ziglang",
            "npm" | "npx" | "node" => "see https://nodejs.org",
            "clang" => "apt install clang lld",
            _ => "its own page says how",
        };
        self.recipe.needs.get(program).cloned().unwrap_or_else(|| known.into())
    }
}

impl Recipe {
    /// A crate made without the template.
    fn of_crate(dir: &Path) -> Option<Self> {
        let manifest = fs::read_to_string(dir.join("Cargo.toml")).ok()?;
        let name = manifest.lines().find_map(|line| line.strip_prefix("name = \"")?.split('"').next())?;
        let build = ["cargo", "build", "--release", "--target", "wasm32-unknown-unknown"].map(String::from).to_vec();
        let wasm = format!("target/wasm32-unknown-unknown/release/{}.wasm", name.replace('-', "_")).into();
        Some(Self { build: Commands::One(build), wasm, manifest: None, needs: BTreeMap::new() })
    }
}
