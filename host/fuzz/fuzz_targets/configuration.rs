//! A model folder with any configuration, vocabulary or schedule in the place of one of its own is loaded or refused, and what was loaded
//! paints or says why not.
#![no_main]

use libfuzzer_sys::fuzz_target;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use underpaint_engine::{EngineError, Model, Options, Request};
use underpaint_plan::{Inpaint, Prepared, Sampler, Sampling, Scheduler};
use underpaint_raster::{Extent, Unattended};

const FILES: [&str; 10] = [
    "unet/config.json",
    "vae/config.json",
    "text_encoder/config.json",
    "scheduler/scheduler_config.json",
    "model_index.json",
    "underpaint.json",
    "tokenizer/vocab.json",
    "tokenizer/merges.txt",
    "tokenizer/tokenizer.json",
    "unet/diffusion_pytorch_model.safetensors.index.json",
];

/// A copy of the tiny model.
fn folder() -> &'static Path {
    static FOLDER: OnceLock<PathBuf> = OnceLock::new();
    FOLDER.get_or_init(|| {
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/reference/golden/tiny-sd");
        let folder = std::env::temp_dir().join(format!("underpaint-fuzz-{}", std::process::id()));
        for part in ["unet", "vae", "text_encoder", "scheduler", "tokenizer"] {
            fs::create_dir_all(folder.join(part)).expect("a folder");
            for file in fs::read_dir(golden.join(part)).into_iter().flatten().flatten() {
                fs::copy(file.path(), folder.join(part).join(file.file_name())).expect("a copy");
            }
        }
        folder
    })
}

fn said(error: EngineError) {
    assert_eq!(error.to_string().lines().count(), 1, "{error}");
}

fuzz_target!(|input: (u8, &[u8])| {
    let (which, bytes) = input;
    let path = folder().join(FILES[which as usize % FILES.len()]);
    let before = fs::read(&path).ok();
    fs::write(&path, bytes).expect("a file");
    match Model::load(folder(), &Options::default(), &Unattended) {
        Err(error) => said(error),
        Ok(mut model) => paint(&mut model).unwrap_or_else(said),
    }
    match before {
        Some(before) => fs::write(&path, before).expect("a file"),
        None => fs::remove_file(&path).expect("a file"),
    }
});

fn paint(model: &mut Model) -> Result<(), EngineError> {
    let sampling =
        Sampling { sampler: Sampler::Dpmpp2m, scheduler: Scheduler::Karras, steps: 2, ..Sampling::default() };
    let side = 2 * model.facts().multiple;
    let input = Prepared { extent: Extent::new(side, side), init: None, mask: None };
    let request = Request {
        prompt: "a lighthouse",
        negative_prompt: None,
        wordings: &[],
        regions: &[],
        embeddings: &[],
        sampling: &sampling,
        inpaint: Inpaint::None,
        controls: &[],
        input: &input,
        noise: None,
        save: None,
    };
    model.generate(request, &Unattended).map(|images| assert_eq!(images.len(), 1))
}
