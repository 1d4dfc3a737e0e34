//! `underpaint filter new`: a project that builds as it is, in the language of one's choice.
//!
//! Decision: the SDK travels with the project, so that it builds without a network and goes on building when
//! Underpaint changes. Template and SDK of every language under `sdk/` are embedded by `build.rs`.

use super::project::Project;
use crate::cli::{Failure, Global};
use clap::Args;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};

const EXAMPLES: &str = "\
Examples:
  underpaint filter new my-filter
  underpaint filter new --lang c sharpen

Then, in the new folder:
  underpaint filter build
  underpaint filter check
  underpaint filter run . photo.png -o out.png";

/// Start a filter of your own: a project that builds as it is
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct New {
    /// The folder to make; its last part is the filter's name
    dir: PathBuf,
    /// The language to write it in
    #[arg(long, value_name = "LANGUAGE", default_value = "rust", value_parser = LANGUAGES.iter().map(|l| l.name).collect::<Vec<_>>())]
    lang: String,
}

/// A language, with the files of a new project from its folder.
struct Language {
    name: &'static str,
    files: &'static [(&'static str, &'static [u8])],
}

const LANGUAGES: &[Language] = include!(concat!(env!("OUT_DIR"), "/languages.rs"));

/// The name templates have.
const TEMPLATE: &str = "my-filter";

impl New {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let dir = &self.dir;
        let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
        if !letters || name.len() > 64 || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
            return Err(Failure::Usage(format!(
                "{name:?} cannot be a filter's name: up to 64 lower case letters, digits and hyphens, beginning with a letter"
            )));
        }
        if dir.exists() {
            return Err(Failure::Failed(format!("{} is there already; a new folder is wanted", dir.display())));
        }
        let files = LANGUAGES.iter().find(|l| l.name == self.lang).map_or(&[][..], |l| l.files);
        for (file, bytes) in files {
            let path = dir.join(file);
            let named = named(file, bytes, &name);
            write(&path, &named).map_err(|e| Failure::Failed(format!("{} cannot be written: {e}", path.display())))?;
        }
        let wasm = Project::open(dir)?.wasm();
        let next = format!(
            "{folder} holds a filter that tints pictures, in {}. Next:\n  cd {folder}\n  underpaint filter build\n  underpaint filter check\n  underpaint filter run . photo.png -o out.png",
            self.lang,
            folder = dir.display()
        );
        global.say(&json!({"folder": dir, "lang": self.lang, "wasm": wasm}), &next);
        Ok(())
    }
}

/// The Rust SDK's own manifest, which in the repository takes from the workspace what stands here.
const SDK_MANIFEST: &str = concat!(
    "[package]\nname = \"underpaint-filter\"\nversion = \"",
    env!("CARGO_PKG_VERSION"),
    "\"\nedition = \"2024\"\nlicense = \"MIT OR Apache-2.0\"\npublish = false\n",
    "description = \"Write an Underpaint filter in Rust.\"\n",
);

/// The file with the filter's name in the template's place, and the SDK where it now lies. The SDK is the same in
/// every project.
fn named(file: &str, bytes: &[u8], name: &str) -> Vec<u8> {
    match std::str::from_utf8(bytes) {
        _ if file == "underpaint-filter/Cargo.toml" => SDK_MANIFEST.into(),
        Ok(text) if !file.starts_with("underpaint-filter/") => {
            let under = |name: &str| name.replace('-', "_");
            let text = text.replace(TEMPLATE, name).replace(&under(TEMPLATE), &under(name));
            text.replace("path = \"../rust\"", "path = \"underpaint-filter\"").into_bytes()
        }
        _ => bytes.to_vec(),
    }
}

fn write(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    fs::write(path, bytes)
}
