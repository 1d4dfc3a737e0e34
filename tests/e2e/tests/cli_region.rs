//! `--region`: texts bound to parts of a picture.

use e2e::{made, run};
use serde_json::json;

fn tiny() -> String {
    e2e::root().join("tests/reference/golden/tiny-sd").display().to_string()
}

fn desk() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: Vec<u8>| std::fs::write(dir.path().join(name), bytes).expect("a file");
    let side = |left: bool| e2e::png(64, 64, move |x, _| [if (x < 32) == left { 255 } else { 0 }; 3]);
    file("left.png", side(true));
    file("right.png", side(false));
    file("small.png", e2e::png(8, 8, |x, _| [if x < 4 { 255 } else { 0 }; 3]));
    file("white.png", e2e::png(64, 64, |_, _| [255; 3]));
    file("black.png", e2e::png(64, 64, |_, _| [0; 3]));
    file("photo.png", e2e::png(150, 110, |x, y| [(x + 60) as u8, (2 * y) as u8, ((x * y) % 90 + 80) as u8]));
    let selected = |x, y| (60..90).contains(&x) && (40..70).contains(&y);
    file("mask.png", e2e::png(150, 110, |x, y| [if selected(x, y) { 255 } else { 0 }; 3]));
    dir
}

#[test]
fn each_part_is_painted_by_its_own_text_and_the_picture_tells() {
    let (dir, model) = (desk(), tiny());
    let paint = ["generate", "--model", &model, "--steps", "3", "--seed", "4", "--width", "64", "--height", "64"];
    let region = |text: &str, mask: &str| ["--region".to_owned(), format!("prompt={text},mask={mask}")];
    let painted = |out: &str, prompt: &str, regions: &[[String; 2]]| {
        let regions = regions.iter().flatten().map(String::as_str);
        let args: Vec<&str> = paint.into_iter().chain(["--prompt", prompt, "-o", out]).chain(regions).collect();
        let told = made(dir.path(), &args);
        (told, e2e::pixels(&dir.path().join(out)))
    };
    let (_, plain) = painted("plain.png", "a dog, oil", &[]);
    let (told, whole) = painted("whole.png", "oil", &[region("a dog", "white.png")]);
    assert_eq!(plain.differing(&whole), 0, "white everywhere is that text's own picture");
    assert_eq!(told["used"]["regions"], json!([{"prompt": "a dog"}]));
    let halves = [region("a dog", "left.png"), region("the sea, at {dusk|dawn}", "right.png")];
    let (told, two) = painted("two.png", "oil", &halves);
    assert!(two.differing(&whole) > 1000);
    let sea = told["used"]["regions"][1]["prompt"].as_str().expect("a text");
    assert!(["the sea, at dusk", "the sea, at dawn"].contains(&sea), "{sea}");
    let (_, small) = painted("scaled.png", "oil", &[region("a dog", "small.png"), halves[1].clone()]);
    assert!(small.differing(&two) < 64 * 64 && small.differing(&whole) > 1000, "a mask is scaled to the picture");
    // In a fill, whose masks lie on the canvas, what is outside stays.
    let fill = ["fill", "--image", "photo.png", "--mask", "mask.png", "--model", &model, "--steps", "2", "--seed", "1"];
    made(dir.path(), &[&fill[..], &["-o", "bare.png"]].concat());
    made(dir.path(), &[&fill[..], &["--region", "prompt=a dog,mask=mask.png", "-o", "out.png"]].concat());
    let [before, bare, after] = ["photo.png", "bare.png", "out.png"].map(|f| e2e::pixels(&dir.path().join(f)));
    assert_eq!(before.at(5, 5), after.at(5, 5));
    assert!(bare.differing(&after) > 300);
}

#[test]
fn what_is_no_region_is_said() {
    let (dir, model) = (desk(), tiny());
    for (region, words) in [
        ("a dog", "it names no mask; right would be 'prompt=a forest, at dusk,mask=right.png'"),
        ("mask=left.png,prompt=a dog", "the mask must come last"),
        ("prompt= ,mask=left.png", "its prompt is empty"),
        ("prompt=a dog,mask=black.png", "regions.mask is empty for `a dog`; white is where it is seen"),
        ("prompt=(a:1e9),mask=left.png", "regions.prompt has the weight"),
        ("prompt=<lora:none>,mask=left.png", "none"),
    ] {
        let output = run(dir.path(), &["generate", "--model", &model, "--region", region, "-o", "out.png"]);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{region}: {stderr}");
        assert!(stderr.contains(words) && stderr.lines().filter(|l| l.starts_with("error:")).count() == 1, "{stderr}");
    }
    let output =
        run(dir.path(), &["generate", "--model", &model, "--region", "prompt=a,mask=gone.png", "-o", "out.png"]);
    assert!(!output.status.success() && String::from_utf8_lossy(&output.stderr).contains("gone.png"));
    assert!(!dir.path().join("out.png").exists());
}

/// The running daemon is asked, and paints the same.
#[cfg(unix)]
#[test]
fn a_daemon_paints_the_same() {
    let dir = desk();
    let home = dir.path().join("home");
    std::fs::create_dir_all(&home).expect("a folder");
    let paint = ["generate", "--model", "starter", "--prompt", "oil", "--steps", "1", "--seed", "4"];
    let size = ["--width", "64", "--height", "64"];
    let regions = ["--region", "prompt=the sea,mask=left.png", "--region", "prompt=a forest, at dusk,mask=right.png"];
    made(dir.path(), &[&paint[..], &size, &regions, &["-o", "here.png"]].concat());
    let daemon = e2e::daemon::Daemon::start_in(&home);
    made(dir.path(), &[&paint[..], &size, &regions, &["-o", "there.png"]].concat());
    let [here, there] = ["here.png", "there.png"].map(|f| e2e::pixels(&dir.path().join(f)));
    assert_eq!(here.differing(&there), 0);
    let request = json!({"model": "starter", "regions": [{"prompt": "the sea"}], "extent": [64, 64]});
    let refused = daemon.client().call("generate", request).expect_err("no mask");
    assert!(refused.to_string().contains("regions.mask is missing for `the sea`"), "{refused:?}");
}
