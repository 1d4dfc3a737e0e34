"""Tiny random Stable Diffusion models with the real architecture, and LDM names for their tensors.

The models are diffusers' own classes with small widths. Weights are stored as f16 and the reference computes with exactly those
values in f32. The token table is a pattern rather than noise, so that 49,408 rows compress well in the repository.
"""
import gzip
import json
import os

import open_clip
import torch
from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

WIDTH = 16  # of the text embedding


def tokenizer():
    """transformers' CLIPTokenizer over OpenAI's vocabulary, built from open_clip's copy of the merges."""
    path = os.path.join(os.path.dirname(open_clip.__file__), "bpe_simple_vocab_16e6.txt.gz")
    merges = gzip.open(path).read().decode("utf-8").split("\n")[1 : 49152 - 256 - 2 + 1]
    merges = [tuple(m.split()) for m in merges]
    alphabet = list(open_clip.tokenizer.bytes_to_unicode().values())
    names = alphabet + [a + "</w>" for a in alphabet] + ["".join(m) for m in merges]
    names += ["<|startoftext|>", "<|endoftext|>"]
    return CLIPTokenizer(vocab={n: i for i, n in enumerate(names)}, merges=merges, model_max_length=77)


def scheduler():
    """SD 1.5's scheduler configuration."""
    return DDIMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False, steps_offset=1
    )


