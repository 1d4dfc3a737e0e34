"""Writes LoRAs of real size for the model of real_size.py: `python tests/reference/real_lora.py FOLDER`.

`lora.safetensors` changes what kohya's trainer does by default (attention, feed-forward and text encoder, rank 32), `locon.safetensors`
every convolution too, `loha.safetensors` the same layers as the first by LoHa. For measuring; what they paint is noise.
"""
import sys

import torch
from safetensors.torch import save_file

import real_size

RANK = 32


def layers(conv):
    for prefix, model in (("lora_unet_", real_size.unet()), ("lora_te_text_model_", real_size.text_encoder())):
        for name, module in model.named_modules():
            kinds = (torch.nn.Linear, torch.nn.Conv2d) if conv else torch.nn.Linear
            if isinstance(module, kinds) and (conv or "transformer_blocks" in name or prefix != "lora_unet_"):
                yield prefix + name.replace(".", "_"), module.weight.shape


def lora(conv):
    tensors = {}
    for name, shape in layers(conv):
        tensors[f"{name}.lora_down.weight"] = torch.randn(RANK, *shape[1:]).half() * 0.01
        tensors[f"{name}.lora_up.weight"] = torch.randn(shape[0], RANK, *[1] * (len(shape) - 2)).half() * 0.01
        tensors[f"{name}.alpha"] = torch.tensor(16.0)
    return tensors


def loha():
    tensors = {}
    for name, shape in layers(False):
        for w in ("hada_w1", "hada_w2"):
            tensors[f"{name}.{w}_a"] = torch.randn(shape[0], RANK).half() * 0.1
            tensors[f"{name}.{w}_b"] = torch.randn(RANK, shape[1]).half() * 0.1
    return tensors


if __name__ == "__main__":
    save_file(lora(False), f"{sys.argv[1]}/lora.safetensors")
    save_file(lora(True), f"{sys.argv[1]}/locon.safetensors")
    save_file(loha(), f"{sys.argv[1]}/loha.safetensors")
