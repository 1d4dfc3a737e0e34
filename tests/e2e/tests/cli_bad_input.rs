//! Bad input through the real binary: one `error:` line that names the file or field, exit code 1 or 2, nothing
//! written, nothing executed, no panic.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Output;

/// A folder with good and bad files, a home, and the folder as it was.
struct Desk {
    dir: tempfile::TempDir,
}

impl Desk {
    fn new() -> Self {
        let desk = Desk { dir: tempfile::tempdir().expect("a folder") };
        desk.file("photo.png", &e2e::png(48, 40, |x, y| [(x * 5) as u8, (y * 6) as u8, ((x ^ y) * 4) as u8]));
        desk.file("mask.png", &e2e::png(48, 40, |x, y| [if (16..24).contains(&x) && y > 20 { 255 } else { 0 }; 3]));
        desk.file("small-mask.png", &e2e::png(24, 40, |_, _| [255; 3]));
        desk.file("empty-mask.png", &e2e::png(48, 40, |_, _| [0; 3]));
        desk.file("huge.png", &e2e::claimed_png(65500, 65500));
        desk.file("white-mask.png", &e2e::png(48, 40, |_, _| [255; 3]));
        let jpeg = fs::read(e2e::root().join("tests/pictures/progressive.jpg")).expect("a fixture");
        desk.file("cut.jpg", &jpeg[..jpeg.len() / 2]);
        let clear = fs::read(e2e::root().join("tests/pictures/transparent.png")).expect("a fixture");
        desk.file("transparent.png", &clear);
        desk.file("empty.png", b"");
        desk.file("text.png", b"this is not a picture, whatever its name says");
        desk.file("picture.gif", b"GIF89a\x01\x00\x01\x00\x00\x00\x00;");
        let cut = fs::read(desk.path("photo.png")).expect("just written");
        desk.file("cut.png", &cut[..cut.len() / 2]);
        fs::create_dir(desk.path("folder")).expect("a folder");
        for (name, bytes) in hostile_models() {
            desk.file(name, &bytes);
        }
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn file(&self, name: &str, bytes: &[u8]) {
        fs::write(self.path(name), bytes).expect("a file");
    }

    /// Every file and folder there is, with sizes: what must not change.
    fn listing(&self) -> Vec<(PathBuf, u64)> {
        let mut all: Vec<_> = fs::read_dir(self.dir.path())
            .expect("the folder")
            .map(|e| e.expect("an entry"))
            .filter(|e| e.file_name() != "home")
            .map(|e| (e.path(), e.metadata().expect("metadata").len()))
            .collect();
        all.sort();
        all
    }

    fn run(&self, args: &[&str]) -> Output {
        let mut command = e2e::underpaint(&self.path("home"));
        command.args(args).current_dir(self.dir.path()).output().expect("the binary runs")
    }

    /// `code` and each of `words` in the one line on stderr; nothing else happened.
    fn check(&self, line: &str, code: i32, words: &[&str]) {
        let before = self.listing();
        let args: Vec<&str> = line.split_whitespace().collect();
        let output = self.run(&args);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(code), "`{line}`: {stderr}");
        let errors: Vec<&str> = stderr.lines().filter(|l| l.starts_with("error:")).collect();
        assert_eq!(errors.len(), 1, "`{line}` must say one error: {stderr}");
        assert!(!stderr.contains("panicked"), "`{line}`: {stderr}");
        for word in words {
            assert!(errors[0].contains(word), "`{line}` must name {word}: {}", errors[0]);
        }
        assert!(output.stdout.is_empty(), "`{line}` printed {}", String::from_utf8_lossy(&output.stdout));
        assert_eq!(self.listing(), before, "`{line}` left something behind");
    }
}

