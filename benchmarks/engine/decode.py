"""A decode step against transformers', with its default cache and its preallocated one, and against the memory's speed.

python -m benchmarks.engine.decode
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch

from benchmarks import machine
from benchmarks.engine.sides import Turn, bandwidth, begin, by_turns, drawn, engine, holding, models, options, write
from chunkwise.engine.attention import Cached, Part, Plan
from chunkwise.engine.decoder import Decoder

SHAPES = ((1, 512), (1, 16_384), (8, 512), (8, 4_096), (8, 16_384))
FEW = 40_000  # tokens held up to which one more side finds room beside the others


def main() -> None:
    """Measure every shape and write decode.json and decode.md."""
    asked = options(__doc__, rounds=12).parse_args()
    begin(asked)
    peer, decoder, quantised = models()
    speed = bandwidth()
    weights = sum(parameter.nbytes for parameter in peer.parameters())
    rows: list[dict[str, Any]] = []
    for batch, context in SHAPES:
        ours = holding(decoder, batch, context)
        sides: dict[str, Callable[[], object]] = {
            "default cache": _peer(peer, batch, context, static=False),
            "static cache": _peer(peer, batch, context, static=True),
            "chunkwise": ours.step,
            "chunkwise, not compiled": _plain(holding(decoder, batch, context).step),
        }
        if batch * context <= FEW:
            sides["int8"] = holding(quantised, batch, context).step
        turns = by_turns(sides, asked.rounds)
        least = (weights + batch * context * ours.arena.bytes_per_slot) / speed
        rows.append(
            {"batch": batch, "context": context, "floor": least, **{name: vars(t) for name, t in turns.items()}}
        )
        print(batch, context, {name: str(turn) for name, turn in turns.items()}, f"floor {1e3 * least:.1f}", flush=True)
    found = {"bandwidth": speed, "rows": rows, "nats": _apart(decoder, quantised)}
    write(asked, "decode", found, table)


def _peer(model: Any, batch: int, context: int, static: bool) -> Callable[[], object]:
    from transformers import DynamicCache, StaticCache

    cache = StaticCache(model.config, max_cache_len=context + 64) if static else DynamicCache(config=model.config)
    for layer in range(model.config.num_hidden_layers):
        keys = torch.randn(batch, model.config.num_key_value_heads, context, 64)
        cache.update(keys, keys.clone(), layer)
    token = torch.full((batch, 1), 7)
    return lambda: model(token, past_key_values=cache, logits_to_keep=1)


def _apart(decoder: Decoder, quantised: Decoder) -> float:
    """Nats, the mean over positions, that the law of the quantised model lies from the other's (Kullback-Leibler)."""
    tokens = drawn(0, 256)
    laws = []
    for model in (decoder, quantised):
        made = engine(model, len(tokens))
        plan = Cached(
            made.arena,
            model.rope,
            torch.arange(len(tokens)),
            [slice(0, len(tokens))],
            Plan([Part(slice(0, len(tokens)), slice(0, len(tokens)), causal=True)]),
        )
        states = model.run(model.embed(torch.from_numpy(tokens).long()), plan)
        laws.append(model.logits(states).log_softmax(-1))
    return float((laws[0].exp() * (laws[0] - laws[1])).sum(-1).mean())


def _plain(step: Callable[[], object]) -> Callable[[], object]:
    """The same without the compiled kernels."""

    def slower() -> None:
        with _without_kernels():
            step()

    return slower


@contextmanager
def _without_kernels() -> Iterator[None]:
    before = os.environ.get("CHUNKWISE_COMPILED")
    os.environ["CHUNKWISE_COMPILED"] = "0"
    try:
        yield
    finally:
        del os.environ["CHUNKWISE_COMPILED"]
        if before is not None:
            os.environ["CHUNKWISE_COMPILED"] = before


def table(found: dict[str, Any]) -> str:
    """The report."""
    lines = [
        "# A decode step",
        "",
        "Milliseconds of one step for a batch of sequences that hold a context of random keys and values: the",
        "best of the turns by the clock, and in brackets of the processors. The same random Llama of 100",
        "million parameters with 4 of 12 heads for keys and values, float32, for all; a peer's step is its",
        "bare forward pass, ours a whole step of the engine, scheduling and drawing included. The sides take",
        "turns in one process. The floor is the bytes of weights, keys and values over the speed at which",
        f"this machine read in the same run, {found['bandwidth'] / 1e9:.1f} GB/s. With int8 weights the law of the",
        f"next token lies {found['nats']:.1e} nats from float32's, in the mean over 256 random tokens.",
        "",
        "| batch | context | transformers | its static cache | chunkwise | without compiled kernels | int8 | floor "
        "| against transformers | static cache | without kernels, static | int8 against float32 | of the floor |",
        "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|",
    ]
    for row in found["rows"]:
        default, static, ours, plain = (
            Turn(**row[name]) for name in ("default cache", "static cache", "chunkwise", "chunkwise, not compiled")
        )
        cells = [f"{turn} ({1e3 * turn.processor:,.0f})" for turn in (default, static, ours, plain)]
        ratios = [
            f"{one.clock / other.clock:.2f}x" for one, other in ((default, ours), (static, ours), (static, plain))
        ]
        few = Turn(**row["int8"]) if "int8" in row else None
        cells.append(f"{few} ({1e3 * few.processor:,.0f})" if few else "")
        ratios.append(f"{ours.clock / few.clock:.2f}x" if few else "")
        lines.append(
            f"| {row['batch']} | {row['context']:,} | {' | '.join(cells)} | {1e3 * row['floor']:.1f} | "
            f"{' | '.join(ratios)} | {row['floor'] / ours.clock:.0%} |"
        )
    lines += ["", machine.as_markdown({"threads": str(found["threads"]), **found["setting"]}), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
