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

# Name -> first seed, studies, width, height, sides (2 = also mirrored). The autoencoder's own set, `base`, has seeds of its own.
SETS = {
    "a": (0, 8000, 256, 256, 2), "wide": (100_000, 1500, 384, 256, 1), "tall": (110_000, 1000, 256, 384, 1),
    "large": (120_000, 700, 512, 512, 1), "b": (8000, 8000, 256, 256, 1), "c": (16_000, 8000, 256, 256, 1),
}
BASE = (500_000_000, 3000, 256, 256)
CAPTIONS_EACH = 6
FLOOR = 0.003


def captions(first, count):
    arguments = [studies.maker(), "captions", "--first", str(first), "--count", str(count), "--each", str(CAPTIONS_EACH)]
    return subprocess.run(arguments, check=True, capture_output=True, text=True).stdout


def whitening(data, name):
    """Mean, and the matrix to axes of equal deviation: the autoencoder's own channels say much the same four times over, and what tells
    hues apart would be lost in the denoiser's error. FLOOR keeps an axis of mere noise small."""
    latents = np.load(os.path.join(data, name + ".latents.npy"), mmap_mode="r")[:1000, 0].astype(np.float64)
    x = latents.transpose(0, 2, 3, 1).reshape(-1, latents.shape[1])
    mean, std = x.mean(0), x.std(0)
    values, axes = np.linalg.eigh(np.cov(((x - mean) / std).T))
    return {"mean": mean.tolist(), "matrix": ((axes / np.sqrt(values + FLOOR)).T / std).tolist()}


def main():
    data, run, *names = sys.argv[1:]
    os.makedirs(run, exist_ok=True)
    if not os.path.exists(os.path.join(run, "tokenizer")):
        lines = captions(200_000_000, 20_000).splitlines()
        print("vocabulary:", len(tokenizer.train((c for line in lines for c in json.loads(line)), os.path.join(run, "tokenizer"))))
    for name in names or SETS:
        first, count, width, height, sides = SETS[name]
        studies.write(data, name, first, count, width, height)
        encode(data, run, name, width, height, sides)
        if not os.path.exists(os.path.join(run, "latents.json")):
            json.dump(whitening(data, name), open(os.path.join(run, "latents.json"), "w"))
        with open(os.path.join(data, name + ".captions.jsonl"), "w") as out:
            out.write(captions(first, count))
        print(name, "is ready", flush=True)


if __name__ == "__main__":
    main()
