//! `underpaint fill` through the real binary: what a painter gets, and what stays as it was.

use std::path::Path;
use std::process::{Output, Stdio};

const W: u32 = 96;
const H: u32 = 72;

fn texture(x: u32, y: u32) -> [u8; 3] {
    let stripes = if (x / 6 + y / 9).is_multiple_of(2) { 60 } else { 0 };
    [(90 + stripes + x) as u8, (60 + stripes + y) as u8, (120 + stripes) as u8]
}

fn in_hole(x: u32, y: u32) -> bool {
    (40..56).contains(&x) && (30..44).contains(&y)
}

fn desk() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    std::fs::write(dir.path().join("photo.png"), e2e::png(W, H, texture)).expect("a file");
    std::fs::write(dir.path().join("mask.png"), e2e::png(W, H, |x, y| [if in_hole(x, y) { 255 } else { 0 }; 3]))
        .expect("a file");
    dir
}

fn run(dir: &Path, args: &str) -> Output {
    let mut command = e2e::underpaint(&dir.join("home"));
    let output = command.args(args.split_whitespace()).current_dir(dir).output().expect("the binary runs");
    assert!(output.status.success(), "`{args}`: {}", String::from_utf8_lossy(&output.stderr));
    output
}

#[test]
fn untouched_pixels_stay_bit_identical_and_the_hole_is_filled() {
    let dir = desk();
    let output = run(dir.path(), "fill --image photo.png --mask mask.png --seed 3 -o out.png --patch patch.png --json");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
    let rect = &told["patches"][0]["rect"];
    let at = |name: &str| rect[name].as_u64().expect("a rect") as u32;
    let before = e2e::pixels(&dir.path().join("photo.png"));
    let after = e2e::pixels(&dir.path().join("out.png"));
    let patch = e2e::pixels(&dir.path().join("patch.png"));
    let mut changed = 0;
    for y in 0..H {
        for x in 0..W {
            let (b, a, p) = (before.at(x, y), after.at(x, y), patch.at(x, y));
            let inside = (at("x")..at("x") + at("w")).contains(&x) && (at("y")..at("y") + at("h")).contains(&y);
            if p[3] == 0 {
                assert_eq!(a, b, "({x}, {y}) lies outside the patch's alpha");
                assert_eq!(p, [0; 4], "nothing leaks where alpha is 0");
            } else {
                assert!(inside, "({x}, {y}) is painted outside the patch's rect");
            }
            if in_hole(x, y) {
                assert_eq!(p[3], 255, "({x}, {y}) was selected");
                changed += u32::from(a != b);
            }
        }
    }
    assert!(changed > 40, "the hole was filled anew");
    assert_eq!(told["used"]["model"], "exemplar");
    assert_eq!(told["receipt"]["request"]["seed"], 3);
}

#[test]
fn the_receipt_in_the_picture_makes_it_again() {
    let dir = desk();
    run(dir.path(), "fill --image photo.png --mask mask.png -o one.png");
    let receipt = e2e::png_text(&dir.path().join("one.png"), "underpaint").expect("a receipt");
    let receipt: serde_json::Value = serde_json::from_str(&receipt).expect("JSON");
    assert_eq!(receipt["model"]["id"], "exemplar");
    let seed = receipt["seed"].as_u64().expect("a seed");
    run(dir.path(), &format!("fill --image photo.png --mask mask.png --seed {seed} -o two.png"));
    let (one, two) = (std::fs::read(dir.path().join("one.png")), std::fs::read(dir.path().join("two.png")));
    assert!(one.expect("one.png") == two.expect("two.png"), "same request, same seed, same file");
}

#[test]
fn a_batch_counts_its_seeds_and_a_filter_runs_at_the_end() {
    let dir = desk();
    let fill = "fill --image photo.png --mask mask.png --seed 10 --batch 2 -o out.png --json";
    let output = run(dir.path(), fill);
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
    let seeds: Vec<_> = told["outputs"].as_array().expect("outputs").iter().map(|o| o["seed"].clone()).collect();
    assert_eq!(seeds, [10, 11]);
    assert!(dir.path().join("out_0.png").exists() && dir.path().join("out_1.png").exists());
    assert!(!dir.path().join("out.png").exists());

    run(dir.path(), "fill --image photo.png --mask mask.png --seed 10 --filter film-grain,strength=1 -o grain.png");
    let (plain, grain) = (e2e::pixels(&dir.path().join("out_0.png")), e2e::pixels(&dir.path().join("grain.png")));
    let differs = |x, y| plain.at(x, y) != grain.at(x, y);
    assert!((40..56).any(|x| differs(x, 36)), "the filter ran on what was painted");
    assert!((0..W).all(|x| !differs(x, 0)), "and on nothing else");
}

