//! `--control`, on a ControlNet made of the tiny model's own encoder.

use e2e::controls::{control_net, estimator};
use e2e::{copy, made, run};
use serde_json::json;

fn tiny() -> String {
    e2e::root().join("tests/reference/golden/tiny-sd").display().to_string()
}

fn desk() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: Vec<u8>| std::fs::write(dir.path().join(name), bytes).expect("a file");
    file("lines.png", e2e::png(64, 64, |x, y| if (x + y) % 16 < 3 { [255; 3] } else { [0; 3] }));
    file("photo.png", e2e::png(150, 110, |x, y| [(x + 60) as u8, (2 * y) as u8, ((x * y) % 90 + 80) as u8]));
    let selected = |x, y| (60..90).contains(&x) && (40..70).contains(&y);
    file("mask.png", e2e::png(150, 110, |x, y| [if selected(x, y) { 255 } else { 0 }; 3]));
    let models = dir.path().join("home/models");
    std::fs::create_dir_all(&models).expect("a folder");
    control_net(&models.join("lines.safetensors"));
    dir
}

#[test]
fn a_control_steers_and_the_picture_tells() {
    let (dir, model) = (desk(), tiny());
    let list = made(dir.path(), &["models", "list"]);
    assert_eq!(list["controls"][0]["id"], "lines");
    assert_eq!(list["controls"][0]["kind"], "controlnet");
    assert!(list["models"].as_array().expect("models").iter().all(|m| m["id"] != "lines"));
    let paint = ["generate", "--model", &model, "--prompt", "a cat", "--steps", "3", "--seed", "4"];
    made(dir.path(), &[&paint[..], &["-o", "free.png"]].concat());
    let control = "model=lines,image=lines.png,weight=0.8,end=0.9,preprocess=canny";
    let told = made(dir.path(), &[&paint[..], &["--control", control, "-o", "steered.png"]].concat());
    let used = &told["used"]["controls"][0];
    assert_eq!((&used["model"], &used["weight"], &used["preprocess"]), (&json!("lines"), &json!(0.8), &json!("canny")));
    assert_eq!(used["sha256"].as_str().map(str::len), Some(64));
    let by_path = "model=home/models/lines.safetensors,image=lines.png,weight=0.8,end=0.9,preprocess=canny";
    made(dir.path(), &[&paint[..], &["--control", by_path, "-o", "path.png"]].concat());
    let [free, steered, path] = ["free.png", "steered.png", "path.png"].map(|f| e2e::pixels(&dir.path().join(f)));
    assert!(free.differing(&steered) > 1000);
    assert_eq!(steered.differing(&path), 0);
    // In a fill the canvas itself can steer, and what is outside stays.
    let fill =
        ["fill", "--image", "photo.png", "--mask", "mask.png", "--model", &model, "--steps", "2", "-o", "out.png"];
    made(dir.path(), &[&fill[..], &["--control", "model=lines,preprocess=tile"]].concat());
    let [before, after] = ["photo.png", "out.png"].map(|f| e2e::pixels(&dir.path().join(f)));
    assert_eq!(before.at(5, 5), after.at(5, 5));
    assert!(before.differing(&after) > 500);
}

