//! Lists the files of `model/` for `include_bytes!`, with one hash over all: a list kept by hand would go stale.

use sha2::{Digest, Sha256};
use std::path::{Path, PathBuf};
use std::{env, fs, io};

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=model");
    let root = fs::canonicalize("model")?;
    let mut files = Vec::new();
    walk(&root, &mut files)?;
    files.sort();
    // As the daemon hashes any model folder, so that a receipt's hash and the folder's name are one.
    let mut all = Sha256::new();
    let mut code = String::from("pub static FILES: &[(&str, &[u8])] = &[\n");
    for file in &files {
        let name = file.strip_prefix(&root).map_err(io::Error::other)?.to_string_lossy().replace('\\', "/");
        all.update(&name);
        all.update([0]);
        all.update(hex(&Sha256::digest(fs::read(file)?)));
        code += &format!("    ({name:?}, include_bytes!({:?})),\n", file.display().to_string());
    }
    code += &format!("];\npub const HASH: &str = {:?};\n", hex(&all.finalize()));
    let out = env::var_os("OUT_DIR").ok_or_else(|| io::Error::other("cargo sets OUT_DIR"))?;
    fs::write(Path::new(&out).join("files.rs"), code)
}

fn walk(folder: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        match path.is_dir() {
            true => walk(&path, files)?,
            false => files.push(path),
        }
    }
    Ok(())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|b| format!("{b:02x}")).collect()
}
