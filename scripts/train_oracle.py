"""Train the oracle that comes with the package: writes `src/chunkwise/engine/oracle/weights/model.safetensors`.

    python scripts/train_oracle.py [--start FILE] [--steps N] [--checkpoint FILE] [--out FILE]

First recall alone, in contexts that grow from 64 to 1,024 tokens whenever 97 % of the answers are right; then N steps
of the tasks of `engine/oracle/tasks.py` at 128 to 512 tokens. What makes so small a model learn at all: heads of 64
dimensions over a RoPE base of a million, so that enough of their pairs turn slowly; and heads of the first layer that
begin by looking at the token before and the one before that, planted in the biases of queries and keys. Everything is
trained from there. What a step sees follows from the seed and the step, so a run that was stopped goes on from its
checkpoint. One thread of CPU: about 20 minutes for recall and 5 for the rest.

The weights that ship came in three runs, and not by this very code: recall by an earlier form of the script (the same
shape, planting, curriculum, optimiser and rates); from those weights 250 steps of all tasks in other shares at half the
rate; from those 932 steps as below, but by a rate that fell by the clock and other draws. A run of this script
gives other weights, it is hoped of the same kind: its first part was not run. Then SHA256 in
`engine/oracle/model.py` is to be changed.
"""

from __future__ import annotations

import argparse
import hashlib
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor
from torch.nn import functional

from chunkwise.engine.config import Config
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.oracle import tasks
from chunkwise.engine.oracle.measures import Full
from chunkwise.engine.oracle.model import WEIGHTS

SHAPE = Config.load(WEIGHTS)
SEED = 0
INITIAL, PLANTED = 0.08, 5.0  # deviation of the matrices; the biases of the planted heads
STAGES = ((64, 4), (64, 6), (128, 12), (256, 24), (512, 32), (1024, 48))  # of recall: tokens, pairs
LEARNT, FORGETTING, LEAST = 0.97, 0.95, 40  # accuracy that ends a stage, on a running average, after so many steps
EARLIER = 0.25  # share of steps from a stage before
LENGTHS = {128: 0.35, 256: 0.35, 512: 0.3}
MIX = {"recall": 0.1, "pairs": 0.1, "compound_key": 0.1, "majority": 0.12, "count": 0.03, "span": 0.3, "copy": 0.25}
RATE, TOKENS = 2e-3, (4096, 2048)  # tokens a step, of recall and of all tasks
WARM_UP = 30  # steps


class Parameters(dict[str, Tensor]):
    """The weights by their names in the file, made when a decoder first asks for them."""

    def take(self, name: str, shape: Sequence[int]) -> Tensor:
        """See `decoder.Source`."""
        if name not in self:
            drawn = torch.ones(*shape) if name.endswith("norm.weight") else torch.zeros(*shape)
            self[name] = drawn if len(shape) == 1 else torch.randn(*shape) * INITIAL
        return self[name].requires_grad_()

    @torch.no_grad()
    def plant(self) -> None:
        """Let the first two heads attend 1 and 2 tokens back: their scores become sums of cos(turn * (gap - back))."""
        half, layer = SHAPE.head_dim // 2, "model.layers.0.self_attn"
        turns = SHAPE.rotary.theta ** (-torch.arange(half) / half)
        self[f"{layer}.k_proj.bias"][:half] += PLANTED
        queries = self[f"{layer}.q_proj.bias"].view(SHAPE.heads, 2, half)
        for head, back in ((0, 1), (1, 2)):
            queries[head, 0] += PLANTED * torch.cos(back * turns)
            queries[head, 1] -= PLANTED * torch.sin(back * turns)


