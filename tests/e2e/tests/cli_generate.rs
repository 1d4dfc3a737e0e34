//! `underpaint generate`, and `fill` with a diffusion model, on the tiny models of tests/reference.

use e2e::{made, run};
use std::path::{Path, PathBuf};

fn tiny() -> String {
    e2e::root().join("tests/reference/golden/tiny-sd").display().to_string()
}

fn desk() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: Vec<u8>| std::fs::write(dir.path().join(name), bytes).expect("a file");
    file("photo.png", e2e::png(150, 110, |x, y| [(x + 60) as u8, (2 * y) as u8, ((x * y) % 90 + 80) as u8]));
    let selected = |x, y| (60..90).contains(&x) && (40..70).contains(&y);
    file("mask.png", e2e::png(150, 110, |x, y| [if selected(x, y) { 255 } else { 0 }; 3]));
    file("square.png", e2e::png(64, 64, |x, y| [(x * 4) as u8, (y * 4) as u8, 128]));
    file("square-mask.png", e2e::png(64, 64, |x, _| [if x > 31 { 255 } else { 0 }; 3]));
    dir
}

#[test]
fn saved_noise_makes_the_same_picture_under_another_seed() {
    let (dir, model) = (desk(), tiny());
    let paint = ["generate", "--model", &model, "--prompt", "a cat", "--steps", "3", "--sampler", "euler"];
    let keep = ["--seed", "5", "--save-noise", "n.npy", "--save-latents", "l.npy", "-o", "one.png"];
    let told = made(dir.path(), &[&paint[..], &keep].concat());
    assert_eq!((&told["used"]["seed"], &told["used"]["steps"]), (&5.into(), &3.into()));
    made(dir.path(), &[&paint[..], &["--seed", "6", "--noise", "n.npy", "-o", "two.png"]].concat());
    made(dir.path(), &[&paint[..], &["--seed", "6", "-o", "three.png"]].concat());
    let [one, two, three] = ["one.png", "two.png", "three.png"].map(|f| e2e::pixels(&dir.path().join(f)));
    assert_eq!(one.differing(&two), 0);
    assert!(one.differing(&three) > 1000);
    for name in ["n.npy", "l.npy"] {
        let bytes = std::fs::read(dir.path().join(name)).expect("an array");
        let header = String::from_utf8_lossy(&bytes[..128]).into_owned();
        assert!(header.contains("<f4") && header.contains("(1, 4, "), "{name}: {header}");
    }
}

#[test]
fn what_a_models_files_do_not_say_can_be_said() {
    let (dir, model) = (desk(), tiny());
    let paint = ["generate", "--model", &model, "--prompt", "a cat", "--steps", "3", "--seed", "1", "-o", "out.png"];
    let mut seen: Vec<e2e::Pixels> = Vec::new();
    for more in [
        &[][..],
        &["--guidance-rescale", "0.7"],
        &["--prediction", "v_prediction"],
        &["--prediction", "v_prediction", "--zero-snr"],
    ] {
        let told = made(dir.path(), &[&paint[..], more].concat());
        let rescale = if more.contains(&"0.7") { 0.7 } else { 0.0 };
        assert_eq!(told["used"]["guidance_rescale"], rescale);
        let text = e2e::png_text(&dir.path().join("out.png"), "parameters").expect("A1111's text");
        assert_eq!(text.contains("CFG rescale: 0.7"), rescale > 0.0, "{text}");
        let picture = e2e::pixels(&dir.path().join("out.png"));
        assert!(seen.iter().all(|other| other.differing(&picture) > 1000), "{more:?} changes nothing");
        seen.push(picture);
    }
}

