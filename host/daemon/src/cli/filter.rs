//! `underpaint filter`: the filters of this machine, and the tools of those who write them.

use super::progress::Terminal;
use super::{Failure, Global, paint};
use crate::picture::{self, Picture};
use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use underpaint_filters::{Call, Descriptor, FilterError, Filters, Kind, Level, Reason, Settings};
use underpaint_raster::{Extent, Image, Job, Unattended};

const EXAMPLES: &str = "\
Examples:
  underpaint filter list
  underpaint filter run film-grain photo.jpg -o grainy.png --param strength=0.5
  underpaint filter new my-filter
  underpaint filter check my-filter/target/wasm32-unknown-unknown/release/my_filter.wasm

A filter is one .wasm file. It sees the pixels it is given and nothing else: no files, no network, no clock.
Copy it into the folder `filters` of Underpaint's home to have it in the list.";

/// Run filters, and write your own
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Filter {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every filter that can be used
    List,
    /// Parameters and limits of a filter
    Info {
        /// A filter's name or a .wasm file
        name: String,
    },
    /// Run a filter on a picture
    Run(Run),
    /// Start a filter of your own: a Rust project that builds as it is
    New {
        /// The folder to make; its last part is the filter's name
        dir: PathBuf,
    },
    /// Does a filter keep its promises? Same pixels for any tiles and threads, at every parameter's ends
    Check {
        /// A filter's name or a .wasm file
        name: String,
    },
}

#[derive(Debug, Args)]
struct Run {
    /// A filter's name or a .wasm file
    name: String,
    /// The picture
    image: PathBuf,
    /// Where the result goes, a .png
    #[arg(short, long, value_name = "OUT")]
    out: PathBuf,
    /// A parameter, as name=value; may be given several times
    #[arg(long, value_name = "K=V")]
    param: Vec<String>,
    /// Where all randomness comes from
    #[arg(long, default_value_t = 0)]
    seed: u64,
    /// How much smaller than the real picture this one is, for previews: lengths in pixels shrink with it
    #[arg(long, default_value_t = 1.0, value_name = "0.01..1")]
    scale: f32,
}

impl Filter {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        match self.action {
            Action::List => list(global),
            Action::Info { name } => info(global, &name),
            Action::Run(run) => run.run(global),
            Action::New { dir } => new(global, &dir),
            Action::Check { name } => check(global, &name),
        }
    }
}

fn list(global: &Global) -> Result<(), Failure> {
    let filters = paint::filters(&global.home()?)?.list();
    if global.json {
        global.print(&json!({ "filters": filters }));
        return Ok(());
    }
    for filter in filters {
        outln!("{:<20} {:<9} {}", filter.name, filter.version, filter.description);
    }
    Ok(())
}

fn info(global: &Global, name: &str) -> Result<(), Failure> {
    let (_, filter) = find(global, name)?;
    if global.json {
        global.print(&json!(filter));
        return Ok(());
    }
    let Descriptor { name, version, title, description, license, authors, .. } = &filter;
    outln!("{title} ({name} {version}, {})", if license.is_empty() { "no licence given" } else { license });
    outln!("{description}");
    if !authors.is_empty() {
        outln!("by {authors}");
    }
    for param in &filter.params {
        let values = match &param.kind {
            Kind::Float { default, min, max, unit, .. } => {
                format!("{}, usually {default}", format!("{min} to {max} {unit}").trim_end())
            }
            Kind::Int { default, min, max, unit, .. } => {
                format!("{}, usually {default}", format!("{min} to {max} {unit}").trim_end())
            }
            Kind::Bool { default } => format!("true or false, usually {default}"),
            Kind::Choice { default, choices } => {
                let names: Vec<&str> = choices.iter().map(|c| c.name.as_str()).collect();
                format!("{}, usually {default}", names.join(" | "))
            }
            Kind::Color { default } => format!("a colour, usually {default}"),
            Kind::Text { default, max_bytes, multiline: false } => {
                format!("words, up to {max_bytes} bytes, usually {default:?}")
            }
            Kind::Text { max_bytes, .. } => format!("text of up to {max_bytes} bytes; @FILE for a file's"),
            Kind::Seed { default } => format!("a whole number, usually {default}"),
        };
        outln!("  --param {:<14} {values}\n  {:<22} {}", format!("{}=", param.name), "", param.help);
    }
    outln!(
        "It may use {} MiB of memory and {} ms for each megapixel.",
        filter.limits.memory_bytes >> 20,
        filter.limits.timeout_ms
    );
    Ok(())
}

