#!/usr/bin/env python3
"""heed and torch.nn.Transformer from the same weights.

    BIN=build python3 tests/torch_twin.py

1. Trains a small heed model, loads its file into torch.nn.Transformer with embeddings, and compares the logits of 100
   sentence pairs: to 1e-5 of the largest logit.
2. Trains the torch model a little further, writes a file that heed loads, and compares greedy translations, word for word,
   and logits again.

For pre-norm and post-norm. Needs Debian's python3-torch; the last line is `N passed, N failed`.
"""
import json
import math
import os
import struct
import subprocess
import sys
import tempfile

import torch
import torch.nn as nn
import torch.nn.functional as F

HEED = os.path.join(os.path.abspath(os.environ.get("BIN", "build")), "translate_toy")
PAD, BOS, EOS, UNK = range(4)
passed = failed = 0


def report(name, fine, detail=""):
    global passed, failed
    passed, failed = passed + fine, failed + (not fine)
    print("%-7s %s%s" % ("ok" if fine else "FAILED", name, ": " + detail if detail else ""))


def heed(*arguments, lines=None):
    done = subprocess.run([HEED, *arguments], input=lines, capture_output=True, text=True)
    if done.returncode:
        sys.exit("translate_toy %s: exit %d\n%s" % (" ".join(arguments), done.returncode, done.stderr))
    return done.stdout


def read_safetensors(path):
    with open(path, "rb") as f:
        data = f.read()
    (size,) = struct.unpack("<Q", data[:8])
    header, body = json.loads(data[8:8 + size]), data[8 + size:]
    metadata = header.pop("__metadata__", {})
    tensors = {}
    for name, entry in header.items():
        assert entry["dtype"] == "F32", name
        begin, end = entry["data_offsets"]
        tensors[name] = torch.frombuffer(bytearray(body[begin:end]), dtype=torch.float32).reshape(entry["shape"])
    return tensors, metadata


def write_safetensors(path, tensors, metadata):
    header, body, at = {"__metadata__": metadata}, [], 0
    for name, tensor in tensors.items():
        raw = tensor.detach().contiguous().numpy().tobytes()
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [at, at + len(raw)]}
        body.append(raw)
        at += len(raw)
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text + b"".join(body))


class Twin(nn.Module):
    """torch.nn.Transformer with embeddings scaled by sqrt(d), sinusoidal positions and a tied output."""

    def __init__(self, config, source, target):
        super().__init__()
        d = config["d-model"]
        self.d = d
        self.core = nn.Transformer(d, config["heads"], config["layers"], config["layers"], config["ffn"], dropout=0.0,
                                   norm_first=not config["post-norm"], batch_first=True)
        self.src_embed, self.tgt_embed = nn.Embedding(source, d), nn.Embedding(target, d)

    def load(self, tensors):
        core = {n: t for n, t in tensors.items() if n.startswith(("encoder.", "decoder."))}
        self.core.load_state_dict(core, strict=True)
        self.src_embed.load_state_dict({"weight": tensors["src_embed.weight"]})
        self.tgt_embed.load_state_dict({"weight": tensors["tgt_embed.weight"]})

    def state(self):
        return {**self.core.state_dict(), "src_embed.weight": self.src_embed.weight,
                "tgt_embed.weight": self.tgt_embed.weight}

    def embed(self, table, ids):
        rate = torch.exp(torch.arange(0, self.d, 2, dtype=torch.float64) * (-math.log(10000.0) / self.d))
        angle = torch.arange(ids.shape[1], dtype=torch.float64)[:, None] * rate
        code = torch.stack([angle.sin(), angle.cos()], -1).reshape(ids.shape[1], -1)[:, :self.d].float()
        return F.embedding(ids, table.weight, padding_idx=PAD) * math.sqrt(self.d) + code

    def forward(self, src, tgt):
        causal = torch.triu(torch.ones(tgt.shape[1], tgt.shape[1], dtype=torch.bool), 1)
        padding = src == PAD
        y = self.core(self.embed(self.src_embed, src), self.embed(self.tgt_embed, tgt), tgt_mask=causal,
                      src_key_padding_mask=padding, memory_key_padding_mask=padding)
        return F.linear(y, self.tgt_embed.weight)

    def greedy(self, src):
        out = [BOS]
        for _ in range(2 * src.shape[1] + 10):
            out.append(int(self(src, torch.tensor([out]))[0, -1].argmax()))
            if out[-1] == EOS:
                return out[1:-1]
        return out[1:]


