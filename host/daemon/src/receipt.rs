//! The receipt: what is needed to make the same picture again, as JSON. It names no path and no person.

use crate::loras::Chosen;
use crate::models::{Catalogue, Models, Source, hex};
use crate::prompts::Words;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use underpaint_engine::{Npy, Wording};
use underpaint_plan::{CanvasFacts, ControlPlan, Family, Kind, ModelFacts, Placing, Plan, Tiles};
use underpaint_raster::{Extent, Rect};
use underpaint_wire::generate::{Blend, ControlCall, Generate};
use underpaint_wire::methods::Upscale;

/// Version of the receipt's own shape.
const FORMAT: u32 = 1;

/// The values used, defaults included.
pub fn used(
    plan: &Plan,
    words: &Words,
    model: &ModelFacts,
    canvas: Option<CanvasFacts>,
    catalogue: &Catalogue,
) -> Value {
    // Of a model that reads no texts there are none.
    let drawn = &words.prompts.drawn;
    let s = &plan.sampling;
    let mut used = json!({
        "mode": plan.mode,
        "model": model.id,
        "prompt": drawn.first().map_or(&plan.prompt, |first| &first.prompt),
        "seed": seed(s.seed),
        "batch": s.batch,
        "context": {"rect": plan.context.rect, "extent": plan.context.extent},
    });
    if model.family != Family::Exemplar {
        if let Some(negative) = drawn.first().map_or(&plan.negative_prompt, |first| &first.negative_prompt) {
            used["negative_prompt"] = json!(negative);
        }
        if let Some(first) = drawn.first().filter(|first| !first.regions.is_empty()) {
            used["regions"] = regions(first);
        }
        if drawn.iter().any(|each| *each != drawn[0]) {
            used["prompts"] = drawn.iter().map(texts).collect();
        }
        used["steps"] = json!(s.steps);
        used["start_step"] = json!(s.start_step);
        used["denoise_strength"] = json!(plan.denoise_strength);
        used["guidance_scale"] = json!(s.guidance_scale);
        if model.kind == Kind::Edit {
            used["image_guidance_scale"] = json!(s.image_guidance_scale);
        }
        used["guidance_rescale"] = json!(s.guidance_rescale);
        used["sampler"] = json!(s.sampler.name());
        used["scheduler"] = json!(s.scheduler.name());
        used["clip_skip"] = json!(s.clip_skip);
        if !words.loras.is_empty() {
            used["loras"] = json!(loras(&words.loras, catalogue));
        }
        if !words.embeddings.is_empty() {
            let hash = |path| catalogue.file_hash(path).ok();
            let told = words.embeddings.iter().map(|e| json!({"name": e.name(), "sha256": hash(e.path())}));
            used["embeddings"] = told.collect();
        }
    }
    if canvas.is_some() {
        used["softness"] = json!(plan.softness);
        if plan.blend != Blend::default() {
            used["blend"] = json!(plan.blend);
        }
    }
    let tiles = |t: Tiles| json!({"tile": t.tile, "overlap": t.overlap});
    if let Some(own) = plan.tiles {
        used["tiles"] = tiles(own);
    }
    if let Some(second) = &plan.second {
        used["second_pass"] = json!({
            "context": {"rect": second.context.rect, "extent": second.context.extent},
            "steps": second.sampling.steps,
            "start_step": second.sampling.start_step,
        });
        if let Some(own) = second.tiles {
            used["second_pass"]["tiles"] = tiles(own);
        }
    }
    used
}

/// A control as it was used: each model by its hash, a picture that is not the canvas by where it lay.
pub fn control(control: &ControlPlan, call: &ControlCall, shown: Option<Rect>, catalogue: &Catalogue) -> Value {
    let place = catalogue.controls().place(call).ok();
    let hash = |source: Option<&Source>| source.and_then(|source| catalogue.hash_of(&source.path).ok());
    let mut used = json!({
        "model": control.model,
        "sha256": hash(place.as_ref().map(|place| &place.model)),
        "type": control.kind.name(),
        "weight": control.weight,
        "start": control.start,
        "end": control.end,
    });
    if let Some(task) = control.task {
        used["kind"] = json!(task.name());
    }
    if let Some(preprocess) = control.preprocess {
        used["preprocess"] = json!(preprocess.name());
    }
    if let Some(encoder) = place.as_ref().and_then(|place| place.encoder.as_ref()) {
        used["encoder"] = json!({"sha256": hash(Some(encoder))});
    }
    if let Some(rect) = shown {
        used["rect"] = json!(rect);
    }
    if let Some(preprocessor) = &control.preprocessor {
        used["preprocessor"] = json!(preprocessor);
    }
    used
}

/// Noise that was given takes the seed's place.
pub fn noise(noise: &Npy) -> Value {
    json!({"sha256": hex(&Sha256::digest(noise.to_bytes()))})
}

/// The texts of one picture under their names in a request.
fn texts(drawn: &Wording) -> Value {
    let mut texts = json!({"prompt": drawn.prompt});
    if let Some(negative) = &drawn.negative_prompt {
        texts["negative_prompt"] = json!(negative);
    }
    if !drawn.regions.is_empty() {
        texts["regions"] = regions(drawn);
    }
    texts
}

/// The texts of its regions.
fn regions(drawn: &Wording) -> Value {
    drawn.regions.iter().map(|prompt| json!({"prompt": prompt})).collect()
}

