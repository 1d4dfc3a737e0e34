"""Writes what make.py's goldens do not say of the samplers: `python tests/reference/samplers.py [OUT]`.

`samplers.json` is what every sampler makes of an analytic denoiser, `pictures-samplers.json` and `samplers.safetensors` whole pictures.

No network stands between a rule and its reference here, so they are compared to the fifth digit. The denoiser is the exact one for data
that is m or -m with equal chance, blurred a little: D(x, sigma) = m tanh(m x / (sigma^2 + 1)), m another for each of 16 values.
References are diffusers' classes, stepped as its pipelines do; for dpmpp_2s_a, which it lacks, k-diffusion's function on euler's levels.
"""
import importlib.util
import os
import sys
import types

import torch
from diffusers import (
    DPMSolverMultistepScheduler, HeunDiscreteScheduler, LMSDiscreteScheduler, StableDiffusionImg2ImgPipeline, StableDiffusionPipeline,
)
from diffusers.schedulers import scheduling_dpmsolver_multistep, scheduling_euler_ancestral_discrete

from safetensors.torch import save_file

import make
import tiny
from make import sd15_config, scheduler
from tiny import write_json

STEPS = (1, 3, 5, 12, 30)
SIZE = 16
M = torch.linspace(0.3, 2.0, SIZE, dtype=torch.float64)


def epsilon(x, sigma):
    """The noise in `x`, whose signal is at unit scale."""
    return (x - M * torch.tanh(M * x / (sigma ** 2 + 1))) / sigma


def by_diffusers(s, noise, generator):
    x = noise * s.init_noise_sigma
    for i, t in enumerate(s.timesteps):
        scaled = s.scale_model_input(x, t)
        sigma = s.sigmas[i].double() if hasattr(s, "sigmas") else ((1 - s.alphas_cumprod[t]) / s.alphas_cumprod[t]).double().sqrt()
        told = epsilon(scaled * (1 + sigma ** 2).sqrt(), sigma)
        extra = {"generator": generator} if "generator" in s.step.__code__.co_varnames else {}
        x = s.step(told, t, x, **extra).prev_sample
    return x


class Stochastic(DPMSolverMultistepScheduler):
    """dpmpp_2m_sde."""

    @classmethod
    def from_config(cls, config, **options):
        return DPMSolverMultistepScheduler.from_config(config, algorithm_type="sde-dpmsolver++", **options)


NEW = {"heun": HeunDiscreteScheduler, "lms": LMSDiscreteScheduler, "dpmpp_2m_sde": Stochastic}


def k_diffusion():
    """k_diffusion.sampling alone: the package as a whole wants what is needed to train and judge models."""
    folder = os.path.dirname(importlib.util.find_spec("k_diffusion").origin)
    package, helpers = types.ModuleType("k_diffusion"), types.ModuleType("k_diffusion.utils")
    package.__path__ = [folder]
    helpers.append_dims = lambda x, dims: x[(...,) + (None,) * (dims - x.ndim)]
    package.utils = helpers
    sys.modules |= {"k_diffusion": package, "k_diffusion.utils": helpers}
    import k_diffusion.sampling
    return k_diffusion.sampling


def by_k_diffusion(function, s, noise, generator):
    fresh = lambda *_: torch.randn(1, SIZE, generator=generator, dtype=torch.float32).double()
    model = lambda x, sigma, **_: x - sigma[:, None] * epsilon(x, sigma[:, None])
    return function(model, noise * s.init_noise_sigma, s.sigmas.double(), disable=True, noise_sampler=fresh)


def main():
    make.SAMPLERS |= NEW
    pictures = []
    parts = {"unet": tiny.unet(), "vae": tiny.vae(), "scheduler": tiny.scheduler()}
    picture = make.painter(parts, tiny.text_encoder(), tiny.tokenizer(), pictures)
    for sampler in make.SAMPLERS:
        for kind in make.CURVES:
            if sampler in NEW or kind == "exponential":
                picture(f"txt2img.{sampler}.{kind}", StableDiffusionPipeline, parts["unet"], sampler, kind)
        # lms: starting in the middle, diffusers takes the coefficients of an order for which it has no predictions yet, and the step is
        # too short; ours is k-diffusion's, whose order grows from there.
        if sampler in NEW and sampler != "lms":
            picture(f"img2img.{sampler}.karras", StableDiffusionImg2ImgPipeline, parts["unet"], sampler, "karras", strength=0.7)
    # Noise is drawn in f32, as pipelines draw it, whatever the precision of the rest.
    for module in (scheduling_euler_ancestral_discrete, scheduling_dpmsolver_multistep):
        module.randn_tensor = lambda shape, generator=None, **_: torch.randn(shape, generator=generator).double()
    sampling = k_diffusion()
    config, rows = sd15_config(), []
    for sampler in (*make.SAMPLERS, "dpmpp_2s_a"):
        for kind in make.CURVES:
            for steps in STEPS:
                generator = torch.Generator().manual_seed(steps)
                noise = torch.randn(1, SIZE, generator=generator).double()
                lacking = sampler == "dpmpp_2s_a"
                s = scheduler(config, "euler" if lacking else sampler, kind)
                s.set_timesteps(steps)
                if lacking:
                    x = by_k_diffusion(sampling.sample_dpmpp_2s_ancestral, s, noise, generator)
                else:
                    x = by_diffusers(s, noise, generator)
                rows.append({"sampler": sampler, "scheduler": kind, "steps": steps, "seed": steps,
                             "timesteps": None if lacking else s.timesteps.tolist(), "latents": x[0].double().tolist()})
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
    write_json(f"{out}/samplers.json", rows)
    write_json(f"{out}/pictures-samplers.json", pictures)
    save_file({k: v.contiguous() for k, v in make.TENSORS.items() if k.startswith("picture.")}, f"{out}/samplers.safetensors")


if __name__ == "__main__":
    main()
