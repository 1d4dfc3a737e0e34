//! LoRAs of every kind and dialect against diffusers, PEFT and LyCORIS, and what must hold without a reference: nothing stays behind,
//! nothing is reloaded, nothing that does not fit is applied.

mod golden;

use golden::{Golden, Tensors};
use serde_json::{Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use underpaint_engine::lora::{self, Base};
use underpaint_engine::{EngineError, LoraUse, Model, Options, Request, Saved};
use underpaint_plan::{Inpaint, Prepared, Sampler, Sampling, Scheduler};
use underpaint_raster::{Extent, Image, Job, Stage, Unattended};

/// Smallest likeness to the reference's picture, in dB.
const PSNR: f64 = 50.0;
/// Largest distance of the final latents, relative to their length.
const LATENTS: f64 = 1e-3;

fn folder() -> PathBuf {
    golden::folder().join("lora")
}

fn load(path: &Path) -> Model {
    Model::load(path, &Options::default(), &Unattended).unwrap()
}

/// The picture every row is about, and its latents.
fn paint(model: &mut Model) -> Result<(Image, Vec<f32>), EngineError> {
    let sampling = Sampling {
        sampler: Sampler::Euler,
        scheduler: Scheduler::Normal,
        steps: 4,
        start_step: 0,
        guidance_scale: 5.0,
        image_guidance_scale: 1.5,
        guidance_rescale: 0.0,
        seed: 0,
        batch: 1,
        clip_skip: 1,
    };
    let input = Prepared { extent: Extent::new(32, 24), init: None, mask: None };
    let mut saved = Saved::default();
    let request = Request {
        prompt: "a photo of a cat",
        negative_prompt: Some("blurry, ugly"),
        wordings: &[],
        embeddings: &[],
        sampling: &sampling,
        inpaint: Inpaint::None,
        input: &input,
        noise: None,
        save: Some(&mut saved),
    };
    let image = model.generate(request, &Unattended)?.remove(0);
    Ok((image, saved.latents.data))
}

fn uses<'a>(files: &'a [(PathBuf, f64, f64)]) -> Vec<LoraUse<'a>> {
    files
        .iter()
        .map(|(path, weight, text_weight)| LoraUse { path, weight: *weight, text_weight: *text_weight })
        .collect()
}

/// The files and weights of a row.
fn wanted(row: &Value) -> Vec<(PathBuf, f64, f64)> {
    let loras = row["loras"].as_array().unwrap().iter().map(|lora| {
        let weight = lora[1].as_f64().unwrap();
        (folder().join(lora[0].as_str().unwrap()), weight, lora[2].as_f64().unwrap_or(weight))
    });
    loras.collect()
}

fn distance(ours: &[f32], theirs: &[f32]) -> f64 {
    assert_eq!(ours.len(), theirs.len());
    let squares = |values: &mut dyn Iterator<Item = f32>| values.map(|v| f64::from(v).powi(2)).sum::<f64>();
    let apart = squares(&mut ours.iter().zip(theirs).map(|(a, b)| a - b));
    (apart / squares(&mut theirs.iter().copied())).sqrt()
}

/// `theirs` is `[1, h, w, 3]` in 0..=1.
fn psnr(ours: &Image, theirs: &[f32]) -> f64 {
    let ours = ours.data().chunks_exact(4).flat_map(|p| &p[..3]);
    let error: f64 = ours.zip(theirs).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    -10.0 * (error / theirs.len() as f64).max(1e-20).log10()
}

/// All rows with one model that is never loaded again: what a row leaves behind would show in the next.
fn check(model: &mut Model) {
    let golden = Golden::of("lora/lora.safetensors");
    let (plain_image, plain) = paint(model).unwrap();
    let mut failed = Vec::new();
    for row in golden::table("lora/lora.json") {
        let name = row["name"].as_str().unwrap();
        model.set_loras(&uses(&wanted(&row)), &Unattended).unwrap();
        let (image, latents) = paint(model).unwrap();
        let apart = distance(&latents, &golden.get(&format!("latents.{name}")).1);
        let alike = psnr(&image, &golden.get(&format!("picture.{name}")).1);
        println!("{name}: latents {apart:.1e}, {alike:.1} dB");
        if apart > LATENTS || alike < PSNR {
            failed.push(format!("{name}: latents {apart:.1e}, {alike:.1} dB"));
        }
    }
    assert!(failed.is_empty(), "at most {LATENTS} and at least {PSNR} dB: {failed:#?}");
    model.set_loras(&[], &Unattended).unwrap();
    let (image, latents) = paint(model).unwrap();
    assert!(latents == plain && image == plain_image, "something was left behind");
}

#[test]
fn pictures_are_those_of_the_reference() {
    check(&mut load(&golden::plain()));
}

#[test]
fn a_single_file_takes_the_same_loras() {
    let folder = tempfile::tempdir().unwrap();
    check(&mut load(&golden::single_file(&golden::plain(), folder.path())));
}
