"""One guided step of SD 1.5's U-Net, ours and PyTorch's, alternately in one run: `python tests/reference/bench_step.py FOLDER [ROUNDS]`.

FOLDER is what real_size.py writes. Both keep their model loaded and compute batch 2, 4 x 64 x 64, 77 tokens, f32, on all cores; the parent
lets one compute while the other waits. User CPU seconds are the number to trust on a busy machine (PyTorch's idle OpenMP threads are told not to
spin). Build ours first: `cargo build -p underpaint-engine --example unet_step`.
"""
import os
import resource
import statistics
import subprocess
import sys
import time


def torch_worker(folder):
    import torch
    from diffusers import UNet2DConditionModel

    torch.set_grad_enabled(False)
    unet = UNet2DConditionModel.from_pretrained(f"{folder}/unet", torch_dtype=torch.float32).eval()
    x, context = torch.randn(2, 4, 64, 64), torch.randn(2, 77, 768)
    print("ready", flush=True)
    for _ in sys.stdin:
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.monotonic()
        unet(x, 500, context)
        used = resource.getrusage(resource.RUSAGE_SELF).ru_utime - before
        print(used, time.monotonic() - start, flush=True)


def main():
    if sys.argv[1] == "--torch":
        return torch_worker(sys.argv[2])
    folder, rounds = sys.argv[1], int(sys.argv[2]) if len(sys.argv) > 2 else 3
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    target = os.environ.get("CARGO_TARGET_DIR", f"{root}/target")
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    commands = {"ours": [f"{target}/debug/examples/unet_step", folder], "torch": [sys.executable, __file__, "--torch", folder]}
    workers, times = {}, {name: [] for name in commands}
    for name, command in commands.items():
        workers[name] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
        assert workers[name].stdout.readline().startswith("ready")
    for i in range(rounds + 1):
        for name, worker in workers.items():
            worker.stdin.write("go\n")
            worker.stdin.flush()
            user, wall = map(float, worker.stdout.readline().split()[:2])
            if i > 0:  # the first one warms up
                times[name].append((user, wall))
                print(f"{name}: {user:.1f} s user, {wall:.1f} s wall", flush=True)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()
    medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in times.items()}
    for i, what in enumerate(("user CPU", "wall")):
        ours, theirs = medians["ours"][i], medians["torch"][i]
        print(f"median {what}: ours {ours:.2f} s, PyTorch {theirs:.2f} s, ours / PyTorch = {ours / theirs:.2f}")


if __name__ == "__main__":
    main()
