"""Writes a diffusers folder of the real shapes and random weights: `python tests/reference/real_size.py FOLDER [sd15|sdxl|control]`.

2 GB (Stable Diffusion 1.5, the default) or 7 GB (XL) as f16; `control` writes what steers the former: a ControlNet, a T2I-Adapter, and
an IP-Adapter with its image encoder, 2 GB. For measuring memory and time; their pictures are noise.
"""
import os
import sys

import torch
from diffusers import AutoencoderKL, ControlNetModel, EulerDiscreteScheduler, T2IAdapter, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPVisionConfig, CLIPVisionModelWithProjection

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


def controlnet():
    torch.manual_seed(0)
    return ControlNetModel(cross_attention_dim=768)


def adapter():
    torch.manual_seed(0)
    return T2IAdapter(in_channels=3, channels=[320, 640, 1280, 1280], num_res_blocks=2, downscale_factor=8, adapter_type="full_adapter")


def image_encoder():
    torch.manual_seed(0)
    return CLIPVisionModelWithProjection(
        CLIPVisionConfig(
            hidden_size=1280, intermediate_size=5120, num_hidden_layers=32, num_attention_heads=16, projection_dim=1024,
            image_size=224, patch_size=14, hidden_act="gelu",
        )
    )


def ip_adapter():
    """The plain one: four tokens of the whole picture's embedding, keys and values for every block in diffusers' order."""
    blocks = [320] * 2 + [640] * 2 + [1280] * 2 + [1280] * 3 + [640] * 3 + [320] * 3 + [1280]
    tensors = {"image_proj.proj.weight": torch.randn(4 * 768, 1024) * 0.03, "image_proj.proj.bias": torch.zeros(4 * 768),
               "image_proj.norm.weight": torch.ones(768), "image_proj.norm.bias": torch.zeros(768)}
    for place, width in enumerate(blocks):
        for key in ("to_k_ip", "to_v_ip"):
            tensors[f"ip_adapter.{2 * place + 1}.{key}.weight"] = torch.randn(width, 768) * 0.03
    return {name: tensor.half() for name, tensor in tensors.items()}


FAMILIES = {
    "control": {"controlnet": controlnet, "t2i_adapter": adapter, "image_encoder": image_encoder},
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
    if family == "control":
        save_file(ip_adapter(), f"{folder}/ip_adapter.safetensors")
