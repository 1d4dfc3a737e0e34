"""Writes golden/prompts.json and golden/prompts.safetensors: what weighted prompts become, by ComfyUI's published rules.

The rules are written here anew, from what they do, on transformers' text encoders: `python tests/reference/prompts.py [OUT]`. The models are the
tiny one of golden/tiny-sd and, beside it as SDXL has two, an OpenCLIP-like encoder over the small vocabulary of golden/tokenizer-json. Only the first
COLUMNS of each encoder's width are kept, for every token. Pictures are diffusers', given our `prompt_embeds`.
"""
import os
import re
import sys

import torch
from diffusers import AutoencoderKL, StableDiffusionPipeline, StableDiffusionXLPipeline, UNet2DConditionModel
from safetensors.torch import save_file
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

import families
import make
import tiny
from tiny import write_json

HERE = os.path.join(os.path.dirname(os.path.abspath(__file__)), "golden")
OUT = sys.argv[1] if len(sys.argv) > 1 else HERE
COLUMNS = 4
CHUNK = 77
torch.set_grad_enabled(False)
torch.set_num_threads(1)


# Reading


def closing(text, at, opening, shut):
    """Where the bracket at `at` is closed, `None` if it is not."""
    depth = 0
    for i in range(at, len(text)):
        depth += (text[i] == opening) - (text[i] == shut)
        if depth == 0:
            return i
    return None


def number(text):
    try:
        value = float(text)
    except ValueError:
        return None
    return value if abs(value) < 1e6 else None


def read(text, weight=1.0):
    """[(words, weight)] with None for a break: the innermost number counts, brackets without one multiply by 1.1, square ones divide.
    Escaped signs are private characters by now. Rows here have partners for all their brackets."""
    out, plain, i = [], "", 0

    def flush():
        nonlocal plain
        for k, piece in enumerate(plain.split("BREAK")):
            out.extend([None] if k else [])
            out.extend([(piece, weight)] if piece else [])
        plain = ""

    while i < len(text):
        shut = {"(": ")", "[": "]"}.get(text[i])
        end = closing(text, i, text[i], shut) if shut else None
        if end is None:
            plain += text[i]
            i += 1
            continue
        flush()
        inner = text[i + 1 : end]
        if shut == "]":
            out += read(inner, weight / 1.1)
        else:
            head, colon, tail = inner.rpartition(":")
            value = number(tail) if colon and head else None
            out += read(head, value) if value is not None else read(inner, weight * 1.1)
        i = end + 1
    flush()
    return out


ESCAPED = {f"\\{sign}": chr(0xE000 + i) for i, sign in enumerate("()[]")}


def parsed(prompt):
    for written, private in ESCAPED.items():
        prompt = prompt.replace(written, private)

    def restored(part):
        words, weight = part
        for written, private in ESCAPED.items():
            words = words.replace(private, written[1])
        return words, weight

    return [part and restored(part) for part in read(prompt)]


# Encoding


class Encoder:
    def __init__(self, model, tokenizer, pad, learned, skipped):
        self.model, self.tokenizer, self.pad, self.learned = model, tokenizer, pad, learned
        self.start, self.end = tokenizer.bos_token_id, tokenizer.eos_token_id
        self.skipped = skipped  # layers left out at clip skip 1; the final norm is for models that leave out none

    def groups(self, parts):
        """Lists of (token or vector, weight) that are kept together."""
        for part in parts:
            if part is None:
                yield None
                continue
            words, weight = part
            # The names of embeddings, as ComfyUI writes them or as words; every other piece is such a name.
            names = "|".join(map(re.escape, self.learned))
            for k, piece in enumerate(re.split(rf"(?<![\w-])(?:embedding:)?({names})(?![\w-])", words)):
                if k % 2:
                    yield [(vector, weight) for vector in self.learned[piece]]
                else:
                    yield [(t, weight) for t in self.tokenizer(piece, truncation=False)["input_ids"][1:-1]]

    def chunks(self, parts):
        room, chunks, fresh = CHUNK - 2, [[]], 0
        for group in self.groups(parts):
            if group is None:
                fresh += 1
                continue
            if group:
                chunks += [[] for _ in range(fresh)]
                fresh = 0
            while group:
                free = room - len(chunks[-1])
                if len(group) <= free:
                    chunks[-1] += group
                    break
                if len(group) >= 8:
                    chunks[-1] += group[:free]
                    group = group[free:]
                chunks.append([])
        framed = []
        for chunk in chunks:
            chunk = [(self.start, 1.0)] + chunk + [(self.end, 1.0)]
            framed.append(chunk + [(self.pad, 1.0)] * (CHUNK - len(chunk)))
        return framed

    def states(self, chunks, skip):
        """Hidden states of chunks of tokens and vectors, and the embedding of the whole first one."""
        table = self.model.get_input_embeddings().weight
        rows = torch.stack([torch.stack([t if torch.is_tensor(t) else table[t] for t, _ in chunk]) for chunk in chunks])
        # The vectors take the place of the table's rows under tokens of no consequence.
        ids = torch.tensor([[0 if torch.is_tensor(t) else t for t, _ in chunk] for chunk in chunks])
        hook = self.model.get_input_embeddings().register_forward_hook(lambda *_: rows)
        result = self.model(ids, output_hidden_states=True)
        hook.remove()
        inner = getattr(self.model, "text_model", self.model)
        z = result.hidden_states[-(skip + self.skipped)]
        if not self.skipped:
            z = inner.final_layer_norm(z)
        pooled = None
        if hasattr(self.model, "text_projection"):
            last = inner.final_layer_norm(result.hidden_states[-1])[0]
            first_end = next(i for i, (t, _) in enumerate(chunks[0]) if not torch.is_tensor(t) and t == self.end)
            pooled = self.model.text_projection(last[first_end])
        return z, pooled

    def encode(self, prompt, skip=1, most=None):
        chunks = self.chunks(parsed(prompt))
        empty = self.chunks([])[0]
        chunks += [empty] * ((most or 0) - len(chunks))
        z, pooled = self.states(chunks + [empty], skip)
        z, neutral = z[:-1], z[-1]
        weights = torch.tensor([[w for _, w in chunk] for chunk in chunks])[..., None]
        z = torch.where(weights != 1.0, (z - neutral) * weights + neutral, z)
        return z.reshape(1, -1, z.shape[-1]), pooled


