"""Writes the golden data of controls: `python tests/reference/control.py [OUT]`, OUT defaults to golden/ beside it.

ControlNet, ControlNet Union, T2I-Adapter and IP-Adapter for the tiny models of make.py and families.py. Their weights are not
stored: they are torch's own noise, tensor by tensor from one seed, so `control-models.json` only lists seeds, names and
shapes, with the names the original files have where they differ. `control.safetensors` holds what the modules and
diffusers' pipelines make of them, `pictures-control.json` how the pictures were asked for.
"""
import json
import math
import os
import sys

import numpy as np
import torch
from diffusers import (
    ControlNetModel, ControlNetUnionModel, StableDiffusionAdapterPipeline, StableDiffusionControlNetImg2ImgPipeline,
    StableDiffusionControlNetInpaintPipeline, StableDiffusionControlNetPipeline, StableDiffusionPipeline,
    StableDiffusionXLAdapterPipeline, StableDiffusionXLControlNetImg2ImgPipeline, StableDiffusionXLControlNetInpaintPipeline,
    StableDiffusionXLControlNetPipeline, StableDiffusionXLControlNetUnionPipeline, StableDiffusionXLPipeline, T2IAdapter,
)
from diffusers.models.adapter import LightAdapterBlock
from PIL import Image
from safetensors.torch import save_file
from transformers import CLIPImageProcessor, CLIPVisionConfig, CLIPVisionModelWithProjection

import families
import make
import tiny
from tiny import write_json

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
MODELS = {}
TENSORS = {}


def noise(seed, shapes):
    """{name: tensor} that f16 holds: noise of about unit gain, norms about 1, biases small."""
    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name in sorted(shapes):
        shape = shapes[name]
        value = torch.randn(math.prod(shape), generator=generator)
        norm = len(shape) == 1 and name.endswith("weight")
        scale = 0.1 if len(shape) == 1 else 1 / math.sqrt(math.prod(shape[1:]))
        value = value * torch.tensor(scale, dtype=torch.float32) + (1 if norm else 0)
        tensors[name] = value.reshape(shape).half().float()
    return tensors


def seeded(name, seed, model, config=None, original=lambda name: name, prefix=""):
    """The model with noise for weights, entered into MODELS under the names its file has."""
    shapes = {prefix + k: list(v.shape) for k, v in model.state_dict().items() if not k.endswith("position_ids")}
    tensors = noise(seed, shapes)
    model.load_state_dict({k[len(prefix):]: v for k, v in tensors.items()})
    enter(name, seed, shapes, config, original)
    return model.eval()


def enter(name, seed, shapes, config, original):
    rows = [[k, v] + ([original(k)] if original(k) != k else []) for k, v in sorted(shapes.items())]
    MODELS[name] = {"seed": seed, "config": config, "tensors": rows}


def ldm(name):
    """The original name of a ControlNet's tensor, after the modules of lllyasviel's cldm.py."""
    part, _, rest = name.partition(".")
    if part == "controlnet_down_blocks":
        i, _, rest = rest.partition(".")
        return f"control_model.zero_convs.{i}.0.{rest}"
    if part == "controlnet_mid_block":
        return f"control_model.middle_block_out.0.{rest}"
    if part == "controlnet_cond_embedding":
        where, _, rest = rest.partition(".")
        if where == "blocks":
            i, _, rest = rest.partition(".")
            return f"control_model.input_hint_block.{2 * int(i) + 2}.{rest}"
        return f"control_model.input_hint_block.{0 if where == 'conv_in' else 14}.{rest}"
    return UNET_NAMES[name].replace("model.diffusion_model.", "control_model.")


def tencent(name):
    """The original name of a T2I-Adapter's tensor, after the modules of TencentARC's adapter.py."""
    parts = name.removeprefix("adapter.").split(".")
    if parts[0] == "body":
        level = int(parts[1])
        parts[1:4 if parts[2] == "resnets" else 2] = [str(2 * level + (int(parts[3]) if parts[2] == "resnets" else 0))]
    return ".".join(parts)


