//! Each network alone against diffusers and transformers, f32 on the CPU.

mod golden;

use candle_core::Device;
use golden::{Golden, close};
use underpaint_engine::checkpoint::{Checkpoint, TextPart};
use underpaint_engine::clip::Clip;
use underpaint_engine::tokenizer::Tokenizer;
use underpaint_engine::unet::{Conditions, Hooks, UNet, UNetConfig};
use underpaint_engine::vae::Vae;
use underpaint_engine::weights::{Loading, Weights};
use underpaint_raster::Unattended;

/// Largest difference the issue allows for U-Net and CLIP.
const TOLERANCE: f32 = 1e-4;

fn unet(case: &str, (weights, config): &(Weights, UNetConfig)) {
    let golden = Golden::open();
    let unet = UNet::load(&weights.root(&Loading::new(&Device::Cpu, 0, &Unattended)), config).unwrap();
    assert_eq!(weights.unused(), None);
    let part = |name: &str| golden.tensor(&format!("unet.{case}.{name}"));
    let timestep = part("timestep").to_vec1::<f32>().unwrap()[0] as f64;
    let conditions = Conditions { context: part("context"), added: None, regions: None };
    let y = unet.forward(&part("x"), timestep, &conditions, &Hooks::default(), &Unattended).unwrap();
    close(case, &y, &part("y"), TOLERANCE);
}

#[test]
fn unet_agrees_with_diffusers() {
    let checkpoint = Checkpoint::open(&golden::plain(), None).unwrap();
    unet("square", &checkpoint.unet);
    unet("odd", &checkpoint.unet);
}

#[test]
fn unet_with_nine_channels_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let checkpoint = Checkpoint::open(&golden::inpainting(folder.path()), None).unwrap();
    assert_eq!(checkpoint.facts.in_channels, 9);
    unet("nine", &checkpoint.unet);
}

#[test]
fn unet_with_other_heads_groups_and_projections_agrees() {
    let folder = tempfile::tempdir().unwrap();
    let root = golden::inpainting(folder.path());
    for file in ["config.json", "diffusion_pytorch_model.safetensors"] {
        std::fs::copy(golden::folder().join("tiny-groups/unet").join(file), root.join("unet").join(file)).unwrap();
    }
    unet("groups", &Checkpoint::open(&root, None).unwrap().unet);
}

#[test]
fn vae_agrees_with_diffusers() {
    let golden = Golden::open();
    let checkpoint = Checkpoint::open(&golden::plain(), None).unwrap();
    let (weights, config) = &checkpoint.vae;
    let vae = Vae::load(&weights.root(&Loading::new(&Device::Cpu, 0, &Unattended)), config).unwrap();
    let posterior = vae.encode(&golden.tensor("vae.pixels"), None, &Unattended).unwrap();
    let scaled = |name| (golden.tensor(name) * config.scaling_factor).unwrap();
    close("mean", &posterior.mean, &scaled("vae.mean"), TOLERANCE);
    close("std", &posterior.std, &scaled("vae.std"), TOLERANCE);
    let decoded = vae.decode(&scaled("vae.mean"), None, &Unattended).unwrap();
    close("decoded", &decoded, &golden.tensor("vae.decoded"), TOLERANCE);
}

#[test]
fn clip_agrees_with_transformers() {
    let golden = Golden::open();
    let checkpoint = Checkpoint::open(&golden::plain(), None).unwrap();
    let TextPart { weights, config, .. } = &checkpoint.texts[0];
    let clip = Clip::load(&weights.root(&Loading::new(&Device::Cpu, 0, &Unattended)), config).unwrap();
    let tokenizer = Tokenizer::clip();
    let chunks = tokenizer.chunks(&tokenizer.encode("a photo of a cat"), clip.length());
    for skip in 1..=3 {
        close(
            &format!("skip {skip}"),
            &clip.forward(&chunks, skip, tokenizer.end()).unwrap().tokens,
            &golden.tensor(&format!("clip.skip{skip}")),
            TOLERANCE,
        );
    }
    let rows = golden::table("tokens.json");
    let chunks = tokenizer.chunks(&tokenizer.encode(rows[rows.len() - 1]["text"].as_str().unwrap()), clip.length());
    assert!(chunks.len() > 1);
    let y = clip.forward(&chunks, 1, tokenizer.end()).unwrap().tokens;
    close(
        "chunks",
        &y.reshape((1, chunks.len() * clip.length(), clip.width())).unwrap(),
        &golden.tensor("clip.chunks"),
        TOLERANCE,
    );
}
