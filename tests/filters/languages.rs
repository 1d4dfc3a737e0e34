//! The SDK's languages: the reference filter is the same filter in all of them, and every template builds and keeps
//! its promises. `sdk/glow` holds a build of each, so that the languages are tested where their compilers are not;
//! where they are, what they make now is tested too.
//!
//! `MAKE_REF=1` makes the golden picture anew, and the builds with the compilers there are.

use serde_json::{Value, json};
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use underpaint_filters::{Beside, Call, Descriptor, Filters, Picture, Reason, Samples, Settings};
use underpaint_raster::{Extent, Image, Mask, Unattended};

/// A language of the SDK: a folder in `sdk/`, and a build in `sdk/glow`.
struct Language {
    name: &'static str,
    /// The source of a template; that of the reference filter ends alike.
    source: &'static str,
    /// Whether the compiler is here, and what would bring it.
    compiler: &'static [&'static str],
    install: &'static str,
}

const ZIG: &[&str] = &["zig", "version"];
const LANGUAGES: [Language; 3] = [
    Language { name: "c", source: "filter.c", compiler: ZIG, install: "pip install ziglang" },
    Language { name: "zig", source: "filter.zig", compiler: ZIG, install: "pip install ziglang" },
    Language {
        name: "assemblyscript",
        source: "filter.ts",
        compiler: &["asc", "--version"],
        install: "npm install --global assemblyscript",
    },
];

fn sdk() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../sdk")
}

/// 192x96: fields of colour, bright spots, soft and fully transparent parts.
fn chart() -> Image {
    let (w, h) = (192, 96);
    let mut image = Image::new(Extent::new(w, h));
    for y in 0..h {
        for x in 0..w {
            let (u, v) = (x as f32 / (w - 1) as f32, y as f32 / (h - 1) as f32);
            let spot = if (x / 12 + y / 12) % 5 == 0 { 1.0 } else { 0.45 };
            let alpha = ((1.3 - u - 0.5 * v) * 3.0).clamp(0.0, 1.0);
            image.set_pixel(x, y, [spot * u.max(0.3), spot * v, spot * (1.0 - u), alpha]);
        }
    }
    image
}

/// The golden picture's run.
fn golden_run() -> Value {
    json!({"threshold": 0.3, "radius": 8})
}

/// Runs in which every parameter, a preview and another sample type are seen.
fn runs() -> Vec<(Value, f32)> {
    vec![
        (json!({}), 1.0),
        (json!({"threshold": 0.25, "radius": 17, "blend": "add", "tint": "#40c0ff80"}), 1.0),
        (json!({"threshold": 0.99, "radius": 64}), 1.0),
        (json!({"threshold": 0.0, "radius": 9, "tint": "#ffffff"}), 0.3),
        (json!({"tint": "#ffffff00"}), 1.0),
    ]
}

fn load(wasm: &Path) -> (Filters, Descriptor) {
    let mut filters = Filters::empty(None).unwrap();
    let descriptor = filters.add_file(wasm).unwrap_or_else(|e| panic!("{}: {e}", wasm.display())).clone();
    (filters, descriptor)
}

fn apply(filters: &Filters, name: &str, image: &Image, params: &Value, scale: f32, tile: u32) -> Image {
    let params = params.as_object().unwrap().clone();
    let call = [Call { name: name.into(), params, ..Call::default() }];
    let settings = Settings { seed: 3, scale, tile, ..Settings::default() };
    filters.apply_with(image, &call, &settings, &Unattended).unwrap()
}

/// What a painter sees of it, the file's own particulars apart.
fn shown(descriptor: &Descriptor) -> Value {
    let mut shown = json!(descriptor);
    ["sha256", "version", "license"].iter().for_each(|key| shown[key] = Value::Null);
    shown
}

