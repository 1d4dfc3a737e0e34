//! The model that comes along: what a painter gets from words, a picture or a selection without having any model.
//!
//! Nothing here looks at what is in the pictures, only at what holds for any weights.

use e2e::{made, run};
use serde_json::{Value, json};

/// A folder with a picture and two masks of its size.
fn desk() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    let file = |name: &str, bytes: Vec<u8>| std::fs::write(dir.path().join(name), bytes).expect("a file");
    file("photo.png", e2e::png(128, 96, |x, y| [(x * 2) as u8, (y * 2) as u8, ((x * y) % 90 + 80) as u8]));
    let selected = |x, y| (40..80).contains(&x) && (30..60).contains(&y);
    file("mask.png", e2e::png(128, 96, |x, y| [if selected(x, y) { 255 } else { 0 }; 3]));
    dir
}

#[test]
fn words_alone_make_a_picture_and_the_same_words_the_same_picture() {
    let dir = desk();
    let long = "a loose study of the sea with many words ".repeat(30);
    let texts = ["the sea at dusk", "hills under snow", "", "zqxj 🦝 日本語 <|endoftext|> \u{301}", &long];
    let mut pictures = Vec::new();
    for (i, text) in texts.iter().enumerate() {
        let file = format!("{i}.png");
        let told = made(dir.path(), &["generate", "--prompt", text, "--seed", "3", "--steps", "3", "-o", &file]);
        assert_eq!((&told["used"]["model"], &told["used"]["prompt"]), (&json!("starter"), &json!(text)));
        pictures.push(e2e::pixels(&dir.path().join(file)));
    }
    let area = |p: &e2e::Pixels| p.extent().0 * p.extent().1;
    for (i, one) in pictures.iter().enumerate() {
        for (j, other) in pictures.iter().enumerate().skip(i + 1) {
            assert!(one.differing(other) as u32 > area(one) / 10, "{:?} and {:?} look the same", texts[i], texts[j]);
        }
    }
    made(dir.path(), &["generate", "--prompt", texts[0], "--seed", "3", "--steps", "3", "-o", "again.png"]);
    assert!(std::fs::read(dir.path().join("0.png")).ok() == std::fs::read(dir.path().join("again.png")).ok());
    // As large as the model was trained for, with the defaults it brings.
    let model = &made(dir.path(), &["models", "inspect", "starter"]);
    let (w, h) = pictures[0].extent();
    assert_eq!(model["native_extent"], json!([w, h]));
    let told = made(dir.path(), &["generate", "--prompt", "x", "--seed", "3", "-o", "defaults.png"]);
    for name in ["steps", "guidance_scale", "sampler", "scheduler"] {
        assert_eq!(told["used"][name], model["defaults"][name], "{name}");
    }
}

