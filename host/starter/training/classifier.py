"""A small network that tells the maker's facts from a picture: the judge of measure.py, and its space of features.

Trained on the maker's own pictures at 128 px, one head a fact, a head's loss only where the fact is there. Decisions: a fixed number of
steps and a fixed seed, so that two runs agree; mirrored pictures have their sides swapped; before the heads a 4 x 4 map is kept,
because sides and horizons are places. Alone: python classifier.py DATA OUT.pt [SET ...].
"""
import math
import os
import sys
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

import mentions
import studies

SEED, SIDE, FEATURES = 7, 128, 128
HUES = ("red", "orange", "yellow", "green", "blue", "violet", "pink", "white", "grey", "black", "brown")
HEADS = {
    "subject": ("sea", "lake", "hills", "mountains", "forest", "field", "snow", "desert", "city", "still life", "flowers", "material"),
    "time": ("dawn", "day", "sunset", "dusk", "night"), "weather": ("clear", "cloudy", "overcast", "fog", "storm"),
    "palette": ("natural", "warm", "cool", "earth", "pastel", "vivid", "muted"),
    "manner": ("oil", "flat", "impasto", "watercolor", "charcoal"),
    "accent": ("none", "tree", "pine", "house", "boat", "rocks", "tower", "disc"), "accent_side": ("left", "right"),
    "light": ("left", "right"), "material": ("wood", "marble", "brick", "grass", "water", "cloth", "rust", "stone", "sand"),
    "bouquet": ("in a vase", "meadow", "close-up"), "petals": HUES, "ground": HUES,
    "shape": ("sphere", "cube", "cone", "cylinder", "vase", "apple", "pear", "bowl"), "hue": HUES}
SIDES = ("accent_side", "light")


def shrunk(pictures, side, batch=64):
    """`[N, 3, side, side]` bytes of `[N, H, W, 3]` bytes, by averaging areas."""
    parts = []
    for first in range(0, len(pictures), batch):
        x = torch.from_numpy(np.array(pictures[first:first + batch])).permute(0, 3, 1, 2).float()
        parts.append(F.interpolate(x, (side, side), mode="area").round().byte())
    return torch.cat(parts)


def targets(facts):
    """`[N]` class numbers a head, -100 where the fact is not there, and `[N]` horizons, NaN likewise."""
    flat = [mentions.flat(f) for f in facts]
    numbers = {head: torch.tensor([-100 if f[head] is None else words.index(f[head]) for f in flat]) for head, words in HEADS.items()}
    return numbers, torch.tensor([math.nan if f["horizon"] is None else f["horizon"] for f in flat])


class Classifier(nn.Module):
    """Convolutions to 8 x 8, then what is where on a 4 x 4 map and what is there at all, 128 features, heads."""

    def __init__(self):
        super().__init__()
        block = lambda i, o, stride: nn.Sequential(nn.Conv2d(i, o, 3, stride, 1, bias=False), nn.BatchNorm2d(o), nn.ReLU(inplace=True))
        self.trunk = nn.Sequential(
            nn.Conv2d(3, 32, 6, 4, 1, bias=False), nn.BatchNorm2d(32), nn.ReLU(inplace=True),
            block(32, 64, 1), block(64, 96, 2), block(96, 96, 1), block(96, 160, 2), block(160, 160, 1))
        self.place = nn.Conv2d(160, 32, 1)
        self.features = nn.Sequential(nn.Linear(160 + 32 * 16, FEATURES), nn.BatchNorm1d(FEATURES), nn.ReLU())
        self.heads = nn.ModuleDict({head: nn.Linear(FEATURES, len(words)) for head, words in HEADS.items()})
        self.horizon = nn.Linear(FEATURES, 1)

    def forward(self, x):
        """Of bytes `[N, 3, 128, 128]`: features, {head: logits}, horizons."""
        x = self.trunk((x.float() / 127.5 - 1).contiguous(memory_format=torch.channels_last))
        places = F.adaptive_avg_pool2d(self.place(x), 4).flatten(1)
        features = self.features(torch.cat((x.mean((2, 3)), places), 1))
        return features, {head: layer(features) for head, layer in self.heads.items()}, self.horizon(features).squeeze(1) + 0.5


def loss_of(model, x, numbers, horizons):
    _, logits, horizon = model(x)
    total = sum(F.cross_entropy(logits[head].float(), numbers[head], ignore_index=-100, reduction="sum") for head in HEADS) / len(x)
    there = ~horizons.isnan()
    return total + 40 * F.mse_loss(horizon.float()[there], horizons[there])


def train(pictures, facts, passes, batch=64, rate=3e-3, tell=print):
    """A classifier trained on `[N, 3, 128, 128]` bytes for `passes` over them."""
    torch.manual_seed(SEED)
    numbers, horizons = targets(facts)
    model = Classifier().to(memory_format=torch.channels_last)
    steps = int(passes * len(pictures) / batch)
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.15)
    random, order, started = torch.Generator().manual_seed(SEED), torch.empty(0, dtype=torch.long), time.time()
    for step in range(steps):
        if len(order) < batch:
            order = torch.randperm(len(pictures), generator=random)
        chosen, order = order[:batch], order[batch:]
        x, y = pictures[chosen], {head: number[chosen] for head, number in numbers.items()}
        if torch.rand((), generator=random) < 0.5:
            # Solids are told from left to right: the first of the mirrored picture is not known.
            x = x.flip(3)
            y |= {head: torch.where(y[head] < 0, y[head], 1 - y[head]) for head in SIDES}
            y |= {head: torch.full_like(y[head], -100) for head in ("shape", "hue")}
        with torch.autocast("cpu", torch.bfloat16):
            loss = loss_of(model, x, y, horizons[chosen])
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        schedule.step()
        if step % 200 == 0 or step == steps - 1:
            tell(f"classifier: step {step} of {steps}, loss {loss.item():.2f}, {time.time() - started:.0f} s")
    return model.eval()


@torch.no_grad()
def judge(model, pictures, batch=64):
    """{"features": [N, 128], "horizon": [N], head: [N] words} of `[N, 3, 128, 128]` bytes."""
    parts = [model(pictures[first:first + batch]) for first in range(0, len(pictures), batch)]
    told = {head: [words[i] for _, logits, _ in parts for i in logits[head].argmax(1).tolist()] for head, words in HEADS.items()}
    features, horizons = (torch.cat([p[i] for p in parts]).numpy().astype(np.float64) for i in (0, 2))
    return {"features": features, "horizon": horizons, **told}


def load(path):
    """The trained classifier in `path`."""
    model = Classifier().to(memory_format=torch.channels_last)
    model.load_state_dict(torch.load(path))
    return model.eval()


if __name__ == "__main__":
    data, out, *names = sys.argv[1:]
    sets = [studies.read(data, name, 256, 256) for name in names or ["a"]]
    model = train(torch.cat([shrunk(p, SIDE) for p, _ in sets]), [line["facts"] for _, told in sets for line in told], passes=10)
    torch.save(model.state_dict(), out + ".new")
    os.replace(out + ".new", out)
