//! `underpaint filter keygen` and `sign`: an author's key, and the proof that a filter comes from its owner.

use crate::cli::{Failure, Global};
use crate::models::hex;
use crate::save;
use clap::Args;
use serde_json::json;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};

const KEYGEN: &str = "\
Examples:
  underpaint filter keygen my.key

Keep the file secret, and keep it: only who has it can publish new versions that painters get without a warning.";

const SIGN: &str = "\
Examples:
  underpaint filter sign --key my.key vignette.wasm
  underpaint filter sign --key my.key .             the filter built in this folder";

/// What a key file holds before the key.
const HEADER: &str = "underpaint secret signing key (ed25519)";

/// Make a key to sign filters with
#[derive(Debug, Args)]
#[command(after_help = KEYGEN)]
pub struct Keygen {
    /// Where the secret key goes; a new file
    file: PathBuf,
}

/// Sign a filter, in place
#[derive(Debug, Args)]
#[command(after_help = SIGN)]
pub struct Sign {
    /// The secret key, from `underpaint filter keygen`
    #[arg(long, value_name = "FILE")]
    key: PathBuf,
    /// The .wasm file, or the folder of a filter that was built
    #[arg(default_value = ".")]
    file: PathBuf,
}

impl Keygen {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|e| Failure::Failed(format!("no randomness for a key: {e}")))?;
        let file = &self.file;
        write_secret(file, &format!("{HEADER}\n{}\n", hex(&secret)))
            .map_err(|e| Failure::Failed(format!("{} cannot be made: {e}", file.display())))?;
        let public = hex(&underpaint_filters::public_key(&secret));
        let sentence = format!("{} is the secret key; the public one is {public}", file.display());
        global.say(&json!({"file": file, "public_key": public}), &sentence);
        Ok(())
    }
}

impl Sign {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let secret = read_secret(&self.key)?;
        let file = super::file(&self.file)?;
        // Only what is a filter is signed.
        super::inspect(global, &file)?;
        let wasm = fs::read(&file).map_err(|e| Failure::Failed(format!("{} cannot be read: {e}", file.display())))?;
        save::replace(&file, &underpaint_filters::sign(&wasm, &secret))
            .map_err(|e| Failure::Failed(format!("{} cannot be written: {e}", file.display())))?;
        let filter = super::inspect(global, &file)?;
        let key = filter.signer.unwrap_or_default();
        let said = json!({"file": file, "filter": filter.name, "version": filter.version, "public_key": key});
        global.say(&said, &format!("{} {} is signed with key {key}", filter.name, filter.version));
        Ok(())
    }
}

/// A new file that only its owner can read.
fn write_secret(path: &Path, text: &str) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(path)?.write_all(text.as_bytes())
}

fn read_secret(path: &Path) -> Result<[u8; 32], Failure> {
    let text =
        fs::read_to_string(path).map_err(|e| Failure::Failed(format!("{} cannot be read: {e}", path.display())))?;
    let digits = text.strip_prefix(HEADER).map(str::trim).filter(|d| d.len() == 64 && d.is_ascii());
    let byte = |i: usize| digits.and_then(|d| u8::from_str_radix(&d[2 * i..2 * i + 2], 16).ok());
    let bytes: Option<Vec<u8>> = (0..32).map(byte).collect();
    bytes
        .and_then(|b| b.try_into().ok())
        .ok_or_else(|| Failure::Failed(format!("{} is not a key made by `underpaint filter keygen`", path.display())))
}
