//! Depth estimators against transformers: the network alone, whole pictures, both namings of files, and what must be refused
//! (`tests/reference/depth.py`).

mod golden;

use candle_core::{Device, Tensor};
use golden::{Golden, Models};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use underpaint_engine::{ControlModel, DepthEstimator, EngineError, inspect_control};
use underpaint_plan::ControlKind;
use underpaint_raster::{Extent, Image, Job, Stage, Unattended};

/// Largest relative L2 difference of a depth map.
const RELATIVE: f64 = 1e-3;
/// Largest difference of a picture, in steps of 255: one for what either side rounds, one for a pixel of the input a step apart.
const LEVELS: f32 = 2.0;

impl Models {
    /// The model as transformers' folder.
    fn path(&self, name: &str) -> PathBuf {
        self.configured(name, |_| {})
    }

    /// The same with another configuration.
    fn configured(&self, name: &str, change: impl Fn(&mut Value)) -> PathBuf {
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        let mut config = self.rows[name]["config"].clone();
        change(&mut config);
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
        golden::write(&folder.join("model.safetensors"), &self.tensors(name, false));
        folder
    }
}

fn load(path: &Path) -> DepthEstimator {
    DepthEstimator::load(path, &golden::options(), &Unattended).unwrap()
}

/// The picture of `tests/reference/depth.py`.
fn picture(w: u32, h: u32) -> Image {
    let (w, h) = (i64::from(w), i64::from(h));
    let pixel = |i: i64| {
        let (x, y) = (i % w, i / w);
        let disc = (x - w / 3).pow(2) + (y - h / 2).pow(2) < (w.min(h) / 3).pow(2);
        let rgb = [x * 255 / w, if disc { 230 } else { y * 255 / h }, x * y % 90 + 80];
        [rgb[0] as f32 / 255.0, rgb[1] as f32 / 255.0, rgb[2] as f32 / 255.0, 1.0]
    };
    Image::from_data(Extent::new(w as u32, h as u32), (0..w * h).flat_map(pixel).collect())
}

/// Bytes `[3, H, W]` as the network is given them.
fn normalised((shape, bytes): (Vec<usize>, Vec<f32>)) -> Tensor {
    let area = shape[1] * shape[2];
    let (mean, deviation) = ([0.485, 0.456, 0.406], [0.229, 0.224, 0.225]);
    let value = |(i, v): (usize, &f32)| ((f64::from(*v) / 255.0 - mean[i / area]) / deviation[i / area]) as f32;
    let values: Vec<f32> = bytes.iter().enumerate().map(value).collect();
    Tensor::from_vec(values, (1, 3, shape[1], shape[2]), &Device::Cpu).unwrap()
}

fn relative(ours: &[f32], theirs: &[f32]) -> f64 {
    let square = |v: f64| v * v;
    let apart: f64 = ours.iter().zip(theirs).map(|(a, b)| square(f64::from(a - b))).sum();
    (apart / theirs.iter().map(|v| square(f64::from(*v))).sum::<f64>()).sqrt()
}

#[test]
fn depths_are_those_of_transformers() {
    let (models, golden) = (Models::of("depth-models.json"), Golden::of("depth.safetensors"));
    for row in golden::table("pictures-depth.json") {
        let (name, model) = (row["name"].as_str().unwrap(), row["model"].as_str().unwrap());
        let [w, h] = ["width", "height"].map(|side| row[side].as_u64().unwrap() as u32);
        let image = picture(w, h);
        let mut paths = vec![models.path(model)];
        if model == "lone" {
            paths.extend([models.file(model, false), models.file(model, true)]);
        }
        for path in paths {
            let estimator = load(&path);
            if w * h < 7000 {
                let pixels = normalised(golden.get(&format!("bytes.{w}x{h}")));
                // One step of 255 where the two filters round apart.
                golden::close("pixels", &estimator.prepare(&image).unwrap(), &pixels, 1.001 / 255.0 / 0.22);
                let (shape, theirs) = golden.get(&format!("{name}.depth"));
                let ours = estimator.depth(&pixels, &Unattended).unwrap();
                assert_eq!(ours.dims(), shape);
                let apart = relative(&ours.flatten_all().unwrap().to_vec1().unwrap(), &theirs);
                println!("{name}: {apart:.1e}");
                assert!(apart <= RELATIVE, "{name} is {apart} from transformers' depth");
            }
            let made = estimator.estimate(&image, &Unattended).unwrap();
            assert_eq!(made.extent(), image.extent());
            let (_, theirs) = golden.get(&format!("{name}.picture"));
            let ours: Vec<f32> = made.data().chunks_exact(4).map(|p| (p[0] * 255.0).floor()).collect();
            let apart = ours.iter().zip(&theirs).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{name}: {apart} levels");
            assert!(apart <= LEVELS, "{name} is {apart} levels from transformers' picture");
            assert!(made.data().chunks_exact(4).all(|p| p[0] == p[1] && p[1] == p[2] && p[3] == 1.0));
        }
    }
}

