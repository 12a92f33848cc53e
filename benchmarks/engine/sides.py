"""The sides of a comparison: one random model for all, and turns, so that a busy machine is fair to each."""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.loop import Engine
from chunkwise.engine.sample import Sampler, transforms
from chunkwise.engine.schedule import Request
from chunkwise.recipe import build

VOCABULARY = 32_000
GREEDY = Sampler(transforms("temperature:t=0"))


@dataclass(frozen=True)
class Turn:
    """What the turns of one side took, in seconds: the best and the median by the clock, the best of the processors."""

    clock: float
    median: float
    processor: float

    def __str__(self) -> str:
        return f"{1e3 * self.clock:,.1f}"


def models(positions: int = 40_960) -> tuple[Any, Decoder, Decoder]:
    """The same random Llama of 100 million parameters for transformers and for us, both float32, and for us in int8.

    12 layers of width 768, 12 query and 4 key-value heads of 64, 2,048 within, 32,000 tokens, tied.
    """
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    shape: dict[str, Any] = {
        "vocab_size": VOCABULARY,
        "hidden_size": 768,
        "intermediate_size": 2048,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "num_key_value_heads": 4,
        "max_position_embeddings": positions,
        "rope_parameters": {"rope_type": "default", "rope_theta": 500_000.0},
        "tie_word_embeddings": True,
        "attn_implementation": "sdpa",
        "bos_token_id": 1,
        "eos_token_id": None,
        "pad_token_id": 0,
    }
    peer: Any = LlamaForCausalLM(LlamaConfig(**shape))
    peer = peer.float().train(mode=False)
    with tempfile.TemporaryDirectory() as folder:
        peer.save_pretrained(folder)
        return peer, Decoder.load(Path(folder)), Decoder.load(Path(folder), quantise="int8")


RESULTS = machine.RESULTS / "engine"


def options(about: str | None, rounds: int) -> argparse.ArgumentParser:
    """What every comparison can be asked."""
    made = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    made.add_argument("--threads", type=int, default=os.cpu_count(), help="%(default)s")
    made.add_argument("--rounds", type=int, default=rounds, help="turns of each side; %(default)s")
    made.add_argument("--out", type=Path, default=RESULTS)
    return made


def begin(asked: argparse.Namespace) -> None:
    """Torch as the comparison wants it."""
    torch.set_num_threads(asked.threads)
    torch.set_grad_enabled(False)


def write(asked: argparse.Namespace, name: str, found: dict[str, Any], table: Callable[[dict[str, Any]], str]) -> None:
    """The figures, with the threads and the machine, as NAME.json and NAME.md."""
    found |= {"threads": asked.threads, "setting": machine.setting("chunkwise", "torch", "transformers")}
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / f"{name}.json").write_text(json.dumps(found, indent=1) + "\n")
    (asked.out / f"{name}.md").write_text(table(found))


def by_turns(
    sides: Mapping[str, Callable[[], object]], rounds: int, warm: int = 1, seconds: float = 60
) -> dict[str, Turn]:
    """Each side once a round, in turn; no new round is begun after `seconds`, save to have two of them."""
    for _ in range(warm):
        for side in sides.values():
            side()
    taken: dict[str, list[tuple[float, float]]] = {name: [] for name in sides}
    began = time.perf_counter()
    for number in range(rounds):
        if number > 1 and time.perf_counter() - began > seconds:
            break
        for name, side in sides.items():
            processor, clock = time.process_time(), time.perf_counter()
            side()
            taken[name].append((time.perf_counter() - clock, time.process_time() - processor))
    return {
        name: Turn(min(clock), float(np.median(clock)), min(processor))
        for name, (clock, processor) in ((name, zip(*all_, strict=True)) for name, all_ in taken.items())
    }


def drawn(seed: int, tokens: int) -> np.ndarray[Any, np.dtype[np.int32]]:
    """Random tokens, int32."""
    return np.random.default_rng(seed).integers(300, VOCABULARY, tokens).astype(np.int32)


def engine(decoder: Decoder, slots: int, scheduler: str = "sarathi-serve:budget=2048") -> Engine:
    """An engine with so much room."""
    return Engine(decoder, slots, build(scheduler, "serve-schedule"))


def holding(decoder: Decoder, batch: int, context: int, room: int = 256) -> Engine:
    """An engine in the middle of decoding `batch` requests that hold `context` tokens each, of random keys and values.

    The next `room` steps put out one token of each.
    """
    made = engine(decoder, batch * (context + room))
    for tensors in (made.arena.keys, made.arena.values):
        for tensor in tensors:
            tensor.normal_()
    for number in range(batch):
        tokens = drawn(number, context)
        made.tree.insert(made.tree.root(), tokens[:-1], made.arena.allocate(context - 1))
        made.add(Request(number, context, room, prompt=tokens), GREEDY)
    made.step()
    assert made.computed == batch, "what they hold was not found"
    return made


def bandwidth() -> float:
    """Bytes a second that this machine reads from its memory, with as many threads as torch has."""
    x = torch.ones(1 << 28)
    turns = by_turns({"read": x.sum}, rounds=5)
    return x.nbytes / turns["read"].clock
