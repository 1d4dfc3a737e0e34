//! SD 2.x, SDXL, its refiner, inpainting and editing kinds: whole pictures against diffusers' pipelines, from folders and from
//! single files (`tests/reference/families.py`).

mod golden;

use golden::{Golden, Tensors};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use underpaint_engine::{Dtype, LoraUse, Model, Options, Request, inspect};
use underpaint_plan::{Family, Inpaint, Kind, Prepared, Sampler, Sampling, Scheduler};
use underpaint_raster::{Extent, Image, Mask, Unattended};

/// Smallest likeness to diffusers' picture, in dB.
const PSNR: f64 = 50.0;
/// The same in 16 bits, of which 11 and 8 are significant.
const PSNR_F16: f64 = 40.0;
const PSNR_BF16: f64 = 22.0;
/// What the models are, and what must be found out about them.
const MODELS: [(&str, Family, Kind); 6] = [
    ("sdxl", Family::Sdxl, Kind::Text),
    ("sdxl-inpaint", Family::Sdxl, Kind::Inpaint),
    ("sdxl-velocity", Family::Sdxl, Kind::Text),
    ("refiner", Family::SdxlRefiner, Kind::Text),
    ("sd2", Family::Sd2, Kind::Text),
    ("edit", Family::Sd15, Kind::Edit),
];

/// The model as a diffusers folder under `at`, put together from what the script stores.
fn folder(model: &str, at: &Path) -> PathBuf {
    let root = at.join(model);
    let (plain, stored) = (golden::plain(), golden::folder());
    let xl = stored.join("tiny-sdxl");
    match model {
        "edit" => golden::copy(&plain, &root, &["unet", "vae", "text_encoder", "scheduler"]),
        "sd2" => return golden::sd2(at),
        _ => {
            golden::copy(&plain, &root, &["vae"]);
            golden::copy(&xl, &root, &["vae", "text_encoder_2", "scheduler"]);
            match model {
                "refiner" => golden::copy(&stored.join("tiny-refiner"), &root, &["unet"]),
                _ => {
                    golden::copy(&xl, &root, &["unet"]);
                    golden::copy(&plain, &root, &["text_encoder"]);
                }
            }
        }
    }
    if model == "sdxl-velocity" {
        let path = root.join("scheduler/scheduler_config.json");
        let config = fs::read_to_string(&path).unwrap();
        fs::write(&path, config.replace("\"epsilon\"", "\"v_prediction\"")).unwrap();
    }
    let convolutions = golden::read(&stored.join("families-conv-in.safetensors"));
    let own = |name: &str| Some(format!("conv_in.{}", name.strip_prefix(&format!("{model}."))?));
    let own: Tensors = convolutions.into_iter().filter_map(|(name, t)| Some((own(&name)?, t))).collect();
    if !own.is_empty() {
        let path = root.join("unet/diffusion_pytorch_model.safetensors");
        let mut tensors = golden::read(&path);
        tensors.extend(own);
        golden::write(&path, &tensors);
    }
    root
}

/// The model in `root` as one file in SGM's names, by the table the script writes.
fn single_file(model: &str, root: &Path, at: &Path) -> PathBuf {
    let family = model.split('-').next().unwrap();
    let weights = |part: &str, file: &str| golden::read(&root.join(part).join(file));
    let unet = weights("unet", "diffusion_pytorch_model.safetensors");
    let vae = weights("vae", "diffusion_pytorch_model.safetensors");
    let text_2 = golden::read(&golden::folder().join("tiny-sdxl/text_encoder_2/model.safetensors"));
    let text = golden::read(&golden::plain().join("text_encoder/model.safetensors"));
    let mut tensors = Tensors::new();
    for row in golden::table("sgm-names.json").iter().filter(|row| row[0] == family) {
        let part = match row[2].as_str().unwrap() {
            "unet" => &unet,
            "vae" => &vae,
            "text_encoder" => &text,
            _ => &text_2,
        };
        let name = row[1].as_str().unwrap();
        let tensor = match &row[3] {
            Value::String(key) => part[key].clone(),
            keys => {
                let mut parts = keys.as_array().unwrap().iter().map(|key| part[key.as_str().unwrap()].clone());
                let mut whole = parts.next().unwrap();
                for (_, shape, bytes) in parts {
                    whole.1[0] += shape[0];
                    whole.2.extend(bytes);
                }
                whole
            }
        };
        let tensor = if row[4].is_null() { tensor } else { turned(&tensor) };
        tensors.insert(name.to_owned(), tensor);
    }
    if model == "sdxl-velocity" {
        tensors.insert("v_pred".into(), ("F16".into(), vec![0], vec![]));
    }
    let path = at.join(format!("{model}.safetensors"));
    golden::write(&path, &tensors);
    path
}

