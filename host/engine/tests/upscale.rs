//! Upscalers against spandrel, tiles against the whole, and files that are broken or of another kind.

mod golden;

use golden::{Golden, Tensors};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use underpaint_engine::upscale::{Architecture, Upscaler, inspect};
use underpaint_engine::{EngineError, Model};
use underpaint_raster::{Extent, Image, Job, Stage, Unattended};

/// Largest difference to spandrel of a value in 0..=1.
const TOLERANCE: f32 = 1e-4;
/// Smallest likeness to spandrel, in dB; what the tolerance allows is far above it.
const PSNR: f64 = 60.0;
/// Largest difference to the untiled picture where tiles overlap by more than the network sees.
const TILED: f32 = 1e-4;

fn cases() -> Vec<Value> {
    golden::table("upscale.json")
}

fn case(name: &str) -> Value {
    cases().into_iter().find(|c| c["case"] == name).unwrap()
}

/// The tensors of a case, put together as `tests/reference/upscale.py` does.
fn build(case: &Value) -> Tensors {
    let all = golden::read(&golden::folder().join("upscale.safetensors"));
    let words = |field: &str| case[field].as_array().cloned().unwrap_or_default();
    let first = if case["compact"] == true { "body." } else { "model." };
    let mut tensors = Tensors::new();
    for (name, tensor) in &all {
        let left_out = words("without").iter().any(|prefix| name.starts_with(prefix.as_str().unwrap()));
        if name.starts_with(first) && !left_out && !name.contains("conv1x1") {
            let renamed = words("rename")
                .iter()
                .fold(name.clone(), |name, pair| name.replace(pair[0].as_str().unwrap(), pair[1].as_str().unwrap()));
            tensors.insert(renamed, tensor.clone());
        }
    }
    for (name, golden) in case["with"].as_object().into_iter().flatten() {
        tensors.insert(name.clone(), all[golden.as_str().unwrap()].clone());
    }
    let prefix = case["prefix"].as_str().unwrap_or_default();
    tensors.into_iter().map(|(name, tensor)| (format!("{prefix}{name}"), tensor)).collect()
}

fn file(at: &Path, tensors: &Tensors) -> PathBuf {
    let path = at.join("some model.safetensors");
    golden::write(&path, tensors);
    path
}

fn load(at: &Path, name: &str) -> Upscaler {
    Upscaler::load(&file(at, &build(&case(name))), &golden::options(), &Unattended).unwrap()
}

/// Planes `[3, h, w]` as an opaque picture.
fn picture((shape, planes): (Vec<usize>, Vec<f32>)) -> Image {
    let [_, h, w] = shape[..] else { panic!("{shape:?}") };
    let pixel = |i: usize| [planes[i], planes[h * w + i], planes[2 * h * w + i], 1.0];
    Image::from_data(Extent::new(w as u32, h as u32), (0..h * w).flat_map(pixel).collect())
}

/// A picture with structure at all scales.
fn study(w: u32, h: u32) -> Image {
    let pixel = |x: u32, y: u32| {
        let (u, v) = (x as f32 / 40.0, y as f32 / 30.0);
        let noise = (x.wrapping_mul(374_761_393) ^ y.wrapping_mul(668_265_263)).wrapping_mul(2_246_822_519) >> 24;
        let wave = (u * 7.0 + v * 3.0).sin() * 0.2 + noise as f32 / 2000.0;
        [0.5 + wave, 0.4 + u.sin() * 0.3, 0.6 - v.cos() * 0.3, 1.0]
    };
    Image::from_data(Extent::new(w, h), (0..h).flat_map(|y| (0..w).flat_map(move |x| pixel(x, y))).collect())
}

