//! Renames a single-file checkpoint's LDM tensor names to diffusers'.
//!
//! Decision: LDM numbers its U-Net blocks in one flat list; which entry is a residual block, where a level ends and whether it
//! has attention shows in the names that exist, so the list is walked and nothing about depths is assumed.

use super::{Weights, file::SafetensorsFile, header::Entry};
use crate::EngineError;
use std::collections::{BTreeMap, BTreeSet};
use std::ops::Bound;
use std::path::Path;
use std::rc::Rc;

/// The components of a checkpoint.
pub struct Components {
    /// The denoiser.
    pub unet: Weights,
    /// The autoencoder.
    pub vae: Weights,
    /// The text encoders, in the order their embeddings are joined.
    pub texts: Vec<(Weights, Encoder)>,
    /// The file says that the denoiser predicts the velocity (a tensor named `v_pred`).
    pub velocity: bool,
    /// The file says that its noise levels end without any signal (a tensor named `ztsnr`).
    pub zero_snr: bool,
}

/// Whose text encoder it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoder {
    /// OpenAI's CLIP in transformers' names.
    Clip,
    /// OpenCLIP in its own.
    OpenClip,
}

/// Opens a single-file checkpoint.
pub fn open(path: &Path) -> Result<Components, EngineError> {
    let file = Rc::new(SafetensorsFile::open(path)?);
    let names = Names::of(&file);
    if let Some(found) = other_architecture(&names) {
        return Err(EngineError::WrongArchitecture { path: path.to_owned(), found });
    }
    let collect = |prefix: &str, rename: &dyn Fn(&str) -> Option<String>| {
        let mut weights = Weights::new(path);
        for (name, entry) in names.below(prefix) {
            if let Some(name) = rename(name) {
                weights.insert(name, &file, entry);
            }
        }
        weights
    };
    let mut texts = Vec::new();
    for (prefix, encoder) in TEXTS {
        if names.has(prefix) {
            texts.push((text_weights(path, &file, &names, prefix, encoder)?, encoder));
        }
    }
    // SD 2.x reads the state before OpenCLIP's last layer, as if there were none.
    if let [(text, Encoder::OpenClip)] = texts.as_mut_slice()
        && names.has("cond_stage_model.")
    {
        text.drop_last("encoder.layers.");
    }
    let blocks = unet_blocks(&names, "model.diffusion_model.");
    let levels = vae_levels(&names, "first_stage_model.");
    Ok(Components {
        unet: collect("model.diffusion_model.", &|name| Some(unet_name(&blocks, name))),
        vae: collect("first_stage_model.", &|name| vae_name(levels, name)),
        texts,
        velocity: names.0.contains_key("v_pred"),
        zero_snr: names.0.contains_key("ztsnr"),
    })
}

/// Where text encoders are found: SD 1.x's, 2.x's, SDXL's two, its refiner's.
const TEXTS: [(&str, Encoder); 5] = [
    ("cond_stage_model.transformer.", Encoder::Clip),
    ("cond_stage_model.model.", Encoder::OpenClip),
    ("conditioner.embedders.0.transformer.", Encoder::Clip),
    ("conditioner.embedders.0.model.", Encoder::OpenClip),
    ("conditioner.embedders.1.model.", Encoder::OpenClip),
];

fn text_weights(
    path: &Path,
    file: &Rc<SafetensorsFile>,
    names: &Names,
    prefix: &str,
    encoder: Encoder,
) -> Result<Weights, EngineError> {
    let mut weights = Weights::new(path);
    for (name, entry) in names.below(prefix) {
        if encoder == Encoder::Clip {
            if let Some(name) = text_name(name) {
                weights.insert(name, file, entry);
            }
        } else if name == "text_projection" {
            weights.insert_transposed("text_projection.weight".to_owned(), file, entry);
        } else if let Some((layer, part)) = name.split_once(".attn.in_proj_") {
            let layer = open_clip_name(layer);
            let split = ["q", "k", "v"].map(|p| format!("{layer}.self_attn.{p}_proj.{part}"));
            weights.insert_parts(&split, file, entry)?;
        } else if name != "logit_scale" && name != "attn_mask" {
            weights.insert(open_clip_name(name), file, entry);
        }
    }
    Ok(weights)
}

