"""Writes the golden data the engine is tested against: `python tests/reference/make.py [OUT]`, OUT defaults to golden/ beside it.

Everything here is computed by torch, diffusers and transformers at the versions of requirements.txt; rerunning it on another
machine may change the last digits of pictures, but not tokens, noise or names.
"""
import os
import sys

import numpy as np
import torch
from diffusers import (
    DDIMScheduler, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler,
    StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline, StableDiffusionPipeline,
)
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPTokenizer

import tiny
from tiny import write_json

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
TENSORS = {}
torch.set_grad_enabled(False)
torch.set_num_threads(1)  # sums in one order, whatever the machine

SAMPLERS = {
    "euler": EulerDiscreteScheduler, "euler_a": EulerAncestralDiscreteScheduler,
    "ddim": DDIMScheduler, "dpmpp_2m": DPMSolverMultistepScheduler,
}


CURVES = {"normal": {}, "karras": {"use_karras_sigmas": True}, "exponential": {"use_exponential_sigmas": True}}


class CurvedAncestral(EulerAncestralDiscreteScheduler):
    """euler_a with `curve`: the class has no option for it, so the levels are those of EulerDiscreteScheduler."""

    curve = {}

    def set_timesteps(self, num_inference_steps, device=None):
        super().set_timesteps(num_inference_steps, device)
        euler = EulerDiscreteScheduler.from_config(self.config, **self.curve)
        euler.set_timesteps(num_inference_steps, device)
        self.timesteps, self.sigmas = euler.timesteps, euler.sigmas


def scheduler(config, sampler, kind):
    curve = CURVES[kind]
    if curve and sampler == "euler_a":
        s = CurvedAncestral.from_config(config)
        s.curve = curve
        return s
    if curve and sampler == "ddim":
        return EulerDiscreteScheduler.from_config(config, timestep_spacing="leading", **curve)
    return SAMPLERS[sampler].from_config(config, **curve)


def sd15_config(**changes):
    """SD 1.5's published scheduler configuration, which names no spacing."""
    config = {"beta_start": 0.00085, "beta_end": 0.012, "beta_schedule": "scaled_linear", "num_train_timesteps": 1000,
              "set_alpha_to_one": False, "clip_sample": False, "steps_offset": 1}
    return config | changes


def schedules():
    rows = []
    for spacing in (None, "leading", "trailing", "linspace"):
        config = sd15_config(**({"timestep_spacing": spacing} if spacing else {}))
        for sampler in SAMPLERS:
            for kind in ("normal", "karras"):
                for steps in (1, 2, 5, 8, 20, 30, 50):
                    s = scheduler(config, sampler, kind)
                    s.set_timesteps(steps)
                    if isinstance(s, DDIMScheduler):
                        level = lambda a: ((1 - a.double()) / a.double()).sqrt().item()
                        after = s.timesteps - s.config.num_train_timesteps // steps
                        sigmas = [level(s.alphas_cumprod[t]) for t in s.timesteps]
                        after = [level(s.alphas_cumprod[t] if t >= 0 else s.final_alpha_cumprod) for t in after]
                    else:
                        sigmas, after = s.sigmas[:-1].tolist(), s.sigmas[1:].tolist()
                    init = s.init_noise_sigma
                    rows.append({"spacing": spacing, "sampler": sampler, "scheduler": kind, "steps": steps,
                                 "timesteps": s.timesteps.tolist(), "sigmas": sigmas, "next": after, "init_noise_sigma": float(init)})
    write_json(f"{OUT}/schedules.json", rows)