/// Every command explains itself with an example.
#[test]
fn a_patch_is_bent_only_where_it_fades() {
    let dir = desk();
    let model = e2e::root().join("tests/reference/golden/tiny-sd").display().to_string();
    let fill = format!("fill --image photo.png --mask mask.png --model {model} --steps 2 --seed 3 --prompt sky --json");
    let painted = |blend: &str| {
        let output = run(dir.path(), &format!("{fill} --blend {blend} -o {blend}.png --patch {blend}-patch.png"));
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
        (told, e2e::pixels(&dir.path().join(format!("{blend}-patch.png"))))
    };
    let ((faded, alpha), (bent, gradient)) = (painted("alpha"), painted("gradient"));
    assert_eq!((faded["used"].get("blend"), &bent["used"]["blend"]), (None, &"gradient".into()));
    assert_eq!(bent["receipt"]["request"]["blend"], "gradient");
    let mut differ = 0;
    for (x, y) in (0..H).flat_map(|y| (0..W).map(move |x| (x, y))) {
        let (a, b) = (alpha.at(x, y), gradient.at(x, y));
        assert_eq!(a[3], b[3], "({x}, {y})");
        match a[3] {
            0 => assert_eq!(a, b),
            // Of 255 some are not quite whole.
            255 => assert!((0..3).all(|c| a[c].abs_diff(b[c]) <= 2), "({x}, {y}): {a:?} {b:?}"),
            _ => differ += u32::from(a != b),
        }
    }
    assert!(differ > 100, "{differ} pixels were bent");
}

#[test]
fn help_has_examples() {
    let dir = tempfile::tempdir().expect("a folder");
    for command in ["", "fill", "generate", "models", "demo", "serve", "status", "stop", "doctor", "adapter"] {
        let output = run(dir.path(), &format!("{command} --help"));
        let help = String::from_utf8(output.stdout).expect("UTF-8");
        assert!(help.contains("Examples:") && help.contains("underpaint "), "{command}: {help}");
    }
}

#[test]
fn doctor_and_models_say_what_is_here() {
    let dir = tempfile::tempdir().expect("a folder");
    let doctor = run(dir.path(), "doctor --json");
    let doctor: serde_json::Value = serde_json::from_slice(&doctor.stdout).expect("JSON");
    assert_eq!(doctor["models"]["found"], "exemplar, starter");
    assert!(doctor["models"]["advice"].as_str().is_some_and(|a| a.contains("add-folder")));
    assert!(doctor["filters"]["found"].as_str().is_some_and(|f| f.contains("film-grain")));
    assert_eq!(doctor["daemon"]["found"], "not running");
    let list = run(dir.path(), "models list --json");
    let list: serde_json::Value = serde_json::from_slice(&list.stdout).expect("JSON");
    assert_eq!(list["models"][0]["id"], "exemplar");
    assert_eq!(list["models"][0]["modes"], serde_json::json!(["fill", "remove"]));
    assert_eq!(list["models"][1]["id"], "starter");
}

#[test]
fn the_demo_leaves_pictures() {
    let dir = tempfile::tempdir().expect("a folder");
    let output = run(dir.path(), "demo --out shown --json");
    let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let pictures = told["pictures"].as_array().expect("pictures");
    let names: Vec<_> = pictures.iter().filter_map(|p| p["name"].as_str()).collect();
    assert_eq!(names, ["raccoon", "rocket", "starter"]);
    for picture in pictures {
        let files: Vec<_> = picture["files"].as_array().expect("files").iter().filter_map(|f| f.as_str()).collect();
        let at = |name: &str| {
            let found = files.iter().find(|f| f.contains(name)).unwrap_or_else(|| panic!("no {name} in {files:?}"));
            e2e::pixels(&dir.path().join(found))
        };
        match picture["name"] == "starter" {
            false => {
                let [before, filled, grain] = ["1-before", "3-filled", "4-film-grain"].map(at);
                assert!(before.differing(&filled) > 500 && filled.differing(&grain) > 10_000, "{files:?}");
                assert_eq!(files.len(), 5);
            }
            true => {
                let told = ["1-painted", "2-sketch", "3-refined", "4-selection", "5-repainted", "6-film-grain"];
                let [painted, sketch, refined, _, repainted, grain] = told.map(at);
                for (before, after) in [(&sketch, &refined), (&painted, &repainted), (&repainted, &grain)] {
                    assert!(before.differing(after) > 1000, "{files:?}");
                }
                assert_eq!(files.len(), told.len() + 2, "the previews and the comparison: {files:?}");
                at("previews");
            }
        }
    }
}

/// `underpaint filter list | head -0`: the reader is gone before the first line.
#[test]
fn a_closed_pipe_ends_the_command_quietly() {
    let home = tempfile::tempdir().expect("a folder");
    for args in [&["filter", "list"][..], &["filter", "info", "film-grain"], &["models", "list", "--json"], &["doctor"]]
    {
        let mut command = e2e::underpaint(home.path());
        let mut child = command.args(args).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("it starts");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && !stderr.contains("panicked"), "{args:?}: {} {stderr}", output.status);
    }
}

/// A prompt is read by a model that can read it; where the painter insists on another, it is said to be unread.
#[test]
fn a_prompt_that_the_chosen_model_does_not_read_is_warned_about() {
    let dir = desk();
    for (model, painter, warned) in [("", "starter", false), ("--model exemplar", "exemplar", true)] {
        let fill = "fill --image photo.png --mask mask.png --prompt door --steps 2 -o out.png --json";
        let output = run(dir.path(), &format!("{fill} {model}"));
        let told: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON on stdout");
        assert_eq!(told["used"]["model"], painter);
        assert_eq!(String::from_utf8_lossy(&output.stderr).contains("the prompt is not read"), warned, "{painter}");
    }
}