def tencent_light(name):
    """The same of a light one's."""
    return name.removeprefix("adapter.").replace("resnets", "body")


def light_adapter():
    """Of as many levels as the tiny denoiser has, whose last two differ in width; diffusers' own has one more, of the last's."""
    model = T2IAdapter(in_channels=3, channels=[32, 64], num_res_blocks=2, adapter_type="light_adapter")
    ways = [(192, 32, False), (32, 32, True), (32, 64, True)]
    model.adapter.body = torch.nn.ModuleList([LightAdapterBlock(a, b, 2, down=down) for a, b, down in ways])
    return model


def new_unet(model):
    if model == "sd2":
        return families.sd2(families.text_encoder_2())[0]
    return tiny.unet() if model == "sd" else families.unet(tiny.WIDTH + families.OPEN_WIDTH, [1, 1, 2], (False, True, True), sizes=6)


def control_net(name, seed, of, original=lambda name: name):
    model = ControlNetModel.from_unet(of, conditioning_embedding_out_channels=(8, 8, 16, 16))
    keys = ("attention_head_dim", "norm_num_groups", "flip_sin_to_cos", "freq_shift", "addition_embed_type", "addition_time_embed_dim")
    return seeded(name, seed, model, {k: model.config[k] for k in keys}, original)


def union(name, seed, of, kinds=6):
    c = of.config
    model = ControlNetUnionModel(
        in_channels=4, down_block_types=c.down_block_types, block_out_channels=c.block_out_channels, layers_per_block=1,
        norm_num_groups=c.norm_num_groups, cross_attention_dim=c.cross_attention_dim, attention_head_dim=c.attention_head_dim,
        transformer_layers_per_block=c.transformer_layers_per_block, use_linear_projection=True, addition_embed_type="text_time",
        addition_time_embed_dim=256, projection_class_embeddings_input_dim=c.projection_class_embeddings_input_dim,
        conditioning_embedding_out_channels=(8, 8, 16, 16), num_control_type=kinds, num_trans_channel=16, num_trans_head=2,
        num_proj_channel=16,
    )
    return seeded(name, seed, model)


def ip_adapter(name, seed, unet, plus):
    """An adapter's file: cross-attentions by their number among diffusers' attention processors."""
    context = unet.config.cross_attention_dim
    shapes = {}
    for i, key in enumerate(unet.attn_processors):
        if "attn2" in key:
            width = unet.get_submodule(key.removesuffix(".processor")).to_k.weight.shape[0]
            for part in ("k", "v"):
                shapes[f"ip_adapter.{i}.to_{part}_ip.weight"] = [width, context]
    p = "image_proj."
    if not plus:
        shapes |= {f"{p}proj.weight": [4 * context, 24], f"{p}proj.bias": [4 * context], f"{p}norm.weight": [context],
                   f"{p}norm.bias": [context]}
    else:
        wide = 32
        shapes |= {f"{p}latents": [1, 6, wide], f"{p}proj_in.weight": [wide, 32], f"{p}proj_in.bias": [wide],
                   f"{p}proj_out.weight": [context, wide], f"{p}proj_out.bias": [context], f"{p}norm_out.weight": [context],
                   f"{p}norm_out.bias": [context]}
        for i in range(4):
            for norm in ("0.norm1", "0.norm2", "1.0"):
                shapes |= {f"{p}layers.{i}.{norm}.weight": [wide], f"{p}layers.{i}.{norm}.bias": [wide]}
            shapes |= {f"{p}layers.{i}.0.to_q.weight": [64, wide], f"{p}layers.{i}.0.to_kv.weight": [128, wide],
                       f"{p}layers.{i}.0.to_out.weight": [wide, 64], f"{p}layers.{i}.1.1.weight": [4 * wide, wide],
                       f"{p}layers.{i}.1.3.weight": [wide, 4 * wide]}
    enter(name, seed, shapes, None, lambda n: n)
    tensors = noise(seed, shapes)
    state = {"image_proj": {}, "ip_adapter": {}}
    for key, value in tensors.items():
        part, _, rest = key.partition(".")
        state[part][rest] = value
    return state