TEXTS = [
    "", " ", "a", "A photo of a cat, sitting on a bench.", "  many   blanks\tand\nlines  ", "don't we're they've I'm he'll she'd it's",
    "DON'T SHOUT", "1girl, (masterpiece:1.2), best_quality!!", "3.14159 2024-01-01 100%", "naïve café Ünïcödé ÄÖÜß",
    "e\u0301 combining, \u00e9 composed", "ﬁ ligature Ⅷ ½ ²", "日本語のテキスト", "привет мир", "مرحبا بالعالم", "हिन्दी में पाठ", "ไทย", "한국어",
    "😀 👍🏽 👩‍👩‍👧 🇩🇪", "emoji😀inside", "İstanbul ΣΊΣΥΦΟΣ ẞ", "zero\u200bwidth\u00a0nbsp\u3000ideographic", "<|startoftext|> inside <|endoftext|>",
    "<|STARTOFTEXT|> upper", "a<b>c</b> &amp; & html", "supercalifragilisticexpialidocious antidisestablishmentarianism", "x" * 200, "!!!???...,,,",
    "'s 'T ''d", "snake_case CamelCase kebab-case", "\u0000null\u0007bell", "tab\x0bvt\x0cff\x1cfs\x85nel", "line\u2028sep", "𝔉𝔯𝔞𝔨𝔱𝔲𝔯 𝟙𝟚𝟛",
    "a highly detailed oil painting of a lighthouse " * 12,
]


def tokens(tokenizer):
    rows = [{"text": t, "tokens": tokenizer(t)["input_ids"][1:-1]} for t in TEXTS]
    write_json(f"{OUT}/tokens.json", rows)
    # A small vocabulary, in both forms it is found on disk.
    letters = [chr(c) for c in range(ord("!"), ord("~") + 1)]
    merges = [("c", "a"), ("ca", "t</w>"), ("t", "h"), ("th", "e</w>"), ("d", "o"), ("do", "g</w>")]
    names = letters + [c + "</w>" for c in letters] + ["".join(m) for m in merges] + ["<|startoftext|>", "<|endoftext|>"]
    small = CLIPTokenizer(vocab={n: i for i, n in enumerate(names)}, merges=merges, pad_token="!", model_max_length=77)
    small.save_pretrained(f"{OUT}/tokenizer-json")
    os.makedirs(f"{OUT}/tokenizer-vocab", exist_ok=True)
    write_json(f"{OUT}/tokenizer-vocab/vocab.json", {n: i for i, n in enumerate(names)})
    with open(f"{OUT}/tokenizer-vocab/merges.txt", "w", encoding="utf-8") as file:
        file.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    texts = ["the cat", "The dog's do", "cathedral é"]
    rows = [{"text": t, "padded": small(t, padding="max_length", max_length=12)["input_ids"]} for t in texts]
    write_json(f"{OUT}/tokens-small.json", rows)


def noise():
    rows = []
    for seed in (0, 42, 2**32 + 5, 1234567890123):
        for count in (16384, 1000, 60, 12, 7):
            generator = torch.Generator("cpu").manual_seed(seed)
            draws = [torch.randn(count, generator=generator), torch.randn(count, generator=generator)]
            bits = np.concatenate([d.numpy().view(np.uint32) for d in draws])
            weights = np.arange(1, bits.size + 1, dtype=np.uint64)
            rows.append({"seed": seed, "count": count, "first": bits[:4].tolist(), "last": bits[-4:].tolist(),
                         "checksum": int((bits.astype(np.uint64) * weights).sum() & np.uint64(2**53 - 1))})
    write_json(f"{OUT}/noise.json", rows)


def embed(text, tokenizer, prompt, skip=1, chunks=None):
    """Chunks of 75 tokens, each encoded on its own and joined; clip skip as A1111 counts."""
    ids = tokenizer(prompt, truncation=False)["input_ids"][1:-1]
    parts = [ids[i : i + 75] for i in range(0, len(ids), 75)] or [[]]
    parts += [[]] * ((chunks or 0) - len(parts))
    parts = [([49406] + p + [49407] * 77)[:76] + [49407] for p in parts]
    states = text(torch.tensor(parts), output_hidden_states=True).hidden_states
    return text.final_layer_norm(states[-skip]).reshape(1, -1, tiny.WIDTH)


