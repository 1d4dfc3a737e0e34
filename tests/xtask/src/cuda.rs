//! `cargo xtask cuda`: Underpaint for NVIDIA cards, built without a system toolkit and without a card.
//!
//! Decision: candle links NVIDIA's libraries, and such a program does not start where there is no driver. Its CUDA binding can load
//! them by name instead, so candle-core is copied into the target folder with that one word changed, and cargo is told to take
//! the copy. The toolkit (nvcc and headers) comes from Python wheels if `CUDA_HOME` names none. Candle's kernels are built for compute
//! capability 8.0 as PTX, which the driver translates for every later card when it first needs them; ours bring machine code besides.

use crate::{Result, cargo, root, run, target};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

/// What nvcc needs, and what the build looks at.
const WHEELS: [&str; 8] = [
    "nvidia-cuda-nvcc==13.0.*",
    "nvidia-nvvm==13.0.*",
    "nvidia-cuda-crt==13.0.*",
    "nvidia-cuda-runtime==13.0.*",
    "nvidia-cuda-cccl==13.0.*",
    "nvidia-cublas==13.*,<13.2",
    "nvidia-curand==10.4.0.*",
    "nvidia-cuda-nvrtc==13.0.*",
];

/// Given to the build as nvcc. candle's kernels for quantised files take ten minutes to compile and nothing here calls them; in
/// their place stand functions that abort. Kernels for types that nothing here computes in on a card are taken out of the PTX: they
/// were more than half of what the driver translates at first use.
const WRAPPER: &str = r#"#!/bin/sh
for last; do :; done
case " $* " in *" --ptx "*)
    "$REAL_NVCC" "$@" || exit
    folder=. previous=
    for word; do [ "$previous" = --output-directory ] && folder=$word; previous=$word; done
    ptx=$folder/$(basename "$last" .cu).ptx
    awk '/^\.visible \.entry / { out = $3 ~ /_(f64|f8_e4m3|i16|i32)\(?$/ } !out { print } /^}$/ { out = 0 }' "$ptx" > "$ptx.less"
    exec mv "$ptx.less" "$ptx";;
esac
case $(basename "$last") in mmq_*.cu|mmvq_*.cu|moe_*.cu) ;; *) exec "$REAL_NVCC" "$@";; esac
out= previous=
for word; do [ "$previous" = -o ] && out=$word; previous=$word; done
{
    echo '#include <stdlib.h>'
    case $last in *mmvq_gguf.cu)
        grep -oE 'pub fn [A-Za-z0-9_]+' src/ffi.rs | grep -v moe_align | awk '{print "void " $3 "(void){abort();}"}';;
    esac
} | exec cc -x c -fPIC -O1 -c -o "$out" -
"#;

/// Runs cargo with the feature `cuda` in `target/cuda`: with `arguments`, or so that it builds `underpaint`.
pub fn cuda(arguments: &[String]) -> Result {
    let folder = target().join("cuda");
    make(&folder)?;
    let candle = loading_candle(&folder)?;
    let home = match env::var_os("CUDA_HOME") {
        Some(home) => PathBuf::from(home),
        None => toolkit(&folder)?,
    };
    let wrapper = folder.join("nvcc");
    write(&wrapper, WRAPPER)?;
    fs::set_permissions(&wrapper, fs::Permissions::from_mode(0o755)).map_err(|e| e.to_string())?;
    let set = |name: &str, default: &str| env::var(name).unwrap_or_else(|_| default.into());
    let (what, rest) = match arguments.split_first() {
        Some((what, rest)) => (what.as_str(), rest.to_vec()),
        None => ("build", vec!["-p".to_owned(), "underpaint".to_owned()]),
    };
    let mut build = cargo();
    build.args([what, "--features", "cuda", "--config"]);
    build.arg(format!("patch.crates-io.candle-core.path={:?}", candle.display().to_string())).args(rest);
    build.env("CARGO_TARGET_DIR", &folder).env("CUDA_HOME", &home).env("NVCC", &wrapper);
    build.env("REAL_NVCC", home.join("bin/nvcc")).env("LIBRARY_PATH", home.join("static"));
    build.env("CUDARC_CUDA_VERSION", "13000").env("CUDA_COMPUTE_CAP", set("CUDA_COMPUTE_CAP", "80"));
    build.env("CUDAFORGE_THREADS", set("CUDAFORGE_THREADS", "2"));
    // The copy takes the place of the original in the lock file too; that is nobody's business but this build's.
    let lock = root().join("Cargo.lock");
    let before = fs::read(&lock).map_err(|e| e.to_string())?;
    let outcome = run(&mut build);
    fs::write(&lock, before).map_err(|e| e.to_string())?;
    outcome?;
    if arguments.is_empty() {
        println!("built {}; it starts with and without a card", folder.join("debug/underpaint").display());
    }
    Ok(())
}