#[test]
fn what_cannot_steer_is_said() {
    let (dir, model) = (desk(), tiny());
    for (control, words) in [
        ("image=lines.png", "it names no model"),
        ("model=lines,colour=red", "`colour` is unknown"),
        ("model=lines", "without an image"),
        ("model=none,image=lines.png", "there is no control model `none`; there are: lines"),
        ("model=lines,image=lines.png,weight=11", "weight 11"),
        ("model=lines,image=lines.png,preprocess=hed", "`hed` is unknown"),
    ] {
        let output = run(dir.path(), &["generate", "--model", &model, "--control", control, "-o", "out.png"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{control}: {stderr}");
        assert!(stderr.contains(words) && stderr.lines().filter(|l| l.starts_with("error:")).count() == 1, "{stderr}");
    }
    let output =
        run(dir.path(), &["generate", "--model", &model, "--control", "model=lines,image=gone.png", "-o", "out.png"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("gone.png"));
    let other = format!("model={model},image=lines.png");
    let output = run(dir.path(), &["generate", "--model", &model, "--control", &other, "-o", "out.png"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("cannot be used"));
}

/// The running daemon is asked, and paints the same.
#[cfg(unix)]
#[test]
fn a_daemon_paints_the_same() {
    let dir = desk();
    let home = dir.path().join("home");
    let from = e2e::root().join("tests/reference/golden/tiny-sd");
    copy(&from, &home.join("models/tiny"));
    estimator(&home.join("models/near"));
    let paint = ["generate", "--model", "tiny", "--prompt", "a cat", "--steps", "2", "--seed", "4"];
    let control = [
        "--control",
        "model=lines,image=lines.png",
        "--control",
        "model=lines,image=photo.png,preprocess=depth,weight=0.7",
    ];
    made(dir.path(), &[&paint[..], &control, &["-o", "here.png"]].concat());
    let daemon = e2e::daemon::Daemon::start_in(&home);
    let listed = daemon.client().call("controls/list", json!({})).expect("an answer");
    assert_eq!((&listed[0]["id"], &listed[1]["kind"]), (&json!("lines"), &json!("depth")));
    made(dir.path(), &[&paint[..], &control, &["-o", "there.png"]].concat());
    let [here, there] = ["here.png", "there.png"].map(|f| e2e::pixels(&dir.path().join(f)));
    assert_eq!(here.differing(&there), 0);
}

#[test]
fn a_picture_is_preprocessed() {
    let dir = desk();
    for kind in ["canny", "soft_edge", "scribble", "tile", "blur"] {
        let out = format!("{kind}.png");
        let told = made(dir.path(), &["preprocess", "--kind", kind, "photo.png", "-o", &out]);
        assert_eq!(told["kind"], kind);
        assert!(e2e::pixels(&dir.path().join(out)).differing(&e2e::pixels(&dir.path().join("photo.png"))) > 1000);
    }
}

#[test]
fn depth_is_seen_by_a_model_of_the_painters_own() {
    let (dir, model) = (desk(), tiny());
    let refused = |arguments: &[&str], code, words: &str| {
        let output = run(dir.path(), arguments);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{stderr}");
        assert!(stderr.contains(words), "{stderr} does not say {words}");
    };
    let see = ["preprocess", "--kind", "depth", "lines.png", "-o", "depth.png"];
    refused(&see, 2, "pictures of depth are made by a depth estimator; there are none yet: put Depth Anything V2");
    let paint = ["generate", "--model", &model, "--prompt", "a cat", "--steps", "3", "--seed", "4"];
    let control = "model=lines,image=lines.png,preprocess=depth";
    let steered = [&paint[..], &["--control", control, "-o", "steered.png"]].concat();
    refused(&steered, 2, "there are none yet");

    estimator(&dir.path().join("home/models/near"));
    let list = made(dir.path(), &["models", "list"]);
    assert_eq!((&list["controls"][1]["id"], &list["controls"][1]["kind"]), (&json!("near"), &json!("depth")));
    assert_eq!(made(dir.path(), &["models", "inspect", "near"])["kind"], "depth");
    let told = made(dir.path(), &see);
    assert_eq!((&told["kind"], &told["model"]), (&json!("depth"), &json!("near")));
    let by_path = ["preprocess", "--kind", "depth", "--model", "home/models/near", "lines.png", "-o", "path.png"];
    made(dir.path(), &by_path);
    let [lines, depth, path] = ["lines.png", "depth.png", "path.png"].map(|f| e2e::pixels(&dir.path().join(f)));
    assert!(lines.differing(&depth) > 1000);
    assert_eq!(depth.differing(&path), 0);
    let values: Vec<u8> = (0..64 * 64).map(|i| depth.at(i % 64, i / 64)[0]).collect();
    assert_eq!((values.iter().min(), values.iter().max()), (Some(&0), Some(&255)));

    // On the way to the control it is the same but for its rounding to a file's steps.
    let told = made(dir.path(), &steered);
    let used = &told["used"]["controls"][0];
    assert_eq!((&used["preprocess"], &used["preprocessor"]), (&json!("depth"), &json!("near")));
    made(dir.path(), &[&paint[..], &["--control", "model=lines,image=depth.png", "-o", "shown.png"]].concat());
    made(dir.path(), &[&paint[..], &["--control", "model=lines,image=lines.png", "-o", "plain.png"]].concat());
    let named = "model=lines,image=lines.png,preprocess=depth,preprocessor=home/models/near";
    made(dir.path(), &[&paint[..], &["--control", named, "-o", "named.png"]].concat());
    let [steered, shown, plain, named] =
        ["steered.png", "shown.png", "plain.png", "named.png"].map(|f| e2e::pixels(&dir.path().join(f)));
    let apart = |other: &e2e::Pixels| {
        let at = |i: u32, p: &e2e::Pixels| p.at(i % 64, i / 64);
        (0..64 * 64).flat_map(|i| at(i, &steered).into_iter().zip(at(i, other))).map(|(a, b)| a.abs_diff(b)).max()
    };
    assert!(apart(&shown) <= Some(2), "{:?}", apart(&shown));
    assert!(apart(&plain) > Some(20), "{:?}", apart(&plain));
    assert_eq!(steered.differing(&named), 0);

    refused(
        &["preprocess", "--kind", "canny", "--model", "near", "lines.png", "-o", "out.png"],
        2,
        "--model is what sees depth",
    );
    let lines = ["preprocess", "--kind", "depth", "--model", "lines", "lines.png", "-o", "out.png"];
    refused(&lines, 2, "there is no depth estimator `lines`; there are: near");
    let near = [&paint[..], &["--control", "model=near,image=lines.png", "-o", "out.png"]].concat();
    refused(&near, 2, "name `near`, a depth estimator, which steers nothing");
    let edges =
        [&paint[..], &["--control", "model=lines,image=lines.png,preprocess=canny,preprocessor=near", "-o", "out.png"]];
    refused(&edges.concat(), 2, "only preprocess: depth has one");
}
