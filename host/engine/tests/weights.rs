//! The forms weights come in: 16 and 8 bits, variants, files in parts. Each is the same model as the same values in 32 bits.

mod golden;

use golden::Tensors;
use std::fs;
use std::path::Path;
use underpaint_engine::{Model, Request};
use underpaint_plan::{Prepared, Sampling};
use underpaint_raster::{Extent, Image, Unattended};

fn picture(path: &Path) -> Image {
    let mut model = Model::load(path, &golden::options(), &Unattended).unwrap_or_else(|e| panic!("{e}"));
    let sampling = Sampling { steps: 2, seed: 7, ..golden::sampling() };
    let input = Prepared { extent: Extent::new(64, 64), init: None, mask: None };
    let request = Request { prompt: "a photo of a cat", negative_prompt: None, ..golden::request(&sampling, &input) };
    model.generate(request, &Unattended).unwrap().remove(0)
}

/// The values of a tensor stored as F16.
fn values(bytes: &[u8]) -> Vec<f32> {
    bytes.chunks_exact(2).map(|b| half::f16::from_le_bytes([b[0], b[1]]).to_f32()).collect()
}

/// `float8_e4m3fn` by its definition, written apart from the reader's.
fn eight_bits() -> Vec<(u8, f32)> {
    let value = |byte: u8| {
        let (exponent, mantissa) = (i32::from(byte >> 3 & 15), f32::from(byte & 7));
        let size = if exponent == 0 { mantissa * 2f32.powi(-9) } else { (8.0 + mantissa) * 2f32.powi(exponent - 10) };
        if byte < 128 { size } else { -size }
    };
    (0..=255).filter(|byte| byte & 127 != 127).map(|byte| (byte, value(byte))).collect()
}

#[test]
fn narrow_weights_are_the_same_model_as_their_values_in_32_bits() {
    let at = tempfile::tempdir().unwrap();
    let whole = golden::read(&golden::single_file(&golden::plain(), at.path()));
    let eight = eight_bits();
    let as_eight = |v: f32| *eight.iter().min_by(|a, b| (a.1 - v).abs().total_cmp(&(b.1 - v).abs())).unwrap();
    type Narrow<'a> = (&'a str, &'a dyn Fn(f32) -> (Vec<u8>, f32));
    let brain = |v: f32| {
        let rounded = half::bf16::from_f32(v);
        (rounded.to_le_bytes().to_vec(), rounded.to_f32())
    };
    let byte = |v: f32| {
        let (byte, value) = as_eight(v);
        (vec![byte], value)
    };
    let narrow: [Narrow<'_>; 2] = [("BF16", &brain), ("F8_E4M3", &byte)];
    for (dtype, round) in narrow {
        let (mut stored, mut wide) = (Tensors::new(), Tensors::new());
        for (name, (kind, shape, bytes)) in &whole {
            // Only the denoiser, as such files are published.
            if kind != "F16" || !name.starts_with("model.diffusion_model.") {
                stored.insert(name.clone(), (kind.clone(), shape.clone(), bytes.clone()));
                wide.insert(name.clone(), (kind.clone(), shape.clone(), bytes.clone()));
                continue;
            }
            let rounded: Vec<_> = values(bytes).into_iter().map(round).collect();
            let narrow = rounded.iter().flat_map(|(bytes, _)| bytes.clone()).collect();
            stored.insert(name.clone(), (dtype.to_owned(), shape.clone(), narrow));
            let values = rounded.iter().flat_map(|(_, value)| value.to_le_bytes()).collect();
            wide.insert(name.clone(), ("F32".to_owned(), shape.clone(), values));
        }
        let (narrow, plain) = (at.path().join("narrow.safetensors"), at.path().join("wide.safetensors"));
        golden::write(&narrow, &stored);
        golden::write(&plain, &wide);
        assert!(picture(&narrow) == picture(&plain), "{dtype}");
    }
}

#[test]
fn variants_and_files_in_parts_are_found() {
    let at = tempfile::tempdir().unwrap();
    let root = golden::inpainting(at.path());
    let unet = root.join("unet");
    let file = unet.join("diffusion_pytorch_model.safetensors");
    let expected = picture(&root);
    let tensors = golden::read(&file);
    fs::rename(&file, unet.join("diffusion_pytorch_model.fp16.safetensors")).unwrap();
    assert!(picture(&root) == expected, "a variant alone");
    fs::remove_file(unet.join("diffusion_pytorch_model.fp16.safetensors")).unwrap();
    let (mut first, mut second) = (Tensors::new(), Tensors::new());
    for (i, (name, tensor)) in tensors.into_iter().enumerate() {
        if i % 2 == 0 { &mut first } else { &mut second }.insert(name, tensor);
    }
    golden::write(&unet.join("diffusion_pytorch_model-00001-of-00002.safetensors"), &first);
    golden::write(&unet.join("diffusion_pytorch_model-00002-of-00002.safetensors"), &second);
    assert!(picture(&root) == expected, "two parts");
}
