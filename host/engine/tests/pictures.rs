//! Whole pictures against diffusers' pipelines: every sampler, scheduler and kind of job, and what must hold without a reference.

mod golden;

use golden::Golden;
use serde_json::Value;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use underpaint_engine::schedule::Prediction;
use underpaint_engine::{EngineError, Model, Npy, Options, Request, Saved};
use underpaint_plan::{Inpaint, Prepared, Sampler, Sampling, Scheduler};
use underpaint_raster::{Extent, Image, Job, Mask, Stage, Unattended};

/// Smallest likeness to diffusers' picture, in dB.
const PSNR: f64 = 50.0;

fn load(path: &Path) -> Model {
    Model::load(path, &golden::options(), &Unattended).unwrap()
}

fn sampling(sampler: &str, scheduler: &str, steps: u32) -> Sampling {
    Sampling {
        sampler: *Sampler::ALL.iter().find(|s| s.name() == sampler).unwrap(),
        scheduler: *Scheduler::ALL.iter().find(|s| s.name() == scheduler).unwrap(),
        steps,
        ..golden::sampling()
    }
}

fn text_only(w: u32, h: u32) -> Prepared {
    Prepared { extent: Extent::new(w, h), init: None, mask: None }
}

fn input() -> (Image, Mask) {
    let golden = Golden::open();
    let (shape, rgb) = golden.get("input.image");
    let extent = Extent::new(shape[1] as u32, shape[0] as u32);
    let rgba = rgb.chunks_exact(3).flat_map(|p| [p[0], p[1], p[2], 1.0]).collect();
    (Image::from_data(extent, rgba), Mask::from_data(extent, golden.get("input.mask").1))
}

fn request<'a>(sampling: &'a Sampling, inpaint: Inpaint, input: &'a Prepared) -> Request<'a> {
    Request {
        prompt: "a photo of a cat",
        negative_prompt: Some("blurry, ugly"),
        inpaint,
        ..golden::request(sampling, input)
    }
}

/// Makes the picture of a row of `pictures.json` and compares it.
fn check(model: &mut Model, golden: &Golden, row: &Value) {
    let name = row["name"].as_str().unwrap();
    let whole = |field: &str| row[field].as_u64().unwrap();
    let sampling = Sampling {
        start_step: whole("start_step") as u32,
        guidance_scale: row["guidance"].as_f64().unwrap(),
        guidance_rescale: row["guidance_rescale"].as_f64().unwrap_or(0.0),
        seed: whole("seed"),
        batch: whole("batch") as u32,
        clip_skip: whole("clip_skip") as u32,
        ..sampling(row["sampler"].as_str().unwrap(), row["scheduler"].as_str().unwrap(), whole("steps") as u32)
    };
    let (image, mask) = input();
    let (inpaint, init, mask) = match row["kind"].as_str().unwrap() {
        "txt2img" => (Inpaint::None, None, None),
        "img2img" => (Inpaint::None, Some(image), None),
        _ => (Inpaint::Replace, Some(image), Some(mask)),
    };
    let extent = Extent::new(whole("width") as u32, whole("height") as u32);
    let input = Prepared { extent, init, mask };
    let request = Request {
        prompt: row["prompt"].as_str().unwrap(),
        negative_prompt: row["negative"].as_str(),
        ..request(&sampling, inpaint, &input)
    };
    let ours = model.generate(request, &Unattended).unwrap();
    let (shape, theirs) = golden.get(&format!("picture.{name}"));
    assert_eq!(shape, [ours.len(), extent.h as usize, extent.w as usize, 3], "{name}");
    for (i, (ours, theirs)) in ours.iter().zip(theirs.chunks_exact(theirs.len() / ours.len())).enumerate() {
        let psnr = golden::psnr(ours, theirs);
        println!("{name} [{i}]: {psnr:.1} dB");
        assert!(psnr >= PSNR, "{name} [{i}] is {psnr:.1} dB from diffusers' picture, at least {PSNR} are needed");
    }
}

#[test]
fn pictures_are_those_of_diffusers() {
    let folder = tempfile::tempdir().unwrap();
    let (mut plain, mut inpaint) = (load(&golden::plain()), load(&golden::inpainting(folder.path())));
    for (table, tensors) in
        [("pictures.json", "golden.safetensors"), ("pictures-samplers.json", "samplers.safetensors")]
    {
        let golden = Golden::of(tensors);
        for row in golden::table(table) {
            if row["velocity"] == true {
                let zero_snr = (row["zero_snr"] == true).then_some(true);
                let options = Options { prediction: Some(Prediction::Velocity), zero_snr, ..golden::options() };
                check(&mut Model::load(&golden::plain(), &options, &Unattended).unwrap(), &golden, &row);
            } else {
                check(if row["channels"] == 9 { &mut inpaint } else { &mut plain }, &golden, &row);
            }
        }
    }
}

