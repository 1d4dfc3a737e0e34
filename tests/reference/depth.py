"""Writes the golden data of depth estimators: `python tests/reference/depth.py [OUT]`, OUT defaults to golden/ beside it.

Tiny Depth Anything V2 models in transformers' names and the original's. Their weights are not stored: they are torch's noise
(control.py), so `depth-models.json` only lists seeds, names, shapes and configurations. `depth.safetensors` holds what
transformers' image processor, model and depth pipeline make of pictures that are drawn by formula on both sides.
"""
import os
import re
import sys

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file
from transformers import DepthAnythingConfig, DepthAnythingForDepthEstimation, DPTImageProcessor, Dinov2Config
from transformers.pipelines.depth_estimation import DepthEstimationPipeline

import control
from tiny import write_json

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
PATCH = 14
ACROSS = 5
MEAN, DEVIATION = [0.485, 0.456, 0.406], [0.229, 0.224, 0.225]
TENSORS = {}


def in_files(name):
    """The name in files of a tensor of transformers 5's modules."""
    for part in ("q_proj", "k_proj", "v_proj"):
        full = {"q": "query", "k": "key", "v": "value"}[part[0]]
        name = name.replace(f"attention.{part}", f"attention.attention.{full}")
    return name.replace("attention.o_proj", "attention.output.dense")


def original(name):
    """The name in the original's files (github.com/DepthAnything/Depth-Anything-V2); parts of one tensor end in #0, #1, …"""
    name = re.sub(r"^backbone\.embeddings\.position_embeddings", "pretrained.pos_embed", name)
    name = re.sub(r"^backbone\.embeddings\.patch_embeddings\.projection", "pretrained.patch_embed.proj", name)
    name = re.sub(r"^backbone\.embeddings\.", "pretrained.", name)
    name = re.sub(r"^backbone\.layernorm\.", "pretrained.norm.", name)
    name = re.sub(r"^backbone\.encoder\.layer\.", "pretrained.blocks.", name)
    for i, part in enumerate(("query", "key", "value")):
        name = re.sub(rf"attention\.attention\.{part}\.(\w+)", rf"attn.qkv.\1#{i}", name)
    name = name.replace("attention.output.dense", "attn.proj")
    name = re.sub(r"layer_scale(\d)\.lambda1", r"ls\1.gamma", name)
    name = re.sub(r"^neck\.reassemble_stage\.layers\.(\d)\.projection", r"depth_head.projects.\1", name)
    name = re.sub(r"^neck\.reassemble_stage\.layers\.(\d)\.resize", r"depth_head.resize_layers.\1", name)
    name = re.sub(r"^neck\.convs\.(\d)", lambda m: f"depth_head.scratch.layer{int(m[1]) + 1}_rn", name)
    name = re.sub(r"^neck\.fusion_stage\.layers\.(\d)", lambda m: f"depth_head.scratch.refinenet{4 - int(m[1])}", name)
    name = re.sub(r"residual_layer(\d)\.convolution(\d)", r"resConfUnit\1.conv\2", name)
    name = re.sub(r"(refinenet\d)\.projection", r"\1.out_conv", name)
    for ours, theirs in (("conv1", "output_conv1"), ("conv2", "output_conv2.0"), ("conv3", "output_conv2.2")):
        name = re.sub(rf"^head\.{ours}", f"depth_head.scratch.{theirs}", name)
    return name


def estimator(name, seed, width, layers, heads, read, mlp, **more):
    backbone = Dinov2Config(hidden_size=width, num_hidden_layers=layers, num_attention_heads=heads, mlp_ratio=mlp, patch_size=PATCH,
                            image_size=ACROSS * PATCH, out_indices=read, reshape_hidden_states=False)
    config = DepthAnythingConfig(backbone_config=backbone, reassemble_hidden_size=width, neck_hidden_sizes=[8, 12, 16, 24],
                                 fusion_hidden_size=16, head_hidden_size=8, patch_size=PATCH, **more)
    model = DepthAnythingForDepthEstimation(config).eval()
    names = {in_files(k): k for k in model.state_dict()}
    shapes = {k: list(model.state_dict()[v].shape) for k, v in names.items()}
    tensors = control.noise(seed, shapes)
    model.load_state_dict({names[k]: v for k, v in tensors.items()})
    told = config.to_dict()
    kept = ("num_attention_heads", "out_indices", "layer_norm_eps", "hidden_act", "model_type", "apply_layernorm")
    told = {"architectures": ["DepthAnythingForDepthEstimation"], "depth_estimation_type": told["depth_estimation_type"],
            "max_depth": told["max_depth"], "backbone_config": {k: told["backbone_config"][k] for k in kept}}
    control.enter(name, seed, shapes, told, original)
    return model


def picture(w, h):
    """The same formula as in host/engine/tests/depth.rs."""
    y, x = np.mgrid[0:h, 0:w]
    disc = (x - w // 3) ** 2 + (y - h // 2) ** 2 < (min(w, h) // 3) ** 2
    rgb = np.stack([x * 255 // w, np.where(disc, 230, y * 255 // h), (x * y) % 90 + 80], -1)
    return Image.fromarray(rgb.astype(np.uint8))


def main():
    torch.set_grad_enabled(False)
    control.MODELS.clear()
    models = {
        "small": estimator("small", 51, 64, 5, 4, [1, 2, 4, 5], 2),
        "metric": estimator("metric", 52, 64, 4, 4, [1, 2, 3, 4], 2, depth_estimation_type="metric", max_depth=20),
        "lone": estimator("lone", 53, 128, 12, 2, [3, 6, 9, 12], 1),
    }
    side = ACROSS * PATCH
    processor = DPTImageProcessor(size={"height": side, "width": side}, ensure_multiple_of=PATCH, keep_aspect_ratio=True, do_pad=False,
                                  image_mean=MEAN, image_std=DEVIATION, resample=3)
    rows = []
    for name, w, h in (("small", 64, 64), ("small", 90, 50), ("small", 40, 100), ("small", 150, 45), ("small", 120, 75), ("metric", 90, 50),
                       ("lone", 70, 70), ("lone", 90, 50)):
        row = f"{name}.{w}x{h}"
        pixels = processor(images=picture(w, h), return_tensors="pt").pixel_values
        made = models[name](pixel_values=pixels)
        seen = (pixels[0] * torch.tensor(DEVIATION)[:, None, None] + torch.tensor(MEAN)[:, None, None]) * 255
        assert (seen - seen.round()).abs().max() < 1e-3
        depth = made.predicted_depth[0].clone()
        if w * h < 7000:
            TENSORS[f"bytes.{w}x{h}"] = seen.round().half()
            TENSORS[f"{row}.depth"] = depth
        if name == "metric":
            made["predicted_depth"] = 1 / made.predicted_depth
        pipe = DepthEstimationPipeline(model=models[name], image_processor=processor)
        made["target_size"] = (h, w)
        TENSORS[f"{row}.picture"] = torch.from_numpy(np.asarray(pipe.postprocess(made)["depth"]).astype(np.float32)).half()
        rows.append({"name": row, "model": name, "width": w, "height": h})
        print(row, tuple(depth.shape), *(round(v.item(), 3) for v in (depth.min(), depth.mean(), depth.max(), (depth == 0).float().mean())))
    write_json(f"{OUT}/depth-models.json", control.MODELS)
    write_json(f"{OUT}/pictures-depth.json", rows)
    save_file({k: v.contiguous() for k, v in TENSORS.items()}, f"{OUT}/depth.safetensors")


if __name__ == "__main__":
    main()
