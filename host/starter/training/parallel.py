"""One process a core, gradients averaged: on a CPU faster than one process with many threads, which wait for each other at every layer."""
import os
import tempfile

import torch
import torch.distributed as dist
import torch.multiprocessing as mp


def launch(work, workers, *arguments):
    """Runs `work(rank, workers, *arguments)` in `workers` processes of one thread each."""
    with tempfile.TemporaryDirectory() as folder:
        mp.spawn(_begin, (work, workers, os.path.join(folder, "meeting"), arguments), nprocs=workers)


def _begin(rank, work, workers, meeting, arguments):
    torch.set_num_threads(1)
    torch.set_flush_denormal(True)
    dist.init_process_group("gloo", init_method="file://" + meeting, rank=rank, world_size=workers)
    work(rank, workers, *arguments)
    dist.destroy_process_group()


def average_gradients(parameters, workers):
    """Replaces every gradient by the mean over the processes; in one message."""
    gradients = [p.grad for p in parameters if p.grad is not None]
    flat = torch.cat([g.flatten() for g in gradients])
    dist.all_reduce(flat)
    flat /= workers
    for gradient, mean in zip(gradients, flat.split([g.numel() for g in gradients])):
        gradient.copy_(mean.view_as(gradient))


def share_of_time(started, minutes):
    """The share of the time that is spent, as the first process's clock has it, so that all stop at the same step."""
    import time
    share = torch.tensor((time.time() - started) / (minutes * 60))
    dist.broadcast(share, 0)
    return share.item()
