//! The starter paints a study from words, refines a rough sketch, and repaints a selection of what it painted.

use super::{FILTER, SEED, Story, Studio, sheet};
use crate::cli::Failure;
use crate::cli::progress::Terminal;
use crate::models::STARTER;
use crate::worker::{self, Input};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;
use underpaint_raster::{Extent, Image, Job, Mask, Wrapper, over};
use underpaint_wire::generate::{Generate, Mode};

/// What is painted from nothing.
const PAINTED: &str = "an oil painting of the sea at sunset, low horizon";
/// What the sketch is to become, and how much of it may change.
const REFINED: &str = "an oil painting of mountains at sunset";
const STRENGTH: f64 = 0.45;
/// What the sky of the first picture is to become.
const REPAINTED: &str = "an oil painting of the sea under storm clouds, low horizon";

/// All of it.
pub fn play(studio: &mut Studio) -> Result<Story, Failure> {
    let mut story = Story { name: "starter", pictures: vec![], told: vec![], besides: vec![], columns: 3 };
    let began = Instant::now();
    let watching = Watching { job: &studio.job, seen: Mutex::default() };
    let request = Generate { prompt: PAINTED.into(), ..request() };
    let output = worker::run(&mut studio.models, &studio.filters, &request, Input::default(), &watching)?;
    let previews = watching.seen.into_inner().unwrap_or_else(PoisonError::into_inner);
    let painted = picture(output, None);
    let extent = painted.extent();
    story.add("painted", painted.clone(), &format!("“{PAINTED}” painted at {}x{}", extent.w, extent.h), began);
    story.besides.push(("previews", sheet::filmstrip(&previews, &painted)));

    let sketch = sketch(extent);
    story.pictures.push(("sketch", sketch.clone()));
    let began = Instant::now();
    let request = Generate { prompt: REFINED.into(), denoise_strength: Some(STRENGTH), ..request };
    let input = Input { canvas: Some((extent, extent.rect(), sketch)), ..Input::default() };
    let output = worker::run(&mut studio.models, &studio.filters, &request, input, &studio.job)?;
    story.add("refined", picture(output, None), "a rough sketch refined", began);

    let sky = sky(extent);
    story.pictures.push(("selection", sheet::marked(&painted, &sky)));
    let began = Instant::now();
    let request = Generate { mode: Mode::Fill, prompt: REPAINTED.into(), denoise_strength: None, ..request };
    let input = Input {
        canvas: Some((extent, extent.rect(), painted.clone())),
        mask: Some((extent.rect(), sky)),
        ..Input::default()
    };
    let output = worker::run(&mut studio.models, &studio.filters, &request, input, &studio.job)?;
    let repainted = picture(output, Some(painted));
    story.add("repainted", repainted.clone(), "a new sky", began);
    let began = Instant::now();
    story.add("film-grain", studio.grained(&repainted)?, FILTER, began);
    Ok(story)
}

fn request() -> Generate {
    Generate { model: Some(STARTER.to_owned()), seed: Some(SEED), ..Generate::default() }
}

/// What was painted, on `canvas` if there is one.
fn picture(output: worker::Output, canvas: Option<Image>) -> Image {
    let mut patches = output.patches.into_iter().map(|(patch, _)| patch);
    match canvas {
        Some(canvas) => patches.fold(canvas, |canvas, patch| over(&canvas, &patch)),
        None => patches.next().map_or_else(|| Image::new(Extent::new(1, 1)), |patch| patch.image),
    }
}

/// What somebody lays in within a minute: flat shapes, a broad brush, no detail.
fn sketch(extent: Extent) -> Image {
    const SKY: [f32; 3] = [0.42, 0.47, 0.62];
    const GLOW: [f32; 3] = [0.93, 0.63, 0.38];
    const MOUNTAIN: [f32; 3] = [0.30, 0.25, 0.36];
    const WATER: [f32; 3] = [0.34, 0.38, 0.52];
    const REFLECTION: [f32; 3] = [0.70, 0.50, 0.40];
    let colour = |u: f32, v: f32| match v {
        _ if v < 0.56 && v > 0.18 + (u - 0.64).abs() * 0.9 => MOUNTAIN,
        _ if v < 0.34 => SKY,
        _ if v < 0.56 => GLOW,
        _ if v < 0.68 && u < 0.45 => REFLECTION,
        _ => WATER,
    };
    let at = |i: u64| ((i % u64::from(extent.w)) as f32 / extent.w as f32, (i / u64::from(extent.w)) as f32);
    let pixel = |(u, y): (f32, f32)| {
        let [r, g, b] = colour(u, y / extent.h as f32);
        [r, g, b, 1.0]
    };
    Image::from_data(extent, (0..extent.area()).map(at).flat_map(pixel).collect())
}

/// The upper part, soft below.
fn sky(extent: Extent) -> Mask {
    let soft = |y: u64| (1.0 - (y as f32 / extent.h as f32 - 0.42) / 0.16).clamp(0.0, 1.0);
    Mask::from_data(extent, (0..extent.area()).map(|i| soft(i / u64::from(extent.w))).collect())
}

/// The terminal's job, with every preview kept.
struct Watching<'a> {
    job: &'a Terminal,
    seen: Mutex<Vec<Image>>,
}

impl Wrapper for Watching<'_> {
    fn owner(&self) -> &dyn Job {
        self.job
    }

    fn wants_preview(&self) -> bool {
        true
    }

    fn preview(&self, image: Image) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).push(image);
    }
}
