"""What NumPy, SciPy, Pillow and scikit-image make of a photograph by the definitions of the first-party filters.

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


def chromatic_aberration(photo, _):
    from scipy.ndimage import map_coordinates

    h, w = photo.shape[:2]
    y, x = np.mgrid[0:h, 0:w] + 0.5
    alpha = photo[..., 3]
    light = linear(photo[..., :3]) * alpha[..., None]

    def lens(amount, centers, spread, cx, cy):
        radius = np.hypot(max(cx, w - cx), max(cy, h - cy))
        dx, dy = (x - cx) / radius, (y - cy) / radius
        far = -amount * np.hypot(dx, dy)
        spread *= 2 / 3
        steps = int(np.clip(np.ceil(4 * spread * amount) + 1, 2, 65)) if spread else 1
        made = np.empty_like(light)
        for c, at in enumerate(centers):
            sums = np.zeros((2, h, w))
            for t in at * (1 - spread) + spread * ((np.arange(steps) + 0.5) / steps * 2 - 1):
                at_ = [y - 0.5 + t * far * dy, x - 0.5 + t * far * dx]
                for i, plane in enumerate([light[..., c], alpha]):
                    sums[i] += map_coordinates(plane, at_, order=1, mode="nearest")
            seen = sums[1] > 1e-9
            made[..., c] = np.where(seen, sums[0] / np.where(seen, sums[1], 1), linear(photo[..., c]))
        return with_alpha(encoded(made), photo)

    golden("chromatic-aberration", "default", lens(4, [1, 0, -1], 0.6, w / 2, h / 2), photo)
    golden("chromatic-aberration", "purple", lens(9, [1, -1, 1], 0.0, 0.3 * w, 0.5 * h), photo)


def own_gaussian(deviation):
    """As the SDK has it: up to three deviations, adding up to 1."""
    d = np.arange(-np.ceil(3 * deviation), np.ceil(3 * deviation) + 1)
    weights = np.exp(-0.5 * (d / deviation) ** 2) if deviation else np.ones(1)
    return weights / weights.sum()


def smooth(planes, deviation):
    from scipy.ndimage import convolve1d

    kernel = own_gaussian(deviation)
    return convolve1d(convolve1d(planes, kernel, axis=0, mode="nearest"), kernel, axis=1, mode="nearest")


def halftone(photo, _):
    h, w = photo.shape[:2]
    y, x = np.mgrid[0:h, 0:w] + 0.5
    paper = np.array([0xFD, 0xFA, 0xF2]) / 255
    inks = np.array([[0.0, 0.62, 0.88], [0.89, 0.0, 0.48], [1.0, 0.93, 0.0], [0.12, 0.11, 0.12]])

    def disc(d):
        """Share of the unit square within a distance of its centre."""
        over = np.maximum(d, 0.5)
        cut = over**2 * np.arccos(0.5 / over) - 0.5 * np.sqrt(np.maximum(over**2 - 0.25, 0))
        return np.clip(np.pi * d**2 - np.where(d > 0.5, 4 * cut, 0), 0, 1)

    def screen(tone, angle, size, shape, softness):
        cos, sin = np.cos(np.radians(angle)) / size, np.sin(np.radians(angle)) / size
        u, v = x * cos + y * sin, y * cos - x * sin
        u, v = u - np.round(u), v - np.round(v)
        if shape == "lines":
            place, slope = 2 * np.abs(u), 2.0
        else:
            d = np.hypot(u, v)
            place, step = disc(d), 1e-4
            slope = (disc(d + step) - disc(d - step)) / (2 * step)
        width = np.maximum(slope / size + softness, 1e-3)
        low = np.sqrt(2 * width * np.maximum(tone, 0)) - width / 2
        high = 1 - np.sqrt(2 * width * np.maximum(1 - tone, 0)) + width / 2
        middle = np.where((tone < width / 2) & (tone <= 0.5), low, np.where(1 - tone < width / 2, high, tone))
        return np.clip((middle - place) / width + 0.5, 0, 1)

    def tones(size, contrast):
        planes = smooth(np.dstack([photo[..., :3] * photo[..., 3:], photo[..., 3]]), 0.2 * size)
        mean = planes[..., :3] / np.maximum(planes[..., 3:], 1e-12)
        return np.clip(0.5 + (mean - 0.5) * (1 + 1.5 * contrast), 0, 1)

    ink = 1 - tones(6, 0)
    black = np.maximum((ink.min(axis=-1) - 0.25) / 0.75, 0) ** 2
    wanted = [(ink[..., c] - black) / np.maximum(1 - black, 1e-4) for c in range(3)] + [black]
    made = np.ones_like(ink) * paper
    for tone, color_, turn in zip(wanted, inks, [-30, 30, -45, 0]):
        made *= 1 - screen(tone, 45 + turn, 6, "dots", 0.1)[..., None] * (1 - color_)
    golden("halftone", "default", with_alpha(made, photo), photo)
    tone = 1 - tones(5, 0.4) @ [0.2126, 0.7152, 0.0722]
    made = paper * (1 - screen(tone, 20, 5, "lines", 0.0)[..., None] * (1 - 0x1A / 255))
    golden("halftone", "lines", with_alpha(made, photo), photo)


def blue_noise(side=64):
    """Void-and-cluster (Ulichney 1993): ranks of a tile that goes on in all directions."""
    rng = np.random.default_rng(5)
    y, x = np.mgrid[0:side, 0:side]
    near = np.exp(-(np.minimum(x, side - x) ** 2 + np.minimum(y, side - y) ** 2) / (2 * 1.9**2))

    def around(i):
        return np.roll(near, (i // side, i % side), (0, 1))

    dots = np.zeros(side * side, bool)
    dots[rng.choice(side * side, side * side // 10, replace=False)] = True
    energy = sum(around(i) for i in np.flatnonzero(dots))

    def tightest():
        return np.argmax(np.where(dots, energy.ravel(), -np.inf))

    def emptiest():
        return np.argmin(np.where(dots, np.inf, energy.ravel()))

    while True:
        i = tightest()
        dots[i] = False
        energy -= around(i)
        j = emptiest()
        dots[j] = True
        energy += around(j)
        if i == j:
            break
    first, first_energy, rank = dots.copy(), energy.copy(), np.zeros(side * side, int)
    for place in range(dots.sum() - 1, -1, -1):
        i = tightest()
        dots[i] = False
        energy -= around(i)
        rank[i] = place
    dots, energy = first, first_energy
    for place in range(dots.sum(), side * side):
        i = emptiest()
        dots[i] = True
        energy += around(i)
        rank[i] = place
    return rank.reshape(side, side)


PICO8 = """000000 1d2b53 7e2553 008751 ab5236 5f574f c2c3c7 fff1e8 ff004d ffa300 ffec27 00e436 29adff 83769c ff77a8
ffccaa"""


def dither(photo, _):
    path = ROOT / "plugins/dither/src/blue.bin"
    if not path.exists():
        path.write_bytes((blue_noise() * 256 // 4096).astype(np.uint8).tobytes())
    blue = np.frombuffer(path.read_bytes(), np.uint8).reshape(64, 64).astype(int)

    def palette(words):
        colors = np.array([[int(word[i : i + 2], 16) / 255 for i in (0, 2, 4)] for word in words.split()])
        return colors[np.argsort(linear(colors) @ [0.2126, 0.7152, 0.0722], kind="stable")]

    def root(v):
        return np.sqrt(np.maximum(v, 0))

    def nearest(colors, wanted, see):
        return ((see(colors) - see(wanted)[..., None, :]) ** 2 @ [2.0, 4.0, 3.0]).argmin(axis=-1)

    def blocks(size, to):
        h, w = photo.shape[:2]
        out = np.zeros((-(-h // size), -(-w // size), 4))
        for j in range(out.shape[0]):
            for i in range(out.shape[1]):
                part = photo[j * size : (j + 1) * size, i * size : (i + 1) * size].reshape(-1, 4)
                weight = part[:, 3].sum()
                if weight:
                    out[j, i] = [*(to(part[:, :3]) * part[:, 3:]).sum(axis=0) / weight, weight]
        return out

    def up(colors, size):
        big = colors.repeat(size, 0).repeat(size, 1)[: photo.shape[0], : photo.shape[1]]
        return with_alpha(big, photo)

    def ordered(words, matrix, of, size):
        colors = palette(words)
        mixed, goal = linear(colors), blocks(size, linear)[..., :3]
        lack, chosen = np.zeros_like(goal), []
        for _ in range(of):
            pick = nearest(mixed, goal + 0.5 * lack, root)
            lack += goal - mixed[pick]
            chosen.append(pick)
        chosen = np.sort(chosen, axis=0)
        h, w = goal.shape[:2]
        at = np.tile(matrix, (-(-h // len(matrix)), -(-w // len(matrix))))[:h, :w]
        return up(colors[np.take_along_axis(chosen, at[None], 0)[0]], size)

    golden("dither", "default", ordered(PICO8, blue * 32 // 256, 32, 2), photo)
    bayer4 = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
    golden("dither", "bayer", ordered("0f380f 306230 8bac0f 9bbc0f", bayer4, 16, 1), photo)

    def diffused(words, kernel, size, to, see):
        colors = palette(words)
        mixed, goal = to(colors), blocks(size, to)
        h, w = goal.shape[:2]
        lack, made = np.zeros((h + 2, w + 4, 3)), np.zeros((h, w, 3))
        for j in range(h):
            way = 1 if j % 2 == 0 else -1
            for i in range(w)[::way]:
                if goal[j, i, 3]:
                    wanted = np.clip(goal[j, i, :3] + lack[j, i + 2], -0.5, 1.5)
                    pick = nearest(mixed, wanted, see)
                    made[j, i] = colors[pick]
                    for right, down, part in kernel:
                        lack[j + down, i + 2 + way * right] += (wanted - mixed[pick]) * part
        return up(made, size)

    fs = [(1, 0, 7 / 16), (-1, 1, 3 / 16), (0, 1, 5 / 16), (1, 1, 1 / 16)]
    atkinson = [(1, 0, 1 / 8), (2, 0, 1 / 8), (-1, 1, 1 / 8), (0, 1, 1 / 8), (1, 1, 1 / 8), (0, 2, 1 / 8)]
    golden("dither", "floyd-steinberg", diffused("000000 ffffff", fs, 1, lambda v: v, lambda v: v), photo)
    golden("dither", "atkinson", diffused(PICO8, atkinson, 2, linear, root), photo)


def line_art(photo, _):
    alpha = photo[..., 3]
    luma = photo[..., :3] @ [0.2126, 0.7152, 0.0722]

    def drawn(thickness, detail, shadows, softness):
        def tone(deviation):
            seen, weight = smooth(luma * alpha, deviation), smooth(alpha, deviation)
            return np.where(weight > 1e-9, seen / np.maximum(weight, 1e-9), 1)

        line, around = tone(thickness / 2), tone(thickness / 2 * 1.6)
        seen = 1 + shadows * (line - 1) + (2 + 38 * detail**2) * (line - around)
        return np.where(seen >= 0.7, 0, np.tanh(1.5 / max(softness**2, 0.005) * (0.7 - seen)))[..., None]

    color_ = np.array([0x16, 0x16, 0x1D]) / 255
    golden("line-art", "default", with_alpha(1 + (color_ - 1) * drawn(1.4, 0.5, 0.4, 0.3), photo), photo)
    ink = drawn(2.5, 0.8, 0.0, 0.6)
    golden("line-art", "lines", np.dstack([np.ones_like(photo[..., :3]) * color_, ink[..., 0] * alpha]), photo)


def pixel_art(photo, _):
    h, w = photo.shape[:2]

    def block_color(pixels, crisp):
        seen = pixels[pixels[:, 3] > 0]
        kept = seen
        if crisp and len(seen):
            luma = seen[:, :3] @ [0.2126, 0.7152, 0.0722]
            means = seen[[luma.argmin(), luma.argmax()], :3]
            for _ in range(3):
                d = ((seen[:, None, :3] - means) ** 2).sum(axis=-1)
                dark = d[:, 0] <= d[:, 1]
                groups = [seen[dark], seen[~dark]]
                means = [np.average(g[:, :3], axis=0, weights=g[:, 3]) if len(g) else m for g, m in zip(groups, means)]
                means = np.array(means)
            if ((means[0] - means[1]) ** 2).sum() > 0.01:
                kept = groups[0] if groups[0][:, 3].sum() > groups[1][:, 3].sum() else groups[1]
        return np.average(encoded_mean(kept), axis=0) if len(kept) else np.zeros(3)

    def encoded_mean(pixels):
        return encoded(np.average(linear(pixels[:, :3]), axis=0, weights=pixels[:, 3]))[None]

    def blocks(size, crisp):
        out = np.zeros((-(-h // size), -(-w // size), 4))
        for j in range(out.shape[0]):
            for i in range(out.shape[1]):
                part = photo[j * size : (j + 1) * size, i * size : (i + 1) * size].reshape(-1, 4)
                out[j, i] = [*block_color(part, crisp), part[:, 3].mean()]
        return out

    def means_of(small, size, count):
        big = small[..., :3].repeat(size, 0).repeat(size, 1)[:h, :w]
        lab, weight = color.rgb2lab(big).reshape(-1, 3), photo[..., 3].ravel()
        step = np.clip((lab - [0, -110, -110]) / [100, 220, 220] * [64, 32, 32], 0, [63, 31, 31]).astype(int)
        key = (step[:, 0] * 32 + step[:, 1]) * 32 + step[:, 2]
        keys, inverse = np.unique(key[weight > 0], return_inverse=True)
        sums = np.stack([np.bincount(inverse, weight[weight > 0] * v) for v in [*lab[weight > 0].T, 1.0]], axis=-1)
        points, heavy = sums[:, :3] / sums[:, 3:], np.sqrt(sums[:, 3])
        means = points[[heavy.argmax()]]
        while len(means) < count:
            far = ((points[:, None] - means) ** 2).sum(axis=-1).min(axis=1)
            means = np.vstack([means, points[(far * heavy).argmax()]])
        for _ in range(20):
            own = ((points[:, None] - means) ** 2).sum(axis=-1).argmin(axis=1)
            for k in range(count):
                if (own == k).any():
                    means[k] = np.average(points[own == k], axis=0, weights=heavy[own == k])
        return means

    def drawn(size, count, crisp, dither):
        small = blocks(size, crisp)
        means = means_of(small, size, count)
        bayer4 = np.array([[0, 8, 2, 10], [12, 4, 14, 6], [3, 11, 1, 9], [15, 7, 13, 5]])
        at = np.tile(bayer4, (-(-small.shape[0] // 4), -(-small.shape[1] // 4)))[: small.shape[0], : small.shape[1]]
        lab = color.rgb2lab(small[..., :3])
        lab[..., 0] += ((at + 0.5) / 16 - 0.5) * dither * 24
        nearest = ((lab[..., None, :] - means) ** 2).sum(axis=-1).argmin(axis=-1)
        return np.dstack([color.lab2rgb(means)[nearest], small[..., 3]])

    made = drawn(6, 24, True, 0)[..., :3].repeat(6, 0).repeat(6, 1)[:h, :w]
    golden("pixel-art", "default", with_alpha(made, photo), photo)
    golden("pixel-art", "small", drawn(5, 8, False, 0.8))


def seamless(photo, other):
    def even(p, share):
        h, w = p.shape[:2]
        ys, xs = np.arange(h) * 6 // h, np.arange(w) * 6 // w
        sums = np.zeros((6, 6, 4))
        np.add.at(sums, (ys[:, None], xs[None, :]), np.dstack([p[..., :3] * p[..., 3:], p[..., 3]]))
        all_ = sums.sum(axis=(0, 1))
        off = sums[..., :3] / sums[..., 3:] - all_[:3] / all_[3]
        at = [np.clip((np.arange(n) + 0.5) * 6 / n - 0.5, 0, 5) for n in (h, w)]
        from scipy.interpolate import RegularGridInterpolator

        field = RegularGridInterpolator((np.arange(6), np.arange(6)), off)(np.stack(np.meshgrid(*at, indexing="ij"), -1))
        return with_alpha(np.clip(p[..., :3] - share * field, 0, 1), p)

    def soft(t):
        t = np.clip(t, 0, 1)
        return t * t * (3 - 2 * t)

    def join(p, overlap, feather, cut):
        """Over the left and the right edge."""
        h, w = p.shape[:2]
        half, out = w // 2, p.copy()
        band = int(half * overlap)
        for right in (False, True):
            own = np.arange(band) if not right else w - 1 - np.arange(band)
            moved = p[:, (own + half) % w]
            if cut:
                a, b = (np.dstack([q[..., :3] * q[..., 3:], q[..., 3]]) for q in (p[:, own], moved))
                differs = ((a - b) ** 2).sum(axis=-1)
                margin = min(int(np.ceil(feather)) + 1, (band - 1) // 2)
                inside = slice(margin, band - margin)
                cost, steps = np.zeros(band - 2 * margin), []
                for j in range(h):
                    pad = np.pad(cost, 1, constant_values=np.inf)
                    ways = np.stack([cost, pad[:-2], pad[2:]])
                    best = ways.argmin(axis=0)
                    steps.append(np.array([0, -1, 1])[best])
                    cost = ways.min(axis=0) + differs[j, inside]
                at = cost.argmin()
                place = np.zeros(h)
                for j in range(h - 1, -1, -1):
                    place[j] = at + margin
                    at += steps[j][at]
                share = 1 - soft((np.arange(band) - place[:, None] + feather) / (2 * feather))
            else:
                share = np.broadcast_to(1 - soft((np.arange(band) + 0.5) / band), (h, band))
            ours, theirs = p[:, own, 3] * (1 - share), moved[..., 3] * share
            alpha = ours + theirs
            mixed = p[:, own, :3] * ours[..., None] + moved[..., :3] * theirs[..., None]
            out[:, own] = np.dstack([mixed / np.maximum(alpha, 1e-12)[..., None], alpha])
        return out

    def both(p, *how):
        return join(join(p, *how).swapaxes(0, 1), *how).swapaxes(0, 1)

    golden("seamless", "default", both(even(photo, 0.5), 0.35, 3.0, True), photo)
    golden("seamless", "blend", np.roll(both(other, 0.5, 3.0, False), (20, 30), (0, 1)))


def oil(photo, _):
    h, w = photo.shape[:2]
    rgb, alpha = photo[..., :3], photo[..., 3]

    def painted(brush, length, sharpness, flow):
        from scipy.ndimage import convolve

        sobel = np.array([[-1, 0, 1], [-2, 0, 2], [-1, 0, 1]]) / 4
        # The picture's edge repeats before the gradient is taken, not after.
        far = int(np.ceil(3 * flow))
        wide = np.pad(rgb * alpha[..., None], ((far, far), (far, far), (0, 0)), mode="edge")
        dx, dy = (
            np.dstack([convolve(wide[..., c], k[::-1, ::-1], mode="nearest") for c in range(3)])
            for k in (sobel, sobel.T)
        )
        e, f, g = (smooth((p * q).sum(axis=-1), flow)[far:-far, far:-far] for p, q in ((dx, dx), (dx, dy), (dy, dy)))
        root = np.sqrt((e - g) ** 2 + 4 * f**2)
        x, y = (e + g + root) / 2 - e, -f
        level = np.abs(f) <= 1e-12
        x, y = np.where(level, np.where(e <= g, 1, 0), x), np.where(level, np.where(e <= g, 0, 1), y)
        norm = np.maximum(np.hypot(x, y), 1e-30)
        cos, sin = x / norm, y / norm
        directed = np.where(e + g > 1e-9, root / np.maximum(e + g, 1e-9), 0) * length
        long, thin = brush * (1 + directed), brush / (1 + directed)
        reach = int(np.ceil(brush * (1 + length)))
        behind, gamma = 1 / 3, 3 * np.pi / 8
        width = (behind + np.cos(gamma)) / np.sin(gamma) ** 2
        pad = [(reach, reach), (reach, reach)]
        shown, weight = np.pad(rgb, [*pad, (0, 0)], mode="edge"), np.pad(alpha, pad, mode="edge")
        sums, counts, squares = np.zeros((8, h, w, 3)), np.zeros((8, h, w)), np.zeros((8, h, w))
        for j in range(-reach, reach + 1):
            for i in range(-reach, reach + 1):
                u, v = (i * cos + j * sin) / long, (-i * sin + j * cos) / thin
                inside = u * u + v * v < 1
                # In cells of a 32nd, as the filter has it.
                u, v = ((np.floor((t + 1) * 32) + 0.5) / 32 - 1 for t in (u, v))
                d2 = u * u + v * v
                turns = np.arange(8)[:, None, None] * np.pi / 4
                along, across = u * np.cos(turns) + v * np.sin(turns), v * np.cos(turns) - u * np.sin(turns)
                sectors = np.maximum(along + behind - width * across**2, 0) ** 2
                part = np.s_[reach + j : reach + j + h, reach + i : reach + i + w]
                window = np.where(inside, (1 - np.minimum(d2, 1)) ** 2, 0) * weight[part]
                sectors = sectors / np.maximum(sectors.sum(axis=0), 1e-12) * window
                sums += sectors[..., None] * shown[part]
                counts += sectors
                squares += sectors * (shown[part] ** 2).sum(axis=-1)
        mean = sums / np.maximum(counts, 1e-12)[..., None]
        variance = np.maximum(squares / np.maximum(counts, 1e-12) - (mean**2).sum(axis=-1), 0)
        trust = np.where(counts > 1e-6, 1 / (1 + ((30 + 2000 * sharpness**2) * variance) ** 4), 0)
        total = trust.sum(axis=0)[..., None]
        made = (trust[..., None] * mean).sum(axis=0) / np.maximum(total, 1e-12)
        return with_alpha(np.where(total > 0, made, rgb), photo)

    golden("oil", "default", painted(5, 1.0, 0.6, 2.5), photo)
    golden("oil", "dabs", painted(3, 0.0, 1.0, 1.0), photo)


def upscale(photo, other):
    part = photo[10:58, 12:72]
    light = np.dstack([linear(part[..., :3]) * part[..., 3:], part[..., 3]])
    h, w = part.shape[:2]

    def larger(planes, to):
        return np.dstack(
            [np.asarray(Image.fromarray(p.astype(np.float32), "F").resize(to, Image.Resampling.LANCZOS)) for p in planes.T.swapaxes(1, 2)]
        )

    def photograph(to, halos):
        made = larger(light, to)
        x, y = (np.floor((np.arange(n) + 0.5) * was / n - 0.5).astype(int) for n, was in zip(to, (w, h)))
        around = np.stack(
            [light[np.clip(y + j, 0, h - 1)[:, None], np.clip(x + i, 0, w - 1)] for j in (0, 1) for i in (0, 1)]
        )
        inside = np.clip(made, around.min(axis=0), around.max(axis=0))
        made = inside + (made - inside) * np.array([halos, halos, halos, 0])
        rgb = np.clip(made[..., :3] / np.maximum(made[..., 3:], 1e-12), 0, 1)
        return np.where(made[..., 3:] > 0, np.dstack([encoded(rgb), made[..., 3]]), 0)

    golden("upscale", "default", photograph((2 * w, 2 * h), 0.3))
    golden("upscale", "halos", photograph((90, 72), 1.0))

    # As Mazzoleni writes it, letters A to I from the upper left.
    small = np.round(other[::2, ::2, :3] * 3) / 3

    def neighbours(p):
        q = np.pad(p, ((1, 1), (1, 1), (0, 0)), mode="edge")
        rows, columns = p.shape[:2]
        return [q[j : j + rows, i : i + columns] for j in range(3) for i in range(3)]

    def same(p, q):
        return (np.abs(p - q) < 1e-6).all(axis=-1)[..., None]

    def weave(parts, n):
        rows, columns = parts[0].shape[:2]
        return np.stack(parts).reshape(n, n, rows, columns, 3).transpose(2, 0, 3, 1, 4).reshape(rows * n, columns * n, 3)

    def scale2(p):
        _, b, _, d, e, f, _, h_, _ = neighbours(p)
        free = ~same(b, h_) & ~same(d, f)
        return weave([np.where(free & same(s, t), t, e) for s, t in ((d, b), (f, b), (d, h_), (f, h_))], 2)

    def scale3(p):
        a, b, c, d, e, f, g, h_, i = neighbours(p)
        free = ~same(b, h_) & ~same(d, f)
        db, bf, dh, hf = same(d, b), same(b, f), same(d, h_), same(h_, f)
        ea, ec, eg, ei = (~same(e, x) for x in (a, c, g, i))
        rules = [
            (db, d), ((db & ec) | (bf & ea), b), (bf, f),
            ((db & eg) | (dh & ea), d), (np.zeros_like(db), e), ((bf & ei) | (hf & ec), f),
            (dh, d), ((dh & ei) | (hf & eg), h_), (hf, f),
        ]  # fmt: skip
        return weave([np.where(free & rule, color_, e) for rule, color_ in rules], 3)

    def opaque(p):
        return np.dstack([p, np.ones(p.shape[:2])])

    golden("upscale", "pixels", opaque(small))
    golden("upscale", "scale3", opaque(scale3(small)))
    golden("upscale", "scale4", opaque(scale2(scale2(small))))


def watermark(photo, other):
    from scipy.ndimage import map_coordinates

    h, w = photo.shape[:2]
    stamp = np.dstack([other[..., :3], np.clip(np.linspace(-0.2, 1.4, 60), 0, 1) * np.ones((40, 1))])
    y, x = np.mgrid[0:h, 0:w] + 0.5

    def laid(size, opacity, margin, angle, tiled):
        to = (int(size * w + 0.5), int(size * w * 40 / 60 + 0.5))
        weighed = np.dstack([stamp[..., :3] * stamp[..., 3:], stamp[..., 3]])
        small = np.dstack(
            [np.asarray(Image.fromarray(p.astype(np.float32), "F").resize(to, Image.Resampling.LANCZOS)) for p in weighed.T.swapaxes(1, 2)]
        )
        a = np.clip(small[..., 3:], 0, 1)
        small = np.dstack([np.clip(small[..., :3], 0, a), a])
        sin, cos = np.sin(np.radians(angle)), np.cos(np.radians(angle))
        sw, sh = to
        reach = [(sw * abs(cos) + sh * abs(sin)) / 2, (sw * abs(sin) + sh * abs(cos)) / 2]
        middle = [w / 2, h / 2] if tiled else [w - margin * w - reach[0], h - margin * w - reach[1]]
        pivot = [np.round(m - s / 2) + s / 2 for m, s in zip(middle, to)]
        dx, dy = x - pivot[0], y - pivot[1]
        u, v = dx * cos - dy * sin + sw / 2, dx * sin + dy * cos + sh / 2
        if tiled:
            pitch = [np.ceil(sw + margin * w), np.ceil(sh + margin * w)]
            row = np.floor(v / pitch[1])
            v = v - row * pitch[1]
            u = (u - np.where(row % 2 == 0, 0, np.floor(pitch[0] / 2))) % pitch[0]
        seen = np.dstack(
            [map_coordinates(np.pad(small[..., c], 2), [v + 1.5, u + 1.5], order=1, cval=0) for c in range(4)]
        )
        rgb = photo[..., :3] * (1 - seen[..., 3:] * opacity) + seen[..., :3] * opacity
        return with_alpha(rgb, photo)

    golden("watermark", "default", laid(0.18, 0.7, 0.03, 0, False), photo)
    golden("watermark", "tiled", laid(0.3, 0.5, 0.08, 25, True), photo)


FILTERS = [
    color_match,
    vignette,
    lut,
    chromatic_aberration,
    halftone,
    dither,
    line_art,
    pixel_art,
    seamless,
    oil,
    upscale,
    watermark,
]

if __name__ == "__main__":
    pictures()
    photo, other = read(PICTURES / "photo.pam"), read(PICTURES / "other.pam")
    for f in FILTERS:
        if not sys.argv[1:] or f.__name__.replace("_", "-") in sys.argv[1:]:
            f(photo, other)
