//! `underpaint demo`: the main job on pictures that come along, with nothing to download.

use super::progress::Terminal;
use super::{Failure, Global, paint};
use crate::models::{Catalogue, Models};
use crate::picture::{self, Depth, Picture, PictureError};
use crate::worker::{self, Input, JobError};
use clap::Args;
use serde_json::{Value, json};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;
use underpaint_engine as engine;
use underpaint_filters::{Call, Filters};
use underpaint_raster::{Extent, Image, Mask, over};
use underpaint_wire::generate::{Generate, Mode};

/// A photograph and what is to go; licences are in assets/demo/README.md.
struct Scene {
    name: &'static str,
    what: &'static str,
    photograph: &'static [u8],
    mask: &'static [u8],
}

const SCENES: [Scene; 2] = [
    Scene {
        name: "raccoon",
        what: "the blades of grass across nose and fur",
        photograph: include_bytes!("../../assets/demo/raccoon.jpg"),
        mask: include_bytes!("../../assets/demo/raccoon-mask.png"),
    },
    Scene {
        name: "rocket",
        what: "the two towers beside the rocket",
        photograph: include_bytes!("../../assets/demo/rocket.jpg"),
        mask: include_bytes!("../../assets/demo/rocket-mask.png"),
    },
];
/// The filter at the end.
const FILTER: &str = "film-grain";
/// Fine grain: a finish, not an effect.
const GRAIN: [(&str, f64); 2] = [("strength", 0.16), ("size", 1.2)];
/// Any would do; a fixed one makes every demo the same.
const SEED: u64 = 7;
/// Pixels between the pictures of a comparison.
const GAP: u32 = 8;
/// What a selection looks like on the picture, and how much of the picture shows through.
const SELECTION: [f32; 3] = [1.0, 0.16, 0.35];
const SHOWS_THROUGH: f32 = 0.35;

const EXAMPLES: &str = "\
Examples:
  underpaint demo
  underpaint demo --out pictures";

/// See the main job done: fill selections in photographs, run a filter, write before and after
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Demo {
    /// Where to write the pictures; made if it is not there
    #[arg(long, value_name = "DIR", default_value = "underpaint-demo")]
    out: PathBuf,
}

impl Demo {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        std::fs::create_dir_all(&self.out).map_err(|e| PictureError::Write(self.out.clone(), e))?;
        let filters = paint::filters(&global.home()?)?;
        let job = Terminal::new(global.quiet());
        let mut told = Vec::new();
        for scene in &SCENES {
            let shown = scene.play(&filters, &job);
            job.end();
            let shown = shown?;
            let files = shown.write(&self.out, scene.name)?;
            if !global.json {
                let (w, h, seconds) = (shown.before.extent().w, shown.before.extent().h, |ms| ms as f64 / 1000.0);
                outln!(
                    "{}, {w}x{h}: {} taken away in {:.1} s, {FILTER} in {:.1} s",
                    scene.name,
                    scene.what,
                    seconds(shown.fill_ms),
                    seconds(shown.filter_ms)
                );
                files.iter().for_each(|file| outln!("  {}", file.display()));
            }
            let times = (shown.fill_ms, shown.filter_ms);
            told.push(json!({"name": scene.name, "files": files, "fill_ms": times.0, "filter_ms": times.1}));
        }
        if global.json {
            global.print(&json!({ "pictures": told }));
        }
        Ok(())
    }
}

/// A scene, played.
struct Shown {
    before: Image,
    selection: Image,
    filled: Image,
    filtered: Image,
    fill_ms: u64,
    filter_ms: u64,
}

impl Scene {
    /// The same function a painter's job goes through, then the filter over the whole picture.
    fn play(&self, filters: &Filters, job: &Terminal) -> Result<Shown, Failure> {
        let before = picture::decode(Path::new(self.name), self.photograph)?.image;
        let mask = picture::as_mask(&picture::decode(Path::new(self.name), self.mask)?);
        let selection = marked(&before, &mask);
        let extent = before.extent();
        let mut models = Models::new(Arc::new(Catalogue::scan(&[], None, None)), engine::Options::default());
        let request = Generate { mode: Mode::Remove, seed: Some(SEED), ..Generate::default() };
        let input = Input {
            canvas: Some((extent, extent.rect(), before.clone())),
            mask: Some((extent.rect(), mask)),
            ..Input::default()
        };
        let output = worker::run(&mut models, filters, &request, input, job)?;
        let filled = output.patches.iter().fold(before.clone(), |canvas, (patch, _)| over(&canvas, patch));
        let fill_ms = output.timing_ms.get("total").and_then(Value::as_u64).unwrap_or(0);
        let started = Instant::now();
        let params = GRAIN.map(|(name, value)| (name.to_owned(), json!(value))).into_iter().collect();
        let chain = [Call { name: FILTER.into(), params }];
        let filtered = filters.apply(&filled, &chain, SEED, job).map_err(JobError::from)?;
        Ok(Shown { before, selection, filled, filtered, fill_ms, filter_ms: started.elapsed().as_millis() as u64 })
    }
}

impl Shown {
    /// Writes the pictures in the order of the story, and one with all of it.
    fn write(&self, out: &Path, name: &str) -> Result<Vec<PathBuf>, Failure> {
        let like = Picture { image: Image::new(Extent::new(1, 1)), depth: Depth::Eight, has_alpha: false, icc: None };
        let together = side_by_side(&[&self.before, &self.selection, &self.filled, &self.filtered]);
        let pictures = [
            ("1-before", &self.before),
            ("2-selection", &self.selection),
            ("3-filled", &self.filled),
            ("4-film-grain", &self.filtered),
            ("comparison", &together),
        ];
        let mut files = Vec::new();
        for (step, image) in pictures {
            let file = out.join(format!("{name}-{step}.png"));
            picture::write(&file, image, &like, &[])?;
            files.push(file);
        }
        Ok(files)
    }
}

/// The picture with the selection laid over it in colour.
fn marked(image: &Image, mask: &Mask) -> Image {
    let mut out = image.clone();
    for (rgba, m) in out.data_mut().chunks_exact_mut(4).zip(mask.data()) {
        let cover = m * (1.0 - SHOWS_THROUGH);
        rgba.iter_mut().zip(SELECTION).for_each(|(v, s)| *v += cover * (s - *v));
    }
    out
}

/// Four pictures of one size as two rows of two on white.
fn side_by_side(images: &[&Image; 4]) -> Image {
    let Extent { w, h } = images[0].extent();
    let extent = Extent::new(2 * w + GAP, 2 * h + GAP);
    let mut out = Image::from_data(extent, vec![1.0; extent.area() as usize * 4]);
    for (i, image) in (0..).zip(images) {
        let (left, top) = ((i % 2) * (w + GAP), (i / 2) * (h + GAP));
        for y in 0..h {
            for x in 0..w {
                out.set_pixel(left + x, top + y, image.pixel(x, y));
            }
        }
    }
    out
}
