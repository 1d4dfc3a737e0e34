"""Writes golden/lora/: tiny random LoRAs of every kind and dialect, and what diffusers, PEFT and LyCORIS paint with them.

`pip install --no-deps -r requirements-lora.txt` beside requirements.txt, then `python tests/reference/lora.py [OUT]`. The model is the
plain one of tiny.py. Each row of `lora.json` names files and weights; `lora.safetensors` holds the final latents and the picture.

Who judges: the dialects diffusers reads are loaded by it (`load_lora_weights`), so names and scales are its own; of LoCon, LoHa, LoKr and
DoRA the forward pass of LyCORIS' own modules is in the place of the layers'; a PEFT folder is loaded by PEFT.
"""
import json
import os
import sys

import torch
from diffusers import EulerDiscreteScheduler, StableDiffusionPipeline
from lycoris.modules.locon import LoConModule
from lycoris.modules.loha import LohaModule
from lycoris.modules.lokr import LokrModule
from peft import LoraConfig, PeftModel, get_peft_model, inject_adapter_in_model
from peft.utils import get_peft_model_state_dict
from safetensors import safe_open
from safetensors.torch import load_file, save_file

import tiny

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
FILES = f"{OUT}/lora"
TENSORS, ROWS = {}, []
torch.set_grad_enabled(False)
torch.set_num_threads(1)
RANK = 2

DOWN = "down_blocks.0.attentions.0"
BLOCK = f"{DOWN}.transformer_blocks.0"
LINEAR = [f"{BLOCK}.attn1.to_q", f"{BLOCK}.attn1.to_out.0", f"{BLOCK}.attn2.to_k", f"{BLOCK}.attn2.to_v", f"{BLOCK}.ff.net.0.proj",
          "up_blocks.2.attentions.1.transformer_blocks.0.attn2.to_v"]
ONE = [f"{DOWN}.proj_in", "up_blocks.2.attentions.0.proj_out"]
CONVS = ["down_blocks.0.resnets.0.conv1", "down_blocks.0.downsamplers.0.conv", "up_blocks.0.resnets.0.conv_shortcut", "conv_out"]
TIME = ["mid_block.resnets.0.time_emb_proj", "time_embedding.linear_2"]
TEXT = ["encoder.layers.0.self_attn.q_proj", "encoder.layers.1.self_attn.out_proj", "encoder.layers.2.mlp.fc1"]


def parts():
    return {"unet": tiny.unet(), "text_encoder": tiny.text_encoder()}


def pipeline(models):
    pipe = StableDiffusionPipeline(
        vae=tiny.vae(), tokenizer=tiny.tokenizer(), scheduler=EulerDiscreteScheduler.from_config(tiny.scheduler().config),
        feature_extractor=None, safety_checker=None, requires_safety_checker=False, **models,
    )
    pipe.set_progress_bar_config(disable=True)
    return pipe


def paint(pipe):
    latents = pipe(
        prompt="a photo of a cat", negative_prompt="blurry, ugly", width=32, height=24, num_inference_steps=4, guidance_scale=5.0,
        generator=torch.Generator("cpu").manual_seed(0), output_type="latent",
    ).images
    picture = pipe.vae.decode(latents / pipe.vae.config.scaling_factor).sample
    return latents, (picture / 2 + 0.5).clamp(0, 1).permute(0, 2, 3, 1)


PLAIN = paint(pipeline(parts()))


def row(name, pipe, loras):
    """`loras`: [file, weight] or [file, weight, weight of the text encoder]."""
    latents, picture = paint(pipe)
    apart = ((latents - PLAIN[0]).norm() / PLAIN[0].norm()).item()
    print(f"{name}: latents {apart:.2f} apart from those without")
    assert 0.05 < apart < 3, "a LoRA that cannot be seen, or that drowns the model"
    TENSORS[f"latents.{name}"], TENSORS[f"picture.{name}"] = latents, picture.half()
    ROWS.append({"name": name, "loras": loras})


def write(file, tensors, metadata=None):
    """Half precision, and returned as what was kept."""
    tensors = {k: v.half().contiguous() for k, v in tensors.items()}
    save_file(tensors, f"{FILES}/{file}", metadata=metadata)
    return {k: v.float() for k, v in tensors.items()}


def layer(models, component, name):
    return models[component].get_submodule(name)


def kohya_name(component, name, ldm=None):
    prefix = {"unet": "lora_unet_", "text_encoder": "lora_te_text_model_"}[component]
    if ldm is not None and component == "unet":
        known = next(l for l, (c, key) in ldm.items() if c == "unet" and key == f"{name}.weight")
        name = known.removeprefix("model.diffusion_model.").removesuffix(".weight")
    elif ldm is not None:
        prefix = "lora_te1_text_model_"
    return prefix + name.replace(".", "_")