/// The same controls, and the same bits for every run, as the build from Rust; and the golden picture.
fn is_glow(wasm: &Path) {
    let (rust, there) = load(&sdk().join("glow/rust.wasm"));
    let (filters, descriptor) = load(wasm);
    assert_eq!(shown(&descriptor), shown(&there), "{}", wasm.display());
    let image = chart();
    for (params, scale) in runs() {
        let made = apply(&filters, "glow", &image, &params, scale, 64);
        let wanted = apply(&rust, "glow", &image, &params, scale, 256);
        let different = made.data().iter().zip(wanted.data()).position(|(a, b)| a.to_bits() != b.to_bits());
        assert_eq!(different, None, "{}: a value differs with {params}", wasm.display());
    }
    let made = apply(&filters, "glow", &image, &golden_run(), 1.0, 256);
    assert!(made != image, "nothing glows");
    assert!(ppm(&made) == fs::read(sdk().join("glow/golden.ppm")).unwrap(), "{}: another picture", wasm.display());
}

fn ppm(image: &Image) -> Vec<u8> {
    let Extent { w, h } = image.extent();
    let mut ppm = format!("P6\n{w} {h}\n255\n").into_bytes();
    ppm.extend(image.data().chunks(4).flat_map(|p| [p[0], p[1], p[2]]).map(|v| (v * 255.0).round() as u8));
    ppm
}

#[test]
fn the_committed_builds_are_one_filter() {
    let (rust, _) = load(&sdk().join("glow/rust.wasm"));
    let golden = sdk().join("glow/golden.ppm");
    if std::env::var_os("MAKE_REF").is_some() {
        fs::write(&golden, ppm(&apply(&rust, "glow", &chart(), &golden_run(), 1.0, 256))).unwrap();
    }
    is_glow(&sdk().join("glow/rust.wasm"));
    LANGUAGES.iter().for_each(|language| is_glow(&sdk().join(format!("glow/{}.wasm", language.name))));
}

/// A folder as `underpaint filter new` makes it.
fn project(language: &Language, name: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let home = sdk().join(language.name);
    let files = |dir: &Path| fs::read_dir(dir).unwrap().flatten().map(|f| f.path()).filter(|f| f.is_file());
    for file in files(&home.join("template")) {
        let text = fs::read_to_string(&file).unwrap();
        fs::write(folder.path().join(file.file_name().unwrap()), text.replace("my-filter", name)).unwrap();
    }
    let glue = folder.path().join("underpaint-filter");
    fs::create_dir(&glue).unwrap();
    files(&home).for_each(|file| _ = fs::copy(&file, glue.join(file.file_name().unwrap())).unwrap());
    folder
}

/// Built by its own commands, without a warning.
fn build(language: &Language, project: &Path) -> PathBuf {
    let recipe: Value = serde_json::from_slice(&fs::read(project.join("underpaint.json")).unwrap()).unwrap();
    let commands = match recipe["build"].as_array().unwrap() {
        one if one[0].is_string() => vec![one.clone()],
        several => several.iter().map(|command| command.as_array().unwrap().clone()).collect(),
    };
    for command in commands {
        let words: Vec<&str> = command.iter().map(|word| word.as_str().unwrap()).collect();
        if words[0] == "npm" {
            // What it would download is here.
            link_packages(project);
            continue;
        }
        let built = run(&words, project).unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&built.stdout), String::from_utf8_lossy(&built.stderr));
        assert!(built.status.success() && !said.to_lowercase().contains("warning"), "{}: {said}", language.name);
    }
    project.join(recipe["wasm"].as_str().unwrap())
}

/// A command; Zig may be there as `pip install ziglang` brings it.
fn run(words: &[&str], dir: &Path) -> std::io::Result<Output> {
    let [program, args @ ..] = words else { panic!("no command") };
    let made = Command::new(program).args(args).current_dir(dir).output();
    match made {
        Err(_) if *program == "zig" => {
            Command::new("python3").args(["-m", "ziglang"]).args(args).current_dir(dir).output()
        }
        made => made,
    }
}