fn largest_difference(a: &Image, b: &Image) -> f32 {
    assert_eq!(a.extent(), b.extent());
    a.data().iter().zip(b.data()).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn every_spelling_and_scale_agrees_with_spandrel() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Golden::of("upscale.safetensors");
    for case in cases() {
        let name = case["case"].as_str().unwrap();
        let path = file(folder.path(), &build(&case));
        let facts = inspect(&path).unwrap().unwrap();
        let kind = if case["compact"] == true { Architecture::Compact } else { Architecture::Esrgan };
        assert_eq!((facts.architecture, u64::from(facts.scale)), (kind, case["scale"].as_u64().unwrap()), "{name}");
        let input = if case["input"].is_null() { "input" } else { "input.tiny" };
        let ours = Upscaler::load(&path, &golden::options(), &Unattended).unwrap().upscale(
            &picture(golden.get(input)),
            None,
            &Unattended,
        );
        let theirs = picture(golden.get(&format!("{}.output", case["same"].as_str().unwrap_or(name))));
        let ours = ours.unwrap();
        let worst = largest_difference(&ours, &theirs);
        let squares: f64 = ours.data().iter().zip(theirs.data()).map(|(a, b)| f64::from(a - b).powi(2)).sum();
        let psnr = -10.0 * (squares / (ours.data().len() / 4 * 3) as f64).max(1e-20).log10();
        println!("{name}: largest difference {worst:.1e}, PSNR {psnr:.1} dB");
        assert!(worst <= TOLERANCE && psnr >= PSNR, "{name}: {worst}, {psnr} dB");
    }
}

#[test]
fn tiles_that_overlap_by_what_the_network_sees_are_the_whole() {
    let folder = tempfile::tempdir().unwrap();
    // A compact network of four convolutions sees four pixels far, a quarter of the overlap is eight.
    for (name, extent, tile) in [("compact-4x", (150, 97), 64), ("compact-2x", (97, 150), 70)] {
        let network = load(folder.path(), name);
        let image = study(extent.0, extent.1);
        let whole = network.upscale(&image, Some(1000), &Unattended).unwrap();
        let tiled = network.upscale(&image, Some(tile), &Unattended).unwrap();
        let worst = largest_difference(&whole, &tiled);
        println!("{name}: largest difference {worst:.1e}");
        assert!(worst <= TILED, "{name}: {worst}");
    }
}

#[test]
fn no_edge_of_a_tile_can_be_seen() {
    let folder = tempfile::tempdir().unwrap();
    for (name, tile) in [("new-4x", 64), ("fold-2x", 64)] {
        let network = load(folder.path(), name);
        let image = study(110, 70);
        let whole = network.upscale(&image, Some(1000), &Unattended).unwrap();
        let tiled = network.upscale(&image, Some(tile), &Unattended).unwrap();
        let worst = largest_difference(&whole, &tiled);
        println!("{name}: largest difference {worst:.1e}");
        // Half a step of 8 bits.
        assert!(worst <= 0.5 / 255.0, "{name}: {worst}");
    }
}

#[test]
fn transparency_is_resampled_and_hides_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let network = load(folder.path(), "compact-4x");
    let mut image = study(24, 20);
    let opaque = network.upscale(&image, None, &Unattended).unwrap();
    // The right half is transparent and glaring: none of that may be seen.
    for (i, p) in image.data_mut().chunks_exact_mut(4).enumerate() {
        if i % 24 >= 12 {
            p.copy_from_slice(&[0.0, 1.0, 0.0, 0.0]);
        }
    }
    let mut other = image.clone();
    other.data_mut().chunks_exact_mut(4).filter(|p| p[3] == 0.0).for_each(|p| p[1] = 0.0);
    let ours = network.upscale(&image, None, &Unattended).unwrap();
    assert_eq!(ours.data(), network.upscale(&other, None, &Unattended).unwrap().data());
    for y in 0..80 {
        // Away from the edge by what the network sees, all is as it was.
        assert_eq!(ours.pixel(10, y), opaque.pixel(10, y));
        assert_eq!(ours.pixel(70, y), [0.0; 4]);
        assert!((0.1..0.9).contains(&ours.pixel(48, y)[3]), "a soft edge");
    }
}

