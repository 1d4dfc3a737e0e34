"""A real-size ESRGAN (64 features, 23 blocks, 4 times), ours and spandrel's on PyTorch, alternately in one run:
`python tests/reference/bench_upscale.py [SIDE] [ROUNDS]`.

Both keep their random model loaded and enlarge a square of SIDE pixels, f32, on all cores. User CPU seconds are the number to trust
on a busy machine. Build ours first: `cargo build -p underpaint-engine --example upscale_tile`.
"""
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time


def torch_worker(path, side):
    import torch
    from spandrel import ModelLoader

    torch.set_grad_enabled(False)
    model, x = ModelLoader().load_from_file(path).eval(), torch.rand(1, 3, side, side)
    print("ready", flush=True)
    for _ in sys.stdin:
        before, start = resource.getrusage(resource.RUSAGE_SELF).ru_utime, time.monotonic()
        model(x)
        print(resource.getrusage(resource.RUSAGE_SELF).ru_utime - before, time.monotonic() - start, flush=True)
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024)


def write_model(path):
    import torch
    from safetensors.torch import save_file
    from spandrel.architectures.ESRGAN.__arch.RRDB import RRDBNet

    torch.manual_seed(0)
    save_file({name: tensor.half() for name, tensor in RRDBNet().state_dict().items()}, path)


def main():
    if sys.argv[1:2] == ["--torch"]:
        return torch_worker(sys.argv[2], int(sys.argv[3]))
    side, rounds = (int(sys.argv[i]) if len(sys.argv) > i else default for i, default in ((1, 128), (2, 3)))
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    target = os.environ.get("CARGO_TARGET_DIR", f"{root}/target")
    environment = os.environ | {"OMP_WAIT_POLICY": "PASSIVE"}
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/x4.safetensors"
        write_model(path)
        commands = {"ours": [f"{target}/debug/examples/upscale_tile", path, str(side)],
                    "torch": [sys.executable, __file__, "--torch", path, str(side)]}
        workers, times, peaks = {}, {name: [] for name in commands}, {}
        for name, command in commands.items():
            workers[name] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=environment)
            assert workers[name].stdout.readline().startswith("ready")
        for i in range(rounds + 1):
            for name, worker in workers.items():
                worker.stdin.write("go\n")
                worker.stdin.flush()
                user, wall = map(float, worker.stdout.readline().split())
                if i > 0:  # the first one warms up
                    times[name].append((user, wall))
                    print(f"{name}: {user:.1f} s user, {wall:.1f} s wall", flush=True)
        for name, worker in workers.items():
            peaks[name] = int(worker.communicate()[0])
    medians = {name: [statistics.median(column) for column in zip(*rows)] for name, rows in times.items()}
    for i, what in enumerate(("user CPU", "wall")):
        ours, theirs = medians["ours"][i], medians["torch"][i]
        rates = [(4 * side) ** 2 / 1e6 / seconds for seconds in (ours, theirs)]
        print(f"median {what}: ours {ours:.2f} s, PyTorch {theirs:.2f} s, ours / PyTorch = {ours / theirs:.2f}; "
              f"{rates[0]:.3f} and {rates[1]:.3f} megapixels a second")
    print(f"peak memory: ours {peaks['ours']} MiB, PyTorch {peaks['torch']} MiB")


if __name__ == "__main__":
    main()
