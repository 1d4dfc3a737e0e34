//! `underpaint upscale`, in process and through the daemon, with a small network that spandrel reads.

use e2e::{made, run};
use serde_json::json;
use std::fs;

/// A folder with a picture, and an upscaler in the models folder of its home.
fn desk() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    fs::create_dir_all(dir.path().join("home/models")).expect("a folder");
    e2e::upscaler(&dir.path().join("home/models/4x small.safetensors"));
    e2e::upscaler(&dir.path().join("elsewhere.safetensors"));
    let pixel = |x: u32, y: u32| [(x * 3) as u8, (y * 4) as u8, ((x * y) % 90 + 80) as u8];
    fs::write(dir.path().join("photo.png"), e2e::png(70, 50, pixel)).expect("a file");
    dir
}

#[test]
fn a_picture_is_enlarged_by_id_and_by_file() {
    let dir = desk();
    let told = made(dir.path(), &["upscale", "--model", "4x-small", "photo.png", "-o", "large.png"]);
    assert_eq!(told["used"], json!({"model": "4x-small", "scale": 4.0, "extent": [280, 200]}));
    assert_eq!(told["receipt"]["models"][0]["id"], "4x-small");
    assert_eq!(told["receipt"]["models"][0]["sha256"].as_str().map(str::len), Some(64));
    let large = e2e::pixels(&dir.path().join("large.png"));
    assert_eq!(large.extent(), (280, 200));
    let receipt = e2e::png_text(&dir.path().join("large.png"), "underpaint").expect("a receipt");
    assert!(!receipt.contains(&dir.path().display().to_string()), "no path of this machine");
    // A file anywhere, in other tiles, and resampled afterwards.
    let file = ["upscale", "--model", "elsewhere.safetensors", "photo.png"];
    made(dir.path(), &[&file[..], &["--tile", "48", "-o", "tiled.png"]].concat());
    assert_eq!(large.differing(&e2e::pixels(&dir.path().join("tiled.png"))), 0);
    let told = made(dir.path(), &[&file[..], &["--scale", "1.5", "-o", "more.png"]].concat());
    assert_eq!(told["used"]["scale"], 1.5);
    assert_eq!(e2e::pixels(&dir.path().join("more.png")).extent(), (105, 75));
}

