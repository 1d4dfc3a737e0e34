//! The receipt: what is needed to make the same picture again, as JSON. It names no path and no person.

use serde_json::{Value, json};
use underpaint_plan::{CanvasFacts, ControlPlan, Kind, ModelFacts, Plan};
use underpaint_raster::{ColorMatch, Extent};
use underpaint_wire::generate::Generate;

/// Version of the receipt's own shape.
const FORMAT: u32 = 1;

/// The values used, defaults included.
pub fn used(plan: &Plan, model: &ModelFacts, canvas: Option<CanvasFacts>) -> Value {
    let s = &plan.sampling;
    let mut used = json!({
        "mode": plan.mode,
        "model": model.id,
        "prompt": plan.prompt,
        "seed": seed(s.seed),
        "batch": s.batch,
        "context": {"rect": plan.context.rect, "extent": plan.context.extent},
    });
    if model.family != underpaint_plan::Family::Exemplar {
        if let Some(negative) = &plan.negative_prompt {
            used["negative_prompt"] = json!(negative);
        }
        used["steps"] = json!(s.steps);
        used["start_step"] = json!(s.start_step);
        used["guidance_scale"] = json!(s.guidance_scale);
        if model.kind == Kind::Edit {
            used["image_guidance_scale"] = json!(s.image_guidance_scale);
        }
        used["sampler"] = json!(s.sampler.name());
        used["scheduler"] = json!(s.scheduler.name());
        used["clip_skip"] = json!(s.clip_skip);
    }
    if canvas.is_some() {
        used["softness"] = json!(plan.softness);
    }
    used
}

/// A control as it was used.
pub fn control(control: &ControlPlan) -> Value {
    let mut used = json!({
        "model": control.model,
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
    used
}

/// The request as it was resolved, the model by its hash, and everything else that decides the pixels.
pub fn receipt(
    request: &Generate,
    used: &Value,
    model: &ModelFacts,
    model_hash: Option<&str>,
    canvas: Option<CanvasFacts>,
    filters: &[Value],
    color_match: &[ColorMatch],
) -> Value {
    json!({
        "receipt": FORMAT,
        "underpaint": env!("CARGO_PKG_VERSION"),
        "request": request,
        "used": used,
        "model": {"id": model.id, "family": model.family.name(), "sha256": model_hash},
        "canvas": canvas.map(|c| json!({"extent": c.extent, "rect": c.rect})),
        "filters": filters,
        "color_match": color_match,
    })
}

/// The `parameters` text that A1111 invented and every tool reads, for the picture with this seed; `None` where no
/// diffusion model painted.
pub fn parameters(receipt: &Value, seed: u64, extent: Extent) -> Option<String> {
    let (used, model) = (&receipt["used"], &receipt["model"]);
    let steps = used["steps"].as_u64()?;
    let word = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut text = word(&used["prompt"]);
    if used["negative_prompt"].as_str().is_some_and(|n| !n.is_empty()) {
        text += &format!("\nNegative prompt: {}", word(&used["negative_prompt"]));
    }
    text += &format!("\nSteps: {steps}, Sampler: {}, ", word(&used["sampler"]));
    text += &format!("Schedule type: {}, CFG scale: {}, ", word(&used["scheduler"]), used["guidance_scale"]);
    text += &format!("Seed: {seed}, Size: {}x{}", extent.w, extent.h);
    if let Some(hash) = model["sha256"].as_str() {
        // A1111's short hash: the first ten digits of the file's SHA-256.
        text += &format!(", Model hash: {}", hash.get(..10).unwrap_or(hash));
    }
    text += &format!(", Model: {}", word(&model["id"]));
    let start = used["start_step"].as_u64().unwrap_or(0);
    if start > 0 {
        let strength = (steps - start.min(steps)) as f64 / steps as f64;
        text += &format!(", Denoising strength: {}", (strength * 1000.0).round() / 1000.0);
    }
    if used["clip_skip"].as_u64().is_some_and(|n| n > 1) {
        text += &format!(", Clip skip: {}", used["clip_skip"]);
    }
    Some(text)
}

/// Seeds beyond what JSON numbers hold exactly are decimal strings, as on the wire.
pub fn seed(seed: u64) -> Value {
    if seed < 1 << 53 { json!(seed) } else { json!(seed.to_string()) }
}