def text_encoder():
    torch.manual_seed(1)
    model = CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408, hidden_size=WIDTH, intermediate_size=32, num_hidden_layers=3, num_attention_heads=1,
            max_position_embeddings=77, hidden_act="quick_gelu", projection_dim=WIDTH, bos_token_id=49406, eos_token_id=49407,
        )
    )
    rows, columns = torch.arange(49408)[:, None], torch.arange(WIDTH)[None]
    model.embeddings.token_embedding.weight.data = ((rows * 131 + columns * 977 + rows // 61) % 61 - 30) / 30
    for name, parameter in model.named_parameters():
        if "layers" in name and parameter.ndim == 2:
            parameter.data.normal_(0, 0.3)
    return halved(model)


def vae():
    torch.manual_seed(2)
    model = AutoencoderKL(
        block_out_channels=(16, 16, 16, 32), layers_per_block=1, norm_num_groups=16, latent_channels=4, sample_size=64,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4, scaling_factor=0.18215,
    )
    with torch.no_grad():  # pictures with contrast
        model.decoder.conv_out.weight *= 4
        model.quant_conv.weight *= 8
    return halved(model)


def unet(widths=(32, 32, 64), heads=8, groups=32, linear=False, down=("CrossAttnDownBlock2D",) * 2 + ("DownBlock2D",)):
    torch.manual_seed(3)
    model = UNet2DConditionModel(
        sample_size=8, block_out_channels=widths, layers_per_block=1, norm_num_groups=groups, cross_attention_dim=WIDTH,
        down_block_types=down, up_block_types=tuple(b.replace("Down", "Up") for b in reversed(down)),
        attention_head_dim=heads, use_linear_projection=linear,
    )
    with torch.no_grad():  # predictions of about unit size that hang on the text
        model.conv_out.weight *= 3
        for name, parameter in model.named_parameters():
            if "attn2.to_v" in name or "attn2.to_out.0.weight" in name:
                parameter *= 3
    return halved(model)


def unet_groups():
    """Other heads, groups and projections than SD 1.5 has, as only a configuration can tell."""
    return unet((16, 32), heads=[2, 4], groups=8, linear=True, down=("DownBlock2D", "CrossAttnDownBlock2D"))


def inpainting(unet):
    """The same network with 9 input channels."""
    torch.manual_seed(4)
    unet.conv_in = torch.nn.Conv2d(9, unet.config.block_out_channels[0], 3, padding=1)
    unet.register_to_config(in_channels=9)
    return halved(unet)


def halved(model):
    """The model in f32 with values that f16 holds exactly."""
    for parameter in model.parameters():
        parameter.data = parameter.data.half().float()
    return model.eval()


def save(folder, **parts):
    """A diffusers folder of `parts`, weights as f16."""
    for name, part in parts.items():
        path = os.path.join(folder, name)
        if name == "scheduler":
            # Only what SD 1.5's published file says, so that each sampler's class keeps its own default spacing.
            os.makedirs(path, exist_ok=True)
            hidden = set(part.config["_use_default_values"]) | {"_use_default_values"}
            config = {"_class_name": "DDIMScheduler"} | {k: v for k, v in part.config.items() if k not in hidden}
            write_json(os.path.join(path, "scheduler_config.json"), config)
            continue
        os.makedirs(path, exist_ok=True)
        part.save_config(path) if hasattr(part, "save_config") else part.config.save_pretrained(path)
        file = "model.safetensors" if name.startswith("text_encoder") else "diffusion_pytorch_model.safetensors"
        save_file({k: v.half().contiguous() for k, v in part.state_dict().items()}, os.path.join(path, file))


def save_conv_in(path, unet):
    """The first convolution only: the rest of the inpainting network is the plain one's."""
    save_file({f"conv_in.{k}": v.half().contiguous() for k, v in unet.conv_in.state_dict().items()}, path)


def ldm_names(unet, vae, text):
    """{LDM name: [component, diffusers name]}, written after the original code's module lists rather than after our reader."""
    names = {}

    def put(component, prefix, ldm, diffusers, model):
        for key in model.state_dict():
            if key.startswith(diffusers + "."):
                names[f"{prefix}{ldm}.{key[len(diffusers) + 1:]}"] = [component, key]

    def resnet(component, prefix, ldm, diffusers, model, parts):
        for ours, theirs in parts.items():
            put(component, prefix, f"{ldm}.{theirs}", f"{diffusers}.{ours}", model)

    block = {"norm1": "in_layers.0", "conv1": "in_layers.2", "time_emb_proj": "emb_layers.1", "norm2": "out_layers.0",
             "conv2": "out_layers.3", "conv_shortcut": "skip_connection"}
    p = "model.diffusion_model."
    for ldm, ours in {"time_embed.0": "time_embedding.linear_1", "time_embed.2": "time_embedding.linear_2",
                      "label_emb.0.0": "add_embedding.linear_1", "label_emb.0.2": "add_embedding.linear_2",
                      "input_blocks.0.0": "conv_in", "out.0": "conv_norm_out", "out.2": "conv_out"}.items():
        put("unet", p, ldm, ours, unet)
    n = 1
    for i, level in enumerate(unet.down_blocks):
        for j in range(len(level.resnets)):
            resnet("unet", p, f"input_blocks.{n}.0", f"down_blocks.{i}.resnets.{j}", unet, block)
            put("unet", p, f"input_blocks.{n}.1", f"down_blocks.{i}.attentions.{j}", unet)
            n += 1
        if level.downsamplers:
            put("unet", p, f"input_blocks.{n}.0.op", f"down_blocks.{i}.downsamplers.0.conv", unet)
            n += 1
    resnet("unet", p, "middle_block.0", "mid_block.resnets.0", unet, block)
    put("unet", p, "middle_block.1", "mid_block.attentions.0", unet)
    resnet("unet", p, "middle_block.2", "mid_block.resnets.1", unet, block)
    n = 0
    for i, level in enumerate(unet.up_blocks):
        attention = hasattr(level, "attentions")
        for j in range(len(level.resnets)):
            resnet("unet", p, f"output_blocks.{n}.0", f"up_blocks.{i}.resnets.{j}", unet, block)
            put("unet", p, f"output_blocks.{n}.1", f"up_blocks.{i}.attentions.{j}", unet)
            if level.upsamplers and j == len(level.resnets) - 1:
                put("unet", p, f"output_blocks.{n}.{1 + attention}.conv", f"up_blocks.{i}.upsamplers.0.conv", unet)
            n += 1
    p = "first_stage_model."
    block = {"norm1": "norm1", "conv1": "conv1", "norm2": "norm2", "conv2": "conv2", "conv_shortcut": "nin_shortcut"}
    for half, many, ldm_many, change in (("encoder", "down_blocks", "down", "downsample"), ("decoder", "up_blocks", "up", "upsample")):
        levels = getattr(getattr(vae, half), many)
        for i, level in enumerate(levels):
            k = i if half == "encoder" else len(levels) - 1 - i
            for j in range(len(level.resnets)):
                resnet("vae", p, f"{half}.{ldm_many}.{k}.block.{j}", f"{half}.{many}.{i}.resnets.{j}", vae, block)
            put("vae", p, f"{half}.{ldm_many}.{k}.{change}.conv", f"{half}.{many}.{i}.{change}rs.0.conv", vae)
        for j in (0, 1):
            resnet("vae", p, f"{half}.mid.block_{j + 1}", f"{half}.mid_block.resnets.{j}", vae, block)
        for ldm, ours in {"norm": "group_norm", "q": "to_q", "k": "to_k", "v": "to_v", "proj_out": "to_out.0"}.items():
            put("vae", p, f"{half}.mid.attn_1.{ldm}", f"{half}.mid_block.attentions.0.{ours}", vae)
        for ldm, ours in {"conv_in": "conv_in", "norm_out": "conv_norm_out", "conv_out": "conv_out"}.items():
            put("vae", p, f"{half}.{ldm}", f"{half}.{ours}", vae)
    put("vae", p, "quant_conv", "quant_conv", vae)
    put("vae", p, "post_quant_conv", "post_quant_conv", vae)
    for key in text.state_dict():
        names[f"cond_stage_model.transformer.text_model.{key}"] = ["text_encoder", key]
    total = sum(len(m.state_dict()) for m in (unet, vae, text))
    assert len(names) == total == len({tuple(v) for v in names.values()}), (len(names), total)
    return names


def save_single_file(path, names, parts):
    """One checkpoint with LDM names; the VAE's attention as the 1x1 convolutions LDM has there."""
    tensors = {}
    for name, (component, key) in names.items():
        tensor = parts[component].state_dict()[key].half().contiguous()
        if ".mid.attn_1." in name and tensor.ndim == 2:
            tensor = tensor[:, :, None, None].contiguous()
        tensors[name] = tensor
    tensors["model_ema.decay"] = torch.tensor(0.9999)
    save_file(tensors, path, metadata={"modelspec.title": "tiny"})


def write_json(path, value):
    """One row of a table, or one entry of a map, to a line."""
    rows = value if isinstance(value, list) else [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in value.items()]
    lines = [json.dumps(row) if isinstance(value, list) else row for row in rows]
    brackets = "[]" if isinstance(value, list) else "{}"
    with open(path, "w", encoding="utf-8") as file:
        file.write(brackets[0] + "\n" + ",\n".join(lines) + "\n" + brackets[1] + "\n")