#[test]
fn a_single_file_makes_the_same_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let golden = Golden::open();
    let rows = golden::table("pictures.json");
    let with = |channels: u64| rows.iter().filter(move |r| r["channels"] == channels).take(5);
    let mut plain = load(&golden::single_file(&golden::plain(), folder.path()));
    assert_eq!(plain.facts().in_channels, 4);
    with(4).for_each(|row| check(&mut plain, &golden, row));
    let nine = golden::inpainting(folder.path());
    let mut nine = load(&golden::single_file(&nine, folder.path()));
    assert_eq!(nine.facts().in_channels, 9);
    with(9).for_each(|row| check(&mut nine, &golden, row));
}

#[test]
fn a_vae_of_either_naming_takes_the_place_of_the_models_own() {
    let folder = tempfile::tempdir().unwrap();
    let single = golden::single_file(&golden::plain(), folder.path());
    let mut bare = golden::Tensors::new();
    for (name, tensor) in golden::read(&single) {
        if let Some(name) = name.strip_prefix("first_stage_model.") {
            bare.insert(name.to_owned(), tensor);
        }
    }
    let without_prefix = folder.path().join("vae.safetensors");
    golden::write(&without_prefix, &bare);
    let diffusers = golden::plain().join("vae");
    let file = diffusers.join("diffusion_pytorch_model.safetensors");
    // Before diffusers 0.18 the attention had other names, which Stable Diffusion 1.5's own VAE still has.
    let mut old = golden::Tensors::new();
    for (name, tensor) in golden::read(&file) {
        let renamed = [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")];
        old.insert(renamed.iter().fold(name, |name, (new, old)| name.replace(new, old)), tensor);
    }
    let old_names = folder.path().join("old.safetensors");
    golden::write(&old_names, &old);
    let input = text_only(64, 64);
    let sampling = sampling("euler", "normal", 2);
    let picture = |vae| {
        let mut model = Model::load(&golden::plain(), &Options { vae, ..golden::options() }, &Unattended).unwrap();
        model.generate(request(&sampling, Inpaint::None, &input), &Unattended).unwrap()
    };
    let own = picture(None);
    for vae in [without_prefix, diffusers, file, old_names] {
        // A lone file cannot say that its norm groups are 16, but its widths do.
        assert!(picture(Some(vae.clone())) == own, "{}", vae.display());
    }
}

#[test]
fn a_picture_does_not_depend_on_its_batch_and_noise_can_be_given_back() {
    let mut model = load(&golden::plain());
    let input = text_only(64, 48);
    let three = Sampling { batch: 3, seed: u64::MAX, ..sampling("euler_a", "karras", 4) };
    let mut saved = Saved::default();
    let batch = model
        .generate(Request { save: Some(&mut saved), ..request(&three, Inpaint::None, &input) }, &Unattended)
        .unwrap();
    let alone = Sampling { batch: 1, seed: 1, ..three.clone() };
    assert!(model.generate(request(&alone, Inpaint::None, &input), &Unattended).unwrap()[0] == batch[2]);
    assert_eq!(saved.noise.shape, [3, 4, 6, 8]);
    assert_eq!(saved.latents.shape, [3, 4, 6, 8]);
    // A sampler that draws nothing later makes the same picture from the saved noise.
    let euler = Sampling { batch: 3, ..sampling("euler", "karras", 4) };
    let mut first = Saved::default();
    let made = model
        .generate(Request { save: Some(&mut first), ..request(&euler, Inpaint::None, &input) }, &Unattended)
        .unwrap();
    let noise = Npy::parse(&first.noise.to_bytes()).unwrap();
    assert_eq!(noise, first.noise);
    let other_seed = Sampling { seed: 99, ..euler.clone() };
    let again = Request { noise: Some(&noise), ..request(&other_seed, Inpaint::None, &input) };
    assert!(model.generate(again, &Unattended).unwrap() == made);
}

fn differential(model: &mut Model, sampler: &str, scheduler: &str, mask: Mask, start_step: u32) -> (Image, Saved) {
    let (image, _) = input();
    let sampling = Sampling { start_step, ..sampling(sampler, scheduler, 6) };
    let input = Prepared { extent: image.extent(), init: Some(image), mask: Some(mask) };
    let mut saved = Saved::default();
    let request = Request { save: Some(&mut saved), ..request(&sampling, Inpaint::Differential, &input) };
    (model.generate(request, &Unattended).unwrap().remove(0), saved)
}

#[test]
fn soft_masks_keep_what_they_should() {
    let mut model = load(&golden::plain());
    let (image, _) = input();
    let extent = image.extent();
    for sampler in Sampler::ALL {
        for scheduler in Scheduler::ALL {
            // What a sampler does with a mask it does on any curve.
            if sampler != Sampler::Euler && !matches!(scheduler, Scheduler::Normal | Scheduler::Karras) {
                continue;
            }
            let (sampler, scheduler) = (sampler.name(), scheduler.name());
            // All 1 is image to image, bit for bit.
            let (all, _) = differential(&mut model, sampler, scheduler, Mask::new(extent, 1.0), 2);
            let plain = Prepared { extent, init: Some(image.clone()), mask: None };
            let sampling = Sampling { start_step: 2, ..sampling(sampler, scheduler, 6) };
            let plain = model.generate(request(&sampling, Inpaint::None, &plain), &Unattended).unwrap();
            assert!(all == plain[0], "{sampler} {scheduler}: a full mask is not image to image");
            // All 0 is encode and decode: whatever the sampler, the latents are the picture's own.
            let (_, none) = differential(&mut model, sampler, scheduler, Mask::new(extent, 0.0), 0);
            let (_, euler) = differential(&mut model, "euler", "normal", Mask::new(extent, 0.0), 3);
            assert_eq!(none.latents, euler.latents, "{sampler} {scheduler}: an empty mask changes the picture");
            // Over a ramp, what may change more does change more. Cells are 8 pixels wide.
            let ramp = (0..extent.area()).map(|i| (i % extent.w as u64 / 8) as f32 / 7.0).collect();
            let (_, ramp) = differential(&mut model, sampler, scheduler, Mask::from_data(extent, ramp), 0);
            let change = |column: usize| -> f32 {
                let cells = (0..ramp.latents.data.len()).filter(|i| i % 8 == column);
                cells.map(|i| (ramp.latents.data[i] - none.latents.data[i]).abs()).sum()
            };
            assert_eq!(change(0), 0.0, "{sampler} {scheduler}");
            if sampler == "dpmpp_3m_sde" {
                // Its third order makes too much of what a random network says in so few steps.
                continue;
            }
            let [low, middle, high] = [[1, 2], [3, 4], [6, 7]].map(|[a, b]| change(a) + change(b));
            assert!(low < middle && middle < high, "{sampler} {scheduler}: {low} {middle} {high}");
        }
    }
}

#[test]
fn soft_masks_work_with_nine_channels() {
    let folder = tempfile::tempdir().unwrap();
    let mut model = load(&golden::inpainting(folder.path()));
    let (image, mask) = input();
    let kept = mask.data().iter().position(|&m| m > 0.0).unwrap();
    let (picture, _) = differential(&mut model, "dpmpp_2m", "karras", mask, 0);
    let (empty, _) = differential(&mut model, "dpmpp_2m", "karras", Mask::new(image.extent(), 0.0), 0);
    assert_ne!(picture.data()[kept * 4..][..4], empty.data()[kept * 4..][..4]);
    // Text to image works too: everything is hidden.
    let sampling = sampling("euler", "normal", 3);
    model.generate(request(&sampling, Inpaint::None, &text_only(64, 64)), &Unattended).unwrap();
}

/// Cancels when a stage has reached a step, and counts what it is told.
struct CancelAt {
    stage: Stage,
    step: u32,
    seen: AtomicU32,
    previews: AtomicU32,
}

impl Job for CancelAt {
    fn is_cancelled(&self) -> bool {
        self.seen.load(Ordering::Relaxed) > self.step
    }
    fn progress(&self, stage: Stage, step: u32, _: u32) {
        if stage == self.stage {
            self.seen.store(step + 1, Ordering::Relaxed);
        }
    }
    fn wants_preview(&self) -> bool {
        true
    }
    fn preview(&self, image: Image) {
        assert!(image.extent() == Extent::new(8, 8) && image.data().iter().all(|v| (0.0..=1.0).contains(v)));
        self.previews.fetch_add(1, Ordering::Relaxed);
    }
}

#[test]
fn a_cancelled_job_ends_within_a_step_and_leaves_the_model_usable() {
    let mut model = load(&golden::plain());
    let sampling = sampling("dpmpp_2m", "karras", 5);
    let input = text_only(64, 64);
    let before = model.generate(request(&sampling, Inpaint::None, &input), &Unattended).unwrap();
    for (stage, step) in [(Stage::Encode, 0), (Stage::Denoise, 0), (Stage::Denoise, 3), (Stage::Decode, 1)] {
        let job = CancelAt { stage, step, seen: AtomicU32::new(0), previews: AtomicU32::new(0) };
        let result = model.generate(request(&sampling, Inpaint::None, &input), &job);
        assert!(matches!(result, Err(EngineError::Cancelled(_))), "{stage:?} {step}");
        assert_eq!(job.seen.load(Ordering::Relaxed), step + 1, "{stage:?} went on after {step}");
        let previews = if stage == Stage::Decode { 5 } else { step * u32::from(stage == Stage::Denoise) };
        assert_eq!(job.previews.load(Ordering::Relaxed), previews);
    }
    assert!(model.generate(request(&sampling, Inpaint::None, &input), &Unattended).unwrap() == before);
}

/// Fails if a stage goes back.
#[derive(Default)]
struct Forward(std::sync::Mutex<std::collections::HashMap<Stage, u32>>);

impl Job for Forward {
    fn is_cancelled(&self) -> bool {
        false
    }
    fn progress(&self, stage: Stage, step: u32, steps: u32) {
        let before = self.0.lock().unwrap().insert(stage, step).unwrap_or(0);
        assert!(before <= step && step <= steps, "{stage:?} went from {before} to {step} of {steps}");
    }
}

#[test]
fn progress_never_goes_back() {
    let folder = tempfile::tempdir().unwrap();
    let (image, mask) = input();
    let input = Prepared { extent: image.extent(), init: Some(image), mask: Some(mask) };
    let job = Forward::default();
    let mut model = Model::load(&golden::inpainting(folder.path()), &golden::options(), &job).unwrap();
    let sampling = Sampling { batch: 3, ..sampling("euler", "normal", 4) };
    model.generate(request(&sampling, Inpaint::Differential, &input), &job).unwrap();
    assert_eq!(job.0.lock().unwrap()[&Stage::Denoise], 12);
    assert_eq!(job.0.lock().unwrap()[&Stage::Decode], 15);
}

#[test]
fn loading_can_be_cancelled() {
    let job = CancelAt { stage: Stage::Load, step: 40, seen: AtomicU32::new(0), previews: AtomicU32::new(0) };
    let result = Model::load(&golden::plain(), &golden::options(), &job);
    assert!(matches!(result, Err(EngineError::Cancelled(_))));
    assert_eq!(job.seen.load(Ordering::Relaxed), 41);
}

#[test]
fn impossible_requests_are_refused_in_a_sentence() {
    let mut model = load(&golden::plain());
    let good = sampling("euler", "normal", 4);
    let (image, mask) = input();
    let other = Prepared { extent: Extent::new(64, 48), init: Some(image.clone()), mask: None };
    let half = Prepared { extent: image.extent(), init: None, mask: Some(mask) };
    let odd_noise = Npy { shape: vec![1, 4, 2, 2], data: vec![0.0; 16] };
    let cases: [(&str, Sampling, Prepared, Inpaint, Option<&Npy>); 10] = [
        ("extent is 60x64; both sides must be multiples of 8", good.clone(), text_only(60, 64), Inpaint::None, None),
        ("extent is 0x64", good.clone(), text_only(0, 64), Inpaint::None, None),
        ("init is 64x64; it must have the picture's size, 64x48", good.clone(), other, Inpaint::None, None),
        ("mask needs an initial picture", good.clone(), half, Inpaint::Replace, None),
        ("steps are 0", Sampling { steps: 0, ..good.clone() }, text_only(64, 64), Inpaint::None, None),
        ("steps are 5000", Sampling { steps: 5000, ..good.clone() }, text_only(64, 64), Inpaint::None, None),
        (
            "guidance_scale is NaN",
            Sampling { guidance_scale: f64::NAN, ..good.clone() },
            text_only(64, 64),
            Inpaint::None,
            None,
        ),
        (
            "guidance_rescale is 1.5",
            Sampling { guidance_rescale: 1.5, ..good.clone() },
            text_only(64, 64),
            Inpaint::None,
            None,
        ),
        (
            "clip_skip is 9; this model has 1 to 3",
            Sampling { clip_skip: 9, ..good.clone() },
            text_only(64, 64),
            Inpaint::None,
            None,
        ),
        (
            "noise has shape [1, 4, 2, 2]; this request needs [1, 4, 8, 8]",
            good,
            text_only(64, 64),
            Inpaint::None,
            Some(&odd_noise),
        ),
    ];
    for (sentence, sampling, input, inpaint, noise) in cases {
        let error = model.generate(Request { noise, ..request(&sampling, inpaint, &input) }, &Unattended).unwrap_err();
        assert!(error.to_string().starts_with(sentence), "{error} does not begin with {sentence}");
    }
}