/// OpenCLIP's name of a text tensor to transformers'.
fn open_clip_name(name: &str) -> String {
    const PARTS: [(&str, &str); 9] = [
        ("transformer.resblocks.", "encoder.layers."),
        (".ln_1.", ".layer_norm1."),
        (".ln_2.", ".layer_norm2."),
        (".mlp.c_fc.", ".mlp.fc1."),
        (".mlp.c_proj.", ".mlp.fc2."),
        (".attn.", ".self_attn."),
        ("ln_final.", "final_layer_norm."),
        ("token_embedding.", "embeddings.token_embedding."),
        ("positional_embedding", "embeddings.position_embedding.weight"),
    ];
    PARTS.iter().fold(name.to_owned(), |name, (from, to)| name.replace(from, to))
}

/// Opens a VAE alone: a file with LDM names, with or without their prefix, or with diffusers' names.
pub fn open_vae(path: &Path) -> Result<Weights, EngineError> {
    let file = Rc::new(SafetensorsFile::open(path)?);
    let names = Names::of(&file);
    let prefix = if names.has("first_stage_model.") { "first_stage_model." } else { "" };
    let mut weights = Weights::new(path);
    let ldm = names.has(&format!("{prefix}decoder.up."));
    let levels = vae_levels(&names, prefix);
    for (name, entry) in names.below(prefix) {
        let renamed = if ldm { vae_name(levels, name) } else { Some(diffusers_vae_name(name)) };
        if let Some(name) = renamed {
            weights.insert(name, &file, entry);
        }
    }
    if !weights.has("decoder.") || !weights.has("encoder.") {
        let found = "not an autoencoder (it has no encoder and decoder)".to_owned();
        return Err(EngineError::WrongArchitecture { path: path.to_owned(), found });
    }
    Ok(weights)
}

/// The VAE attention's names before diffusers 0.18 to today's; all others unchanged.
pub fn diffusers_vae_name(name: &str) -> String {
    let renamed = [(".query.", ".to_q."), (".key.", ".to_k."), (".value.", ".to_v."), (".proj_attn.", ".to_out.0.")];
    renamed.iter().fold(name.to_owned(), |name, (old, new)| name.replace(old, new))
}

/// A CLIP tensor's name without the prefix some writers put before it, `None` for what is not needed.
pub fn text_name(name: &str) -> Option<String> {
    let name = name.strip_prefix("text_model.").unwrap_or(name);
    (!name.ends_with("position_ids") && name != "logit_scale").then(|| name.to_owned())
}

