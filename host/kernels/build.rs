//! Translates the kernels for NVIDIA cards, `src/cuda/*.cu`, to PTX, which the card's driver translates further.
//!
//! With the feature `cuda` alone, which `cargo xtask cuda` turns on: it names nvcc in `NVCC` and the least compute capability in
//! `CUDA_COMPUTE_CAP`.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

fn main() {
    println!("cargo::rerun-if-changed=src/cuda");
    println!("cargo::rerun-if-env-changed=CUDA_COMPUTE_CAP");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    let nvcc = env::var_os("NVCC").unwrap_or_else(|| "nvcc".into());
    let capability = env::var("CUDA_COMPUTE_CAP").unwrap_or_else(|_| "80".into());
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    for entry in fs::read_dir("src/cuda").into_iter().flatten().flatten() {
        let source = entry.path();
        if source.extension().is_some_and(|e| e == "cu") {
            let ptx = out.join(source.with_extension("ptx").file_name().unwrap_or_default());
            let mut command = Command::new(&nvcc);
            command.args(["--ptx", "-O3", "-std=c++17", &format!("-arch=compute_{capability}"), "-o"]);
            let done = command.arg(&ptx).arg(&source).status();
            if !done.is_ok_and(|status| status.success()) {
                println!("cargo::error={} was not translated by {}", source.display(), nvcc.display());
            }
        }
    }
}
