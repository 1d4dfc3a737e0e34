//! The starter's own weights against diffusers: same words, same seed, same picture.
//!
//! `tests/reference/starter.py` writes what is compared with, and is run again whenever the weights change.

mod golden;

use std::path::{Path, PathBuf};
use underpaint_engine::tokenizer::Tokenizer;
use underpaint_engine::weights::file::SafetensorsFile;
use underpaint_engine::{Model, Request, Saved};
use underpaint_plan::{Prepared, Sampler, Sampling};
use underpaint_raster::{Extent, Unattended};

/// Largest difference of a latent, which are of about unit size.
const LATENTS: f32 = 1e-3;
/// Smallest likeness of the picture, in dB.
const PSNR: f64 = 45.0;

fn starter(part: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../starter").join(part)
}

fn golden(name: &str) -> Vec<f32> {
    let file = SafetensorsFile::open(&starter("golden/golden.safetensors")).unwrap();
    let entry = file.entries().iter().find(|e| e.name == name).unwrap_or_else(|| panic!("no golden {name}"));
    file.read(entry).unwrap()
}

#[test]
fn it_paints_what_diffusers_paints_with_it() {
    let asked = std::fs::read_to_string(starter("golden/asked.json")).unwrap();
    let asked: serde_json::Value = serde_json::from_str(&asked).unwrap();
    let word = |field: &str| asked[field].as_str().unwrap();
    let whole = |field: &str| asked[field].as_u64().unwrap();

    let tokenizer = Tokenizer::from_folder(&starter("model/tokenizer")).unwrap().unwrap();
    let tokens = &tokenizer.chunks(&tokenizer.encode(word("prompt")), 77)[0];
    let expected: Vec<u32> = asked["tokens"].as_array().unwrap().iter().map(|t| t.as_u64().unwrap() as u32).collect();
    assert_eq!(tokens[..expected.len()], expected);

    let mut model = Model::load(&starter("model"), &golden::options(), &Unattended).unwrap();
    let extent = Extent::new(whole("side") as u32, whole("side") as u32);
    let input = Prepared { extent, init: None, mask: None };
    for sampler in [Sampler::Euler, Sampler::Dpmpp2m] {
        let sampling = Sampling {
            sampler,
            steps: whole("steps") as u32,
            guidance_scale: asked["guidance"].as_f64().unwrap(),
            seed: whole("seed"),
            ..golden::sampling()
        };
        let mut saved = Saved::default();
        let request = Request {
            prompt: word("prompt"),
            negative_prompt: Some(word("negative")),
            save: Some(&mut saved),
            ..golden::request(&sampling, &input)
        };
        let picture = model.generate(request, &Unattended).unwrap().remove(0);
        let theirs = golden(&format!("latents.{}", sampler.name()));
        assert_eq!(saved.latents.data.len(), theirs.len());
        let worst = saved.latents.data.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        println!("{}: latents differ by {worst:.1e} at most", sampler.name());
        assert!(worst <= LATENTS, "{}: latents differ by {worst}", sampler.name());
        if sampler == Sampler::Dpmpp2m {
            let theirs = golden("picture.dpmpp_2m");
            let ours = picture.data().chunks_exact(4).flat_map(|p| &p[..3]);
            let error: f64 = ours.zip(&theirs).map(|(a, b)| f64::from(a - b).powi(2)).sum();
            let psnr = -10.0 * (error / theirs.len() as f64).max(1e-20).log10();
            println!("picture: {psnr:.1} dB");
            assert!(psnr >= PSNR, "the picture is {psnr:.1} dB from diffusers'");
        }
    }
}