/// The packages beside the `asc` on the path, as a project's own.
fn link_packages(project: &Path) {
    let path = std::env::var_os("PATH").unwrap();
    let asc = std::env::split_paths(&path).map(|dir| dir.join("asc")).find(|asc| asc.exists()).unwrap();
    let asc = fs::canonicalize(asc).unwrap();
    let package = asc.ancestors().find(|dir| dir.ends_with("assemblyscript")).unwrap();
    let there = project.join("node_modules");
    fs::create_dir_all(there.join(".bin")).unwrap();
    #[cfg(unix)]
    for (link, to) in [("assemblyscript", package), (".bin/asc", asc.as_path())] {
        std::os::unix::fs::symlink(to, there.join(link)).unwrap();
    }
}

fn is_here(language: &Language) -> bool {
    let here = run(language.compiler, &sdk()).is_ok_and(|o| o.status.success());
    if !here {
        skip(&format!("filters in {}: no compiler ({})", language.name, language.install));
    }
    here
}

fn skip(why: &str) {
    assert!(std::env::var_os("UNDERPAINT_CI").is_none(), "may not be skipped in continuous integration: {why}");
    println!("skipped: {why}");
    if let Some(path) = std::env::var_os("UNDERPAINT_SKIPPED") {
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut f| writeln!(f, "skipped: {why}"));
    }
}

/// The reference filter from its source in Rust, where there is the target.
fn build_rust() -> Option<PathBuf> {
    let target = "wasm32-unknown-unknown";
    let libraries = Command::new("rustc").args(["--print", "target-libdir", "--target", target]).output().ok()?;
    if !Path::new(String::from_utf8_lossy(&libraries.stdout).trim()).exists() {
        skip(&format!("filters in rust: no target (rustup target add {target})"));
        return None;
    }
    let out = Path::new(env!("CARGO_TARGET_TMPDIR")).join("glow");
    let mut cargo = Command::new(env!("CARGO"));
    cargo.args(["build", "--release", "--offline", "--target", target, "--target-dir"]).arg(&out);
    // Its own .cargo/config.toml has the flags.
    let built = cargo.current_dir(sdk().join("glow")).env_remove("RUSTFLAGS").output().ok()?;
    assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
    Some(out.join(target).join("release/glow.wasm"))
}

#[test]
fn the_source_of_every_language_is_that_filter() {
    if let Some(wasm) = build_rust() {
        is_glow(&wasm);
    }
    for language in LANGUAGES.iter().filter(|language| is_here(language)) {
        let source = sdk().join("glow").join(language.source.replace("filter", "glow"));
        let folder = project(language, "glow");
        fs::copy(source, folder.path().join(language.source)).unwrap();
        let wasm = build(language, folder.path());
        is_glow(&wasm);
        if std::env::var_os("MAKE_REF").is_some() {
            fs::copy(&wasm, sdk().join(format!("glow/{}.wasm", language.name))).unwrap();
        }
    }
}

/// As `underpaint filter new` makes it, and without a warning: sepia, whatever the tiles.
#[test]
fn every_template_builds_and_tints() {
    let image = chart();
    let mut first: Option<Image> = None;
    for language in LANGUAGES.iter().filter(|language| is_here(language)) {
        let folder = project(language, "my-filter");
        let (filters, descriptor) = load(&build(language, folder.path()));
        assert_eq!((descriptor.name.as_str(), descriptor.title.as_str()), ("my-filter", "Sepia"));
        let made = |params, tile| apply(&filters, "my-filter", &image, &params, 1.0, tile);
        assert_eq!(made(json!({"strength": 0.0}), 256), image, "{}", language.name);
        let sepia = made(json!({}), 256);
        assert!(sepia == made(json!({}), 31), "{}", language.name);
        assert!(*first.get_or_insert_with(|| sepia.clone()) == sepia, "{} tints another way", language.name);
    }
}

/// 300x270, opaque, of a sample type: four tiles of a survey.
fn opaque(top: f32, samples: fn(Vec<f32>) -> Samples) -> Picture {
    let extent = Extent::new(300, 270);
    let pixels = (0..300 * 270).flat_map(|i| [i % 251, i % 7 * 36, i / 300 % 256, 255]);
    Picture::new(extent, samples(pixels.map(|v| v as f32 / 255.0 * top).collect()))
}

