//! Compiles the kernels for NVIDIA cards, `src/cuda/*.cu`, each to one fat binary.
//!
//! Decision: it holds machine code for the kinds of cards there are, and PTX for those to come, which their driver translates at first
//! use. Code for compute capability 8.0 runs on all of 8.x.
//!
//! With the feature `cuda` alone, which `cargo xtask cuda` turns on: it names nvcc in `NVCC` and the least compute capability in
//! `CUDA_COMPUTE_CAP`.

use std::path::PathBuf;
use std::process::Command;
use std::{env, fs};

/// Compute capabilities that get machine code, from the least one on.
const KINDS: [u32; 3] = [80, 90, 120];

fn main() {
    println!("cargo::rerun-if-changed=src/cuda");
    println!("cargo::rerun-if-env-changed=CUDA_COMPUTE_CAP");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    let nvcc = env::var_os("NVCC").unwrap_or_else(|| "nvcc".into());
    let least = env::var("CUDA_COMPUTE_CAP").ok().and_then(|least| least.parse().ok()).unwrap_or(80);
    let machine = KINDS.iter().filter(|kind| **kind >= least).map(|kind| format!("sm_{kind},"));
    let code = format!("-gencode=arch=compute_{least},code=[{}compute_{least}]", machine.collect::<String>());
    let out = env::var_os("OUT_DIR").map(PathBuf::from).unwrap_or_default();
    for entry in fs::read_dir("src/cuda").into_iter().flatten().flatten() {
        let source = entry.path();
        if source.extension().is_some_and(|e| e == "cu") {
            let binary = out.join(source.with_extension("fatbin").file_name().unwrap_or_default());
            let mut command = Command::new(&nvcc);
            command.args(["--fatbin", "-O3", "-std=c++17", &code, "-o"]);
            let done = command.arg(&binary).arg(&source).status();
            if !done.is_ok_and(|status| status.success()) {
                println!("cargo::error={} was not compiled by {}", source.display(), nvcc.display());
            }
        }
    }
}
