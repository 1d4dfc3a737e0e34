"""Trains the decoder on, with the encoder fixed and a critic: python train_decoder.py DATA RUN [--minutes M] [--resume].

A decoder trained on absolute error alone averages what 6 numbers per 8 x 8 pixels leave open, and brush strokes are just that. A small critic
that sees patches (Isola et al. 2017, hinge loss) makes it commit itself to strokes. Latents get a little noise, as those of a
denoiser with few steps have.
"""
import argparse
import json
import os
import time

import torch
import torch.nn.functional as F
from torch import nn

import shape
import studies
from parallel import average_gradients, launch, share_of_time
from train_vae import crops, picture_loss

SEED = 3
SIDE, COUNT = 128, 8
# Noise on latents, in shares of their deviation.
NOISE = 0.03
# What the critic's word counts beside the picture loss, once it has had STEPS_ALONE steps to learn.
CRITIC, STEPS_ALONE = 0.06, 60


def critic():
    """Is each patch of 70 pixels painted? `[B, 3, H, W]` to `[B, 1, H/8, W/8]`."""
    layers, width = [], 3
    for wider in (24, 48, 96):
        layers += [nn.utils.spectral_norm(nn.Conv2d(width, wider, 4, 2, 1)), nn.LeakyReLU(0.2)]
        width = wider
    return nn.Sequential(*layers, nn.utils.spectral_norm(nn.Conv2d(width, 96, 3, 1, 1)), nn.LeakyReLU(0.2), nn.Conv2d(96, 1, 3, 1, 1))


def work(rank, workers, ask):
    torch.manual_seed(SEED)
    pictures, _ = studies.read(ask.data, "base", 256, 256)
    random = torch.Generator().manual_seed(SEED + rank + (1000 if ask.resume else 0))
    model, judge = shape.vae(), critic()
    checkpoint = os.path.join(ask.run, "decoder.pt")
    model.load_state_dict(torch.load(checkpoint if ask.resume else os.path.join(ask.run, "vae.pt")))
    if ask.resume:
        judge.load_state_dict(torch.load(os.path.join(ask.run, "critic.pt")))
    parameters = [*model.decoder.parameters(), *model.post_quant_conv.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=ask.rate, betas=(0.5, 0.99), weight_decay=0)
    judging = torch.optim.AdamW(judge.parameters(), lr=4e-4, betas=(0.5, 0.99), weight_decay=0)
    started, step, mean = time.time(), 0, torch.zeros(3)
    log = open(os.path.join(ask.run, "decoder-log.jsonl"), "a")
    while (share := share_of_time(started, ask.minutes)) < 1:
        for group in optimizer.param_groups:
            group["lr"] = ask.rate * min(1, (step + 1) / 50) * min(1, 1.5 * (1 - share)) + 1e-6
        x = crops(pictures, COUNT // workers, SIDE, random)
        with torch.autocast("cpu", torch.bfloat16):
            with torch.no_grad():
                latents = model.encode(x).latent_dist.mean
                latents = latents + NOISE * latents.std() * torch.randn_like(latents)
            y = model.decode(latents).sample.float()
            picture = picture_loss(y, x)
            judge.requires_grad_(False)
            word = -judge(y).float().mean()
            judge.requires_grad_(True)
        loss = picture + (CRITIC if step >= STEPS_ALONE or ask.resume else 0) * word
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(parameters, workers)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        optimizer.step()
        with torch.autocast("cpu", torch.bfloat16):
            true, false = judge(x).float(), judge(y.detach()).float()
            judged = F.relu(1 - true).mean() + F.relu(1 + false).mean()
        judging.zero_grad(set_to_none=True)
        judged.backward()
        average_gradients(list(judge.parameters()), workers)
        judging.step()
        step += 1
        now = torch.stack([picture.detach(), word.detach(), judged.detach()])
        mean = now if step == 1 else 0.98 * mean + 0.02 * now
        if rank == 0 and step % 50 == 0:
            told = dict(zip(("picture", "word", "judged"), (round(v, 4) for v in mean.tolist())))
            print(json.dumps({"step": step, "seconds": round(time.time() - started)} | told), file=log, flush=True)
        if rank == 0 and (step % 200 == 0):
            torch.save(model.state_dict(), checkpoint), torch.save(judge.state_dict(), os.path.join(ask.run, "critic.pt"))
    if rank == 0:
        torch.save(model.state_dict(), checkpoint), torch.save(judge.state_dict(), os.path.join(ask.run, "critic.pt"))


def main():
    ask = argparse.ArgumentParser(description=__doc__)
    ask.add_argument("data"), ask.add_argument("run")
    ask.add_argument("--minutes", type=float, default=15), ask.add_argument("--resume", action="store_true")
    ask.add_argument("--rate", type=float, default=6e-4), ask.add_argument("--workers", type=int, default=2)
    ask = ask.parse_args()
    launch(work, ask.workers, ask)


if __name__ == "__main__":
    main()
