"""Train the byte-level language model that comes with the package: writes `src/chunkwise/engine/byte-lm.safetensors`.

    python scripts/train_byte_lm.py --data DIR [--steps N] [--checkpoint FILE] [--out FILE]

DIR holds `lm_text` (public domain books and sentences of Wikipedia) and `chapter_boundaries`, whose books are left out
of the training text. The running Python's own standard library is the rest: its docstrings as prose, its modules as
code. One document in 20, by the hash of its name, is held out for the bits per byte that are printed at the end, read
by the very reader that ships. Which bytes a step sees follows from the seed and the step, so a run that was stopped
goes on from its checkpoint as if it had not been. About 30 minutes on two shared cores.

The weights that ship are of 1,350 steps, and the total was changed three times on the way, which moves the learning
rates: a run of this script gives other weights, and its default of more steps should give better ones. Then SHA256 in
`engine/byte_lm.py` is to be changed and `train_h_net.py` run again.
"""

from __future__ import annotations

import argparse
import ast
import gzip
import hashlib
import json
import lzma
import sysconfig
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save_file
from torch import Tensor, nn

from chunkwise.engine.byte_lm import BLOCK, GRAMS, START, WEIGHTS, ByteLM, gram_rows

SEED = 1
WIDTH, LAYERS, HEADS, INNER = 128, 4, 4, 256
ROWS, GRAM_WIDTH = 1 << 17, 16
BATCH, LENGTH = 2, 1024  # sequences and bytes a step
WARM_UP = 60  # steps
MATRIX_RATE, VECTOR_RATE, GRAM_RATE = 0.02, 0.004, 0.01
SHARES = {"books": 0.64, "wiki": 0.12, "docstrings": 0.14, "code": 0.10}

Bytes = npt.NDArray[np.uint8]


def documents(data: Path) -> Iterator[tuple[str, str, str]]:
    """(kind, name, text) of everything that may be read."""
    with gzip.open(data / "chapter_boundaries" / "books.jsonl.gz", "rt", encoding="utf-8") as file:
        tested = [json.loads(line) for line in file]
    left_out = {book["id"] for book in tested} | {book["title"].casefold() for book in tested}
    for shard in sorted((data / "lm_text").glob("books_*.jsonl.xz")):
        with lzma.open(shard, "rt", encoding="utf-8") as file:
            for book in map(json.loads, file):
                if not {book["id"], book["title"].casefold()} & left_out:
                    yield "books", book["id"], book["text"]
    with gzip.open(data / "lm_text" / "wiki_sentences.txt.gz", "rt", encoding="utf-8") as file:
        lines = file.read().splitlines()
    for start in range(0, len(lines), 50):
        yield "wiki", f"sentences {start}", "\n".join(lines[start : start + 50])
    library = Path(sysconfig.get_paths()["stdlib"])
    for path in sorted(library.rglob("*.py")):
        name = path.relative_to(library).as_posix()
        if any(part in name for part in ("site-packages", "test/", "tests/", "idlelib/", "encodings/")):
            continue
        try:
            source = path.read_text(encoding="utf-8")
            tree = ast.parse(source)
        except (SyntaxError, ValueError):
            continue
        defining = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
        notes = [ast.get_docstring(node) for node in ast.walk(tree) if isinstance(node, defining)]
        yield "docstrings", name, "\n\n".join(filter(None, notes))
        yield "code", name, source


def held_out(name: str) -> bool:
    """Whether a document is kept from training: one in 20, by the hash of its name."""
    return hashlib.sha256(name.encode()).digest()[0] % 20 == 0


