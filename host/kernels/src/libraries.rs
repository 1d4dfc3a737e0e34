//! NVIDIA's libraries where the system's loader does not look for them.
//!
//! Decision: what the loader finds wins (`LD_LIBRARY_PATH`, `ld.so.conf`). An editor that was started from a menu hands on no such variable, and
//! containers, NixOS and the Subsystem for Linux put the driver where nothing else says that it is; a program that found nothing there would
//! compute on the processor, many times slower, and nobody would know why. So what is missing is looked for in the folders where it usually
//! is. What is in memory is found by its name from then on.

use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
use std::path::{Path, PathBuf};

/// What is needed, each after what it needs itself.
const NEEDED: [&str; 4] = ["libcuda.so.1", "libcublasLt.so.13", "libcublas.so.13", "libcurand.so.10"];

/// Where the driver and the libraries usually are: of the Subsystem for Linux, of containers, of NixOS and of snaps the driver; of NVIDIA's
/// installer and of Arch Linux the rest.
const USUAL: [&str; 8] = [
    "/usr/lib/wsl/lib",
    "/usr/local/nvidia/lib64",
    "/run/opengl-driver/lib",
    "/var/lib/snapd/lib/gl",
    "/usr/local/cuda-13/lib64",
    "/usr/local/cuda-13.0/lib64",
    "/usr/local/cuda/lib64",
    "/opt/cuda/lib64",
];

/// Brings into memory what the loader does not find by itself.
pub(crate) fn bring_all() {
    let mut folders: Vec<PathBuf> = USUAL.iter().map(PathBuf::from).collect();
    folders.extend(std::env::home_dir().map(|home| of_pip(&home.join(".local/lib"))).unwrap_or_default());
    for name in NEEDED {
        bring(name, &folders);
    }
}

/// Whether the library `name` is in memory now: the loader's own, else that of the first of `folders` whose can be loaded.
fn bring(name: &str, folders: &[PathBuf]) -> bool {
    let stay = |library| {
        // For as long as the process lives: what computes with it takes it by its name.
        std::mem::forget(library);
    };
    let load = |path: &Path| {
        // SAFETY: libraries of NVIDIA do nothing but set up themselves when they are loaded; the same ones are loaded by name right after.
        unsafe { Library::open(Some(path), RTLD_NOW | RTLD_GLOBAL) }.map(stay).is_ok()
    };
    let there = |folder: &PathBuf| Some(folder.join(name)).filter(|path| path.is_file());
    load(Path::new(name)) || folders.iter().filter_map(there).any(|path| load(&path))
}

/// Where `pip install --user nvidia-cublas nvidia-curand` puts them, the newest Python's first.
fn of_pip(lib: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(lib).map(|entries| entries.flatten().map(|entry| entry.path()).collect());
    let mut pythons: Vec<PathBuf> = entries.unwrap_or_default();
    let minor = |path: &PathBuf| {
        let name = path.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
        name.strip_prefix("python3.").and_then(|minor| minor.parse::<u32>().ok())
    };
    pythons.retain(|path| minor(path).is_some());
    pythons.sort_by_key(|path| std::cmp::Reverse(minor(path)));
    pythons.into_iter().map(|path| path.join("site-packages/nvidia/cu13/lib")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A library that this process has loaded, and may load twice: the compiler's own, which everything of Rust's needs.
    fn one() -> PathBuf {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let mut paths = maps.lines().filter_map(|line| line.split_whitespace().nth(5));
        paths.find(|path| path.contains("/libgcc_s.so")).unwrap().into()
    }

    #[test]
    fn what_the_loader_does_not_find_is_looked_for_in_folders() {
        let name = "libunderpaint-not-installed.so.1";
        let [empty, broken, whole] = ["empty", "broken", "whole"].map(|name| {
            let folder = std::env::temp_dir().join(format!("underpaint-libraries-{}-{name}", std::process::id()));
            std::fs::create_dir_all(&folder).unwrap();
            folder
        });
        std::fs::write(broken.join(name), "no library").unwrap();
        std::fs::copy(one(), whole.join(name)).unwrap();
        let all = [empty, broken, whole];
        assert!(!bring(name, &[]) && !bring(name, &all[..2]));
        assert!(bring(name, &all));
        assert!(bring("libc.so.6", &[]), "the loader's own");
        all.iter().for_each(|folder| std::fs::remove_dir_all(folder).unwrap());
        // Wherever this runs, whatever is there.
        bring_all();
    }

    #[test]
    fn of_several_pythons_the_newest_is_first() {
        let lib = std::env::temp_dir().join(format!("underpaint-pythons-{}", std::process::id()));
        for name in ["python3.9", "python3.12", "python2.7", "node"] {
            std::fs::create_dir_all(lib.join(name)).unwrap();
        }
        let found = of_pip(&lib).into_iter().map(|path| path.strip_prefix(&lib).unwrap().to_owned());
        let expected = ["python3.12", "python3.9"].map(|name| Path::new(name).join("site-packages/nvidia/cu13/lib"));
        assert_eq!(Vec::from_iter(found), expected);
        assert!(of_pip(&lib.join("nowhere")).is_empty());
        std::fs::remove_dir_all(lib).unwrap();
    }
}
