"""Trains the autoencoder: python train_vae.py DATA OUT [--minutes M] [--resume].

Begins as a pyramid of averages (pyramid.py). Loss: mean absolute error at four scales, of gradients, and a touch of KL. Learning rate and crops follow the share of the time that is spent,
so that the last minutes always run at a small learning rate.
"""
import argparse
import json
import math
import os
import time

import torch
import torch.nn.functional as F

import pyramid
import shape
import studies
from parallel import average_gradients, launch, share_of_time

SEED = 1
# Until which share of the time, crops of which side, how many a step.
CROPS = [(0.3, 64, 32), (0.8, 128, 8), (1.0, 256, 2)]
# What the opponent colours' error counts beside that of red, green and blue; green against magenta is rare and weak.
OPPONENT = pyramid.OPPONENT[1:] * torch.tensor([[1.0], [3.0]])


def loss_of(model, x, kl_weight):
    posterior = model.encode(x).latent_dist
    y = model.decode(posterior.sample()).sample.float()
    kl = 0.5 * (posterior.mean.float() ** 2 + posterior.var.float() - 1 - posterior.logvar.float()).mean()
    return picture_loss(y, x) + kl_weight * kl, F.mse_loss(y, x)


def picture_loss(y, x):
    """Absolute error at full size and three times halved, and of the differences to the right and below. Opponent colours count too."""
    y, x = (torch.cat([p, torch.einsum("ij,bjhw->bihw", OPPONENT, p)], 1) for p in (y, x))
    total = F.l1_loss(y, x)
    total = total + 0.5 * F.l1_loss(y[..., 1:] - y[..., :-1], x[..., 1:] - x[..., :-1])
    total = total + 0.5 * F.l1_loss(y[..., 1:, :] - y[..., :-1, :], x[..., 1:, :] - x[..., :-1, :])
    for _ in range(3):
        y, x = F.avg_pool2d(y, 2), F.avg_pool2d(x, 2)
        total = total + 0.5 * F.l1_loss(y, x)
    return total


def crops(pictures, count, side, random):
    out = torch.empty(count, 3, side, side)
    for i in range(count):
        n = int(torch.randint(len(pictures), (), generator=random))
        top, left = (int(torch.randint(pictures.shape[1] - side + 1, (), generator=random)) for _ in range(2))
        crop = torch.from_numpy(pictures[n, top:top + side, left:left + side].copy()).permute(2, 0, 1)
        out[i] = (crop.flip(2) if torch.rand((), generator=random) < 0.5 else crop).float() / 127.5 - 1
    return out


def work(rank, workers, ask):
    torch.manual_seed(SEED)
    pictures, _ = studies.read(ask.data, "base", 256, 256)
    random = torch.Generator().manual_seed(SEED + rank)
    model = shape.vae()
    checkpoint = os.path.join(ask.out, "vae.pt")
    if ask.resume:
        model.load_state_dict(torch.load(checkpoint))
    else:
        pyramid.begin(model, torch.from_numpy(pictures[:16].copy()).permute(0, 3, 1, 2).float() / 127.5 - 1)
    parameters = list(model.parameters())
    optimizer = torch.optim.AdamW(parameters, lr=ask.rate, betas=(0.9, 0.99), weight_decay=1e-4)
    started, step, mean = time.time(), 0, None
    log = open(os.path.join(ask.out, "vae-log.jsonl"), "a")
    torch.manual_seed(SEED + 1 + rank)
    while (share := share_of_time(started, ask.minutes)) < 1:
        warm = min(1, (step + 1) / 100)
        for group in optimizer.param_groups:
            group["lr"] = ask.rate * warm * (1 - share) ** 1.2 + 1e-6
        # From small crops to whole pictures: variety first, then the statistics that norms will meet in use.
        side, count = next((side, count) for until, side, count in CROPS if share < until)
        x = crops(pictures, count // workers, side, random)
        with torch.autocast("cpu", torch.bfloat16):
            loss, mse = loss_of(model, x, 1e-4)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(parameters, workers)
        torch.nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        step += 1
        mean = mse.item() if mean is None else 0.98 * mean + 0.02 * mse.item()
        if rank == 0 and step % 50 == 0:
            told = {"step": step, "seconds": round(time.time() - started), "psnr": round(-10 * math.log10(mean / 4), 2)}
            print(json.dumps(told), file=log, flush=True)
        if rank == 0 and step % 200 == 0:
            torch.save(model.state_dict(), checkpoint)
    if rank == 0:
        torch.save(model.state_dict(), checkpoint)


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("data"), ask.add_argument("out")
    ask.add_argument("--minutes", type=float, default=20), ask.add_argument("--resume", action="store_true")
    ask.add_argument("--rate", type=float, default=2e-3)
    ask.add_argument("--workers", type=int, default=2)
    ask = ask.parse_args()
    os.makedirs(ask.out, exist_ok=True)
    launch(work, ask.workers, ask)


if __name__ == "__main__":
    main()
