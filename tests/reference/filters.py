"""Reference pictures for the first-party filters: what scipy, OpenCV and a plain formula make of one small picture.

    pip install -r tests/reference/requirements-filters.txt
    python tests/reference/filters.py

Writes `tests/reference/golden/filters/NAME.u16`: 48x36 pixels, RGBA, 16 bits little-endian, 65535 is 1. The picture
is that of the SDK's `testing::picture::<f32>(48, 36)`, for `opaque-*` with alpha 1 everywhere.
"""

import pathlib

import cv2
import numpy as np
from scipy import ndimage

WIDTH, HEIGHT = 48, 36
OUT = pathlib.Path(__file__).parent / "golden" / "filters"


def picture():
    y, x = np.mgrid[0:HEIGHT, 0:WIDTH]
    # In 32 bits, as the SDK does it: on the border it matters what is quite transparent.
    f32 = np.float32
    u, v = f32(x) / f32(WIDTH), f32(y) / f32(HEIGHT)
    edge = np.where((x // 8 + y // 8) % 2 == 0, 0.75, 1.0)
    alpha = np.clip((f32(1.2) - u - v * f32(0.4)) * f32(4), 0, 1)
    colour = np.stack([u * edge, v * edge, (1 - u) * edge], -1) * (alpha > 0)[..., None]
    return np.concatenate([colour, alpha[..., None]], -1).astype(np.float64)


def opaque():
    out = picture()
    out[..., 3] = 1
    return out


def gaussian(rgba, sigma):
    """Weighed by alpha; the kernel reaches three times sigma, rounded."""
    reach = int(np.ceil(3 * sigma - 0.5))
    blur = lambda plane: ndimage.gaussian_filter(plane, sigma, mode="nearest", radius=reach)
    alpha = blur(rgba[..., 3])
    colours = [blur(rgba[..., c] * rgba[..., 3]) / np.maximum(alpha, 1e-12) for c in range(3)]
    return np.stack([*colours, alpha], -1)


def median(rgba, radius):
    planes = [ndimage.median_filter(rgba[..., c], 2 * radius + 1, mode="nearest") for c in range(3)]
    return np.stack([*planes, rgba[..., 3]], -1)


def bilateral_grey(rgba, radius, tolerance):
    """OpenCV's filter on the red channel; the same for a grey picture, whose colour differences are sqrt(3) larger."""
    red = rgba[..., 0].astype(np.float32)
    made = cv2.bilateralFilter(red, 2 * radius + 1, tolerance / np.sqrt(3), radius / 2, borderType=cv2.BORDER_REPLICATE)
    return np.stack([made, made, made, rgba[..., 3]], -1)


def unsharp(rgba, sigma, amount):
    blurred = gaussian(rgba, sigma)
    out = np.clip(rgba + amount * (rgba - blurred), 0, 1)
    out[..., 3] = rgba[..., 3]
    return out


def levels(rgba, black, white, gamma):
    out = np.clip((rgba - black) / (white - black), 0, 1) ** (1 / gamma)
    out[..., 3] = rgba[..., 3]
    return out


def keep_transparent(made, was):
    """As the host does."""
    return np.where(was[..., 3:] == 0, was, made)


def main():
    OUT.mkdir(parents=True, exist_ok=True)
    soft = picture()
    for name, was, made in [
        ("gaussian", soft, gaussian(soft, 1.5)),
        ("opaque-gaussian", opaque(), gaussian(opaque(), 6)),
        ("opaque-median-1", opaque(), median(opaque(), 1)),
        ("opaque-median-2", opaque(), median(opaque(), 2)),
        ("opaque-median-4", opaque(), median(opaque(), 4)),
        ("opaque-bilateral", opaque(), bilateral_grey(opaque(), 4, 0.2)),
        ("unsharp", soft, unsharp(soft, 2, 0.8)),
        ("levels", soft, levels(soft, 0.1, 0.8, 1.6)),
    ]:
        values = np.clip(keep_transparent(made, was), 0, 1) * 65535 + 0.5
        (OUT / f"{name}.u16").write_bytes(values.astype("<u2").tobytes())


if __name__ == "__main__":
    main()
