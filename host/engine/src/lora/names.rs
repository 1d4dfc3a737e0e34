//! The names in LoRA files, in every dialect, and the layers they mean. Pure.
//!
//! | written by | example |
//! |---|---|
//! | kohya, LyCORIS | `lora_unet_down_blocks_0_attentions_0_proj_in.lora_down.weight`, `lora_te_…`, `lora_te1_…`, `lora_te2_…` |
//! | the same for SDXL | `lora_unet_input_blocks_4_1_proj_in.lora_down.weight` (LDM's names) |
//! | diffusers | `unet.down_blocks.0.….to_q.lora_A.weight`, `text_encoder.…`, `text_encoder_2.…` |
//! | diffusers before PEFT | `unet.….attn1.processor.to_q_lora.down.weight`, `text_encoder.….to_q_lora.…`, `….lora_linear_layer.…` |
//! | PEFT | `base_model.model.….to_q.lora_A.weight` |
//! | ComfyUI | `diffusion_model.input_blocks.4.1.….lora_up.weight`, `text_encoders.clip_l.…` |
//!
//! Decision: kohya writes `_` for every `.`, which cannot be undone, so nothing is: the names the loaded model's layers have in
//! each dialect are written with `_` too, and a LoRA's name is looked up among them. Nothing about depths or widths is assumed.

use std::collections::BTreeMap;
use std::fmt;

/// A part of the model that LoRAs change.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Component {
    /// The denoiser.
    Unet,
    /// The text encoder, or SDXL's first.
    TextEncoder,
    /// SDXL's second.
    TextEncoder2,
}

impl fmt::Display for Component {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unet => "unet",
            Self::TextEncoder => "text_encoder",
            Self::TextEncoder2 => "text_encoder_2",
        })
    }
}

/// What a tensor of the file is to its layer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// LoRA: `[out, r]`.
    Up,
    /// LoRA: `[r, in]` or `[r, in, k, k]`.
    Down,
    /// LoCon's core `[r, r, k, k]`.
    Mid,
    /// The scale times the rank; a single number.
    Alpha,
    /// DoRA's magnitudes as LyCORIS and kohya keep them: `[out, 1, …]`, or `[1, in, …]` in older files.
    DoraScale,
    /// DoRA's magnitudes as PEFT keeps them, one for each output.
    Magnitude,
    /// LoHa's first product: `[out, r]`, in a file with a core `[r, out]`.
    HadaW1A,
    /// LoHa's first product: `[r, in]`.
    HadaW1B,
    /// LoHa's second product.
    HadaW2A,
    /// LoHa's second product.
    HadaW2B,
    /// LoHa's first core `[r, r, k, k]`.
    HadaT1,
    /// LoHa's second core.
    HadaT2,
    /// LoKr's first factor.
    LokrW1,
    /// LoKr's first factor as a product: `[p, r]`.
    LokrW1A,
    /// LoKr's first factor as a product: `[r, q]`.
    LokrW1B,
    /// LoKr's second factor.
    LokrW2,
    /// LoKr's second factor as a product.
    LokrW2A,
    /// LoKr's second factor as a product.
    LokrW2B,
    /// LoKr's core `[r, r, k, k]`.
    LokrT2,
    /// The whole difference: of a weight, a bias or a normalisation's.
    Diff,
}

impl Part {
    /// How its key ends in kohya's and LyCORIS' files.
    pub fn ending(self) -> &'static str {
        ENDINGS.iter().find(|(_, part)| *part == self).map_or("", |(ending, _)| ending.trim_start_matches('.'))
    }
}