#[test]
fn files_say_what_they_are() {
    let models = Models::of("depth-models.json");
    for path in [models.path("small"), models.file("small", false), models.file("lone", true)] {
        let facts = inspect_control(&path).unwrap().unwrap();
        assert_eq!((facts.kind, facts.family), (ControlKind::Depth, None), "{}", path.display());
    }
    let error = ControlModel::load(&models.path("small"), None, &golden::options(), &Unattended).err().unwrap();
    assert!(error.to_string().contains("a depth estimator, which makes pictures to steer by"), "{error}");
}

#[test]
fn broken_and_foreign_estimators_are_refused_in_a_sentence() {
    let models = Models::of("depth-models.json");
    let refused = |path: &Path, part: &str| {
        let error = DepthEstimator::load(path, &golden::options(), &Unattended).err().expect("must fail");
        let text = error.to_string();
        assert!(text.contains(part) && !text.contains('\n'), "{text} does not say {part}");
    };
    let path = models.folder.path().join("broken.safetensors");
    let zeros = |shape: &[usize]| ("F16".to_owned(), shape.to_vec(), vec![0; 2 * shape.iter().product::<usize>()]);
    let positions = "backbone.embeddings.position_embeddings";
    for (name, shape, part) in [
        ("head.conv3.bias", None, "head.conv3.bias is missing"),
        ("backbone.encoder.layer.3.layer_scale2.lambda1", None, "lambda1 is missing"),
        (positions, Some(&[1, 27, 128][..]), "has 27 rows; one and the square of 1 to 64 are needed"),
        (positions, Some(&[1, 1, 128]), "has 1 rows"),
        (positions, Some(&[1, 4226, 128]), "has 4226 rows"),
        (positions, Some(&[26, 128]), "3 dimensions are needed"),
        ("backbone.embeddings.patch_embeddings.projection.weight", Some(&[128, 4, 14, 14]), "3 colours"),
        ("backbone.embeddings.patch_embeddings.projection.weight", Some(&[100, 3, 2, 2]), "no heads of 64"),
        ("backbone.embeddings.patch_embeddings.projection.weight", Some(&[64, 3, 14, 14]), "is needed"),
        ("backbone.encoder.layer.0.attention.attention.key.weight", Some(&[64, 128]), "[64]"),
        ("backbone.encoder.layer.2.mlp.fc2.weight", Some(&[128, 100]), "do not lead from 128"),
        ("neck.reassemble_stage.layers.0.resize.weight", Some(&[8, 8, 2, 2]), "[8, 8, 4, 4] is needed"),
        ("neck.reassemble_stage.layers.3.resize.weight", Some(&[24, 24, 5, 5]), "has a 5x5 kernel, 3x3 is needed"),
        ("neck.reassemble_stage.layers.1.projection.weight", Some(&[12, 64, 1, 1]), "does not lead from 128"),
        ("neck.convs.2.weight", Some(&[12, 16, 3, 3]), "as many channels as its neighbours"),
        ("neck.fusion_stage.layers.2.residual_layer1.convolution2.weight", Some(&[16, 8, 3, 3]), "as many"),
        ("head.conv3.weight", Some(&[2, 8, 1, 1]), "do not lead from 16 channels to 1"),
        ("head.conv2.weight", Some(&[8, 8, 1, 1]), "has a 1x1 kernel"),
        ("neck.more.weight", Some(&[1]), "tensors of another architecture (the first is neck.more.weight)"),
        ("backbone.encoder.layer.12.norm1.weight", Some(&[128]), "layer.12"),
    ] {
        let mut tensors = models.tensors("lone", false);
        match shape {
            Some(shape) => drop(tensors.insert(name.into(), zeros(shape))),
            None => drop(tensors.remove(name)),
        }
        golden::write(&path, &tensors);
        refused(&path, part);
    }
    let mut fused = models.tensors("lone", true);
    fused.insert("pretrained.blocks.1.attn.qkv.weight".into(), zeros(&[382, 128]));
    golden::write(&path, &fused);
    refused(&path, "cannot be taken apart into 3");
    let mut nan = models.tensors("lone", true);
    nan.get_mut("depth_head.projects.1.weight").unwrap().2[..2].copy_from_slice(&0x7e00u16.to_le_bytes());
    golden::write(&path, &nan);
    refused(&path, "holds values that are not finite");
    let whole = fs::read(models.file("lone", true)).unwrap();
    for length in [whole.len() / 2, 100, 7, 0] {
        fs::write(&path, &whole[..length]).unwrap();
        refused(&path, "broken.safetensors is");
    }
    refused(&models.file("small", false), "are 5; 12 or 24 are known");
    refused(&golden::plain().join("unet"), "is no depth estimator that this version knows");
    refused(&models.folder.path().join("gone.safetensors"), "cannot read");
    type Change = fn(&mut Value);
    let changes: [(&str, Change); 8] = [
        ("heads do not divide", |c| c["backbone_config"]["num_attention_heads"] = 5.into()),
        ("out_indices is [1,2,3], four numbers", |c| c["backbone_config"]["out_indices"] = vec![1, 2, 3].into()),
        ("cannot be read after [1, 2, 3, 9]", |c| c["backbone_config"]["out_indices"] = vec![1, 2, 3, 9].into()),
        ("cannot be read after [0, 2, 3, 4]", |c| c["backbone_config"]["out_indices"] = vec![0, 2, 3, 4].into()),
        ("this version knows dinov2", |c| c["backbone_config"]["model_type"] = "swin".into()),
        ("this version knows relative, metric", |c| c["depth_estimation_type"] = "inverse".into()),
        ("apply_layernorm is false", |c| c["backbone_config"]["apply_layernorm"] = false.into()),
        ("backbone_config must be an object", |c| c["backbone_config"] = "dinov2".into()),
    ];
    for (part, change) in changes {
        refused(&models.configured("small", change), part);
    }
}