def random_pair(module, generator):
    """up and down for a linear layer or a convolution, of a size that shows."""
    shape = module.weight.shape
    down = torch.randn(RANK, *shape[1:], generator=generator) / shape[1:].numel() ** 0.5
    up = torch.randn(shape[0], RANK, *[1] * (len(shape) - 2), generator=generator) * 0.5
    return up, down


def kohya(models, names, generator, alpha, ldm=None):
    tensors = {}
    for component, name in names:
        up, down = random_pair(layer(models, component, name), generator)
        key = kohya_name(component, name, ldm)
        tensors |= {f"{key}.lora_up.weight": up, f"{key}.lora_down.weight": down, f"{key}.alpha": torch.tensor(alpha)}
    return tensors


def old_diffusers(models, generator):
    tensors = {}
    for name in [n for n in LINEAR if ".attn" in n]:
        up, down = random_pair(layer(models, "unet", name), generator)
        attention, projection = name.removesuffix(".0").rsplit(".", 1)
        key = f"unet.{attention}.processor.{projection}_lora"
        tensors |= {f"{key}.up.weight": up, f"{key}.down.weight": down}
    for name in TEXT[:2]:
        up, down = random_pair(layer(models, "text_encoder", name), generator)
        key = "text_encoder.text_model." + name.replace("q_proj", "to_q_lora").replace("out_proj", "to_out_lora")
        tensors |= {f"{key}.up.weight": up, f"{key}.down.weight": down}
    return tensors


def by_diffusers(name, file, weight):
    pipe = pipeline(parts())
    pipe.load_lora_weights(f"{FILES}/{file}", adapter_name="a")
    pipe.set_adapters(["a"], [weight])
    row(name, pipe, [[file, weight]])


def both(unet, text):
    return [("unet", n) for n in unet] + [("text_encoder", n) for n in text]


def adapters(models, rank, alpha, generator, **options):
    """PEFT adapters with random values that f16 holds, in both parts."""
    for component, names in (("unet", options.pop("unet")), ("text_encoder", options.pop("text"))):
        config = LoraConfig(r=rank, lora_alpha=alpha, target_modules=names, init_lora_weights=True, **options)
        inject_adapter_in_model(config, models[component])
        models[component].peft_config = {"default": config}
        for key, parameter in models[component].named_parameters():
            if "lora_A" in key or "lora_B" in key:
                fan = parameter.shape[1:].numel()
                scale = 0.5 if "lora_B" in key else fan**-0.5
                parameter.data = (torch.randn(parameter.shape, generator=generator) * scale).half().float()
            if "magnitude" in key:
                parameter.data = (parameter.data * (1 + 0.3 * torch.randn(parameter.shape, generator=generator))).half().float()


def save_diffusers(models, file):
    layers = {f"{c}_lora_layers": get_peft_model_state_dict(models[c]) for c in models}
    metadata = {f"{c}_lora_adapter_metadata": config(models[c]) for c in models}
    StableDiffusionPipeline.save_lora_weights(FILES, weight_name=file, **layers, **metadata)
    path = f"{FILES}/{file}"
    with safe_open(path, "pt") as opened:
        kept = opened.metadata()
    write(file, load_file(path), kept)


def config(model):
    kept = model.peft_config["default"].to_dict()
    # What loaders need; the rest are defaults.
    kept = {k: kept[k] for k in ("r", "lora_alpha", "target_modules", "use_dora", "use_rslora", "alpha_pattern", "rank_pattern")}
    return {k: sorted(v) if isinstance(v, set) else v for k, v in kept.items()}


# LyCORIS

def lycoris(file, modules, weight, ldm=None):
    """Random values in LyCORIS' modules, saved by its own state dict, their forward passes put in the place of the layers'."""
    tensors = {}
    for (component, name), module in modules.items():
        state = {k: v.half() for k, v in module.custom_state_dict().items()}
        tensors |= {f"{kohya_name(component, name, ldm)}.{k}": v for k, v in state.items()}
        module.multiplier = weight
        module.eval().apply_to()
    write(file, tensors)


def lycoris_module(kind, models, component, name, generator, strength=1.0, **options):
    target = layer(models, component, name)
    module = kind(f"x_{name.replace('.', '_')}", target, 1.0, **{"lora_dim": RANK, "alpha": 1.0, "bypass_mode": False, **options})
    fan = target.weight[0].numel()
    for key, parameter in module.named_parameters():
        if "org_" in key:
            continue
        if "dora" in key:
            parameter.data = parameter.data * (1 + 0.3 * torch.randn(parameter.shape, generator=generator))
        else:
            # So that what comes of it all is about as large as the weight.
            size = {LoConModule: {"lora_down": fan**-0.5, "lora_up": 0.7, "lora_mid": 0.5},
                    LohaModule: {"hada_w1": 0.7, "hada_w2": fan**-0.25, "hada_t": 0.7},
                    LokrModule: {"lokr_w1": 1.0, "lokr_w2": fan**-0.25, "lokr_t": 0.7}}[kind]
            size = next(s for k, s in size.items() if key.startswith(k)) * strength
            parameter.data = torch.randn(parameter.shape, generator=generator) * size
        parameter.data = parameter.data.half().float()
    return module