/// Endings of keys.
const ENDINGS: [(&str, Part); 35] = [
    (".lora_up.weight", Part::Up),
    (".lora_down.weight", Part::Down),
    (".lora_mid.weight", Part::Mid),
    (".lora_B.weight", Part::Up),
    (".lora_A.weight", Part::Down),
    (".lora_B.default.weight", Part::Up),
    (".lora_A.default.weight", Part::Down),
    (".lora_linear_layer.up.weight", Part::Up),
    (".lora_linear_layer.down.weight", Part::Down),
    (".lora.up.weight", Part::Up),
    (".lora.down.weight", Part::Down),
    ("_lora.up.weight", Part::Up),
    ("_lora.down.weight", Part::Down),
    (".alpha", Part::Alpha),
    (".dora_scale", Part::DoraScale),
    (".lora_magnitude_vector", Part::Magnitude),
    (".lora_magnitude_vector.weight", Part::Magnitude),
    (".lora_magnitude_vector.default.weight", Part::Magnitude),
    (".hada_w1_a", Part::HadaW1A),
    (".hada_w1_b", Part::HadaW1B),
    (".hada_w2_a", Part::HadaW2A),
    (".hada_w2_b", Part::HadaW2B),
    (".hada_t1", Part::HadaT1),
    (".hada_t2", Part::HadaT2),
    (".lokr_w1", Part::LokrW1),
    (".lokr_w1_a", Part::LokrW1A),
    (".lokr_w1_b", Part::LokrW1B),
    (".lokr_w2", Part::LokrW2),
    (".lokr_w2_a", Part::LokrW2A),
    (".lokr_w2_b", Part::LokrW2B),
    (".lokr_t2", Part::LokrT2),
    (".diff", Part::Diff),
    (".w_norm", Part::Diff),
    (".diff_b", Part::Diff),
    (".b_norm", Part::Diff),
];

/// Whose layers the names after a beginning are; what several beginnings share comes last.
const BEGINNINGS: [(&str, Component); 13] = [
    ("lora_unet_", Component::Unet),
    ("lora_te1_", Component::TextEncoder),
    ("lora_te2_", Component::TextEncoder2),
    ("lora_te_", Component::TextEncoder),
    ("lycoris_", Component::Unet),
    ("unet.", Component::Unet),
    ("text_encoder_2.", Component::TextEncoder2),
    ("text_encoder.", Component::TextEncoder),
    ("text_encoders.clip_l.", Component::TextEncoder),
    ("text_encoders.clip_g.", Component::TextEncoder2),
    ("clip_l.", Component::TextEncoder),
    ("clip_g.", Component::TextEncoder2),
    ("diffusion_model.", Component::Unet),
];

/// A layer as a LoRA names it: the component, and the rest of the name with `_` for every `.`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Target {
    /// Whose layer.
    pub component: Component,
    /// Its name there, in the file's own dialect.
    pub name: String,
    /// Whether the bias is changed, not the weight.
    pub bias: bool,
}

impl Target {
    /// The tensor of `layer` that is changed.
    pub fn tensor(&self, layer: &str) -> String {
        format!("{layer}.{}", if self.bias { "bias" } else { "weight" })
    }
}

/// The layer that the tensor `key` changes and what it is to it; `None` if no LoRA has such tensors.
pub fn read(key: &str) -> Option<(Target, Part)> {
    let (layer, part) = ENDINGS.iter().find_map(|(end, part)| Some((key.strip_suffix(end)?, *part)))?;
    let known = BEGINNINGS.iter().find_map(|(start, component)| Some((layer.strip_prefix(start)?, Some(*component))));
    let (rest, component) = known.unwrap_or((layer, None));
    let rest = rest.strip_prefix("base_model.model.").unwrap_or(rest);
    let rest = rest.strip_prefix("transformer.text_model.").unwrap_or(rest);
    let text = rest.strip_prefix("text_model.").or_else(|| rest.strip_prefix("text_model_"));
    // PEFT and the oldest diffusers files hold one component and do not say which.
    let component = component.unwrap_or(match text {
        Some(_) => Component::TextEncoder,
        None => Component::Unet,
    });
    let name = match component {
        Component::Unet => rest.replace(".processor.", "."),
        Component::TextEncoder | Component::TextEncoder2 => text.unwrap_or(rest).to_owned(),
    };
    let bias = key.ends_with(".diff_b") || key.ends_with(".b_norm");
    (!name.is_empty()).then(|| (Target { component, name: name.replace('.', "_"), bias }, part))
}

/// The layers of a model by all the names they may have in LoRA files.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<(Component, String), String>);

impl Table {
    /// Takes in the layers of `component` by their full diffusers names, such as `down_blocks.0.resnets.0.conv1`.
    pub fn insert(&mut self, component: Component, layers: &[&str]) {
        let mut put = |other: &str, layer: &str| {
            let name = other.replace('.', "_");
            self.0.entry((component, name)).or_insert_with(|| layer.to_owned());
        };
        layers.iter().for_each(|layer| put(layer, layer));
        for layer in layers {
            match component {
                // Before PEFT, diffusers named a projection alone, not its place in a list.
                Component::Unet => {
                    layer.strip_suffix(".to_out.0").into_iter().for_each(|a| put(&format!("{a}.to_out"), layer))
                }
                // ... and gave the text encoder's projections the U-Net's names.
                Component::TextEncoder | Component::TextEncoder2 => {
                    for (ours, theirs) in
                        [("q_proj", "to_q"), ("k_proj", "to_k"), ("v_proj", "to_v"), ("out_proj", "to_out")]
                    {
                        layer.strip_suffix(ours).into_iter().for_each(|a| put(&format!("{a}{theirs}"), layer));
                    }
                }
            }
        }
        if component == Component::Unet {
            let blocks = ldm_blocks(layers);
            layers
                .iter()
                .filter_map(|layer| Some((ldm_name(&blocks, layer)?, layer)))
                .for_each(|(ldm, layer)| put(&ldm, layer));
        }
    }

