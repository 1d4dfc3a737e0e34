//! The dependency arrows of the design, checked against what cargo really sees.
//! A crate may use less than its row allows, never more.

use std::collections::BTreeSet;
use std::process::Command;

/// crate -> (our crates it may use, heavy third-party crates it may use).
const ALLOWED: &[(&str, &[&str], &[&str])] = &[
    ("underpaint-pages", &[], &[]),
    ("underpaint-raster", &[], &[]),
    ("underpaint-wire", &["underpaint-raster"], &[]),
    ("underpaint-plan", &["underpaint-wire", "underpaint-raster"], &[]),
    ("underpaint-kernels", &[], &["candle-core"]),
    (
        "underpaint-engine",
        &["underpaint-plan", "underpaint-raster", "underpaint-kernels"],
        &["candle-core", "candle-nn"],
    ),
    ("underpaint-filters", &["underpaint-raster", "underpaint-pages"], &["wasmtime"]),
    ("underpaint-starter", &[], &[]),
    // A tool of the starter's training; nothing of the product knows it.
    ("underpaint-maker", &[], &[]),
    (
        "underpaint",
        &[
            "underpaint-pages",
            "underpaint-raster",
            "underpaint-wire",
            "underpaint-plan",
            "underpaint-engine",
            "underpaint-filters",
            "underpaint-starter",
        ],
        &["tokio", "interprocess", "image", "clap"],
    ),
    ("underpaint-filter", &[], &[]),
];

/// What every filter may use, whoever wrote it: those of `plugins/` and the SDK's own example.
const FILTER: (&[&str], &[&str]) = (&["underpaint-filter"], &[]);

/// Crates that only the rows above that name them may use directly.
const HEAVY: &[&str] =
    &["candle-core", "candle-nn", "candle-transformers", "wasmtime", "tokio", "interprocess", "image", "clap"];

/// The repository's own tools may use what they like.
const TOOLS: &[&str] = &["xtask", "e2e"];

#[test]
fn crates_depend_only_along_the_arrows() {
    let mut seen = BTreeSet::new();
    for package in packages() {
        let name = package["name"].as_str().expect("a name").to_owned();
        let manifest = package["manifest_path"].as_str().expect("a path").replace('\\', "/");
        let filter = ["/plugins/", "/sdk/glow/"].iter().any(|folder| manifest.contains(folder));
        let row = ALLOWED.iter().find(|(n, ..)| *n == name).map(|&(_, ours, heavy)| (ours, heavy));
        let Some((ours, heavy)) = row.or(filter.then_some(FILTER)) else {
            assert!(TOOLS.contains(&name.as_str()), "{name} has no row in tests/e2e/tests/arrows.rs: add one");
            continue;
        };
        for dependency in package["dependencies"].as_array().expect("dependencies") {
            if dependency["kind"].as_str() == Some("dev") {
                continue;
            }
            let to = dependency["name"].as_str().expect("a name");
            let is_ours = dependency["path"].is_string();
            assert!(!is_ours || ours.contains(&to), "{name} -> {to} is not an arrow of the design");
            assert!(!HEAVY.contains(&to) || heavy.contains(&to), "{name} may not know {to}");
        }
        seen.insert(name);
    }
    for (name, ..) in ALLOWED {
        assert!(seen.contains(*name), "{name} has a row here but is no longer in the workspace");
    }
}

/// The workspace's own packages as `cargo metadata` tells them.
fn packages() -> Vec<serde_json::Value> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--no-deps", "--offline"])
        .current_dir(e2e::root())
        .output()
        .expect("cargo metadata runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    metadata["packages"].as_array().expect("packages").clone()
}