impl Run {
    fn run(self, global: &Global) -> Result<(), Failure> {
        if !(0.01..=1.0).contains(&self.scale) {
            return Err(Failure::Usage(format!("--scale is {}, but must be from 0.01 to 1", self.scale)));
        }
        picture::check_target(&self.out)?;
        let (filters, filter) = find(global, &self.name)?;
        filters.set_log(Arc::new(|filter, level, line| {
            if level >= Level::Info {
                eprintln!("{filter}: {line}");
            }
        }));
        let mut params = Map::new();
        for text in &self.param {
            let (key, value) = text
                .split_once('=')
                .ok_or_else(|| Failure::Usage(format!("--param {text} is not of the form name=value")))?;
            params.insert(key.to_owned(), filter.parse(key, value));
        }
        let chain = [Call { name: filter.name.clone(), params, ..Call::default() }];
        filters.check(&chain)?;
        let like: Picture = picture::read(&self.image)?;
        let job = Terminal::new(global.quiet());
        let settings = Settings { seed: self.seed, scale: self.scale, ..Settings::default() };
        let made = filters.apply_with(&like.image, &chain, &settings, &job);
        job.end();
        let made = made?;
        if job.is_cancelled() {
            return Err(Failure::Interrupted);
        }
        picture::write(&self.out, &made, &like, &[])?;
        let said = json!({"output": self.out, "filter": filter.name, "version": filter.version, "params": chain[0].params, "seed": self.seed});
        global.say(&said, &format!("{} is {} with {}", self.out.display(), self.image.display(), filter.title));
        Ok(())
    }
}

/// The SDK travels with the project, so that it builds without a network and goes on building when Underpaint changes.
const PROJECT: &[(&str, &str)] = &[
    ("src/lib.rs", include_str!("../../../../sdk/template/src/lib.rs")),
    (".cargo/config.toml", include_str!("../../../../sdk/template/.cargo/config.toml")),
    (".gitignore", include_str!("../../../../sdk/template/.gitignore")),
    ("underpaint-filter/src/lib.rs", include_str!("../../../../sdk/rust/src/lib.rs")),
    ("underpaint-filter/src/abi.rs", include_str!("../../../../sdk/rust/src/abi.rs")),
    ("underpaint-filter/src/descriptor.rs", include_str!("../../../../sdk/rust/src/descriptor.rs")),
    ("underpaint-filter/src/host.rs", include_str!("../../../../sdk/rust/src/host.rs")),
    ("underpaint-filter/src/noise.rs", include_str!("../../../../sdk/rust/src/noise.rs")),
    ("underpaint-filter/src/params.rs", include_str!("../../../../sdk/rust/src/params.rs")),
    ("underpaint-filter/src/request.rs", include_str!("../../../../sdk/rust/src/request.rs")),
    ("underpaint-filter/src/sample.rs", include_str!("../../../../sdk/rust/src/sample.rs")),
    ("underpaint-filter/src/simd/mod.rs", include_str!("../../../../sdk/rust/src/simd/mod.rs")),
    ("underpaint-filter/src/simd/math.rs", include_str!("../../../../sdk/rust/src/simd/math.rs")),
    ("underpaint-filter/src/simd/plain.rs", include_str!("../../../../sdk/rust/src/simd/plain.rs")),
    ("underpaint-filter/src/simd/x86.rs", include_str!("../../../../sdk/rust/src/simd/x86.rs")),
    ("underpaint-filter/src/simd/tests.rs", include_str!("../../../../sdk/rust/src/simd/tests.rs")),
    ("underpaint-filter/src/testing.rs", include_str!("../../../../sdk/rust/src/testing.rs")),
    ("underpaint-filter/src/tile.rs", include_str!("../../../../sdk/rust/src/tile.rs")),
    ("underpaint-filter/filter.wit", include_str!("../../../../sdk/filter.wit")),
];

const SDK_MANIFEST: &str = "[package]
name = \"underpaint-filter\"
version = \"0.1.0\"
edition = \"2024\"
license = \"MIT OR Apache-2.0\"
description = \"Write an Underpaint filter in Rust.\"
publish = false
";

fn new(global: &Global, dir: &Path) -> Result<(), Failure> {
    let name = dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let letters = name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if !letters || name.len() > 64 || !name.starts_with(|c: char| c.is_ascii_lowercase()) {
        return Err(Failure::Usage(format!(
            "{name:?} cannot be a filter's name: up to 64 lower case letters, digits and hyphens, beginning with a letter"
        )));
    }
    if dir.exists() {
        return Err(Failure::Failed(format!("{} is there already; a new folder is wanted", dir.display())));
    }
    let template = include_str!("../../../../sdk/template/Cargo.toml");
    let manifest = template
        .replace("name = \"my-filter\"", &format!("name = \"{name}\""))
        .replace("path = \"../rust\"", "path = \"underpaint-filter\"");
    let write = |file: &str, text: &str| {
        let path = dir.join(file);
        let folder = path.parent().map_or(Ok(()), fs::create_dir_all);
        folder
            .and_then(|()| fs::write(&path, text))
            .map_err(|e| Failure::Failed(format!("{} cannot be written: {e}", path.display())))
    };
    write("Cargo.toml", &manifest)?;
    write("underpaint-filter/Cargo.toml", SDK_MANIFEST)?;
    PROJECT.iter().try_for_each(|(file, text)| write(file, text))?;
    let wasm = dir.join(format!("target/wasm32-unknown-unknown/release/{}.wasm", name.replace('-', "_")));
    let next = format!(
        "{} holds a filter that tints pictures. Next:\n  cd {}\n  cargo test\n  cargo build --release --target wasm32-unknown-unknown\n  underpaint filter check {}",
        dir.display(),
        dir.display(),
        wasm.strip_prefix(dir).unwrap_or(&wasm).display()
    );
    global.say(&json!({"folder": dir, "wasm": wasm}), &next);
    Ok(())
}