    /// The layer that a LoRA means.
    pub fn get(&self, target: &Target) -> Option<&str> {
        self.0.get(&(target.component, target.name.clone())).map(String::as_str)
    }
}

/// Where LDM has each of diffusers' blocks: `down_blocks.1.resnets.0` -> `input_blocks.4.0`. LDM numbers them in one list, each
/// residual block with what follows it, so the model's own blocks are counted.
fn ldm_blocks(layers: &[&str]) -> Vec<(String, String)> {
    let has =
        |part: &str| layers.iter().any(|layer| layer.strip_prefix(part).is_some_and(|rest| rest.starts_with('.')));
    let mut blocks = Vec::new();
    let mut rename = |ours: String, ldm: String| blocks.push((ours + ".", ldm + "."));
    let mut number = 1;
    for level in (0..).take_while(|level| has(&format!("down_blocks.{level}"))) {
        let block = format!("down_blocks.{level}");
        for layer in (0..).take_while(|layer| has(&format!("{block}.resnets.{layer}"))) {
            rename(format!("{block}.resnets.{layer}"), format!("input_blocks.{number}.0"));
            rename(format!("{block}.attentions.{layer}"), format!("input_blocks.{number}.1"));
            number += 1;
        }
        if has(&format!("{block}.downsamplers")) {
            rename(format!("{block}.downsamplers.0.conv"), format!("input_blocks.{number}.0.op"));
            number += 1;
        }
    }
    let attention = has("mid_block.attentions.0");
    rename("mid_block.resnets.0".into(), "middle_block.0".into());
    rename("mid_block.attentions.0".into(), "middle_block.1".into());
    rename("mid_block.resnets.1".into(), format!("middle_block.{}", 1 + usize::from(attention)));
    number = 0;
    for level in (0..).take_while(|level| has(&format!("up_blocks.{level}"))) {
        let block = format!("up_blocks.{level}");
        for layer in (0..).take_while(|layer| has(&format!("{block}.resnets.{layer}"))) {
            rename(format!("{block}.resnets.{layer}"), format!("output_blocks.{number}.0"));
            rename(format!("{block}.attentions.{layer}"), format!("output_blocks.{number}.1"));
            number += 1;
        }
        // In the last residual block's list, behind it and its attention.
        let place = 1 + usize::from(has(&format!("{block}.attentions")));
        rename(format!("{block}.upsamplers.0.conv"), format!("output_blocks.{}.{place}.conv", number.max(1) - 1));
    }
    blocks
}

/// LDM's name of a U-Net layer, by its block and its place in it.
fn ldm_name(blocks: &[(String, String)], layer: &str) -> Option<String> {
    const ALONE: [(&str, &str); 7] = [
        ("conv_in", "input_blocks.0.0"),
        ("time_embedding.linear_1", "time_embed.0"),
        ("time_embedding.linear_2", "time_embed.2"),
        ("add_embedding.linear_1", "label_emb.0.0"),
        ("add_embedding.linear_2", "label_emb.0.2"),
        ("conv_norm_out", "out.0"),
        ("conv_out", "out.2"),
    ];
    const IN_RESNETS: [(&str, &str); 6] = [
        ("norm1", "in_layers.0"),
        ("norm2", "out_layers.0"),
        ("conv1", "in_layers.2"),
        ("time_emb_proj", "emb_layers.1"),
        ("conv2", "out_layers.3"),
        ("conv_shortcut", "skip_connection"),
    ];
    if let Some((_, ldm)) = ALONE.iter().find(|(ours, _)| *ours == layer) {
        return Some((*ldm).to_owned());
    }
    let layer = format!("{layer}.");
    let (rest, ldm) = blocks.iter().find_map(|(ours, ldm)| Some((layer.strip_prefix(ours.as_str())?, ldm)))?;
    let rest = rest.strip_suffix('.').unwrap_or(rest);
    let rest = IN_RESNETS.iter().find(|(ours, _)| *ours == rest).map_or(rest, |(_, ldm)| *ldm);
    Some(format!("{ldm}{rest}").trim_end_matches('.').to_owned())
}

