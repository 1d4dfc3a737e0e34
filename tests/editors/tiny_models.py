"""Models for the editors' scenarios: tiny ones in the real formats.

Those that steer (for tests/reference/golden/tiny-sd) have names and shapes of the reference's golden models, and any
numbers of about the right size: what pictures come of them is compared with the command line's own. Upscalers are the golden
ones themselves, so that pictures can be compared with the reference's.
"""

import json
import math
import pathlib
import random
import shutil
import struct

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "reference" / "golden"
FILES = {"lines": "net_a", "sketch": "t2i", "reference": "ip", "union-xl": "union"}
"""A file's name, and the row of control-models.json it is made of."""


def put_steering_into(folder):
    """LoRAs, control models, an image encoder and a depth estimator, below a models folder."""
    rows = json.loads((GOLDEN / "control-models.json").read_text())
    controls, loras = folder / "controls", folder / "loras"
    for made in (controls, loras):
        made.mkdir(parents=True)
    for name, row in FILES.items():
        write(controls / (name + ".safetensors"), drawn(rows[row], name))
    in_folder(folder / "image_encoder", rows["vision"], ["CLIPVisionModelWithProjection"])
    depth = json.loads((GOLDEN / "depth-models.json").read_text())["small"]
    in_folder(folder / "depth", depth, depth["config"]["architectures"])
    for name in ("kohya", "loha"):
        shutil.copy(str(GOLDEN / "lora" / (name + ".safetensors")), str(loras))
    shutil.copy(str(GOLDEN / "families-lora.safetensors"), str(loras / "for-another.safetensors"))


def upscaler(path, case):
    """One of the upscalers of tests/reference/upscale.py, as a file. Returns (width, height, values) of the picture that
    goes in and of what spandrel makes of it: floats in red, green and blue, row by row."""
    row = next(row for row in json.loads((GOLDEN / "upscale.json").read_text()) if row["case"] == case)
    golden = read(GOLDEN / "upscale.safetensors")
    first, left_out = "body." if row.get("compact") else "model.", tuple(row.get("without", []))
    tensors = {}
    for name, tensor in golden.items():
        if name.startswith(first) and not name.startswith(left_out) and "conv1x1" not in name:
            for old, new in row.get("rename", []):
                name = name.replace(old, new)
            tensors[name] = tensor[1:]
    tensors.update((name, golden[source][1:]) for name, source in row.get("with", {}).items())
    write(path, {row.get("prefix", "") + name: tensor for name, tensor in tensors.items()})
    return [interleaved(*golden[name][1:]) for name in (row.get("input", "input"), case + ".output")]


def interleaved(shape, data):
    """Three planes of floats as (width, height, values by pixel)."""
    _, height, width = shape
    values = struct.unpack("<%df" % (3 * height * width), data)
    return width, height, [values[plane * height * width + at] for at in range(height * width) for plane in range(3)]


def read(path):
    """A safetensors file: (dtype, shape, bytes) by tensor."""
    data = path.read_bytes()
    (size,) = struct.unpack_from("<Q", data)
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    return {name: (told["dtype"], told["shape"], body[slice(*told["data_offsets"])])
            for name, told in header.items() if name != "__metadata__"}


def in_folder(folder, row, architectures):
    """A model as transformers keeps it."""
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(dict(row["config"], architectures=architectures)))
    write(folder / "model.safetensors", drawn(row, folder.name))


def drawn(row, seed):
    """(shape, half-precision bytes) by tensor: noise as large as keeps what goes through it as large as it was."""
    noise = random.Random(seed)
    tensors = {}
    for name, shape, *_ in row["tensors"]:
        flat = len(shape) == 1
        scale = 0.1 if flat else 1 / math.sqrt(math.prod(shape[1:]))
        mean = 1 if flat and name.endswith("weight") else 0
        count = math.prod(shape)
        values = [max(-60000, min(60000, noise.gauss(mean, scale))) for _ in range(count)]
        tensors[name] = (shape, struct.pack("<%de" % count, *values))
    for name in [name for name in tensors if name.endswith("#0")]:
        parts, at = [], 0
        while "%s#%d" % (name[:-2], at) in tensors:
            parts.append(tensors.pop("%s#%d" % (name[:-2], at)))
            at += 1
        tensors[name[:-2]] = ([sum(shape[0] for shape, _ in parts)] + parts[0][0][1:], b"".join(data for _, data in parts))
    return tensors


def write(path, tensors):
    """A safetensors file."""
    header, at = {}, 0
    for name, (shape, data) in tensors.items():
        header[name] = {"dtype": "F16", "shape": shape, "data_offsets": [at, at + len(data)]}
        at += len(data)
    text = json.dumps(header).encode()
    path.write_bytes(struct.pack("<Q", len(text)) + text + b"".join(data for _, data in tensors.values()))
