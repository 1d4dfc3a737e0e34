//! Makes one picture (512 x 512, or the side given as second argument; one step, or as many as the third says) and reports times and the
//! largest resident memory beside what was reckoned before. The first argument is a diffusers folder or a file.

use std::time::Instant;
use underpaint_engine::memory;
use underpaint_engine::tiles::Tiling;
use underpaint_engine::{Model, Options, Request};
use underpaint_plan::{Inpaint, Prepared, Sampler, Sampling, Scheduler};
use underpaint_raster::{Extent, Unattended};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let path = arguments.first().ok_or("give a model")?;
    let number = |i: usize, default| arguments.get(i).map_or(Ok(default), |a| a.parse::<u32>());
    let (side, steps) = (number(1, 512)?, number(2, 1)?);
    let painting = memory::Painting { extent: Extent::new(side, side), tiling: Tiling::WHOLE, rows: 2 };
    let need = memory::need(path.as_ref(), None, painting)?;
    let gb = |bytes: u64| bytes as f64 / 1e9;
    let (weights, work) = (need.weights_bytes, need.denoise_bytes.max(need.autoencoder_bytes));
    println!(
        "reckoned: {:.2} GB for the model, {:.2} for the denoiser, {:.2} for the autoencoder, {:.2} in all",
        gb(weights),
        gb(need.denoise_bytes),
        gb(need.autoencoder_bytes),
        gb(weights + work)
    );
    let start = Instant::now();
    let mut model = Model::load(path.as_ref(), &Options::default(), &Unattended)?;
    println!("loaded in {:.1} s, peak {}", start.elapsed().as_secs_f64(), peak());
    let sampling = Sampling {
        sampler: Sampler::Dpmpp2m,
        scheduler: Scheduler::Karras,
        steps,
        start_step: 0,
        guidance_scale: 7.0,
        image_guidance_scale: 1.5,
        guidance_rescale: 0.0,
        seed: 0,
        batch: 1,
        clip_skip: 1,
    };
    let input = Prepared { extent: Extent::new(side, side), init: None, mask: None };
    let request = Request {
        prompt: "a lighthouse at dusk",
        negative_prompt: Some(""),
        controls: &[],
        wordings: &[],
        regions: &[],
        embeddings: &[],
        sampling: &sampling,
        inpaint: Inpaint::None,
        input: &input,
        noise: None,
        save: None,
    };
    let start = Instant::now();
    model.generate(request, &Unattended)?;
    println!("{steps} step(s) and decoding in {:.1} s, peak {}", start.elapsed().as_secs_f64(), peak());
    Ok(())
}

/// `VmHWM` of this process, where the system tells it.
fn peak() -> String {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|l| l.strip_prefix("VmHWM:"));
    let kib = line.and_then(|kib| kib.split_whitespace().next()?.parse::<f64>().ok());
    kib.map_or("unknown".into(), |kib| format!("{:.2} GB", kib * 1024.0 / 1e9))
}
