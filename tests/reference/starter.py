"""Paints with the starter in diffusers: `python tests/reference/starter.py`, after its weights changed.

Writes host/starter/golden/: one picture as diffusers paints it, and the latents of two samplers, computed in f32 from the stored
weights. `cargo test -p underpaint-engine --test starter` holds ours against them.
"""
import json
import os

import torch
from diffusers import (
    AutoencoderKL, DDIMScheduler, DPMSolverMultistepScheduler, EulerDiscreteScheduler, StableDiffusionPipeline,
    UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextModel, CLIPTokenizer

STARTER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "host", "starter")
SAMPLERS = {"euler": EulerDiscreteScheduler, "dpmpp_2m": DPMSolverMultistepScheduler}
ASKED = {"prompt": "an oil painting of the sea at dusk, lit from the left", "negative": "a city", "steps": 10, "guidance": 4.0, "seed": 5}
SIDE = 256

torch.set_grad_enabled(False)
torch.set_num_threads(1)  # sums in one order, whatever the machine


def pipeline():
    part = lambda kind, name: kind.from_pretrained(f"{STARTER}/model/{name}", torch_dtype=torch.float32)
    return StableDiffusionPipeline(
        unet=part(UNet2DConditionModel, "unet").eval(), vae=part(AutoencoderKL, "vae").eval(),
        text_encoder=part(CLIPTextModel, "text_encoder").eval(), tokenizer=CLIPTokenizer.from_pretrained(f"{STARTER}/model/tokenizer"),
        scheduler=DDIMScheduler.from_pretrained(f"{STARTER}/model/scheduler"), safety_checker=None, feature_extractor=None,
        requires_safety_checker=False,
    )


def main():
    pipe = pipeline()
    pipe.set_progress_bar_config(disable=True)
    tensors = {}
    for sampler, kind in SAMPLERS.items():
        pipe.scheduler = kind.from_config(pipe.scheduler.config)
        latents = pipe(
            prompt=[ASKED["prompt"]], negative_prompt=[ASKED["negative"]], num_inference_steps=ASKED["steps"], guidance_scale=ASKED["guidance"],
            generator=[torch.Generator("cpu").manual_seed(ASKED["seed"])], width=SIDE, height=SIDE, output_type="latent",
        ).images
        tensors[f"latents.{sampler}"] = latents
    picture = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    tensors["picture.dpmpp_2m"] = (picture / 2 + 0.5).clamp(0, 1)[0].permute(1, 2, 0).half()
    os.makedirs(f"{STARTER}/golden", exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, f"{STARTER}/golden/golden.safetensors")
    tokens = pipe.tokenizer(ASKED["prompt"])["input_ids"]
    with open(f"{STARTER}/golden/asked.json", "w", encoding="utf-8") as file:
        file.write(json.dumps(ASKED | {"side": SIDE, "tokens": tokens}, ensure_ascii=False) + "\n")


if __name__ == "__main__":
    main()
