//! Golden data made by `make.py` and `samplers.py` of `tests/reference` (torch, diffusers, transformers), and the tiny models it was made with.

#![allow(dead_code)]

use candle_core::{Device, Tensor};
use half::f16;
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use underpaint_engine::noise::Noise;
use underpaint_engine::weights::file::SafetensorsFile;
use underpaint_engine::{DeviceKind, Dtype, Options, Request};
use underpaint_plan::{Inpaint, Prepared, Sampler, Sampling, Scheduler};
use underpaint_raster::{Extent, Image};

/// Four euler steps with guidance 5 from seed 0: what a test says nothing else about.
pub fn sampling() -> Sampling {
    Sampling {
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
    }
}

/// The picture that most goldens show, with nothing besides words.
pub fn request<'a>(sampling: &'a Sampling, input: &'a Prepared) -> Request<'a> {
    Request {
        prompt: "a photo of a cat",
        negative_prompt: Some("blurry, ugly"),
        wordings: &[],
        regions: &[],
        embeddings: &[],
        controls: &[],
        sampling,
        inpaint: Inpaint::None,
        input,
        noise: None,
        save: None,
    }
}

/// Where the tests compute: on the CPU, or where `UNDERPAINT_TEST_DEVICE` says (`cuda`, `metal`), exactly.
pub fn options() -> Options {
    let asked = std::env::var("UNDERPAINT_TEST_DEVICE").unwrap_or_else(|_| "cpu".into());
    let device = DeviceKind::ALL.into_iter().find(|kind| kind.name() == asked);
    assert!(device.is_some(), "UNDERPAINT_TEST_DEVICE is {asked}");
    Options { device, dtype: Some(Dtype::F32), ..Options::default() }
}

/// Likeness in dB; `theirs` is `[h, w, 3]` in 0..=1.
pub fn psnr(ours: &Image, theirs: &[f32]) -> f64 {
    let ours = ours.data().chunks_exact(4).flat_map(|p| &p[..3]);
    let error: f64 = ours.zip(theirs).map(|(a, b)| f64::from(a - b).powi(2)).sum();
    -10.0 * (error / theirs.len() as f64).max(1e-20).log10()
}

/// The folder of golden data.
pub fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/golden")
}

/// A JSON table.
pub fn table(name: &str) -> Vec<Value> {
    let text = fs::read_to_string(folder().join(name)).unwrap();
    serde_json::from_str(&text).unwrap()
}

/// Golden tensors by name.
pub struct Golden(SafetensorsFile);

impl Golden {
    pub fn open() -> Self {
        Self::of("golden.safetensors")
    }

    pub fn of(name: &str) -> Self {
        Self(SafetensorsFile::open(&folder().join(name)).unwrap())
    }

    pub fn get(&self, name: &str) -> (Vec<usize>, Vec<f32>) {
        let entry = self.0.entries().iter().find(|e| e.name == name).unwrap_or_else(|| panic!("no golden {name}"));
        (entry.shape.clone(), self.0.read(entry).unwrap())
    }

    pub fn tensor(&self, name: &str) -> Tensor {
        let (shape, data) = self.get(name);
        Tensor::from_vec(data, shape, &Device::Cpu).unwrap()
    }
}

/// The tensors of a row of `control-models.json` or its like: torch's noise, as `control.py` draws it; `original` names or the
/// library's. Parts of one tensor, whose names end in `#0`, `#1`, …, are put together.
pub fn drawn(model: &Value, original: bool) -> Tensors {
    let mut stream = Noise::new(model["seed"].as_u64().unwrap());
    let mut tensors = Tensors::new();
    for row in model["tensors"].as_array().unwrap() {
        let key = row[0].as_str().unwrap();
        let shape: Vec<usize> = row[1].as_array().unwrap().iter().map(|n| n.as_u64().unwrap() as usize).collect();
        let flat = shape.len() == 1;
        let scale = if flat { 0.1 } else { 1.0 / (shape[1..].iter().product::<usize>() as f64).sqrt() };
        let mean = if flat && key.ends_with("weight") { 1.0 } else { 0.0 };
        let noise = stream.randn(shape.iter().product());
        let values = noise.iter().flat_map(|v| f16::from_f32(v * scale as f32 + mean).to_le_bytes()).collect();
        let name = row.get(2).filter(|_| original).unwrap_or(&row[0]).as_str().unwrap();
        tensors.insert(name.to_owned(), ("F16".to_owned(), shape, values));
    }
    let parts: Vec<String> = tensors.keys().filter_map(|name| name.strip_suffix("#0").map(str::to_owned)).collect();
    for name in parts {
        let parts: Vec<_> = (0..).map_while(|i| tensors.remove(&format!("{name}#{i}"))).collect();
        let shape = [&[parts.iter().map(|(_, shape, _)| shape[0]).sum()], &parts[0].1[1..]].concat();
        let values = parts.into_iter().flat_map(|(_, _, values)| values).collect();
        tensors.insert(name, ("F16".to_owned(), shape, values));
    }
    tensors
}