/// The architecture a LoRA was trained on or a model has, as far as names and shapes tell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Base {
    /// Nothing tells.
    #[default]
    Unknown,
    /// Stable Diffusion 1.x.
    Sd1,
    /// Stable Diffusion 2.x.
    Sd2,
    /// SDXL.
    Sdxl,
    /// SDXL's refiner.
    SdxlRefiner,
    /// Stable Diffusion 3.x.
    Sd3,
    /// Flux.
    Flux,
    /// Another transformer.
    Other,
}

impl Base {
    /// By the width of the texts its cross-attention reads.
    pub fn of_context(width: usize) -> Self {
        match width {
            768 => Self::Sd1,
            1024 => Self::Sd2,
            2048 => Self::Sdxl,
            1280 => Self::SdxlRefiner,
            _ => Self::Unknown,
        }
    }

    /// By the names in a LoRA file, where these tell.
    pub fn of_names<'a>(keys: impl Iterator<Item = &'a str> + Clone) -> Self {
        let contains = |parts: &[&str]| keys.clone().any(|key| parts.iter().any(|part| key.contains(part)));
        let starts = |parts: &[&str]| keys.clone().any(|key| parts.iter().any(|part| key.starts_with(part)));
        if contains(&["double_blocks", "single_blocks", "single_transformer_blocks"]) {
            Self::Flux
        } else if contains(&["joint_blocks", "lora_te3_", "text_encoder_3."])
            || starts(&["transformer.transformer_blocks"])
        {
            Self::Sd3
        } else if starts(&["transformer.", "lora_transformer_"]) {
            Self::Other
        } else if starts(&["lora_te2_", "text_encoder_2."]) {
            Self::Sdxl
        } else {
            Self::Unknown
        }
    }

    /// The word on the wire.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Sd1 => "sd15",
            Self::Sd2 => "sd2",
            Self::Sdxl => "sdxl",
            Self::SdxlRefiner => "sdxl_refiner",
            Self::Sd3 => "sd3",
            Self::Flux => "flux",
            Self::Other => "other",
        }
    }
}

impl fmt::Display for Base {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unknown => "an unknown model",
            Self::Sd1 => "SD 1.x",
            Self::Sd2 => "SD 2.x",
            Self::Sdxl => "SDXL",
            Self::SdxlRefiner => "SDXL's refiner",
            Self::Sd3 => "SD 3",
            Self::Flux => "Flux",
            Self::Other => "another transformer model",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const UNET: [&str; 32] = [
        "conv_in",
        "time_embedding.linear_1",
        "time_embedding.linear_2",
        "add_embedding.linear_2",
        "down_blocks.0.resnets.0.conv1",
        "down_blocks.0.resnets.1.conv2",
        "down_blocks.0.downsamplers.0.conv",
        "down_blocks.1.resnets.0.time_emb_proj",
        "down_blocks.1.resnets.0.conv_shortcut",
        "down_blocks.1.attentions.0.proj_in",
        "down_blocks.1.attentions.0.transformer_blocks.1.attn1.to_out.0",
        "down_blocks.1.resnets.1.conv1",
        "down_blocks.1.attentions.1.transformer_blocks.0.ff.net.0.proj",
        "mid_block.resnets.0.conv1",
        "mid_block.attentions.0.transformer_blocks.0.attn2.to_k",
        "mid_block.resnets.1.conv2",
        "up_blocks.0.resnets.0.conv1",
        "up_blocks.0.attentions.0.proj_out",
        "up_blocks.0.resnets.1.conv1",
        "up_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q",
        "up_blocks.0.resnets.2.conv1",
        "up_blocks.0.upsamplers.0.conv",
        "up_blocks.1.resnets.0.conv1",
        "up_blocks.1.resnets.1.conv1",
        "up_blocks.1.resnets.2.conv_shortcut",
        "up_blocks.1.upsamplers.0.conv",
        "up_blocks.2.resnets.0.conv1",
        "up_blocks.2.resnets.1.conv1",
        "up_blocks.2.resnets.2.conv2",
        "conv_out",
        "up_blocks.2.resnets.2.norm2",
        "conv_norm_out",
    ];
    const TEXT: [&str; 3] =
        ["encoder.layers.0.self_attn.q_proj", "encoder.layers.0.self_attn.out_proj", "encoder.layers.10.mlp.fc1"];