class Corpus:
    """Each kind's documents joined, for training and held out."""

    def __init__(self, data: Path) -> None:
        seen: dict[str, list[bytes]] = {kind: [] for kind in SHARES}
        kept: dict[str, list[bytes]] = {kind: [] for kind in SHARES}
        for kind, name, text in documents(data):
            (kept if held_out(name) else seen)[kind].append(text.encode("utf-8", "surrogatepass"))
        self.seen = {kind: np.frombuffer(b"\n\n".join(parts), np.uint8) for kind, parts in seen.items()}
        self.kept = {kind: b"\n\n".join(parts) for kind, parts in kept.items()}

    def batch(self, step: int) -> Bytes:
        """Random stretches [BATCH, LENGTH + 1], the first byte of each the mark of a start."""
        random = np.random.default_rng((SEED, step))
        rows = np.empty((BATCH, LENGTH + 1), np.uint8)
        rows[:, 0] = START
        for row, kind in zip(rows, random.choice(list(SHARES), BATCH, p=list(SHARES.values())), strict=True):
            text = self.seen[kind]
            at = int(random.integers(len(text) - LENGTH))
            row[1:] = text[at : at + LENGTH]
        return rows


class Model(nn.Module):
    """What `ByteLM` reads with, for gradients: see there."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(SEED)

        def matrix(inward: int, outward: int, gain: float = 1.0) -> nn.Parameter:
            return nn.Parameter(torch.randn(inward, outward) * gain * inward**-0.5)

        self.bytes = nn.Parameter(torch.randn(256, WIDTH) * 0.5)
        self.grams = nn.Parameter(torch.randn(ROWS, GRAM_WIDTH) * 0.02)
        self.lift = matrix(len(GRAMS) * GRAM_WIDTH, WIDTH)
        self.ask_key_value = nn.ParameterList(matrix(WIDTH, 3 * WIDTH) for _ in range(LAYERS))
        self.near = nn.ParameterList(nn.Parameter(torch.zeros(HEADS, 2 * BLOCK)) for _ in range(LAYERS))
        self.heard = nn.ParameterList(matrix(WIDTH, WIDTH, 0.0) for _ in range(LAYERS))
        self.expand = nn.ParameterList(matrix(WIDTH, 2 * INNER) for _ in range(LAYERS))
        self.contract = nn.ParameterList(matrix(INNER, WIDTH, 0.0) for _ in range(LAYERS))
        self.answer = matrix(WIDTH, 256, 0.0)
        for layer in range(LAYERS):  # each head begins with its own reach
            slopes = torch.tensor([0.0, 0.01, 0.05, 0.3])[:HEADS, None]
            self.near[layer].data -= slopes * torch.arange(2 * BLOCK)
        i, j = torch.arange(BLOCK)[:, None], torch.arange(2 * BLOCK)[None]
        self.register_buffer("distance", (i + BLOCK - j).clamp(0), persistent=False)
        self.register_buffer("later", i + BLOCK < j, persistent=False)

    def forward(self, given: Tensor, rows: Tensor) -> Tensor:
        """Logits [n, t, 256] of bytes [n, t] and their gram rows [n, t, grams]."""
        n, t = given.shape
        blocks = t // BLOCK
        x = self.bytes[given] + self.grams[rows].reshape(n, t, -1) @ self.lift
        for layer in range(LAYERS):
            qkv = norm(x) @ self.ask_key_value[layer]
            q, k, v = qkv.reshape(n, blocks, BLOCK, 3, HEADS, -1).permute(3, 0, 1, 4, 2, 5)
            k, v = (torch.cat([nn.functional.pad(a, (0, 0, 0, 0, 0, 0, 1, 0))[:, :-1], a], 3) for a in (k, v))
            bias = self.near[layer][:, self.distance].masked_fill(self.later, -torch.inf)
            scores = q @ k.transpose(-1, -2) * q.shape[-1] ** -0.5 + bias
            first = torch.cat([torch.full((BLOCK,), -torch.inf), torch.zeros(BLOCK)])
            scores = torch.cat([scores[:, :1] + first, scores[:, 1:]], 1)
            mixed = (scores.softmax(-1) @ v).transpose(2, 3).reshape(n, t, -1)
            x = x + mixed @ self.heard[layer]
            gate, up = (norm(x) @ self.expand[layer]).chunk(2, -1)
            x = x + (nn.functional.silu(gate) * up) @ self.contract[layer]
        logits: Tensor = norm(x) @ self.answer
        return logits


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal (Jordan et al. 2024), matrices of one shape taken together; torch's own is in bfloat16,
    which a processor without it does at a twentieth of the speed."""

    def __init__(self, shapes: list[list[nn.Parameter]], lr: float, momentum: float = 0.95) -> None:
        super().__init__([{"params": matrices} for matrices in shapes], {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]  # torch overloads it for a closure; none here
        """One step down."""
        for group in self.param_groups:
            for p in group["params"]:
                kept = self.state[p].setdefault("momentum", torch.zeros_like(p))
                kept.mul_(group["momentum"]).add_(p.grad)
            steps = [p.grad + group["momentum"] * self.state[p]["momentum"] for p in group["params"]]
            for p, turned in zip(group["params"], orthogonal(torch.stack(steps)), strict=True):
                p.add_(turned, alpha=-group["lr"] * max(1, p.shape[1] / p.shape[0]) ** 0.5)


def orthogonal(matrices: Tensor) -> Tensor:
    """Each matrix [n, a, b] with its singular values brought near 1, by five steps of a fifth-order iteration."""
    wide = matrices.shape[1] <= matrices.shape[2]
    x = matrices if wide else matrices.mT
    x = x / (x.norm(dim=(1, 2), keepdim=True) + 1e-7)
    for _ in range(5):
        square = x @ x.mT
        x = 3.4445 * x + (-4.7750 * square + 2.0315 * square @ square) @ x
    turned: Tensor = x if wide else x.mT
    return turned


def norm(x: Tensor) -> Tensor:
    """Rows to a mean square of 1."""
    return nn.functional.rms_norm(x, x.shape[-1:], eps=1e-6)


def rate(step: int, steps: int) -> float:
    """Up over the first steps, then level, then down to nothing over the last two thirds."""
    return min(1.0, (step + 1) / WARM_UP, 1.5 * (steps - step) / steps)


def train(corpus: Corpus, steps: int, checkpoint: Path) -> Model:
    """The model after `steps` steps, going on from the checkpoint where there is one."""
    model = Model()
    optimisers: list[torch.optim.Optimizer] = [
        Muon([list(getattr(model, name)) for name in ("ask_key_value", "heard", "expand", "contract")], MATRIX_RATE),
        torch.optim.Adam(
            [
                {"params": [model.grams], "lr": GRAM_RATE},
                {"params": [model.bytes, model.lift, model.answer, *model.near], "lr": VECTOR_RATE},
            ],
            betas=(0.9, 0.98),
            eps=1e-10,
        ),
    ]
    rates = [[group["lr"] for group in optimiser.param_groups] for optimiser in optimisers]
    done = 0
    if checkpoint.exists():
        state = torch.load(checkpoint, weights_only=True)
        done = state["step"]
        model.load_state_dict(state["model"])
        for optimiser, kept in zip(optimisers, state["optimisers"], strict=True):
            optimiser.load_state_dict(kept)
    started, mean = time.perf_counter(), 0.0
    for step in range(done, steps):
        batch = corpus.batch(step)
        rows = np.stack([gram_rows(row[:-1], ROWS) for row in batch])
        logits = model(torch.from_numpy(batch[:, :-1].astype(np.int64)), torch.from_numpy(rows))
        following = torch.from_numpy(batch[:, 1:].astype(np.int64))
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), following.flatten())
        torch.autograd.backward(loss)
        for optimiser, base in zip(optimisers, rates, strict=True):
            for group, most in zip(optimiser.param_groups, base, strict=True):
                group["lr"] = most * rate(step, steps)
            optimiser.step()
            optimiser.zero_grad()
        mean += loss.item()
        if (step + 1) % 50 == 0 or step + 1 == steps:
            passed = time.perf_counter() - started
            bits = mean / (step % 50 + 1) / np.log(2)
            print(f"step {step + 1}: {bits:.3f} bits per byte, {passed:.0f} s", flush=True)
            mean = 0.0
            state = {
                "step": step + 1,
                "model": model.state_dict(),
                "optimisers": [optimiser.state_dict() for optimiser in optimisers],
            }
            torch.save(state, checkpoint.with_suffix(".part"))
            checkpoint.with_suffix(".part").replace(checkpoint)
    return model


