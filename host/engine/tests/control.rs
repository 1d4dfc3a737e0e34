//! Control models against diffusers: the modules alone, whole pictures, both namings of files, and what must be refused
//! (`tests/reference/control.py`).

mod golden;

use candle_core::{Device, Tensor};
use golden::{Golden, Models, Tensors, close};
use serde_json::Value;
use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use underpaint_engine::control::features::T2iAdapter;
use underpaint_engine::control::net::{self, ControlNet};
use underpaint_engine::control::vision::{self, Vision};
use underpaint_engine::noise::Noise;
use underpaint_engine::tiles::Tiling;
use underpaint_engine::unet::{Conditions, Residuals};
use underpaint_engine::weights::{Loading, control_file};
use underpaint_engine::{Control, ControlModel, EngineError, Model, Npy, Request, Saved, inspect_control};
use underpaint_plan::{ControlKind, Family, Inpaint, Prepared, Sampler, Sampling, Scheduler, Task};
use underpaint_raster::{Extent, Image, Mask, Rect, Unattended};

/// Largest difference of a module.
const TOLERANCE: f32 = 1e-4;
/// Smallest likeness to diffusers' picture, in dB: a single pixel of the control picture read wrongly costs 20 of 80.
const PSNR: f64 = 70.0;

impl Models {
    /// The model as a folder with its configuration, where it has one.
    fn path(&self, name: &str) -> PathBuf {
        let config = &self.rows[name]["config"];
        if config.is_null() {
            return self.file(name, false);
        }
        let folder = self.folder.path().join(name);
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("config.json"), config.to_string()).unwrap();
        golden::write(&folder.join("diffusion_pytorch_model.safetensors"), &self.tensors(name, false));
        folder
    }

    fn load(&self, path: &Path) -> ControlModel {
        let vision = self.path("vision");
        let adapter = inspect_control(path).unwrap().unwrap().kind == ControlKind::IpAdapter;
        ControlModel::load(path, adapter.then_some(&vision), &golden::options(), &Unattended).unwrap()
    }
}

/// The nearest pixel of each, as Pillow, which adds the step up from pixel to pixel: halfway between two that decides.
fn nearest(image: &Image, to: Extent) -> Image {
    let from = image.extent();
    let places = |from: u32, to: u32| {
        let step = f64::from(from) / f64::from(to);
        std::iter::successors(Some(step * 0.5), move |at| Some(at + step)).map(|at| at as u32)
    };
    let mut out = Image::new(to);
    for (y, row) in (0..to.h).zip(places(from.h, to.h)) {
        for (x, column) in (0..to.w).zip(places(from.w, to.w)) {
            out.set_pixel(x, y, image.pixel(column, row));
        }
    }
    out
}

fn residuals(what: &str, golden: &Golden, ours: &Residuals) {
    for (i, tensor) in ours.skips.iter().chain([&ours.mid]).enumerate() {
        let theirs = golden.tensor(&format!("{what}.{i}"));
        close(&format!("{what}.{i}"), tensor, &theirs, TOLERANCE);
    }
}

#[test]
fn control_nets_agree_with_diffusers() {
    let (models, golden) = (Models::of("control-models.json"), Golden::of("control.safetensors"));
    let colors = golden::picture(&golden, "input.colors").crop(Rect::new(0, 0, 48, 40));
    for (name, data, path, task) in [
        ("net_a", "net_a", models.path("net_a"), 0),
        ("net_a", "net_a", models.file("net_a", false), 0),
        ("net_a", "net_a", models.file("net_a", true), 0),
        ("net_xl", "net_xl", models.path("net_xl"), 0),
        ("union", "net_xl", models.path("union"), 3),
        ("union_pro.6", "net_xl", models.path("union_pro"), 6),
        ("union_pro.7", "net_xl", models.path("union_pro"), 7),
    ] {
        let (_, weights) = control_file::open(&path).unwrap().unwrap();
        let config = net::settings(&weights).unwrap();
        let net = ControlNet::load(&weights.root(&Loading::new(&Device::Cpu, 0, &Unattended)), &config).unwrap();
        assert_eq!(weights.unused(), None, "{name}");
        let part = |part: &str| golden.tensor(&format!("{data}.{part}"));
        let added = (data == "net_xl")
            .then(|| net.added_features(&part("pooled"), &[64.0, 64.0, 0.0, 0.0, 64.0, 64.0]).unwrap().unwrap());
        let conditions = Conditions { context: part("context"), added, regions: None };
        let hint = net.see(&colors, &Device::Cpu).unwrap();
        // Two equal rows, as guidance has them, are each what one is.
        let twice = |t: &Tensor| t.repeat((2, 1, 1)).unwrap();
        let x = part("x");
        residuals(name, &golden, &net.forward(&x, 321.0, &conditions, (&hint, task), &Unattended).unwrap());
        let x = x.repeat((2, 1, 1, 1)).unwrap();
        let added = conditions.added.as_ref().map(|a| a.repeat((2, 1)).unwrap());
        let conditions = Conditions { context: twice(&conditions.context), added, regions: None };
        let both = net.forward(&x, 321.0, &conditions, (&hint, task), &Unattended).unwrap();
        let first = |t: &Tensor| t.narrow(0, 0, 1).unwrap();
        residuals(name, &golden, &Residuals { skips: both.skips.iter().map(first).collect(), mid: first(&both.mid) });
    }
}

