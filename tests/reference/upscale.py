"""What spandrel makes of small random upscalers, and diffusers of a narrow tiny autoencoder and of tiles.

`golden/upscale.safetensors` holds weights (f16), pictures going in and out; `golden/upscale.json` says how the files of all
spellings and scales are put together from those weights: some are left out, names are rewritten, some are added. This script and
the tests of the engine follow the same lists, and spandrel has read every file that is made here. `golden/tiles.json` says how much diffusers'
tiles lose of a picture, by the starter's autoencoder.
"""
import json
import os
import sys

import torch
from diffusers import AutoencoderKL, AutoencoderTiny
from safetensors.torch import save_file
from spandrel import ModelLoader
from spandrel.architectures.__arch_helpers import block
from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet

WIDTH, GROWTH, BLOCKS = 8, 4, 2
TENSORS = {}

# spandrel builds dense blocks that grow by 32 channels, as all published models do: too large for a repository.
RRDB = block.RRDB
block.RRDB = lambda **options: RRDB(**options | {"gc": GROWTH})

NEW = [["model.0.", "conv_first."], [f"model.1.sub.{BLOCKS}.", "conv_body."], ["model.1.sub.", "body."], [".RDB", ".rdb"],
       [".0.weight", ".weight"], [".0.bias", ".bias"], ["model.3.", "conv_up1."], ["model.6.", "conv_up2."],
       ["model.8.", "conv_hr."], ["model.10.", "conv_last."]]
BSRGAN = [["model.0.", "conv_first."], [f"model.1.sub.{BLOCKS}.", "trunk_conv."], ["model.1.sub.", "RRDB_trunk."],
          [".0.weight", ".weight"], [".0.bias", ".bias"], ["model.3.", "upconv1."], ["model.6.", "upconv2."],
          ["model.8.", "HRconv."], ["model.10.", "conv_last."]]
PLUS = [f"model.1.sub.{i}.RDB{k}.conv1x1.weight" for i in range(BLOCKS) for k in (1, 2, 3)]


def pair(name, golden):
    return {f"{name}.weight": f"{golden}.weight", f"{name}.bias": f"{golden}.bias"}


CASES = [
    {"case": "old-4x", "scale": 4},
    {"case": "new-4x", "scale": 4, "same": "old-4x", "rename": NEW},
    {"case": "bsrgan-4x", "scale": 4, "same": "old-4x", "rename": BSRGAN},
    {"case": "params-4x", "scale": 4, "same": "old-4x", "rename": NEW, "prefix": "params."},
    {"case": "plus-4x", "scale": 4, "with": {name: name for name in PLUS}},
    {"case": "old-1x", "scale": 1, "without": ["model.3.", "model.6."], "rename": [["model.8.", "model.2."], ["model.10.", "model.4."]]},
    {"case": "old-2x", "scale": 2, "without": ["model.6."], "rename": [["model.8.", "model.5."], ["model.10.", "model.7."]]},
    {"case": "old-8x", "scale": 8, "input": "tiny", "rename": [["model.10.", "model.13."], ["model.8.", "model.11."]],
     "with": pair("model.9", "up3")},
    {"case": "fold-2x", "scale": 2, "rename": NEW, "without": ["model.0."], "with": pair("conv_first", "fold2")},
    {"case": "fold-1x", "scale": 1, "rename": NEW, "without": ["model.0."], "with": pair("conv_first", "fold4")},
    {"case": "compact-4x", "scale": 4, "compact": True},
    {"case": "compact-2x", "scale": 2, "compact": True, "without": ["body.6."], "with": pair("body.6", "compact2"), "prefix": "params_ema."},
    {"case": "grey-2x", "scale": 2, "compact": True, "without": ["body.0.", "body.6."], "with": pair("body.0", "grey0") | pair("body.6", "grey6")},
]


def weights():
    torch.manual_seed(8)
    state = RRDBNet(num_filters=WIDTH, num_blocks=BLOCKS, scale=4).state_dict()
    conv = lambda inner, out: torch.nn.Conv2d(inner, out, 3).state_dict()
    for name, inner in (("up3", WIDTH), ("fold2", 12), ("fold4", 48)):
        state |= {f"{name}.{k}": v for k, v in conv(inner, WIDTH).items()}
    state |= {name: torch.randn(GROWTH, WIDTH, 1, 1) / 3 for name in PLUS}
    for i, (inner, out) in enumerate([(3, WIDTH), (WIDTH, WIDTH), (WIDTH, WIDTH), (WIDTH, 48)]):
        state |= {f"body.{2 * i}.{k}": v for k, v in conv(inner, out).items()}
        if i < 3:
            state[f"body.{2 * i + 1}.weight"] = torch.rand(WIDTH) - 0.3
    for name, inner, out in (("compact2", WIDTH, 12), ("grey0", 1, WIDTH), ("grey6", WIDTH, 4)):
        state |= {f"{name}.{k}": v for k, v in conv(inner, out).items()}
    # Far from what training starts with: every layer is to be seen in the result.
    for name in state:
        if name.endswith("weight") and state[name].ndim == 4:
            state[name] = state[name] * 2
    state["model.10.bias"] += 0.4
    return {name: tensor.half() for name, tensor in state.items()}


