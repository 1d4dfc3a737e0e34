"""Writes a diffusers folder of the real shapes and random weights: `python tests/reference/real_size.py FOLDER [sd15|sdxl]`.

2 GB (Stable Diffusion 1.5, the default) or 7 GB (XL) as f16. For measuring memory and time; its pictures are noise.
"""
import os
import sys

import torch
from diffusers import AutoencoderKL, EulerDiscreteScheduler, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

import tiny

torch.set_grad_enabled(False)
torch.set_default_dtype(torch.float16)


def unet():
    torch.manual_seed(0)
    return UNet2DConditionModel(sample_size=64, cross_attention_dim=768)


def unet_xl():
    torch.manual_seed(0)
    return UNet2DConditionModel(
        sample_size=128, block_out_channels=(320, 640, 1280), down_block_types=("DownBlock2D",) + ("CrossAttnDownBlock2D",) * 2,
        up_block_types=("CrossAttnUpBlock2D",) * 2 + ("UpBlock2D",), attention_head_dim=[5, 10, 20], cross_attention_dim=2048,
        transformer_layers_per_block=[1, 2, 10], use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=256, projection_class_embeddings_input_dim=2816,
    )


def vae(scaling_factor=0.18215):
    torch.manual_seed(0)
    return AutoencoderKL(
        block_out_channels=(128, 256, 512, 512), layers_per_block=2, latent_channels=4, sample_size=512, scaling_factor=scaling_factor,
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


def text_encoder_2():
    torch.manual_seed(0)
    return CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=49408, hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=20,
            hidden_act="gelu", projection_dim=1280,
        )
    )


FAMILIES = {
    "sd15": {"unet": unet, "vae": vae, "text_encoder": text_encoder, "scheduler": tiny.scheduler},
    "sdxl": {"unet": unet_xl, "vae": lambda: vae(0.13025), "text_encoder": text_encoder, "text_encoder_2": text_encoder_2,
             "scheduler": lambda: EulerDiscreteScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear",
                                                         steps_offset=1, timestep_spacing="leading")},
}


if __name__ == "__main__":
    folder, family = sys.argv[1], sys.argv[2] if len(sys.argv) > 2 else "sd15"
    os.makedirs(folder, exist_ok=True)
    for name, make in FAMILIES[family].items():
        tiny.save(folder, **{name: make()})