def export(model: Model, out: Path) -> None:
    """Write the weights as `ByteLM` reads them: n-gram vectors in 8 bits, the rest in 16."""
    grams = model.grams.detach().numpy()
    scales = 4.5 * grams[np.abs(grams).max(1) > 0.05].std(0) / 127
    layers: dict[str, npt.NDArray[Any]] = {
        f"layers.{layer}.{name}": getattr(model, name)[layer].detach().numpy()
        for name in ("ask_key_value", "heard", "expand", "contract", "near")
        for layer in range(LAYERS)
    }
    plain = {name: getattr(model, name).detach().numpy() for name in ("bytes", "lift", "answer")}
    arrays = {name: array.astype(np.float16) for name, array in (layers | plain).items()}
    arrays["grams"] = np.clip(np.rint(grams / scales), -127, 127).astype(np.int8)
    arrays["gram_scales"] = scales.astype(np.float32)
    digest = hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()
    save_file(arrays, out, {"name": f"byte-lm-{digest[:8]}", "layers": str(LAYERS)})
    print(f"{out}: {out.stat().st_size} bytes, sha256 {hashlib.sha256(out.read_bytes()).hexdigest()}")


def report(corpus: Corpus, out: Path, length: int = 40_000) -> None:
    """Print bits per byte of what was held out, of each kind, beside an order-3 model and xz."""
    lm = ByteLM(out, expected=None)
    for kind, kept in corpus.kept.items():
        text = kept[:length].decode("utf-8", "ignore")
        encoded = text.encode()
        started = time.perf_counter()
        bits = lm.surprise(text).nats.sum() / np.log(2) / len(encoded)
        speed = len(encoded) / 1000 / (time.perf_counter() - started)
        packed = 8 * len(lzma.compress(encoded, preset=9 | lzma.PRESET_EXTREME)) / len(encoded)
        counted = order_three(corpus.seen[kind], np.frombuffer(encoded, np.uint8))
        print(f"{kind}: {bits:.3f} bits per byte at {speed:.0f} kB/s; order-3 counts {counted:.3f}, xz {packed:.3f}")