/// Cancelled at a step.
struct Until(AtomicU32);

impl Job for Until {
    fn is_cancelled(&self) -> bool {
        self.0.load(Ordering::Relaxed) == 0
    }
    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        assert!(stage != Stage::Upscale || step <= steps);
        if stage == Stage::Upscale {
            let _ = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        }
    }
}

#[test]
fn a_job_ends_within_a_block_of_a_tile() {
    let folder = tempfile::tempdir().unwrap();
    let network = load(folder.path(), "old-4x");
    let image = study(100, 40);
    for steps in [1, 4, 7] {
        let error = network.upscale(&image, Some(48), &Until(AtomicU32::new(steps))).unwrap_err();
        assert!(matches!(error, EngineError::Cancelled(_)), "{error}");
    }
    network.upscale(&image, Some(48), &Unattended).unwrap();
}

#[test]
fn broken_and_foreign_files_are_refused_in_a_sentence() {
    let folder = tempfile::tempdir().unwrap();
    type Change = fn(&mut Tensors);
    let cases: [(&str, &str, Change); 12] = [
        ("old-4x", "conv_hr.weight is missing", |t| drop(t.remove("model.8.weight"))),
        ("old-4x", "body.1.rdb2.conv3.bias is missing", |t| drop(t.remove("model.1.sub.1.RDB2.conv3.0.bias"))),
        ("old-4x", "tensors of another architecture (the first is body.0.rdb1.conv1.1.weight)", |t| {
            t.insert("model.1.sub.0.RDB1.conv1.1.weight".into(), ("F16".into(), vec![4], vec![0; 8]));
        }),
        ("new-4x", "body.0.rdb1.conv2.weight has shape [4, 11, 3, 3]", |t| {
            let weight = t.get_mut("body.0.rdb1.conv2.weight").unwrap();
            weight.1[1] = 11;
            weight.2.truncate(4 * 11 * 9 * 2);
        }),
        ("new-4x", "holds values that are not finite", |t| {
            t.get_mut("conv_up1.weight").unwrap().2[..2].copy_from_slice(&0x7e00u16.to_le_bytes());
        }),
        ("new-4x", "takes 3 channels, and 2 come out", |t| {
            t.insert("conv_last.weight".into(), ("F16".into(), vec![2, 8, 3, 3], vec![0; 2 * 8 * 9 * 2]));
        }),
        ("fold-1x", "is one of 1 doublings", |t| {
            t.retain(|name, _| !name.starts_with("conv_up2"));
        }),
        ("new-4x", "is one of 5 doublings", |t| {
            for i in 3..6 {
                t.insert(format!("conv_up{i}.weight"), t["conv_up1.weight"].clone());
            }
        }),
        ("new-4x", "has shape [8, 3, 1, 1], a convolution of 3x3 is needed", |t| {
            t.insert("conv_first.weight".into(), ("F16".into(), vec![8, 3, 1, 1], vec![0; 48]));
        }),
        ("compact-4x", "body.3.weight is missing", |t| drop(t.remove("body.3.weight"))),
        ("compact-4x", "gives 7 channels for 3", |t| {
            t.insert("body.6.weight".into(), ("F16".into(), vec![7, 8, 3, 3], vec![0; 7 * 8 * 9 * 2]));
        }),
        ("compact-4x", "body.1.weight has shape [0]", |t| {
            t.insert("body.1.weight".into(), ("F16".into(), vec![0], vec![]));
        }),
    ];
    for (name, part, change) in cases {
        let mut tensors = build(&case(name));
        change(&mut tensors);
        let path = file(folder.path(), &tensors);
        let text = Upscaler::load(&path, &golden::options(), &Unattended)
            .err()
            .unwrap_or_else(|| panic!("{part}"))
            .to_string();
        assert!(text.contains(part) && text.contains("some model.safetensors") && !text.contains('\n'), "{text}");
    }
    let path = file(folder.path(), &build(&case("new-4x")));
    let bytes = fs::read(&path).unwrap();
    for length in [0, 7, 100, bytes.len() / 2, bytes.len() - 1] {
        fs::write(&path, &bytes[..length]).unwrap();
        assert!(inspect(&path).is_err() && Upscaler::load(&path, &golden::options(), &Unattended).is_err());
    }
    // Sound files of other kinds are no upscalers, and upscalers no models.
    let vae = golden::plain().join("vae/diffusion_pytorch_model.safetensors");
    assert_eq!(inspect(&vae).unwrap(), None);
    assert!(
        Upscaler::load(&vae, &golden::options(), &Unattended).err().unwrap().to_string().contains("is no upscaler")
    );
    for name in ["old-4x", "compact-4x", "bsrgan-4x"] {
        let path = file(folder.path(), &build(&case(name)));
        let text = Model::load(&path, &golden::options(), &Unattended).err().unwrap().to_string();
        assert!(text.contains("an upscaler (use `underpaint upscale` for it)"), "{text}");
    }
}