    /// Key, part, component, our name of the layer.
    const KEYS: [(&str, Part, Component, &str); 42] = [
        ("lora_unet_down_blocks_1_attentions_0_proj_in.lora_down.weight", Part::Down, Component::Unet, UNET[9]),
        (
            "lora_unet_down_blocks_1_attentions_0_transformer_blocks_1_attn1_to_out_0.alpha",
            Part::Alpha,
            Component::Unet,
            UNET[10],
        ),
        (
            "lora_unet_down_blocks_1_attentions_1_transformer_blocks_0_ff_net_0_proj.lora_up.weight",
            Part::Up,
            Component::Unet,
            UNET[12],
        ),
        ("lora_unet_conv_in.lora_mid.weight", Part::Mid, Component::Unet, UNET[0]),
        ("lora_unet_time_embedding_linear_1.hada_w1_a", Part::HadaW1A, Component::Unet, UNET[1]),
        ("lora_unet_input_blocks_0_0.lokr_w1", Part::LokrW1, Component::Unet, UNET[0]),
        ("lora_unet_time_embed_2.lokr_w2_a", Part::LokrW2A, Component::Unet, UNET[2]),
        ("lora_unet_label_emb_0_2.lokr_t2", Part::LokrT2, Component::Unet, UNET[3]),
        ("lora_unet_input_blocks_1_0_in_layers_2.lora_down.weight", Part::Down, Component::Unet, UNET[4]),
        ("lora_unet_input_blocks_2_0_out_layers_3.lora_down.weight", Part::Down, Component::Unet, UNET[5]),
        ("lora_unet_input_blocks_3_0_op.lora_down.weight", Part::Down, Component::Unet, UNET[6]),
        ("lora_unet_input_blocks_4_0_emb_layers_1.dora_scale", Part::DoraScale, Component::Unet, UNET[7]),
        ("lora_unet_input_blocks_4_0_skip_connection.diff", Part::Diff, Component::Unet, UNET[8]),
        ("lora_unet_input_blocks_4_1_proj_in.lora_down.weight", Part::Down, Component::Unet, UNET[9]),
        (
            "lora_unet_input_blocks_4_1_transformer_blocks_1_attn1_to_out_0.lora_up.weight",
            Part::Up,
            Component::Unet,
            UNET[10],
        ),
        ("lora_unet_input_blocks_5_0_in_layers_2.lora_up.weight", Part::Up, Component::Unet, UNET[11]),
        ("lora_unet_middle_block_0_in_layers_2.lora_up.weight", Part::Up, Component::Unet, UNET[13]),
        (
            "lora_unet_middle_block_1_transformer_blocks_0_attn2_to_k.lora_up.weight",
            Part::Up,
            Component::Unet,
            UNET[14],
        ),
        ("lora_unet_middle_block_2_out_layers_3.lora_up.weight", Part::Up, Component::Unet, UNET[15]),
        ("lora_unet_output_blocks_0_1_proj_out.lora_up.weight", Part::Up, Component::Unet, UNET[17]),
        (
            "lora_unet_output_blocks_1_1_transformer_blocks_0_attn1_to_q.lora_up.weight",
            Part::Up,
            Component::Unet,
            UNET[19],
        ),
        ("lora_unet_output_blocks_2_2_conv.lora_up.weight", Part::Up, Component::Unet, UNET[21]),
        ("lora_unet_output_blocks_5_1_conv.lora_up.weight", Part::Up, Component::Unet, UNET[25]),
        ("lora_unet_output_blocks_8_0_out_layers_3.lora_up.weight", Part::Up, Component::Unet, UNET[28]),
        ("lora_unet_out_2.lora_up.weight", Part::Up, Component::Unet, UNET[29]),
        ("diffusion_model.output_blocks.2.2.conv.lora_up.weight", Part::Up, Component::Unet, UNET[21]),
        ("lycoris_mid_block_resnets_1_conv2.hada_t2", Part::HadaT2, Component::Unet, UNET[15]),
        (
            "unet.up_blocks.0.attentions.1.transformer_blocks.0.attn1.to_q.lora_A.weight",
            Part::Down,
            Component::Unet,
            UNET[19],
        ),
        (
            "unet.up_blocks.0.attentions.1.transformer_blocks.0.attn1.processor.to_q_lora.up.weight",
            Part::Up,
            Component::Unet,
            UNET[19],
        ),
        (
            "down_blocks.1.attentions.0.transformer_blocks.1.attn1.processor.to_out_lora.down.weight",
            Part::Down,
            Component::Unet,
            UNET[10],
        ),
        ("base_model.model.up_blocks.0.upsamplers.0.conv.lora_B.weight", Part::Up, Component::Unet, UNET[21]),
        ("unet.base_model.model.conv_out.lora_magnitude_vector.weight", Part::Magnitude, Component::Unet, UNET[29]),
        ("lora_unet_output_blocks_8_0_out_layers_0.w_norm", Part::Diff, Component::Unet, UNET[30]),
        ("lora_unet_up_blocks_2_resnets_2_norm2.b_norm", Part::Diff, Component::Unet, UNET[30]),
        ("lora_unet_out_0.w_norm", Part::Diff, Component::Unet, UNET[31]),
        ("lora_unet_out_2.diff_b", Part::Diff, Component::Unet, UNET[29]),
        ("lora_te_text_model_encoder_layers_10_mlp_fc1.lora_down.weight", Part::Down, Component::TextEncoder, TEXT[2]),
        (
            "lora_te1_text_model_encoder_layers_0_self_attn_q_proj.hada_w2_b",
            Part::HadaW2B,
            Component::TextEncoder,
            TEXT[0],
        ),
        (
            "text_encoder.text_model.encoder.layers.0.self_attn.to_out_lora.up.weight",
            Part::Up,
            Component::TextEncoder,
            TEXT[1],
        ),
        (
            "base_model.model.text_model.encoder.layers.10.mlp.fc1.lora_A.default.weight",
            Part::Down,
            Component::TextEncoder,
            TEXT[2],
        ),
        (
            "text_encoders.clip_g.transformer.text_model.encoder.layers.0.self_attn.q_proj.lora_up.weight",
            Part::Up,
            Component::TextEncoder2,
            TEXT[0],
        ),
        (
            "text_encoder_2.text_model.encoder.layers.0.self_attn.q_proj.lora_linear_layer.down.weight",
            Part::Down,
            Component::TextEncoder2,
            TEXT[0],
        ),
    ];

