//! Control models on disk, recognised by their tensors' names and seen in one naming.
//!
//! Decision: as for whole models, what a file is shows in its names, never in the file's own. A folder (`config.json` beside
//! the weights) and a lone file of either naming end as the same tensors.

use super::single_file::{Names, unet_blocks, unet_name};
use super::{Weights, depth_file, file::SafetensorsFile, folder};
use crate::EngineError;
use std::path::Path;
use std::rc::Rc;
use underpaint_plan::ControlKind;

/// Opens the folder or file at `path`; `None` if it is sound but no control model.
pub fn open(path: &Path) -> Result<Option<(ControlKind, Weights)>, EngineError> {
    if path.is_dir() {
        let weights = folder::open(path, |name| Some(name.to_owned()))?;
        return Ok(kind(|prefix| weights.has(prefix)).map(|kind| (kind, renamed(kind, weights))));
    }
    let file = Rc::new(SafetensorsFile::open(path)?);
    let names = Names::of(&file);
    let foreign = if names.has("difference") && names.has("control_model.") {
        Some("a ControlNet stored as its difference from a model, which this version does not add up")
    } else if names.has("lora_controlnet") {
        Some("a Control-LoRA, which this version does not know")
    } else {
        None
    };
    if let Some(found) = foreign {
        return Err(EngineError::NotControl { path: path.to_owned(), found: found.into() });
    }
    let mut weights = Weights::new(path);
    for prefix in ["control_model.", ""] {
        if names.has(&format!("{prefix}input_hint_block.")) {
            let blocks = unet_blocks(&names, prefix);
            for (name, entry) in names.below(prefix) {
                weights.insert(control_name(&blocks, name), &file, entry);
            }
            return Ok(Some((ControlKind::ControlNet, weights)));
        }
    }
    let Some(kind) = kind(|prefix| names.has(prefix)) else { return Ok(None) };
    if kind == ControlKind::Depth {
        return Ok(Some((kind, depth_file::weights(path, &file)?)));
    }
    for entry in file.entries() {
        weights.insert(entry.name.clone(), &file, entry);
    }
    Ok(Some((kind, renamed(kind, weights))))
}

fn kind(has: impl Fn(&str) -> bool) -> Option<ControlKind> {
    if has("ip_adapter.") && has("image_proj.") {
        Some(ControlKind::IpAdapter)
    } else if has("controlnet_cond_embedding.") {
        Some(if has("task_embedding") { ControlKind::Union } else { ControlKind::ControlNet })
    } else if has("adapter.body.") || (has("body.") && (has("conv_in.") || has("body.0.in_conv."))) {
        Some(ControlKind::T2iAdapter)
    } else if has("vision_model.") || (has("embeddings.patch_embedding.") && has("visual_projection.")) {
        Some(ControlKind::ImageEncoder)
    } else if depth_file::is_one(has) {
        Some(ControlKind::Depth)
    } else {
        None
    }
}

fn renamed(kind: ControlKind, mut weights: Weights) -> Weights {
    match kind {
        ControlKind::T2iAdapter => {
            let light = weights.has("body.0.out_conv.");
            weights.rename(|name| Some(adapter_name(name, light)));
        }
        ControlKind::ImageEncoder => weights.rename(|name| {
            // A whole CLIP has its text half too.
            let seen = name.starts_with("vision_model.") || name.starts_with("visual_projection.");
            let name = name.strip_prefix("vision_model.").unwrap_or(name);
            let parts = ["embeddings.", "encoder.", "pre_layrnorm.", "post_layernorm."];
            let bare = parts.iter().any(|part| name.starts_with(part));
            ((seen || bare) && !name.ends_with("position_ids")).then(|| name.to_owned())
        }),
        ControlKind::Depth => weights.rename(|name| depth_file::is_read(name).then(|| name.to_owned())),
        ControlKind::ControlNet | ControlKind::Union | ControlKind::IpAdapter => {}
    }
    weights
}

/// LDM's name of a ControlNet's tensor to diffusers'.
fn control_name(blocks: &[(String, String)], name: &str) -> String {
    if let Some(rest) = name.strip_prefix("zero_convs.") {
        return format!("controlnet_down_blocks.{}", rest.replacen(".0.", ".", 1));
    }
    if let Some(rest) = name.strip_prefix("middle_block_out.0.") {
        return format!("controlnet_mid_block.{rest}");
    }
    let hint = name.strip_prefix("input_hint_block.").and_then(|rest| rest.split_once('.'));
    match hint.and_then(|(i, rest)| Some((i.parse::<usize>().ok()?, rest))) {
        // Every other entry is an activation; the first convolution and the last have names of their own.
        Some((0, rest)) => format!("controlnet_cond_embedding.conv_in.{rest}"),
        Some((14, rest)) => format!("controlnet_cond_embedding.conv_out.{rest}"),
        Some((i, rest)) => format!("controlnet_cond_embedding.blocks.{}.{rest}", (i / 2).saturating_sub(1)),
        None => unet_name(blocks, name),
    }
}

/// A T2I-Adapter's tensor in diffusers' naming without its prefix. The original numbers all blocks of all levels in one
/// list, two to a level, but those of a `light` adapter level by level.
fn adapter_name(name: &str, light: bool) -> String {
    if let Some(name) = name.strip_prefix("adapter.") {
        return name.to_owned();
    }
    let block = name.strip_prefix("body.").and_then(|rest| rest.split_once('.'));
    let Some((i, rest)) = block.and_then(|(i, rest)| Some((i.parse::<usize>().ok()?, rest))) else {
        return name.to_owned();
    };
    match rest.strip_prefix("body.") {
        Some(rest) if light => format!("body.{i}.resnets.{rest}"),
        _ if light => name.to_owned(),
        _ if rest.starts_with("block") => format!("body.{}.resnets.{}.{rest}", i / 2, i % 2),
        _ => format!("body.{}.{rest}", i / 2),
    }
}