/// A copy of candle-core whose CUDA binding loads libraries by name.
fn loading_candle(folder: &Path) -> std::result::Result<PathBuf, String> {
    let tree = cargo().args(["metadata", "--format-version", "1"]).output().map_err(|e| e.to_string())?;
    let tree = String::from_utf8_lossy(&tree.stdout);
    // The only text of its kind in the answer: …/candle-core-0.11.1/Cargo.toml
    let end = tree.match_indices("/Cargo.toml\"").map(|(i, _)| i);
    let mut found = end.filter_map(|end| {
        let start = tree[..end].rfind('"')? + 1;
        let path = Path::new(&tree[start..end]);
        path.file_name()?.to_str()?.starts_with("candle-core-").then(|| path.to_owned())
    });
    let source = found.next().ok_or("candle-core's source is not here; `cargo fetch` gets it")?;
    let copy = folder.join("candle-core");
    let _ = fs::remove_dir_all(&copy);
    run(Command::new("cp").arg("-r").arg(&source).arg(&copy))?;
    let manifest = copy.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(|e| e.to_string())?;
    let changed = text.replace("\"dynamic-linking\"", "\"dynamic-loading\"");
    if changed == text {
        return Err(format!(
            "{} does not say dynamic-linking any more; look at how it binds CUDA now",
            source.display()
        ));
    }
    write(&manifest, &changed)?;
    Ok(copy)
}

/// A CUDA_HOME made of Python wheels.
fn toolkit(folder: &Path) -> std::result::Result<PathBuf, String> {
    let (venv, home) = (folder.join("wheels"), folder.join("home"));
    if home.join("bin/nvcc").is_file() {
        return Ok(home);
    }
    run(Command::new("python3").args(["-m", "venv"]).arg(&venv))?;
    run(Command::new(venv.join("bin/pip")).args(["install", "-q", "--disable-pip-version-check"]).args(WHEELS))?;
    let lib = fs::read_dir(venv.join("lib")).map_err(|e| e.to_string())?.flatten().map(|python| python.path());
    let wheels = lib.map(|python| python.join("site-packages/nvidia/cu13")).find(|path| path.is_dir());
    let wheels = wheels.ok_or("the wheels did not bring nvidia/cu13; has their layout changed?")?;
    let _ = fs::remove_dir_all(&home);
    make(&home.join("lib64"))?;
    make(&home.join("static"))?;
    for part in ["bin", "nvvm", "include"] {
        link(&wheels.join(part), &home.join(part))?;
    }
    link(&home.join("lib64"), &home.join("lib"))?;
    // What is asked for as -lcudart is linked statically.
    link(&wheels.join("lib/libcudart_static.a"), &home.join("static/libcudart.a"))?;
    Ok(home)
}

fn make(folder: &Path) -> Result {
    fs::create_dir_all(folder).map_err(|e| format!("could not create {}: {e}", folder.display()))
}

fn write(path: &Path, text: &str) -> Result {
    fs::write(path, text).map_err(|e| format!("could not write {}: {e}", path.display()))
}

fn link(to: &Path, at: &Path) -> Result {
    symlink(to, at).map_err(|e| format!("could not link {} to {}: {e}", at.display(), to.display()))
}
