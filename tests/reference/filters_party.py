"""What NumPy, SciPy, Pillow, OpenCV and scikit-image make of a photograph by the definitions of the first-party filters.

Writes tests/filters/photo.pam and other.pam (the pictures shown to the filters: NASA's portrait of Eileen Collins,
public domain, and Rachel Michetti's coffee, CC0, both from scikit-image) and plugins/NAME/tests/*.pam, what the
filters' tests compare with. `python filters_party.py [NAME]...`; versions in requirements-filters.txt.
"""

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage import color, data

ROOT = Path(__file__).resolve().parents[2]
PICTURES = ROOT / "tests/filters"


def write(path, rgba):
    """8-bit RGBA from 0..1."""
    path.parent.mkdir(parents=True, exist_ok=True)
    h, w, _ = rgba.shape
    values = np.floor(np.clip(rgba, 0, 1) * 255 + 0.5).astype(np.uint8)
    head = f"P7\nWIDTH {w}\nHEIGHT {h}\nDEPTH 4\nMAXVAL 255\nTUPLTYPE RGB_ALPHA\nENDHDR\n"
    path.write_bytes(head.encode() + values.tobytes())


def read(path):
    head, values = path.read_bytes().split(b"ENDHDR\n", 1)
    fields = dict(line.split(b" ") for line in head.split(b"\n")[1:-1])
    h, w = int(fields[b"HEIGHT"]), int(fields[b"WIDTH"])
    rgba = np.frombuffer(values, np.uint8).reshape(h, w, 4) / 255.0
    return np.where(rgba[..., 3:] > 0, rgba, 0.0)


def golden(plugin, name, rgba, was=None):
    """Beside the plugin's tests; where `was` has alpha 0, its pixels stay."""
    if was is not None:
        rgba = np.where(was[..., 3:] > 0, rgba, was)
    write(ROOT / "plugins" / plugin / "tests" / f"{name}.pam", rgba)


def linear(v):
    return np.where(v <= 0.04045, v / 12.92, ((np.maximum(v, 0) + 0.055) / 1.055) ** 2.4)


def encoded(v):
    v = np.clip(v, 0, 1)
    return np.where(v <= 0.0031308, v * 12.92, 1.055 * np.maximum(v, 1e-9) ** (1 / 2.4) - 0.055)


def with_alpha(rgb, like):
    return np.dstack([rgb, like[..., 3]])


def pictures():
    def shown(name, size, box):
        crop = Image.fromarray(getattr(data, name)()).convert("RGB").crop(box).resize(size, Image.Resampling.LANCZOS)
        return np.asarray(crop) / 255.0

    rgb = shown("astronaut", (96, 80), (40, 0, 424, 320))
    y, x = np.mgrid[0:80, 0:96]
    # Cut off softly at the lower right, and wholly beyond that.
    alpha = np.clip((150 - np.hypot(x + 20, y + 24)) / 24, 0, 1)
    write(PICTURES / "photo.pam", np.where(alpha[..., None] > 0, np.dstack([rgb, alpha]), 0))
    rgb = shown("coffee", (60, 40), (0, 0, 600, 400))
    write(PICTURES / "other.pam", np.dstack([rgb, np.ones(rgb.shape[:2])]))


def mask_of(photo):
    """A soft disc, as the tests draw it."""
    y, x = np.mgrid[0 : photo.shape[0], 0 : photo.shape[1]]
    return np.clip((24 - np.hypot(x - 40, y - 30)) / 8, 0, 1)


def color_match(photo, other):
    lab, wanted = color.rgb2lab(photo[..., :3]), color.rgb2lab(other[..., :3]).reshape(-1, 3)

    def spread(own, weight, ref, ref_weight):
        out = np.empty_like(own)
        for c in range(3):
            mean, ref_mean = np.average(own[..., c], weights=weight), np.average(ref[..., c], weights=ref_weight)
            dev = np.sqrt(np.average((own[..., c] - mean) ** 2, weights=weight))
            ref_dev = np.sqrt(np.average((ref[..., c] - ref_mean) ** 2, weights=ref_weight))
            out[..., c] = ref_mean + (own[..., c] - mean) * np.clip(ref_dev / dev, 0.5, 2)
        return out

    made = spread(lab, photo[..., 3], wanted, np.ones(len(wanted)))
    golden("color-match", "reference", with_alpha(color.lab2rgb(made), photo), photo)
    # Around a mask: the surroundings are a turned photograph.
    mask, before = mask_of(photo), photo[::-1, ::-1]
    ys, xs = np.nonzero(mask)
    y, x = np.mgrid[0 : photo.shape[0], 0 : photo.shape[1]]
    dx = np.maximum(np.maximum(xs.min() - x, x - xs.max()), 0)
    dy = np.maximum(np.maximum(ys.min() - y, y - ys.max()), 0)
    around = (1 - mask) * before[..., 3] * (np.hypot(dx, dy) <= 16)
    made = spread(lab, photo[..., 3] * mask, color.rgb2lab(before[..., :3]), around)
    made = lab + (made - lab) * (mask[..., None] * [1, 0.5, 0.5])
    golden("color-match", "surroundings", with_alpha(color.lab2rgb(made), photo), photo)

    # Histograms of 256 bins, straight lines inside of them; near what scikit-image does with every single value.
    from skimage.exposure import match_histograms

    solid = photo[:, :64]
    own = color.rgb2lab(solid[..., :3])
    made = np.empty_like(own)
    for c, (low, high) in enumerate([(0, 100), (-110, 110), (-110, 110)]):
        edges = np.linspace(low, high, 257)

        def below(values, weights):
            share = np.cumsum(np.histogram(values, edges, weights=weights)[0])
            return np.concatenate([[0], share / share[-1]])

        is_below = below(own[..., c].ravel(), solid[..., 3].ravel())
        ref_below = below(wanted[:, c], np.ones(len(wanted)))
        places = np.empty(257)
        for i, share in enumerate(is_below):
            b = min(np.searchsorted(ref_below[1:], share, side="left"), 255)
            part = np.clip((share - ref_below[b]) / max(ref_below[b + 1] - ref_below[b], 1e-12), 0, 1)
            places[i] = edges[b] + part * (edges[1] - edges[0])
        made[..., c] = np.interp(own[..., c], edges, places)
    theirs = match_histograms(own, wanted.reshape(40, 60, 3), channel_axis=-1)
    print("histogram against scikit-image, Lab:", np.abs(made - theirs).mean(axis=(0, 1)))
    golden("color-match", "histogram", with_alpha(color.lab2rgb(made), solid))