/// The LoRAs a job was painted with, each by its hash.
fn loras(chosen: &[Chosen], catalogue: &Catalogue) -> Vec<Value> {
    let lora = |lora: &Chosen| {
        let hash = catalogue.file_hash(&lora.path).ok();
        json!({"name": lora.id, "weight": lora.weight, "text_weight": lora.text_weight, "sha256": hash})
    };
    chosen.iter().map(lora).collect()
}

/// The request as it was resolved, the model by its hash, how it was loaded, and everything else that decides the pixels.
pub fn receipt(
    request: &Generate,
    used: &Value,
    model: &ModelFacts,
    models: &Models,
    canvas: Option<CanvasFacts>,
    filters: &[Value],
    placing: &[Placing],
) -> Value {
    let hash = models.catalogue().hash(&model.id).ok().flatten();
    json!({
        "receipt": FORMAT,
        "underpaint": env!("CARGO_PKG_VERSION"),
        "request": request,
        "used": used,
        "model": {"id": model.id, "family": model.family.name(), "sha256": hash},
        "engine": (model.family != Family::Exemplar).then(|| models.told()),
        "canvas": canvas.map(|c| json!({"extent": c.extent, "rect": c.rect})),
        "filters": filters,
        "color_match": placing.iter().filter_map(|p| p.color_match).collect::<Vec<_>>(),
        "registered": placing.iter().filter_map(|p| p.registered).collect::<Vec<_>>(),
    })
}

/// What is needed to enlarge the same picture again in the same way.
pub fn upscale(request: &Upscale, used: &Value, models: &[(&str, Option<String>)], engine: Value) -> Value {
    let models: Vec<Value> = models.iter().map(|(id, hash)| json!({"id": id, "sha256": hash})).collect();
    json!({
        "receipt": FORMAT,
        "underpaint": env!("CARGO_PKG_VERSION"),
        "request": request,
        "used": used,
        "models": models,
        "engine": engine,
    })
}

/// The `parameters` text that A1111 invented and every tool reads, for the picture with this seed; `None` where no
/// diffusion model painted.
pub fn parameters(receipt: &Value, seed: u64, extent: Extent) -> Option<String> {
    let (used, model) = (&receipt["used"], &receipt["model"]);
    let steps = used["steps"].as_u64()?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let texts = own_texts(used, seed);
    let mut text = word(&texts["prompt"]);
    let loras: Vec<&Value> = used["loras"].as_array().into_iter().flatten().collect();
    for lora in &loras {
        // A1111 keeps LoRAs in the prompt.
        let name = word(&lora["name"]);
        if !text.contains(&format!("<lora:{name}:")) {
            text += &format!(" <lora:{name}:{}>", lora["weight"]);
        }
    }
    if texts["negative_prompt"].as_str().is_some_and(|n| !n.is_empty()) {
        text += &format!("\nNegative prompt: {}", word(&texts["negative_prompt"]));
    }
    text += &format!("\nSteps: {steps}, Sampler: {}, ", word(&used["sampler"]));
    text += &format!("Schedule type: {}, CFG scale: {}, ", word(&used["scheduler"]), used["guidance_scale"]);
    if used["guidance_rescale"].as_f64().is_some_and(|rescale| rescale > 0.0) {
        text += &format!("CFG rescale: {}, ", used["guidance_rescale"]);
    }
    text += &format!("Seed: {seed}, Size: {}x{}", extent.w, extent.h);
    if let Some(hash) = model["sha256"].as_str() {
        // A1111's short hash: the first ten digits of the file's SHA-256.
        text += &format!(", Model hash: {}", hash.get(..10).unwrap_or(hash));
    }
    text += &format!(", Model: {}", word(&model["id"]));
    let vae = &receipt["engine"]["vae"];
    if let (Some(hash), Some(name)) = (vae["sha256"].as_str(), vae["name"].as_str()) {
        text += &format!(", VAE hash: {}, VAE: {name}", hash.get(..10).unwrap_or(hash));
    }
    let start = used["start_step"].as_u64().unwrap_or(0);
    if start > 0 {
        let strength = (steps - start.min(steps)) as f64 / steps as f64;
        text += &format!(", Denoising strength: {}", (strength * 1000.0).round() / 1000.0);
    }
    if used["clip_skip"].as_u64().is_some_and(|n| n > 1) {
        text += &format!(", Clip skip: {}", used["clip_skip"]);
    }
    if !loras.is_empty() {
        let hash = |lora: &&Value| {
            let hash = word(&lora["sha256"]);
            format!("{}: {}", word(&lora["name"]), hash.get(..10).unwrap_or(&hash))
        };
        text += &format!(", Lora hashes: \"{}\"", loras.iter().map(hash).collect::<Vec<_>>().join(", "));
    }
    Some(text)
}

/// Where the texts of the picture with this seed are.
fn own_texts(used: &Value, seed: u64) -> &Value {
    let first = used["seed"].as_u64().or_else(|| used["seed"].as_str()?.parse().ok()).unwrap_or(seed);
    used["prompts"].get(seed.wrapping_sub(first) as usize).unwrap_or(used)
}

/// Seeds beyond what JSON numbers hold exactly are decimal strings, as on the wire.
pub fn seed(seed: u64) -> Value {
    if seed < 1 << 53 { json!(seed) } else { json!(seed.to_string()) }
}
