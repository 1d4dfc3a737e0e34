"""Trains the denoiser and the text encoder together: python train.py DATA RUN [--minutes M] [--resume].

Velocity prediction, mean squared error, timesteps spread evenly over each batch. One caption in eight is empty, for classifier-free
guidance; one in eight carries a word that means nothing, so that unknown words do no harm. Weights are averaged over steps (EMA); the
average is what is exported. Sets of latents are looked for again every 200 steps, so that painting may go on during training.
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch.nn.attention import SDPBackend, sdpa_kernel

import shape
import tokenizer
from parallel import average_gradients, launch, share_of_time

SEED = 2
# Set -> how often a batch is drawn from it, and its share of the usual batch (larger pictures cost more).
SETS = {"a": (0.42, 1.0), "b": (0.42, 1.0), "c": (0.42, 1.0), "wide": (0.06, 0.67), "tall": (0.05, 0.67), "large": (0.05, 0.25)}

# Averaging takes variance away; this gives the channels about unit deviation again.
HALVED = 1.25


class Data:
    """Latents and captions of all sets that are there."""

    def __init__(self, folder, run, tokens, random, halved):
        self.halved = halved
        self.folder, self.tokens, self.random, self.sets = folder, tokens, random, {}
        measured = json.load(open(os.path.join(run, "latents.json")))
        self.mean, self.matrix = torch.tensor(measured["mean"]).view(1, -1, 1, 1), torch.tensor(measured["matrix"])
        self.look()

    def look(self):
        for name in SETS:
            latents, captions = (os.path.join(self.folder, f"{name}.{kind}") for kind in ("latents.npy", "captions.jsonl"))
            if name not in self.sets and os.path.exists(captions):
                self.sets[name] = np.load(latents, mmap_mode="r"), [json.loads(line) for line in open(captions)]

    def batch(self, most):
        """Latents `[B, 6, h, w]`, whitened, and tokens `[B, 77]`."""
        names = [name for name in SETS if name in self.sets]
        name = self.random.choice(names, p=(p := np.array([SETS[n][0] for n in names])) / p.sum())
        latents, captions = self.sets[name]
        count = max(1, round(most * SETS[name][1]))
        chosen = self.random.integers(len(latents), size=count).tolist()
        x = torch.from_numpy(np.stack([latents[i] for i in chosen]).astype(np.float32))
        texts = [self.caption(captions[i]) for i in chosen]
        ids = self.tokens(texts, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids
        x = torch.einsum("ij,bjhw->bihw", self.matrix, x - self.mean)
        return (F.avg_pool2d(x, 2) * HALVED if self.halved else x), ids

    def caption(self, choices):
        text = choices[self.random.integers(len(choices))]
        lot = self.random.random()
        if lot < 0.125:
            return ""
        if lot < 0.25:
            word = "".join(self.random.choice(list("abcdefghijklmnopqrstuvwxyz"), self.random.integers(3, 9)))
            at = self.random.choice([i for i, c in enumerate(text + " ") if c == " "])
            text = f"{text[:at]} {word}{text[at:]}"
        return text


def work(rank, workers, ask):
    torch.manual_seed(SEED)
    tokens = tokenizer.load(os.path.join(ask.run, "tokenizer"))
    unet, text = shape.unet(), shape.text(len(tokens), tokens.bos_token_id, tokens.eos_token_id)
    names = [*("unet." + n for n, _ in unet.named_parameters()), *("text." + n for n, _ in text.named_parameters())]
    parameters = [*unet.parameters(), *text.parameters()]
    checkpoint = os.path.join(ask.run, "starter.pt")
    step = 0
    if not ask.resume:
        text.load_state_dict(torch.load(os.path.join(ask.run, "text.pt")))
    average = [p.detach().clone() for p in parameters]
    # The text encoder has learned to read already (train_text.py) and moves slower.
    groups = [{"params": list(unet.parameters()), "share": 1.0}, {"params": list(text.parameters()), "share": 0.3}]
    optimizer = torch.optim.AdamW(groups, lr=ask.rate, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    if ask.resume:
        saved = torch.load(checkpoint)
        unet.load_state_dict(saved["unet"]), text.load_state_dict(saved["text"])
        optimizer.load_state_dict(saved["optimizer"])
        average, step = saved["average"], saved["step"]
    data = Data(ask.data, ask.run, tokens, np.random.default_rng(SEED + 1 + rank + 1000 * step), ask.halved)
    torch.manual_seed(SEED + 1 + rank + 1000 * step)
    alphas = shape.scheduler().alphas_cumprod
    log = open(os.path.join(ask.run, "log.jsonl"), "a")
    started, mean, seen = time.time(), None, 0
    batch = ask.batch // workers
    while (share := share_of_time(started, ask.minutes)) < 1:
        share = ask.spent + (1 - ask.spent) * share
        for group in optimizer.param_groups:
            group["lr"] = group["share"] * ask.rate * min(1, (step + 1) / 100) * min(1, 1.25 * (1 - share)) + 1e-6
        x, ids = data.batch(batch)
        t = ((torch.arange(len(x)) + torch.rand(len(x))) * (1000 / len(x))).long().clamp(0, 999)
        noise = torch.randn_like(x)
        signal, scale = alphas[t].sqrt().view(-1, 1, 1, 1), (1 - alphas[t]).sqrt().view(-1, 1, 1, 1)
        with torch.autocast("cpu", torch.bfloat16), sdpa_kernel(SDPBackend.MATH):
            v = unet(signal * x + scale * noise, t, text(ids).last_hidden_state).sample
        loss = F.mse_loss(v.float(), signal * noise - scale * x)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(parameters, workers)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step, seen = step + 1, seen + len(x) * workers
        keep = min(0.9985, (step + 1) / (step + 10))
        torch._foreach_lerp_(average, [p.detach() for p in parameters], 1 - keep)
        mean = loss.item() if mean is None else 0.98 * mean + 0.02 * loss.item()
        if rank == 0 and step % 25 == 0:
            told = {"step": step, "seconds": round(time.time() - started), "loss": round(mean, 4), "per_second": round(seen / (time.time() - started), 1)}
            print(json.dumps(told), file=log, flush=True)
        if step % 200 == 0:
            data.look()
            if rank == 0:
                save(checkpoint, unet, text, optimizer, average, names, step)
    if rank == 0:
        save(checkpoint, unet, text, optimizer, average, names, step)


def save(path, unet, text, optimizer, average, names, step):
    torch.save({"unet": unet.state_dict(), "text": text.state_dict(), "optimizer": optimizer.state_dict(),
                "average": average, "names": names, "step": step}, path + ".new")
    os.replace(path + ".new", path)


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("data"), ask.add_argument("run")
    ask.add_argument("--minutes", type=float, default=75), ask.add_argument("--resume", action="store_true")
    ask.add_argument("--spent", type=float, default=0, help="share of the learning-rate schedule already behind, when resuming")
    ask.add_argument("--halved", action="store_true", help="latents averaged 2 by 2: four times cheaper, for the first part")
    ask.add_argument("--batch", type=int, default=32), ask.add_argument("--rate", type=float, default=1e-3)
    ask.add_argument("--workers", type=int, default=2)
    ask = ask.parse_args()
    launch(work, ask.workers, ask)


if __name__ == "__main__":
    main()