    #[test]
    fn every_dialect_finds_its_layer() {
        let mut table = Table::default();
        table.insert(Component::Unet, &UNET);
        table.insert(Component::TextEncoder, &TEXT);
        table.insert(Component::TextEncoder2, &TEXT);
        for (key, part, component, layer) in KEYS {
            let (target, found) = read(key).unwrap_or_else(|| panic!("{key} is not read"));
            assert_eq!((target.component, found, table.get(&target)), (component, part, Some(layer)), "{key}");
            assert_eq!(target.bias, [".diff_b", ".b_norm"].iter().any(|end| key.ends_with(end)), "{key}");
        }
        for foreign in [
            "lora_unet_input_blocks_6_0_op.lora_up.weight",
            "lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight",
            "lora_te_text_model_encoder_layers_9_mlp_fc1.lora_up.weight",
            "text_encoder.unet.conv_in.lora_A.weight",
        ] {
            assert_eq!(read(foreign).and_then(|(target, _)| table.get(&target).map(str::to_owned)), None, "{foreign}");
        }
        for other in
            ["conv_in.weight", "", ".alpha", "lora_unet_.alpha", "unet.x.lora_A", "x.oft_blocks", "first_stage_model.x"]
        {
            assert_eq!(read(other), None, "{other}");
        }
    }

    #[test]
    fn names_tell_whose_a_lora_is() {
        for (key, base) in [
            ("lora_unet_double_blocks_0_img_attn_qkv.lora_up.weight", Base::Flux),
            ("transformer.single_transformer_blocks.0.attn.to_q.lora_A.weight", Base::Flux),
            ("transformer.transformer_blocks.0.attn.to_q.lora_A.weight", Base::Sd3),
            ("transformer.blocks.0.attn1.to_q.lora_A.weight", Base::Other),
            ("lora_te2_text_model_encoder_layers_0_mlp_fc1.alpha", Base::Sdxl),
            ("lora_te_text_model_encoder_layers_0_mlp_fc1.alpha", Base::Unknown),
        ] {
            assert_eq!(Base::of_names(["x", key].into_iter()), base, "{key}");
        }
    }
}