def mixed(models, modules, weight):
    """DoRA at a weight other than 1: `W + weight (W' - W)`, as ComfyUI has it, with `W'` by LyCORIS' module."""
    for (component, name), module in modules.items():
        target = layer(models, component, name)
        base = target.weight.data
        merged = module.apply_weight_decompose(base + module.make_weight().reshape(base.shape) * module.scale, 1)
        target.weight.data = base + weight * (merged - base)




def main():
    os.makedirs(FILES, exist_ok=True)
    seeded = lambda seed: torch.Generator().manual_seed(seed)
    base = parts()
    ldm = tiny.ldm_names(base["unet"], tiny.vae(), base["text_encoder"])

    write("kohya.safetensors", kohya(base, both(LINEAR + ONE, TEXT), seeded(1), 1.0),
          {"ss_output_name": "tiny kohya", "modelspec.trigger_phrase": "tny style",
           "ss_tag_frequency": json.dumps({"1_cat": {"cat": 3, "sofa": 1}, "2_dog": {"dog": 2}})})
    for weight in (1.0, -0.8):
        by_diffusers(f"kohya.{weight}", "kohya.safetensors", weight)
    pipe = pipeline(parts())
    pipe.load_lora_weights(f"{FILES}/kohya.safetensors", adapter_name="a")
    pipe.set_adapters(["a"], [{"unet": 0.7, "text_encoder": 0.3}])
    row("kohya.apart", pipe, [["kohya.safetensors", 0.7, 0.3]])

    write("kohya-noalpha.safetensors", {k: v for k, v in kohya(base, both(LINEAR, []), seeded(2), 1.0).items() if "alpha" not in k})
    by_diffusers("kohya.noalpha", "kohya-noalpha.safetensors", 0.7)

    write("old-diffusers.safetensors", old_diffusers(base, seeded(3)))
    by_diffusers("old-diffusers", "old-diffusers.safetensors", 1.0)

    models = parts()
    adapters(models, RANK, 1, seeded(4), unet=LINEAR + CONVS, text=TEXT)
    save_diffusers(models, "diffusers.safetensors")
    by_diffusers("diffusers", "diffusers.safetensors", 0.9)

    models = parts()
    adapters(models, RANK, RANK, seeded(5), unet=LINEAR, text=TEXT, use_dora=True)
    save_diffusers(models, "diffusers-dora.safetensors")
    # By the adapters themselves: transformers 5 leaves a text encoder's magnitudes out when it loads them.
    row("diffusers-dora", pipeline(models), [["diffusers-dora.safetensors", 1.0]])

    # PEFT's own folder, of the U-Net alone.
    models = parts()
    peft = get_peft_model(models["unet"], LoraConfig(r=RANK, lora_alpha=3, use_rslora=True, target_modules=LINEAR + CONVS))
    generator = seeded(6)
    for key, parameter in peft.named_parameters():
        if "lora_" in key:
            fan = parameter.shape[1:].numel()
            parameter.data = (torch.randn(parameter.shape, generator=generator) * (0.5 if "lora_B" in key else fan**-0.5)).half().float()
    peft.save_pretrained(f"{FILES}/peft")
    if os.path.exists(f"{FILES}/peft/README.md"):
        os.remove(f"{FILES}/peft/README.md")
    write("peft/adapter_model.safetensors", load_file(f"{FILES}/peft/adapter_model.safetensors"))
    models = parts()
    models["unet"] = PeftModel.from_pretrained(models["unet"], f"{FILES}/peft").merge_and_unload()
    row("peft", pipeline(models), [["peft/adapter_model.safetensors", 1.0]])

    def made(kind, unet, text, seed, models, **options):
        generator = seeded(seed)
        return {place: lycoris_module(kind, models, *place, generator, **options) for place in both(unet, text)}

    for name, kind, unet, text, weight, options, names in (
        ("locon", LoConModule, CONVS + TIME + ONE[:1], TEXT[:1], 1.0, {}, None),
        ("locon-ldm", LoConModule, CONVS + TIME + LINEAR[:3] + ONE, TEXT[:1], 0.8, {}, ldm),
        ("locon-tucker", LoConModule, CONVS + LINEAR[:2], TEXT[:1], 1.0, {"use_tucker": True, "strength": 0.8}, None),
        ("loha", LohaModule, CONVS[:2] + LINEAR[:4] + ONE[:1], TEXT, 0.9, {}, None),
        ("loha-tucker", LohaModule, CONVS, TEXT[:1], -0.9, {"use_tucker": True}, ldm),
        ("lokr", LokrModule, CONVS[:2] + LINEAR[:4] + ONE[:1], TEXT, 0.5, {"factor": 4}, None),
        ("lokr-both", LokrModule, CONVS[1:] + LINEAR[2:], TEXT[:1], 0.7, {"factor": 8, "decompose_both": True}, ldm),
        ("lokr-full", LokrModule, CONVS[:1] + LINEAR[:2], TEXT[:1], 0.5, {"factor": 4, "full_matrix": True, "lora_dim": 1}, None),
        ("lokr-tucker", LokrModule, CONVS, [], 0.7, {"factor": 4, "use_tucker": True}, None),
        ("dora", LoConModule, CONVS + LINEAR[:4], TEXT, 1.0, {"weight_decompose": True, "wd_on_out": True}, None),
        ("dora-input", LoConModule, CONVS + LINEAR[:4], TEXT, 1.0, {"weight_decompose": True, "wd_on_out": False}, ldm),
        ("doha", LohaModule, CONVS[:2] + LINEAR[:2], TEXT[:1], 1.0, {"weight_decompose": True}, None),
        ("dokr", LokrModule, CONVS[:2] + LINEAR[:2], TEXT[:1], 1.0, {"weight_decompose": True, "factor": 4}, None),
    ):
        models = parts()
        file = f"{name}.safetensors"
        lycoris(file, made(kind, unet, text, sum(map(ord, name)), models, **options), weight, names)
        row(name, pipeline(models), [[file, weight]])

    models = parts()
    options = {"weight_decompose": True, "wd_on_out": True}
    mixed(models, made(LoConModule, CONVS + LINEAR[:4], TEXT, sum(map(ord, "dora")), models, **options), 0.4)
    row("dora.mixed", pipeline(models), [["dora.safetensors", 0.4]])

    # Whole differences: of weights, biases and normalisations, as LyCORIS' full and norm modules add them.
    models, generator, tensors = parts(), seeded(7), {}
    for (component, name), ends in (
        (("unet", CONVS[3]), ("diff", "diff_b")), (("unet", LINEAR[1]), ("diff", "diff_b")), (("text_encoder", TEXT[0]), ("diff", "diff_b")),
        (("unet", "conv_norm_out"), ("w_norm", "b_norm")), (("unet", "mid_block.resnets.0.norm1"), ("w_norm", "b_norm")),
        (("text_encoder", "final_layer_norm"), ("w_norm", "b_norm")),
    ):
        target = layer(models, component, name)
        for end, parameter in zip(ends, (target.weight, target.bias)):
            size = 0.3 * parameter.abs().mean()
            tensors[f"{kohya_name(component, name, ldm)}.{end}"] = torch.randn(parameter.shape, generator=generator) * size
            parameter.data += 0.7 * tensors[f"{kohya_name(component, name, ldm)}.{end}"].half().float()
    write("full.safetensors", tensors)
    row("full", pipeline(models), [["full.safetensors", 0.7]])

    # Two at once, of different kinds and signs, on the same layers.
    models = parts()
    loha = made(LohaModule, CONVS[:2] + LINEAR[:4] + ONE[:1], TEXT, sum(map(ord, "loha")), models)
    for module in loha.values():
        module.multiplier = -0.5
        module.eval().apply_to()
    kept = load_file(f"{FILES}/kohya.safetensors")
    for component, name in both(LINEAR + ONE, TEXT):
        key = kohya_name(component, name)
        up, down, alpha = (kept[f"{key}.{end}"].float() for end in ("lora_up.weight", "lora_down.weight", "alpha"))
        target = layer(models, component, name)
        delta = (up.flatten(1) @ down.flatten(1)).reshape(target.weight.shape) * alpha / RANK
        # What the other module sees as the layer's weight stays the file's.
        forward = target.forward
        extra = 0.8 * delta
        function = torch.nn.functional.linear if delta.ndim == 2 else torch.nn.functional.conv2d
        target.forward = lambda x, *a, forward=forward, extra=extra, function=function, **k: forward(x) + function(x, extra)
    row("two", pipeline(models), [["kohya.safetensors", 0.8], ["loha.safetensors", -0.5]])

    TENSORS["latents.none"], TENSORS["picture.none"] = PLAIN[0], PLAIN[1].half()
    tiny.write_json(f"{FILES}/lora.json", ROWS)
    save_file({k: v.contiguous() for k, v in TENSORS.items()}, f"{FILES}/lora.safetensors")


if __name__ == "__main__":
    main()
