"""Encodes painted studies with the trained autoencoder.

Writes DATA/NAME.latents.npy, f16 `[N, 6, H/8, W/8]`: unscaled means of the posterior.
"""
import os

import numpy as np
import torch

import shape
import studies
from parallel import launch


def work(rank, workers, data, run, name, width, height):
    pictures, _ = studies.read(data, name, width, height)
    path = os.path.join(data, name + ".latents.npy")
    out = np.lib.format.open_memmap(path, mode="r+")
    model = shape.vae().eval()
    model.load_state_dict(torch.load(os.path.join(run, "vae.pt")))
    batch = max(1, 8 * 256 * 256 // (width * height))
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        for first in list(range(0, len(pictures), batch))[rank::workers]:
            x = torch.from_numpy(pictures[first:first + batch].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1
            out[first:first + batch] = model.encode(x).latent_dist.mean.float().numpy()
    out.flush()


def encode(data, run, name, width, height, workers=2):
    """Does nothing if the file is there."""
    path = os.path.join(data, name + ".latents.npy")
    if os.path.exists(path):
        return
    count = len(studies.read(data, name, width, height)[1])
    np.lib.format.open_memmap(path, "w+", np.float16, (count, shape.LATENTS, height // 8, width // 8))
    launch(work, workers, data, run, name, width, height)
