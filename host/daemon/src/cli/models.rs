//! `underpaint models`: what is on this machine, and whether it is what it says.

use super::{Failure, Global, paint};
use crate::config::Config;
use crate::models::{EXEMPLAR, STARTER};
use crate::worker::JobError;
use clap::{Args, Subcommand};
use serde_json::json;
use std::path::{Path, PathBuf};
use underpaint_engine::{self as engine, upscale};
use underpaint_plan::{ControlFacts, ControlKind, Kind, ModelFacts, mode_name};
use underpaint_wire::methods::{LoraInfo, ModelKind, ModelState};

const EXAMPLES: &str = "\
Examples:
  underpaint models list
  underpaint models inspect dreamshaper.safetensors
  underpaint models inspect ink-lora.safetensors
  underpaint models verify sd15
  underpaint models add-folder ~/ComfyUI/models/checkpoints

`starter` comes with Underpaint. Models of your own are used where they are: .safetensors checkpoints and
diffusers folders of Stable Diffusion 1.x, 2.x and XL, and upscalers (ESRGAN and its kin). LoRAs (kohya, LyCORIS,
diffusers, PEFT) are found in the same folders and used with --lora. Nothing is copied, converted or downloaded, and pickles (.ckpt,
.pt) are refused by content. A folder may carry an underpaint.json with a name, defaults (steps,
guidance_scale, sampler, scheduler) and the colours of its previews; the starter's is an example.";

/// List, inspect and verify the models on this machine
#[derive(Debug, Args)]
#[command(after_help = EXAMPLES)]
pub struct Models {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Every model that was found, with the id to name it by
    List,
    /// What a model is, from its header alone
    Inspect {
        /// An id, a diffusers folder or a .safetensors file
        #[arg(value_name = "M")]
        model: String,
    },
    /// Load a model wholly and hash its weights: is it complete and undamaged?
    Verify {
        /// An id, a diffusers folder or a .safetensors file
        #[arg(value_name = "M")]
        model: String,
    },
    /// Search a folder of yours for models from now on
    AddFolder {
        /// The folder
        #[arg(value_name = "DIR")]
        folder: PathBuf,
    },
}

impl Models {
    pub fn run(self, global: &Global) -> Result<(), Failure> {
        match self.action {
            Action::List => list(global),
            Action::Inspect { model } => inspect(global, &model),
            Action::Verify { model } => verify(global, &model),
            Action::AddFolder { folder } => add_folder(global, &folder),
        }
    }
}

fn list(global: &Global) -> Result<(), Failure> {
    let catalogue = paint::catalogue(&global.home()?)?;
    let (models, loras) = (catalogue.list(None), catalogue.loras().list());
    let controls = catalogue.controls().list();
    if global.json {
        global.print(&json!({ "models": models, "loras": loras, "controls": controls }));
        return Ok(());
    }
    let size = |bytes: u64| match bytes {
        0 => String::new(),
        small @ ..1_000_000_000 => format!("{:.0} MB", small as f64 / 1e6),
        bytes => format!("{:.1} GB", bytes as f64 / 1e9),
    };
    for model in models {
        let modes: Vec<_> = model.modes.iter().map(|m| mode_name(*m)).collect();
        let what = match model.state {
            ModelState::Unusable => format!("unusable: {}", model.reason.unwrap_or_default()),
            _ if model.kind == ModelKind::Upscaler => enlarges(model.scale.unwrap_or(1)),
            _ if model.kind == ModelKind::Embedding => format!("in prompts: embedding:{}", model.id),
            ModelState::Ready | ModelState::Loaded => modes.join(", "),
        };
        outln!("{:<28} {:<9} {:>8}  {what}", model.id, model.family, size(model.bytes));
    }
    for lora in loras {
        let trigger = lora.trigger.map(|words| format!(", called up by: {words}")).unwrap_or_default();
        outln!("{:<28} {:<9} {:>8}  LoRA{trigger}", lora.id, lora.family, size(lora.bytes));
    }
    for control in controls {
        let (family, size) = (control.family.unwrap_or_default(), size(control.bytes));
        outln!("{:<28} {family:<9} {size:>8}  {}", control.id, serves(&control.kind));
    }
    Ok(())
}