def second_encoder():
    """An OpenCLIP-like encoder over the small vocabulary, padded with "!" (token 0)."""
    torch.manual_seed(11)
    tokenizer = CLIPTokenizer.from_pretrained(f"{HERE}/tokenizer-json")
    config = CLIPTextConfig(
        vocab_size=len(tokenizer), hidden_size=24, intermediate_size=40, num_hidden_layers=3, num_attention_heads=2, max_position_embeddings=CHUNK,
        hidden_act="gelu", projection_dim=20, bos_token_id=tokenizer.bos_token_id, eos_token_id=tokenizer.eos_token_id,
    )
    model = CLIPTextModelWithProjection(config)
    for name, parameter in model.named_parameters():
        if parameter.ndim == 2:
            parameter.data.normal_(0, 0.3)
    return tiny.halved(model), tokenizer


LONG = "the cat and the dog " * 20
ROWS = [
    # name, prompt, clip skip
    ("empty", "", 1),
    ("plain", "a photo of a cat", 1),
    ("number", "a (red:1.4) cat", 1),
    ("below", "a (red:0.3) cat on a (bench:-0.5)", 1),
    ("round", "a (red) ((cat))", 1),
    ("square", "a [red] [[cat]] ([dog])", 1),
    ("nested", "the ((old (mossy:1.5) stone) bridge:0.8) in (the [cold] mist)", 1),
    ("escaped", r"a \(very\) (small\)er:1.3) \[house\]", 1),
    ("break", "a cat BREAK a (dog:1.2)", 1),
    ("break_first", "BREAK a cat BREAK", 1),
    ("long", LONG, 1),
    # 74 tokens, then five that do not fit and stay together, then a long part that is cut.
    ("moved", "cat " * 74 + "(a dog in the rain:1.2) (" + "dog " * 80 + ":0.9)", 1),
    ("skip", "a (red:1.4) cat", 2),
    ("skip_long", "(a cat:1.1) " + LONG, 2),
    ("embedding", "a embedding:two cat", 1),
    ("embedding_weighed", "a (embedding:two, dog:1.3) in the style of (one:0.7)", 1),
    ("embedding_word", "a two one photo", 2),
    ("embedding_moved", "cat " * 74 + "embedding:two", 1),
]
SECOND_ALONE = ["empty", "nested", "break", "skip", "embedding_weighed", "embedding_moved"]