#[test]
fn adapters_agree_with_diffusers() {
    let (models, golden) = (Models::of("control-models.json"), Golden::of("control.safetensors"));
    let image = golden::picture(&golden, "input.lines").crop(Rect::new(0, 0, 32, 64));
    for name in ["t2i", "t2i_xl", "t2i_light"] {
        for original in [false, true] {
            let (_, weights) = control_file::open(&models.file(name, original)).unwrap().unwrap();
            let adapter = T2iAdapter::load(&weights.root(&Loading::new(&Device::Cpu, 0, &Unattended))).unwrap();
            assert_eq!(weights.unused(), None, "{name}");
            for (i, feature) in adapter.see(&image, &Device::Cpu).unwrap().iter().enumerate() {
                let what = format!("{name}.{i}");
                close(&what, feature, &golden.tensor(&what), TOLERANCE);
            }
        }
    }
}

#[test]
fn clips_eyes_agree_with_transformers() {
    let (models, golden) = (Models::of("control-models.json"), Golden::of("control.safetensors"));
    for path in [models.path("vision"), models.file("vision", false), models.file("vision", true)] {
        let (_, weights) = control_file::open(&path).unwrap().unwrap();
        let config = vision::settings(&weights).unwrap();
        let eyes = Vision::load(&weights.root(&Loading::new(&Device::Cpu, 0, &Unattended)), &config).unwrap();
        assert_eq!(weights.unused(), None);
        let pixels = golden.tensor("vision.pixels");
        close("whole", &eyes.whole(&pixels).unwrap(), &golden.tensor("vision.whole"), TOLERANCE);
        close("tokens", &eyes.tokens(&pixels).unwrap(), &golden.tensor("vision.tokens"), TOLERANCE);
        // One step of 255 where the two filters round apart.
        let ours = eyes.prepare(&golden::picture(&golden, "vision.small"), &Device::Cpu).unwrap();
        close("pixels", &ours, &pixels, 1.001 / 255.0 / 0.26);
    }
}

fn sampling(row: &Value) -> Sampling {
    let word = |field: &str| row[field].as_str().unwrap();
    let whole = |field: &str| row[field].as_u64().unwrap();
    Sampling {
        sampler: Sampler::ALL.into_iter().find(|s| s.name() == word("sampler")).unwrap(),
        scheduler: Scheduler::ALL.into_iter().find(|s| s.name() == word("scheduler")).unwrap(),
        steps: whole("steps") as u32,
        start_step: whole("start_step") as u32,
        guidance_scale: row["guidance"].as_f64().unwrap(),
        seed: whole("seed"),
        ..golden::sampling()
    }
}