/// What a control model of a kind is for.
fn serves(kind: &str) -> String {
    match kind {
        "image_encoder" => "IP-Adapters look through it".into(),
        "depth" => "sees depth (`underpaint preprocess --kind depth`)".into(),
        kind => format!("steers: {kind}"),
    }
}

/// What an upscaler does.
fn enlarges(scale: u32) -> String {
    match scale {
        1 => "restores at the same size (`underpaint upscale`)".into(),
        scale => format!("enlarges {scale} times (`underpaint upscale`)"),
    }
}

/// What an upscaler's file is; `None` for every other file.
fn upscaler(id: &str, path: &Path) -> Option<(serde_json::Value, String)> {
    let facts = upscale::inspect(path).ok()??;
    let family = facts.architecture.name();
    let sentence = format!("{}: {family}, {}", path.display(), enlarges(facts.scale));
    let said = json!({"id": id, "kind": ModelKind::Upscaler, "family": family, "scale": facts.scale});
    Some((said, sentence))
}

fn inspect(global: &Global, model: &str) -> Result<(), Failure> {
    if let Some(control) = control(global, model)? {
        let (kind, family) = (control.kind, control.family);
        let made = family.map_or_else(String::new, |family| format!(" for {}", family.title()));
        let how = match kind {
            ControlKind::ImageEncoder => format!("--control model=…,encoder={model} looks through it"),
            ControlKind::Depth => format!("--control model=…,preprocess=depth,preprocessor={model} looks with it"),
            _ => format!("--control model={model},image=… steers with it"),
        };
        let said = format!("{model}: {}{made}; {how}", kind.title());
        let family = family.map(|family| family.name());
        global.say(&json!({"id": control.id, "kind": kind.name(), "family": family}), &said);
        return Ok(());
    }
    if let Some(lora) = lora(global, model)? {
        let told = |what: &str, words: Option<String>| words.map(|w| format!(", {what}: {w}")).unwrap_or_default();
        let tags = Some(lora.tags.join(", ")).filter(|tags| !tags.is_empty());
        let sentence = format!(
            "{} is a LoRA for {}{}{}{}",
            lora.id,
            lora.family,
            told("called", lora.title.clone()),
            told("called up by", lora.trigger.clone()),
            told("trained on", tags)
        );
        global.say(&json!(lora), &sentence);
        return Ok(());
    }
    let (id, path) = find(global, model)?;
    if let Some((said, sentence)) = path.as_deref().and_then(|path| upscaler(&id, path)) {
        global.say(&said, &sentence);
        return Ok(());
    }
    let Some(path) = path else {
        let said = format!("{id} is built in: it rebuilds a hole from the picture itself and has no weights");
        global.say(&json!({"id": id, "family": "exemplar"}), &said);
        return Ok(());
    };
    let facts = facts(&path)?;
    let sentence = format!(
        "{}: {}, trained at {} px, {} input channels{}, sizes in multiples of {}",
        path.display(),
        facts.family.name(),
        facts.native_side,
        facts.in_channels,
        match facts.kind {
            Kind::Text => "",
            Kind::Inpaint => " (inpainting)",
            Kind::Edit => " (editing)",
        },
        facts.multiple
    );
    global.say(&described(&id, &facts), &sentence);
    Ok(())
}

fn verify(global: &Global, model: &str) -> Result<(), Failure> {
    let (id, path) = find(global, model)?;
    let Some(path) = path else {
        global.say(&json!({"id": id, "family": "exemplar", "ok": true}), &format!("{id} is built in"));
        return Ok(());
    };
    let mut said = match upscaler(&id, &path) {
        Some((said, _)) => said,
        None => described(&id, &facts(&path)?),
    };
    let job = super::progress::Terminal::new(global.quiet());
    let is_upscaler = said["kind"] == json!(ModelKind::Upscaler);
    let loaded = match is_upscaler {
        true => engine::Upscaler::load(&path, &engine::Options::default(), &job).map(drop),
        false => engine::Model::load(&path, &engine::Options::default(), &job).map(drop),
    };
    job.end();
    loaded.map_err(|e| match e {
        engine::EngineError::Cancelled(_) => Failure::Interrupted,
        e => Failure::Failed(e.to_string()),
    })?;
    let mut catalogue = paint::catalogue(&global.home()?)?;
    let entry = if is_upscaler { catalogue.add_upscaler(&path) } else { catalogue.add(&path) };
    let entry = entry.map_err(|e| Failure::Failed(e.to_string()))?;
    let hash =
        catalogue.hash(&entry).map_err(|e| Failure::Failed(format!("{} cannot be read: {e}", path.display())))?;
    let hash = hash.unwrap_or_default();
    said["sha256"] = json!(hash);
    said["ok"] = json!(true);
    global.say(&said, &format!("{} is complete; sha256 {hash}", path.display()));
    Ok(())
}

