"""The starter's measures: 500 held-out captions painted and judged, beside the maker's own pictures and four baselines.

    nice python measure.py --out OUT                             # the built daemon's `starter`, everything
    python measure.py --out OUT --backend diffusers --model RUN/starter --limit 64 --only captions,sheets
    python measure.py --out OUT --backend real                   # the maker as the painter: what a perfect model would score

Writes measures.md, measures.json and pictures to OUT; keeps thumbnails, the classifier and the pictures made in --work, for --reuse.

Decisions: a picture is held only to what its caption says (mentions.py), and every painter to the same captions, so that
"starter / maker" is a fair ratio. All judging is done on 128 px thumbnails, where strokes still show and a study is what it is.
Colours are judged without the network (colour.py). Features are the classifier's 128, each divided by its spread on training pictures.
"""
import argparse
import contextlib
import json
import os
import subprocess
import tempfile
import time

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image

import classifier
import colour
import mentions
import painters
import studies
import table

SIDE = classifier.SIDE
# How many pictures the classifier sees in training, whatever the sets.
SEEN = 80_000
ODD_WORDS = {
    "empty": "", "spaces": "   ", "punctuation only": "?!... ,,, --- ((( ;;;", "digits": "1234567890 42 007 3.14159",
    "emoji": "🌊🌅🎨 🦄", "Chinese": "夕阳下的大海，油画", "Cyrillic": "море на закате", "right to left": "البحر عند الغروب",
    "invented": "blorptangle frumious vexlitude", "not a landscape": "quarterly tax return of a limited company",
    "a letter repeated": "a" * 400, "300 words": " ".join(["the sea at sunset with umbrellas and teapots"] * 38)[:3000]}
FILLS = ("a stormy sky", "a red house", "rocks", "a tree", "a green hill", "water", "snow", "the sun", "a tower", "red flowers")


# Pictures