/// The 4-channel model as a diffusers folder.
pub fn plain() -> PathBuf {
    folder().join("tiny-sd")
}

/// SDXL as a diffusers folder under `at`, put together from what the scripts store.
pub fn sdxl(at: &Path) -> PathBuf {
    let (root, xl) = (at.join("sdxl"), folder().join("tiny-sdxl"));
    copy(&plain(), &root, &["vae", "text_encoder"]);
    copy(&xl, &root, &["vae", "text_encoder_2", "scheduler", "unet"]);
    root
}

/// SD 2.x as a diffusers folder under `at`, put together from what the scripts store.
pub fn sd2(at: &Path) -> PathBuf {
    let (root, stored) = (at.join("sd2"), folder().join("tiny-sd2"));
    copy(&plain(), &root, &["vae"]);
    copy(&stored, &root, &["unet"]);
    copy(&folder().join("tiny-sdxl"), &root, &["text_encoder_2"]);
    fs::rename(root.join("text_encoder_2"), root.join("text_encoder")).unwrap();
    fs::copy(stored.join("config.json"), root.join("text_encoder/config.json")).unwrap();
    let path = root.join("text_encoder/model.safetensors");
    let mut tensors = read(&path);
    // diffusers' form of SD 2.x has neither the last layer nor the projection.
    tensors.retain(|name, _| !name.contains("layers.2.") && !name.contains("projection"));
    write(&path, &tensors);
    fs::create_dir_all(root.join("scheduler")).unwrap();
    let schedule = "scheduler/scheduler_config.json";
    fs::copy(stored.join("scheduler_config.json"), root.join(schedule)).unwrap();
    root
}

/// The files of `parts` of the folder `from`, put into those of `to`.
pub fn copy(from: &Path, to: &Path, parts: &[&str]) {
    for part in parts {
        fs::create_dir_all(to.join(part)).unwrap();
        for file in fs::read_dir(from.join(part)).unwrap() {
            let file = file.unwrap();
            fs::copy(file.path(), to.join(part).join(file.file_name())).unwrap();
        }
    }
}

/// A golden picture `[h, w, 3]`, opaque.
pub fn picture(golden: &Golden, name: &str) -> Image {
    let (shape, rgb) = golden.get(name);
    let rgba = rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 1.0]).collect();
    Image::from_data(Extent::new(shape[1] as u32, shape[0] as u32), rgba)
}

/// The 9-channel model as a diffusers folder under `at`: the plain one with another first convolution.
pub fn inpainting(at: &Path) -> PathBuf {
    let root = at.join("tiny-inpaint");
    copy(&plain(), &root, &["unet", "vae", "text_encoder", "scheduler"]);
    let mut tensors = read(&plain().join("unet/diffusion_pytorch_model.safetensors"));
    tensors.extend(read(&folder().join("tiny-inpaint.safetensors")));
    write(&root.join("unet/diffusion_pytorch_model.safetensors"), &tensors);
    root
}

