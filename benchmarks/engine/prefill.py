"""Reading a prompt, against transformers: at once, and in chunks.

python -m benchmarks.engine.prefill
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

from benchmarks import machine
from benchmarks.engine.sides import GREEDY, Turn, begin, by_turns, drawn, engine, models, options, write
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.schedule import Request

LENGTHS = (512, 2_048, 4_096)
CHUNK = 512


def main() -> None:
    """Measure every length and write prefill.json and prefill.md."""
    asked = options(__doc__, rounds=6).parse_args()
    begin(asked)
    peer, decoder, _ = models()
    rows: list[dict[str, Any]] = []
    for length in LENGTHS:
        tokens = drawn(0, length)
        ids = torch.from_numpy(tokens).long()[None]

        def theirs(ids: Any = ids) -> object:
            return peer(ids, use_cache=True, logits_to_keep=1)

        turns = by_turns(
            {
                "transformers": theirs,
                "chunkwise": _first(decoder, tokens, length),
                "in chunks": _first(decoder, tokens, CHUNK),
            },
            asked.rounds,
        )
        rows.append({"length": length, **{name: vars(turn) for name, turn in turns.items()}})
        print(length, {name: str(turn) for name, turn in turns.items()}, flush=True)
    found = {"rows": rows}
    write(asked, "prefill", found, table)


def _first(decoder: Decoder, tokens: Any, budget: int) -> Callable[[], object]:
    """The first token of the prompt, from nothing."""

    def turn() -> None:
        made = engine(decoder, len(tokens) + 2, f"sarathi-serve:budget={budget}")
        made.add(Request(0, len(tokens), 1, prompt=tokens), GREEDY)
        while not made.step():
            pass

    return turn


def table(found: dict[str, Any]) -> str:
    """The report."""
    lines = [
        "# Reading a prompt",
        "",
        "Tokens a second until the first token is out, the best of the turns by the clock; the same random",
        f"Llama of 100 million parameters, float32, the sides by turns in one process. In chunks: of {CHUNK}",
        "tokens, as the scheduler cuts prompts so that others can go on decoding meanwhile.",
        "",
        "| prompt | transformers | chunkwise | in chunks | against transformers | what chunks cost |",
        "|---:|---:|---:|---:|---:|---:|",
    ]
    for row in found["rows"]:
        theirs, ours, chunked = (Turn(**row[name]) for name in ("transformers", "chunkwise", "in chunks"))
        speeds = " | ".join(f"{row['length'] / turn.clock:,.0f}" for turn in (theirs, ours, chunked))
        lines.append(
            f"| {row['length']:,} | {speeds} | {theirs.clock / ours.clock:.2f}x "
            f"| {chunked.clock / ours.clock - 1:+.1%} |"
        )
    lines += ["", machine.as_markdown({"threads": str(found["threads"]), **found["setting"]}), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
