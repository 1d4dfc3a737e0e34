"""Writes the golden data of the families beside SD 1.5: `python tests/reference/families.py [OUT]`, OUT defaults to golden/ beside it.

SD 2.x, SDXL, its refiner, their inpainting and editing kinds: tiny random models in the real architecture, whole pictures by
diffusers' pipelines, and the names their tensors have in single files. What can be is shared with the model of `make.py`: the
first text encoder, the autoencoder, and, for inpainting and editing, all of a U-Net but its first convolution.
"""
import copy
import os
import sys

import torch
from diffusers import (
    AutoencoderKL, DPMSolverMultistepScheduler, EulerAncestralDiscreteScheduler, EulerDiscreteScheduler, DDIMScheduler,
    StableDiffusionImg2ImgPipeline, StableDiffusionInstructPix2PixPipeline, StableDiffusionPipeline, StableDiffusionXLImg2ImgPipeline,
    StableDiffusionXLInpaintPipeline, StableDiffusionXLPipeline, UNet2DConditionModel,
)
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection

import make
import tiny
from tiny import write_json

OUT = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
OPEN_WIDTH = 24
SCHEDULERS = {"euler": EulerDiscreteScheduler, "euler_a": EulerAncestralDiscreteScheduler, "dpmpp_2m": DPMSolverMultistepScheduler,
              "ddim": DDIMScheduler}


