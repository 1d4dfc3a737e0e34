//! `underpaint filter add` and `remove`: what is installed on this machine, and what it may do.

use crate::cli::{Failure, Global, paint};
use crate::filters::{Lock, is_first_party};
use crate::{platform, save};
use clap::Args;
use serde_json::json;
use std::fs;
use std::path::{Path, PathBuf};
use underpaint_filters::{Descriptor, Reason};

const ADD: &str = "\
Examples:
  underpaint filter add vignette.wasm
  underpaint filter add --force vignette.wasm       although it is not the one that was installed before

Shows what the filter asks for and copies it into the folder `filters` of Underpaint's home; a running daemon has it at
once. Its hash is remembered: the file cannot change without a new version.";

const REMOVE: &str = "\
Examples:
  underpaint filter remove vignette";

/// Install a filter from a file
#[derive(Debug, Args)]
#[command(after_help = ADD)]
pub struct Add {
    /// The .wasm file, or the folder of a filter that was built
    file: PathBuf,
    /// Take it although its version has other bytes, or another author, than what was installed before
    #[arg(long)]
    force: bool,
}

/// Remove an installed filter
#[derive(Debug, Args)]
#[command(after_help = REMOVE)]
pub struct Remove {
    /// Its name
    name: String,
}

impl Add {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let file = super::file(&self.file)?;
        let filter = super::inspect(global, &file)?;
        let name = &filter.name;
        if is_first_party(name) {
            return Err(Failure::Failed(format!(
                "{} is called {name}, as a filter that Underpaint comes with; it needs a name of its own",
                file.display()
            )));
        }
        let dir = global.home()?.filters_dir();
        let target = dir.join(format!("{name}.wasm"));
        let mut lock = Lock::read(&dir);
        let before = lock.get(name).cloned();
        match self.force {
            true => lock.pin(&target, &filter),
            false => lock.admit(&target, &filter).map_err(|reason: Reason| {
                let reason = reason.to_string().replace(&target.display().to_string(), &file.display().to_string());
                Failure::Failed(format!("filter {name}: {reason}"))
            })?,
        }
        let failed =
            |path: &Path, e: std::io::Error| Failure::Failed(format!("{} cannot be written: {e}", path.display()));
        platform::make_private(&dir).map_err(|e| failed(&dir, e))?;
        let bytes = fs::read(&file).map_err(|e| Failure::Failed(format!("{} cannot be read: {e}", file.display())))?;
        // The lock first: between the two a daemon refuses what is there rather than pinning it.
        lock.write(&dir).map_err(|e| failed(&dir, e))?;
        save::replace(&target, &bytes).map_err(|e| failed(&target, e))?;
        if let Some(old) = before.as_ref().map(|pin| dir.join(&pin.file)).filter(|old| *old != target) {
            let _ = fs::remove_file(old);
        }
        let author = match (&filter.signer, before.as_ref().map(|pin| &pin.signer)) {
            (None, _) => "by nobody",
            (Some(_), None | Some(None)) => "for the first time here",
            (Some(key), Some(Some(was))) if key == was => "by the author of the version before",
            (Some(_), Some(_)) => "by another than the version before",
        };
        if global.json {
            let before = before.as_ref().map(|pin| &pin.version);
            global.print(&json!({"filter": filter, "file": target, "replaces": before, "signed": author}));
            return Ok(());
        }
        card(&filter, author);
        match before.filter(|pin| pin.version != filter.version) {
            Some(pin) => outln!("installed as {} in place of version {}", target.display(), pin.version),
            None => outln!("installed as {}", target.display()),
        }
        Ok(())
    }
}

/// What a painter should know before a filter runs.
fn card(filter: &Descriptor, signed: &str) {
    let Descriptor { name, version, title, description, .. } = filter;
    outln!("{title} ({name} {version})");
    outln!("  {description}");
    let given = |text: &str, none: &str| if text.is_empty() { none.to_owned() } else { text.to_owned() };
    outln!("  author    {}", given(&filter.authors, "not given"));
    outln!("  licence   {}", given(&filter.license, "not given"));
    if !filter.homepage.is_empty() {
        outln!("  homepage  {}", filter.homepage);
    }
    outln!("  memory    {} MiB for each core", filter.limits.memory_bytes >> 20);
    outln!("  time      {} ms for each megapixel", filter.limits.timeout_ms);
    let inputs: Vec<String> = filter.inputs.iter().map(|i| format!(", {}", i.label.to_lowercase())).collect();
    outln!("  sees      the picture you run it on{}; nothing else: no files, no network, no clock", inputs.concat());
    outln!("  sha256    {}", filter.sha256);
    match &filter.signer {
        Some(key) => outln!("  signed    {signed}, with key {key}"),
        None => outln!("  signed    {signed}"),
    }
}

impl Remove {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        let name = &self.name;
        if is_first_party(name) {
            return Err(Failure::Usage(format!("{name} is part of Underpaint and cannot be removed")));
        }
        let home = global.home()?;
        let dir = home.filters_dir();
        let mut lock = Lock::read(&dir);
        let pinned = lock.remove(name).map(|pin| dir.join(pin.file)).filter(|path| path.exists());
        let path = match pinned {
            Some(path) => path,
            // Copied there by hand, and not looked at yet.
            None => match paint::filters(&home)?.origin(name) {
                Some(underpaint_filters::Origin::File(path)) => path.clone(),
                _ => return Err(Failure::Usage(format!("no filter of the name {name} is installed"))),
            },
        };
        fs::remove_file(&path).map_err(|e| Failure::Failed(format!("{} cannot be removed: {e}", path.display())))?;
        // Looking for it may have pinned what lies there.
        let mut lock = Lock::read(&dir);
        lock.remove(name);
        lock.write(&dir).map_err(|e| Failure::Failed(format!("{} cannot be written: {e}", dir.display())))?;
        global.say(&json!({"filter": name, "removed": path}), &format!("{} is gone", path.display()));
        Ok(())
    }
}