#[test]
fn every_way_of_asking_works() {
    let dir = desk();
    let generate =
        |more: &[&str]| made(dir.path(), &[&["generate", "--prompt", "a lake", "--seed", "1"], more].concat());
    let pixels = |file: &str| e2e::pixels(&dir.path().join(file));
    let mut seen: Vec<e2e::Pixels> = Vec::new();
    let samplers = [
        "euler",
        "euler_a",
        "heun",
        "lms",
        "ddim",
        "ddpm",
        "dpmpp_2m",
        "dpmpp_2m_sde",
        "dpmpp_3m_sde",
        "dpmpp_2s_a",
        "dpmpp_sde",
        "unipc",
        "deis",
        "ipndm",
        "lcm",
        "tcd",
    ];
    let schedulers = ["exponential", "sgm_uniform", "simple", "beta", "ddim_uniform", "kl_optimal", "align_your_steps"];
    for sampler in samplers {
        let further = if sampler == "dpmpp_2m" { &schedulers[..] } else { &[] };
        for &scheduler in ["normal", "karras"].iter().chain(further) {
            let size = ["--width", "64", "--height", "64", "--steps", "4"];
            let told =
                generate(&[&["--sampler", sampler, "--scheduler", scheduler, "-o", "way.png"], &size[..]].concat());
            assert_eq!((&told["used"]["sampler"], &told["used"]["scheduler"]), (&json!(sampler), &json!(scheduler)));
            let picture = pixels("way.png");
            assert!(seen.iter().all(|other| other.differing(&picture) > 0), "{sampler} {scheduler} is like another");
            seen.push(picture);
        }
    }
    generate(&["--width", "512", "--height", "320", "--steps", "2", "-o", "wide.png"]);
    assert_eq!(pixels("wide.png").extent(), (512, 320));
    generate(&["--batch", "2", "--steps", "2", "-o", "both.png"]);
    assert!(pixels("both_0.png").differing(&pixels("both_1.png")) > 1000);
    let told = generate(&["--init", "photo.png", "--strength", "0.5", "--steps", "4", "-o", "refined.png"]);
    assert_eq!((&told["used"]["start_step"], &told["used"]["denoise_strength"]), (&json!(2), &json!(0.5)));
    assert_eq!(pixels("refined.png").extent(), (128, 96));
    generate(&["--init", "photo.png", "--mask", "mask.png", "--steps", "2", "-o", "inpainted.png"]);
    for wrong in [["--width", "60", "--height", "64"], ["--clip-skip", "12", "--steps", "2"]] {
        let output = run(dir.path(), &[&["generate", "-o", "out.png"], &wrong[..]].concat());
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

#[test]
fn a_selection_is_repainted_from_words_and_the_rest_stays() {
    let dir = desk();
    let fill = ["fill", "--image", "photo.png", "--mask", "mask.png", "--steps", "3", "--seed", "1"];
    let outputs = ["-o", "out.png", "--patch", "patch.png"];
    for (more, painter) in [
        (&["--prompt", "a red boat"][..], "starter"),
        (&["--mode", "remove", "--prompt", "water"], "starter"),
        (&["--mode", "add"], "starter"),
        (&["--mode", "background"], "starter"),
        (&["--mode", "expand"], "starter"),
        (&[], "exemplar"),
        (&["--mode", "remove"], "exemplar"),
    ] {
        let told = made(dir.path(), &[&fill, more, &outputs].concat());
        assert_eq!(told["used"]["model"], painter, "{more:?}");
        let [before, after, patch] = ["photo.png", "out.png", "patch.png"].map(|f| e2e::pixels(&dir.path().join(f)));
        let all = (0..96).flat_map(|y| (0..128).map(move |x| (x, y)));
        let outside: Vec<_> = all.filter(|&(x, y)| patch.at(x, y)[3] == 0).collect();
        assert!((1000..128 * 96 - 1000).contains(&outside.len()), "{more:?}: {}", outside.len());
        assert!(outside.iter().all(|&(x, y)| before.at(x, y) == after.at(x, y)), "{more:?}");
        assert!(outside.iter().all(|&(x, y)| patch.at(x, y) == [0; 4]), "{more:?}: a colour leaks where alpha is 0");
        assert!(before.differing(&after) > 500, "{more:?}");
    }
}

/// A selection much larger than the model's picture: one pass on a processor, two for those who ask.
#[test]
fn a_large_selection_is_gone_over_again_when_asked() {
    let dir = desk();
    let file = |name: &str, bytes: Vec<u8>| std::fs::write(dir.path().join(name), bytes).expect("a file");
    let (w, h) = (400, 300);
    file("large.png", e2e::png(w, h, |x, y| [(x / 3) as u8, (y / 2) as u8, ((x * y / 64) % 90 + 80) as u8]));
    let selected = |x: u32, y: u32| (100..300).contains(&x) && (70..230).contains(&y);
    file("half.png", e2e::png(w, h, |x, y| [if selected(x, y) { 255 } else { 0 }; 3]));
    let fill =
        ["fill", "--image", "large.png", "--mask", "half.png", "--prompt", "a lake", "--steps", "5", "--seed", "1"];
    let told = |more: &[&str]| made(dir.path(), &[&fill, more].concat());
    let one = told(&["-o", "one.png"]);
    assert_eq!((&one["used"]["second_pass"], &one["timing_ms"]["upscale"]), (&Value::Null, &Value::Null));
    let two = told(&["--passes", "2", "--batch", "2", "-o", "two.png"]);
    let second = &two["used"]["second_pass"];
    assert_eq!((&second["steps"], &second["start_step"]), (&json!(10), &json!(6)), "{second}");
    assert!(second["context"]["rect"]["w"].as_u64() >= Some(200), "{second}");
    assert!(two["timing_ms"]["upscale"].is_u64(), "{}", two["timing_ms"]);
    assert_eq!(two["receipt"]["request"]["passes"], 2);
    assert_eq!(two["receipt"]["color_match"].as_array().map(Vec::len), Some(4), "each pass of each picture");
    let pixels = |name: &str| e2e::pixels(&dir.path().join(name));
    let [before, one, two, next] = ["large.png", "one.png", "two_0.png", "two_1.png"].map(pixels);
    assert!(one.differing(&two) > 10_000 && two.differing(&next) > 10_000, "the second pass and the seed show");
    for (x, y) in [(0, 0), (20, 150), (399, 299)] {
        assert_eq!(
            (before.at(x, y), before.at(x, y)),
            (one.at(x, y), two.at(x, y)),
            "({x}, {y}) is far from the selection"
        );
    }
    let detail = |p: &e2e::Pixels| -> u32 {
        let inside = (110..290).flat_map(|x| (80..220).map(move |y| (x, y)));
        inside.map(|(x, y)| u32::from(p.at(x, y)[1].abs_diff(p.at(x + 1, y)[1]))).sum()
    };
    assert!(detail(&two) > detail(&one) * 5 / 4, "{} and {}: the second pass is finer", detail(&one), detail(&two));
    // The same again, alone: a picture does not depend on its batch.
    let again = told(&["--passes", "2", "-o", "again.png"]);
    assert_eq!(again["used"]["second_pass"], *second);
    assert_eq!(pixels("again.png").differing(&two), 0);
    let refused = run(dir.path(), &[&fill[..], &["--passes", "3", "-o", "three.png"]].concat());
    assert_eq!(refused.status.code(), Some(2), "{}", String::from_utf8_lossy(&refused.stderr));
}

/// What the decoder made reaches a 16-bit picture with all its bits, and an 8-bit one without bands.
#[test]
fn depth_is_kept() {
    let dir = desk();
    let ramp = |x: u32| 20_000 + x as u16 * 13;
    let deep: Vec<u8> = (0..96)
        .flat_map(|_| (0..128).flat_map(|x| [ramp(x), ramp(x) + 5000, 30_000]))
        .flat_map(u16::to_be_bytes)
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 128, 96);
    encoder.set_color(png::ColorType::Rgb);
    encoder.set_depth(png::BitDepth::Sixteen);
    encoder.write_header().expect("a header").write_image_data(&deep).expect("pixels");
    std::fs::write(dir.path().join("deep.png"), bytes).expect("a file");
    let fill = ["fill", "--image", "deep.png", "--mask", "mask.png", "--prompt", "fog", "--steps", "2", "--seed", "1"];
    made(dir.path(), &[&fill[..], &["-o", "out.png", "--patch", "patch.png"]].concat());
    for (name, channels) in [("out.png", 3), ("patch.png", 4)] {
        let file = std::io::BufReader::new(std::fs::File::open(dir.path().join(name)).expect("a file"));
        let mut reader = png::Decoder::new(file).read_info().expect("a PNG");
        assert_eq!(reader.output_color_type().1, png::BitDepth::Sixteen, "{name}");
        let mut data = vec![0; reader.output_buffer_size().expect("a size")];
        reader.next_frame(&mut data).expect("pixels");
        let value = |x: usize, y: usize| {
            let at = (y * 128 + x) * channels * 2;
            u16::from_be_bytes([data[at], data[at + 1]])
        };
        let inside = (44..76).flat_map(|x| (34..56).map(move |y| (x, y)));
        let fine = inside.filter(|&(x, y)| value(x, y) % 257 != 0).count();
        assert!(fine > 600, "{name}: {fine} of 704 values need 16 bits");
        assert!(channels == 4 || (0..128).all(|x| value(x, 0) == ramp(x as u32)), "{name}: untouched values are kept");
    }
}

#[test]
fn it_is_a_model_like_any_other() {
    let dir = desk();
    let list = made(dir.path(), &["models", "list"]);
    let entry = list["models"].as_array().and_then(|m| m.iter().find(|m| m["id"] == "starter")).expect("it is listed");
    assert_eq!(
        (&entry["name"], &entry["state"], &entry["family"]),
        (&json!("Starter"), &json!("ready"), &json!("sd15"))
    );
    let verified = made(dir.path(), &["models", "verify", "starter"]);
    let hash = verified["sha256"].as_str().expect("a hash");
    let folder = dir.path().join("home/cache").join(format!("starter-{}", &hash[..16]));
    assert!(folder.join("model_index.json").is_file(), "the folder is named by the hash");
    let paint = ["generate", "--prompt", "hills", "--seed", "2", "--steps", "2", "--width", "64", "--height", "64"];
    let told = made(dir.path(), &[&paint[..], &["-o", "one.png"]].concat());
    assert_eq!(told["receipt"]["model"], json!({"id": "starter", "family": "sd15", "sha256": hash}));
    // By its folder it is the same model, and damage is repaired before anybody sees it.
    let by_path = ["--model", folder.to_str().expect("UTF-8"), "-o", "two.png"];
    made(dir.path(), &[&paint[..], &by_path].concat());
    std::fs::write(folder.join("unet/config.json"), "{").expect("a file");
    made(dir.path(), &[&paint[..], &["-o", "three.png"]].concat());
    let [one, two, three] = ["one.png", "two.png", "three.png"].map(|f| e2e::pixels(&dir.path().join(f)));
    assert_eq!((one.differing(&two), one.differing(&three)), (0, 0));
}

#[test]
fn many_first_starts_at_once_all_work() {
    let dir = desk();
    let list = || run(dir.path(), &["models", "inspect", "starter"]).status.success();
    let each: Vec<_> = std::thread::scope(|scope| {
        let all: Vec<_> = (0..4).map(|_| scope.spawn(list)).collect();
        all.into_iter().map(|one| one.join().expect("it ends")).collect()
    });
    assert_eq!(each, [true; 4]);
    let cache = std::fs::read_dir(dir.path().join("home/cache")).expect("the cache").map(|e| e.expect("an entry"));
    let names: Vec<_> = cache.map(|e| e.file_name().to_string_lossy().into_owned()).collect();
    assert_eq!(names.iter().filter(|n| n.contains("starter")).count(), 1, "nothing unfinished is left: {names:?}");
}

#[cfg(unix)]
mod daemon {
    use super::*;
    use e2e::daemon::{Client, Daemon};

    fn used(client: &mut Client, params: Value) -> Value {
        let mut all = json!({"mode": "generate", "extent": [64, 64], "steps": 2, "seed": 1});
        params.as_object().expect("members").iter().for_each(|(key, value)| all[key] = value.clone());
        client.call("generate", all).unwrap_or_else(|e| panic!("{params}: {e}"))["used"]["model"].clone()
    }

    #[test]
    fn it_paints_when_nothing_else_was_chosen() {
        let home = tempfile::tempdir().expect("a home");
        {
            let daemon = Daemon::start_in(home.path());
            let mut client = daemon.client();
            assert_eq!(used(&mut client, json!({"prompt": "a lake"})), "starter");
            assert_eq!(used(&mut client, json!({})), "starter");
            // The cache may be emptied at any time.
            client.call("models/unload", json!({})).expect("unloaded");
            std::fs::remove_dir_all(home.path().join("cache")).expect("the cache goes");
            assert_eq!(used(&mut client, json!({"prompt": "a lake"})), "starter");
        }
        // A model of the painter's own goes first, and what they configured before all.
        let tiny = e2e::root().join("tests/reference/golden");
        let config = |default: Value| {
            let config = json!({"model_folders": [tiny.join("tiny-sd").parent()], "default_model": default});
            std::fs::write(home.path().join("config.json"), config.to_string()).expect("a file");
        };
        for (default, prompt, painter) in
            [(Value::Null, "x", "tiny-sd"), (json!("starter"), "x", "starter"), (json!("exemplar"), "", "tiny-sd")]
        {
            config(default.clone());
            let daemon = Daemon::start_in(home.path());
            assert_eq!(used(&mut daemon.client(), json!({"prompt": prompt})), painter, "{default}");
        }
    }

    /// What a fill wants to see depends on who will paint it.
    #[test]
    fn the_words_decide_whose_context_it_is() {
        let daemon = Daemon::start();
        let mut client = daemon.client();
        let mut ask = |more: Value| {
            let bounds = json!({"x": 1900, "y": 1900, "w": 200, "h": 200});
            let mut all = json!({"mode": "fill", "extent": [4000, 4000], "mask_bounds": bounds});
            more.as_object().expect("members").iter().for_each(|(key, value)| all[key] = value.clone());
            client.call("fill/context", all).expect("a context")["rect"].clone()
        };
        let [exemplar, starter] = ["exemplar", "starter"].map(|id| ask(json!({ "model": id })));
        assert_ne!(exemplar, starter);
        assert_eq!(ask(json!({})), exemplar);
        assert_eq!(ask(json!({"prompt": "a boat"})), starter);
    }

    #[test]
    fn its_previews_come_step_by_step() {
        let daemon = Daemon::start();
        let mut client = daemon.client();
        let preview = json!({"max_side": 128, "every_ms": 100});
        let id = client.request(
            "generate",
            json!({"prompt": "a lake", "steps": 400, "seed": 1, "progress": "p", "preview": preview}),
        );
        let mut look = || {
            let shown = |h: &Value| h["method"] == "progress" && h["params"]["preview"].is_object();
            client.expect("a preview", shown)
        };
        let ((_, first), (told, second)) = (look(), look());
        assert!(!first.is_empty() && first != second, "the picture grows");
        assert!(told["params"]["eta_ms"].is_u64(), "a preview takes nothing away from what is told: {told}");
        client.notify("cancel", json!({"id": id}), &[]);
        client.answer(id).expect_err("it was cancelled");
    }
    /// A fill's previews are the part that will be painted, and come with their place, be they the model's or of what it begins
    /// with.
    #[test]
    fn a_fills_previews_lie_where_its_patch_will_be() {
        let daemon = Daemon::start();
        let (w, h) = (96u32, 72u32);
        let mut pixels: Vec<u8> = (0..w * h).flat_map(|i| [(i % 96) as u8 * 2, (i / 96) as u8 * 3, 90, 255]).collect();
        pixels.extend(
            (0..w * h).map(|i| if (40..70).contains(&(i % w)) && (20..50).contains(&(i / w)) { 255 } else { 0 }),
        );
        let whole = json!({"x": 0, "y": 0, "w": w, "h": h});
        for mode in ["fill", "remove"] {
            let mut client = daemon.client();
            client.put("c1", &pixels);
            let fill = json!({
                "mode": mode, "model": "starter", "prompt": "a boat", "steps": 400, "seed": 1, "progress": "p",
                "preview": {"max_side": 128, "every_ms": 100},
                "canvas": {"extent": [w, h], "rect": whole, "image": {"blob": "c1", "w": w, "h": h, "px": "rgba8"}},
                "mask": {"rect": whole, "image": {"blob": "c1", "offset": w * h * 4, "w": w, "h": h, "px": "g8"}},
            });
            let id = client.request("generate", fill);
            let shown = |h: &Value| h["method"] == "progress" && h["params"]["preview"].is_object();
            let (told, rgba) = client.expect("a preview", shown);
            let number = |at: &str| told["params"]["preview_rect"][at].as_i64().unwrap_or_else(|| panic!("{told}"));
            let (x, y, right, bottom) =
                (number("x"), number("y"), number("x") + number("w"), number("y") + number("h"));
            assert!(x >= 0 && y >= 0 && right <= i64::from(w) && bottom <= i64::from(h), "{told}");
            assert!(x <= 40 && y <= 20 && right >= 70 && bottom >= 50 && x > 5, "{told}");
            let alpha: Vec<u8> = rgba.iter().skip(3).step_by(4).copied().collect();
            assert!(alpha.contains(&255) && alpha.iter().any(|a| *a < 255), "as transparent as the patch will be");
            client.notify("cancel", json!({"id": id}), &[]);
            client.answer(id).expect_err("it was cancelled");
        }
    }
}
