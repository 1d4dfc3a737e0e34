"""Paints, captions and encodes the training sets, and learns the vocabulary: python prepare.py DATA RUN [SET ...].

Wants RUN/vae.pt (train_vae.py). Each set is ready when its captions are written, last, so training may begin with the first.
"""
import json
import os
import subprocess
import sys

import numpy as np

import studies
import tokenizer
from encode import encode

# Name -> first seed, studies, width, height. The autoencoder's own set, `base`, has seeds of its own.
SETS = {
    "a": (0, 8000, 256, 256), "b": (8000, 8000, 256, 256), "wide": (100_000, 1500, 384, 256), "tall": (110_000, 1000, 256, 384),
    "large": (120_000, 700, 512, 512), "c": (16_000, 8000, 256, 256),
}
BASE = (500_000_000, 3000, 256, 256)
CAPTIONS_EACH = 6
# What an axis without any likeness between neighbours is worth beside a smooth one.
ROUGH = 0.5


def captions(first, count):
    arguments = [studies.maker(), "captions", "--first", str(first), "--count", str(count), "--each", str(CAPTIONS_EACH)]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def whitening(data, name):
    """Mean, and the matrix to axes that say nothing of each other, ordered by smoothness: first the one whose neighbouring cells are most
    alike (Switzer and Green 1984, maximum autocorrelation factors). Smooth axes, which carry light and colour, get unit deviation, rough ones,
    which carry strokes, down to ROUGH of it, so that the denoiser settles the large before the small and is judged by it."""
    latents = np.load(os.path.join(data, name + ".latents.npy"), mmap_mode="r")[:1000].astype(np.float64)
    x = latents.transpose(0, 2, 3, 1)
    mean = x.reshape(-1, x.shape[-1]).mean(0)
    white = _inverse_root(np.cov(x.reshape(-1, x.shape[-1]).T))
    steps = np.concatenate([np.diff(x, axis=1).reshape(-1, x.shape[-1]), np.diff(x, axis=2).reshape(-1, x.shape[-1])]) @ white
    # The variance of a step is 2 (1 - likeness).
    values, axes = np.linalg.eigh(steps.T @ steps / len(steps))
    likeness = np.clip(1 - values / 2, 0, 1)
    print("likeness of neighbours:", likeness.round(3).tolist())
    return {"mean": mean.tolist(), "matrix": ((white @ axes) * (ROUGH + (1 - ROUGH) * likeness)).T.tolist()}


def _inverse_root(covariance):
    values, axes = np.linalg.eigh(covariance)
    return axes / np.sqrt(values) @ axes.T


def main():
    data, run, *names = sys.argv[1:]
    os.makedirs(run, exist_ok=True)
    if not os.path.exists(os.path.join(run, "tokenizer")):
        lines = captions(200_000_000, 20_000).splitlines()
        print("vocabulary:", len(tokenizer.train((c for line in lines for c in json.loads(line)), os.path.join(run, "tokenizer"))))
    for name in names or SETS:
        first, count, width, height = SETS[name]
        studies.write(data, name, first, count, width, height)
        encode(data, run, name, width, height)
        if not os.path.exists(os.path.join(run, "latents.json")):
            json.dump(whitening(data, name), open(os.path.join(run, "latents.json"), "w"))
        with open(os.path.join(data, name + ".captions.jsonl"), "w") as out:
            out.write(captions(first, count))
        print(name, "is ready", flush=True)


if __name__ == "__main__":
    main()