/// A matrix of 16-bit values turned over.
fn turned((dtype, shape, bytes): &(String, Vec<usize>, Vec<u8>)) -> (String, Vec<usize>, Vec<u8>) {
    let [rows, columns] = shape[..] else { panic!("{shape:?} is no matrix") };
    let at = |row: usize, column: usize| &bytes[2 * (row * columns + column)..][..2];
    let turned = (0..columns).flat_map(|c| (0..rows).flat_map(move |r| at(r, c).to_vec())).collect();
    (dtype.clone(), vec![columns, rows], turned)
}

fn load(path: &Path) -> Model {
    load_in(path, None)
}

fn load_in(path: &Path, dtype: Option<Dtype>) -> Model {
    Model::load(path, &Options { dtype: dtype.or(golden::options().dtype), ..golden::options() }, &Unattended)
        .unwrap_or_else(|e| panic!("{e}"))
}

fn input(golden: &Golden) -> (Image, Mask) {
    let (shape, rgb) = golden.get("input.image");
    let extent = Extent::new(shape[1] as u32, shape[0] as u32);
    let rgba = rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 1.0]).collect();
    (Image::from_data(extent, rgba), Mask::from_data(extent, golden.get("input.mask").1))
}

/// Makes the picture of a row of `pictures-families.json` and compares it: at least `least` dB are needed.
fn check(model: &mut Model, inputs: &Golden, golden: &Golden, row: &Value, least: f64) {
    let (word, number) = (|field: &str| row[field].as_str(), |field: &str| row[field].as_f64().unwrap());
    let whole = |field: &str| row[field].as_u64().unwrap();
    let name = word("name").unwrap();
    let sampling = Sampling {
        sampler: Sampler::ALL.into_iter().find(|s| Some(s.name()) == word("sampler")).unwrap(),
        scheduler: Scheduler::ALL.into_iter().find(|s| Some(s.name()) == word("scheduler")).unwrap(),
        steps: whole("steps") as u32,
        start_step: whole("start_step") as u32,
        guidance_scale: number("guidance"),
        image_guidance_scale: number("image_guidance"),
        seed: whole("seed"),
        batch: whole("batch") as u32,
        clip_skip: whole("clip_skip") as u32,
        ..golden::sampling()
    };
    let (image, mask) = input(inputs);
    let (inpaint, init, mask) = match word("kind").unwrap() {
        "txt2img" => (Inpaint::None, None, None),
        "inpaint" => (Inpaint::Replace, Some(image), Some(mask)),
        _ => (Inpaint::None, Some(image), None),
    };
    let extent = Extent::new(whole("width") as u32, whole("height") as u32);
    let input = Prepared { extent, init, mask };
    let request = Request {
        prompt: word("prompt").unwrap(),
        negative_prompt: word("negative"),
        inpaint,
        ..golden::request(&sampling, &input)
    };
    let ours = model.generate(request, &Unattended).unwrap_or_else(|e| panic!("{name}: {e}"));
    let (shape, theirs) = golden.get(&format!("picture.{name}"));
    assert_eq!(shape, [ours.len(), extent.h as usize, extent.w as usize, 3], "{name}");
    for (ours, theirs) in ours.iter().zip(theirs.chunks_exact(theirs.len() / ours.len())) {
        let psnr = golden::psnr(ours, theirs);
        println!("{name}: {psnr:.1} dB");
        assert!(psnr >= least, "{name} is {psnr:.1} dB from diffusers' picture, at least {least} are needed");
    }
}

