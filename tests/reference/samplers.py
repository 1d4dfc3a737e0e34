"""Writes what make.py's goldens do not say of the samplers: `python tests/reference/samplers.py [OUT]`.

`samplers.json` is what every sampler makes of an analytic denoiser on every scheduler's levels, `levels.json` those levels for other models,
`brownian.json` torchsde's noise, `pictures-samplers.json` and `samplers.safetensors` whole pictures.

No network stands between a rule and its reference here, so they are compared to the fifth digit. The denoiser is the exact one for data
that is m or -m with equal chance, blurred a little: D(x, sigma) = m tanh(m x / (sigma^2 + 1)), m another for each of 16 values.
References are diffusers' classes, stepped as its pipelines do; k-diffusion's functions on euler's levels where it has none (dpmpp_2s_a,
dpmpp_3m_sde). ComfyUI's levels are its formulas, written anew, put into those classes. ddpm, lcm and tcd on other levels than their own are their
papers' formulas.
"""
import importlib.util
import inspect
import math
import os
import sys
import types

import numpy as np
import scipy.stats
import torch
from diffusers import (
    DDIMScheduler, DDPMScheduler, DEISMultistepScheduler, DPMSolverMultistepScheduler, DPMSolverSDEScheduler, EulerDiscreteScheduler,
    HeunDiscreteScheduler, IPNDMScheduler, LCMScheduler, LMSDiscreteScheduler, StableDiffusionImg2ImgPipeline, StableDiffusionInpaintPipeline,
    StableDiffusionPipeline, TCDScheduler, UniPCMultistepScheduler,
)
from diffusers.schedulers import (
    scheduling_ddpm, scheduling_dpmsolver_multistep, scheduling_dpmsolver_sde, scheduling_euler_ancestral_discrete, scheduling_lcm, scheduling_tcd,
)
from diffusers.schedulers.scheduling_euler_discrete import rescale_zero_terminal_snr

from safetensors.torch import save_file

import make
import tiny
from make import sd15_config
from tiny import write_json

STEPS = (1, 3, 12, 30)
SIZE = 16
M = torch.linspace(0.3, 2.0, SIZE, dtype=torch.float64)
TAIL = 2 ** -24  # diffusers' stand-in for a last level without signal
GAMMA = 0.3


def clean(x, sigma):
    """The data in `x`, whose signal is at unit scale."""
    return M * torch.tanh(M * x / (sigma ** 2 + 1))


def told(x, sigma, velocity):
    """What the denoiser answers to `x`, whose signal is at unit scale: its noise or its velocity."""
    if sigma > 1e30:
        return torch.zeros(1, SIZE).double()  # of pure noise it makes the middle between m and -m
    data = clean(x, sigma)
    noise = (x - data) / sigma
    return (noise - sigma * data) / (1 + sigma ** 2) ** 0.5 if velocity else noise


# Levels

def table(s):
    """Sigma at every training timestep, rising."""
    return (((1 - s.alphas_cumprod) / s.alphas_cumprod) ** 0.5).double().numpy()


def between(sigmas, t):
    """ComfyUI's sigma at a fractional timestep."""
    low, high, w = int(math.floor(t)), int(math.ceil(t)), t - math.floor(t)
    return math.exp((1 - w) * math.log(sigmas[low]) + w * math.log(sigmas[high]))


ALIGNED = {
    "sd1": [14.6146412293, 6.4745760956, 3.8636745985, 2.6946151520, 1.8841921177, 1.3943805092, 0.9642583904, 0.6523686016, 0.3977456272,
            0.1515232662, 0.0291671582],
    "sdxl": [14.6146412293, 6.3184485287, 3.7681790315, 2.1811480769, 1.3405244945, 0.8620721141, 0.5550693289, 0.3798540708, 0.2332364134,
             0.1114188177, 0.0291671582],
}


