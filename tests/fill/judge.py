#!/usr/bin/env python3
"""Judges the exemplar fill against four other fills and prints one table.

Each case is a public-domain photograph with a hole of one kind; the hole is painted over with a flat
colour before any method sees the picture. Every method gets the same hard mask. Measured in the hole:

psnr     dB against the photograph. It rewards blur, so it is read together with the next two.
jump     mean |difference| of luma between neighbours on the two sides of the hole's contour, divided by
         the photograph's own value: above 1 a visible edge, below 1 a smear.
texture  mean squared luma gradient inside over that in the 16 px ring around, divided by the photograph's
         own value: below 1 blurred, above 1 noisier than the place it fills.
off      mean |ln| of the ratio over the cases: 0 is right, and errors up and down do not cancel.
wall,cpu seconds per case, including reading and writing PNG for the two that are programs.

    python3 -m pip install scikit-image==0.26 opencv-python-headless==5.0.0.93 pillow   # and Debian's gmic
    python3 tests/fill/judge.py                              # table for `underpaint fill` (built by cargo)
    python3 tests/fill/judge.py --binary target/debug/examples/fill   # the same for raster alone
    python3 tests/fill/judge.py --check                      # also exit 1 where a target is missed
    python3 tests/fill/judge.py --sheet tests/fill/contact.jpg
"""

import argparse
import hashlib
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import cv2
import numpy as np
import skimage.data
from PIL import Image, ImageDraw
from skimage.restoration import inpaint_biharmonic

ROOT = Path(__file__).resolve().parents[2]
# All in scikit-image's package itself (0.18 to 0.26); sources and licences in README.md beside this file.
PHOTOS = {
    "astronaut": "astronaut.png",
    "brick": "brick.png",
    "camera": "camera.png",
    "chelsea": "chelsea.png",
    "coffee": "coffee.png",
    "coins": "coins.png",
    "grass": "grass.png",
    "gravel": "gravel.png",
    "hubble": "hubble_deep_field.jpg",
    "rocket": "rocket.jpg",
}
KINDS = ("rect", "thin", "large", "border")


def photo(name):
    path = Path(skimage.data.__file__).parent / PHOTOS[name]
    return np.asarray(Image.open(path).convert("RGB"))