def batch(rows):
    width = max(map(len, rows))
    return torch.tensor([r + [PAD] * (width - len(r)) for r in rows])


def compare_logits(name, twin, pairs, path):
    ours, _ = read_safetensors(path)
    worst = largest = 0.0
    with torch.no_grad():
        for i, (src, tgt) in enumerate(pairs):
            theirs = twin(torch.tensor([src + [EOS]]), torch.tensor([[BOS] + tgt]))[0]
            worst = max(worst, float((theirs - ours[str(i)]).abs().max()))
            largest = max(largest, float(theirs.abs().max()))
    report(name, worst <= 1e-5 * largest, "off by %.2g of %.3g" % (worst, largest))


def run(room, extra):
    name = "post-norm" if extra else "pre-norm"
    pairs_file, model = os.path.join(room, "pairs.tsv"), os.path.join(room, name)
    lines = heed("corpus", "--n", "100").splitlines()
    with open(pairs_file, "w") as f:
        f.write("\n".join(lines) + "\n")
    heed("train", "--data", pairs_file, "--valid", pairs_file, "--out", model, "--layers", "2", "--d-model", "32",
         "--heads", "4", "--ffn", "48", "--steps", "60", "--warmup", "20", "--valid-every", "60", *extra)
    tensors, metadata = read_safetensors(os.path.join(model, "model.safetensors"))
    config = json.loads(metadata["configuration"])
    words = [["<pad>", "<bos>", "<eos>", "<unk>"] + [w for w, _ in json.loads(metadata[side + "_vocabulary"])["words"]]
             for side in ("source", "target")]
    ids = [{w: i for i, w in enumerate(side) if i >= 4} for side in words]
    pairs = [[[side[w] for w in text.split()] for side, text in zip(ids, line.split("\t"))] for line in lines]
    twin = Twin(config, len(words[0]), len(words[1])).train()  # dropout is 0; keeps torch off its inference fast path
    twin.load(tensors)
    logits = os.path.join(room, "logits.safetensors")
    heed("evaluate", "--model", model, "--data", pairs_file, "--logits", logits)
    compare_logits(name + ": torch's logits from heed's file", twin, pairs, logits)

    torch.manual_seed(1)
    optimiser = torch.optim.Adam(twin.parameters(), lr=3e-3)
    src, tgt = batch([s + [EOS] for s, _ in pairs]), batch([[BOS] + t + [EOS] for _, t in pairs])
    for _ in range(60):
        optimiser.zero_grad()
        out = twin(src, tgt[:, :-1])
        F.cross_entropy(out.reshape(-1, out.shape[-1]), tgt[:, 1:].reshape(-1), ignore_index=PAD).backward()
        optimiser.step()
    theirs = os.path.join(room, name + ".torch.safetensors")
    write_safetensors(theirs, {n: twin.state()[n] for n in tensors if not n.startswith("optim.")}, metadata)
    heed("evaluate", "--model", theirs, "--data", pairs_file, "--logits", logits)
    compare_logits(name + ": heed's logits from torch's file", twin, pairs, logits)
    ours = heed("translate", "--model", theirs, lines="".join(l.split("\t")[0] + "\n" for l in lines)).splitlines()
    with torch.no_grad():
        same = sum(" ".join(words[1][i] for i in twin.greedy(torch.tensor([s + [EOS]]))) == o
                   for (s, _), o in zip(pairs, ours))
    report(name + ": translations alike", same == len(pairs), "%d of %d" % (same, len(pairs)))


with tempfile.TemporaryDirectory() as folder:
    run(folder, [])
    run(folder, ["--post-norm"])
print("%d passed, %d failed" % (passed, failed))
sys.exit(failed > 0)