/// What the file is if its names are not those of a Stable Diffusion checkpoint.
fn other_architecture(names: &Names) -> Option<String> {
    let is = |s: &str| Some(s.to_owned());
    let lora = |name: &&str| {
        name.contains("lora_down") || name.contains("lora_A") || name.contains("lora_up") || name.starts_with("lora_")
    };
    if names.has("model.diffusion_model.input_blocks.") {
        match (names.has("first_stage_model."), TEXTS.iter().any(|(prefix, _)| names.has(prefix))) {
            (true, true) => None,
            (false, _) => is("a checkpoint without its VAE (no first_stage_model tensors)"),
            (true, false) => is("a checkpoint without its text encoder (no cond_stage_model or conditioner tensors)"),
        }
    } else if names.all().any(|name| lora(&name)) {
        is("a LoRA, not a whole model")
    } else if names.has("control_model.") || names.has("controlnet_cond_embedding.") || names.has("input_hint_block.") {
        is("a ControlNet, not a whole model (use --control for it)")
    } else if names.has("ip_adapter.") {
        is("an IP-Adapter, not a whole model (use --control for it)")
    } else if names.has("adapter.body.") || (names.has("body.") && names.has("conv_in.")) {
        is("a T2I-Adapter, not a whole model (use --control for it)")
    } else if names.has("vision_model.") {
        is("CLIP's image encoder, through which an IP-Adapter looks")
    } else if names.has("model.diffusion_model.double_blocks.") || names.has("double_blocks.") {
        is("a Flux model")
    } else if names.has("model.diffusion_model.joint_blocks.") || names.has("joint_blocks.") {
        is("a Stable Diffusion 3 model")
    } else if names.has("model.layers.") || names.has("transformer.h.") || names.has("lm_head.") {
        is("a language model")
    } else if names.has("down_blocks.") {
        is("the U-Net of a diffusers folder on its own")
    } else if names.has("decoder.") && names.has("encoder.") {
        is("an autoencoder on its own (use --vae for it)")
    } else if ["model.1.sub.0.RDB1.", "body.0.rdb1.", "RRDB_trunk.0.RDB1.", "body.0.weight"]
        .iter()
        .any(|n| names.has(n))
    {
        is("an upscaler (use `underpaint upscale` for it)")
    } else if names.has("text_model.") {
        is("a text encoder on its own")
    } else {
        match names.all().next() {
            Some(name) => Some(format!("of a kind this version does not know (its first tensor is {name})")),
            None => is("a file without any tensor"),
        }
    }
}

/// The file's names, sorted, with their entries.
pub(super) struct Names<'a>(BTreeMap<&'a str, &'a Entry>);

impl<'a> Names<'a> {
    pub(super) fn of(file: &'a SafetensorsFile) -> Self {
        Self(file.entries().iter().map(|e| (e.name.as_str(), e)).collect())
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &'a str> {
        self.0.keys().copied()
    }

    /// Names that begin with `prefix`, without it.
    pub(super) fn below<'p>(&'p self, prefix: &'p str) -> impl Iterator<Item = (&'a str, &'a Entry)> + use<'a, 'p> {
        let from = (Bound::Included(prefix), Bound::Unbounded);
        self.0.range::<str, _>(from).map_while(move |(name, i)| Some((name.strip_prefix(prefix)?, *i)))
    }

    pub(super) fn has(&self, prefix: &str) -> bool {
        self.below(prefix).next().is_some()
    }
}

/// Where each of the U-Net's numbered blocks goes: `input_blocks.4.0` -> `down_blocks.1.resnets.0`.
pub(super) fn unet_blocks(names: &Names, prefix: &str) -> Vec<(String, String)> {
    let has = |part: &str| names.has(&format!("{prefix}{part}."));
    let mut blocks = vec![("input_blocks.0.0.".to_owned(), "conv_in.".to_owned())];
    let mut rename = |from: String, to: String| blocks.push((format!("{from}."), format!("{to}.")));
    let (mut level, mut layer) = (0, 0);
    for i in (1..).take_while(|i| has(&format!("input_blocks.{i}"))) {
        let block = format!("input_blocks.{i}");
        if has(&format!("{block}.0.op")) {
            rename(format!("{block}.0.op"), format!("down_blocks.{level}.downsamplers.0.conv"));
            (level, layer) = (level + 1, 0);
        } else {
            rename(format!("{block}.0"), format!("down_blocks.{level}.resnets.{layer}"));
            rename(format!("{block}.1"), format!("down_blocks.{level}.attentions.{layer}"));
            layer += 1;
        }
    }
    let attention = has("middle_block.1.transformer_blocks");
    rename("middle_block.0".into(), "mid_block.resnets.0".into());
    if attention {
        rename("middle_block.1".into(), "mid_block.attentions.0".into());
    }
    rename(format!("middle_block.{}", 1 + usize::from(attention)), "mid_block.resnets.1".into());
    (level, layer) = (0, 0);
    for i in (0..).take_while(|i| has(&format!("output_blocks.{i}"))) {
        let block = format!("output_blocks.{i}");
        let upsampler = [1, 2].map(|j| format!("{block}.{j}.conv")).into_iter().find(|b| has(b));
        rename(format!("{block}.0"), format!("up_blocks.{level}.resnets.{layer}"));
        if has(&format!("{block}.1.transformer_blocks")) {
            rename(format!("{block}.1"), format!("up_blocks.{level}.attentions.{layer}"));
        }
        layer += 1;
        if let Some(upsampler) = upsampler {
            rename(upsampler, format!("up_blocks.{level}.upsamplers.0.conv"));
            (level, layer) = (level + 1, 0);
        }
    }
    blocks
}