fn add_folder(global: &Global, folder: &Path) -> Result<(), Failure> {
    let found = folder.canonicalize().ok().filter(|p| p.is_dir());
    let folder = found.ok_or_else(|| Failure::Usage(format!("{} is not a folder", folder.display())))?;
    let home = global.home()?;
    let mut config = Config::load(home.root()).map_err(Failure::Failed)?;
    if !config.model_folders.contains(&folder) {
        config.model_folders.push(folder.clone());
        config.save(home.root()).map_err(Failure::Failed)?;
    }
    let models = paint::catalogue(&home)?.list(None);
    let usable = models
        .iter()
        .filter(|m| m.state != ModelState::Unusable && ![EXEMPLAR, STARTER].contains(&m.id.as_str()))
        .count();
    let sentence =
        format!("{} is searched for models from now on; {usable} of yours can be used in all", folder.display());
    global.say(&json!({"folder": folder, "usable": usable}), &sentence);
    Ok(())
}

/// The control model given by id or path, if it is one.
fn control(global: &Global, model: &str) -> Result<Option<ControlFacts>, Failure> {
    let catalogue = paint::catalogue(&global.home()?)?;
    if catalogue.path(model).is_some() {
        return Ok(None);
    }
    if let Ok(facts) = catalogue.controls().facts(model) {
        return Ok(Some(facts.clone()));
    }
    // What is wrong with a file, the reader of whole models says.
    Ok(paint::as_path(model).and_then(|path| engine::inspect_control(&path).ok().flatten()))
}

/// The LoRA that an id or path names, if it is one and no model has that id.
fn lora(global: &Global, name: &str) -> Result<Option<LoraInfo>, Failure> {
    let mut catalogue = paint::catalogue(&global.home()?)?;
    let id = match (catalogue.facts(name), paint::as_path(name)) {
        (Ok(_), _) => return Ok(None),
        (Err(_), Some(path)) => catalogue.loras_mut().look(&path, None),
        (Err(_), None) => Some(name.to_owned()),
    };
    Ok(catalogue.loras().list().into_iter().find(|lora| Some(&lora.id) == id.as_ref()))
}

/// The id and place of a model given by id or path.
fn find(global: &Global, model: &str) -> Result<(String, Option<PathBuf>), Failure> {
    let catalogue = paint::catalogue(&global.home()?)?;
    let by_id = catalogue.path(model).map(Path::to_owned);
    match catalogue.facts(model) {
        Ok(_) => Ok((model.to_owned(), by_id)),
        Err(error) => match by_id.or_else(|| paint::as_path(model)) {
            Some(path) => Ok((model.to_owned(), Some(path))),
            None => Err(JobError::from(error).into()),
        },
    }
}

fn facts(path: &Path) -> Result<ModelFacts, Failure> {
    engine::inspect(path).map_err(|e| Failure::Failed(e.to_string()))
}

fn described(id: &str, facts: &ModelFacts) -> serde_json::Value {
    json!({
        "id": id,
        "family": facts.family.name(),
        "native_extent": [facts.native_side, facts.native_side],
        "multiple": facts.multiple,
        "in_channels": facts.in_channels,
        "defaults": {
            "steps": facts.defaults.steps,
            "guidance_scale": facts.defaults.guidance_scale,
            "sampler": facts.defaults.sampler.name(),
            "scheduler": facts.defaults.scheduler.name(),
        },
    })
}