fn bytes(values: Vec<f32>) -> Samples {
    Samples::Uint8(values.into_iter().map(|v| v as u8).collect())
}

fn words(values: Vec<f32>) -> Samples {
    Samples::Uint16(values.into_iter().map(|v| v as u16).collect())
}

/// Everything the contract has, in every language: each row of `probe`'s modes says what must come of it, in every
/// sample type.
#[test]
fn every_language_speaks_the_whole_contract() {
    for language in LANGUAGES.iter().filter(|language| is_here(language)) {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/filters/probe");
        let source = source.join(language.source.replace("filter", "probe"));
        let folder = project(language, "probe");
        let package = folder.path().join("package.json");
        if let Ok(text) = fs::read_to_string(&package) {
            let limits = r#""author": "Ada", "underpaint": {"memory_bytes": 8388608, "timeout_ms": 5000}, "type""#;
            fs::write(&package, text.replace("\"type\"", limits)).unwrap();
        }
        fs::copy(source, folder.path().join(language.source)).unwrap();
        let (filters, descriptor) = load(&build(language, folder.path()));
        describes_everything(&descriptor, language.name);
        for picture in [opaque(255.0, bytes), opaque(65535.0, words), opaque(1.0, Samples::Float32)] {
            runs_everything(&filters, &picture, language.name);
        }
    }
}

fn describes_everything(descriptor: &Descriptor, language: &str) {
    let said = json!(descriptor);
    assert_eq!(said["limits"], json!({"memory_bytes": 8388608, "timeout_ms": 5000}), "{language}");
    assert_eq!(said["authors"], "Ada", "{language}");
    assert_eq!(said["samples"], json!(["uint8", "uint16", "float32"]), "{language}");
    let params = json!([
        {"name": "number", "label": "Number", "help": "More is more.", "group": "Values", "type": "float",
         "default": 0.25, "min": -1.0, "max": 1.0, "step": 0.125, "unit": "°"},
        {"name": "whole", "label": "Whole", "help": "", "group": "Values", "type": "int",
         "default": 3, "min": -9, "max": 9, "step": 2, "unit": "px"},
        {"name": "switch", "label": "Switch", "help": "", "type": "bool", "default": true},
        {"name": "paper", "label": "Paper", "help": "", "type": "color", "default": "#ff8040bf"},
        {"name": "words", "label": "Words", "help": "", "type": "text", "default": "grün", "max_bytes": 100, "multiline": true},
        {"name": "seed", "label": "Seed", "help": "", "type": "seed", "default": 7},
    ]);
    for (n, wanted) in params.as_array().unwrap().iter().enumerate() {
        assert_eq!(&said["params"][n + 1], wanted, "{language}");
    }
    assert_eq!(said["params"][0]["choices"][9], json!({"name": "mask", "label": "Mask"}), "{language}");
    let inputs = json!([
        {"name": "selection", "label": "Selection", "help": "Where.", "role": "mask", "required": false},
        {"name": "stamp", "label": "Stamp", "help": "", "role": "image", "required": false},
    ]);
    assert_eq!(said["inputs"], inputs, "{language}");
}

