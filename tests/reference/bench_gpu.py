"""Ours and PyTorch's on one NVIDIA card, taking turns in one run: `python tests/reference/bench_gpu.py FOLDER [SIDE] [ROUNDS]`.

FOLDER is what real_size.py writes, SIDE that of the latents (64; 128 for SDXL). Compared are one guided step of the U-Net (batch 2, 77 tokens,
f16), the autoencoder's decoding and encoding (ours computes what is sensitive in f32, PyTorch's all of it), and a picture of 20 steps
with decoding. PyTorch runs diffusers with its fused attention (SDPA) and `cudnn.benchmark`, in its usual layout and with channels
last. Build ours first: `cargo xtask cuda build -p underpaint-engine --example unet_step`; UNET_STEP names it where it lies elsewhere.
"""
import os
import statistics
import subprocess
import sys
import time

WORK = (("step", 9), ("decode", 5), ("encode", 3), ("picture 20", 3))


def torch_worker(folder, side, layout):
    """Answers the lines that unet_step answers."""
    import torch
    from diffusers import AutoencoderKL, UNet2DConditionModel

    torch.set_grad_enabled(False)
    torch.backends.cudnn.benchmark = True
    unet = UNet2DConditionModel.from_pretrained(f"{folder}/unet", torch_dtype=torch.float16).to("cuda").eval()
    vae = AutoencoderKL.from_pretrained(f"{folder}/vae", torch_dtype=torch.float32).to("cuda").eval()
    if layout == "nhwc":
        unet.to(memory_format=torch.channels_last)
        vae.to(memory_format=torch.channels_last)

    def random(*shape, dtype=torch.float16):
        return torch.randn(*shape, device="cuda", dtype=dtype)

    x, context = random(2, 4, side, side), random(2, 77, unet.config.cross_attention_dim)
    latents, pixels = random(1, 4, side, side, dtype=torch.float32), random(1, 3, 8 * side, 8 * side, dtype=torch.float32)
    added = None
    if unet.config.addition_embed_type:
        added = {"text_embeds": random(2, 1280), "time_ids": random(2, 6)}

    def step(x):
        return unet(x, 500, context, added_cond_kwargs=added, return_dict=False)[0]

    def picture(steps):
        y = random(1, 4, side, side, dtype=torch.float32)
        for _ in range(steps):
            negative, positive = step(y.half().repeat(2, 1, 1, 1)).float().chunk(2)
            y = y - 0.05 * (negative + 7 * (positive - negative))
        return vae.decode(y, return_dict=False)[0]

    print("ready", flush=True)
    for line in sys.stdin:
        what, *steps = line.split()
        start = time.monotonic()
        if what == "decode":
            made = vae.decode(latents, return_dict=False)[0]
        elif what == "encode":
            made = vae.encode(pixels).latent_dist.mean
        else:
            made = picture(int(steps[0])) if what == "picture" else step(x)
        made.cpu()
        print(0, time.monotonic() - start, torch.cuda.max_memory_allocated() >> 20, flush=True)


def main():
    folder, side, rounds = (sys.argv[1:] + ["64", "9"][len(sys.argv) - 2:])[:3]
    root = os.path.join(os.path.dirname(os.path.abspath(__file__)), "../..")
    ours = os.environ.get("UNET_STEP", f"{root}/target/cuda/debug/examples/unet_step")
    torch = [sys.executable, __file__, "--torch", folder, side]
    commands = {"ours": [ours, folder, side, "--device", "cuda", "--dtype", "f16"],
                "torch": [*torch, "nchw"], "torch, channels last": [*torch, "nhwc"]}
    workers = {}
    for name, command in commands.items():
        workers[name] = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert workers[name].stdout.readline().startswith("ready"), name
    for what, most in WORK:
        times = {name: [] for name in workers}
        for _ in range(min(most, int(rounds)) + 1):
            for name, worker in workers.items():
                worker.stdin.write(what + "\n")
                worker.stdin.flush()
                times[name].append(1000 * float(worker.stdout.readline().split()[1]))
        for name, (first, *rest) in times.items():
            print(f"{what:10}  {name:20}  median {statistics.median(rest):7.1f} ms  least {min(rest):7.1f}  first {first:7.1f}", flush=True)
    for worker in workers.values():
        worker.stdin.close()
        worker.wait()


if __name__ == "__main__":
    torch_worker(sys.argv[2], int(sys.argv[3]), sys.argv[4]) if sys.argv[1] == "--torch" else main()