def hole(name, kind, shape):
    """The mask of a case: bool, shape (h, w). Depends on nothing but its arguments."""
    h, w = shape
    seed = int.from_bytes(hashlib.sha256(f"{name}/{kind}".encode()).digest()[:4], "little")
    rng = np.random.default_rng(seed)
    yy, xx = np.mgrid[:h, :w]
    if kind == "rect":
        rh, rw = int(h * 0.16), int(w * 0.2)
        y, x = rng.integers(h // 8, h - rh - h // 8), rng.integers(w // 8, w - rw - w // 8)
        return (yy >= y) & (yy < y + rh) & (xx >= x) & (xx < x + rw)
    if kind == "thin":
        mask = np.zeros(shape, np.uint8)
        for _ in range(4):  # scratches and a wire, 4 to 7 px
            p = [tuple(int(v) for v in rng.integers((0, 0), (w, h))) for _ in range(3)]
            t = np.linspace(0, 1, 64)[:, None]
            p = np.array(p, float)
            curve = (1 - t) ** 2 * p[0] + 2 * t * (1 - t) * p[1] + t**2 * p[2]
            cv2.polylines(mask, [curve.astype(np.int32)], False, 1, int(rng.integers(4, 8)))
        return mask > 0
    if kind == "large":
        cy, cx = h * rng.uniform(0.4, 0.6), w * rng.uniform(0.4, 0.6)
        angle = np.arctan2(yy - cy, xx - cx)
        blob = 1 + 0.18 * np.sin(3 * angle + rng.uniform(0, 6)) + 0.1 * np.sin(5 * angle + rng.uniform(0, 6))
        return np.hypot((yy - cy) / h, (xx - cx) / w) < 0.2 * blob
    if kind == "border":
        side, at = rng.integers(0, 4), rng.uniform(0.25, 0.6)
        if side < 2:  # left, right
            a, b = int(h * at), int(h * (at + 0.22))
            depth = int(w * 0.14)
            return (yy >= a) & (yy < b) & ((xx < depth) if side == 0 else (xx >= w - depth))
        a, b = int(w * at), int(w * (at + 0.22))
        depth = int(h * 0.14)
        return (xx >= a) & (xx < b) & ((yy < depth) if side == 2 else (yy >= h - depth))
    raise ValueError(kind)


def luma(image):
    return image.astype(np.float64) @ [0.299, 0.587, 0.114]


def contour_step(y, mask):
    across = mask[:, 1:] != mask[:, :-1]
    down = mask[1:] != mask[:-1]
    steps = np.concatenate([np.abs(np.diff(y, axis=1))[across], np.abs(np.diff(y, axis=0))[down]])
    return steps.mean()


def texture(y, mask):
    gy, gx = np.gradient(y)
    energy = gx**2 + gy**2
    ring = cv2.dilate(mask.astype(np.uint8), np.ones((33, 33), np.uint8)).astype(bool) & ~mask
    # The one-pixel seam belongs to `jump`, not to texture.
    inside = cv2.erode(mask.astype(np.uint8), np.ones((3, 3), np.uint8), borderValue=1).astype(bool)
    ring &= ~cv2.dilate(mask.astype(np.uint8), np.ones((3, 3), np.uint8)).astype(bool)
    return energy[inside].mean() / max(energy[ring].mean(), 1e-9)


def measure(truth, filled, mask):
    assert filled.shape == truth.shape, (filled.shape, truth.shape)
    assert np.array_equal(filled[~mask], truth[~mask]), "pixels outside the hole changed"
    mse = np.mean((filled[mask].astype(float) - truth[mask]) ** 2)
    a, b = luma(truth), luma(filled)
    return {
        "psnr": 10 * np.log10(255**2 / max(mse, 1e-9)),
        "jump": contour_step(b, mask) / contour_step(a, mask),
        "texture": texture(b, mask) / texture(a, mask),
    }


def program(command, image, mask):
    """Runs a fill that is a program; returns its picture, wall and user CPU seconds."""
    with tempfile.TemporaryDirectory() as folder:
        i, m, o = (str(Path(folder) / n) for n in ("i.png", "m.png", "o.png"))
        Image.fromarray(image).save(i)
        Image.fromarray(mask.astype(np.uint8) * 255).save(m)
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        done = subprocess.run(command(i, m, o), capture_output=True, text=True)
        wall = time.perf_counter() - start
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        if done.returncode != 0 or not os.path.exists(o):
            sys.exit(f"{command(i, m, o)} failed:\n{done.stdout}{done.stderr}")
        cpu = after.ru_utime - before.ru_utime
        return np.asarray(Image.open(o).convert("RGB")), wall, cpu


def function(call):
    before, start = time.process_time(), time.perf_counter()
    out = call()
    return out, time.perf_counter() - start, time.process_time() - before


def methods(binary):
    def ours(image, mask):
        if Path(binary).name == "fill":
            out = program(lambda i, m, o: [binary, i, m, o], image, mask)
        else:
            extra = ["--feather-px", "0", "--grow-px", "0", "--seed", "1"]
            out = program(lambda i, m, o: [binary, "fill", "--image", i, "--mask", m, *extra, "-o", o], image, mask)
        return out

    def gmic(image, mask):
        return program(lambda i, m, o: ["gmic", i, m, "-inpaint_matchpatch[0]", "[1]", "-o[0]", o], image, mask)

    def biharmonic(image, mask):
        return function(lambda: (inpaint_biharmonic(image, mask, channel_axis=-1) * 255).round().clip(0, 255).astype(np.uint8))

    def opencv(flag):
        return lambda image, mask: function(lambda: cv2.inpaint(image, mask.astype(np.uint8), 5, flag))

    return {
        "underpaint": ours,
        "gmic": gmic,
        "telea": opencv(cv2.INPAINT_TELEA),
        "navier-stokes": opencv(cv2.INPAINT_NS),
        "biharmonic": biharmonic,
    }


def run(name, method, image, mask, cache):
    """A method's answer to a case; the others' answers are kept, they do not change."""
    key = hashlib.sha256(image.tobytes() + mask.tobytes()).hexdigest()[:20]
    kept = cache / f"{name}-{key}.npz" if cache and name != "underpaint" else None
    if kept and kept.exists():
        z = np.load(kept)
        return z["out"], float(z["wall"]), float(z["cpu"])
    out, wall, cpu = method(image, mask)
    out = np.where(mask[..., None], out, image)
    if kept:
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.savez(kept, out=out, wall=wall, cpu=cpu)
    return out, wall, cpu


def geometric(values):
    return float(np.exp(np.mean(np.log(np.maximum(values, 1e-6)))))


def summary(rows):
    off = lambda key: float(np.mean([abs(np.log(max(r[key], 1e-6))) for r in rows]))
    return {
        "psnr": float(np.mean([r["psnr"] for r in rows])),
        "jump": geometric([r["jump"] for r in rows]),
        "jump off": off("jump"),
        "texture": geometric([r["texture"] for r in rows]),
        "texture off": off("texture"),
        "wall": float(np.mean([r["wall"] for r in rows])),
        "cpu": float(np.mean([r["cpu"] for r in rows])),
    }


def print_table(results, names):
    head = ("holes", "method", "psnr", "jump", "off", "texture", "off", "wall s", "cpu s")
    print("{:<7} {:<14} {:>6} {:>6} {:>5} {:>8} {:>5} {:>7} {:>7}".format(*head))
    for kind in (*KINDS, "all"):
        for name in names:
            rows = [r for r in results[name] if kind in (r["kind"], "all")]
            if rows:
                s = summary(rows)
                print(f"{kind:<7} {name:<14} {s['psnr']:6.2f} {s['jump']:6.2f} {s['jump off']:5.2f} "
                      f"{s['texture']:8.2f} {s['texture off']:5.2f} {s['wall']:7.2f} {s['cpu']:7.2f}")


def missed(results):
    """The targets, as sentences, that the table does not meet."""
    all_of = {name: summary(rows) for name, rows in results.items()}
    us = all_of.pop("underpaint")
    out = []
    for key in ("jump", "texture"):
        for name, other in all_of.items():
            if us[key + " off"] >= other[key + " off"]:
                out.append(f"{key}: {name} is nearer to 1 ({other[key + ' off']:.2f} against {us[key + ' off']:.2f})")
    if "gmic" in all_of:
        if us["psnr"] < all_of["gmic"]["psnr"]:
            out.append(f"psnr: gmic has {all_of['gmic']['psnr']:.2f} dB, we have {us['psnr']:.2f}")
        if us["cpu"] > all_of["gmic"]["cpu"]:
            out.append(f"time: gmic takes {all_of['gmic']['cpu']:.2f} CPU seconds, we take {us['cpu']:.2f}")
    return out


def sheet(cases, answers, names, path):
    """One row per case: the picture with its hole, then each method's answer, cut to the hole's surroundings."""
    cell, columns = 150, ["hole", *names]
    canvas = Image.new("RGB", (cell * len(columns), 14 + len(cases) * cell), "white")
    draw = ImageDraw.Draw(canvas)
    for c, column in enumerate(columns):
        draw.text((c * cell + 3, 1), column, fill="black")
    for r, (key, image, mask) in enumerate(cases):
        ys, xs = np.nonzero(mask)
        side = min(int(max(np.ptp(ys), np.ptp(xs)) * 1.5) + 20, *mask.shape)
        y = int(np.clip((ys.min() + ys.max() - side) // 2, 0, mask.shape[0] - side))
        x = int(np.clip((xs.min() + xs.max() - side) // 2, 0, mask.shape[1] - side))
        for c, column in enumerate(columns):
            shown = image if column == "hole" else answers[column][key]
            tile = Image.fromarray(shown[y : y + side, x : x + side]).resize((cell, cell), Image.LANCZOS)
            canvas.paste(tile, (c * cell, 14 + r * cell))
        draw.text((3, 16 + r * cell), " ".join(key), fill="white", stroke_fill="black", stroke_width=1)
    canvas.save(path, quality=80)


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--binary", help="the program under test: `underpaint`, or raster's example `fill`")
    parser.add_argument("--photo", action="append", choices=PHOTOS, help="only these photographs")
    parser.add_argument("--kind", action="append", choices=KINDS, help="only these holes")
    parser.add_argument("--method", action="append", help="only these methods")
    parser.add_argument("--cache", type=Path, default=ROOT / "target" / "judge", help="where the others' answers are kept")
    parser.add_argument("--sheet", type=Path, help="write a contact sheet (JPEG)")
    parser.add_argument("--sheet-cases", default="", help="photo/kind, comma separated; default: all")
    parser.add_argument("--cases", action="store_true", help="also print a line per case")
    parser.add_argument("--check", action="store_true", help="exit 1 where a target is missed")
    args = parser.parse_args()
    binary = args.binary or shutil.which("underpaint") or str(ROOT / "target" / "debug" / "underpaint")

    table = methods(binary)
    names = [n for n in table if not args.method or n in args.method]
    if "gmic" in names and not shutil.which("gmic"):
        print("skipped: gmic is not installed (apt install gmic)")
        names.remove("gmic")
    results, answers, cases = {n: [] for n in names}, {n: {} for n in names}, []
    for photo_name in args.photo or PHOTOS:
        truth = photo(photo_name)
        for kind in args.kind or KINDS:
            mask = hole(photo_name, kind, truth.shape[:2])
            image = np.where(mask[..., None], np.uint8([255, 0, 255]), truth)
            cases.append(((photo_name, kind), image, mask))
            for name in names:
                out, wall, cpu = run(name, table[name], image, mask, args.cache)
                row = {"kind": kind, "wall": wall, "cpu": cpu, **measure(truth, out, mask)}
                results[name].append(row)
                answers[name][photo_name, kind] = out
                if args.cases:
                    print(f"{photo_name:<10} {kind:<7} {name:<14} {row['psnr']:6.2f} {row['jump']:6.2f} {row['texture']:6.2f} {wall:6.2f} {cpu:6.2f}")
    print_table(results, names)
    if args.sheet:
        wanted = [tuple(c.split("/")) for c in args.sheet_cases.split(",") if c]
        sheet([c for c in cases if not wanted or c[0] in wanted], answers, names, args.sheet)
    if args.check and "underpaint" in names:
        problems = missed(results)
        print("\n".join(problems) or "every target is met")
        sys.exit(1 if problems else 0)


if __name__ == "__main__":
    main()