def vision():
    config = CLIPVisionConfig(hidden_size=32, intermediate_size=48, num_hidden_layers=3, num_attention_heads=16, image_size=32,
                              patch_size=8, projection_dim=24, hidden_act="gelu")
    model = CLIPVisionModelWithProjection(config)
    prefix = "" if next(iter(model.state_dict())).startswith("vision_model.") else "vision_model."
    shapes = {k: list(v.shape) for k, v in model.state_dict().items() if not k.endswith("position_ids")}
    tensors = noise(31, shapes)
    model.load_state_dict(tensors, strict=False)
    enter("vision", 31, shapes, {"num_attention_heads": 16, "hidden_act": "gelu"}, lambda n: n if n.startswith("visual") else prefix + n)
    return model.eval()


def pictures_in():
    """Control pictures whose values f16 holds: grey lines, and colours."""
    y, x = np.mgrid[0:64, 0:64]
    lines = np.stack([((x + y) % 16 < 3) | ((x - 2 * y) % 24 < 2)] * 3, -1)
    colors = np.stack([(x // 9 + y // 7) % 2, (x - 30) ** 2 + (y - 28) ** 2 < 400, y > 40], -1)
    made = {}
    for name, picture in (("lines", lines), ("colors", colors)):
        picture = picture.astype(np.uint8)
        TENSORS[f"input.{name}"] = torch.from_numpy(picture.astype(np.float32)).half()
        made[name] = Image.fromarray(picture * 255)
    return made


def modules(models, unet_xl):
    generator = torch.Generator().manual_seed(5)
    randn = lambda *shape: torch.randn(*shape, generator=generator)
    colors = TENSORS["input.colors"].float().permute(2, 0, 1)[None, :, :40, :48]
    lines = TENSORS["input.lines"].float().permute(2, 0, 1)[None]
    for name, width, added in (("net_a", 16, None), ("net_xl", 40, 24)):
        x, context = randn(1, 4, 5, 6), randn(1, 77, width)
        TENSORS[f"{name}.x"], TENSORS[f"{name}.context"] = x, context
        extra = {}
        if added:
            TENSORS[f"{name}.pooled"] = randn(1, added)
            extra = {"added_cond_kwargs": {"text_embeds": TENSORS[f"{name}.pooled"], "time_ids": torch.tensor([[64.0, 64, 0, 0, 64, 64]])}}
        skips, mid = models[name](x, torch.tensor(321), context, colors, return_dict=False, **extra)
        for i, skip in enumerate(list(skips) + [mid]):
            TENSORS[f"{name}.{i}"] = skip
        if added:
            task = 3
            told = torch.zeros(1, 6)
            told[0, task] = 1
            skips, mid = models["union"](x, torch.tensor(321), context, [colors], told, [task], return_dict=False, **extra)
            for i, skip in enumerate(list(skips) + [mid]):
                TENSORS[f"union.{i}"] = skip
            # Of ProMax the kinds it has more.
            for task in (6, 7):
                told = torch.zeros(1, 8)
                told[0, task] = 1
                skips, mid = models["union_pro"](x, torch.tensor(321), context, [colors], told, [task], return_dict=False, **extra)
                for i, skip in enumerate(list(skips) + [mid]):
                    TENSORS[f"union_pro.{task}.{i}"] = skip
    for name, picture in (("t2i", lines[:, :1, :, :32]), ("t2i_xl", lines[..., :32]), ("t2i_light", lines[..., :32])):
        for i, feature in enumerate(models[name](picture)):
            TENSORS[f"{name}.{i}"] = feature


def main():
    global UNET_NAMES
    torch.set_grad_enabled(False)
    tokenizer, text = tiny.tokenizer(), tiny.text_encoder()
    unet = tiny.unet()
    config = tiny.scheduler().config
    with open(os.path.join(OUT, "ldm-names.json"), encoding="utf-8") as file:
        UNET_NAMES = {key: name for name, (part, key) in json.load(file).items() if part == "unet"}
    unet_xl = new_unet("sdxl")
    models = {
        "net_a": control_net("net_a", 21, unet, ldm), "net_b": control_net("net_b", 22, unet, ldm), "net_xl": control_net("net_xl", 23, unet_xl),
        "union": union("union", 24, unet_xl),
        "t2i": seeded("t2i", 25, T2IAdapter(in_channels=1, channels=[32, 32, 64], num_res_blocks=2, downscale_factor=8), None, tencent),
        "t2i_xl": seeded("t2i_xl", 26, T2IAdapter(in_channels=3, channels=[16, 32, 32, 32], num_res_blocks=2, downscale_factor=16,
                                                  adapter_type="full_adapter_xl"), None, tencent),
        "ip": ip_adapter("ip", 27, unet, False), "ip_plus": ip_adapter("ip_plus", 28, unet, True),
        "union_pro": union("union_pro", 32, unet_xl, 8), "net_sd2": control_net("net_sd2", 34, new_unet("sd2")),
        "t2i_light": seeded("t2i_light", 33, light_adapter(), None, tencent_light),
        "ip_xl": ip_adapter("ip_xl", 29, unet_xl, False), "ip_plus_xl": ip_adapter("ip_plus_xl", 30, unet_xl, True),
    }
    eyes = vision()
    given = pictures_in()
    modules(models, unet_xl)
    processor = CLIPImageProcessor(size={"shortest_edge": 32}, crop_size={"height": 32, "width": 32})
    image, mask = make.inputs()
    TENSORS["vision.pixels"] = processor(images=image.resize((50, 40)), return_tensors="pt").pixel_values
    TENSORS["vision.small"] = torch.from_numpy(np.asarray(image.resize((50, 40))).astype(np.float32) / 255)
    TENSORS["vision.whole"] = eyes(TENSORS["vision.pixels"]).image_embeds
    TENSORS["vision.tokens"] = eyes(TENSORS["vision.pixels"], output_hidden_states=True).hidden_states[-2]
    parts = {
        "sd": {"vae": tiny.vae(), "text_encoder": text, "tokenizer": tokenizer, "safety_checker": None, "requires_safety_checker": False},
        "sdxl": {"vae": families.vae(0.13025), "text_encoder": text, "tokenizer": tokenizer, "text_encoder_2": families.text_encoder_2(),
                 "tokenizer_2": tiny.tokenizer(), "force_zeros_for_empty_prompt": True, "add_watermarker": False},
    }
    parts["sdxl"]["tokenizer_2"].pad_token = "!"
    _, text_sd2, scheduler_sd2 = families.sd2(families.text_encoder_2())
    parts["sd2"] = parts["sd"] | {"text_encoder": text_sd2, "tokenizer": parts["sdxl"]["tokenizer_2"]}
    plain = {"sd": StableDiffusionPipeline, "sd2": StableDiffusionPipeline, "sdxl": StableDiffusionXLPipeline}
    rows = []

    def picture(name, model, controls, *, kind="txt2img", sampler="euler", curve="normal", steps=6, guidance=5.0, strength=None, seed=0,
                width=48, height=40):
        """`controls` are (model, picture, weight, start, end[, kind's number])."""
        if strength is not None or any(c[0].startswith("t2i") for c in controls):
            width, height = 64, 64
        controls = [tuple(c) + (1.0, 0.0, 1.0)[len(c) - 2:] if len(c) < 5 else tuple(c) for c in controls]
        nets = [c for c in controls if c[0].startswith(("net", "union"))]
        adapters = [c for c in controls if c[0].startswith("t2i")]
        prompts = [c for c in controls if c[0].startswith("ip")]
        shape = {"width": width, "height": height}
        sized = lambda p: given[p].resize((width, height), Image.NEAREST)
        arguments = {"prompt": ["a photo of a cat"], "negative_prompt": ["blurry, ugly"]}
        extra = {"image_encoder": eyes, "feature_extractor": processor} if prompts else {"feature_extractor": None, "image_encoder": None}
        if model == "sdxl" and not prompts:
            extra = {}
        if adapters:
            pipeline = StableDiffusionAdapterPipeline if model == "sd" else StableDiffusionXLAdapterPipeline
            (m, p, weight, _, end) = adapters[0]
            extra = {"adapter": models[m], "feature_extractor": None} if model == "sd" else {"adapter": models[m]}
            if model == "sdxl":
                parts_here = {k: v for k, v in parts[model].items() if k != "add_watermarker"}
            else:
                parts_here = parts[model]
            told = given[p].convert("L") if models[m].config.in_channels == 1 else given[p]
            arguments |= {"image": told, "adapter_conditioning_scale": weight} | shape
            if model == "sdxl":
                arguments["adapter_conditioning_factor"] = end
        elif nets:
            parts_here = parts[model]
            one = len(nets) == 1
            pick = lambda values: values[0] if one else values
            settings = {"controlnet_conditioning_scale": pick([c[2] for c in nets]), "control_guidance_start": pick([c[3] for c in nets]),
                        "control_guidance_end": pick([c[4] for c in nets])}
            if nets[0][0].startswith("union"):
                pipeline = StableDiffusionXLControlNetUnionPipeline
                arguments |= settings | shape | {"control_image": [sized(nets[0][1])], "control_mode": [nets[0][5]]}
            else:
                pipeline = {
                    "sdxl": {"txt2img": StableDiffusionXLControlNetPipeline, "img2img": StableDiffusionXLControlNetImg2ImgPipeline,
                             "inpaint": StableDiffusionXLControlNetInpaintPipeline},
                }.get(model, {"txt2img": StableDiffusionControlNetPipeline, "img2img": StableDiffusionControlNetImg2ImgPipeline,
                              "inpaint": StableDiffusionControlNetInpaintPipeline})[kind]
                seen = "image" if kind == "txt2img" else "control_image"
                arguments |= settings | shape | {seen: pick([[sized(c[1])] for c in nets]) if one else [sized(c[1]) for c in nets]}
                if kind != "txt2img":
                    arguments |= {"image": [image], "strength": strength}
                if kind == "inpaint":
                    arguments |= {"mask_image": [mask]}
            extra |= {"controlnet": pick([models[c[0]] for c in nets])}
        else:
            parts_here, pipeline = parts[model], plain[model]
            arguments |= shape
        if model == "sd":
            schedule = make.scheduler(config, sampler, curve)
        elif model == "sd2":
            schedule = families.schedule(scheduler_sd2.config, sampler, curve)
        else:
            schedule = families.schedule(families.xl_config(), sampler, curve)
        pipe = pipeline(unet=new_unet(model), scheduler=schedule, **parts_here, **extra)
        if prompts:
            pipe.load_ip_adapter([models[c[0]] for c in prompts], subfolder=[""] * len(prompts), weight_name=[""] * len(prompts),
                                 image_encoder_folder=None, low_cpu_mem_usage=False)
            pipe.set_ip_adapter_scale([c[2] for c in prompts])
            arguments["ip_adapter_image"] = [given[c[1]] for c in prompts]
        pipe.set_progress_bar_config(disable=True)
        generator = [torch.Generator("cpu").manual_seed(seed)]
        made = pipe(**arguments, num_inference_steps=steps, guidance_scale=guidance, generator=generator, output_type="np").images
        TENSORS[f"picture.{name}"] = torch.from_numpy(made).half()
        rows.append({"name": name, "model": model, "kind": kind, "sampler": sampler, "scheduler": curve, "steps": steps, "seed": seed,
                     "guidance": guidance, "width": width, "height": height,
                     "start_step": 0 if strength is None else steps - min(int(steps * strength), steps),
                     "controls": [list(c) for c in controls]})

    picture("none", "sd", [])
    picture("net", "sd", [("net_a", "lines")])
    picture("net.weight", "sd", [("net_a", "colors", 0.6, 0.0, 1.0)], sampler="dpmpp_2m", curve="karras")
    picture("net.two", "sd", [("net_a", "lines", 0.8, 0.0, 1.0), ("net_b", "colors", 0.5, 0.0, 1.0)])
    picture("net.part", "sd", [("net_a", "lines", 1.0, 0.2, 0.7)])
    picture("net.parts", "sd", [("net_a", "lines", 1.0, 0.0, 0.5), ("net_b", "colors", 1.0, 0.5, 1.0)], sampler="ddim")
    picture("net.unguided", "sd", [("net_a", "lines")], guidance=1.0)
    picture("net.odd", "sd", [("net_a", "lines")], width=72, height=40)
    picture("net.img2img", "sd", [("net_a", "lines", 1.0, 0.3, 1.0)], kind="img2img", strength=0.7, sampler="euler_a")
    picture("net.inpaint", "sd", [("net_a", "lines")], kind="inpaint", strength=1.0)
    picture("t2i", "sd", [("t2i", "lines")])
    picture("t2i.weight", "sd", [("t2i", "lines", 0.4, 0.0, 1.0)], sampler="dpmpp_2m", curve="karras")
    picture("ip", "sd", [("ip", "colors")])
    picture("ip.plus", "sd", [("ip_plus", "colors", 0.7, 0.0, 1.0)])
    picture("ip.two", "sd", [("ip", "colors", 0.5, 0.0, 1.0), ("ip_plus", "lines", 0.5, 0.0, 1.0)])
    picture("ip.net", "sd", [("net_a", "lines"), ("ip", "colors")])
    picture("ip.unguided", "sd", [("ip_plus", "colors")], guidance=1.0)
    picture("xl.none", "sdxl", [])
    picture("xl.net", "sdxl", [("net_xl", "colors", 0.7, 0.0, 0.8)])
    picture("xl.union", "sdxl", [("union", "lines", 0.8, 0.0, 1.0, 3)])
    picture("xl.t2i", "sdxl", [("t2i_xl", "colors", 0.8, 0.0, 1.0)])
    picture("xl.ip", "sdxl", [("ip_xl", "colors")])
    picture("xl.ip.plus", "sdxl", [("ip_plus_xl", "colors", 0.6, 0.0, 1.0)])
    picture("xl.net.img2img", "sdxl", [("net_xl", "lines", 1.0, 0.0, 0.8)], kind="img2img", strength=0.7, sampler="euler_a")
    picture("xl.net.inpaint", "sdxl", [("net_xl", "lines")], kind="inpaint", strength=1.0)
    picture("xl.net.inpaint.partial", "sdxl", [("net_xl", "colors", 0.8, 0.0, 1.0)], kind="inpaint", strength=0.6, sampler="dpmpp_2m", curve="karras")
    picture("xl.union.tile", "sdxl", [("union_pro", "colors", 0.8, 0.0, 1.0, 6)])
    picture("xl.union.repaint", "sdxl", [("union_pro", "lines", 1.0, 0.2, 1.0, 7)], sampler="dpmpp_2m", curve="karras")
    picture("t2i.light", "sd", [("t2i_light", "colors")])
    picture("sd2.none", "sd2", [])
    picture("sd2.net", "sd2", [("net_sd2", "lines")])
    picture("sd2.net.part", "sd2", [("net_sd2", "colors", 0.7, 0.0, 0.7)], sampler="ddim")
    write_json(f"{OUT}/pictures-control.json", rows)
    write_json(f"{OUT}/control-models.json", MODELS)
    save_file({k: v.contiguous() for k, v in TENSORS.items()}, f"{OUT}/control.safetensors")
    for row in rows:
        bare = TENSORS[{"sd": "picture.none", "sd2": "picture.sd2.none", "sdxl": "picture.xl.none"}[row["model"]]].float()
        made = TENSORS[f"picture.{row['name']}"].float()
        if made.shape == bare.shape:
            print(row["name"], "differs from none by", round((made - bare).pow(2).mean().sqrt().item(), 4))


if __name__ == "__main__":
    main()