def born_in_comfy(kind, sigmas, steps, aligned):
    """Sigmas, without the last, which is 0."""
    n = len(sigmas)
    if kind == "sgm_uniform":
        return [between(sigmas, t) for t in np.linspace(n - 1, 0, steps + 1)[:-1]]
    if kind == "simple":
        return [sigmas[-(1 + int(i * (n / steps)))] for i in range(steps)]
    if kind == "ddim_uniform":
        return list(sigmas[1::max(n // steps, 1)][::-1])
    if kind == "beta":
        quantiles = scipy.stats.beta.ppf(1 - np.linspace(0, 1, steps, endpoint=False), 0.6, 0.6)
        return [sigmas[int(t)] for t in dict.fromkeys(np.rint(quantiles * (n - 1)))]
    if kind == "kl_optimal":
        at = np.arange(steps) / max(steps - 1, 1)
        return list(np.tan(at * math.atan(sigmas[0]) + (1 - at) * math.atan(sigmas[-1])))
    if kind == "align_your_steps":
        logs = np.log(ALIGNED[aligned][::-1])
        return list(np.exp(np.interp(np.linspace(0, 1, steps + 1), np.linspace(0, 1, 11), logs))[::-1][:-1])
    raise ValueError(kind)


COMFY = ("sgm_uniform", "simple", "beta", "ddim_uniform", "kl_optimal", "align_your_steps")


def relaid(s, kind, aligned):
    """The scheduler `s` with ComfyUI's levels in place of its own."""
    own = s.set_timesteps

    def set_timesteps(steps, device=None):
        own(steps)
        known = table(s)
        levels = np.array(born_in_comfy(kind, known, steps, aligned))
        log = np.log(known)
        to_t = EulerDiscreteScheduler._sigma_to_t
        ts = np.array([to_t(s, level, log) for level in levels])
        # deis divides by the last level, so it goes to next to nothing.
        sigmas = torch.tensor([*levels, 1e-9 if isinstance(s, DEISMultistepScheduler) else 0.0]).float()
        if isinstance(s, (HeunDiscreteScheduler, DPMSolverSDEScheduler)):
            sigmas = torch.cat([sigmas[:1], sigmas[1:-1].repeat_interleave(2), sigmas[-1:]])
            twice = np.concatenate([ts[:1], ts[1:].repeat(2)])
            if isinstance(s, DPMSolverSDEScheduler):
                twice[1::2] = [to_t(s, middle, log) for middle in np.sqrt(levels[:-1] * levels[1:])]
            ts = twice
        s.sigmas, s.timesteps, s.num_inference_steps = sigmas, torch.from_numpy(ts), len(levels)

    s.set_timesteps = set_timesteps
    return s


# Schedulers

class Stochastic(DPMSolverMultistepScheduler):
    """dpmpp_2m_sde."""

    @classmethod
    def from_config(cls, config, **options):
        return DPMSolverMultistepScheduler.from_config(config, algorithm_type="sde-dpmsolver++", **options)


class Ipndm(EulerDiscreteScheduler):
    """ipndm: diffusers' rule on euler's levels; the class is for models of other levels. The last step is of first order."""

    def set_timesteps(self, *args, **options):
        super().set_timesteps(*args, **options)
        self.rule = IPNDMScheduler()

    def step(self, model_output, timestep, sample, return_dict=True, **_):
        if self.step_index is None:
            self._init_step_index(timestep)
        i, rule = self.step_index, self.rule
        scale = 1 / (1 + self.sigmas ** 2) ** 0.5
        rule.alphas, rule.betas = scale, self.sigmas * scale
        rule.num_inference_steps, rule._step_index = len(self.timesteps), i
        if self.sigmas[i + 1] == 0:
            rule.ets = []
        sample = sample * scale[i]
        v = model_output
        if self.config.prediction_type == "epsilon":
            v = (model_output - rule.betas[i] * sample) / rule.alphas[i]
        moved = rule.step(v, timestep, sample).prev_sample
        self._step_index += 1
        return types.SimpleNamespace(prev_sample=moved / scale[i + 1]) if return_dict else (moved / scale[i + 1],)


NEW = {"heun": HeunDiscreteScheduler, "lms": LMSDiscreteScheduler, "dpmpp_2m_sde": Stochastic}
NEWER = {"dpmpp_sde": DPMSolverSDEScheduler, "ddpm": DDPMScheduler, "unipc": UniPCMultistepScheduler, "deis": DEISMultistepScheduler,
         "ipndm": Ipndm, "lcm": LCMScheduler, "tcd": TCDScheduler}
LACKING = ("dpmpp_2s_a", "dpmpp_3m_sde")
VARIANCE = ("ddim", "ddpm", "lcm", "tcd")

own_scheduler = make.scheduler


def scheduler(config, sampler, kind, seed=0, aligned="sd1"):
    if sampler in LACKING:
        sampler = "euler"
    if sampler in VARIANCE and kind != "normal":
        sampler = "ddim"
    zero = config.get("rescale_betas_zero_snr")
    config = dict(config)
    if sampler == "dpmpp_sde":
        config["noise_sampler_seed"] = seed
    if kind not in COMFY:
        s = own_scheduler(config, sampler, kind)
    elif sampler == "ddim":
        s = relaid(EulerDiscreteScheduler.from_config(config, timestep_spacing="leading"), kind, aligned)
    else:
        s = relaid(own_scheduler(config, sampler, "normal"), kind, aligned)
    if zero and "rescale_betas_zero_snr" not in inspect.signature(type(s)).parameters:
        # The class would ignore it.
        s.alphas_cumprod = torch.cumprod(1 - rescale_zero_terminal_snr(s.betas), 0)
        s.alphas_cumprod[-1] = TAIL
    return s


make.scheduler = scheduler


# Stepping

def by_diffusers(s, noise, generator):
    x, velocity = noise * s.init_noise_sigma, s.config.prediction_type == "v_prediction"
    for i, t in enumerate(s.timesteps):
        scaled = s.scale_model_input(x, t)
        sigma = s.sigmas[i].double() if hasattr(s, "sigmas") else ((1 - s.alphas_cumprod[t]) / s.alphas_cumprod[t]).double().sqrt()
        if getattr(s, "mid_point_sigma", None) is not None:
            sigma = s.mid_point_sigma
        answer = told(scaled * (1 + sigma ** 2).sqrt().clamp(max=1e30), sigma, velocity)
        extra = {"generator": generator} if "generator" in s.step.__code__.co_varnames else {}
        x = s.step(answer, t, x, **extra).prev_sample
    return x


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


def by_k_diffusion(sampling, sampler, s, noise, generator, seed):
    sigmas = s.sigmas.double()
    fresh = lambda *_: torch.randn(1, SIZE, generator=generator, dtype=torch.float32).double()
    function = sampling.sample_dpmpp_2s_ancestral
    if sampler == "dpmpp_3m_sde":
        function = sampling.sample_dpmpp_3m_sde
        path = sampling.BrownianTreeNoiseSampler(noise.float(), sigmas[sigmas > 0].min(), sigmas.max(), seed=seed)
        fresh = lambda *levels: path(*levels).double()
    model = lambda x, sigma, **_: clean(x, sigma[:, None])
    return function(model, noise * s.init_noise_sigma, sigmas, disable=True, noise_sampler=fresh)


def by_formula(sampler, s, noise, generator):
    """ddpm, lcm and tcd on any levels; the latents' variance is 1."""
    x, levels = noise, s.sigmas.double()
    known = table(s)
    draw = lambda: torch.randn(1, SIZE, generator=generator, dtype=torch.float32).double()
    signal = lambda sigma: 1 / (1 + sigma ** 2) ** 0.5
    for i, (sigma, to) in enumerate(zip(levels, levels[1:])):
        data = clean(x / signal(sigma), sigma)
        eps = (x / signal(sigma) - data) / sigma
        if sampler == "lcm":
            x = signal(to) * (data + to * draw()) if to > 0 else data
        elif sampler == "ddpm":
            a, b = signal(sigma) ** 2, signal(to) ** 2
            mean = b ** 0.5 * (1 - a / b) / (1 - a) * data + (a / b) ** 0.5 * (1 - b) / (1 - a) * x
            x = mean + ((1 - b) / (1 - a) * (1 - a / b)) ** 0.5 * draw() if to > 0 else mean
        elif to == 0:
            x = data
        else:
            past = min(torch.tensor(known[int((1 - GAMMA) * s.timesteps[i + 1])]), to)
            x = signal(past) * (data + past * eps)
            ratio = signal(to) / signal(past)
            x = ratio * x + (1 - ratio ** 2) ** 0.5 * draw() if past < to else x
    return x


def with_exact_functions():
    """PyTorch's functions may be off by the last bit, and with them a level by a millionth: to a Brownian path that is another time."""
    def exact(own):
        return lambda t: own(t.double()).float() if t.dtype == torch.float32 else own(t)

    for name in ("sqrt", "log", "exp"):
        setattr(torch.Tensor, name, exact(getattr(torch.Tensor, name)))
    power = torch.Tensor.__pow__
    torch.Tensor.__pow__ = lambda t, exponent: t.sqrt() if exponent == 0.5 else power(t, exponent)


class Path(scheduling_dpmsolver_sde.BrownianTreeNoiseSampler):
    """Noise is drawn in f32, as in a pipeline, whatever the precision of the rest."""

    def __init__(self, x, *args):
        super().__init__(x.float(), *args)

    def __call__(self, *levels):
        return super().__call__(*levels).double()


def made(sampling, config, sampler, kind, steps):
    """What the sampler makes, and the timesteps its denoiser was told if its class has a say in them."""
    generator = torch.Generator().manual_seed(steps)
    noise = torch.randn(1, SIZE, generator=generator).double()
    s = scheduler(config, sampler, kind, seed=steps)
    s.set_timesteps(steps)
    if sampler in LACKING:
        return by_k_diffusion(sampling, sampler, s, noise, generator, steps), None
    if sampler in VARIANCE[1:] and kind != "normal":
        return by_formula(sampler, s, noise, generator), s.timesteps
    return by_diffusers(s, noise, generator), s.timesteps


def digits(values, count=8):
    """As many digits as are compared; nine are all of an f32. JSON has no infinity."""
    return [min(float(f"{float(v):.{count}g}"), 1e308) for v in values]


def rows_of_samplers(sampling):
    rows = []
    for sampler in (*make.SAMPLERS, *LACKING):
        for kind in (*make.CURVES, *COMFY):
            # In 15 steps or more deis is not of first order on its way to no noise, and would divide by it.
            for steps in STEPS if kind in make.CURVES else (4, 13 if sampler == "deis" else 17):
                if steps == 1 and (sampler == "dpmpp_3m_sde" or sampler == "deis" and kind != "normal"):
                    continue  # k-diffusion trips over a single step, and deis stays where it is
                x, timesteps = made(sampling, sd15_config(), sampler, kind, steps)
                # ComfyUI's timesteps are the same for all; levels.json has them.
                told = None if timesteps is None or (kind in COMFY and sampler not in ("dpmpp_sde", "heun")) else digits(timesteps)
                rows.append({"sampler": sampler, "scheduler": kind, "steps": steps, "seed": steps, "timesteps": told, "latents": digits(x[0])})
    zero = sd15_config(prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing")
    for sampler in (*make.SAMPLERS, *LACKING):
        for kind in ("normal", "sgm_uniform"):
            x, _ = made(sampling, zero, sampler, kind, 7)
            rows.append({"sampler": sampler, "scheduler": kind, "steps": 7, "seed": 7, "zero_snr": True, "timesteps": None, "latents": digits(x[0])})
    for sampler in ("dpmpp_2m", "unipc", "euler"):
        for steps in (5, 20):
            x, timesteps = made(sampling, sd15_config(final_sigmas_type="sigma_min"), sampler, "normal", steps)
            rows.append({"sampler": sampler, "scheduler": "normal", "steps": steps, "seed": steps, "sigma_min": True, "timesteps": digits(timesteps),
                         "latents": digits(x[0])})
    return rows


def rows_of_levels():
    rows = []

    def row(sampler, kind, steps, spacing=None, aligned="sd1", **changes):
        config = sd15_config(**({"timestep_spacing": spacing} if spacing else {}), **changes)
        s = scheduler(config, sampler, kind, aligned=aligned)
        s.set_timesteps(steps)
        level = lambda t: ((1 - s.alphas_cumprod[t].double()) / s.alphas_cumprod[t].double()).sqrt().item()
        if hasattr(s, "sigmas"):
            sigmas, timesteps = s.sigmas, s.timesteps
            if isinstance(s, (HeunDiscreteScheduler, DPMSolverSDEScheduler)):
                sigmas, timesteps = torch.cat([sigmas[:1], sigmas[1::2]]), timesteps[::2]
        else:
            timesteps = s.timesteps
            sigmas = [*(level(t) for t in timesteps), level(0) if sampler in ("tcd", "ddim") else 0.0]
        rows.append({"spacing": spacing, "sampler": sampler, "scheduler": kind, "steps": steps, "timesteps": digits(timesteps),
                     "sigmas": digits(sigmas[:-1]), "next": digits(sigmas[1:]), "init_noise_sigma": float(s.init_noise_sigma),
                     "zero_snr": changes.get("rescale_betas_zero_snr", False), "aligned": aligned})

    for sampler in (*NEW, *NEWER):
        for kind in make.CURVES:
            for spacing in ("leading", "trailing"):
                row(sampler, kind, 4 if spacing == "leading" else 7, spacing)
    for kind in COMFY:
        for steps in (1, 7, 10, 20, 30):
            row("euler", kind, steps)
        row("dpmpp_2m", kind, 6)
    for steps in (10, 7):
        row("euler", "align_your_steps", steps, aligned="sdxl")
    row("euler", "beta", 200)
    row("lcm", "normal", 50)
    row("tcd", "normal", 33)
    for sampler in make.SAMPLERS:
        for kind in ("normal", "karras", "simple", "kl_optimal"):
            row(sampler, kind, 4, "trailing", rescale_betas_zero_snr=True)
    return rows


def rows_of_brownian(sampling):
    rows = []
    for seed in (0, 42, 2 ** 32 + 5, 1234567890123):
        sigmas = torch.tensor([14.6146412, 9.5, 3.1415927, 1.0, 0.5, 0.0291675])
        path = sampling.BrownianTreeNoiseSampler(torch.zeros(1, SIZE), sigmas.min(), sigmas.max(), seed=seed)
        for low, high in ((0, 1), (1, 2), (2, 3), (1, 4), (3, 4), (0, 5)):
            noise = path(sigmas[low], sigmas[high])
            rows.append({"seed": seed, "from": sigmas[low].item(), "to": sigmas[high].item(), "noise": digits(noise[0], 9)})
    return rows


# Pictures

def pictures():
    rows = []
    parts = {"unet": tiny.unet(), "vae": tiny.vae(), "scheduler": tiny.scheduler()}
    text, tokenizer, unet = tiny.text_encoder(), tiny.tokenizer(), parts["unet"]
    picture = make.painter(parts, text, tokenizer, rows)
    plain, again = StableDiffusionPipeline, StableDiffusionImg2ImgPipeline
    for sampler in make.SAMPLERS:
        if sampler in NEWER:
            continue
        for kind in make.CURVES:
            if sampler in NEW or kind == "exponential":
                picture(f"txt2img.{sampler}.{kind}", plain, unet, sampler, kind)
        # lms: starting in the middle, diffusers takes the coefficients of an order for which it has no predictions yet, and the step is
        # too short; ours is k-diffusion's, whose order grows from there.
        if sampler in NEW and sampler != "lms":
            picture(f"img2img.{sampler}.karras", again, unet, sampler, "karras", strength=0.7)
    small = {"width": 32, "height": 32}
    for sampler in NEWER:
        more = {"eta": GAMMA} if sampler == "tcd" else {}
        picture(f"txt2img.{sampler}", plain, unet, sampler, "normal", seed=0 if sampler == "dpmpp_sde" else 3, **small, **more)
        if sampler not in VARIANCE:
            picture(f"txt2img.{sampler}.karras", plain, unet, sampler, "karras", **small)
    for sampler in ("unipc", "dpmpp_sde"):
        picture(f"img2img.{sampler}", again, unet, sampler, "normal", strength=0.7)
    picture("inpaint4.unipc", StableDiffusionInpaintPipeline, unet, "unipc", "karras", strength=1.0)
    for sampler, kind in zip(("euler", "dpmpp_2m", "dpmpp_sde", "unipc", "heun", "euler_a"), COMFY):
        picture(f"txt2img.{sampler}.{kind}", plain, unet, sampler, kind, **small)
    picture("rescale", plain, unet, "euler", "normal", guidance=9.0, guidance_rescale=0.6, **small)
    rows[-1]["guidance_rescale"] = 0.6
    config = sd15_config(prediction_type="v_prediction", rescale_betas_zero_snr=True, timestep_spacing="trailing")
    picture = make.painter(parts | {"scheduler": DDIMScheduler.from_config(config)}, text, tokenizer, rows)
    for sampler in ("euler", "ddim", "ddpm", "dpmpp_2m", "unipc", "euler_a", "heun"):
        picture(f"zero_snr.{sampler}", plain, unet, sampler, "normal", guidance=7.5, guidance_rescale=0.7, **small)
        rows[-1] |= {"guidance_rescale": 0.7, "zero_snr": True, "velocity": True}
    picture = make.painter(parts | {"scheduler": DDIMScheduler.from_config(sd15_config(prediction_type="v_prediction"))}, text, tokenizer, rows)
    for sampler in ("dpmpp_2m", "dpmpp_sde"):
        picture(f"velocity.{sampler}", plain, unet, sampler, "karras", **small)
        rows[-1]["velocity"] = True
    return rows


def main():
    make.SAMPLERS |= NEW | NEWER
    rows = pictures()
    # Noise is drawn in f32, as pipelines draw it, whatever the precision of the rest.
    for module in (scheduling_euler_ancestral_discrete, scheduling_dpmsolver_multistep, scheduling_ddpm, scheduling_lcm, scheduling_tcd):
        module.randn_tensor = lambda shape, generator=None, **_: torch.randn(shape, generator=generator).double()
    scheduling_dpmsolver_sde.BrownianTreeNoiseSampler = Path
    with_exact_functions()
    sampling = k_diffusion()
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
    write_json(f"{out}/samplers.json", rows_of_samplers(sampling))
    write_json(f"{out}/levels.json", rows_of_levels())
    write_json(f"{out}/brownian.json", rows_of_brownian(sampling))
    write_json(f"{out}/pictures-samplers.json", rows)
    save_file({k: v.contiguous() for k, v in make.TENSORS.items() if k.startswith("picture.")}, f"{out}/samplers.safetensors")


if __name__ == "__main__":
    main()
