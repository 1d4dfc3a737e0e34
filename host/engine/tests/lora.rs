//! LoRAs of every kind and dialect against diffusers, PEFT and LyCORIS, and what must hold without a reference: nothing stays behind,
//! nothing is reloaded, nothing that does not fit is applied.

mod golden;

use golden::{Golden, Tensors};
use serde_json::Value;
use std::fs;
use std::path::{Path, PathBuf};
use underpaint_engine::lora::{self, Base};
use underpaint_engine::{EngineError, LoraUse, Model, Request, Saved};
use underpaint_plan::{Prepared, Sampling};
use underpaint_raster::{Extent, Image, Job, Stage, Unattended};

/// Smallest likeness to the reference's picture, in dB.
const PSNR: f64 = 50.0;
/// Largest distance of the final latents, relative to their length.
const LATENTS: f64 = 1e-3;

fn folder() -> PathBuf {
    golden::folder().join("lora")
}

fn load(path: &Path) -> Model {
    Model::load(path, &golden::options(), &Unattended).unwrap()
}

/// The picture every row is about, and its latents.
fn paint(model: &mut Model) -> Result<(Image, Vec<f32>), EngineError> {
    let sampling = Sampling { steps: 4, ..golden::sampling() };
    let input = Prepared { extent: Extent::new(32, 24), init: None, mask: None };
    let mut saved = Saved::default();
    let request = Request {
        prompt: "a photo of a cat",
        negative_prompt: Some("blurry, ugly"),
        save: Some(&mut saved),
        ..golden::request(&sampling, &input)
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
        let alike = golden::psnr(&image, &golden.get(&format!("picture.{name}")).1);
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

/// A LoRA file with `change` made to its tensors.
fn changed(from: &str, at: &Path, change: impl FnOnce(&mut Tensors)) -> PathBuf {
    let mut tensors = golden::read(&folder().join(from));
    change(&mut tensors);
    golden::write(at, &tensors);
    at.to_owned()
}

fn halves(values: &[f32]) -> Vec<u8> {
    values.iter().flat_map(|v| half::f16::from_f32(*v).to_le_bytes()).collect()
}

#[test]
fn what_does_not_fit_is_refused_in_a_sentence_and_changes_nothing() {
    const UP: &str = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_up.weight";
    const DOWN: &str = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight";
    const ALPHA: &str = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.alpha";
    const LOKR: &str = "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lokr_w1";
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("broken.safetensors");
    let mut model = load(&golden::plain());
    let before = paint(&mut model).unwrap();
    type Change = Box<dyn FnOnce(&mut Tensors)>;
    let tensor = |shape: &[usize]| ("F16".to_owned(), shape.to_vec(), vec![0; 2 * shape.iter().product::<usize>()]);
    let cases: Vec<(&str, &str, Change)> = vec![
        (
            "kohya.safetensors",
            "(the first: lora_unet_x.alpha)",
            Box::new(|t| drop(t.insert("lora_unet_x.alpha".into(), ("F32".into(), vec![], vec![0; 4])))),
        ),
        (
            "kohya.safetensors",
            "is not wholly for this model: 3 of 33 keys do not fit",
            Box::new(|t| {
                for end in ["lora_up.weight", "lora_down.weight", "alpha"] {
                    let (old, new) = (
                        UP.replace("lora_up.weight", end),
                        format!("lora_unet_down_blocks_9_attentions_0_proj_in.{end}"),
                    );
                    let kept = t.remove(&old).unwrap();
                    t.insert(new, kept);
                }
            }),
        ),
        (
            "kohya.safetensors",
            "1 of 34 keys do not fit (the first: x.oft_blocks)",
            Box::new(move |t| drop(t.insert("x.oft_blocks".into(), tensor(&[1])))),
        ),
        (
            "kohya.safetensors",
            "is broken: lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn1_to_q.lora_down.weight has no lora_up.weight beside it",
            Box::new(|t| drop(t.remove(UP))),
        ),
        (
            "kohya.safetensors",
            "has shape [31, 2]; [32, 2] would fit the layer",
            Box::new(move |t| drop(t.insert(UP.into(), tensor(&[31, 2])))),
        ),
        (
            "kohya.safetensors",
            "has rank 0; 1 to 4096 is possible",
            Box::new(move |t| {
                t.insert(UP.into(), tensor(&[32, 0]));
                t.insert(DOWN.into(), tensor(&[0, 32]));
            }),
        ),
        (
            "kohya.safetensors",
            "has rank 5000; 1 to 4096 is possible",
            Box::new(move |t| {
                t.insert(UP.into(), tensor(&[32, 5000]));
                t.insert(DOWN.into(), tensor(&[5000, 32]));
            }),
        ),
        (
            "kohya.safetensors",
            "lora_mid.weight belongs to a convolution, which this layer is not",
            Box::new(move |t| drop(t.insert(UP.replace("up", "mid"), tensor(&[2, 2, 3, 3])))),
        ),
        (
            "kohya.safetensors",
            "hada_w1_a has no hada_w1_b beside it",
            Box::new(move |t| drop(t.insert("lora_unet_conv_in.hada_w1_a".into(), tensor(&[32, 2])))),
        ),
        (
            "kohya.safetensors",
            "does not belong to what else this layer has",
            Box::new(move |t| drop(t.insert(UP.replace("lora_up.weight", "diff"), tensor(&[32, 32])))),
        ),
        (
            "kohya.safetensors",
            "dora_scale has shape [33, 1]; [32] would fit the layer",
            Box::new(move |t| drop(t.insert(UP.replace("lora_up.weight", "dora_scale"), tensor(&[33, 1])))),
        ),
        (
            "kohya.safetensors",
            "alpha has shape [2]; [1] would fit the layer",
            Box::new(move |t| drop(t.insert(ALPHA.into(), tensor(&[2])))),
        ),
        (
            "kohya.safetensors",
            "alpha holds values that are not finite",
            Box::new(|t| t.get_mut(ALPHA).unwrap().2 = halves(&[f32::NAN])),
        ),
        (
            "kohya.safetensors",
            "lora_up.weight holds values that are not finite",
            Box::new(|t| t.get_mut(UP).unwrap().2 = halves(&[f32::INFINITY; 64])),
        ),
        (
            "kohya.safetensors",
            "infinite: its values are too large",
            Box::new(|t| {
                t.insert(
                    UP.into(),
                    ("F32".into(), vec![32, 2], [f32::MAX; 64].iter().flat_map(|v| v.to_le_bytes()).collect()),
                );
                t.get_mut(DOWN).unwrap().2 = halves(&[60000.0; 64]);
            }),
        ),
        (
            "kohya.safetensors",
            "is stored as U8",
            Box::new(|t| drop(t.insert(UP.into(), ("U8".into(), vec![32, 2], vec![0; 64])))),
        ),
        (
            "lokr.safetensors",
            "lokr_w1 has a side of 5, which does not divide the layer's 32",
            Box::new(move |t| drop(t.insert(LOKR.into(), tensor(&[5, 4])))),
        ),
        (
            "lokr.safetensors",
            "lokr_w1 has too few dimensions",
            Box::new(move |t| drop(t.insert(LOKR.into(), tensor(&[4])))),
        ),
        (
            "kohya.safetensors",
            "is not a LoRA: none of its tensors is one's (the first is conv_in.weight)",
            Box::new(move |t| {
                t.clear();
                t.insert("conv_in.weight".into(), tensor(&[1]));
            }),
        ),
        ("kohya.safetensors", "is not a LoRA: it has no tensors", Box::new(|t| t.clear())),
        (
            "kohya.safetensors",
            "is a LoRA for SDXL, which this model is not: 2 of 2 keys do not fit",
            Box::new(move |t| {
                t.clear();
                t.insert(
                    "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_A.weight".into(),
                    tensor(&[4, 2048]),
                );
                t.insert(
                    "unet.down_blocks.0.attentions.0.transformer_blocks.0.attn2.to_k.lora_B.weight".into(),
                    tensor(&[640, 4]),
                );
            }),
        ),
        (
            "kohya.safetensors",
            "is a LoRA for another model than this one: 2 of 2 keys do not fit",
            Box::new(move |t| {
                t.clear();
                t.insert("lora_unet_conv_in.lora_down.weight".into(), tensor(&[4, 5, 3, 3]));
                t.insert("lora_unet_conv_in.lora_up.weight".into(), tensor(&[320, 4, 1, 1]));
            }),
        ),
    ];
    for (from, part, change) in cases {
        let path = changed(from, &path, change);
        let files = [(folder().join("loha.safetensors"), 0.5, 0.5), (path.clone(), 1.0, 1.0)];
        let text = model.set_loras(&uses(&files), &Unattended).expect_err(part).to_string();
        assert!(
            text.contains(part) && text.starts_with(&*path.to_string_lossy()) && !text.contains('\n'),
            "{text} does not say {part}"
        );
    }
    let whole = fs::read(folder().join("kohya.safetensors")).unwrap();
    for length in [0, 7, 100, whole.len() / 2, whole.len() - 1] {
        fs::write(&path, &whole[..length]).unwrap();
        model.set_loras(&uses(&[(path.clone(), 1.0, 1.0)]), &Unattended).unwrap_err();
    }
    // What was noticed late left a model that does not paint; the next call puts it right.
    model.set_loras(&[], &Unattended).unwrap();
    assert!(paint(&mut model).unwrap() == before);
}

/// Cancels at a step, and keeps the steps it was told.
#[derive(Default)]
struct Steps {
    at: Option<u32>,
    told: std::sync::Mutex<Vec<[u32; 2]>>,
}

impl Job for Steps {
    fn is_cancelled(&self) -> bool {
        self.at.is_some_and(|at| self.told.lock().unwrap().len() as u32 > at)
    }
    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        assert_eq!(stage, Stage::Load);
        self.told.lock().unwrap().push([step, steps]);
    }
}

#[test]
fn only_what_changes_is_touched() {
    let mut model = load(&golden::plain());
    let [kohya, loha] = ["kohya.safetensors", "loha.safetensors"].map(|f| folder().join(f));
    // Layers: eleven of the one, ten of the other, eight in common.
    for (files, layers) in [
        (vec![(kohya.clone(), 0.5, 0.5)], 11),
        (vec![(kohya.clone(), 0.5, 0.5)], 0),
        (vec![(kohya.clone(), 0.5, 0.2)], 3),
        (vec![(kohya.clone(), 0.5, 0.2), (loha.clone(), 0.1, 0.0)], 7),
        (vec![(loha.clone(), 0.1, 0.0)], 11),
        (vec![(loha.clone(), 0.0, 0.0), (kohya.clone(), 0.0, 0.0)], 7),
        (vec![], 0),
    ] {
        let job = Steps::default();
        model.set_loras(&uses(&files), &job).unwrap();
        let expected: Vec<[u32; 2]> = (0..=layers).filter(|_| layers > 0).map(|i| [i, layers]).collect();
        assert_eq!(*job.told.lock().unwrap(), expected, "{files:?}");
    }
}

#[test]
fn a_change_that_is_broken_off_is_finished_or_undone_by_the_next() {
    let mut model = load(&golden::plain());
    let plain = paint(&mut model).unwrap();
    let files = [(folder().join("kohya.safetensors"), 0.8, 0.8)];
    model.set_loras(&uses(&files), &Unattended).unwrap();
    let wanted = paint(&mut model).unwrap();
    for at in [0, 5, 10] {
        for (after, picture) in [(&files[..], &wanted), (&[][..], &plain)] {
            model.set_loras(&[], &Unattended).unwrap();
            let job = Steps { at: Some(at), ..Steps::default() };
            assert!(matches!(model.set_loras(&uses(&files), &job), Err(EngineError::Cancelled(_))), "{at}");
            // Half of a LoRA is nothing anybody asked for.
            let refused = paint(&mut model).unwrap_err();
            assert!(matches!(refused, EngineError::Request { field: "loras", .. }), "{refused}");
            model.set_loras(&uses(after), &Unattended).unwrap();
            assert!(paint(&mut model).unwrap() == *picture, "{at}");
        }
    }
}

#[test]
fn a_lora_that_was_replaced_is_read_again() {
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("mine.safetensors");
    let mut model = load(&golden::plain());
    let mut made = |from: &Path| {
        fs::copy(from, &path).unwrap();
        model.set_loras(&uses(&[(path.clone(), 1.0, 1.0)]), &Unattended).unwrap();
        paint(&mut model).unwrap().1
    };
    let golden = Golden::of("lora/lora.safetensors");
    for name in ["kohya", "locon", "kohya"] {
        let latents = made(&folder().join(format!("{name}.safetensors")));
        let row = if name == "kohya" { "kohya.1.0" } else { name };
        assert!(distance(&latents, &golden.get(&format!("latents.{row}")).1) <= LATENTS, "{name}");
    }
}

#[test]
fn a_model_that_was_written_to_asks_to_be_loaded_again() {
    let temporary = tempfile::tempdir().unwrap();
    let root = temporary.path().join("model");
    for part in ["unet", "vae", "text_encoder", "scheduler"] {
        fs::create_dir_all(root.join(part)).unwrap();
        for file in fs::read_dir(golden::plain().join(part)).unwrap().map(Result::unwrap) {
            fs::copy(file.path(), root.join(part).join(file.file_name())).unwrap();
        }
    }
    let mut model = load(&root);
    let before = paint(&mut model).unwrap();
    let files = [(folder().join("kohya.safetensors"), 1.0, 1.0)];
    let weights = root.join("unet/diffusion_pytorch_model.safetensors");
    // Another file of that name is none of ours: the one that was loaded is still open.
    #[cfg(unix)]
    {
        let other = root.join("other");
        fs::write(&other, b"something else").unwrap();
        fs::rename(&weights, root.join("kept")).unwrap();
        fs::rename(&other, &weights).unwrap();
        model.set_loras(&uses(&files), &Unattended).unwrap();
        model.set_loras(&[], &Unattended).unwrap();
        assert!(paint(&mut model).unwrap() == before);
        fs::rename(root.join("kept"), &weights).unwrap();
    }
    let file = fs::File::options().append(true).open(&weights).unwrap();
    file.set_len(file.metadata().unwrap().len() + 1).unwrap();
    let error = model.set_loras(&uses(&files), &Unattended).unwrap_err();
    assert!(matches!(error, EngineError::Changed { .. }), "{error}");
    assert!(error.to_string().ends_with("was changed while the model was loaded; load the model again"), "{error}");
    paint(&mut model).unwrap_err();
}

#[test]
fn files_say_what_they_are() {
    let facts = |name: &str| lora::inspect(&folder().join(name)).unwrap();
    let kohya = facts("kohya.safetensors").unwrap();
    assert_eq!((kohya.title.as_deref(), kohya.trigger.as_deref()), (Some("tiny kohya"), Some("tny style")));
    assert_eq!((kohya.tags.as_slice(), kohya.base), (&["cat", "dog", "sofa"].map(String::from)[..], Base::Unknown));
    assert!(lora::inspect(&golden::plain().join("vae/diffusion_pytorch_model.safetensors")).unwrap().is_none());
    let temporary = tempfile::tempdir().unwrap();
    let path = temporary.path().join("x.safetensors");
    let tensor = |shape: &[usize]| ("F16".to_owned(), shape.to_vec(), vec![0; 2 * shape.iter().product::<usize>()]);
    let layer = "lora_unet_input_blocks_4_1_transformer_blocks_0_attn2_to_k";
    for (parts, base) in [
        (vec![("lora_down.weight", [1, 768]), ("lora_up.weight", [1, 1])], Base::Sd1),
        (vec![("lora_down.weight", [1, 1024]), ("lora_up.weight", [1, 1])], Base::Sd2),
        (vec![("hada_w1_a", [1, 1]), ("hada_w1_b", [1, 2048])], Base::Sdxl),
        (vec![("lokr_w1", [8, 32]), ("lokr_w2_a", [80, 1]), ("lokr_w2_b", [1, 64])], Base::Sdxl),
        (vec![("lokr_w1", [8, 32]), ("lokr_w2", [1, 40])], Base::SdxlRefiner),
        (vec![("lora_down.weight", [1, 16])], Base::Unknown),
    ] {
        golden::write(&path, &parts.iter().map(|(part, shape)| (format!("{layer}.{part}"), tensor(shape))).collect());
        assert_eq!(lora::inspect(&path).unwrap().unwrap().base, base, "{parts:?}");
    }
    // A scale alone is no LoRA.
    golden::write(&path, &[("a.alpha".to_owned(), tensor(&[1]))].into_iter().collect());
    assert!(lora::inspect(&path).unwrap().is_none());
}

/// Random changes to sound parts of every kind: accepted or refused, never a panic. `host/fuzz` does the same with guidance.
#[test]
fn mutated_parts_are_accepted_or_refused() {
    use std::collections::BTreeMap;
    use underpaint_engine::lora::parse::{Delta, Part, read};
    let conv: &[usize] = &[12, 8, 3, 3];
    type Sound<'a> = (&'a [usize], &'a [(&'a str, &'a [usize])]);
    let sound: [Sound; 8] = [
        (&[12, 8], &[("lora_up.weight", &[12, 2]), ("lora_down.weight", &[2, 8]), ("alpha", &[])]),
        (
            conv,
            &[("lora_up.weight", &[12, 2, 1, 1]), ("lora_down.weight", &[2, 8, 3, 3]), ("dora_scale", &[12, 1, 1, 1])],
        ),
        (conv, &[("lora_up.weight", &[12, 2]), ("lora_mid.weight", &[2, 3, 3, 3]), ("lora_down.weight", &[3, 8])]),
        (conv, &[("hada_w1_a", &[12, 2]), ("hada_w1_b", &[2, 72]), ("hada_w2_a", &[12, 3]), ("hada_w2_b", &[3, 72])]),
        (&[8, 8], &[("lokr_w1", &[4, 2]), ("lokr_w2", &[2, 4]), ("lora_magnitude_vector", &[8])]),
        (conv, &[("lokr_w1_a", &[4, 1]), ("lokr_w1_b", &[1, 4]), ("lokr_w2_a", &[3, 2]), ("lokr_w2_b", &[2, 18])]),
        (conv, &[("lokr_w1", &[4, 4]), ("lokr_t2", &[2, 2, 3, 3]), ("lokr_w2_a", &[2, 3]), ("lokr_w2_b", &[2, 2])]),
        (&[4, 4], &[("diff", &[4, 4])]),
    ];
    let mut state = 0x9e37_79b9_7f4a_7c15u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below as u64) as usize
    };
    let part = |end: &str| read(&format!("lora_unet_x.{end}")).unwrap().1;
    let endings: Vec<&str> = sound.iter().flat_map(|(_, parts)| parts.iter().map(|(end, _)| *end)).collect();
    let (mut accepted, mut refused) = (0, 0);
    for _ in 0..100_000 {
        let (layer, parts) = sound[random(sound.len())];
        let mut layer = layer.to_vec();
        let mut parts: BTreeMap<Part, Vec<usize>> =
            parts.iter().map(|(end, shape)| (part(end), shape.to_vec())).collect();
        for _ in 0..random(4) {
            let side = [0, 1, 2, 3, 4, 8, 9, 12, 4096, 4097, usize::MAX][random(11)];
            let at = random(parts.len().max(1));
            match (random(5), parts.values_mut().nth(at)) {
                (0, _) => drop(parts.insert(part(endings[random(endings.len())]), vec![side; random(5)])),
                (1, Some(_)) => drop(parts.pop_first()),
                (2, Some(shape)) => shape.push(side),
                (3, Some(shape)) if !shape.is_empty() => {
                    let at = random(shape.len());
                    shape[at] = side;
                }
                _ => {
                    let at = random(layer.len());
                    layer[at] = side.clamp(1, 4096);
                }
            }
        }
        let parts = parts.iter().enumerate().map(|(entry, (part, shape))| (*part, (entry, shape.as_slice()))).collect();
        match Delta::new(&parts, &layer) {
            Ok(_) => accepted += 1,
            Err(_) => refused += 1,
        }
    }
    assert!(accepted > 10_000 && refused > 10_000, "{accepted} were accepted, {refused} refused");
}
