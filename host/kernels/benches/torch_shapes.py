"""The shapes of shapes.rs in PyTorch on two threads: milliseconds of processor time (all threads) and GFLOP/s per second of it.

`OMP_WAIT_POLICY=PASSIVE python host/kernels/benches/torch_shapes.py` (idle OpenMP threads would otherwise burn what is measured).
"""
import time

import torch
import torch.nn.functional as F

CONVOLUTIONS = [
    (2, 320, 64, 320, 3, 1), (2, 320, 64, 320, 3, 2), (2, 640, 32, 640, 3, 1), (2, 1280, 16, 1280, 3, 1),
    (2, 1280, 8, 1280, 3, 1), (2, 960, 64, 320, 1, 1), (1, 512, 64, 512, 3, 1), (1, 128, 512, 128, 3, 1),
]
LINEARS = [(8192, 320, 2560), (2048, 640, 5120), (512, 1280, 10240), (154, 768, 320), (8192, 1280, 320)]
ATTENTIONS = [(2, 8, 4096, 4096, 40), (2, 8, 1024, 1024, 80), (2, 8, 4096, 77, 40), (1, 1, 4096, 4096, 512)]


def measure(name, operations, f):
    f()
    seconds = []
    while len(seconds) < 3 or sum(seconds) < 1.0:
        start = time.process_time()
        f()
        seconds.append(time.process_time() - start)
    best = sorted(seconds)[len(seconds) // 2]
    print(f"{name:45} {best * 1e3:9.2f} ms {operations / best / 1e9:8.1f} GFLOP/s", flush=True)


def main():
    torch.set_num_threads(2)
    torch.set_grad_enabled(False)
    torch.manual_seed(0)
    for b, c, side, out, k, stride in CONVOLUTIONS:
        x, w, bias = torch.randn(b, c, side, side), torch.randn(out, c, k, k), torch.randn(out)
        operations = 2 * b * (side // stride) ** 2 * out * c * k * k
        measure(f"{k}x{k}/{stride} {b}x{c}x{side}x{side} to {out}", operations, lambda: F.conv2d(x, w, bias, stride, k // 2))
    for rows, inner, out in LINEARS:
        x, w, bias = torch.randn(rows, inner), torch.randn(out, inner), torch.randn(out)
        measure(f"linear {rows}x{inner} to {out}", 2 * rows * inner * out, lambda: F.linear(x, w, bias))
    for b, h, n, m, d in ATTENTIONS:
        q, k, v = torch.randn(b, h, n, d), torch.randn(b, h, m, d), torch.randn(b, h, m, d)
        measure(f"attention {b}x{h}x{n}x{d} to {m}", 4 * b * h * n * m * d, lambda: F.scaled_dot_product_attention(q, k, v))
    x, gamma = torch.randn(2, 320, 64, 64), torch.randn(320)
    measure("group_norm and silu 2x320x64x64", x.numel(), lambda: F.silu(F.group_norm(x, 32, gamma, gamma)))
    tokens = x.reshape(2, 4096, 320)
    measure("layer_norm 2x4096x320", x.numel(), lambda: F.layer_norm(tokens, (320,), gamma, gamma))
    wide = torch.randn(2, 4096, 2560)

    def geglu():
        value, gate = wide.chunk(2, -1)
        return value * F.gelu(gate)

    measure("geglu 2x4096x2560", wide.numel() // 2, geglu)


if __name__ == "__main__":
    main()