#[test]
fn a_receipt_says_all_that_a_picture_was_made_with() {
    let (dir, model) = (desk(), tiny());
    let golden = e2e::root().join("tests/reference/golden");
    let vae = dir.path().join("another place/sharp.safetensors");
    std::fs::create_dir_all(vae.parent().expect("a folder")).expect("a folder");
    e2e::tiny_autoencoder(&vae);
    let vae = vae.display().to_string();
    let base = ["generate", "--model", &model, "--prompt", "a cat", "--steps", "3", "--seed", "1"];
    let lora = format!("{},weight=0.5", golden.join("lora/kohya.safetensors").display());
    let more = ["--prediction", "v_prediction", "--zero-snr", "--vae", &vae, "--lora", &lora];
    let more = [&more[..], &["--region", "prompt=a dog,mask=square-mask.png", "--save-noise", "n.npy"]].concat();
    made(dir.path(), &[&base[..], &more, &["-o", "one.png"]].concat());
    let receipt = |name: &str| -> serde_json::Value {
        let text = e2e::png_text(&dir.path().join(name), "underpaint").expect("a receipt");
        assert!(!text.contains(&dir.path().display().to_string()), "no path of this machine: {text}");
        serde_json::from_str(&text).expect("JSON")
    };
    let one = receipt("one.png");
    let engine = &one["engine"];
    assert_eq!((&engine["device"], &engine["dtype"]), (&"cpu".into(), &"f32".into()));
    assert_eq!((&engine["prediction"], &engine["zero_snr"]), (&"v_prediction".into(), &true.into()));
    assert_eq!(engine["vae"]["name"], "sharp.safetensors");
    let used = &one["used"];
    for hash in [&engine["vae"]["sha256"], &used["loras"][0]["sha256"]] {
        assert_eq!(hash.as_str().map(str::len), Some(64), "{one}");
    }
    assert_eq!(used["regions"][0]["prompt"], "a dog");
    let text = e2e::png_text(&dir.path().join("one.png"), "parameters").expect("A1111's text");
    assert!(text.contains(&format!("VAE hash: {}", &engine["vae"]["sha256"].as_str().unwrap_or("?")[..10])), "{text}");

    // What it says makes the same picture again, from files that lie elsewhere and have other names.
    let word = |value: &serde_json::Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let renamed = dir.path().join("renamed.safetensors").display().to_string();
    std::fs::copy(&vae, &renamed).expect("a copy");
    let again: Vec<String> = [
        ("--model", model.clone()),
        ("--prompt", word(&one["request"]["prompt"])),
        ("--steps", word(&used["steps"])),
        ("--seed", word(&one["seed"])),
        ("--guidance", word(&used["guidance_scale"])),
        ("--sampler", word(&used["sampler"])),
        ("--scheduler", word(&used["scheduler"])),
        ("--prediction", word(&engine["prediction"])),
        ("--device", word(&engine["device"])),
        ("--dtype", word(&engine["dtype"])),
        ("--vae", renamed),
        (
            "--lora",
            format!("{},weight={}", golden.join("lora/kohya.safetensors").display(), used["loras"][0]["weight"]),
        ),
        ("--region", format!("prompt={},mask=square-mask.png", word(&one["request"]["regions"][0]["prompt"]))),
    ]
    .into_iter()
    .flat_map(|(flag, value)| [flag.to_owned(), value])
    .collect();
    let again: Vec<&str> = again.iter().map(String::as_str).collect();
    made(dir.path(), &[&["generate"], &again[..], &["--zero-snr", "-o", "two.png"]].concat());
    let pictures = ["one.png", "two.png"].map(|name| e2e::pixels(&dir.path().join(name)));
    assert_eq!(pictures[0].differing(&pictures[1]), 0);
    let mut two = receipt("two.png");
    assert_eq!(two["engine"]["vae"]["sha256"], engine["vae"]["sha256"]);
    two["engine"]["vae"] = engine["vae"].clone();
    assert_eq!(two["engine"], *engine);
    assert_eq!(two["used"], one["used"]);

    // Noise that was given takes the place of the seed's.
    made(dir.path(), &[&base[..], &["--noise", "n.npy", "-o", "three.png"]].concat());
    assert_eq!(receipt("three.png")["used"]["noise"]["sha256"].as_str().map(str::len), Some(64));
}

