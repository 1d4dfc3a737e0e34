"""Writes a diffusers folder with Stable Diffusion 1.5's real shapes and random weights: `python tests/reference/real_size.py FOLDER`.

About 2 GB as f16. For measuring memory and time; its pictures are noise.
"""
import os
import sys

import torch
from diffusers import AutoencoderKL, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

import tiny

torch.set_grad_enabled(False)


def unet():
    torch.manual_seed(0)
    return UNet2DConditionModel(sample_size=64, cross_attention_dim=768)


def vae():
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, sample_size=512,
        down_block_types=("DownEncoderBlock2D",) * 4, up_block_types=("UpDecoderBlock2D",) * 4,
    )


def text_encoder():
    torch.manual_seed(0)
    return CLIPTextModel(
        CLIPTextConfig(
            vocab_size=49408, hidden_size=768, intermediate_size=3072, num_hidden_layers=12, num_attention_heads=12,
            hidden_act="quick_gelu", projection_dim=768,
        )
    )


if __name__ == "__main__":
    folder = sys.argv[1]
    os.makedirs(folder, exist_ok=True)
    for name, make in (("unet", unet), ("vae", vae), ("text_encoder", text_encoder), ("scheduler", tiny.scheduler)):
        tiny.save(folder, **{name: make()})
