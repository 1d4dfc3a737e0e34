//! Lists the languages that `underpaint filter new` knows: every folder `sdk/LANGUAGE` with its `template/` (Rust's is
//! `sdk/template`). The template's files become the project, the rest of the folder and the contract its
//! `underpaint-filter/`. Lists also the files of the editors' adapters, which `underpaint adapter` hands out.

#[path = "src/cli/adapter/sources.rs"]
mod sources;

use std::path::{Path, PathBuf};
use std::{env, fs};

fn main() {
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("languages.rs"), languages()).expect("the build folder can be written");
    fs::write(out.join("adapters.rs"), adapters()).expect("the build folder can be written");
}

fn adapters() -> String {
    let adapters = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../adapters");
    let mut list = String::from("&[\n");
    for (editor, folders) in sources::SOURCES {
        for (folder, _) in *folders {
            println!("cargo::rerun-if-changed={}", adapters.join(folder).display());
        }
        let files = sources::files(&adapters, editor).expect("the adapter's files can be read");
        list += &format!("    ({editor:?}, &[\n");
        for (to, from) in files {
            list += &format!("        ({to:?}, include_bytes!({from:?})),\n");
        }
        list += "    ]),\n";
    }
    list + "]\n"
}

fn languages() -> String {
    let sdk = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk");
    println!("cargo::rerun-if-changed={}", sdk.display());
    let mut list = String::from("&[\n");
    for folder in sorted(&sdk) {
        let name = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let template = if name == "rust" { sdk.join("template") } else { folder.join("template") };
        if !folder.is_dir() || !template.is_dir() {
            continue;
        }
        let mut files = Vec::new();
        collect(&template, &template, "", &mut files);
        collect(&folder, &folder, "underpaint-filter/", &mut files);
        files.push(("underpaint-filter/filter.wit".into(), sdk.join("filter.wit")));
        list += &format!("    Language {{ name: {name:?}, files: &[\n");
        for (to, from) in files {
            list += &format!("        ({to:?}, include_bytes!({from:?})),\n");
        }
        list += "    ] },\n";
    }
    list + "]\n"
}

/// The files below `dir` under the names they get in a project.
fn collect(base: &Path, dir: &Path, prefix: &str, files: &mut Vec<(String, PathBuf)>) {
    for path in sorted(dir) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        // What tools leave behind, and another project in this one.
        if ["target", "node_modules", "build", ".zig-cache", "template", "Cargo.lock"].contains(&name.as_str())
            || name.ends_with(".wasm")
        {
            continue;
        }
        if path.is_dir() {
            collect(base, &path, prefix, files);
        } else {
            let inside = path.strip_prefix(base).unwrap_or(&path).components();
            let inside = inside.map(|c| c.as_os_str().to_string_lossy()).collect::<Vec<_>>().join("/");
            files.push((format!("{prefix}{inside}"), path));
        }
    }
}

fn sorted(dir: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> = fs::read_dir(dir).into_iter().flatten().flatten().map(|e| e.path()).collect();
    paths.sort();
    paths
}