#[test]
fn detail_is_painted_into_what_was_enlarged() {
    let dir = desk();
    let tiny = e2e::root().join("tests/reference/golden/tiny-sd").display().to_string();
    let refine = ["upscale", "photo.png", "--refine", &tiny, "--prompt", "a cat", "--steps", "8", "--seed", "5"];
    let told = made(dir.path(), &[&refine[..], &["--model", "4x-small", "--scale", "1.5", "-o", "a.png"]].concat());
    assert_eq!((&told["used"]["extent"], &told["used"]["model"]), (&json!([105, 75]), &json!("4x-small")));
    let painted = &told["used"]["refine"];
    // Three tenths of 8 steps are too few, so the schedule is longer.
    assert_eq!((&painted["steps"], &painted["start_step"], &painted["seed"]), (&json!(13), &json!(9), &json!(5)));
    assert_eq!(told["receipt"]["models"].as_array().map(Vec::len), Some(2));
    // Without an upscaler the picture is resampled.
    let resampled = [&refine[..], &["--strength", "0.5", "--scale", "1.2"]].concat();
    let told = made(dir.path(), &[&resampled[..], &["-o", "b.png"]].concat());
    assert_eq!((&told["used"]["extent"], &told["used"]["model"]), (&json!([84, 60]), &json!(null)));
    made(dir.path(), &[&resampled[..], &["-o", "c.png"]].concat());
    let [a, b, c] = ["a.png", "b.png", "c.png"].map(|name| e2e::pixels(&dir.path().join(name)));
    assert_eq!((a.extent(), b.extent(), b.differing(&c)), ((105, 75), (84, 60), 0));
    for (args, words) in [
        (vec!["--strength", "0"], "denoise_strength 0"),
        (vec!["--strength", "2"], "denoise_strength is 2"),
        (vec!["--sampler", "none"], "sampler `none` is unknown"),
        (vec!["--model", "8x"], "no model `8x`; there are: 4x-small"),
    ] {
        let output = run(dir.path(), &[&refine[..], &args, &["-o", "out.png"]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
    let output = run(dir.path(), &["upscale", "photo.png", "--model", "4x-small", "--prompt", "x", "-o", "out.png"]);
    assert_eq!(output.status.code(), Some(2), "a prompt without a painter");
}

#[test]
fn each_part_is_refined_by_its_own_text() {
    let dir = desk();
    let tiny = e2e::root().join("tests/reference/golden/tiny-sd").display().to_string();
    let side = |left: bool| e2e::png(70, 50, move |x, _| [if (x < 35) == left { 255 } else { 0 }; 3]);
    for (name, bytes) in
        [("left.png", side(true)), ("right.png", side(false)), ("white.png", e2e::png(7, 5, |_, _| [255; 3]))]
    {
        fs::write(dir.path().join(name), bytes).expect("a file");
    }
    fs::write(dir.path().join("black.png"), e2e::png(7, 5, |_, _| [0; 3])).expect("a file");
    let refine = ["upscale", "photo.png", "--refine", &tiny, "--steps", "4", "--strength", "1", "--seed", "5"];
    let painted = |out: &str, prompt: &str, regions: &[(&str, &str)]| {
        let regions = regions.iter().map(|(text, mask)| format!("prompt={text},mask={mask}"));
        let regions: Vec<String> = regions.flat_map(|region| ["--region".to_owned(), region]).collect();
        let rest = ["--guidance", "30", "--scale", "3", "--prompt", prompt, "-o", out].into_iter();
        let args = refine.into_iter().chain(rest).chain(regions.iter().map(String::as_str));
        (made(dir.path(), &args.collect::<Vec<_>>()), e2e::pixels(&dir.path().join(out)))
    };
    let (told, dog) = painted("dog.png", "a dog, oil", &[]);
    let tiles = &told["used"]["refine"]["tiles"];
    assert!(tiles["tile"].as_u64().is_some_and(|tile| tile < 150), "several tiles: {tiles}");
    let (told, white) = painted("white.png", "oil", &[("a dog", "white.png")]);
    assert_eq!(told["used"]["refine"]["regions"], json!([{"prompt": "a dog"}]));
    assert_eq!(dog.differing(&white), 0, "white everywhere is that text's own picture");
    let (_, sea) = painted("sea.png", "the sea, oil", &[]);
    let (_, both) = painted("both.png", "oil", &[("a dog", "left.png"), ("the sea", "right.png")]);
    // Nearer to its own text on each side.
    let unlike = |other: &e2e::Pixels, columns: std::ops::Range<u32>| {
        let pixels = (0..150).flat_map(|y| columns.clone().map(move |x| (x, y)));
        let away =
            |(x, y)| (0..3).map(|c| f64::from(both.at(x, y)[c].abs_diff(other.at(x, y)[c])).powi(2)).sum::<f64>();
        pixels.map(away).sum::<f64>()
    };
    assert!(unlike(&dog, 0..60) < 0.5 * unlike(&sea, 0..60));
    assert!(unlike(&sea, 150..210) < 0.5 * unlike(&dog, 150..210));
    for (args, words) in [
        (vec!["--region", "prompt=x,mask=black.png"], "regions.mask is empty for `x`; white is where it is seen"),
        (vec!["--region", "prompt=x"], "it names no mask"),
        (vec!["--region", "prompt=(a:1e9),mask=left.png"], "regions.prompt has the weight"),
    ] {
        let output = run(dir.path(), &[&refine[..], &args, &["-o", "out.png"]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{args:?}: {stderr}");
        assert!(stderr.contains(words), "{stderr}");
    }
    let args = ["upscale", "photo.png", "--model", "4x-small", "--region", "prompt=x,mask=left.png", "-o", "out.png"];
    assert_eq!(run(dir.path(), &args).status.code(), Some(2), "a region without a painter");
}

#[test]
fn upscalers_are_listed_as_such_and_paint_nothing() {
    let dir = desk();
    let list = made(dir.path(), &["models", "list"]);
    let small = list["models"].as_array().expect("models").iter().find(|m| m["id"] == "4x-small").expect("it is found");
    assert_eq!(
        [&small["kind"], &small["family"], &small["scale"], &small["state"], &small["modes"]],
        [&json!("upscaler"), &json!("compact"), &json!(4), &json!("ready"), &json!([])]
    );
    let told = made(dir.path(), &["models", "inspect", "elsewhere.safetensors"]);
    assert_eq!((&told["kind"], &told["scale"]), (&json!("upscaler"), &json!(4)));
    assert_eq!(made(dir.path(), &["models", "verify", "4x-small"])["ok"], true);
    let output = run(dir.path(), &["generate", "--model", "4x-small", "--prompt", "x", "-o", "out.png"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("it enlarges pictures: `underpaint upscale --model 4x-small`"), "{stderr}");
}

#[test]
fn what_is_wrong_is_said_in_one_line() {
    let dir = desk();
    fs::write(dir.path().join("broken.safetensors"), b"\x80\x02}q\x00.").expect("a file");
    for (args, code, words) in [
        (&["photo.png"][..], 2, "name the upscaler to use; there are: 4x-small"),
        (&["photo.png", "--model", "8x"], 2, "no model `8x`; there are: 4x-small"),
        (&["photo.png", "--model", "exemplar"], 2, "`exemplar` does not enlarge pictures; there are: 4x-small"),
        (&["photo.png", "--model", "broken.safetensors"], 1, "pickle"),
        (&["photo.png", "--model", "none.safetensors"], 1, "none.safetensors"),
        (&["none.png", "--model", "4x-small"], 1, "none.png"),
        (&["photo.png", "--model", "4x-small", "--scale", "0"], 2, "scale is 0; it must be 0.1 to 16"),
        (&["photo.png", "--model", "4x-small", "--scale", "NaN"], 2, "scale is NaN"),
        (&["photo.png", "--model", "4x-small", "--tile", "3"], 2, "tile is 3; it must be 32 to 4096"),
    ] {
        let output = run(dir.path(), &[&["upscale"], args, &["-o", "out.png"]].concat());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {stderr}");
        assert!(stderr.contains(words) && stderr.lines().filter(|l| l.starts_with("error:")).count() == 1, "{stderr}");
        assert!(!dir.path().join("out.png").exists());
    }
    fs::write(dir.path().join("wide.png"), e2e::png(5000, 10, |_, _| [9; 3])).expect("a file");
    let output = run(dir.path(), &["upscale", "--model", "4x-small", "wide.png", "-o", "out.png"]);
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(stderr.contains("is 5000x10 pixels and would grow to 20000x40; at most 16384 a side"), "{stderr}");
}

#[cfg(unix)]
mod daemon {
    use e2e::daemon::{Daemon, kind};
    use serde_json::{Value, json};
    use std::fs;

    #[test]
    fn the_daemon_enlarges_as_a_job() {
        let home = tempfile::tempdir().unwrap();
        fs::create_dir_all(home.path().join("models")).unwrap();
        e2e::upscaler(&home.path().join("models/4x small.safetensors"));
        let daemon = Daemon::start_in(home.path());
        let mut client = daemon.client();
        let bytes: Vec<u8> = (0..60 * 40 * 4).map(|i| if i % 4 == 3 { 255 } else { (i * 7 % 251) as u8 }).collect();
        client.put("c1", &bytes);
        let params = |more: Value| {
            let mut params = json!({"model": "4x-small", "image": {"blob": "c1", "w": 60, "h": 40, "px": "rgba8"}});
            more.as_object().unwrap().iter().for_each(|(key, value)| params[key] = value.clone());
            params
        };
        let id = client.request("upscale", params(json!({"tile": 32, "px": "bgra8"})));
        let result = client.answer(id).unwrap();
        let patch = &result["patches"][0];
        assert_eq!(patch["rect"], json!({"x": 0, "y": 0, "w": 240, "h": 160}));
        let pixels = client.blob(patch["image"]["blob"].as_str().unwrap());
        assert_eq!((pixels.len(), &patch["image"]["px"]), (240 * 160 * 4, &json!("bgra8")));
        assert!(pixels.chunks_exact(4).all(|p| p[3] == 255));
        assert_eq!((&result["used"]["scale"], &result["state"]), (&json!(4.0), &json!("done")));

        for (more, wrong, field) in [
            (json!({"model": "none"}), "no_such_model", "model"),
            (json!({"model": null}), "no_such_model", "model"),
            (json!({"scale": 99}), "invalid_params", "scale"),
            (json!({"tile": 1}), "invalid_params", "tile"),
            (json!({"px": "g8"}), "invalid_params", "px"),
            (json!({"image": {"blob": "c1", "w": 61, "h": 40, "px": "rgba8"}}), "invalid_params", "image"),
        ] {
            let error = client.call("upscale", params(more)).unwrap_err();
            assert_eq!((kind(&error), &error["data"]["field"]), (wrong, &json!(field)), "{error}");
        }

        // A painter that is not there is told before there is a job.
        let error = client.call("upscale", params(json!({"refine": {"model": "none"}}))).unwrap_err();
        assert_eq!(kind(&error), "no_such_model");

        // Large enough to be under way when it is cancelled.
        let (w, h) = (2400, 1600);
        client.put("c2", &vec![90; w * h * 4]);
        let image = json!({"blob": "c2", "w": w, "h": h, "px": "rgba8"});
        let id = client.request("upscale", params(json!({"image": image, "progress": "p"})));
        client.expect("progress", |h| h["method"] == "progress" && h["params"]["stage"] == "upscale");
        client.notify("cancel", json!({"id": id}), &[]);
        let error = client.answer(id).unwrap_err();
        assert_eq!(kind(&error), "cancelled");
    }
}
