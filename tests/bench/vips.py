"""libvips' Gaussian of 9 taps and median of 5x5: how far from exact, and how long.

    pip install pyvips numpy; python3 tests/bench/vips.py [target/debug/underpaint]

Distances are those of a photograph's colours from the Gaussian with the same nine taps in double precision, in steps of
8 bits; those of the filter of that name stand beside them if the program is given. Times are of one 4096x4096 picture
of 8 bits on two cores, from memory to memory: the median and the least of rounds in which the rows take turns, and the
median without what copying the picture takes.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time

os.environ["VIPS_CONCURRENCY"] = "2"
import numpy as np
import pyvips

SIDE = int(os.environ.get("SIDE", 4096))
ROUNDS = int(os.environ.get("ROUNDS", 7))
SIGMA = 1.5
REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PHOTOGRAPH = os.path.join(REPOSITORY, "host", "daemon", "assets", "demo", "raccoon.jpg")
FILTER = os.path.join(REPOSITORY, "plugins", "gaussian-blur", "gaussian-blur.wasm")

# The Gaussian in 128ths: what libvips' `gaussblur` makes of it in integers is further off.
KERNEL = pyvips.Image.new_from_array([[1, 5, 14, 27, 34, 27, 14, 5, 1]], scale=128)


def blurred(image):
    return image.convsep(KERNEL, precision="integer")


def blurred_in_floats(image):
    return image.gaussblur(SIGMA, precision="float", min_ampl=0.011).rint().cast("uchar")


def blurred_by_alpha(image):
    """Colours count by their alpha, so that nothing dark creeps in from where the picture is transparent."""
    return blurred(image.premultiply().cast("uchar")).unpremultiply().cast("uchar")


def median(image):
    return image.rank(5, 5, 12)


ROWS = [
    ("Gaussian, RGB", "rgb", blurred),
    ("Gaussian, RGB in floats", "rgb", blurred_in_floats),
    ("Gaussian, RGBA, each channel on its own", "rgba", blurred),
    ("Gaussian, RGBA, colours weighed by alpha", "rgba", blurred_by_alpha),
    ("median, RGB", "rgb", median),
]


def sources(rgb):
    """An opaque picture of both kinds."""
    opaque = np.full(rgb.shape[:2] + (1,), 255, np.uint8)
    both = {"rgb": rgb, "rgba": np.concatenate([rgb, opaque], 2)}

    def image(values):
        height, width, bands = values.shape
        return pyvips.Image.new_from_memory(values.tobytes(), width, height, bands, "uchar").copy(interpretation="srgb")

    return {name: image(values) for name, values in both.items()}


def exact(values):
    offsets = range(-4, 5)
    taps = np.exp([-(d * d) / (2 * SIGMA**2) for d in offsets])
    values = values.astype(np.float64)
    for axis in (0, 1):
        side = np.arange(values.shape[axis])
        near = [values.take((side + d).clip(0, side[-1]), axis) for d in offsets]
        values = sum(tap * n for tap, n in zip(taps / taps.sum(), near))
    return values


def filtered(underpaint, image):
    with tempfile.TemporaryDirectory() as folder:
        source, made = os.path.join(folder, "in.png"), os.path.join(folder, "out.png")
        image.write_to_file(source)
        command = [underpaint, "filter", "run", FILTER, source, "-o", made, "--param", f"sigma={SIGMA}"]
        subprocess.run(command, check=True, capture_output=True)
        return pyvips.Image.new_from_file(made).numpy()


def distances(underpaint):
    photograph = pyvips.Image.new_from_file(PHOTOGRAPH)[:3].numpy()
    should, images = exact(photograph), sources(photograph)
    made = [(f"libvips, {name}", work(images[kind]).numpy()) for name, kind, work in ROWS if work != median]
    if underpaint:
        made.append(("Underpaint, Gaussian, RGBA", filtered(underpaint, images["rgba"])))
    print("Steps from the exact Gaussian; 0.5 and 0.25 are what rounding costs.")
    for name, values in made:
        off = np.abs(values[..., :3] - should)
        print(f"{name:<50} at most {off.max():4.2f}, {off.mean():5.3f} on the mean")


def times():
    images = sources(np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 3), dtype=np.uint8))

    def took(image):
        start = time.perf_counter()
        image.write_to_memory()
        return (time.perf_counter() - start) * 1e3

    rounds = {name: [] for name, _, _ in ROWS}
    for _ in range(ROUNDS):
        for name, kind, work in ROWS:
            rounds[name].append((took(work(images[kind])), took(images[kind].copy())))
    for name, pairs in rounds.items():
        whole, net = [whole for whole, _ in pairs], [whole - copied for whole, copied in pairs]
        print(
            f"{'libvips, ' + name:<50} {statistics.median(whole):5.0f} ms, at best {min(whole):4.0f} ms; "
            f"net {statistics.median(net):4.0f} ms"
        )


distances(sys.argv[1] if len(sys.argv) > 1 else None)
times()