def modules(parts, unet9, text):
    generator = torch.Generator().manual_seed(7)
    randn = lambda *shape: torch.randn(*shape, generator=generator)
    context = randn(2, 77, tiny.WIDTH)
    for name, unet, shape, t in (
        ("square", parts["unet"], (2, 4, 8, 8), 999), ("odd", parts["unet"], (2, 4, 5, 7), 37.25), ("nine", unet9, (2, 9, 8, 6), 500),
        ("groups", tiny.unet_groups(), (2, 4, 8, 8), 1),
    ):
        x = randn(*shape)
        TENSORS[f"unet.{name}.x"] = x
        TENSORS[f"unet.{name}.context"] = context.clone()
        TENSORS[f"unet.{name}.timestep"] = torch.tensor([float(t)])
        TENSORS[f"unet.{name}.y"] = unet(x, torch.tensor(t), context).sample
    vae = parts["vae"]
    pixels = randn(1, 3, 64, 48).clamp(-1, 1)
    posterior = vae.encode(pixels).latent_dist
    TENSORS["vae.pixels"], TENSORS["vae.mean"], TENSORS["vae.std"] = pixels, posterior.mean, posterior.std
    TENSORS["vae.decoded"] = vae.decode(posterior.mean).sample
    tokenizer = tiny.tokenizer()
    for skip in (1, 2, 3):
        TENSORS[f"clip.skip{skip}"] = embed(text, tokenizer, "a photo of a cat", skip)
    TENSORS["clip.chunks"] = embed(text, tokenizer, TEXTS[-1])