/// Files that look like models from outside. None may be executed, none may make us allocate what it claims.
fn hostile_models() -> Vec<(&'static str, Vec<u8>)> {
    let header = |json: &str| [&(json.len() as u64).to_le_bytes()[..], json.as_bytes()].concat();
    let tensor = |shape: &str, end: u64| {
        header(&format!(r#"{{"a":{{"dtype":"F32","shape":{shape},"data_offsets":[0,{end}]}}}}"#))
    };
    let good = [tensor("[2,2]", 16), vec![0; 16]].concat();
    vec![
        ("truncated.safetensors", good[..good.len() - 5].to_vec()),
        ("cut-header.safetensors", good[..20].to_vec()),
        ("header-longer-than-file.safetensors", [&u64::MAX.to_le_bytes()[..], b"{}"].concat()),
        ("claims-a-terabyte.safetensors", tensor("[1000000,1000000]", 4_000_000_000_000)),
        ("overflowing-shape.safetensors", tensor("[4294967296,4294967296,4]", 16)),
        ("not-json.safetensors", header("{{{{")),
        ("other-architecture.safetensors", good),
        // protocol 2 pickle calling os.system("touch canary"): what torch.load would run
        (
            "pickle.safetensors",
            b"\x80\x02cos\nsystem\nq\x00X\x0c\x00\x00\x00touch canaryq\x01\x85q\x02Rq\x03.".to_vec(),
        ),
        ("zip.safetensors", b"PK\x03\x04\x14\x00\x00\x00archive/data.pkl".to_vec()),
        ("empty.safetensors", Vec::new()),
    ]
}

#[test]
fn numbers_and_words_of_a_request() {
    let desk = Desk::new();
    let fill = "fill --image photo.png --mask mask.png -o out.png";
    for (line, words) in [
        (format!("{fill} --steps 0"), ["steps", "1 to 1000"]),
        (format!("{fill} --steps 1001"), ["steps", "1 to 1000"]),
        (format!("{fill} --steps -3"), ["--steps", "-3"]),
        (format!("{fill} --steps many"), ["--steps", "many"]),
        (format!("{fill} --guidance NaN"), ["guidance_scale is NaN", "0 to 100"]),
        (format!("{fill} --guidance inf"), ["guidance_scale", "0 to 100"]),
        (format!("{fill} --guidance-rescale 1.1"), ["guidance_rescale is 1.1", "0 (none) to 1 (all)"]),
        (format!("{fill} --prediction velocity"), ["--prediction", "epsilon, v_prediction"]),
        (format!("{fill} --strength 1.5"), ["denoise_strength", "0 (keep) to 1 (repaint)"]),
        (format!("{fill} --batch 99"), ["batch", "1 to 16"]),
        (format!("{fill} --clip-skip 0"), ["clip_skip", "1 (none)"]),
        (format!("{fill} --feather-px 500"), ["feather_px", "0 to 499"]),
        (format!("{fill} --sampler plms"), ["sampler `plms`", "euler, euler_a, heun, lms, ddim, ddpm"]),
        (format!("{fill} --scheduler turbo"), ["scheduler `turbo`", "normal, karras"]),
        (format!("{fill} --mode paint"), ["--mode", "paint"]),
        (format!("{fill} --seed -1"), ["'-1'", "help"]),
        (format!("{fill} --model nowhere"), ["`nowhere`", "exemplar"]),
        (format!("{fill} --filter no-such-filter"), ["no-such-filter", "film-grain"]),
        (format!("{fill} --filter film-grain,loudness=2"), ["film-grain", "loudness"]),
        (format!("{fill} --filter film-grain,strength=99"), ["film-grain", "strength"]),
        (format!("{fill} --filter film-grain,strength"), ["film-grain", "name=value"]),
        (format!("{fill} --frobnicate"), ["--frobnicate", "help"]),
        ("fill --image photo.png -o out.png".into(), ["--mask", "help"]),
    ] {
        desk.check(&line, 2, &words);
    }
}

#[test]
fn pictures_and_masks() {
    let desk = Desk::new();
    for (line, code, words) in [
        ("fill --image huge.png --mask mask.png -o out.png", 1, ["huge.png", "65500x65500"]),
        ("fill --image photo.png --mask huge.png -o out.png", 1, ["huge.png", "16384"]),
        ("fill --image photo.png --mask small-mask.png -o out.png", 2, ["small-mask.png", "24x40"]),
        ("fill --image photo.png --mask empty-mask.png -o out.png", 2, ["mask is empty", "white"]),
        ("fill --image none.png --mask mask.png -o out.png", 1, ["none.png", "no such file"]),
        ("fill --image folder --mask mask.png -o out.png", 1, ["folder", "a folder"]),
        ("fill --image empty.png --mask mask.png -o out.png", 1, ["empty.png", "is empty"]),
        ("fill --image text.png --mask mask.png -o out.png", 1, ["text.png", "PNG, JPEG"]),
        ("fill --image cut.png --mask mask.png -o out.png", 1, ["cut.png", "decoded"]),
        ("fill --image cut.jpg --mask mask.png -o out.png", 1, ["cut.jpg", "ends early"]),
        ("fill --image photo.png --mask white-mask.png -o out.png", 2, ["whole picture", "select less"]),
        ("fill --image transparent.png --mask mask.png -o out.png", 1, ["transparent.png", "nothing to repaint"]),
        ("fill --image photo.png --mask mask.png -o out.png --patch out.png", 2, ["out.png", "named twice"]),
        ("fill --image photo.png --mask mask.png -o mask.png", 2, ["mask.png", "named twice"]),
        ("generate --prompt x --strength 0.5 -o out.png", 2, ["--strength", "--init"]),
        ("fill --image picture.gif --mask mask.png -o out.png", 1, ["picture.gif", "a GIF"]),
        ("fill --image photo.png --mask mask.png -o out.jpg", 2, ["out.jpg", ".png"]),
        ("fill --image photo.png --mask mask.png -o no/such/out.png", 1, ["no/such/out.png", "cannot be written"]),
        ("fill --image photo.png --mask mask.png -o photo.png/out.png", 1, ["photo.png/out.png", "cannot be written"]),
        ("fill --image photo.png --mask mask.png -o folder", 2, ["folder", ".png"]),
        (
            "fill --image photo.png --mask mask.png --mode add --model exemplar -o out.png",
            2,
            ["exemplar", "fill, remove"],
        ),
        ("fill --image photo.png --mask mask.png --noise none.npy -o out.png", 1, ["none.npy", "cannot read"]),
        ("generate --width 500 --height 512 --model nowhere -o out.png", 2, ["nowhere", "exemplar"]),
    ] {
        desk.check(line, code, &words);
    }
}

#[test]
fn hostile_models_are_refused_by_content() {
    let desk = Desk::new();
    for (name, _) in hostile_models() {
        desk.check(&format!("models inspect {name}"), 1, &[name]);
        desk.check(&format!("models verify {name}"), 1, &[name]);
        desk.check(&format!("generate --model {name} --prompt x -o out.png"), 1, &[name]);
    }
    assert!(!desk.path("canary").exists(), "a pickle was executed");
    desk.check("models inspect folder", 1, &["folder"]);
    desk.check("models inspect none.safetensors", 1, &["none.safetensors"]);
    desk.check("models add-folder none", 2, &["none", "not a folder"]);
}

/// The starter must be written out before it paints. Where it cannot be, it is listed with the reason, whoever needs it
/// is told in a sentence, and what does not need it goes on.
#[test]
fn a_starter_that_cannot_be_unpacked_is_said_to_be_unusable() {
    let desk = Desk::new();
    fs::create_dir(desk.path("home")).expect("a folder");
    desk.file("home/cache", b"a file where the folder should be");
    let list = desk.run(&["models", "list"]);
    let said = String::from_utf8_lossy(&list.stdout);
    let line = said.lines().find(|l| l.starts_with("starter")).unwrap_or_default();
    assert!(list.status.success() && line.contains("unusable: its files cannot be unpacked into"), "{said}");
    for line in [
        "generate --prompt x -o out.png",
        "fill --image photo.png --mask mask.png --prompt x -o out.png",
        "fill --image photo.png --mask mask.png --mode add -o out.png",
        "models inspect starter",
        "models verify starter",
    ] {
        desk.check(line, 1, &["`starter` cannot be used", "cache"]);
    }
    let fill = desk.run(&["fill", "--image", "photo.png", "--mask", "mask.png", "-o", "out.png"]);
    assert!(fill.status.success(), "{}", String::from_utf8_lossy(&fill.stderr));
}

#[test]
fn an_unknown_key_in_the_configuration_is_named() {
    let desk = Desk::new();
    fs::create_dir(desk.path("home")).expect("a folder");
    fs::write(desk.path("home/config.json"), r#"{"model_folder": ["/x"]}"#).expect("a file");
    desk.check("models list", 1, &["config.json", "model_folder"]);
    assert!(Path::new(&desk.path("home/config.json")).exists());
}

/// A named pipe in the place of a file would block whoever opens it.
#[cfg(unix)]
#[test]
fn named_pipes_are_refused_without_waiting_for_a_writer() {
    let desk = Desk::new();
    fs::create_dir_all(desk.path("home/models")).expect("a folder");
    for name in ["pipe.png", "pipe.safetensors", "pipe.npy", "home/models/pipe.safetensors"] {
        let made = std::process::Command::new("mkfifo").arg(desk.path(name)).status().expect("mkfifo runs");
        assert!(made.success(), "{name}");
    }
    for (line, word) in [
        ("fill --image pipe.png --mask mask.png -o out.png", "pipe.png"),
        ("fill --image photo.png --mask pipe.png -o out.png", "pipe.png"),
        ("models inspect pipe.safetensors", "pipe.safetensors"),
        ("fill --image photo.png --mask mask.png --noise pipe.npy -o out.png", "pipe.npy"),
    ] {
        desk.check(line, 1, &[word, "not a regular file"]);
    }
    assert!(desk.run(&["models", "list"]).status.success(), "a pipe among the models does not stop the scan");
}
