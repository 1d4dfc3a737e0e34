//! The first-party filter through the sandbox: what a painter gets at the end of a job.

use serde_json::json;
use std::io::Write;
use std::path::Path;
use std::process::Command;
use std::sync::Mutex;
use underpaint_filters::{Call, Filters, Kind, Reason, Settings};
use underpaint_raster::{Extent, Image, Job, Stage, Unattended};

fn film_grain(params: serde_json::Value) -> Vec<Call> {
    vec![Call { name: "film-grain".into(), params: params.as_object().unwrap().clone(), ..Call::default() }]
}

/// Smooth colours, soft and fully transparent parts.
fn picture(w: u32, h: u32) -> Image {
    let mut image = Image::new(Extent::new(w, h));
    for y in 0..h {
        for x in 0..w {
            let (u, v) = (x as f32 / w as f32, y as f32 / h as f32);
            let a = ((1.3 - u - 0.5 * v) * 4.0).clamp(0.0, 1.0);
            image.set_pixel(x, y, if a > 0.0 { [u, v, 1.0 - u, a] } else { [0.0; 4] });
        }
    }
    image
}

#[test]
fn changes_colour_only_and_follows_the_seed() {
    let filters = Filters::new(None).unwrap();
    let image = picture(300, 200);
    let grainy = |seed| filters.apply(&image, &film_grain(json!({"strength": 0.5})), seed, &Unattended).unwrap();
    let (first, again, other) = (grainy(1), grainy(1), grainy(2));
    assert_eq!(first, again);
    assert_ne!(first, other);
    assert_ne!(first, image);
    for (new, old) in first.data().chunks(4).zip(image.data().chunks(4)) {
        assert_eq!(new[3], old[3]);
        assert!(old[3] > 0.0 || new == old, "a pixel of alpha 0 changed");
        assert!(new.iter().all(|v| (0.0..=1.0).contains(v)));
    }
}

#[test]
fn the_same_bits_for_any_tiles_and_threads() {
    let filters = Filters::new(None).unwrap();
    let image = picture(531, 402);
    let chain = film_grain(json!({"size": 3.7, "color": 0.6}));
    let with = |tile, threads| {
        filters
            .apply_with(&image, &chain, &Settings { seed: 9, tile, threads, ..Settings::default() }, &Unattended)
            .unwrap()
    };
    let one = with(600, 1);
    for (tile, threads) in [(256, 1), (256, 2), (97, 3), (1000, 4), (256, 0)] {
        assert!(one == with(tile, threads), "tiles of {tile} on {threads} threads differ");
    }
}

#[test]
fn colour_under_alpha_0_comes_back_as_it_was() {
    let filters = Filters::new(None).unwrap();
    let mut image = Image::new(Extent::new(20, 20));
    image.set_pixel(3, 4, [0.9, 0.1, 0.2, 0.0]);
    let grain = film_grain(json!({}));
    assert_eq!(filters.apply(&image, &grain, 0, &Unattended).unwrap(), image);
    // Through light and back, and once more as it is.
    let vignette = Call { name: "vignette".into(), ..Call::default() };
    let chain = [grain[0].clone(), vignette, grain[0].clone()];
    assert_eq!(filters.apply(&image, &chain, 0, &Unattended).unwrap(), image);
}

#[test]
fn what_a_list_shows() {
    let list = Filters::new(None).unwrap().list();
    let grain = list.iter().find(|d| d.name == "film-grain").unwrap();
    assert_eq!(
        (grain.title.as_str(), grain.license.as_str(), grain.sha256.len()),
        ("Film grain", "MIT OR Apache-2.0", 64)
    );
    let strength = serde_json::to_value(&grain.params[0]).unwrap();
    assert_eq!(strength["name"], "strength");
    assert_eq!(strength["type"], "float");
    assert_eq!((&strength["default"], &strength["min"], &strength["max"]), (&json!(0.35), &json!(0.0), &json!(1.0)));
    assert!(grain.params.iter().all(|p| matches!(p.kind, Kind::Float { .. })));
    assert_eq!(grain.parse("strength", "0.5"), json!(0.5));
    assert_eq!(grain.parse("strength", "much"), json!("much"));
}

#[test]
fn wrong_parameters_are_named_before_any_work() {
    let filters = Filters::new(None).unwrap();
    let message = |params| filters.check(&film_grain(params)).unwrap_err().to_string();
    assert_eq!(message(json!({"strength": 2})), "filter film-grain: parameter strength: 2 is not a number from 0 to 1");
    assert_eq!(
        message(json!({"strength": "a lot"})),
        "filter film-grain: parameter strength: \"a lot\" is not a number from 0 to 1"
    );
    assert_eq!(
        message(json!({"grain": 1})),
        "filter film-grain: parameter grain: the filter does not have it; it has strength, size, color, highlights"
    );
    let unknown = filters.check(&[Call { name: "sepia\u{1b}[2J".into(), ..Call::default() }]).unwrap_err();
    assert!(matches!(&unknown.reason, Reason::Unknown(known) if known.contains("film-grain")), "{unknown}");
    assert!(!unknown.to_string().contains('\u{1b}'));
    assert_eq!(filters.check(&film_grain(json!({"strength": 1, "size": 8.0}))), Ok(()));
}

