//! What a fill costs besides the model: a megapixel selected in 24, for a model of 512 pixels, from the bytes as they were
//! sent to the patch: `cargo bench -p underpaint-plan` (add `--profile dev` for the profile everything else here is built with).

use criterion::{BatchSize, Criterion};
use std::hint::black_box;
use std::time::Duration;
use underpaint_pages::LargePages;
use underpaint_plan::{CanvasFacts, Defaults, Family, Kind, ModelFacts, Sampler, Scheduler, context, placed, plan};
use underpaint_raster::{Extent, Mask, Rect, Unattended};
use underpaint_wire::generate::{Generate, Mode};
use underpaint_wire::image::{Color, Image, Px, Rounding, to_bytes_in};

/// As in the daemon.
#[global_allocator]
static MEMORY: LargePages = LargePages;

const CANVAS: Extent = Extent { w: 6000, h: 4000 };
const SELECTED: Rect = Rect { x: 2400, y: 1500, w: 1000, h: 1000 };

fn main() {
    let mut c = Criterion::default().configure_from_args();
    let facts = model();
    let rect = context(Mode::Fill, SELECTED, CANVAS, 1.0, &facts);
    let canvas = CanvasFacts { extent: CANVAS, rect };
    let (image, bytes) = sent(rect.extent(), "bgra8", 4);
    let (selection, _) = sent(SELECTED.extent(), "g8", 1);
    let selected = vec![255; SELECTED.extent().area() as usize];
    let request = Generate { mode: Mode::Fill, seed: Some(1), passes: Some(1), ..Generate::default() };

    let mask = || placed(selection.to_mask(&selected), SELECTED, rect);
    let planned = |mask: &Mask| plan(&request, Some(canvas), Some(mask), &facts).expect("there is a plan");
    let (picture, mask_) = (image.to_raster(&bytes), mask());
    let plan_ = planned(&mask_);
    let scene = || plan_.scene(Some(&picture), Some(&mask_));
    let prepared = plan_.prepare(&scene(), 0, &Unattended).expect("nobody cancels");
    let made = prepared.init.expect("a canvas was given");

    let size = format!("{}x{} for {}x{}", rect.w, rect.h, made.extent().w, made.extent().h);
    let mut way = c.benchmark_group(size);
    way.sample_size(10).measurement_time(Duration::from_secs(4));
    way.bench_function("mask and plan", |b| b.iter(|| planned(&mask())));
    way.bench_function("bytes to numbers", |b| b.iter(|| image.to_raster(black_box(&bytes))));
    way.bench_function("prepare", |b| b.iter(|| plan_.prepare(&scene(), 0, &Unattended)));
    let fresh = || (made.clone(), scene());
    let place = |(made, scene)| plan_.place(made, &scene);
    way.bench_function("place", |b| b.iter_batched(fresh, place, BatchSize::PerIteration));
    let (patch, _) = place(fresh()).expect("there is a patch");
    let bytes_of = |image| to_bytes_in(&image, Px::Bgra8, Color::Srgb, Rounding::Dithered);
    way.bench_function("numbers to bytes", |b| {
        b.iter_batched(|| patch.image.clone(), bytes_of, BatchSize::PerIteration)
    });
    way.finish();
    c.final_summary();
}

fn model() -> ModelFacts {
    let defaults = Defaults { steps: 20, guidance_scale: 7.0, sampler: Sampler::Dpmpp2m, scheduler: Scheduler::Karras };
    let (family, id) = (Family::Sd15, "stand-in".into());
    ModelFacts { id, name: None, family, native_side: 512, multiple: 8, in_channels: 4, kind: Kind::Text, defaults }
}

/// A picture as an editor sends it, with some structure; opaque.
fn sent(extent: Extent, px: &str, channels: u32) -> (Image, Vec<u8>) {
    let pixel = |x: u32, y: u32, c: u32| match c {
        3 => 255,
        _ => ((x / 7 * (c + 1) + y / 5) ^ (x * y / 97)) as u8,
    };
    let row = |y: u32| (0..extent.w).flat_map(move |x| (0..channels).map(move |c| pixel(x, y, c)));
    let bytes = (0..extent.h).flat_map(row).collect();
    let described = format!(r#"{{"blob": "a", "w": {}, "h": {}, "px": "{px}"}}"#, extent.w, extent.h);
    (serde_json::from_str(&described).expect("an image of the protocol"), bytes)
}