#[test]
fn the_smallest_pictures_are_enlarged_too() {
    let folder = tempfile::tempdir().unwrap();
    for (name, scale) in [("old-4x", 4), ("fold-2x", 2), ("fold-1x", 1), ("compact-2x", 2)] {
        let network = load(folder.path(), name);
        for (w, h) in [(1, 1), (1, 3), (2, 1), (5, 6)] {
            let made = network.upscale(&study(w, h), None, &Unattended).unwrap();
            assert_eq!(made.extent(), Extent::new(w * scale, h * scale), "{name}");
        }
    }
}

/// Tensors lost, renamed, reshaped, given twice: read or refused, and what was read computes or says why not.
#[test]
fn mutated_files_are_read_or_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("mutated.safetensors");
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut read, mut refused) = (0, 0);
    for name in ["old-4x", "plus-4x", "fold-1x", "bsrgan-4x", "compact-4x", "grey-2x"] {
        let whole = build(&case(name));
        for _ in 0..60 {
            let mut tensors = whole.clone();
            for _ in 0..1 + random(2) {
                let at = random(tensors.len());
                let name = tensors.keys().nth(at).unwrap().clone();
                let (dtype, mut shape, bytes) = tensors[&name].clone();
                match random(4) {
                    0 => drop(tensors.remove(&name)),
                    1 => {
                        let digit = ["0", "1", "7", "18446744073709551615"][random(4)];
                        let other = name.replacen(|c: char| c.is_ascii_digit(), digit, 1);
                        tensors.insert(other, (dtype, shape, bytes));
                    }
                    2 => {
                        let dimension = random(shape.len());
                        shape[dimension] = [0, 1, 2, 3, 12, 48][random(6)];
                        let bytes = vec![0; shape.iter().product::<usize>() * 2];
                        tensors.insert(name, (dtype, shape, bytes));
                    }
                    _ => {
                        shape.reverse();
                        tensors.insert(name, (dtype, shape, bytes));
                    }
                }
            }
            golden::write(&path, &tensors);
            match Upscaler::load(&path, &golden::options(), &Unattended) {
                Ok(network) => {
                    read += 1;
                    let scale = network.facts().scale;
                    if let Ok(made) = network.upscale(&study(3, 2), None, &Unattended) {
                        assert_eq!(made.extent(), Extent::new(3 * scale, 2 * scale));
                    }
                }
                Err(error) => {
                    refused += 1;
                    let text = error.to_string();
                    assert!(text.contains("mutated.safetensors") && !text.contains('\n'), "{text}");
                }
            }
        }
    }
    println!("{read} read, {refused} refused");
    assert!(refused > 100, "most of them are broken");
}
