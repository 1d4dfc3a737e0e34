//! Lists the first-party filters: every folder of `plugins/` with a `NAME.wasm` and the `NAME.json` that says what it
//! is (both made by `cargo xtask filters`) is part of Underpaint.

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins");
    println!("cargo::rerun-if-changed={}", plugins.display());
    let mut folders: Vec<PathBuf> = fs::read_dir(&plugins).expect("plugins/").flatten().map(|e| e.path()).collect();
    folders.sort();
    let mut list = String::from("&[\n");
    for folder in folders {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let file = |extension: &str| folder.join(format!("{name}.{extension}"));
        let (wasm, json) = (file("wasm"), file("json"));
        if wasm.exists() && json.exists() {
            list += &format!(
                "    FirstParty {{ name: {name:?}, wasm: include_bytes!({wasm:?}), descriptor: include_str!({json:?}) }},\n"
            );
        }
    }
    list += "]\n";
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("first_party.rs"), list).expect("the build folder can be written");
}
