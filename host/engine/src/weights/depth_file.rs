//! Depth Anything's two namings: transformers', in which the estimator is written, and that of the original, in which one
//! file with everything goes around.

use super::{Weights, file::SafetensorsFile};
use crate::EngineError;
use std::path::Path;
use std::rc::Rc;

/// True if some names of either naming are there.
pub fn is_one(has: impl Fn(&str) -> bool) -> bool {
    (has("backbone.embeddings.patch_embeddings.") && has("neck.reassemble_stage.") && has("head.conv3."))
        || (has("pretrained.patch_embed.") && has("depth_head.scratch.refinenet"))
}

/// False for what only training reads, by transformers' name: the token for hidden patches, and what would refine a sum
/// with nothing.
pub fn is_read(name: &str) -> bool {
    name != "backbone.embeddings.mask_token" && !name.starts_with("neck.fusion_stage.layers.0.residual_layer1.")
}

/// The tensors of `file` by transformers' names.
pub fn weights(path: &Path, file: &Rc<SafetensorsFile>) -> Result<Weights, EngineError> {
    let mut weights = Weights::new(path);
    for entry in file.entries() {
        // Query, key and value are one layer in the original.
        if let Some((layer, end)) =
            entry.name.strip_prefix("pretrained.blocks.").and_then(|n| n.split_once(".attn.qkv."))
        {
            let name = |part| format!("backbone.encoder.layer.{layer}.attention.attention.{part}.{end}");
            weights.insert_parts(&["query", "key", "value"].map(name), file, entry)?;
            continue;
        }
        let name = renamed(&entry.name).unwrap_or_else(|| entry.name.clone());
        if is_read(&name) {
            weights.insert(name, file, entry);
        }
    }
    Ok(weights)
}

/// The original's name to transformers'; `None` for others.
fn renamed(name: &str) -> Option<String> {
    if let Some(name) = name.strip_prefix("pretrained.") {
        return Some(match name.split_once('.') {
            Some(("patch_embed", rest)) => {
                format!("backbone.embeddings.patch_embeddings.{}", rest.replacen("proj.", "projection.", 1))
            }
            Some(("norm", rest)) => format!("backbone.layernorm.{rest}"),
            Some(("blocks", rest)) => {
                let (layer, part) = rest.split_once('.')?;
                let part = match part.split_once('.')? {
                    ("ls1", "gamma") => "layer_scale1.lambda1".to_owned(),
                    ("ls2", "gamma") => "layer_scale2.lambda1".to_owned(),
                    ("attn", rest) => format!("attention.{}", rest.replacen("proj.", "output.dense.", 1)),
                    _ => part.to_owned(),
                };
                format!("backbone.encoder.layer.{layer}.{part}")
            }
            _ if name == "pos_embed" => "backbone.embeddings.position_embeddings".to_owned(),
            _ => format!("backbone.embeddings.{name}"),
        });
    }
    let (part, rest) = name.strip_prefix("depth_head.")?.split_once('.')?;
    let (first, end) = rest.split_once('.')?;
    match (part, first) {
        ("projects", i) => Some(format!("neck.reassemble_stage.layers.{i}.projection.{end}")),
        ("resize_layers", i) => Some(format!("neck.reassemble_stage.layers.{i}.resize.{end}")),
        ("scratch", "output_conv1") => Some(format!("head.conv1.{end}")),
        // A convolution, an activation and a convolution.
        ("scratch", "output_conv2") => match end.split_once('.')? {
            ("0", end) => Some(format!("head.conv2.{end}")),
            ("2", end) => Some(format!("head.conv3.{end}")),
            _ => None,
        },
        ("scratch", _) => {
            let numbered =
                |prefix: &str, end: &str| first.strip_prefix(prefix)?.strip_suffix(end)?.parse::<usize>().ok();
            if let Some(i) = numbered("layer", "_rn").and_then(|i| i.checked_sub(1)) {
                return Some(format!("neck.convs.{i}.{end}"));
            }
            // Numbered from the largest picture to the smallest.
            let i = numbered("refinenet", "").and_then(|i| 4usize.checked_sub(i))?;
            let end = match end.split_once('.')? {
                ("out_conv", end) => format!("projection.{end}"),
                (unit, end) => {
                    let unit = unit.strip_prefix("resConfUnit")?;
                    format!("residual_layer{unit}.{}", end.replacen("conv", "convolution", 1))
                }
            };
            Some(format!("neck.fusion_stage.layers.{i}.{end}"))
        }
        _ => None,
    }
}
