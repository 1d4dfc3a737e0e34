"""Writes the golden data of regions: `python tests/reference/regions.py [OUT]`, OUT defaults to golden/ beside it.

Texts bound to masks (attention coupling) by an attention processor in diffusers' pipelines, on the tiny models of make.py and
families.py. `regions.json` says how each picture was asked for, `regions.safetensors` holds pictures and masks.
"""
import os
import sys

import numpy as np
import torch
from diffusers import StableDiffusionImg2ImgPipeline, StableDiffusionPipeline, StableDiffusionXLPipeline
from diffusers.models.attention_processor import AttnProcessor2_0
from safetensors.torch import save_file
from torch.nn.functional import scaled_dot_product_attention

import families
import make
import tiny
from tiny import write_json

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
TENSORS = {}


def overlaps(pixels, cells):
    """[cells, pixels]: how much of each cell each pixel is."""
    matrix = np.zeros((cells, pixels))
    size = pixels / cells
    for cell in range(cells):
        for pixel in range(pixels):
            matrix[cell, pixel] = max(0.0, min((cell + 1) * size, pixel + 1) - max(cell * size, pixel)) / size
    return matrix


class Coupled:
    """Cross-attention whose last row looks at the base text and at each region's, weighted by what each mask covers."""

    def __init__(self, contexts, masks, latents):
        self.contexts, self.weights = contexts, {}
        h, w = latents
        for _ in range(4):
            cells = [overlaps(m.shape[0], h) @ m @ overlaps(m.shape[1], w).T for m in masks]
            total = sum(cells)
            shares = [1 - np.minimum(total, 1)] + [c / np.maximum(total, 1) for c in cells]
            self.weights[h * w] = [torch.from_numpy(s.reshape(-1, 1)).float() for s in shares]
            h, w = -(-h // 2), -(-w // 2)

    def __call__(self, attn, hidden_states, encoder_hidden_states=None, attention_mask=None, **_):
        split = lambda t: t.unflatten(-1, (attn.heads, -1)).transpose(0, 1)[None]
        found = []
        for row, (x, base) in enumerate(zip(hidden_states, encoder_hidden_states)):
            q = split(attn.to_q(x))
            look = lambda c: scaled_dot_product_attention(q, split(attn.to_k(c)), split(attn.to_v(c)))[0].transpose(0, 1).flatten(1)
            if row + 1 < len(hidden_states):
                found.append(look(base))
            else:
                contexts = [base] + [context[0] for context in self.contexts]
                found.append(sum(w * look(c) for w, c in zip(self.weights[len(x)], contexts)))
        return attn.to_out[0](torch.stack(found))


def masks(name, width, height):
    """Masks that f16 holds exactly."""
    y, x = np.mgrid[0:height, 0:width]
    across = (x + 0.5) / width
    steps = lambda values: np.round(np.clip(values, 0, 1) * 64) / 64
    made = {
        # Left and right, crossing over, and less than all at the top.
        "soft": [steps((0.6 - across) * 5) * (y > 4), steps((across - 0.5) * 4) * 0.75],
        "overlap": [steps(1.2 - across), steps(((x - 30) ** 2 + (y - 20) ** 2 < 300) * 1.0), steps((y > height // 2) * 0.5)],
        "hard": [(x < width // 3) * 1.0, (x >= width // 3) * 1.0],
        "one": [((x > 9) & (y > 13) & (x < width - 8)) * 1.0],
    }[name]
    return [m.astype(np.float64) for m in made]


def main():
    torch.set_grad_enabled(False)
    torch.set_num_threads(1)
    image, _ = make.inputs()
    text, tokenizer = tiny.text_encoder(), tiny.tokenizer()
    tokenizer_2 = tiny.tokenizer()
    tokenizer_2.pad_token = "!"
    nets = {"sd": tiny.unet(), "sdxl": families.unet(tiny.WIDTH + families.OPEN_WIDTH, [1, 1, 2], (False, True, True), sizes=6)}
    common = {"text_encoder": text, "tokenizer": tokenizer}
    parts = {
        "sd": common | {"vae": tiny.vae(), "safety_checker": None, "feature_extractor": None, "requires_safety_checker": False},
        "sdxl": common | {"vae": families.vae(0.13025), "text_encoder_2": families.text_encoder_2(), "tokenizer_2": tokenizer_2,
                          "add_watermarker": False},
    }
    pipelines = {"txt2img": StableDiffusionPipeline, "img2img": StableDiffusionImg2ImgPipeline}
    rows = []

    def picture(name, model, shape, prompts, *, kind="txt2img", sampler="euler", curve="normal", steps=6, guidance=5.0, strength=None, seed=0,
                width=48, height=40, prompt="a photo of a cat"):
        pipeline = pipelines[kind] if model == "sd" else StableDiffusionXLPipeline
        schedule = make.scheduler(make.sd15_config(), sampler, curve) if model == "sd" else families.schedule(families.xl_config(), sampler, curve)
        pipe = pipeline(unet=nets[model], scheduler=schedule, **parts[model])
        pipe.set_progress_bar_config(disable=True)
        own = masks(shape, width, height)
        embed = lambda p: pipe.encode_prompt(p, device="cpu", num_images_per_prompt=1, do_classifier_free_guidance=False)[0]
        coupled = Coupled([embed(p) for p in prompts], own, (height // 8, width // 8))
        nets[model].set_attn_processor({k: coupled if "attn2" in k else AttnProcessor2_0() for k in nets[model].attn_processors})
        arguments = {"prompt": [prompt], "negative_prompt": ["blurry, ugly"]}
        arguments |= {"width": width, "height": height} if kind == "txt2img" else {"image": [image], "strength": strength}
        generator = [torch.Generator("cpu").manual_seed(seed)]
        made = pipe(**arguments, num_inference_steps=steps, guidance_scale=guidance, generator=generator, output_type="np").images[0]
        nets[model].set_attn_processor(AttnProcessor2_0())
        arguments["generator"] = [torch.Generator("cpu").manual_seed(seed)]
        bare = pipe(**arguments, num_inference_steps=steps, guidance_scale=guidance, output_type="np").images[0]
        print(name, "differs from the prompt's alone by", round(float(((made - bare) ** 2).mean() ** 0.5), 4))
        TENSORS[f"picture.{name}"] = torch.from_numpy(made).half()
        for i, m in enumerate(own):
            TENSORS[f"mask.{name}.{i}"] = torch.from_numpy(m).half()
        rows.append({"name": name, "model": model, "kind": kind, "sampler": sampler, "scheduler": curve, "steps": steps, "seed": seed,
                     "guidance": guidance, "width": width, "height": height, "prompt": prompt, "regions": prompts,
                     "start_step": 0 if strength is None else steps - min(int(steps * strength), steps)})

    picture("soft", "sd", "soft", ["a red house", "the sea at night"], sampler="dpmpp_2m", curve="karras")
    picture("overlap", "sd", "overlap", ["a dog", "green hills under snow", "fire"], sampler="euler_a", seed=5)
    picture("wide", "sd", "hard", ["a forest", "a city"], width=72)
    picture("unguided", "sd", "one", ["a portrait of a king"], guidance=1.0, prompt="", width=40, height=32)
    picture("img2img", "sd", "one", ["a red house"], kind="img2img", strength=0.7, width=64, height=64)
    picture("xl.soft", "sdxl", "soft", ["a red house", "the sea at night"], sampler="dpmpp_2m", curve="karras")
    picture("xl.hard", "sdxl", "hard", ["a forest", "a city"], sampler="euler_a", width=32, height=40)
    write_json(f"{OUT}/regions.json", rows)
    save_file({k: v.contiguous() for k, v in TENSORS.items()}, f"{OUT}/regions.safetensors")


if __name__ == "__main__":
    main()