/// The model in `folder` as a single file with LDM names, by the table the script writes.
pub fn single_file(diffusers: &Path, at: &Path) -> PathBuf {
    let names: BTreeMap<String, [String; 2]> =
        serde_json::from_str(&fs::read_to_string(folder().join("ldm-names.json")).unwrap()).unwrap();
    let unet = read(&diffusers.join("unet/diffusion_pytorch_model.safetensors"));
    let vae = read(&diffusers.join("vae/diffusion_pytorch_model.safetensors"));
    let text = read(&diffusers.join("text_encoder/model.safetensors"));
    let mut tensors = Tensors::new();
    for (ldm, [component, name]) in names {
        let part = match component.as_str() {
            "unet" => &unet,
            "vae" => &vae,
            _ => &text,
        };
        let mut tensor = part[&name].clone();
        if ldm.contains(".mid.attn_1.") && tensor.1.len() == 2 {
            tensor.1.extend([1, 1]); // LDM has 1x1 convolutions there
        }
        tensors.insert(ldm, tensor);
    }
    tensors.insert("model_ema.decay".into(), ("F32".into(), vec![], 0.9999f32.to_le_bytes().to_vec()));
    let path = at.join("single.safetensors");
    write(&path, &tensors);
    path
}

/// Element type, shape and bytes by name.
pub type Tensors = BTreeMap<String, (String, Vec<usize>, Vec<u8>)>;

/// A safetensors file as it is, read without the engine.
pub fn read(path: &Path) -> Tensors {
    let bytes = fs::read(path).unwrap();
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    let header: BTreeMap<String, Value> = serde_json::from_slice(&bytes[8..8 + length]).unwrap();
    let whole = |v: &Value| v.as_u64().unwrap() as usize;
    let tensors = header.into_iter().filter(|(name, _)| name != "__metadata__").map(|(name, v)| {
        let shape = v["shape"].as_array().unwrap().iter().map(whole).collect();
        let [from, to] = [0, 1].map(|i| 8 + length + whole(&v["data_offsets"][i]));
        (name, (v["dtype"].as_str().unwrap().to_owned(), shape, bytes[from..to].to_vec()))
    });
    tensors.collect()
}

/// Writes a safetensors file, without the engine.
pub fn write(path: &Path, tensors: &Tensors) {
    let mut at = 0;
    let header = tensors.iter().map(|(name, (dtype, shape, bytes))| {
        let from = at;
        at += bytes.len();
        (name.clone(), serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [from, at]}))
    });
    let header = serde_json::to_vec(&header.collect::<serde_json::Map<_, _>>()).unwrap();
    let mut file = (header.len() as u64).to_le_bytes().to_vec();
    file.extend(header);
    tensors.values().for_each(|(_, _, bytes)| file.extend(bytes));
    fs::write(path, file).unwrap();
}

/// Fails if two tensors differ by more than `tolerance` anywhere.
pub fn close(what: &str, ours: &Tensor, theirs: &Tensor, tolerance: f32) {
    assert_eq!(ours.dims(), theirs.dims(), "{what}");
    let (a, b) = (
        ours.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
        theirs.flatten_all().unwrap().to_vec1::<f32>().unwrap(),
    );
    let worst = a.iter().zip(&b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
    println!("{what}: largest difference {worst:.2e}");
    assert!(worst <= tolerance, "{what} differs by {worst}, at most {tolerance} is allowed");
}

/// Models described in a file of rows, their tensors drawn from torch's noise as the script drew them.
pub struct Models {
    pub rows: serde_json::Map<String, serde_json::Value>,
    pub folder: tempfile::TempDir,
}

impl Models {
    /// The models of `tests/reference/golden/FILE`.
    pub fn of(file: &str) -> Self {
        let text = std::fs::read_to_string(folder().join(file)).unwrap();
        Self { rows: serde_json::from_str(&text).unwrap(), folder: tempfile::tempdir().unwrap() }
    }

    /// The tensors of a model, under its `original` names or those of the library.
    pub fn tensors(&self, name: &str, original: bool) -> Tensors {
        drawn(&self.rows[name], original)
    }

    /// The model as one file.
    pub fn file(&self, name: &str, original: bool) -> std::path::PathBuf {
        let path = self.folder.path().join(format!("{name}{}.safetensors", if original { "-original" } else { "" }));
        if !path.exists() {
            write(&path, &self.tensors(name, original));
        }
        path
    }
}
