//! Computes on demand and prints how long it took, for `tests/reference/bench_step.py` and `bench_gpu.py` to set against PyTorch.
//!
//! ```text
//! unet_step MODEL [SIDE] [--device cpu|cuda|metal] [--dtype f32|f16|bf16]
//! ```
//!
//! MODEL is a diffusers folder or a file, SIDE that of the latents, else 64. Each line on standard input names what to do: `decode`
//! and `encode` take the autoencoder, `picture N` paints with N steps, everything else is one guided U-Net step (batch 2, 77
//! tokens). The answer is user CPU seconds, wall seconds, and, where a graphics card computes, MiB of it in use.

use candle_core::{DType, Device, Tensor};
use std::io::BufRead;
use std::time::Instant;
use underpaint_engine::checkpoint::Checkpoint;
use underpaint_engine::unet::{Conditions, Hooks, UNet};
use underpaint_engine::vae::Vae;
use underpaint_engine::weights::Loading;
use underpaint_engine::{DeviceKind, Dtype, Model, Options, Request};
use underpaint_plan::{Inpaint, Prepared, Sampling};
use underpaint_raster::{Extent, Unattended};

type Failure = Box<dyn std::error::Error>;

fn main() -> Result<(), Failure> {
    let (mut places, mut kind, mut precision) = (Vec::new(), DeviceKind::Cpu, Dtype::F32);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument} needs a value"));
        match argument.as_str() {
            "--device" => {
                let name = value()?;
                kind = DeviceKind::ALL.into_iter().find(|k| k.name() == name).ok_or("no such device")?;
            }
            "--dtype" => {
                let name = value()?;
                precision = [Dtype::F32, Dtype::F16, Dtype::Bf16].into_iter().find(|d| d.name() == name).ok_or("no")?;
            }
            _ => places.push(argument),
        }
    }
    let path: &std::path::Path = places.first().ok_or("give a model")?.as_ref();
    let side: usize = places.get(1).map_or(Ok(64), |side| side.parse())?;
    let start = Instant::now();
    let device = kind.open()?;
    let opened = start.elapsed().as_secs_f64();
    let dtype = match precision {
        Dtype::F32 => DType::F32,
        Dtype::F16 => DType::F16,
        Dtype::Bf16 => DType::BF16,
    };
    underpaint_kernels::round_products(dtype != DType::F32);
    let start = Instant::now();
    let checkpoint = Checkpoint::open(path, None)?;
    let (weights, config) = checkpoint.unet;
    let loading = Loading::new(&device, 0, &Unattended).in_precision(dtype);
    let unet = UNet::load(&weights.root(&loading), &config)?;
    let vae = Vae::load(&checkpoint.vae.0.root(&loading).exact(), &checkpoint.vae.1)?;
    device.synchronize()?;
    let loaded = start.elapsed().as_secs_f64();
    let random = |shape: &[usize]| Tensor::randn(0f32, 1.0, shape, &device);
    let x = random(&[2, weights.shape("conv_in.weight").map_or(4, |s| s[1]), side, side])?.to_dtype(dtype)?;
    let context = random(&[2, 77, unet.context_width()])?.to_dtype(dtype)?;
    // SDXL's pooled text is 1280 wide.
    let pooled = random(&[1, 1280])?.to_dtype(dtype)?;
    let added = unet.added_features(&pooled, &vec![8.0 * side as f64; unet.sizes(1280).unwrap_or(0)])?;
    let conditions = Conditions { context, added: added.map(|a| a.repeat((2, 1))).transpose()?, regions: None };
    let latents = random(&[1, 4, side, side])?;
    let pixels = random(&[1, 3, 8 * side, 8 * side])?;
    let mut model = None;
    println!("ready, device opened in {opened:.2} s, loaded in {loaded:.2} s, {} MiB in use", in_use(&device));
    for line in std::io::stdin().lock().lines() {
        let line = line?;
        let (user, start) = (user_seconds(), Instant::now());
        match line.split_once(' ').unwrap_or((&line, "")) {
            ("decode", _) => drop(vae.decode(&latents, None, &Unattended)?.flatten_all()?.to_vec1::<f32>()?),
            ("encode", _) => drop(vae.encode(&pixels, None, &Unattended)?.mean.flatten_all()?.to_vec1::<f32>()?),
            ("picture", steps) => {
                if model.is_none() {
                    let options = Options { device: Some(kind), dtype: Some(precision), ..Options::default() };
                    model = Some(Model::load(path, &options, &Unattended)?);
                }
                if let (Some(model), Ok(steps)) = (&mut model, steps.parse()) {
                    picture(model, steps, 8 * side as u32)?;
                }
            }
            _ => {
                let y = unet.forward(&x, 500.0, &conditions, &Hooks::default(), &Unattended)?;
                // What asks for a value waits for the device.
                y.to_dtype(DType::F32)?.flatten_all()?.to_vec1::<f32>()?;
            }
        }
        println!("{} {} {}", user_seconds() - user, start.elapsed().as_secs_f64(), in_use(&device));
    }
    Ok(())
}

fn picture(model: &mut Model, steps: u32, side: u32) -> Result<(), Failure> {
    let sampling = Sampling { steps, ..Sampling::default() };
    let input = Prepared { extent: Extent::new(side, side), init: None, mask: None };
    let request = Request {
        prompt: "a lighthouse at dusk",
        negative_prompt: Some("blurry"),
        wordings: &[],
        regions: &[],
        embeddings: &[],
        controls: &[],
        sampling: &sampling,
        inpaint: Inpaint::None,
        input: &input,
        noise: None,
        save: None,
    };
    model.generate(request, &Unattended)?;
    Ok(())
}

/// MiB of the device in use, whoever uses them; 0 where it does not tell.
fn in_use(device: &Device) -> usize {
    underpaint_kernels::memory(device).map_or(0, |(free, all)| (all - free) >> 20)
}

/// User CPU time of this process so far, where the system tells it in `/proc`; 0 elsewhere.
fn user_seconds() -> f64 {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let after_name = stat.rsplit(')').next().unwrap_or_default();
    // Field 14 of the whole line, in hundredths of a second on Linux.
    after_name.split_whitespace().nth(11).and_then(|ticks| ticks.parse::<f64>().ok()).unwrap_or(0.0) / 100.0
}