#[test]
fn the_text_in_the_picture_is_what_other_tools_read() {
    let (dir, model) = (desk(), tiny());
    let seed = (1u64 << 60).to_string();
    let args = ["generate", "--model", &model, "--prompt", "ein Bär", "--negative", "fog", "--steps", "2"];
    made(dir.path(), &[&args[..], &["--seed", &seed, "--clip-skip", "2", "-o", "out.png"]].concat());
    let text = e2e::png_text(&dir.path().join("out.png"), "parameters").expect("A1111's text");
    assert!(text.starts_with("ein Bär\nNegative prompt: fog\nSteps: 2, Sampler: "), "{text}");
    for part in ["CFG scale: ", &format!("Seed: {seed}, Size: 64x64"), "Model hash: ", "Model: tiny-sd", "Clip skip: 2"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    let receipt = e2e::png_text(&dir.path().join("out.png"), "underpaint").expect("a receipt");
    let receipt: serde_json::Value = serde_json::from_str(&receipt).expect("JSON");
    assert_eq!(receipt["seed"], seed.as_str(), "seeds beyond 2^53 are text, so that no reader rounds them");
    assert_eq!(receipt["model"]["sha256"].as_str().map(str::len), Some(64));
    assert!(!receipt.to_string().contains(&dir.path().display().to_string()), "no path of this machine");
}

#[test]
fn a_picture_and_a_mask_go_in_whole() {
    let (dir, model) = (desk(), tiny());
    let paint = ["generate", "--model", &model, "--steps", "4", "--seed", "1", "--init", "square.png"];
    let told = made(dir.path(), &[&paint[..], &["--strength", "0.5", "-o", "a.png"]].concat());
    assert_eq!(told["used"]["start_step"], 2);
    let told = made(dir.path(), &[&paint[..], &["--mask", "square-mask.png", "-o", "b.png"]].concat());
    assert_eq!(told["used"]["context"]["rect"], serde_json::json!({"x": 0, "y": 0, "w": 64, "h": 64}));
    let wider = ["--width", "96", "--height", "64", "--strength", "0.5", "-o", "c.png"];
    let told = made(dir.path(), &[&paint[..], &wider].concat());
    assert_eq!(told["used"]["context"]["extent"], serde_json::json!([96, 64]));
}

#[test]
fn a_fill_with_a_model_leaves_the_rest_bit_identical() {
    let (dir, model) = (desk(), tiny());
    for mode in ["fill", "add", "remove", "background", "expand"] {
        let args = ["fill", "--image", "photo.png", "--mask", "mask.png", "--model", &model, "--mode", mode];
        made(dir.path(), &[&args[..], &["--steps", "2", "-o", "out.png", "--patch", "patch.png"]].concat());
        let [before, after, patch] = ["photo.png", "out.png", "patch.png"].map(|f| e2e::pixels(&dir.path().join(f)));
        let mut painted = 0;
        for (x, y) in (0..110).flat_map(|y| (0..150).map(move |x| (x, y))) {
            let alpha = patch.at(x, y)[3];
            painted += u32::from(alpha > 0);
            assert!(alpha > 0 || before.at(x, y) == after.at(x, y), "{mode}: ({x}, {y}) lies outside the patch");
        }
        assert!((900..9000).contains(&painted), "{mode}: {painted} pixels were painted");
    }
}

#[test]
fn models_in_the_home_have_ids_and_are_found_by_them() {
    let dir = desk();
    copy(&e2e::root().join("tests/reference/golden/tiny-sd"), &dir.path().join("elsewhere/My model (v2)"));
    let told = made(dir.path(), &["models", "add-folder", "elsewhere"]);
    assert_eq!(told["usable"], 1);
    let list = made(dir.path(), &["models", "list"]);
    let ids: Vec<_> = list["models"].as_array().expect("models").iter().filter_map(|m| m["id"].as_str()).collect();
    assert_eq!(ids, ["My-model--v2", "exemplar", "starter"]);
    let told = made(dir.path(), &["models", "verify", "My-model--v2"]);
    assert_eq!((told["ok"].as_bool(), told["family"].as_str()), (Some(true), Some("sd15")));
    // A diffusion model of the painter's own goes before the starter.
    let told = made(dir.path(), &["generate", "--prompt", "x", "--steps", "1", "-o", "out.png"]);
    assert_eq!(told["used"]["model"], "My-model--v2");
}

#[test]
fn what_the_model_cannot_do_is_said() {
    let (dir, model) = (desk(), tiny());
    for (args, words) in [
        (vec!["--width", "60", "--height", "64"], "60x64 is not a multiple of 8"),
        (vec!["--width", "8000", "--height", "8000"], "8000x8000"),
        (vec!["--steps", "0"], "steps is 0"),
        (vec!["--guidance", "NaN"], "guidance_scale is NaN"),
        (vec!["--sampler", "plms"], "sampler `plms` is unknown"),
        (vec!["--init", "photo.png"], "150x110 is not a multiple of 8"),
        (vec!["--init", "square.png", "--mask", "mask.png"], "150x110"),
        (vec!["--init", "square.png", "--strength", "0.01"], "denoise_strength 0.01"),
        (vec!["--device", "cuda"], "device"),
    ] {
        let output = run(dir.path(), &[&["generate", "--model", &model, "-o", "out.png"], &args[..]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(words) && stderr.lines().filter(|l| l.starts_with("error:")).count() == 1, "{stderr}");
        assert!(!dir.path().join("out.png").exists());
    }
}

/// Ctrl-C in the middle: exit code 130, and nothing is left of what was begun.
#[cfg(unix)]
#[test]
fn an_interrupt_ends_cleanly() {
    use std::io::{BufRead, BufReader};
    let (dir, model) = (desk(), tiny());
    let mut command = e2e::underpaint(&dir.path().join("home"));
    let args = ["generate", "--model", &model, "--prompt", "x", "--steps", "1000", "--batch", "16", "-o", "out.png"];
    command.args(args).current_dir(dir.path()).stderr(std::process::Stdio::piped());
    let mut child = command.spawn().expect("the binary runs");
    let mut lines = BufReader::new(child.stderr.take().expect("stderr")).lines().map_while(Result::ok);
    assert!(lines.any(|line| line.starts_with("painting")), "it began to paint");
    let kill = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status();
    assert!(kill.expect("kill runs").success());
    let rest: Vec<String> = lines.collect();
    assert_eq!(child.wait().expect("it ends").code(), Some(130), "{rest:?}");
    assert!(rest.iter().any(|line| line.starts_with("error: interrupted")), "{rest:?}");
    let left: Vec<PathBuf> =
        std::fs::read_dir(dir.path()).expect("the folder").map(|e| e.expect("entry").path()).collect();
    assert_eq!(left.len(), 5, "the four inputs and the home: {left:?}");
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).expect("a folder");
    for entry in std::fs::read_dir(from).expect("a folder").map(|e| e.expect("an entry")) {
        match entry.path().is_dir() {
            true => copy(&entry.path(), &to.join(entry.file_name())),
            false => std::fs::copy(entry.path(), to.join(entry.file_name())).map(drop).expect("a copy"),
        }
    }
}

#[test]
fn a_tiny_autoencoder_decodes_quickly_and_a_wrong_one_is_named() {
    let (dir, model) = (desk(), tiny());
    let paint = ["generate", "--model", &model, "--prompt", "a cat", "--steps", "2", "--seed", "5"];
    e2e::tiny_autoencoder(&dir.path().join("taesd.safetensors"));
    made(dir.path(), &[&paint[..], &["-o", "plain.png"]].concat());
    made(dir.path(), &[&paint[..], &["--taesd", "taesd.safetensors", "-o", "watched.png"]].concat());
    made(dir.path(), &[&paint[..], &["--vae", "taesd.safetensors", "-o", "quick.png"]].concat());
    let [plain, watched, quick] = ["plain.png", "watched.png", "quick.png"].map(|f| e2e::pixels(&dir.path().join(f)));
    assert_eq!(plain.differing(&watched), 0, "previews change nothing");
    assert!(plain.differing(&quick) > 1000);
    let vae = e2e::root().join("tests/reference/golden/tiny-sd/vae").display().to_string();
    let output = run(dir.path(), &[&paint[..], &["--taesd", &vae, "-o", "out.png"]].concat());
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{stderr}");
    assert!(stderr.contains("is no tiny autoencoder with a decoder"), "{stderr}");
}
