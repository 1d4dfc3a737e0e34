//! The tiny autoencoder against diffusers', in every spelling, and what it does in a model.

mod golden;

use golden::{Golden, Tensors, close};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use underpaint_engine::taesd::{self, Tiny};
use underpaint_engine::{Model, Options, Request};
use underpaint_plan::{Family, Prepared, Sampling};
use underpaint_raster::{Extent, Image, Job, Stage, Unattended};

/// Largest difference to diffusers of values of about unit size.
const TOLERANCE: f32 = 1e-4;

/// The halves as diffusers names them, `decoder.layers.0.weight`.
fn both() -> Tensors {
    let all = golden::read(&golden::folder().join("upscale.safetensors"));
    let parts = all.into_iter().filter_map(|(name, tensor)| Some((name.strip_prefix("taesd.")?.to_owned(), tensor)));
    parts.filter(|(name, _)| name.starts_with("decoder.") || name.starts_with("encoder.")).collect()
}

/// The original's numbers: its decoder counts the clamp that it begins with.
fn original(half: &str, prefix: &str) -> Tensors {
    let begin = format!("{half}.layers.");
    let halves = both().into_iter().filter_map(|(name, tensor)| {
        let (number, rest) = name.strip_prefix(&begin)?.split_once('.')?;
        let number = number.parse::<usize>().ok()? + usize::from(half == "decoder");
        Some((format!("{prefix}{number}.{rest}"), tensor))
    });
    halves.collect()
}

fn file(at: &Path, name: &str, tensors: &Tensors) -> PathBuf {
    let path = at.join(name);
    golden::write(&path, tensors);
    path
}

fn load(path: &Path) -> Tiny {
    Tiny::load(path, 4, &candle_core::Device::Cpu).unwrap()
}

#[test]
fn every_spelling_agrees_with_diffusers() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Golden::of("upscale.safetensors");
    let joined = |prefix: bool| {
        let name = |half: &str| if prefix { format!("taesd_{half}.") } else { format!("{half}.") };
        let mut all = original("decoder", &name("decoder"));
        all.extend(original("encoder", &name("encoder")));
        all
    };
    for (what, tensors, encodes) in [
        ("diffusers", both(), true),
        ("original decoder", original("decoder", ""), false),
        ("original halves", joined(false), true),
        ("prefixed halves", joined(true), true),
    ] {
        let path = file(folder.path(), "any name.safetensors", &tensors);
        assert!(taesd::is_decoder(&path) && taesd::is_tiny(&path));
        let tiny = load(&path);
        let decoded = tiny.decode(&golden.tensor("taesd.noise"), &Unattended).unwrap();
        close(what, &decoded, &golden.tensor("taesd.decoded"), TOLERANCE);
        let latents = tiny.encode(&golden.tensor("taesd.pixels"), &Unattended).unwrap();
        assert_eq!(latents.is_some(), encodes, "{what}");
        if let Some(latents) = latents {
            close(what, &latents, &golden.tensor("taesd.latents"), TOLERANCE);
        }
    }
    let encoder = file(folder.path(), "half.safetensors", &original("encoder", ""));
    assert!(taesd::is_tiny(&encoder) && !taesd::is_decoder(&encoder));
    // diffusers' folder, its configuration left aside: the tensors tell.
    let diffusers = folder.path().join("taesd");
    fs::create_dir(&diffusers).unwrap();
    file(&diffusers, "diffusion_pytorch_model.safetensors", &both());
    load(&diffusers);
}

#[test]
fn what_does_not_fit_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let refused = |tensors: &Tensors, channels: usize| {
        let path = file(folder.path(), "tiny.safetensors", tensors);
        let error =
            Tiny::load(&path, channels, &candle_core::Device::Cpu).err().expect("it must be refused").to_string();
        assert!(error.contains("tiny.safetensors") && !error.contains('\n'), "{error}");
        error
    };
    assert!(refused(&both(), 16).contains("decoder.layers.0.weight takes 4 channels of latents, this model has 16"));
    assert!(refused(&original("encoder", ""), 4).contains("no tiny autoencoder with a decoder"));
    type Change = fn(&mut Tensors);
    let cases: [(&str, Change); 5] = [
        ("decoder.layers.3.conv.2.weight is missing", |t| drop(t.remove("decoder.layers.3.conv.2.weight"))),
        ("decoder.layers.9.skip.weight is of another architecture", |t| {
            t.insert("decoder.layers.9.skip.weight".into(), ("F16".into(), vec![1], vec![0; 2]));
        }),
        ("decoder.layers.3.conv.0.weight has shape [6, 5, 3, 3], [6, 6, 3, 3] is needed", |t| {
            t.insert("decoder.layers.3.conv.0.weight".into(), ("F16".into(), vec![6, 5, 3, 3], vec![0; 6 * 5 * 9 * 2]));
        }),
        ("holds values that are not finite", |t| {
            t.get_mut("decoder.layers.0.weight").unwrap().2[..2].copy_from_slice(&0x7e00u16.to_le_bytes());
        }),
        ("encoder.layers.14.weight makes 5 channels", |t| {
            t.insert("encoder.layers.14.weight".into(), ("F16".into(), vec![5, 6, 3, 3], vec![0; 5 * 6 * 9 * 2]));
        }),
    ];
    for (part, change) in cases {
        let mut tensors = both();
        change(&mut tensors);
        let error = refused(&tensors, 4);
        assert!(error.contains(part), "{error} does not say {part}");
    }
    let bytes = fs::read(file(folder.path(), "tiny.safetensors", &both())).unwrap();
    for length in [0, 20, bytes.len() / 2, bytes.len() - 1] {
        fs::write(folder.path().join("cut.safetensors"), &bytes[..length]).unwrap();
        assert!(!taesd::is_tiny(&folder.path().join("cut.safetensors")));
    }
    assert!(!taesd::is_tiny(&golden::plain().join("vae")));
}

