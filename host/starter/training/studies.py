"""Reads studies from the Rust picture maker, and keeps them on disk as raw bytes."""
import json
import os
import subprocess

import numpy as np

ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../.."))
# Seeds from here on are never trained on.
HELD_OUT = 1_000_000_000


def maker():
    """The maker's binary: $UNDERPAINT_MAKER, else built now."""
    if "UNDERPAINT_MAKER" in os.environ:
        return os.environ["UNDERPAINT_MAKER"]
    subprocess.run(["cargo", "build", "--quiet", "-p", "underpaint-maker"], cwd=ROOT, check=True)
    target = os.environ.get("CARGO_TARGET_DIR", os.path.join(ROOT, "target"))
    return os.path.join(target, "debug", "underpaint-maker")


def write(folder, name, first, count, width, height):
    """Paints `count` studies from seed `first` into FOLDER/NAME.rgb and FOLDER/NAME.jsonl unless they are there."""
    os.makedirs(folder, exist_ok=True)
    pixels, lines = os.path.join(folder, name + ".rgb"), os.path.join(folder, name + ".jsonl")
    size = count * width * height * 3
    if not (os.path.exists(pixels) and os.path.getsize(pixels) == size):
        arguments = [maker(), "stream", "--first", str(first), "--count", str(count), "--size", f"{width}x{height}"]
        with open(pixels, "wb") as out, open(lines, "wb") as told:
            subprocess.run(arguments, stdout=out, stderr=told, check=True)
    return read(folder, name, width, height)


def read(folder, name, width, height):
    """`[N, H, W, 3]` bytes mapped from disk, and a list of {seed, caption, facts}."""
    with open(os.path.join(folder, name + ".jsonl")) as lines:
        told = [json.loads(line) for line in lines]
    shape = (len(told), height, width, 3)
    return np.memmap(os.path.join(folder, name + ".rgb"), np.uint8, "r", shape=shape), told