/// Tensors dropped, renamed, turned over and exchanged: refused or looked with, never a panic.
#[test]
fn mutated_estimators_are_loaded_or_refused() {
    let models = Models::of("depth-models.json");
    let (folder, image) = (models.path("small"), picture(30, 20));
    let whole = models.tensors("small", false);
    let names: Vec<&String> = whole.keys().collect();
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let (mut refused, mut seen) = (0, 0);
    for _ in 0..150 {
        let mut tensors = whole.clone();
        for _ in 0..1 + random(2) {
            let [a, b] = [0, 1].map(|_| names[random(names.len())]);
            match random(4) {
                0 => drop(tensors.remove(a)),
                1 => drop(tensors.insert(a.clone(), whole[b].clone())),
                2 => drop(tensors.remove(a).and_then(|tensor| tensors.insert(b.clone(), tensor))),
                _ => drop(tensors.get_mut(a).map(|(_, shape, _)| shape.reverse())),
            }
        }
        golden::write(&folder.join("model.safetensors"), &tensors);
        match DepthEstimator::load(&folder, &golden::options(), &Unattended) {
            Err(e) => {
                refused += 1;
                assert!(matches!(e, EngineError::Tensor { .. } | EngineError::NotDepth { .. }), "{e}");
            }
            Ok(estimator) => {
                seen += 1;
                assert_eq!(estimator.estimate(&image, &Unattended).unwrap().extent(), image.extent());
            }
        }
    }
    assert!(refused > 50 && seen > 10, "{refused} refused, {seen} seen");
}

/// Cancels at the `n`th time it is asked.
struct Impatient(AtomicU32);

impl Job for Impatient {
    fn is_cancelled(&self) -> bool {
        self.0.fetch_sub(1, Ordering::Relaxed) <= 1
    }
    fn progress(&self, _: Stage, _: u32, _: u32) {}
}

#[test]
fn an_estimate_can_be_cancelled_between_blocks_and_made_again() {
    let models = Models::of("depth-models.json");
    let (estimator, image) = (load(&models.path("small")), picture(64, 64));
    let whole = estimator.estimate(&image, &Unattended).unwrap();
    // Each of five layers and eight parts of the head.
    for n in 1..=13 {
        let made = estimator.estimate(&image, &Impatient(n.into()));
        assert!(matches!(made, Err(EngineError::Cancelled(_))), "at question {n}");
    }
    assert!(estimator.estimate(&image, &Unattended).unwrap() == whole);
}

#[test]
fn any_picture_has_a_depth() {
    let models = Models::of("depth-models.json");
    let estimator = load(&models.path("small"));
    for (w, h) in [(1, 1), (2000, 1), (1, 900), (700, 20), (0, 0), (3, 0)] {
        let made = estimator.estimate(&picture(w, h), &Unattended).unwrap();
        assert_eq!(made.extent(), Extent::new(w, h));
        assert!(made.data().iter().all(|v| (0.0..=1.0).contains(v)), "{w}x{h}");
    }
}
