"""Teaches the text encoder what captions say before any picture: python train_text.py DATA RUN [--minutes M].

A denoiser learns to listen only once the words mean something. Here linear heads on the mean of the padding's states, which have read the whole
caption, must name the facts that the picture was painted from (those that the caption keeps to itself are guessed at no great
cost). A few minutes on one core; the heads are thrown away.
"""
import argparse
import json
import os
import time

import numpy as np
import torch
import torch.nn.functional as F
from torch import nn

import shape
import tokenizer

SEED = 4
LENGTH, BATCH, RATE = 48, 128, 2e-3


def labels(facts):
    """The facts as words, by head; None where a fact does not apply."""
    accent, solids = facts["accent"] or {}, facts["solids"] + [{}] * 3
    horizon = facts["horizon"]
    told = {name: facts[name] for name in ("subject", "palette", "manner", "time", "weather", "bouquet", "petals", "ground", "material")}
    told["horizon"] = None if horizon is None else "low" if horizon > 0.62 else "high" if horizon < 0.42 else "middle"
    told |= {"accent_" + name: accent.get(name, "none") for name in ("thing", "side", "distance")}
    for i in range(3):
        told |= {f"shape_{i}": solids[i].get("shape", "none"), f"hue_{i}": solids[i].get("hue", "none")}
    return told


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("data"), ask.add_argument("run"), ask.add_argument("--minutes", type=float, default=3)
    ask = ask.parse_args()
    torch.set_num_threads(1), torch.manual_seed(SEED)
    random = np.random.default_rng(SEED)
    told = [labels(json.loads(line)["facts"]) for line in open(os.path.join(ask.data, "a.jsonl"))]
    captions = [json.loads(line) for line in open(os.path.join(ask.data, "a.captions.jsonl"))]
    names = {head: sorted({t[head] for t in told if t[head] is not None}) for head in told[0]}
    target = {head: torch.tensor([words.index(t[head]) if t[head] is not None else -100 for t in told]) for head, words in names.items()}
    tokens = tokenizer.load(os.path.join(ask.run, "tokenizer"))
    text = shape.text(len(tokens), tokens.bos_token_id, tokens.eos_token_id)
    heads = nn.ModuleDict({head: nn.Linear(shape.WIDTH, len(words)) for head, words in names.items()})
    parameters = [*text.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=RATE, betas=(0.9, 0.99), weight_decay=0.01, fused=True)
    started, step, mean = time.time(), 0, None
    while (share := (time.time() - started) / (ask.minutes * 60)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = RATE * min(1, (step + 1) / 30) * (1 - share) + 1e-6
        chosen = random.integers(len(told), size=BATCH)
        ids = tokens([captions[i][random.integers(len(captions[i]))] for i in chosen], padding="max_length", max_length=LENGTH,
                     truncation=True, return_tensors="pt").input_ids
        with torch.autocast("cpu", torch.bfloat16):
            states = text(ids).last_hidden_state
        padding = (ids == tokens.eos_token_id).float().unsqueeze(2)
        read = (states.float() * padding).sum(1) / padding.sum(1)
        losses = [F.cross_entropy(heads[head](read), target[head][chosen]) for head in names if (target[head][chosen] >= 0).any()]
        loss = torch.stack(losses).mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        mean = loss.item() if mean is None else 0.95 * mean + 0.05 * loss.item()
        if step % 25 == 0:
            print(json.dumps({"step": step, "seconds": round(time.time() - started), "loss": round(mean, 4)}), flush=True)
    torch.save(text.state_dict(), os.path.join(ask.run, "text.pt"))


if __name__ == "__main__":
    main()
