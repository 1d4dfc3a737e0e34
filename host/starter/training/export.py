"""Writes the trained model as a diffusers folder in f16: python export.py DATA RUN OUT.

Beside diffusers' own files: `underpaint.json` with the defaults and the matrix of previews, fitted to latents and pictures of the first set.
"""
import json
import os
import shutil
import sys

import numpy as np
import torch
from safetensors.torch import load_file, save_file

import shape
import studies
import tokenizer

DEFAULTS = {"steps": 10, "guidance_scale": 4.5, "sampler": "dpmpp_2m", "scheduler": "normal"}
# Of the posterior, in shares of the latents': what the autoencoder learned, on average.
DEVIATION = 0.05
INDEX = {
    "_class_name": "StableDiffusionPipeline", "feature_extractor": [None, None], "safety_checker": [None, None],
    "requires_safety_checker": False, "scheduler": ["diffusers", "DDIMScheduler"], "text_encoder": ["transformers", "CLIPTextModel"],
    "tokenizer": ["transformers", "CLIPTokenizer"], "unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"],
}


def averaged(run):
    """The denoiser and text encoder with their averaged weights."""
    saved = torch.load(os.path.join(run, "starter.pt"))
    tokens = tokenizer.load(os.path.join(run, "tokenizer"))
    unet, text = shape.unet(), shape.text(len(tokens), tokens.bos_token_id, tokens.eos_token_id)
    with torch.no_grad():
        for parameter, mean in zip([*unet.parameters(), *text.parameters()], saved["average"]):
            parameter.copy_(mean)
    return unet.eval(), text.eval()


def whitened(vae, mean, matrix):
    """The same autoencoder with the latents that the denoiser was trained on: mean and matrix are taken into the 1x1 convolutions on both
    sides of the latents, so `scaling_factor` is 1. The posterior's deviation becomes a constant, for it does not turn with the axes."""
    channels = len(mean)
    with torch.no_grad():
        before, after = vae.quant_conv, vae.post_quant_conv
        back = torch.linalg.inv(matrix.double()).float()
        after.bias += after.weight[:, :, 0, 0] @ mean
        after.weight.copy_((after.weight[:, :, 0, 0] @ back)[:, :, None, None])
        before.weight[:channels] = (matrix @ before.weight[:channels, :, 0, 0])[:, :, None, None]
        before.bias[:channels] = matrix @ (before.bias[:channels] - mean)
        before.weight[channels:] = 0
        before.bias[channels:] = 2 * torch.log(torch.tensor(DEVIATION))
    vae.register_to_config(scaling_factor=1.0)
    return vae


def preview(data, mean, matrix):
    """The linear map from whitened latents to colours in -1..=1, by least squares over 200 studies; a row for each channel, then the bias."""
    latents = np.load(os.path.join(data, "a.latents.npy"), mmap_mode="r")[:200].astype(np.float32)
    pictures, _ = studies.read(data, "a", 256, 256)
    small = pictures[:200].reshape(200, 32, 8, 32, 8, 3).mean((2, 4)) / 127.5 - 1
    x = latents.transpose(0, 2, 3, 1).reshape(-1, latents.shape[1])
    x = (x - mean.numpy()) @ matrix.numpy().T
    x = np.concatenate([x, np.ones((len(x), 1), np.float32)], 1)
    return np.linalg.lstsq(x, small.reshape(-1, 3), rcond=None)[0].round(4).tolist()


def halved(path):
    """Rewrites a weights file in f16 and sees that nothing has become infinite."""
    tensors = {name: value.half().contiguous() for name, value in load_file(path).items() if "position_ids" not in name}
    assert all(torch.isfinite(value).all() for value in tensors.values()), path
    save_file(tensors, path, metadata={"format": "pt"})
    os.chmod(path, 0o644)


def main():
    data, run, out = sys.argv[1:]
    measured = json.load(open(os.path.join(run, "latents.json")))
    mean, matrix = torch.tensor(measured["mean"]), torch.tensor(measured["matrix"])
    unet, text = averaged(run)
    vae = shape.vae()
    vae.load_state_dict(torch.load(os.path.join(run, "vae.pt")))
    # The encoder that made the latents stays; its decoder may have been trained on.
    finished = os.path.join(run, "decoder.pt")
    if os.path.exists(finished):
        vae.load_state_dict(torch.load(finished))
    vae = whitened(vae, mean, matrix)
    shutil.rmtree(out, ignore_errors=True)
    for name, part in (("unet", unet), ("vae", vae), ("text_encoder", text)):
        part.save_pretrained(os.path.join(out, name))
        halved(os.path.join(out, name, "model.safetensors" if name == "text_encoder" else "diffusion_pytorch_model.safetensors"))
    shape.scheduler().save_pretrained(os.path.join(out, "scheduler"))
    shutil.copytree(os.path.join(run, "tokenizer"), os.path.join(out, "tokenizer"))
    with open(os.path.join(out, "model_index.json"), "w") as file:
        file.write(json.dumps(INDEX, indent=1) + "\n")
    with open(os.path.join(out, "underpaint.json"), "w") as file:
        file.write(json.dumps({"name": "Starter", "defaults": DEFAULTS, "preview": preview(data, mean, matrix)}, indent=1) + "\n")


if __name__ == "__main__":
    main()