pub(super) fn unet_name(blocks: &[(String, String)], name: &str) -> String {
    const WHOLE: [(&str, &str); 6] = [
        ("time_embed.0.", "time_embedding.linear_1."),
        ("time_embed.2.", "time_embedding.linear_2."),
        ("label_emb.0.0.", "add_embedding.linear_1."),
        ("label_emb.0.2.", "add_embedding.linear_2."),
        ("out.0.", "conv_norm_out."),
        ("out.2.", "conv_out."),
    ];
    const PARTS: [(&str, &str); 6] = [
        (".in_layers.0.", ".norm1."),
        (".in_layers.2.", ".conv1."),
        (".emb_layers.1.", ".time_emb_proj."),
        (".out_layers.0.", ".norm2."),
        (".out_layers.3.", ".conv2."),
        (".skip_connection.", ".conv_shortcut."),
    ];
    for (from, to) in blocks {
        if let Some(rest) = name.strip_prefix(from.as_str()) {
            let name = format!("{to}{rest}");
            return PARTS.iter().fold(name, |name, (from, to)| name.replace(from, to));
        }
    }
    let part = WHOLE.iter().find_map(|(from, to)| Some(format!("{to}{}", name.strip_prefix(from)?)));
    part.unwrap_or_else(|| name.to_owned())
}

/// Number of resolutions of the VAE's decoder, which LDM numbers from the other end.
fn vae_levels(names: &Names, prefix: &str) -> usize {
    let part = format!("{prefix}decoder.up.");
    let levels: BTreeSet<&str> = names.below(&part).filter_map(|(name, _)| name.split('.').next()).collect();
    levels.len()
}

/// `None` for tensors of the training loss.
fn vae_name(levels: usize, name: &str) -> Option<String> {
    if ["loss.", "model_ema."].iter().any(|p| name.starts_with(p)) {
        return None;
    }
    let mut parts: Vec<String> = name.split('.').map(str::to_owned).collect();
    if let [half, direction, level, ..] = parts.as_mut_slice() {
        match (half.as_str(), direction.as_str(), level.parse::<usize>()) {
            ("encoder", "down", Ok(_)) => *direction = "down_blocks".into(),
            ("decoder", "up", Ok(n)) if n < levels => {
                *direction = "up_blocks".into();
                *level = (levels - 1 - n).to_string();
            }
            _ => {}
        }
    }
    const PARTS: [(&str, &str); 12] = [
        (".block.", ".resnets."),
        (".nin_shortcut.", ".conv_shortcut."),
        (".downsample.conv.", ".downsamplers.0.conv."),
        (".upsample.conv.", ".upsamplers.0.conv."),
        (".mid.block_1.", ".mid_block.resnets.0."),
        (".mid.block_2.", ".mid_block.resnets.1."),
        (".mid.attn_1.norm.", ".mid_block.attentions.0.group_norm."),
        (".mid.attn_1.q.", ".mid_block.attentions.0.to_q."),
        (".mid.attn_1.k.", ".mid_block.attentions.0.to_k."),
        (".mid.attn_1.v.", ".mid_block.attentions.0.to_v."),
        (".mid.attn_1.proj_out.", ".mid_block.attentions.0.to_out.0."),
        ("coder.norm_out.", "coder.conv_norm_out."),
    ];
    Some(PARTS.iter().fold(parts.join("."), |name, (from, to)| name.replace(from, to)))
}