def text_encoder_2():
    """OpenCLIP's kind: exact GELU, padded with token 0, a projection of the whole text."""
    torch.manual_seed(11)
    model = CLIPTextModelWithProjection(
        CLIPTextConfig(
            vocab_size=49408, hidden_size=OPEN_WIDTH, intermediate_size=32, num_hidden_layers=3, num_attention_heads=1, hidden_act="gelu",
            max_position_embeddings=77, projection_dim=OPEN_WIDTH, pad_token_id=0, bos_token_id=49406, eos_token_id=49407,
        )
    )
    rows, columns = torch.arange(49408)[:, None], torch.arange(OPEN_WIDTH)[None]
    model.get_input_embeddings().weight.data = ((rows * 89 + columns * 613 + rows // 53) % 53 - 26) / 26
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2 and ("layers" in name or "projection" in name):
            parameter.data.normal_(0, 0.3)
    return tiny.halved(model)


def unet(context, layers, blocks, sizes=0, seed=12):
    """Three levels, linear projections, heads of 64 or one; `sizes` numbers are told besides the pooled text."""
    torch.manual_seed(seed)
    down = tuple("CrossAttnDownBlock2D" if b else "DownBlock2D" for b in blocks)
    added = {"addition_embed_type": "text_time", "addition_time_embed_dim": 256,
             "projection_class_embeddings_input_dim": OPEN_WIDTH + 256 * sizes} if sizes else {}
    model = UNet2DConditionModel(
        sample_size=8, block_out_channels=(16, 32, 32), layers_per_block=1, norm_num_groups=16, cross_attention_dim=context,
        down_block_types=down, up_block_types=tuple(b.replace("Down", "Up") for b in reversed(down)), attention_head_dim=[1, 1, 1],
        transformer_layers_per_block=layers, use_linear_projection=True, **added,
    )
    with torch.no_grad():
        model.conv_out.weight *= 3
        for name, parameter in model.named_parameters():
            if "attn2.to_v" in name or "attn2.to_out.0.weight" in name:
                parameter *= 3
        if sizes:  # a pattern, which the repository compresses; what is told must show
            weight = model.add_embedding.linear_1.weight
            rows, columns = torch.arange(weight.shape[0])[:, None], torch.arange(weight.shape[1])[None]
            weight.copy_(((rows * 7 + columns * 13 + columns // 29) % 17 - 8) / 100)
            model.add_embedding.linear_2.weight *= 3
    return tiny.halved(model)


def first_convolution(channels, like, seed):
    """The network with another number of input channels, and what has to be stored of it."""
    torch.manual_seed(seed)
    like.conv_in = torch.nn.Conv2d(channels, like.config.block_out_channels[0], 3, padding=1)
    like.register_to_config(in_channels=channels)
    return tiny.halved(like)


def vae(scaling_factor):
    model = tiny.vae()
    model.register_to_config(scaling_factor=scaling_factor)
    return model


def xl_config(**changes):
    """SDXL's published scheduler configuration."""
    return {
        "_class_name": "EulerDiscreteScheduler", "beta_end": 0.012, "beta_schedule": "scaled_linear", "beta_start": 0.00085,
        "clip_sample": False, "interpolation_type": "linear", "num_train_timesteps": 1000, "prediction_type": "epsilon",
        "sample_max_value": 1.0, "set_alpha_to_one": False, "skip_prk_steps": True, "steps_offset": 1, "timestep_spacing": "leading",
        "trained_betas": None, "use_karras_sigmas": False,
    } | changes


def schedule(config, sampler, kind):
    return SCHEDULERS[sampler].from_config(config, **({} if sampler in ("ddim", "euler_a") else {"use_karras_sigmas": kind == "karras"}))


def sd2(text_2):
    """SD 2.x: the denoiser, `text_2` without its projection and, in diffusers' form, without its last layer, and what it predicts."""
    config = CLIPTextConfig(**(text_2.config.to_dict() | {"num_hidden_layers": 2}))
    text = CLIPTextModel(config).eval()
    state = {k: v for k, v in text_2.state_dict().items()}
    stem = lambda k: k if k in state else f"text_model.{k}"
    text.load_state_dict({k: state[stem(k)] for k in text.state_dict()})
    scheduler = DDIMScheduler(beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", clip_sample=False, set_alpha_to_one=False,
                              steps_offset=1, prediction_type="v_prediction")
    return unet(OPEN_WIDTH, [1, 1, 1], (True, True, False), seed=15), text, scheduler


def painter(rows, model, config, pipes):
    image, mask = make.inputs()

    def picture(name, kind, sampler, curve, *, steps=6, seed=0, batch=1, guidance=5.0, image_guidance=1.5, prompt="a photo of a cat",
                negative="blurry, ugly", skip=1, width=64, height=64, strength=None):
        pipe = pipes[kind]
        pipe.scheduler = schedule(config, sampler, curve)
        pipe.set_progress_bar_config(disable=True)
        arguments = {"prompt": [prompt] * batch}
        if negative is not None:
            arguments["negative_prompt"] = [negative] * batch
        if skip > 1:  # for both prompts, as A1111 and ComfyUI have it; diffusers skips in the positive one only
            embed = lambda text: pipe.encode_prompt(text, num_images_per_prompt=1, do_classifier_free_guidance=False, clip_skip=skip - 1)
            (this, _, pooled, _), (that, _, other, _) = embed(arguments.pop("prompt")), embed(arguments.pop("negative_prompt"))
            arguments |= {"prompt_embeds": this, "negative_prompt_embeds": that, "pooled_prompt_embeds": pooled,
                          "negative_pooled_prompt_embeds": other}
        if kind == "txt2img":
            arguments |= {"width": width, "height": height}
        elif kind == "edit":
            arguments |= {"image": [image] * batch, "image_guidance_scale": image_guidance}
        else:
            arguments |= {"image": [image] * batch, "strength": strength}
        if kind == "inpaint":
            arguments |= {"mask_image": [mask] * batch, "width": width, "height": height}
        generators = [torch.Generator("cpu").manual_seed(seed + i) for i in range(batch)]
        result = pipe(**arguments, num_inference_steps=steps, guidance_scale=guidance, generator=generators, output_type="np")
        make.TENSORS[f"picture.{name}"] = torch.from_numpy(result.images).half()
        rows.append({"name": name, "model": model, "kind": kind, "sampler": sampler, "scheduler": curve, "steps": steps, "seed": seed,
                     "batch": batch, "guidance": guidance, "image_guidance": image_guidance, "prompt": prompt, "negative": negative,
                     "clip_skip": skip, "width": width, "height": height,
                     "start_step": 0 if strength is None else steps - min(int(steps * strength), steps)})

    return picture


def single_file_names(unet, vae, texts):
    """{name: [component, diffusers name or names to join, turned over]} of SGM files."""
    names = tiny.ldm_names(unet, vae, NoText())
    for prefix, component, model in texts:
        keys = list(model.state_dict())
        if component == "text_encoder":
            names |= {f"{prefix}transformer.text_model.{k}": [component, k] for k in keys}
            continue
        p, stem = f"{prefix}model.", "text_model." if any(k.startswith("text_model.") for k in keys) else ""
        names[f"{p}token_embedding.weight"] = [component, f"{stem}embeddings.token_embedding.weight"]
        names[f"{p}positional_embedding"] = [component, f"{stem}embeddings.position_embedding.weight"]
        for part in ("weight", "bias"):
            names[f"{p}ln_final.{part}"] = [component, f"{stem}final_layer_norm.{part}"]
        for i in range(model.config.num_hidden_layers):
            ours, theirs = f"{stem}encoder.layers.{i}", f"{p}transformer.resblocks.{i}"
            for part in ("weight", "bias"):
                names[f"{theirs}.attn.in_proj_{part}"] = [component, [f"{ours}.self_attn.{q}_proj.{part}" for q in "qkv"]]
                for a, b in (("attn.out_proj", "self_attn.out_proj"), ("ln_1", "layer_norm1"), ("ln_2", "layer_norm2"),
                             ("mlp.c_fc", "mlp.fc1"), ("mlp.c_proj", "mlp.fc2")):
                    names[f"{theirs}.{a}.{part}"] = [component, f"{ours}.{b}.{part}"]
        if "text_projection.weight" in keys:
            names[f"{p}text_projection"] = [component, "text_projection.weight", "turned over"]
    return names


LORA = [("unet", "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_v"), ("unet", "mid_block.attentions.0.transformer_blocks.1.attn1.to_q"),
        ("unet", "up_blocks.0.resnets.0.conv1"), ("unet", "down_blocks.2.attentions.0.proj_in"),
        ("text_encoder", "encoder.layers.0.self_attn.q_proj"), ("text_encoder_2", "text_model.encoder.layers.1.mlp.fc1")]


def xl_lora(parts, names, weight):
    """A LoRA in the names kohya gives SDXL's layers, and `parts` with it merged at `weight`."""
    generator, tensors = torch.Generator().manual_seed(21), {}
    parts = {name: copy.deepcopy(part) for name, part in parts.items()}
    for component, name in LORA:
        layer = parts[component].get_submodule(name)
        shape = layer.weight.shape
        down = (torch.randn(2, *shape[1:], generator=generator) / shape[1:].numel() ** 0.5).half()
        up = (torch.randn(shape[0], 2, *[1] * (len(shape) - 2), generator=generator) * 0.5).half()
        if component == "unet":
            known = next(k for k, v in names.items() if v[:2] == ["unet", f"{name}.weight"])
            key = "lora_unet_" + known.removeprefix("model.diffusion_model.").removesuffix(".weight").replace(".", "_")
        else:
            te = {"text_encoder": "lora_te1_text_model_", "text_encoder_2": "lora_te2_text_model_"}[component]
            key = te + name.removeprefix("text_model.").replace(".", "_")
        tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up, f"{key}.alpha": torch.tensor(1.0).half()}
        delta = (up.float().flatten(1) @ down.float().flatten(1)).reshape(shape)
        layer.weight.data += weight * 0.5 * delta  # alpha / rank
    return tensors, parts


class NoText:
    """Stands for a text encoder without tensors."""

    def state_dict(self):
        return {}


def store(folder, **parts):
    """Like tiny.save, for text encoders under any name."""
    for name, part in parts.items():
        path = os.path.join(folder, name)
        os.makedirs(path, exist_ok=True)
        if name == "vae":  # the weights are those of tiny-sd
            part.save_config(path)
            continue
        part.save_config(path) if hasattr(part, "save_config") else part.config.save_pretrained(path)
        file = "model.safetensors" if name.startswith("text") else "diffusion_pytorch_model.safetensors"
        save_file({k: v.half().contiguous() for k, v in part.state_dict().items()}, os.path.join(path, file))


def main():
    rows = []
    tokenizer, text = tiny.tokenizer(), tiny.text_encoder()
    tokenizer_2, text_2 = tiny.tokenizer(), text_encoder_2()
    tokenizer_2.pad_token = "!"

    # SDXL
    make_unet = lambda: unet(tiny.WIDTH + OPEN_WIDTH, [1, 1, 2], (False, True, True), sizes=6)
    xl = make_unet()
    common = {"vae": vae(0.13025), "text_encoder": text, "text_encoder_2": text_2, "tokenizer": tokenizer, "tokenizer_2": tokenizer_2}
    config = xl_config()
    xl_scheduler = lambda: EulerDiscreteScheduler.from_config(config)

    def pipes(net, **more):
        build = lambda cls, **m: cls(**(common | {"unet": net, "scheduler": xl_scheduler(), "add_watermarker": False} | more | m))
        return {"txt2img": build(StableDiffusionXLPipeline), "img2img": build(StableDiffusionXLImg2ImgPipeline),
                "inpaint": build(StableDiffusionXLInpaintPipeline)}

    picture = painter(rows, "sdxl", config, pipes(xl))
    picture("xl.dpmpp_2m", "txt2img", "dpmpp_2m", "karras")
    picture("xl.euler_a", "txt2img", "euler_a", "normal", negative=None, batch=2)
    picture("xl.empty_negative", "txt2img", "euler", "normal", negative="", width=48, height=80)
    picture("xl.unguided", "txt2img", "ddim", "normal", guidance=1.0)
    picture("xl.skip2", "txt2img", "euler", "normal", skip=2)
    picture("xl.img2img", "img2img", "dpmpp_2m", "karras", strength=0.7)
    picture("xl.inpaint4", "inpaint", "euler", "normal", strength=1.0)
    picture("xl.inpaint4.partial", "inpaint", "euler_a", "normal", strength=0.6)
    names = single_file_names(xl, tiny.vae(), [])
    lora, merged = xl_lora({"unet": xl, "text_encoder": text, "text_encoder_2": text_2}, names, 0.8)
    save_file({k: v.contiguous() for k, v in lora.items()}, f"{OUT}/families-lora.safetensors")
    texts = {name: merged[name] for name in ("text_encoder", "text_encoder_2")}
    picture = painter(rows, "sdxl-lora", config, pipes(merged["unet"], **texts))
    picture("xl.lora", "txt2img", "euler", "normal")
    nine = first_convolution(9, make_unet(), 13)
    picture = painter(rows, "sdxl-inpaint", config, pipes(nine))
    picture("xl.inpaint9", "inpaint", "euler", "normal", strength=1.0)
    picture("xl.inpaint9.partial", "inpaint", "dpmpp_2m", "karras", strength=0.6)
    picture = painter(rows, "sdxl-velocity", xl_config(prediction_type="v_prediction"), pipes(xl))
    picture("xl.velocity", "txt2img", "euler", "normal")

    # Its refiner
    refiner = unet(OPEN_WIDTH, [1, 2, 1], (False, True, False), sizes=5, seed=14)
    common = {"vae": vae(0.13025), "text_encoder": None, "text_encoder_2": text_2, "tokenizer": None, "tokenizer_2": tokenizer_2}
    only = StableDiffusionXLImg2ImgPipeline(**common, unet=refiner, scheduler=xl_scheduler(), requires_aesthetics_score=True,
                                            force_zeros_for_empty_prompt=False, add_watermarker=False)
    picture = painter(rows, "refiner", config, {"img2img": only})
    picture("refiner.euler", "img2img", "euler", "normal", strength=0.5)
    picture("refiner.no_negative", "img2img", "dpmpp_2m", "karras", strength=0.4, negative=None)

    # SD 2.x
    two, text_sd2, scheduler_2 = sd2(text_2)
    hidden = set(scheduler_2.config["_use_default_values"]) | {"_use_default_values"}
    config = {k: v for k, v in scheduler_2.config.items() if k not in hidden}
    common = {"vae": tiny.vae(), "text_encoder": text_sd2, "tokenizer": tokenizer_2, "unet": two, "scheduler": scheduler_2,
              "safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    picture = painter(rows, "sd2", config, {"txt2img": StableDiffusionPipeline(**common), "img2img": StableDiffusionImg2ImgPipeline(**common)})
    for sampler, kind in (("euler", "normal"), ("dpmpp_2m", "karras"), ("ddim", "normal"), ("euler_a", "normal")):
        picture(f"sd2.{sampler}", "txt2img", sampler, kind)
    picture("sd2.img2img", "img2img", "euler", "normal", strength=0.6)

    # InstructPix2Pix
    edit = first_convolution(8, tiny.unet(), 16)
    common = {"vae": tiny.vae(), "text_encoder": text, "tokenizer": tokenizer, "unet": edit, "scheduler": tiny.scheduler(),
              "safety_checker": None, "feature_extractor": None, "requires_safety_checker": False}
    picture = painter(rows, "edit", make.sd15_config(), {"edit": StableDiffusionInstructPix2PixPipeline(**common)})
    picture("edit.euler", "edit", "euler", "normal", prompt="make it winter")
    picture("edit.dpmpp_2m", "edit", "dpmpp_2m", "karras", prompt="make it winter", image_guidance=2.0, batch=2)
    picture("edit.unguided", "edit", "euler_a", "normal", prompt="make it winter", guidance=1.0)

    store(f"{OUT}/tiny-sdxl", unet=xl, text_encoder_2=text_2, vae=vae(0.13025))
    os.makedirs(f"{OUT}/tiny-sdxl/scheduler", exist_ok=True)
    write_json(f"{OUT}/tiny-sdxl/scheduler/scheduler_config.json", xl_config())
    store(f"{OUT}/tiny-refiner", unet=refiner)
    store(f"{OUT}/tiny-sd2", unet=two)
    write_json(f"{OUT}/tiny-sd2/scheduler_config.json", {"_class_name": "DDIMScheduler"} | config)
    text_sd2.config.save_pretrained(f"{OUT}/tiny-sd2")
    convolutions = {"sdxl-inpaint": nine, "edit": edit}
    save_file({f"{name}.{k}": v.half().contiguous() for name, net in convolutions.items() for k, v in net.conv_in.state_dict().items()},
              f"{OUT}/families-conv-in.safetensors")
    first, second = "conditioner.embedders.0.", "conditioner.embedders.1."
    files = {
        "sdxl": single_file_names(xl, tiny.vae(), [(first, "text_encoder", text), (second, "text_encoder_2", text_2)]),
        "refiner": single_file_names(refiner, tiny.vae(), [(first, "text_encoder_2", text_2)]),
        "sd2": single_file_names(two, tiny.vae(), [("cond_stage_model.", "text_encoder_2", text_2)]),
    }
    write_json(f"{OUT}/sgm-names.json", [[family, name, *where] for family, names in files.items() for name, where in names.items()])
    write_json(f"{OUT}/pictures-families.json", rows)
    save_file({k: v.contiguous() for k, v in make.TENSORS.items() if k.startswith("picture.")}, f"{OUT}/families.safetensors")


if __name__ == "__main__":
    main()