/// Progress of a chain never goes back and ends at its end; a cancelled job says so.
#[test]
fn reports_progress_and_can_be_cancelled() {
    struct Watching(Mutex<Vec<(u32, u32)>>, bool);
    impl Job for Watching {
        fn is_cancelled(&self) -> bool {
            self.1
        }
        fn progress(&self, stage: Stage, step: u32, steps: u32) {
            assert_eq!(stage, Stage::Filter);
            self.0.lock().unwrap().push((step, steps));
        }
    }
    let filters = Filters::new(None).unwrap();
    let image = picture(64, 64);
    let chain = [film_grain(json!({})), film_grain(json!({"size": 4.0}))].concat();
    let job = Watching(Mutex::default(), false);
    filters.apply(&image, &chain, 0, &job).unwrap();
    let steps = job.0.into_inner().unwrap();
    assert!(steps.is_sorted() && steps.iter().all(|s| s.1 == 2000), "{steps:?}");
    assert_eq!(steps.last(), Some(&(2000, 2000)));
    let error = filters.apply(&image, &chain, 0, &Watching(Mutex::default(), true)).unwrap_err();
    assert_eq!(error.reason, Reason::Cancelled);
}

#[test]
fn two_in_a_chain_have_grain_of_their_own() {
    let filters = Filters::new(None).unwrap();
    let image = picture(40, 40);
    let (one, two) = (film_grain(json!({})), [film_grain(json!({})), film_grain(json!({}))].concat());
    let by_hand = filters.apply(&filters.apply(&image, &one, 5, &Unattended).unwrap(), &one, 6, &Unattended).unwrap();
    assert!(filters.apply(&image, &two, 5, &Unattended).unwrap() == by_hand);
}

#[test]
fn an_empty_chain_and_an_empty_picture_are_fine() {
    let filters = Filters::new(None).unwrap();
    let image = picture(5, 5);
    assert_eq!(filters.apply(&image, &[], 0, &Unattended).as_ref(), Ok(&image));
    let none = Image::new(Extent::new(0, 0));
    assert_eq!(filters.apply(&none, &film_grain(json!({})), 0, &Unattended).as_ref(), Ok(&none));
}

/// The committed wasm makes the golden picture of `plugins/film-grain/tests/golden.rs`, and so does one built now.
#[test]
fn golden_picture_from_the_committed_wasm_and_from_its_source() {
    let plugin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../plugins/film-grain");
    let golden = std::fs::read(plugin.join("tests/golden.ppm")).unwrap();
    assert!(
        ppm(&Filters::new(None).unwrap()) == golden,
        "film-grain.wasm is not built from its source; .cargo/config.toml beside it says how"
    );

    let cargo = |args: &[&str]| {
        Command::new(env!("CARGO")).args(args).current_dir(&plugin).env_remove("RUSTFLAGS").output().unwrap()
    };
    let sysroot =
        Command::new("rustc").args(["--print", "target-libdir", "--target", "wasm32-unknown-unknown"]).output();
    let installed =
        sysroot.is_ok_and(|o| o.status.success() && Path::new(String::from_utf8_lossy(&o.stdout).trim()).exists());
    if !installed {
        println!("skipped: wasm32 target missing (rustup target add wasm32-unknown-unknown)");
        if let Some(path) = std::env::var_os("UNDERPAINT_SKIPPED") {
            let file = std::fs::OpenOptions::new().create(true).append(true).open(path);
            let _ = file.and_then(|mut f| {
                writeln!(f, "skipped: wasm32 target missing (rustup target add wasm32-unknown-unknown)")
            });
        }
        return;
    }
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("film-grain");
    let built = cargo(&[
        "build",
        "--release",
        "--offline",
        "--target",
        "wasm32-unknown-unknown",
        "--target-dir",
        target.to_str().unwrap(),
    ]);
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    let mut filters = Filters::empty(None).unwrap();
    filters.add_file(&target.join("wasm32-unknown-unknown/release/film_grain.wasm")).unwrap();
    assert!(ppm(&filters) == golden, "a fresh build makes another picture");
}

fn ppm(filters: &Filters) -> Vec<u8> {
    let (w, h) = (192, 96);
    let mut image = Image::new(Extent::new(w, h));
    for y in 0..h {
        for x in 0..w {
            let (u, v) = (x as f32 / (w - 1) as f32, y as f32 / (h - 1) as f32);
            image.set_pixel(x, y, if y < h / 2 { [u, u, u, 1.0] } else { [u, v, 1.0 - u, 1.0] });
        }
    }
    let out = filters.apply(&image, &film_grain(json!({"strength": 0.5, "size": 2.0})), 7, &Unattended).unwrap();
    let mut ppm = format!("P6\n{w} {h}\n255\n").into_bytes();
    ppm.extend(out.data().chunks(4).flat_map(|p| [p[0], p[1], p[2]]).map(|v| (v * 255.0).round() as u8));
    ppm
}