def available(folder, name, side=256):
    """The studies of a set that are wholly written, though it may still be growing: pictures `[N, H, W, 3]` and what is told."""
    pixels = os.path.join(folder, name + ".rgb")
    with open(os.path.join(folder, name + ".jsonl")) as lines:
        whole = [line for line in lines if line.endswith("\n")]
    count = min(len(whole), os.path.getsize(pixels) // (side * side * 3))
    return np.memmap(pixels, np.uint8, "r", shape=(count, side, side, 3)), [json.loads(line) for line in whole[:count]]


def thumbnails(pictures, path=None):
    """`[N, 3, 128, 128]` bytes, kept in `path` if given."""
    if path and os.path.exists(path):
        return torch.from_numpy(np.load(path))
    small = classifier.shrunk(pictures, SIDE)
    if path:
        np.save(path + ".new.npy", small.numpy())
        os.replace(path + ".new.npy", path)
    return small


def lab(thumbs, side):
    """`[N, side, side, 3]` Lab of thumbnails, averaged to `side`."""
    small = lambda part: F.interpolate(part.float(), (side, side), mode="area").round().byte().permute(0, 2, 3, 1).numpy()
    return np.concatenate([colour.lab(small(part)) for part in thumbs.split(256)])


def montage(pictures, columns, gap=4):
    """One picture of many of one size, in rows, with no text."""
    side = pictures[0].shape[0]
    rows = -(-len(pictures) // columns)
    sheet = np.full((rows * (side + gap) + gap, columns * (side + gap) + gap, 3), 250, np.uint8)
    for i, picture in enumerate(pictures):
        top, left = (gap + place * (side + gap) for place in divmod(i, columns))
        sheet[top:top + side, left:left + side] = picture
    return Image.fromarray(sheet)


def blurred(thumbs, sigma):
    """Thumbnails under a Gaussian."""
    at = torch.arange(-3 * sigma, 3 * sigma + 1).float()
    weights = torch.exp(-at ** 2 / (2 * sigma ** 2))
    weights = (weights / weights.sum()).expand(3, 1, -1)
    reach = (3 * sigma,) * 2
    x = F.conv2d(F.pad(thumbs.float(), (*reach, 0, 0), "replicate"), weights.unsqueeze(2), groups=3)
    return F.conv2d(F.pad(x, (0, 0, *reach), "replicate"), weights.unsqueeze(3), groups=3).round().byte()


def mean_picture(thumbs):
    """One thumbnail `[1, 3, 128, 128]`."""
    return (sum(part.float().sum(0, keepdim=True) for part in thumbs.split(500)) / len(thumbs)).round().byte()


# What all measures share

class World:
    """The held-out studies, the training pictures and the judges. `paint` is set by `main`."""

    def __init__(self, ask):
        self.ask, self.paint, self.kept = ask, None, {}
        os.makedirs(ask.work, exist_ok=True)
        self.pictures, self.told = studies.write(ask.work, "held256", studies.HELD_OUT, 500, 256, 256)
        self.pictures, self.told = self.pictures[:ask.limit], self.told[:ask.limit]
        self.captions = [line["caption"] for line in self.told]
        self.facts = [mentions.flat(line["facts"]) for line in self.told]
        self.said = [mentions.read(caption)[0] for caption in self.captions]
        self.real = thumbnails(self.pictures)
        sets = [(name, *available(ask.data, name)) for name in ask.sets if os.path.exists(os.path.join(ask.data, name + ".rgb"))]
        self.training_told = [line for _, _, told in sets for line in told]
        self.training = torch.cat([thumbnails(p, os.path.join(ask.work, f"thumbs-{name}-{len(p)}.npy")) for name, p, _ in sets])
        self.sets = {name: len(told) for name, _, told in sets}
        self.train_judges()

    def train_judges(self):
        """The classifier, from disk if it is there, and the judges of colour."""
        path = os.path.join(self.ask.work, "classifier.pt")
        if not os.path.exists(path):
            facts = [line["facts"] for line in self.training_told]
            model = classifier.train(self.training, facts, SEEN / len(facts))
            torch.save(model.state_dict(), path + ".new")
            os.replace(path + ".new", path)
        self.model = classifier.load(path)
        some = np.random.default_rng(0).permutation(len(self.training))[:4000]
        vectors = colour.statistics(lab(self.training[some], 64))
        facts = [mentions.flat(self.training_told[i]["facts"]) for i in some]
        there = [i for i, f in enumerate(facts) if f["time"]]
        self.palette = colour.Nearest(vectors, [f["palette"] for f in facts])
        self.time = colour.Nearest(vectors[there], [facts[i]["time"] for i in there])
        self.reference = classifier.judge(self.model, self.training[some[:1000]])["features"]
        self.spread = self.reference.std(0) + 1e-3

    def judged(self, thumbs):
        """{field: [N] values} that the judges see in thumbnails, also `features` (scaled) and `horizon`."""
        seen = classifier.judge(self.model, thumbs)
        vectors = colour.statistics(lab(thumbs, 64))
        return seen | {"features": seen["features"] / self.spread, "band": [mentions.band(y) for y in seen["horizon"]],
                       "palette by colours": self.palette(vectors), "time by colours": self.time(vectors)}

    def made(self, part, prompts, seeds, size=256):
        """`[N, size, size, 3]` painted pictures and the seconds they took; painted once, with --reuse those of the last run."""
        if (part, size) not in self.kept:
            self.kept[part, size] = self.make(part, prompts, seeds, size)
        return self.kept[part, size]

    def make(self, part, prompts, seeds, size):
        path = os.path.join(self.ask.work, f"made-{self.ask.backend}-{part}-{len(prompts)}-{size}.npz")
        if self.ask.reuse and os.path.exists(path):
            kept = np.load(path)
            return kept["pictures"], float(kept["seconds"])
        started, pictures = time.time(), []
        for picture in self.paint(prompts, seeds, size):
            pictures.append(picture)
            if len(pictures) % 100 == 0:
                print(f"{part}: {len(pictures)} of {len(prompts)}, {time.time() - started:.0f} s", flush=True)
        seconds = time.time() - started
        np.savez(path, pictures=np.stack(pictures), seconds=seconds)
        return np.stack(pictures), seconds


# One function a measure; each returns what stands in measures.json under its name

def captions(world):
    """What the held-out captions say against what the judges see, and distances of features, for every painter."""
    made, seconds = world.made("captions", world.captions, range(len(world.captions)))
    half = len(world.real) // 2
    painted = {
        "maker": world.real, "starter": thumbnails(made), "nearest": world.training[nearest_captions(world)],
        "blurred": blurred(world.real, 4), "mean": mean_picture(world.training).expand_as(world.real),
        "random": world.real.roll(half, 0)}
    seen = {name: world.judged(thumbs) for name, thumbs in painted.items()}
    rows = {}
    for field in (*mentions.FIELDS, *table.COLOURS):
        fact = field.split(" by ")[0]
        told = [(i, said[fact]) for i, said in enumerate(world.said) if fact in said]
        if told:
            share = lambda judged: float(np.mean([judged[field][i] == value for i, value in told]))
            rows[field] = {"said": len(told), **{name: share(judged) for name, judged in seen.items()}}

    def both(fields):
        there = [rows[field] for field in fields if field in rows]
        weights = [row["said"] for row in there] or None
        return {name: float(np.average([row[name] for row in there] or [0], weights=weights)) for name in painted}

    where = [i for i, said in enumerate(world.said) if "band" in said]
    horizons = {name: float(np.mean([abs(s["horizon"][i] - world.facts[i]["horizon"]) for i in where])) for name, s in seen.items()}
    real = seen["maker"]["features"]
    return {
        "captions": len(world.captions), "seconds per picture": seconds / len(made), "training pictures": world.sets,
        "agreement": rows, **{name: both(fields) for name, fields in table.SUMMARY.items()}, "horizon error": horizons,
        "frechet": {name: frechet(real, s["features"]) for name, s in seen.items()},
        "frechet of other maker pictures": frechet(real, world.reference[:len(real)] / world.spread),
        "paired": {name: float(np.sqrt(((s["features"] - real) ** 2).mean(1)).mean()) for name, s in seen.items()}}


def nearest_captions(world):
    """For every held-out caption the training picture whose caption shares most words with it (of all words of both)."""
    split = lambda caption: set(caption.replace(",", "").split())
    known = [split(line["caption"]) for line in world.training_told]
    words = {word: i for i, word in enumerate(sorted(set().union(*known)))}

    def table(sets):
        out = np.zeros((len(sets), len(words)), np.float32)
        for row, some in zip(out, sets):
            row[[words[word] for word in some if word in words]] = 1
        return out

    theirs, ours = table(known), table([split(caption) for caption in world.captions])
    shared = ours @ theirs.T
    return (shared / (ours.sum(1)[:, None] + theirs.sum(1) - shared)).argmax(1)


def frechet(a, b):
    """The Frechet distance of two clouds of features taken as Gaussians."""
    (ma, ca), (mb, cb) = ((x.mean(0), np.cov(x.T)) for x in (a, b))
    values, axes = np.linalg.eigh(ca)
    root = (axes * np.sqrt(values.clip(0))) @ axes.T
    shared = np.sqrt(np.linalg.eigvalsh(root @ cb @ root).clip(0)).sum()
    return max(0.0, float(((ma - mb) ** 2).sum() + np.trace(ca) + np.trace(cb) - 2 * shared))


def diversity(world, prompts=16, seeds=8):
    """How far pictures of one prompt lie apart, over `seeds` seeds, against maker pictures of the same facts.

    The maker cannot be asked for facts; its share are the training pictures that agree with all the caption says, or with most.
    """
    chosen = [i for i, said in enumerate(world.said) if {"subject", "time", "manner"} <= said.keys()][:prompts] or [0]
    told = [mentions.flat(line["facts"]) for line in world.training_told]
    alike = []
    for i in chosen:
        agree = np.array([sum(f[field] == value for field, value in world.said[i].items()) for f in told])
        alike += list(np.argsort(-agree, kind="stable")[:seeds])
    asked = [(world.captions[i], 10_000 + 100 * k + seed) for k, i in enumerate(chosen) for seed in range(seeds)]
    made, _ = world.made("diversity", *zip(*asked))
    montage(made, seeds).resize((1040, 130 * len(chosen))).save(os.path.join(world.ask.out, "diversity.jpg"), quality=85)
    of = {"starter": thumbnails(made), "maker": world.training[alike]}
    return {"prompts": len(chosen), "seeds": seeds, **{name: spread_of(world, thumbs, seeds) for name, thumbs in of.items()}}


def spread_of(world, thumbs, seeds):
    """Mean distance between two pictures of one prompt, in features and in Lab at 64 px."""
    features = world.judged(thumbs)["features"].reshape(-1, seeds, classifier.FEATURES)
    pixels = lab(thumbs, 64).reshape(-1, seeds, 64 * 64, 3)
    pairs = [(i, j) for i in range(seeds) for j in range(i)]
    apart = lambda x: [x[:, i] - x[:, j] for i, j in pairs]
    return {"features": float(np.mean([np.sqrt((d ** 2).mean(1)) for d in apart(features)])),
            "dE": float(np.mean([np.sqrt((d ** 2).sum(-1)).mean(1) for d in apart(pixels)]))}


def copies(world):
    """How near made pictures come to a training picture, plain or mirrored, against how near held-out maker pictures come."""
    made, _ = world.made("captions", world.captions, range(len(world.captions)))
    known = lab(world.training, 32).reshape(len(world.training), -1)
    near = {name: nearest_of(lab(thumbs, 32), known)
            for name, thumbs in {"starter": thumbnails(made), "maker": world.real, "blurred": blurred(world.real, 4)}.items()}
    distances, which = near["starter"]
    closest = np.argsort(distances)[:6]
    twice = lambda thumb: thumb.permute(1, 2, 0).numpy().repeat(2, 0).repeat(2, 1)
    pairs = [picture for i in closest for picture in (made[i], twice(world.training[which[i]]))]
    montage(pairs, 4).save(os.path.join(world.ask.out, "closest.png"))
    shares = {"median": 50, "1st percentile": 1, "least": 0}
    told = {name: {key: float(np.percentile(d, share)) for key, share in shares.items()} for name, (d, _) in near.items()}
    return {"training pictures": len(known), "dE to the nearest": told,
            "starter / maker": {key: told["starter"][key] / told["maker"][key] for key in shares}}


def nearest_of(pictures, known, part=2000):
    """Root mean square dE to the nearest of `known`, and which it is, for `[N, 32, 32, 3]` Lab, mirrored or not."""
    best, which = np.full(len(pictures), np.inf), np.zeros(len(pictures), int)
    for side in (pictures, pictures[:, :, ::-1]):
        x = side.reshape(len(side), -1)
        for first in range(0, len(known), part):
            y = known[first:first + part]
            squares = (x ** 2).sum(1)[:, None] + (y ** 2).sum(1) - 2 * x @ y.T
            least = squares.argmin(1)
            value = squares[np.arange(len(x)), least]
            which = np.where(value < best, first + least, which)
            best = np.minimum(best, value)
    return np.sqrt(best.clip(0) / (32 * 32)), which


def words(world):
    """Prompts it cannot know: every picture must still be one, neither flat nor noisier than pictures are."""
    made, _ = world.made("words", list(ODD_WORDS.values()), range(len(ODD_WORDS)))
    montage(made, 4).save(os.path.join(world.ask.out, "words.jpg"), quality=85)
    # Of thumbnails, where noise is not smoothed away yet but single strokes count less.
    spread = lambda thumbs: thumbs.float().std((2, 3)).mean(1).numpy()
    real = spread(world.real)
    low, high = float(real.min() / 2), float(real.max() * 1.25)
    rows = {name: {"mean": float(p.mean()), "std": float(s), "ok": bool(low <= s <= high)}
            for name, p, s in zip(ODD_WORDS, made, spread(thumbnails(made)))}
    return {"std allowed": [low, high], "prompts": rows, "ok": all(row["ok"] for row in rows.values())}


def fill(world):
    """Seams of the product's fill on painted canvases of 256 and 384 px; definitions of shared/notes/fill.md, section 7."""
    rows, shown = [], []
    home = tempfile.TemporaryDirectory(prefix="up-")
    for i, prompt in enumerate(FILLS[:world.ask.limit]):
        side = (256, 384)[i % 2]
        pictures, _ = studies.write(world.ask.work, f"canvas{side}", studies.HELD_OUT + 1000, len(FILLS), side, side)
        canvas, mask = np.array(pictures[i]), blob(i, side)
        filled, alpha, seconds = filled_by_product(world.ask, home.name, canvas, mask, prompt)
        changed = int((filled != canvas).any(-1)[alpha == 0].sum())
        after, before = (seam(picture, alpha >= 0.5) for picture in (filled, canvas))
        rows.append({"prompt": prompt, "side": side, "boundary dE": after[0], "boundary dE before": before[0], "jump": after[1],
                     "jump before": before[1], "changed outside": changed, "seconds": seconds})
        masked = np.where(mask[..., None], np.uint8(128), canvas)
        shown += [np.array(Image.fromarray(picture).resize((256, 256))) for picture in (masked, filled)]
    montage(shown, 4).save(os.path.join(world.ask.out, "fill.jpg"), quality=85)
    keys = ("boundary dE", "boundary dE before", "jump", "jump before", "seconds")
    mean = {key: float(np.mean([row[key] for row in rows])) for key in keys}
    home.cleanup()
    return {"canvases": rows, "mean": mean, "changed outside": sum(row["changed outside"] for row in rows),
            "ok": mean["jump"] <= 1.5 and not any(row["changed outside"] for row in rows)}


def blob(seed, side):
    """The mask of a case: tests/fill/judge.py's large hole."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[:side, :side] / side - random.uniform(0.4, 0.6, 2)[:, None, None]
    angle = np.arctan2(y, x)
    wave = lambda height, times: height * np.sin(times * angle + random.uniform(0, 6))
    return np.hypot(y, x) < 0.2 * (1 + wave(0.18, 3) + wave(0.1, 5))


def filled_by_product(ask, home, canvas, mask, prompt):
    """`underpaint fill`: the filled picture, the patch's alpha in 0 to 1, and seconds, with loading."""
    with tempfile.TemporaryDirectory() as folder:
        i, m, o, p = (os.path.join(folder, name + ".png") for name in "imop")
        Image.fromarray(canvas).save(i), Image.fromarray(mask.astype(np.uint8) * 255).save(m)
        asked = ["--image", i, "--mask", m, "--model", ask.model, "--prompt", prompt, "--seed", "1", "-o", o, "--patch", p]
        started = time.time()
        subprocess.run([ask.binary, "fill", *asked], env={**os.environ, "UNDERPAINT_HOME": home}, check=True, capture_output=True)
        alpha = np.asarray(Image.open(p).convert("RGBA"))[..., 3] / 255
        return np.asarray(Image.open(o).convert("RGB")), alpha, time.time() - started


def seam(picture, inside):
    """(mean dE76 between the two sides of the contour, 2 px each; mean |grad L*| within 2 px of it over that 8 to 16 px away)."""
    image = colour.lab(picture)
    edge = np.zeros_like(inside)
    edge[:, :-1] |= inside[:, :-1] != inside[:, 1:]
    edge[:-1] |= inside[:-1] != inside[1:]
    contour = np.argwhere(edge)
    steps = []
    for y, x in contour:
        box = (slice(max(0, y - 2), y + 4), slice(max(0, x - 2), x + 4))
        here, colours = inside[box], image[box]
        steps.append(np.linalg.norm(colours[here].mean(0) - colours[~here].mean(0)))
    rows, columns = np.mgrid[:inside.shape[0], :inside.shape[1]]
    distance = np.full(inside.shape, np.inf, np.float32)
    for y, x in contour:
        np.minimum(distance, (rows - y) ** 2 + (columns - x) ** 2, out=distance)
    distance = np.sqrt(distance)
    slope = np.hypot(*np.gradient(image[..., 0]))
    jump = slope[distance <= 2].mean() / slope[(distance >= 8) & (distance <= 16)].mean()
    return float(np.mean(steps)), float(jump)


def sheets(world):
    """Contact sheets of the 64 prompts, at 256 and at 512."""
    with open(os.path.join(os.path.dirname(__file__), "sheet_prompts.txt")) as lines:
        prompts = [line.rstrip("\n") for line in lines][:world.ask.limit]
    took = {}
    for size in (256, 512):
        made, took[f"seconds per picture at {size}"] = world.made("sheet", prompts, range(1, len(prompts) + 1), size)
        took[f"seconds per picture at {size}"] /= len(made)
        montage(made, 8).save(os.path.join(world.ask.out, f"sheet-{size}.jpg"), quality=85)
    with open(os.path.join(world.ask.out, "sheet.txt"), "w") as out:
        out.write("\n".join(prompts) + "\n")
    return {"prompts": len(prompts), **took}


PARTS = {part.__name__: part for part in (captions, diversity, copies, words, fill, sheets)}


def main():
    ask = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ask.add_argument("--out", required=True), ask.add_argument("--work", default=os.path.join(tempfile.gettempdir(), "underpaint-measure"))
    ask.add_argument("--data", required=True), ask.add_argument("--sets", nargs="+", default=["a", "b", "c"])
    ask.add_argument("--backend", choices=("product", "diffusers", "real"), default="product")
    ask.add_argument("--model", default="starter", help="an id; for diffusers a folder")
    ask.add_argument("--binary", default=painters.BINARY), ask.add_argument("--workers", type=int, default=2, help="daemons")
    ask.add_argument("--only", default=",".join(PARTS), help="parts, of: classifier, " + ", ".join(PARTS))
    ask.add_argument("--limit", type=int, help="for trials: that many captions and prompts")
    ask.add_argument("--reuse", action="store_true", help="judge the pictures of the last run again")
    ask = ask.parse_args()
    started = time.time()
    os.makedirs(ask.out, exist_ok=True)
    torch.set_num_threads(int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    chosen = [part for name, part in PARTS.items() if name in ask.only.split(",")]
    with contextlib.ExitStack() as stack:
        world = World(ask)
        if chosen:
            world.paint = stack.enter_context(
                painters.product(ask.binary, ask.model, ask.workers) if ask.backend == "product" else
                painters.diffusers(ask.model) if ask.backend == "diffusers" else painters.oracle(world.pictures, world.told))
        path = os.path.join(ask.out, "measures.json")
        found = json.load(open(path)) if os.path.exists(path) else {}
        for part in chosen:
            since = time.time()
            found[part.__name__] = part(world)
            print(f"{part.__name__}: {time.time() - since:.0f} s", flush=True)
            with open(path, "w") as out:
                json.dump(found, out, indent=1)
            with open(os.path.join(ask.out, "measures.md"), "w") as out:
                out.write(table.markdown(found))
    print(f"all: {time.time() - started:.0f} s")


if __name__ == "__main__":
    main()
