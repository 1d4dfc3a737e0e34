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
use underpaint_filters::{Call, Descriptor, Filters, Settings};
use underpaint_raster::{Extent, Image, Unattended};

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

/// A folder as `underpaint filter new` makes it, built by its own commands without a warning. With a source, that
/// one instead of the template's.
fn build(language: &Language, name: &str, source: Option<&Path>) -> (tempfile::TempDir, PathBuf) {
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
    if let Some(source) = source {
        fs::copy(source, folder.path().join(language.source)).unwrap();
    }
    let project: Value = serde_json::from_slice(&fs::read(folder.path().join("underpaint.json")).unwrap()).unwrap();
    let commands = match project["build"].as_array().unwrap() {
        one if one[0].is_string() => vec![one.clone()],
        several => several.iter().map(|command| command.as_array().unwrap().clone()).collect(),
    };
    for command in commands {
        let words: Vec<&str> = command.iter().map(|word| word.as_str().unwrap()).collect();
        if words[0] == "npm" {
            // What it would download is here.
            link_packages(folder.path());
            continue;
        }
        let built = run(&words, folder.path()).unwrap();
        let said = format!("{}{}", String::from_utf8_lossy(&built.stdout), String::from_utf8_lossy(&built.stderr));
        assert!(built.status.success() && !said.to_lowercase().contains("warning"), "{}: {said}", language.name);
    }
    let wasm = folder.path().join(project["wasm"].as_str().unwrap());
    (folder, wasm)
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
    let packages = asc.ancestors().find(|dir| dir.ends_with("node_modules")).unwrap();
    fs::create_dir(project.join("node_modules")).unwrap();
    #[cfg(unix)]
    for package in ["assemblyscript", ".bin"] {
        std::os::unix::fs::symlink(packages.join(package), project.join("node_modules").join(package)).unwrap();
    }
}

fn is_here(language: &Language) -> bool {
    if run(language.compiler, &sdk()).is_ok_and(|o| o.status.success()) {
        return true;
    }
    let why = format!("filters in {}: no compiler ({})", language.name, language.install);
    assert!(std::env::var_os("UNDERPAINT_CI").is_none(), "may not be skipped in continuous integration: {why}");
    println!("skipped: {why}");
    if let Some(path) = std::env::var_os("UNDERPAINT_SKIPPED") {
        let file = fs::OpenOptions::new().create(true).append(true).open(path);
        let _ = file.and_then(|mut f| writeln!(f, "skipped: {why}"));
    }
    false
}

#[test]
fn the_source_of_every_language_is_that_filter() {
    for language in LANGUAGES.iter().filter(|language| is_here(language)) {
        let source = sdk().join("glow").join(language.source.replace("filter", "glow"));
        let (_folder, wasm) = build(language, "glow", Some(&source));
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
        let (_folder, wasm) = build(language, "my-filter", None);
        let (filters, descriptor) = load(&wasm);
        assert_eq!((descriptor.name.as_str(), descriptor.title.as_str()), ("my-filter", "Sepia"));
        let made = |params, tile| apply(&filters, "my-filter", &image, &params, 1.0, tile);
        assert_eq!(made(json!({"strength": 0.0}), 256), image, "{}", language.name);
        let sepia = made(json!({}), 256);
        assert!(sepia == made(json!({}), 31), "{}", language.name);
        assert!(*first.get_or_insert_with(|| sepia.clone()) == sepia, "{} tints another way", language.name);
    }
}
