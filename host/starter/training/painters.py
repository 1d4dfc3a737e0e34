"""Pictures for the measures: from the product's daemon, from diffusers, or the maker's own as an oracle.

A painter is `paint(prompts, seeds, size)`, which yields `[size, size, 3]` bytes a prompt, in order. The daemon is started in a home of
its own and spoken to through adapters/python/underpaint_client.py, as any editor does; two of one thread each paint more on two cores
than one of two.
"""
import contextlib
import json
import os
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor

import numpy as np

import studies

sys.path.insert(0, os.path.join(studies.ROOT, "adapters/python"))
import underpaint_client  # noqa: E402

BINARY = os.path.join(studies.ROOT, "target/debug/underpaint")


@contextlib.contextmanager
def daemons(binary, count):
    """`count` running daemons' sockets; ended and their homes removed afterwards."""
    with contextlib.ExitStack() as stack:
        threads = str(max(1, (os.cpu_count() or 1) // count))
        sockets = []
        for _ in range(count):
            home = stack.enter_context(tempfile.TemporaryDirectory(prefix="up-"))
            environment = {**os.environ, "UNDERPAINT_HOME": home, "RAYON_NUM_THREADS": threads}
            told = {"stdout": subprocess.PIPE, "stderr": subprocess.DEVNULL}
            process = subprocess.Popen([binary, "serve", "--json"], env=environment, **told)
            stack.callback(process.wait)
            stack.callback(process.terminate)
            json.loads(process.stdout.readline())  # one line once it listens
            with open(os.path.join(home, "run", "endpoint.json")) as file:
                sockets.append(json.load(file)["socket"])
        yield sockets


@contextlib.contextmanager
def product(binary=BINARY, model="starter", workers=2):
    """The daemon's `generate` with the model's own defaults."""
    with daemons(binary, workers) as sockets, contextlib.ExitStack() as stack:
        clients = [stack.enter_context(underpaint_client.Client.connect(socket)) for socket in sockets]

        def some(client, jobs):
            found = {}
            for i, prompt, seed, size in jobs:
                asked = {"mode": "generate", "model": model, "prompt": prompt, "seed": int(seed), "extent": [size, size]}
                patch = client.submit("generate", asked).wait()[0]
                pixels = np.frombuffer(bytes(patch.pixels), np.uint8).reshape(size, size, 4)
                assert pixels[..., 3].min() == 255, "a generated picture has holes"
                found[i] = pixels[..., :3]
            return found

        def paint(prompts, seeds, size):
            jobs = [(i, prompt, seed, size) for i, (prompt, seed) in enumerate(zip(prompts, seeds))]
            turn = 8 * len(clients)
            with ThreadPoolExecutor(len(clients)) as pool:
                for first in range(0, len(jobs), turn):
                    part = jobs[first:first + turn]
                    shares = pool.map(some, clients, [part[k::len(clients)] for k in range(len(clients))])
                    found = {i: picture for share in shares for i, picture in share.items()}
                    yield from (found[i] for i in sorted(found))

        yield paint


@contextlib.contextmanager
def diffusers(folder, batch=8):
    """diffusers' own pipeline on a model folder: a second opinion, and what there is before the product can load the model."""
    import torch
    from diffusers import DPMSolverMultistepScheduler, StableDiffusionPipeline
    pipeline = StableDiffusionPipeline.from_pretrained(folder, torch_dtype=torch.float32, safety_checker=None,
                                                       feature_extractor=None, requires_safety_checker=False)
    pipeline.scheduler = DPMSolverMultistepScheduler.from_config(pipeline.scheduler.config)
    pipeline.set_progress_bar_config(disable=True)
    with open(os.path.join(folder, "underpaint.json")) as file:
        defaults = json.load(file)["defaults"]

    def paint(prompts, seeds, size):
        for first in range(0, len(prompts), batch):
            some = slice(first, first + batch)
            generators = [torch.Generator().manual_seed(int(seed)) for seed in seeds[some]]
            made = pipeline(list(prompts[some]), height=size, width=size, num_inference_steps=defaults["steps"], output_type="np",
                            guidance_scale=defaults["guidance_scale"], generator=generators).images
            yield from (made * 255).round().astype(np.uint8)

    yield paint


@contextlib.contextmanager
def oracle(pictures, told):
    """Held-out pictures of the maker's: number `seed` if it has that caption, else one of the same subject, else any. Tests the measures."""
    subject = {line["caption"]: line["facts"]["subject"] for line in told}

    def paint(prompts, seeds, size):
        for prompt, seed in zip(prompts, seeds):
            alike = [i for i, line in enumerate(told) if line["facts"]["subject"] == subject.get(prompt)] or range(len(told))
            own = seed < len(told) and told[seed]["caption"] == prompt
            picture = pictures[seed if own else alike[seed % len(alike)]]
            times = max(1, size // picture.shape[0])
            yield picture.repeat(times, 0).repeat(times, 1)

    yield paint