#[test]
fn folders_and_single_files_make_diffusers_pictures() {
    let at = tempfile::tempdir().unwrap();
    let (inputs, golden) = (Golden::open(), Golden::of("families.safetensors"));
    let rows = golden::table("pictures-families.json");
    for (name, family, kind) in MODELS {
        let root = folder(name, at.path());
        let file = match name {
            "edit" => golden::single_file(&root, at.path()),
            _ => single_file(name, &root, at.path()),
        };
        if name == "refiner" {
            fs::write(root.join("model_index.json"), r#"{"force_zeros_for_empty_prompt": false}"#).unwrap();
        }
        for path in [root, file] {
            let facts = inspect(&path).unwrap_or_else(|e| panic!("{name}: {e}"));
            assert_eq!((facts.family, facts.kind), (family, kind), "{}", path.display());
            // What a single file of SD 2.x predicts is guessed from biases that random weights do not have.
            if name == "sd2" && path.is_file() {
                continue;
            }
            let mut model = load(&path);
            rows.iter()
                .filter(|row| row["model"] == name)
                .for_each(|row| check(&mut model, &inputs, &golden, row, PSNR));
        }
    }
}

/// The marker of SD 2.x's velocity models is the spread of the last attention's first biases.
#[test]
fn what_a_single_file_of_sd_2_predicts_shows_in_its_native_side() {
    let at = tempfile::tempdir().unwrap();
    let path = single_file("sd2", &folder("sd2", at.path()), at.path());
    assert_eq!(inspect(&path).unwrap().native_side, 512);
    let mut tensors = golden::read(&path);
    let bias = |name: &&String| name.ends_with(".transformer_blocks.0.norm1.bias");
    let last = tensors.keys().rfind(bias).unwrap().clone();
    let bias = &mut tensors.get_mut(&last).unwrap().2;
    bias.chunks_exact_mut(2).step_by(2).for_each(|half| half.copy_from_slice(&0x3c00u16.to_le_bytes()));
    golden::write(&path, &tensors);
    assert_eq!(inspect(&path).unwrap().native_side, 768);
}

/// What a GPU rounds after each layer, the CPU rounds too if asked. The timestep, sampling and the autoencoder stay exact, so
/// pictures stay close to those in 32 bits.
#[test]
fn half_precision_stays_near() {
    let at = tempfile::tempdir().unwrap();
    let (inputs, golden) = (Golden::open(), Golden::of("families.safetensors"));
    let rows = golden::table("pictures-families.json");
    for (name, _, _) in MODELS {
        let root = folder(name, at.path());
        for (dtype, least) in [(Dtype::F16, PSNR_F16), (Dtype::Bf16, PSNR_BF16)] {
            let mut model = load_in(&root, Some(dtype));
            let few = rows.iter().filter(|row| row["model"] == name).take(2);
            few.for_each(|row| check(&mut model, &inputs, &golden, row, least));
        }
    }
}

/// kohya's names of SDXL's layers, in all three networks, on a folder and on a single file; and gone without a trace.
#[test]
fn a_lora_for_sdxl_makes_diffusers_picture_and_leaves_nothing_behind() {
    let at = tempfile::tempdir().unwrap();
    let (inputs, golden) = (Golden::open(), Golden::of("families.safetensors"));
    let rows = golden::table("pictures-families.json");
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    let root = folder("sdxl", at.path());
    let file = single_file("sdxl", &root, at.path());
    let path = golden::folder().join("families-lora.safetensors");
    for model in [root, file] {
        let mut model = load(&model);
        model.set_loras(&[LoraUse { path: &path, weight: 0.8, text_weight: 0.8 }], &Unattended).unwrap();
        check(&mut model, &inputs, &golden, row("xl.lora"), PSNR);
        model.set_loras(&[], &Unattended).unwrap();
        check(&mut model, &inputs, &golden, row("xl.empty_negative"), PSNR);
    }
}