#[test]
fn it_is_found_beside_the_model_by_content() {
    let folder = tempfile::tempdir().unwrap();
    let model = folder.path().join("models/checkpoints/sd15.safetensors");
    let folders = [folder.path().join("models/vae_approx"), folder.path().join("models/checkpoints/vae_approx")];
    let found = || taesd::beside(&model, 4, Family::Sd15);
    assert_eq!(found(), None);
    folders.iter().for_each(|folder| fs::create_dir_all(folder).unwrap());
    file(&folders[0], "a text.safetensors", &Tensors::new());
    file(&folders[0], "b encoder.safetensors", &original("encoder", ""));
    file(&folders[0], "c taesdxl_decoder.safetensors", &original("decoder", ""));
    fs::write(folders[0].join("d.safetensors"), b"\x80\x02}q\x00.").unwrap();
    assert_eq!(found(), None);
    let decoder = file(&folders[0], "e taesd_decoder.safetensors", &original("decoder", ""));
    assert_eq!(found(), Some(decoder));
    assert_eq!(taesd::beside(&model, 16, Family::Sd15), None);
}

/// Collects previews.
struct Watched(Mutex<Vec<Image>>);

impl Job for Watched {
    fn is_cancelled(&self) -> bool {
        false
    }
    fn progress(&self, _: Stage, _: u32, _: u32) {}
    fn wants_preview(&self) -> bool {
        true
    }
    fn preview(&self, image: Image) {
        self.0.lock().unwrap().push(image);
    }
}

fn paint(options: Options) -> (Vec<Image>, Image) {
    let mut model = Model::load(&golden::plain(), &options, &Unattended).unwrap();
    let sampling = Sampling { steps: 3, guidance_scale: 1.0, seed: 3, ..golden::sampling() };
    let input = Prepared { extent: Extent::new(64, 48), init: None, mask: None };
    let request = Request { prompt: "a cat", negative_prompt: Some(""), ..golden::request(&sampling, &input) };
    let job = Watched(Mutex::default());
    let picture = model.generate(request, &job).unwrap().remove(0);
    (job.0.into_inner().unwrap(), picture)
}

#[test]
fn previews_are_small_pictures_and_results_stay_as_they_were() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = file(folder.path(), "tiny.safetensors", &both());
    let (rough, plain) = paint(golden::options());
    let (previews, picture) = paint(Options { taesd: Some(tiny.clone()), ..golden::options() });
    assert_eq!(picture.data(), plain.data());
    assert_eq!(rough.last().unwrap().extent(), Extent::new(8, 6));
    assert_eq!(previews.iter().map(Image::extent).collect::<Vec<_>>(), [Extent::new(64, 48); 3]);
    // In the place of the autoencoder it makes the result, which is what the last preview showed: euler ends clean.
    let (_, quick) = paint(Options { vae: Some(tiny), ..golden::options() });
    assert_ne!(quick.data(), plain.data());
    assert_eq!(quick.data(), previews[2].data());
}

#[test]
fn previews_of_large_pictures_are_averaged_to_a_small_one() {
    let folder = tempfile::tempdir().unwrap();
    let tiny = load(&file(folder.path(), "tiny.safetensors", &both()));
    let device = candle_core::Device::Cpu;
    let even: Vec<f32> = (0..4 * 97 * 70).map(|i| [0.5, -1.0, 2.0, 0.0][i / (97 * 70)]).collect();
    let large = tiny.preview(&even, [4, 97, 70], &device).unwrap();
    assert_eq!(large.extent(), Extent::new(18 * 8, 25 * 8));
    let even: Vec<f32> = (0..4 * 25 * 18).map(|i| [0.5, -1.0, 2.0, 0.0][i / (25 * 18)]).collect();
    let small = tiny.preview(&even, [4, 25, 18], &device).unwrap();
    assert_eq!(large.extent(), small.extent());
    let worst = large.data().iter().zip(small.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    assert!(worst < 1e-5, "{worst}");
}

#[test]
fn mutated_files_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let mut state = 0x2545_f491_4f6c_dd1du64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let device = candle_core::Device::Cpu;
    let latents = candle_core::Tensor::ones((1, 4, 2, 1), candle_core::DType::F32, &device).unwrap();
    for whole in [both(), original("decoder", "")] {
        for _ in 0..100 {
            let mut tensors = whole.clone();
            let name = tensors.keys().nth(random(tensors.len())).unwrap().clone();
            let (dtype, mut shape, bytes) = tensors[&name].clone();
            match random(4) {
                0 => drop(tensors.remove(&name)),
                1 => {
                    let digit = ["0", "9", "33", "18446744073709551615"][random(4)];
                    let other = name.replacen(|c: char| c.is_ascii_digit(), digit, 1);
                    tensors.insert(other, (dtype, shape, bytes));
                }
                2 => {
                    let dimension = random(shape.len());
                    shape[dimension] = [0, 1, 2, 3, 4, 6][random(6)];
                    let bytes = vec![0; shape.iter().product::<usize>() * 2];
                    tensors.insert(name, (dtype, shape, bytes));
                }
                _ => {
                    shape.reverse();
                    tensors.insert(name, (dtype, shape, bytes));
                }
            }
            let path = file(folder.path(), "mutated.safetensors", &tensors);
            match Tiny::load(&path, 4, &device) {
                Ok(tiny) => drop(tiny.decode(&latents, &Unattended)),
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("mutated.safetensors") && !text.contains('\n'), "{text}");
                }
            }
        }
    }
}