def build(case):
    """The file of a case: names to tensors."""
    wanted = lambda name: name.startswith("body.") if case.get("compact") else name.startswith("model.")
    extra = case.get("with", {})
    left_out = tuple(case.get("without", [])) + tuple(PLUS)
    state = {}
    for name, tensor in TENSORS.items():
        if wanted(name) and not name.startswith(left_out):
            for old, new in case.get("rename", []):
                name = name.replace(old, new)
            state[name] = tensor
    state |= {name: TENSORS[golden] for name, golden in extra.items()}
    return {case.get("prefix", "") + name: tensor for name, tensor in state.items()}


def picture(h, w):
    """A gradient with a texture, `[3, h, w]`."""
    y, x = torch.meshgrid(torch.arange(h) / h, torch.arange(w) / w, indexing="ij")
    wave = torch.sin(9 * x + 5 * y) * 0.2
    return torch.stack([0.2 + 0.6 * x + wave, 0.3 + 0.5 * y - wave, (0.9 - x * y) * 0.8]).clamp(0, 1)


def upscalers():
    TENSORS["input"], TENSORS["input.tiny"] = picture(7, 9), picture(4, 3)
    for case in CASES:
        state = {name.removeprefix(case.get("prefix", "")): tensor.float() for name, tensor in build(case).items()}
        model = ModelLoader().load_from_state_dict(state)
        assert model.scale == case["scale"] and model.architecture.id == ("Compact" if case.get("compact") else "ESRGAN")
        x = TENSORS["input.tiny" if case.get("input") else "input"]
        with torch.inference_mode():
            grey = model.input_channels == 1
            y = torch.cat([model(c[None, None])[0] for c in x]) if grey else model(x[None])[0]
        print(f"{case['case']}: {tuple(y.shape)}, {y.min():.2f} to {y.max():.2f}, {y.std():.2f}")
        if same := case.get("same"):
            assert torch.equal(y, TENSORS[f"{same}.output"])
        else:
            TENSORS[f"{case['case']}.output"] = y.contiguous()


def tiny_autoencoder():
    torch.manual_seed(9)
    widths = (6,) * 4
    model = AutoencoderTiny(encoder_block_out_channels=widths, decoder_block_out_channels=widths).eval()
    for name, parameter in model.named_parameters():
        parameter.data = (parameter.data * (1.5 if parameter.ndim == 4 else 1)).half().float()
    with torch.inference_mode():
        pixels = picture(24, 32)[None] * 2 - 1
        latents = model.encode(pixels).latents
        noise = torch.randn(1, 4, 3, 4) * 2
        decoded = model.decode(noise).sample
    print(f"taesd: latents {latents.std():.2f}, decoded {decoded.std():.2f}")
    TENSORS.update({"taesd.pixels": pixels, "taesd.latents": latents, "taesd.noise": noise, "taesd.decoded": decoded})
    TENSORS.update({f"taesd.{name}": tensor.half() for name, tensor in model.state_dict().items()})


def tiles():
    """How far diffusers' tiles are from the whole, of the picture that `host/engine/tests/tiled_vae.rs` has."""
    here = os.path.dirname(os.path.abspath(__file__))
    vae = AutoencoderKL.from_pretrained(os.path.join(here, "../../host/starter/model/vae")).eval()
    y, x = torch.meshgrid(torch.arange(320) / 30, torch.arange(448) / 40, indexing="ij")
    wave = torch.sin(x * 7 + y * 3) * 0.05
    pixels = torch.stack([0.5 + wave + 0.2 * torch.sin(x * 0.7), 0.4 + torch.sin(x) * 0.3 + wave, 0.6 - torch.cos(y) * 0.3])[None] * 2 - 1
    with torch.inference_mode():
        latents = vae.encode(pixels).latent_dist.mean
        whole = vae.decode(latents).sample.clamp(-1, 1)
        vae.enable_tiling()
        vae.tile_latent_min_size, vae.tile_sample_min_size, vae.tile_overlap_factor = 24, 192, 1 / 3
        encoded = vae.encode(pixels).latent_dist.mean
        decoded = vae.decode(latents).sample.clamp(-1, 1)
    difference = ((encoded - latents).norm() / latents.norm()).item()
    psnr = -10 * ((whole - decoded) / 2).pow(2).mean().log10().item()
    print(f"diffusers' tiles: encoded {difference:.4f}, decoded {psnr:.1f} dB")
    return {"encode_difference": round(difference, 4), "decode_psnr": round(psnr, 2)}


def main():
    TENSORS.update(weights())
    upscalers()
    tiny_autoencoder()
    out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
    save_file({name: tensor.contiguous() for name, tensor in TENSORS.items()}, f"{out}/upscale.safetensors")
    os.chmod(f"{out}/upscale.safetensors", 0o644)
    with open(f"{out}/tiles.json", "w", encoding="utf-8") as file:
        file.write(json.dumps([tiles()]) + "\n")
    with open(f"{out}/upscale.json", "w", encoding="utf-8") as file:
        file.write("[\n" + ",\n".join(json.dumps(case) for case in CASES) + "\n]\n")


if __name__ == "__main__":
    main()
