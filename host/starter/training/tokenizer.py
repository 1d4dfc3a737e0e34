"""The starter's own vocabulary: CLIP's kind of byte pairs, learned from the maker's captions.

Words it never saw fall to letters, which training mixes into captions as words that mean nothing.
"""
import json
import os

from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, trainers
from tokenizers.pre_tokenizers import ByteLevel
from transformers import CLIPTokenizer

START, END = "<|startoftext|>", "<|endoftext|>"
SIZE = 1400


def train(captions, folder):
    """Writes vocab.json, merges.txt and the two configurations to `folder`."""
    bpe = Tokenizer(models.BPE(end_of_word_suffix="</w>", continuing_subword_prefix=""))
    bpe.normalizer = normalizers.Sequence([normalizers.NFC(), normalizers.Lowercase()])
    pattern = r"'s|'t|'re|'ve|'m|'ll|'d|[\p{L}]+|[\p{N}]|[^\s\p{L}\p{N}]+"
    from tokenizers import Regex
    bpe.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(pattern), "removed", invert=True), ByteLevel(add_prefix_space=False, use_regex=False)])
    letters = sorted(ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=SIZE - 514, special_tokens=[], initial_alphabet=letters, end_of_word_suffix="</w>",
        show_progress=False, min_frequency=5)
    bpe.train_from_iterator(captions, trainer)
    merges = [tuple(m) for m in json.loads(bpe.to_str())["model"]["merges"]]
    # CLIP's order: letters, letters that end a word, merges, the two special tokens.
    tokens = letters + [letter + "</w>" for letter in letters] + [a + b for a, b in merges]
    tokens = list(dict.fromkeys(tokens)) + [START, END]
    os.makedirs(folder, exist_ok=True)
    write = lambda name, value: open(os.path.join(folder, name), "w").write(json.dumps(value, indent=1, ensure_ascii=False))
    write("vocab.json", {token: i for i, token in enumerate(tokens)})
    with open(os.path.join(folder, "merges.txt"), "w") as out:
        out.write("#version: 0.2\n" + "".join(f"{a} {b}\n" for a, b in merges))
    write("special_tokens_map.json", {"bos_token": START, "eos_token": END, "pad_token": END, "unk_token": END})
    write("tokenizer_config.json", {
        "tokenizer_class": "CLIPTokenizer", "model_max_length": 77, "bos_token": START, "eos_token": END,
        "pad_token": END, "unk_token": END, "do_lower_case": True, "add_prefix_space": False, "errors": "replace"})
    return load(folder)


def load(folder):
    """The tokenizer of `folder` as diffusers will load it."""
    return CLIPTokenizer.from_pretrained(folder)
