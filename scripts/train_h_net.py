"""Train H-Net's boundary module on the byte model's states: writes `src/chunkwise/segment/surprise/h-net.safetensors`.

    python scripts/train_h_net.py --data DIR [--out FILE]

After `train_byte_lm.py`, whose text it reads and whose model stays as it is. The two projections learn to tell where a
sentence begins, under the paper's ratio loss with N the mean length of a sentence. A minute or two on one core.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import torch
from safetensors.numpy import save_file
from train_byte_lm import SEED, documents, held_out

from chunkwise.engine.byte_lm import ByteLM
from chunkwise.segment import outline
from chunkwise.segment.sentence import sentences
from chunkwise.segment.surprise.dynamic import WEIGHTS, begins, boundary_chances, ratio_loss
from chunkwise.units import Document, Floats

STRETCH, EACH = 6000, {"books": 24, "wiki": 8, "docstrings": 8}  # characters of a text, texts of a kind
DEPTH, STEPS, BATCH, RATE, RATIO_WEIGHT = 16, 1500, 4096, 0.01, 1.0


def states_of(texts: list[str], lm: ByteLM) -> tuple[Floats, Floats, Floats]:
    """States before and at each character but a text's first, and whether a sentence begins there."""
    before, here, begun = [], [], []
    for text in texts:
        states = lm.surprise(text, states=True).states
        assert states is not None
        first = np.zeros(len(text), np.float32)
        first[[span.start for span in sentences(text, outline(Document.of(text)))]] = 1
        before.append(states[:-1])
        here.append(states[1:])
        begun.append(first[1:])
    return np.concatenate(before), np.concatenate(here), np.concatenate(begun)


def main() -> None:
    """Read, train, write, say how the ratio came out."""
    options = argparse.ArgumentParser(description="Train H-Net's boundary module.")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--out", type=Path, default=WEIGHTS)
    chosen = options.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(SEED)
    lm = ByteLM()
    texts: dict[bool, list[str]] = {False: [], True: []}
    taken = dict.fromkeys(((kind, kept) for kind in EACH for kept in texts), 0)
    for kind, name, text in documents(chosen.data):
        kept = held_out(name)
        if kind in EACH and taken[kind, kept] < EACH[kind] // (4 if kept else 1) and len(text) >= STRETCH:
            taken[kind, kept] += 1
            middle = (len(text) - STRETCH) // 2
            texts[kept].append(text[middle : middle + STRETCH])
    before, here, begun = (torch.from_numpy(part) for part in states_of(texts[False], lm))
    n = len(begun) / float(begun.sum())
    ask, key = (torch.nn.Parameter(torch.randn(DEPTH, lm.width) * lm.width**-0.5) for _ in range(2))
    optimiser = torch.optim.Adam([ask, key], lr=RATE)
    for step in range(STEPS):
        some = torch.randint(len(begun), (BATCH,))
        alike = torch.cosine_similarity(here[some] @ ask.T, before[some] @ key.T, dim=1)
        chance = ((1 - alike) / 2).clamp(1e-4, 1 - 1e-4)
        f, g = (chance >= 0.5).float().mean(), chance.mean()
        ratio = n / (n - 1) * ((n - 1) * f * g + (1 - f) * (1 - g))
        loss = torch.nn.functional.binary_cross_entropy(chance, begun[some]) + RATIO_WEIGHT * ratio
        optimiser.param_groups[0]["lr"] = RATE * (1 - step / STEPS)
        optimiser.zero_grad()
        torch.autograd.backward(loss)
        optimiser.step()
    arrays = {"ask": ask.detach().numpy().astype(np.float16), "key": key.detach().numpy().astype(np.float16)}
    digest = hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()
    save_file(arrays, chosen.out, {"name": f"h-net-{digest[:8]}", "model": lm.name, "ratio": f"{n:.1f}"})
    _, states, begun_kept = states_of(texts[True], lm)
    chances = boundary_chances(states, *(array.astype(np.float32) for array in arrays.values()))
    found, true = begins(chances), begun_kept > 0
    hit = (found & true).sum()
    every = 1 / found.mean()
    print(f"a chunk every {every:.1f} characters held out, trained for {n:.1f}; loss {ratio_loss(chances, n):.3f}")
    print(f"sentence starts: precision {hit / found.sum():.3f}, recall {hit / true.sum():.3f}")


if __name__ == "__main__":
    main()
