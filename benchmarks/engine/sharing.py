"""Requests that begin alike, against transformers' continuous batching, with and without what sharing gives.

python -m benchmarks.engine.sharing
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from benchmarks import machine
from benchmarks.engine.sides import GREEDY, VOCABULARY, Turn, begin, by_turns, drawn, engine, models, options, write
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.schedule import Request

PREFIX, OWN, NEW = 1_024, 16, 64


def main() -> None:
    """Measure every number of requests and write sharing.json and sharing.md."""
    parser = options(__doc__, rounds=2)
    parser.add_argument("--requests", type=int, nargs="+", default=[8, 32], help="%(default)s")
    asked = parser.parse_args()
    begin(asked)
    peer, decoder, _ = models()
    rows: list[dict[str, Any]] = []
    for requests in asked.requests:
        prefix = drawn(0, PREFIX)
        prompts = [np.concatenate([prefix, drawn(number + 1, OWN)]) for number in range(requests)]
        sides: dict[str, Callable[[], object]] = {
            "transformers, sharing": _peer(peer, prompts, share=True),
            "chunkwise": _ours(decoder, prompts, share=True),
            "chunkwise, not sharing": _ours(decoder, prompts, share=False),
        }
        turns = by_turns(sides, asked.rounds, warm=0)
        rows.append({"requests": requests, **{name: vars(turn) for name, turn in turns.items()}})
        print(requests, {name: str(turn) for name, turn in turns.items()}, flush=True)
    found = {"rows": rows}
    write(asked, "sharing", found, table)


def _peer(model: Any, prompts: list[Any], share: bool) -> Callable[[], object]:
    from transformers import ContinuousBatchingConfig, GenerationConfig

    settings: Any = GenerationConfig
    how = settings(max_new_tokens=NEW, do_sample=False, eos_token_id=-1, pad_token_id=0, use_cache=True)
    batching = ContinuousBatchingConfig(allow_block_sharing=share, num_blocks=256, max_batch_tokens=1024)
    inputs = [prompt.tolist() for prompt in prompts]

    def turn() -> None:
        done = model.generate_batch(
            inputs, generation_config=how, continuous_batching_config=batching, progress_bar=False
        )
        assert sum(len(output.generated_tokens) for output in done.values()) == NEW * len(prompts)

    return turn


def _ours(decoder: Decoder, prompts: list[Any], share: bool) -> Callable[[], object]:
    """Every request to its end; not sharing: each in a namespace of its own."""

    def turn() -> None:
        made = engine(decoder, len(prompts) * (PREFIX + OWN + NEW), "sarathi-serve:budget=1024")
        for number, prompt in enumerate(prompts):
            request = Request(number, len(prompt), NEW, prompt=prompt)
            made.add(request, GREEDY, namespace="" if share else str(number))
        assert sum(1 for _ in made.run()) == NEW * len(prompts)

    return turn


def table(found: dict[str, Any]) -> str:
    """The report."""
    lines = [
        "# Requests that begin alike",
        "",
        f"Seconds until all are done, the best of the turns by the clock: {PREFIX:,} tokens that all begin",
        f"with, {OWN} of each one's own, {NEW} put out, of {VOCABULARY:,}. The same random Llama of 100",
        "million parameters, float32. The peer is `generate_batch` with `allow_block_sharing`; not sharing:",
        "each of our requests in a namespace of its own.",
        "",
        "| requests | transformers, sharing | chunkwise | not sharing | against transformers | what sharing gives |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for row in found["rows"]:
        theirs, ours, apart = (
            Turn(**row[name]) for name in ("transformers, sharing", "chunkwise", "chunkwise, not sharing")
        )
        seconds = " | ".join(f"{turn.clock:.1f}" for turn in (theirs, ours, apart))
        lines.append(
            f"| {row['requests']} | {seconds} | {theirs.clock / ours.clock:.2f}x | {apart.clock / ours.clock:.2f}x |"
        )
    lines += ["", machine.as_markdown({"threads": str(found["threads"]), **found["setting"]}), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
