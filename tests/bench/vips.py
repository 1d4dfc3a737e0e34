"""libvips' Gaussian of 9 taps beside the filter of that name: what each takes and how far each is from the exact one.

    pip install pyvips numpy; tests/bench/vips.py [target/release/underpaint]

Times are of one 4096x4096 picture of 8 bits on two cores, from memory to memory, medians of rounds in which the rows
take turns; "net" is without what copying such a picture through the same program takes. Distances are those of a
photograph's colours from the Gaussian with the same nine taps in double precision, in steps of 8 bits: the filter's
are measured where the program is given.
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

ROUNDS = int(os.environ.get("ROUNDS", 9))
SIDE = int(os.environ.get("SIDE", 4096))
SIGMA = 1.5
REPOSITORY = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..")
PHOTOGRAPH = os.path.join(REPOSITORY, "host", "daemon", "assets", "demo", "raccoon.jpg")

# The Gaussian in 128ths, as libvips' integers like it.
KERNEL = pyvips.Image.new_from_array([[1, 5, 14, 27, 34, 27, 14, 5, 1]], scale=128)


def blur(image):
    return image.convsep(KERNEL, precision="integer")


def exactly(image):
    return image.gaussblur(SIGMA, precision="float", min_ampl=0.011).rint().cast("uchar")


def weighed(image):
    """Colours count by their alpha, so that nothing dark creeps in from where the picture is transparent."""
    return blur(image.premultiply().cast("uchar")).unpremultiply().cast("uchar")


def image(values):
    side_y, side_x, bands = values.shape
    return pyvips.Image.new_from_memory(values.tobytes(), side_x, side_y, bands, "uchar").copy(interpretation="srgb")


def exact(values):
    distance = np.arange(-4, 5)
    taps = np.exp(-(distance**2) / (2 * SIGMA**2))
    taps /= taps.sum()
    for axis in (0, 1):
        padded = np.pad(values.astype(np.float64), [(4, 4) if a == axis else (0, 0) for a in range(3)], "edge")
        values = sum(w * np.roll(padded, 4 - i, axis) for i, w in enumerate(taps))
        values = values.take(range(4, padded.shape[axis] - 4), axis)
    return values


def times():
    noise = np.random.default_rng(1).integers(0, 256, (SIDE, SIDE, 4), dtype=np.uint8)
    noise[..., 3] = 255
    rgb, rgba = image(np.ascontiguousarray(noise[..., :3])), image(noise)
    rows = [
        ("RGB", rgb, blur),
        ("RGB, in floats", rgb, exactly),
        ("RGBA, channels on their own", rgba, blur),
        ("RGBA, colours weighed by alpha", rgba, weighed),
    ]
    took = {name: ([], []) for name, _, _ in rows}
    for _ in range(ROUNDS):
        for name, source, work in rows:
            for made, into in ((source.copy(), 0), (work(source), 1)):
                start = time.perf_counter()
                made.write_to_memory()
                took[name][into].append((time.perf_counter() - start) * 1e3)
    for name, (copied, whole) in took.items():
        net = statistics.median(w - c for w, c in zip(whole, copied))
        print(f"libvips, {name:<31} {statistics.median(whole):4.0f} ms, at best {min(whole):4.0f} ms; net {net:4.0f} ms")


def distances(underpaint):
    photograph = pyvips.Image.new_from_file(PHOTOGRAPH)[:3]
    values = photograph.numpy()
    opaque = np.dstack([values, np.full(values.shape[:2], 255, np.uint8)])
    should = exact(values)
    rows = [
        ("libvips, RGB", blur(photograph).numpy()),
        ("libvips, RGB, in floats", exactly(photograph).numpy()),
        ("libvips, RGBA, channels on their own", blur(image(opaque)).numpy()),
        ("libvips, RGBA, colours weighed by alpha", weighed(image(opaque)).numpy()),
    ]
    if underpaint:
        with tempfile.TemporaryDirectory() as folder:
            source, made = os.path.join(folder, "in.png"), os.path.join(folder, "out.png")
            image(opaque).write_to_file(source)
            filter = os.path.join(REPOSITORY, "plugins", "gaussian-blur", "gaussian-blur.wasm")
            command = [underpaint, "filter", "run", filter, source, "-o", made, "--param", f"sigma={SIGMA}"]
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            rows.append(("Underpaint, RGBA", pyvips.Image.new_from_file(made).numpy()))
    print(f"{values.shape[1]}x{values.shape[0]} photograph, steps from the exact Gaussian (0.25 is what rounding costs)")
    for name, made in rows:
        off = np.abs(made[..., :3] - should)
        print(f"{name:<40} at most {off.max():4.2f}, {off.mean():5.3f} on the mean")


distances(sys.argv[1] if len(sys.argv) > 1 else None)
times()