def pictures(texts, tokenizer, tensors):
    """Weighted prompts against other ones, painted by diffusers: `texts` are the encoders of a model, by its name."""
    sd = {"vae": AutoencoderKL.from_pretrained(f"{HERE}/tiny-sd/vae"), "unet": UNet2DConditionModel.from_pretrained(f"{HERE}/tiny-sd/unet"),
          "text_encoder": texts["sd"][0].model, "tokenizer": tokenizer, "feature_extractor": None, "safety_checker": None,
          "requires_safety_checker": False}
    xl = {"vae": families.vae(0.13025), "unet": UNet2DConditionModel.from_pretrained(f"{HERE}/tiny-sdxl/unet", torch_dtype=torch.float32),
          "text_encoder": texts["xl"][0].model, "tokenizer": tokenizer, "text_encoder_2": texts["xl"][1].model, "tokenizer_2": tokenizer,
          "add_watermarker": False}
    rows = []
    for name, model, prompt, negative in [
        ("weighed", "sd", "a photo of a (red:1.4) cat, [blurry]", "blurry, ugly"),
        ("negative", "sd", "a photo of a cat", "(ugly:1.5), (text)"),
        ("embedding", "sd", "a (embedding:two:1.2) cat BREAK in (the garden:0.6)", ""),
        ("xl.weighed", "xl", "a photo of a (red:1.4) cat, [blurry]", "(ugly:1.5), text"),
        ("xl.embedding", "xl", "a (embedding:two:1.2) cat BREAK in (the garden:0.6)", "blurry, ugly"),
    ]:
        sides = texts[model]
        most = max(len(side.chunks(parsed(p))) for side in sides for p in (prompt, negative))
        this, that = ([side.encode(p, most=most) for side in sides] for p in (prompt, negative))
        arguments = {"prompt_embeds": torch.cat([z for z, _ in this], -1), "negative_prompt_embeds": torch.cat([z for z, _ in that], -1)}
        if model == "sd":
            pipe = StableDiffusionPipeline(scheduler=make.scheduler(make.sd15_config(), "euler", "normal"), **sd)
        else:
            pipe = StableDiffusionXLPipeline(scheduler=families.schedule(families.xl_config(), "euler", "normal"), **xl)
            arguments |= {"pooled_prompt_embeds": this[1][1][None], "negative_pooled_prompt_embeds": that[1][1][None]}
        pipe.set_progress_bar_config(disable=True)
        image = pipe(**arguments, width=64, height=64, num_inference_steps=6, guidance_scale=5.0,
                     generator=[torch.Generator("cpu").manual_seed(3)], output_type="np").images
        tensors[f"picture.{name}"] = torch.from_numpy(image[0]).half()
        rows.append({"picture": name, "model": model, "prompt": prompt, "negative": negative, "seed": 3, "steps": 6})
    return rows


def main():
    generator = torch.Generator().manual_seed(5)
    vectors = lambda rows, width: torch.randn(rows, width, generator=generator).half().float()
    learned = {"two": [vectors(2, 16), vectors(3, 24)], "one": [vectors(1, 16), vectors(1, 24)]}
    full = tiny.tokenizer()
    first = CLIPTextModel.from_pretrained(f"{HERE}/tiny-sd/text_encoder", dtype=torch.float32).eval()
    second, small = second_encoder()
    by = lambda i: {name: both[i] for name, both in learned.items()}
    alone = Encoder(first, full, full.eos_token_id, by(0), 0)
    # SD 2.x has the second kind alone, through its final norm.
    open_clip = Encoder(second, small, 0, by(1), 0)
    sides = [Encoder(first, full, full.eos_token_id, by(0), 1), Encoder(second, small, 0, by(1), 1)]

    tensors, rows = {}, []
    for name, both in learned.items():
        for i, matrix in enumerate(both):
            tensors[f"learned.{name}.{i}"] = matrix
    for key, value in second.state_dict().items():
        tensors[f"second.{key.removeprefix('text_model.')}"] = value.half()
    for name, prompt, skip in ROWS:
        said = [part and {"text": part[0], "weight": part[1]} for part in parsed(prompt)]
        rows.append({"name": name, "prompt": prompt, "skip": skip, "second_alone": name in SECOND_ALONE, "parts": said})
        tensors[f"sd.{name}"] = alone.encode(prompt, skip)[0][..., :COLUMNS]
        if name in SECOND_ALONE:
            tensors[f"sd2.{name}"] = open_clip.encode(prompt, skip)[0][..., :COLUMNS]
        if skip > 1 and name != "skip":
            continue
        most = max(len(encoder.chunks(parsed(prompt))) for encoder in sides)
        both = [encoder.encode(prompt, skip, most) for encoder in sides]
        tensors[f"xl.{name}"] = torch.cat([z[..., :COLUMNS] for z, _ in both], -1)
        tensors[f"pooled.{name}"] = both[1][1]
    # SDXL's own second encoder, over the same vocabulary as the first.
    open_clip = CLIPTextModelWithProjection.from_pretrained(f"{HERE}/tiny-sdxl/text_encoder_2", dtype=torch.float32).eval()
    pair = [sides[0], Encoder(open_clip, full, 0, by(1), 1)]
    rows += pictures({"sd": [alone], "xl": pair}, full, tensors)
    write_json(f"{OUT}/prompts.json", rows)
    save_file({k: v.contiguous() for k, v in tensors.items()}, f"{OUT}/prompts.safetensors")


if __name__ == "__main__":
    main()