def order_three(seen: Bytes, kept: Bytes, most: int = 20_000_000) -> float:
    """Bits per byte of counts of three bytes and the next, each order backing off to the one below with weight 4."""
    chance = np.full(len(kept) - 3, 1 / 256)
    for order in range(4):
        before, whole = (_keys(seen[:most], n) for n in (order, order + 1))
        asked, full = _keys(kept, order)[3 - order : len(kept) - order], _keys(kept, order + 1)[3 - order :]
        often, both = _counts(before, asked), _counts(whole, full)
        chance = (both + 4 * chance) / (often + 4)
    return float(-np.log2(chance).mean())


def _keys(read: Bytes, n: int) -> npt.NDArray[np.int64]:
    """Each n bytes as one number, at where they begin; [len(read) - n + 1]."""
    keys = np.zeros(len(read) - n + 1, np.int64)
    for place in range(n):
        keys = keys * 256 + read[place : len(keys) + place]
    return keys


def _counts(keys: npt.NDArray[np.int64], asked: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    known, times = np.unique(keys, return_counts=True)
    at = np.minimum(np.searchsorted(known, asked), len(known) - 1)
    return np.where(known[at] == asked, times[at], 0)


def main() -> None:
    """Train, write the weights, say how well they read."""
    options = argparse.ArgumentParser(description="Train the byte-level language model.")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--steps", type=int, default=2000, help="0 to write what the checkpoint holds")
    options.add_argument("--checkpoint", type=Path, default=Path("byte-lm.checkpoint"))
    options.add_argument("--out", type=Path, default=WEIGHTS)
    chosen = options.parse_args()
    torch.set_num_threads(1)  # products this small are not worth the waiting for a second thread
    corpus = Corpus(chosen.data)
    export(train(corpus, chosen.steps, chosen.checkpoint), chosen.out)
    report(corpus, chosen.out)


if __name__ == "__main__":
    main()