fn runs_everything(filters: &Filters, picture: &Picture, language: &str) {
    let extent = picture.extent();
    let stamp = Image::from_data(Extent::new(2, 3), (0..24).map(|v| v as f32 / 51.0).collect());
    let mask = right_half(extent);
    let run = |mode: &str, more: Value, stamp: Option<&Image>, mask: Option<&Mask>| {
        let mut params = more.as_object().unwrap().clone();
        params.insert("mode".into(), json!(mode));
        let images = stamp.map(|stamp| ("stamp".to_owned(), Arc::new(stamp.clone()))).into_iter().collect();
        let call = [Call { name: "probe".into(), params, images }];
        let settings =
            Settings { seed: 3, tile: 64, beside: Beside { mask, ..Beside::default() }, ..Settings::default() };
        filters.run(picture.view(), &call, &settings, &Unattended).map(Option::unwrap)
    };
    let pixel = |made: &Picture, x: u32, y: u32| -> [f32; 4] {
        let at = (y as usize * made.extent().w as usize + x as usize) * 4;
        std::array::from_fn(|c| match made.samples() {
            Samples::Uint8(v) => f32::from(v[at + c]) / 255.0,
            Samples::Uint16(v) => f32::from(v[at + c]) / 65535.0,
            Samples::Float32(v) => v[at + c],
        })
    };
    let near = |a: [f32; 4], b: [f32; 4]| a.iter().zip(&b).all(|(a, b)| (a - b).abs() <= 1.0 / 254.0);
    let of = |mode: &str| run(mode, json!({}), Some(&stamp), Some(&mask)).unwrap_or_else(|e| panic!("{language}: {e}"));
    let refused = |mode: &str| run(mode, json!({}), None, None).unwrap_err().reason;

    assert_eq!(of("copy").samples(), picture.samples(), "{language}");
    let echo = of("echo");
    assert!(near(pixel(&echo, 299, 269), [0.25, 0.8, 0.55, 0.609375]), "{language}: {:?}", pixel(&echo, 299, 269));
    let other = json!({"number": 1, "whole": -1, "paper": "#00000000", "words": "0123456789", "seed": 1});
    let echo = run("echo", other, None, None).unwrap();
    assert!(near(pixel(&echo, 0, 0), [1.0, 0.4, 0.1, 0.234375]), "{language}: {:?}", pixel(&echo, 0, 0));
    let off = run("echo", json!({"switch": false}), None, None).unwrap();
    assert!(near(pixel(&off, 0, 0), [0.25, 0.3, 0.55, 0.609375]), "{language}");

    // The answers of tiles of 256, 44, 256 and 44 columns, each repeated for every row: see `survey` of the probes.
    let tiles = [(256, 256), (44, 256), (256, 14), (44, 14)];
    let sum: u32 = (1..).zip(tiles).map(|(weight, (columns, rows))| weight * rows * (columns % 251)).sum();
    let level = (sum % 65536) as f32 / 65536.0;
    assert!(near(pixel(&of("survey"), 100, 200), [level; 4]), "{language}");

    let enlarged = of("enlarge");
    assert_eq!(enlarged.extent(), Extent::new(600, 810), "{language}");
    for (x, y) in [(0, 0), (599, 809), (301, 500)] {
        assert_eq!(pixel(&enlarged, x, y), pixel(picture, x / 2, y / 3), "{language}: ({x}, {y})");
    }
    let stamped = of("image");
    for (x, y) in [(0, 0), (1, 2), (299, 269)] {
        let at = ((y % 3 * 2 + x % 2) * 4) as usize;
        let wanted = std::array::from_fn(|c| stamp.data()[at + c]);
        assert!(near(pixel(&stamped, x, y), wanted), "{language}: {:?} {wanted:?}", pixel(&stamped, x, y));
    }
    assert!(
        near(pixel(&of("mask"), 10, 0), [0.0, 0.0, 0.0, 1.0]) && near(pixel(&of("mask"), 290, 9), [1.0; 4]),
        "{language}"
    );

    let blamed = |name: &str, message: &str| Reason::BadParameter { name: name.into(), message: message.into() };
    assert_eq!(refused("refuse"), Reason::Failed("it does not feel like it".into()), "{language}");
    assert_eq!(refused("blame"), blamed("words", "there are too few"), "{language}");
    assert_eq!(refused("image"), blamed("stamp", "choose one"), "{language}");
    assert_eq!(refused("mask"), Reason::Failed("there is no selection".into()), "{language}");
    assert!(matches!(refused("hoard"), Reason::Memory(_)), "{language}: {}", refused("hoard"));
    let Reason::Trap(why) = refused("crash") else { panic!("{language}: {}", refused("crash")) };
    assert!(why.contains("it had to come to this") || why.contains("request.width == 0"), "{language}: {why}");
}

/// The right half is selected.
fn right_half(extent: Extent) -> Mask {
    let mut mask = Mask::new(extent, 0.0);
    for y in 0..extent.h {
        (extent.w / 2..extent.w).for_each(|x| mask.set(x, y, 1.0));
    }
    mask
}