def inputs():
    """A picture with edges and gradients and a grey mask, 64 x 64, 8 bits."""
    y, x = np.mgrid[0:64, 0:64]
    image = np.stack([x * 4, y * 4, (x // 8 + y // 8) % 2 * 200 + 20], -1).astype(np.uint8)
    mask = np.zeros((64, 64), np.uint8)
    mask[12:44, 20:60] = 255
    mask[44:52, 20:60] = 140
    mask[52:58, 20:60] = 110
    TENSORS["input.image"] = torch.from_numpy(image.astype(np.float32) / 255)
    TENSORS["input.mask"] = torch.from_numpy(mask.astype(np.float32) / 255)
    return Image.fromarray(image), Image.fromarray(mask)


def painter(parts, text, tokenizer, rows):
    """What makes a picture by a pipeline, adds it to TENSORS and tells `rows` how it was asked for."""
    image, mask = inputs()
    config = parts["scheduler"].config

    def picture(name, pipeline, unet, sampler, kind, *, steps=6, seed=0, batch=1, guidance=5.0, prompt="a photo of a cat",
                negative="blurry, ugly", skip=1, width=64, height=64, strength=None, **more):
        pipe = pipeline(vae=parts["vae"], text_encoder=text, tokenizer=tokenizer, unet=unet, feature_extractor=None,
                        safety_checker=None, requires_safety_checker=False, scheduler=scheduler(config, sampler, kind))
        pipe.set_progress_bar_config(disable=True)
        ids = max(len(tokenizer(p)["input_ids"]) - 2 for p in (prompt, negative))
        chunks = max(1, -(-ids // 75))
        if skip == 1 and chunks == 1:
            arguments = {"prompt": [prompt] * batch, "negative_prompt": [negative] * batch}
        else:
            both = [embed(text, tokenizer, p, skip, chunks).repeat(batch, 1, 1) for p in (prompt, negative)]
            arguments = {"prompt_embeds": both[0], "negative_prompt_embeds": both[1]}
        if pipeline is StableDiffusionPipeline:
            arguments |= {"width": width, "height": height}
        else:
            arguments |= {"image": [image] * batch, "strength": strength}
        if pipeline is StableDiffusionInpaintPipeline:
            arguments |= {"mask_image": [mask] * batch, "width": width, "height": height}
        generators = [torch.Generator("cpu").manual_seed(seed + i) for i in range(batch)]
        result = pipe(**arguments, num_inference_steps=steps, guidance_scale=guidance, generator=generators, output_type="np", **more)
        TENSORS[f"picture.{name}"] = torch.from_numpy(result.images).half()
        rows.append({"name": name, "kind": {StableDiffusionPipeline: "txt2img", StableDiffusionImg2ImgPipeline: "img2img"}.get(pipeline, "inpaint"),
                     "channels": unet.config.in_channels, "sampler": sampler, "scheduler": kind, "steps": steps, "seed": seed, "batch": batch,
                     "guidance": guidance, "prompt": prompt, "negative": negative, "clip_skip": skip, "width": width, "height": height,
                     "start_step": 0 if strength is None else steps - min(int(steps * strength), steps)})

    return picture


def pictures(parts, unet9, text, tokenizer):
    rows = []
    picture = painter(parts, text, tokenizer, rows)
    plain, image_to_image, inpaint = StableDiffusionPipeline, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline
    four = parts["unet"]
    for sampler in SAMPLERS:
        for kind in ("normal", "karras"):
            picture(f"txt2img.{sampler}.{kind}", plain, four, sampler, kind)
            picture(f"img2img.{sampler}.{kind}", image_to_image, four, sampler, kind, strength=0.7)
            picture(f"inpaint4.{sampler}.{kind}", inpaint, four, sampler, kind, strength=1.0)
            picture(f"inpaint9.{sampler}.{kind}", inpaint, unet9, sampler, kind, strength=1.0)
    picture("inpaint4.partial", inpaint, four, "euler_a", "normal", strength=0.6)
    picture("inpaint9.partial", inpaint, unet9, "euler_a", "karras", strength=0.6)
    picture("img2img.full", image_to_image, four, "euler", "normal", strength=1.0)
    picture("batch", plain, four, "euler_a", "karras", batch=3, seed=2**32 - 1)
    picture("img2img.batch", image_to_image, four, "euler_a", "normal", batch=2, strength=0.5)
    picture("inpaint4.batch", inpaint, four, "euler_a", "normal", batch=2, strength=0.8)
    picture("odd", plain, four, "euler", "normal", width=72, height=40)
    picture("unguided", plain, four, "euler", "normal", guidance=1.0)
    picture("skip2", plain, four, "euler", "normal", skip=2)
    picture("chunks", plain, four, "euler", "normal", prompt=TEXTS[-1].strip(), negative="bad")
    picture("negative_chunks", plain, four, "euler", "normal", negative=TEXTS[-1].strip())
    picture("empty", plain, four, "dpmpp_2m", "karras", prompt="", negative="", steps=20)
    write_json(f"{OUT}/pictures.json", rows)


def main():
    os.makedirs(OUT, exist_ok=True)
    tokenizer, text = tiny.tokenizer(), tiny.text_encoder()
    unet9 = tiny.inpainting(tiny.unet())
    parts = {"unet": tiny.unet(), "vae": tiny.vae(), "text_encoder": text, "scheduler": tiny.scheduler()}
    tiny.save(f"{OUT}/tiny-sd", **parts)
    tiny.save_conv_in(f"{OUT}/tiny-inpaint.safetensors", unet9)
    tiny.save(f"{OUT}/tiny-groups", unet=tiny.unet_groups())
    write_json(f"{OUT}/ldm-names.json", tiny.ldm_names(parts["unet"], parts["vae"], text))
    schedules()
    tokens(tokenizer)
    noise()
    modules(parts, unet9, text)
    pictures(parts, unet9, text, tokenizer)
    save_file({k: v.contiguous() for k, v in TENSORS.items()}, f"{OUT}/golden.safetensors")


if __name__ == "__main__":
    main()
