"""Draws the logs of the trainings: python curve.py LOGS OUT.png."""
import json
import os
import sys

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402  (the backend is chosen first)

PANELS = [("vae-log.jsonl", "psnr", "autoencoder: PSNR of crops, dB"), ("text-log.jsonl", "loss", "text encoder: cross entropy"),
          ("log.jsonl", "loss", "denoiser: mean squared error of the velocity"), ("decoder-log.jsonl", "picture", "decoder with critic: picture loss")]


def main():
    logs, out = sys.argv[1:]
    figure, axes = plt.subplots(1, len(PANELS), figsize=(4 * len(PANELS), 3))
    for axis, (name, value, title) in zip(axes, PANELS):
        path = os.path.join(logs, name)
        rows = [json.loads(line) for line in open(path)] if os.path.exists(path) else []
        # A clock or a step that is not beyond the last begins a new part.
        part = []
        for row in rows + [None]:
            if row is None or (part and (row["step"] <= part[-1]["step"] or row["seconds"] <= part[-1]["seconds"])):
                axis.plot([r["step"] for r in part], [r[value] for r in part])
                part = []
            if row is not None:
                part.append(row)
        axis.set_title(title, fontsize=9), axis.set_xlabel("step", fontsize=8), axis.tick_params(labelsize=7), axis.grid(alpha=0.3)
    figure.tight_layout()
    figure.savefig(out, dpi=90)


if __name__ == "__main__":
    main()