/// Runs the filter with its defaults and with every parameter at each of its ends, cut in several ways.
fn check(global: &Global, name: &str) -> Result<(), Failure> {
    let (filters, filter) = find(global, name)?;
    let image = test_picture();
    let mut runs = 0;
    for params in extremes(&filter) {
        let call = [Call { name: filter.name.clone(), params, ..Call::default() }];
        let made = |tile, threads| {
            filters.apply_with(&image, &call, &Settings { seed: 1, tile, threads, ..Settings::default() }, &Unattended)
        };
        let whole = made(512, 1)?;
        for (tile, threads) in [(256, 1), (97, 2), (32, 0)] {
            let tiled = made(tile, threads)?;
            runs += 1;
            if let Some(i) = (0..whole.data().len()).find(|&i| whole.data()[i].to_bits() != tiled.data()[i].to_bits()) {
                let (x, y) = (i / 4 % 300, i / 4 / 300);
                let params = Value::Object(call[0].params.clone());
                return Err(Failure::Failed(format!(
                    "{}: pixel ({x}, {y}) is {} in one piece and {} in tiles of {tile}, with {params}: the halo is too small, state is kept between tiles, or randomness does not come from seed and position",
                    filter.name,
                    whole.data()[i],
                    tiled.data()[i]
                )));
            }
        }
    }
    let said = json!({"filter": filter.name, "version": filter.version, "runs": runs, "ok": true});
    global.say(
        &said,
        &format!("{} {} gave the same pixels in {runs} runs, for any tiles and threads", filter.name, filter.version),
    );
    Ok(())
}

/// The defaults, then each parameter alone at each value a slider or list can be pushed to.
fn extremes(filter: &Descriptor) -> Vec<Map<String, Value>> {
    let mut all = vec![Map::new()];
    for param in &filter.params {
        let ends: Vec<Value> = match &param.kind {
            Kind::Float { min, max, .. } => vec![json!(min), json!(max)],
            Kind::Int { min, max, .. } => vec![json!(min), json!(max)],
            Kind::Bool { .. } => vec![json!(false), json!(true)],
            Kind::Choice { choices, .. } => choices.iter().map(|c| json!(c.name)).collect(),
            Kind::Color { .. } => vec![json!("#00000000"), json!("#ffffffff")],
            Kind::Text { .. } => vec![json!("")],
            Kind::Seed { .. } => vec![json!(u32::MAX)],
        };
        all.extend(ends.into_iter().map(|value| Map::from_iter([(param.name.clone(), value)])));
    }
    all
}

/// 300x200: colours, hard edges, soft and fully transparent pixels.
fn test_picture() -> Image {
    let mut image = Image::new(Extent::new(300, 200));
    for y in 0..200 {
        for x in 0..300 {
            let (u, v) = (x as f32 / 300.0, y as f32 / 200.0);
            let edge = if (x / 8 + y / 8) % 2 == 0 { 0.75 } else { 1.0 };
            let alpha = ((1.2 - u - v * 0.4) * 4.0).clamp(0.0, 1.0);
            if alpha > 0.0 {
                image.set_pixel(x, y, [u * edge, v * edge, (1.0 - u) * edge, alpha]);
            }
        }
    }
    image
}

/// The filters of this machine and the one that is meant. A .wasm file is added for this command alone.
fn find(global: &Global, name: &str) -> Result<(Filters, Descriptor), Failure> {
    if !name.ends_with(".wasm") {
        let filters = paint::filters(&global.home()?)?;
        let filter = filters.get(name)?.clone();
        return Ok((filters, filter));
    }
    // Nothing installed is there to take the name the author gave it.
    let mut filters = Filters::empty(Some(&global.home()?.cache_dir().join("filters")))?;
    let filter = filters.add_file(Path::new(name))?.clone();
    Ok((filters, filter))
}

impl From<FilterError> for Failure {
    fn from(error: FilterError) -> Self {
        match error.reason {
            Reason::Cancelled => Failure::Interrupted,
            Reason::Unknown(_) | Reason::BadParameter { .. } => Failure::Usage(error.to_string()),
            _ => Failure::Failed(error.to_string()),
        }
    }
}