class Training:
    """Weights and all that a run goes on from. start: weights that have learnt recall, None for new ones."""

    def __init__(self, start: Path | None) -> None:
        torch.manual_seed(SEED)
        self.parameters = Parameters()
        Decoder(SHAPE, self.parameters)
        self.stage, self.accuracy, self.step, self.since = 0, 0.0, 0, 0
        if start is None:
            self.parameters.plant()
        else:
            with torch.no_grad():
                for name, tensor in load_file(start).items():
                    self.parameters[name].copy_(tensor)
            self.stage = len(STAGES)
        weights = list(self.parameters.values())
        self.optimiser = torch.optim.AdamW(weights, RATE, betas=(0.9, 0.98), weight_decay=0.01)

    def learn(self, batch: tasks.Batch, rate: float) -> float:
        """One step; gives the share of answer tokens that were right before it."""
        tokens, places = torch.from_numpy(batch.tokens), torch.from_numpy(batch.answers).ravel()
        rows, length = tokens.shape
        decoder = Decoder(SHAPE, self.parameters)  # of parameters as they are now: it joins some of them
        at = (torch.arange(rows)[:, None] * length + places - 1).ravel()
        logits = decoder(tokens.ravel(), Full(decoder, rows).of([length] * rows), at)
        truth = tokens[:, places].ravel()
        torch.autograd.backward(functional.cross_entropy(logits, truth))
        torch.nn.utils.clip_grad_norm_(self.parameters.values(), 1.0)
        for group in self.optimiser.param_groups:
            group["lr"] = rate * min(1.0, (self.since + 1) / WARM_UP)
        self.optimiser.step()
        self.optimiser.zero_grad(set_to_none=True)
        self.step, self.since = self.step + 1, self.since + 1
        return (logits.argmax(-1) == truth).float().mean().item()

    def recall(self) -> str:
        """One step of the curriculum; says what it was."""
        random = np.random.default_rng((SEED, self.step))
        earlier = self.stage > 0 and random.random() < EARLIER
        length, pairs = STAGES[random.integers(self.stage) if earlier else self.stage]
        rows, answer = TOKENS[0] // length, int(random.integers(1, 3))
        right = self.learn(tasks.recall(random, rows, length, pairs, min(pairs, 24), answer), RATE)
        if not earlier:
            self.accuracy = FORGETTING * self.accuracy + (1 - FORGETTING) * right
        if self.accuracy > LEARNT and self.since > LEAST:
            self.stage, self.accuracy, self.since = self.stage + 1, 0.5, WARM_UP * (self.stage + 1 < len(STAGES))
        return f"recall of {pairs} in {length}: {self.accuracy:.2f}"

    def mixed(self, steps: int) -> str:
        """One of `steps` steps of all tasks; says what it was."""
        random = np.random.default_rng((SEED, self.step))
        length = int(random.choice(list(LENGTHS), p=list(LENGTHS.values())))
        name = str(random.choice(list(MIX), p=list(MIX.values())))
        rows = TOKENS[1] // length
        if name == "recall":
            batch = tasks.recall(random, rows, length, questions=length // 16)
        elif name == "pairs":
            batch = tasks.recall(random, rows, length, length // 24, length // 24, answer=2)
        elif name == "majority":
            batch = tasks.majority(random, rows, length, winning=int(random.integers(4, 7)))
        elif name == "copy":
            batch = tasks.copy(random, rows, length, length // 3)
        else:
            batch = tasks.TASKS[name](random, rows, length)
        fall = min(1.0, max(0.03, 3 * (1 - self.since / steps)))
        return f"{name} in {length}: {self.learn(batch, RATE * fall):.2f}"

    def keep(self, path: Path) -> None:
        """Write the checkpoint."""
        scalars = {name: getattr(self, name) for name in ("stage", "accuracy", "step", "since")}
        torch.save({"weights": dict(self.parameters), "optimiser": self.optimiser.state_dict(), **scalars}, path)

    def resume(self, path: Path) -> None:
        """Go on from a checkpoint."""
        held = torch.load(path, weights_only=True)
        with torch.no_grad():
            for name, tensor in held.pop("weights").items():
                self.parameters[name].copy_(tensor)
        self.optimiser.load_state_dict(held.pop("optimiser"))
        vars(self).update(held)


def main() -> None:
    """Train, write the weights, print their sha256."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--start", type=Path, help="weights that have learnt recall; the first part is left out")
    options.add_argument("--steps", type=int, default=2500, help="of all tasks; %(default)s")
    options.add_argument("--checkpoint", type=Path, help="where a run is kept, and goes on from")
    options.add_argument("--out", type=Path, default=WEIGHTS / "model.safetensors")
    asked = options.parse_args()
    torch.set_num_threads(1)
    training, began = Training(asked.start), time.monotonic()
    if asked.checkpoint and asked.checkpoint.exists():
        training.resume(asked.checkpoint)
    while training.stage < len(STAGES) or training.since < asked.steps:
        said = training.recall() if training.stage < len(STAGES) else training.mixed(asked.steps)
        if training.step % 50 == 0:
            print(f"{time.monotonic() - began:6.0f} s  step {training.step}  {said}", flush=True)
            if asked.checkpoint:
                training.keep(asked.checkpoint)
    save_file({name: tensor.detach().half() for name, tensor in training.parameters.items()}, asked.out)
    print(f"{asked.out}: sha256 {hashlib.sha256(asked.out.read_bytes()).hexdigest()}")


if __name__ == "__main__":
    main()