fn paint(model: &mut Model, row: &Value, controls: &[Control<'_>]) -> Result<Image, EngineError> {
    let inputs = Golden::open();
    let (init, mask) = (golden::picture(&inputs, "input.image"), inputs.get("input.mask").1);
    let mask = Mask::from_data(init.extent(), mask);
    let (inpaint, init, mask) = match row["kind"].as_str().unwrap() {
        "txt2img" => (Inpaint::None, None, None),
        "img2img" => (Inpaint::None, Some(init), None),
        _ => (Inpaint::Replace, Some(init), Some(mask)),
    };
    let [w, h] = ["width", "height"].map(|side| row[side].as_u64().unwrap() as u32);
    let sampling = sampling(row);
    let input = Prepared { extent: Extent::new(w, h), init, mask };
    let request = Request {
        prompt: "a photo of a cat",
        negative_prompt: Some("blurry, ugly"),
        controls,
        inpaint,
        ..golden::request(&sampling, &input)
    };
    model.generate(request, &Unattended).map(|mut images| images.remove(0))
}

#[test]
fn controlled_pictures_are_those_of_diffusers() {
    let (models, golden) = (Models::of("control-models.json"), Golden::of("control.safetensors"));
    let load = |path: &Path| Model::load(path, &golden::options(), &Unattended).unwrap();
    let at = models.folder.path();
    let mut denoisers = BTreeMap::from([
        ("sd", load(&golden::plain())),
        ("sd2", load(&golden::sd2(at))),
        ("sdxl", load(&golden::sdxl(at))),
    ]);
    let rows = golden::table("pictures-control.json");
    let used = rows.iter().flat_map(|row| row["controls"].as_array().unwrap());
    let names: std::collections::BTreeSet<_> = used.map(|control| control[0].as_str().unwrap()).collect();
    let loaded: BTreeMap<_, _> = names.into_iter().map(|name| (name, models.load(&models.path(name)))).collect();
    let pictures = ["lines", "colors"].map(|name| (name, golden::picture(&golden, &format!("input.{name}"))));
    let pictures = BTreeMap::from(pictures);
    for row in &rows {
        let name = row["name"].as_str().unwrap();
        let [w, h] = ["width", "height"].map(|side| row[side].as_u64().unwrap() as u32);
        let asked = row["controls"].as_array().unwrap();
        let given = asked.iter().map(|c| {
            let picture = &pictures[c[1].as_str().unwrap()];
            // Only an IP-Adapter takes a picture of any size.
            let free = loaded[c[0].as_str().unwrap()].facts().kind == ControlKind::IpAdapter;
            if free { picture.clone() } else { nearest(picture, Extent::new(w, h)) }
        });
        let given: Vec<Image> = given.collect();
        let controls = asked.iter().zip(&given).map(|(c, image)| Control {
            model: &loaded[c[0].as_str().unwrap()],
            image,
            task: c.get(5).map(|t| Task::ALL[t.as_u64().unwrap() as usize]),
            weight: c[2].as_f64().unwrap(),
            start: c[3].as_f64().unwrap(),
            end: c[4].as_f64().unwrap(),
        });
        let controls: Vec<_> = controls.collect();
        let model = denoisers.get_mut(row["model"].as_str().unwrap()).unwrap();
        let ours = paint(model, row, &controls).unwrap();
        let psnr = golden::psnr(&ours, &golden.get(&format!("picture.{name}")).1);
        println!("{name}: {psnr:.1} dB");
        assert!(psnr >= PSNR, "{name} is {psnr:.1} dB from diffusers' picture, at least {PSNR} are needed");
    }
}

#[test]
fn files_say_what_they_are() {
    let models = Models::of("control-models.json");
    for (name, kind, family, tasks) in [
        ("net_a", ControlKind::ControlNet, None, 0),
        ("net_xl", ControlKind::ControlNet, Some(Family::Sdxl), 0),
        ("union", ControlKind::Union, Some(Family::Sdxl), 6),
        ("union_pro", ControlKind::Union, Some(Family::Sdxl), 8),
        ("t2i", ControlKind::T2iAdapter, Some(Family::Sd15), 0),
        ("t2i_light", ControlKind::T2iAdapter, Some(Family::Sd15), 0),
        ("t2i_xl", ControlKind::T2iAdapter, Some(Family::Sdxl), 0),
        ("ip", ControlKind::IpAdapter, None, 0),
        ("vision", ControlKind::ImageEncoder, None, 0),
    ] {
        for path in [models.path(name), models.file(name, false), models.file(name, true)] {
            let facts = inspect_control(&path).unwrap().unwrap();
            assert_eq!((facts.kind, facts.family, facts.tasks), (kind, family, tasks), "{}", path.display());
        }
    }
    let facts = |name: &str| inspect_control(&models.path(name)).unwrap().unwrap();
    let vision = facts("vision");
    assert!(facts("ip").sees_through(&vision) && facts("ip_plus").sees_through(&vision));
    assert!(!facts("ip").sees_through(&facts("net_a")));
    assert_eq!(inspect_control(&golden::plain().join("unet")).unwrap(), None);
}

#[test]
fn broken_and_foreign_controls_are_refused_in_a_sentence() {
    let models = Models::of("control-models.json");
    let path = models.folder.path().join("broken.safetensors");
    type Change = fn(&mut Tensors);
    let halves = |value: u16, count: usize| value.to_le_bytes().repeat(count);
    let cases: [(&str, &str, Change); 15] = [
        ("net_a", "controlnet_mid_block.weight is missing", |t| drop(t.remove("controlnet_mid_block.weight"))),
        ("net_a", "controlnet_down_blocks.5.weight has shape [4], 4 dimensions are needed", |t| {
            t.insert("controlnet_down_blocks.5.weight".into(), ("F16".into(), vec![4], vec![0; 8]));
        }),
        ("net_a", "does not lead from 32 channels to as many", |t| {
            t.insert("controlnet_down_blocks.0.weight".into(), ("F16".into(), vec![8, 32, 1, 1], vec![0; 512]));
            t.insert("controlnet_down_blocks.0.bias".into(), ("F16".into(), vec![8], vec![0; 16]));
        }),
        ("net_a", "does not lead from a picture of 3 channels", |t| {
            let name = "controlnet_cond_embedding.conv_in.weight";
            t.insert(name.into(), ("F16".into(), vec![8, 4, 3, 3], vec![0; 576]));
        }),
        ("net_a", "holds values that are not finite", |t| {
            t.get_mut("conv_in.weight").unwrap().2[..2].copy_from_slice(&0x7e00u16.to_le_bytes());
        }),
        ("net_a", "with tensors of another architecture (the first is class_embedding.weight)", |t| {
            t.insert("class_embedding.weight".into(), ("F16".into(), vec![1], vec![0; 2]));
        }),
        ("union", "task_embedding is 3 wide, the first layer 16", |t| {
            t.insert("task_embedding".into(), ("F16".into(), vec![6, 3], vec![0; 36]));
        }),
        ("t2i", "takes 65 channels", |t| {
            t.insert("adapter.conv_in.weight".into(), ("F16".into(), vec![32, 65, 3, 3], vec![0; 37440]));
        }),
        ("t2i_light", "body.0.in_conv.weight takes 65 channels", |t| {
            t.insert("adapter.body.0.in_conv.weight".into(), ("F16".into(), vec![8, 65, 1, 1], vec![0; 1040]));
        }),
        ("t2i_light", "body.1.out_conv.weight does not take 8 channels", |t| {
            t.insert("adapter.body.1.out_conv.weight".into(), ("F16".into(), vec![32, 9, 1, 1], vec![0; 576]));
        }),
        ("t2i_light", "in_conv.bias is missing", |t| drop(t.remove("adapter.body.2.in_conv.bias"))),
        ("ip", "takes 10 features, the image encoder gives 24", |t| {
            t.insert("image_proj.proj.weight".into(), ("F16".into(), vec![64, 10], vec![0; 1280]));
        }),
        ("ip", "to_v_ip.weight is missing", |t| drop(t.remove("ip_adapter.1.to_v_ip.weight"))),
        ("ip", "FaceID", |t| {
            t.insert("ip_adapter.0.to_q_lora.down.weight".into(), ("F16".into(), vec![1], vec![0; 2]));
        }),
        ("ip_plus", "do not make heads 64 wide", |t| {
            t.insert("image_proj.layers.0.0.to_q.weight".into(), ("F16".into(), vec![60, 32], vec![0; 3840]));
        }),
    ];
    let vision = models.path("vision");
    let refused = |path: &Path, encoder: Option<&Path>, part: &str| {
        let error = ControlModel::load(path, encoder, &golden::options(), &Unattended).err().expect("must fail");
        let text = error.to_string();
        assert!(text.contains(part) && !text.contains('\n'), "{text} does not say {part}");
    };
    for (name, part, change) in cases {
        let mut tensors = models.tensors(name, false);
        change(&mut tensors);
        golden::write(&path, &tensors);
        refused(&path, Some(&vision), part);
    }
    let whole = fs::read(models.file("net_a", true)).unwrap();
    fs::write(&path, &whole[..whole.len() / 2]).unwrap();
    refused(&path, None, "damaged");
    fs::write(&path, &whole[..100]).unwrap();
    refused(&path, None, "damaged");
    let mut difference = models.tensors("net_a", true);
    difference.insert("difference".into(), ("F16".into(), vec![], vec![0; 2]));
    golden::write(&path, &difference);
    refused(&path, None, "stored as its difference");
    difference.insert("lora_controlnet".into(), difference["difference"].clone());
    difference.remove("difference");
    golden::write(&path, &difference);
    refused(&path, None, "a Control-LoRA");
    refused(&models.folder.path().join("gone.safetensors"), None, "cannot read");
    refused(&golden::plain().join("unet"), None, "is no control model");
    refused(&vision, None, "an image encoder, through which an IP-Adapter looks");
    refused(&models.path("ip"), None, "needs CLIP's image encoder");
    refused(&models.path("ip"), Some(&models.path("net_a")), "is a ControlNet, where an image encoder is needed");
    let mut blind = models.tensors("vision", true);
    blind.insert(
        "vision_model.embeddings.position_embedding.weight".into(),
        ("F16".into(), vec![4, 32], halves(0, 128)),
    );
    golden::write(&path, &blind);
    refused(&models.path("ip"), Some(&path), "has 4 rows, no square and one");
}

#[test]
fn controls_that_do_not_fit_are_refused_and_leave_the_model_usable() {
    let (models, golden) = (Models::of("control-models.json"), Golden::of("control.safetensors"));
    let mut model = Model::load(&golden::plain(), &golden::options(), &Unattended).unwrap();
    let mut xl = Model::load(&golden::sdxl(models.folder.path()), &golden::options(), &Unattended).unwrap();
    let rows = golden::table("pictures-control.json");
    let row = |name: &str| rows.iter().find(|row| row["name"] == name).unwrap();
    let image = nearest(&golden::picture(&golden, "input.lines"), Extent::new(48, 40));
    let other = golden::picture(&golden, "input.lines");
    let before = paint(&mut model, row("none"), &[]).unwrap();
    let names = ["net_a", "net_xl", "union", "union_pro", "t2i", "t2i_light", "t2i_xl", "ip", "ip_xl"];
    let loaded: BTreeMap<_, _> = names.iter().map(|name| (*name, models.load(&models.path(name)))).collect();
    let steered =
        |name: &str| Control { model: &loaded[name], image: &image, task: None, weight: 1.0, start: 0.0, end: 1.0 };
    for (on_xl, control, part) in [
        (false, steered("net_xl"), "a ControlNet made for Stable Diffusion XL, the model is of Stable Diffusion 1.x"),
        (true, steered("net_a"), "a ControlNet made for other widths than the model has"),
        (false, steered("t2i_xl"), "a T2I-Adapter made for Stable Diffusion XL, the model is of Stable Diffusion 1.x"),
        (true, steered("t2i"), "a T2I-Adapter made for Stable Diffusion 1.x, the model is of Stable Diffusion XL"),
        (true, steered("ip"), "an IP-Adapter made for other widths"),
        (false, steered("ip_xl"), "an IP-Adapter made for other widths"),
        (true, steered("union"), "union needs a kind; it knows pose, depth, soft_edge, line, normal, segmentation"),
        (true, Control { task: Some(Task::Tile), ..steered("union") }, "union knows no tile"),
        (true, steered("union_pro"), "it knows pose, depth, soft_edge, line, normal, segmentation, tile, repaint"),
        (
            true,
            steered("t2i_light"),
            "a T2I-Adapter made for Stable Diffusion 1.x, the model is of Stable Diffusion XL",
        ),
        (
            false,
            Control { image: &other, ..steered("net_a") },
            "have a picture of 64x64; it must have the size painted, 48x40",
        ),
        (false, Control { weight: f64::NAN, ..steered("net_a") }, "have weight NaN"),
    ] {
        let (denoiser, name) = if on_xl { (&mut xl, "xl.none") } else { (&mut model, "none") };
        let text = paint(denoiser, row(name), &[control]).unwrap_err().to_string();
        assert!(text.starts_with("controls ") && text.contains(part), "{text} does not say {part}");
    }
    // Nothing of a control that says nothing, and nothing is left of one that did.
    for control in [
        Control { weight: 0.0, ..steered("net_a") },
        Control { start: 0.9, end: 1.0, ..steered("net_a") },
        Control { weight: 0.0, ..steered("ip") },
    ] {
        assert!(paint(&mut model, row("none"), &[control]).unwrap() == before);
    }
    assert!(paint(&mut model, row("none"), &[steered("net_a")]).unwrap() != before);
    assert!(paint(&mut model, row("none"), &[]).unwrap() == before);
}

#[test]
fn a_strip_is_shown_to_clip_as_its_middle() {
    let models = Models::of("control-models.json");
    let (_, weights) = control_file::open(&models.path("vision")).unwrap().unwrap();
    let config = vision::settings(&weights).unwrap();
    let eyes = Vision::load(&weights.root(&Loading::new(&Device::Cpu, 0, &Unattended)), &config).unwrap();
    for (w, h) in [(1, 1), (16384, 1), (1, 9000), (33, 32)] {
        let image = Image::from_data(Extent::new(w, h), [0.5, 0.5, 0.5, 1.0].repeat((w * h) as usize));
        let pixels = eyes.prepare(&image, &Device::Cpu).unwrap();
        let values = pixels.narrow(1, 0, 1).unwrap().flatten_all().unwrap().to_vec1::<f32>().unwrap();
        // 128 of 255, by CLIP's mean and deviation of red.
        let flat = ((128.0 / 255.0 - 0.48145466) / 0.26862954) as f32;
        assert!(values.iter().all(|v| (v - flat).abs() < 1e-5), "{w}x{h}");
    }
}

#[test]
fn a_tile_is_steered_as_a_picture_of_its_own() {
    let (models, golden) = (Models::of("control-models.json"), Golden::of("control.safetensors"));
    let mut model = Model::load(&golden::plain(), &golden::options(), &Unattended).unwrap();
    let rows = golden::table("pictures-control.json");
    let row = rows.iter().find(|row| row["name"] == "net").unwrap();
    let loaded = ["net_a", "t2i", "ip"].map(|name| models.load(&models.path(name)));
    let wide = nearest(&golden::picture(&golden, "input.lines"), Extent::new(96, 40));
    let noise = Noise::new(3).randn(4 * 5 * 12);
    let mut latents = |part: Rect, noise: Vec<f32>, tiling: Tiling| {
        let shown = wide.crop(part);
        let controls = loaded.each_ref().map(|model| Control {
            model,
            // What an IP-Adapter is shown has no place.
            image: if model.facts().kind == ControlKind::IpAdapter { &wide } else { &shown },
            task: None,
            weight: 0.5,
            start: 0.0,
            end: 1.0,
        });
        let mut saved = Saved::default();
        let sampling = sampling(row);
        let input = Prepared { extent: part.extent(), init: None, mask: None };
        let request = Request {
            prompt: "a photo of a cat",
            negative_prompt: Some("blurry, ugly"),
            controls: &controls,
            noise: Some(&Npy { shape: vec![1, 4, 5, part.w as usize / 8], data: noise }),
            save: Some(&mut saved),
            ..golden::request(&sampling, &input)
        };
        model.generate_in_tiles(request, tiling, &Unattended).unwrap();
        Tensor::from_vec(saved.latents.data, saved.latents.shape, &Device::Cpu).unwrap()
    };
    let half = |i: usize| noise.chunks_exact(12).flat_map(|row| row[6 * i..][..6].to_vec()).collect::<Vec<_>>();
    let both = latents(Rect::new(0, 0, 96, 40), noise.clone(), Tiling { tile: 6, overlap: 0 });
    let [left, right] = [0, 1].map(|i| latents(Rect::new(48 * i as i32, 0, 48, 40), half(i), Tiling::WHOLE));
    close("left", &both.narrow(3, 0, 6).unwrap(), &left, TOLERANCE);
    close("right", &both.narrow(3, 6, 6).unwrap(), &right, TOLERANCE);
}