def vignette(photo, _):
    h, w = photo.shape[:2]
    y, x = np.mgrid[0:h, 0:w] + 0.5
    light = linear(photo[..., :3])

    def shape(cx, cy, roundness, midpoint, feather):
        reach = np.array([max(cx, w - cx), max(cy, h - cy)])
        size = reach * np.sqrt(2) * (1 - roundness) + np.hypot(*reach) * roundness
        d = np.hypot((x - cx) / size[0], (y - cy) / size[1])
        t = np.clip((d - midpoint + feather / 2) / feather, 0, 1)
        return (t**3 * (t * (6 * t - 15) + 10))[..., None]

    fall = 0.55 * shape(w / 2, h / 2, 0.3, 0.75, 0.7)
    left = (1 - fall * (1 - 0.2 * light.max(axis=-1, keepdims=True) ** 2)) ** 2
    golden("vignette", "default", with_alpha(encoded(light * left), photo), photo)
    fall = 0.8 * shape(0.25 * w, 0.4 * h, 1.0, 0.5, 0.3)
    golden("vignette", "light", with_alpha(encoded(light + (1 - light) * fall), photo), photo)


def cube_text(kind, n):
    """The tables the tests use: a bent grade, as 3D or as curves."""
    v = np.linspace(0, 1, n)
    if kind == "1D":
        rows = np.stack([v**0.8, v**1.2, 0.1 + 0.8 * v], axis=-1)
    else:
        b, g, r = np.meshgrid(v, v, v, indexing="ij")
        rows = np.stack([r**0.7 * (1 - 0.2 * b), 0.8 * g + 0.2 * r * b, 0.15 + 0.7 * b * (1 - 0.3 * g) + 0.1 * r], axis=-1)
    rows = rows.reshape(-1, 3).round(5)
    text = f'TITLE "{kind}"\nLUT_{kind}_SIZE {n}\n' + "".join("%.5f %.5f %.5f\n" % tuple(row) for row in rows)
    return rows, text


def lut(photo, _):
    from scipy.interpolate import RegularGridInterpolator

    folder = ROOT / "plugins/lut/tests"
    folder.mkdir(parents=True, exist_ok=True)
    rgb = photo[..., :3]
    rows, text = cube_text("1D", 17)
    (folder / "curves.cube").write_text(text)
    made = np.dstack([np.interp(rgb[..., c], np.linspace(0, 1, 17), rows[:, c]) for c in range(3)])
    golden("lut", "curves", with_alpha(made, photo), photo)
    n = 5
    rows, text = cube_text("3D", n)
    (folder / "grade.cube").write_text(text)
    table = rows.reshape(n, n, n, 3)
    axis = np.linspace(0, 1, n)
    made = RegularGridInterpolator((axis, axis, axis), table)(rgb[..., ::-1])
    golden("lut", "trilinear", with_alpha(made, photo), photo)
    # Tetrahedra: the piecewise linear function on the cell's corners along the path of descending parts.
    place = np.clip(rgb, 0, 1) * (n - 1)
    cell = np.minimum(place.astype(int), n - 2)
    part = place - cell
    order = np.argsort(-part, axis=-1, kind="stable")
    at, was = cell.copy(), 1.0
    made = np.zeros_like(rgb)
    for step in range(4):
        now = np.take_along_axis(part, order[..., step : step + 1], -1)[..., 0] if step < 3 else 0.0
        made += (was - now)[..., None] * table[at[..., 2], at[..., 1], at[..., 0]]
        was = now
        if step < 3:
            at = at + (np.arange(3) == order[..., step : step + 1])
    golden("lut", "tetrahedral", with_alpha(made, photo), photo)


FILTERS = [color_match, vignette, lut]

if __name__ == "__main__":
    pictures()
    photo, other = read(PICTURES / "photo.pam"), read(PICTURES / "other.pam")
    for f in FILTERS:
        if not sys.argv[1:] or f.__name__.replace("_", "-") in sys.argv[1:]:
            f(photo, other)
