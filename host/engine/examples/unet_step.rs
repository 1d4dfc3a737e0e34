//! Computes one guided U-Net step (batch 2, 77 tokens) for every line on standard input and prints user CPU and wall seconds;
//! `tests/reference/bench_step.py` sets it against PyTorch. The arguments are a diffusers folder or a file, and the side of
//! the latents, else 64.

use candle_core::{Device, Tensor};
use std::io::BufRead;
use std::time::Instant;
use underpaint_engine::checkpoint::Checkpoint;
use underpaint_engine::unet::{Conditions, Hooks, UNet};
use underpaint_engine::weights::Loading;
use underpaint_raster::Unattended;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let path = std::env::args_os().nth(1).ok_or("give a model")?;
    let checkpoint = Checkpoint::open(path.as_ref(), None)?;
    let (weights, config) = checkpoint.unet;
    let unet = UNet::load(&weights.root(&Loading::new(&Device::Cpu, 0, &Unattended)), &config)?;
    let side = std::env::args().nth(2).map_or(Ok(64), |side| side.parse())?;
    let x =
        Tensor::randn(0f32, 1.0, (2, weights.shape("conv_in.weight").map_or(4, |s| s[1]), side, side), &Device::Cpu)?;
    let context = Tensor::randn(0f32, 1.0, (2, 77, unet.context_width()), &Device::Cpu)?;
    // SDXL's pooled text is 1280 wide.
    let pooled = Tensor::randn(0f32, 1.0, (1, 1280), &Device::Cpu)?;
    let added = unet.added_features(&pooled, &vec![8.0 * side as f64; unet.sizes(1280).unwrap_or(0)])?;
    let conditions = Conditions { context, added: added.map(|a| a.repeat((2, 1))).transpose()?, regions: None };
    println!("ready");
    for _ in std::io::stdin().lock().lines() {
        let (user, start) = (user_seconds(), Instant::now());
        unet.forward(&x, 500.0, &conditions, &Hooks::default(), &Unattended)?;
        println!("{} {}", user_seconds() - user, start.elapsed().as_secs_f64());
    }
    Ok(())
}

/// User CPU time of this process so far, where the system tells it in `/proc`; 0 elsewhere.
fn user_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // Field 14 of the whole line, in hundredths of a second on Linux.
    after_name.split_whitespace().nth(11).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0) / 100.0
}
