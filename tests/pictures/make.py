#!/usr/bin/env python3
"""Makes the pictures of every usual kind that the daemon must read rightly, and what they hold.

    python3 tests/pictures/make.py        needs Pillow, NumPy and ImageMagick (convert)

Each file is written by another program than ours. `expected.json` holds, for each: width, height, bits, alpha, how far
a value may be off (of 65535; JPEG decoders differ by a little), and the RGBA values as Pillow and NumPy see them.
"""

import json
import pathlib
import subprocess

import numpy as np
from PIL import Image, ImageCms

HERE = pathlib.Path(__file__).resolve().parent
W, H = 13, 9  # odd on purpose: rows of 1-bit pictures end inside a byte
EXACT, JPEG = 0, 5 * 257

y, x = np.mgrid[0:H, 0:W]
rgb = np.stack([x * 255 // (W - 1), y * 255 // (H - 1), (x * 37 + y * 91) % 256], -1).astype(np.uint8)
smooth = np.stack([x * 160 // (W - 1) + 40, y * 160 // (H - 1) + 40, (x + y) * 7 + 30], -1).astype(np.uint8)
alpha = ((x * 3 + y * 29) % 256).astype(np.uint8)
grey = rgb[..., 2]
deep = (np.stack([x * 5041, y * 8191, (x * 7919 + y * 104729) % 65536], -1) % 65536).astype(np.uint16)
expected = {}


def note(name, values, bits=8, has_alpha=False, tolerance=EXACT):
    """`values`: H x W x 3 or 4, of `bits`."""
    values = np.asarray(values)
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, -1)
    top = 255 if bits == 8 else 65535
    if values.shape[-1] == 3:
        values = np.concatenate([values, np.full(values.shape[:2] + (1,), top, values.dtype)], -1)
    wide = values.astype(np.uint32) * (257 if bits == 8 else 1)
    expected[name] = {
        "w": int(values.shape[1]), "h": int(values.shape[0]), "bits": bits, "alpha": has_alpha,
        "tolerance": tolerance, "rgba16": wide.astype(">u2").tobytes().hex(),
    }


def save(name, image, **how):
    image.save(HERE / name, **how)


def convert(name, *args):
    subprocess.run(["convert", *map(str, args), str(HERE / name)], check=True)


def raw(array, depth):
    """ImageMagick's arguments for `array` as input, through a file."""
    path = HERE / "raw.tmp"
    path.write_bytes(array.astype("<u2" if depth == 16 else np.uint8).tobytes())
    kind = {2: "gray", 3: "rgb", 4: "rgba"}[array.shape[-1] if array.ndim == 3 else 2]
    return ["-size", f"{W}x{H}", "-depth", depth, "-endian", "LSB", f"{kind}:{path}"]


# PNG
save("rgb8.png", Image.fromarray(rgb)); note("rgb8.png", rgb)
rgba = np.dstack([rgb, alpha])
save("rgba8.png", Image.fromarray(rgba)); note("rgba8.png", rgba, has_alpha=True)
save("transparent.png", Image.new("RGBA", (48, 40), (10, 20, 30, 0)))  # for the bad input tests
save("grey8.png", Image.fromarray(grey)); note("grey8.png", grey)
save("grey-alpha8.png", Image.fromarray(np.dstack([grey, alpha]), "LA"))
note("grey-alpha8.png", np.dstack([grey] * 3 + [alpha]), has_alpha=True)
one_bit = ((x + y) % 3 == 0).astype(np.uint8) * 255
save("one-bit.png", Image.fromarray(one_bit).convert("1")); note("one-bit.png", one_bit)
palette = Image.fromarray(rgb).quantize(13)
save("palette.png", palette); note("palette.png", np.asarray(palette.convert("RGB")))
save("palette-transparent.png", palette, transparency=3)
with Image.open(HERE / "palette-transparent.png") as reread:
    note("palette-transparent.png", np.asarray(reread.convert("RGBA")), has_alpha=True)
convert("rgb16.png", *raw(deep, 16), "-define", "png:color-type=2", "-define", "png:bit-depth=16", "-strip")
note("rgb16.png", deep, 16)
deep_alpha = np.dstack([deep, (x * 4999 + y * 31) % 65536]).astype(np.uint16)
convert("rgba16.png", *raw(deep_alpha, 16), "-define", "png:color-type=6", "-define", "png:bit-depth=16", "-strip")
note("rgba16.png", deep_alpha, 16, has_alpha=True)
save("grey16.png", Image.fromarray(deep[..., 2].astype(np.uint16))); note("grey16.png", deep[..., 2], 16)
convert("interlaced.png", *raw(rgb, 8), "-interlace", "PNG", "-define", "png:color-type=2", "-strip")
note("interlaced.png", rgb)
profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
save("profile.png", Image.fromarray(rgb), icc_profile=profile); note("profile.png", rgb)


# JPEG
def jpeg(name, image, **how):
    save(name, image, quality=95, **how)
    with Image.open(HERE / name) as reread:
        note(name, np.asarray(reread.convert("RGB")), tolerance=JPEG)


jpeg("baseline.jpg", Image.fromarray(smooth))
jpeg("progressive.jpg", Image.fromarray(smooth), progressive=True)
jpeg("grey.jpg", Image.fromarray(smooth[..., 0]))
jpeg("cmyk.jpg", Image.fromarray(smooth).convert("CMYK"))
for orientation, turn in {
    2: Image.Transpose.FLIP_LEFT_RIGHT, 3: Image.Transpose.ROTATE_180, 6: Image.Transpose.ROTATE_270,
    8: Image.Transpose.ROTATE_90,
}.items():
    name = f"exif-{orientation}.jpg"
    exif = Image.Exif()
    exif[0x0112] = orientation
    save(name, Image.fromarray(smooth), quality=95, exif=exif)
    with Image.open(HERE / name) as reread:
        note(name, np.asarray(reread.convert("RGB").transpose(turn)), tolerance=JPEG)

# WebP, BMP, TIFF
save("lossless.webp", Image.fromarray(rgba), lossless=True, exact=True); note("lossless.webp", rgba, has_alpha=True)
save("lossy.webp", Image.fromarray(smooth), quality=95)
with Image.open(HERE / "lossy.webp") as reread:
    note("lossy.webp", np.asarray(reread.convert("RGB")), tolerance=JPEG)
save("rgb.bmp", Image.fromarray(rgb)); note("rgb.bmp", rgb)
save("palette.bmp", palette); note("palette.bmp", np.asarray(palette.convert("RGB")))
save("rgb.tiff", Image.fromarray(rgb), compression="tiff_lzw"); note("rgb.tiff", rgb)
convert("rgb16.tiff", *raw(deep, 16), "-depth", "16", "-compress", "none", "-strip"); note("rgb16.tiff", deep, 16)
save("rgba.tiff", Image.fromarray(rgba), compression="tiff_adobe_deflate"); note("rgba.tiff", rgba, has_alpha=True)

# Kinds that are refused, with a sentence.
save("refused.gif", palette)

(HERE / "raw.tmp").unlink()
lines = ",\n".join(f"  {json.dumps(name)}: {json.dumps(facts)}" for name, facts in expected.items())
(HERE / "expected.json").write_text("{\n" + lines + "\n}\n")
