"""How long those who decode must wait while a long prompt arrives: chunked against whole prompts first.

python -m benchmarks.engine.stalls
"""

from __future__ import annotations

import time
from typing import Any

from benchmarks import machine
from benchmarks.engine.sides import GREEDY, begin, drawn, engine, models, options, write
from chunkwise.engine.decoder import Decoder
from chunkwise.engine.schedule import Request

DECODING, CONTEXT, LONG, NEW = 4, 256, 4_096, 96
SCHEDULERS = ("fcfs", "sarathi-serve:budget=256", "sarathi-serve:budget=512")


def main() -> None:
    """Run the same requests under each scheduler and write stalls.json and stalls.md."""
    asked = options(__doc__, rounds=3).parse_args()
    begin(asked)
    _, decoder, _ = models()
    runs: dict[str, list[tuple[float, float]]] = {name: [] for name in SCHEDULERS}
    for _ in range(asked.rounds):
        for name in SCHEDULERS:
            runs[name].append(_run(decoder, name))
    rows = [
        {"scheduler": name, "worst": min(worst for worst, _ in taken), "seconds": min(whole for _, whole in taken)}
        for name, taken in runs.items()
    ]
    found = {"rows": rows}
    print(rows)
    write(asked, "stalls", found, table)


def _run(decoder: Decoder, scheduler: str) -> tuple[float, float]:
    """The longest that one of those who were decoding waited for a token, and all that it took, in seconds."""
    made = engine(decoder, DECODING * (CONTEXT + NEW) + LONG + 32, scheduler)
    for number in range(DECODING):
        made.add(Request(number, CONTEXT, NEW, prompt=drawn(number, CONTEXT)), GREEDY)
    waits = [Request("long", LONG, 8, prompt=drawn(99, LONG))]
    last: dict[int | str, float] = {}
    worst, began, tokens = 0.0, time.perf_counter(), 0
    while made.waiting or made.running or waits:
        if waits and tokens >= DECODING * 8:
            made.add(waits.pop(), GREEDY)
        for token in made.step():
            now, name = time.perf_counter(), token.request.id
            tokens += 1
            if name in last and name != "long":
                worst = max(worst, now - last[name])
            last[name] = now
    assert not waits, "the long prompt never came"
    return worst, time.perf_counter() - began


def table(found: dict[str, Any]) -> str:
    """The report."""
    first = found["rows"][0]
    lines = [
        "# A long prompt arrives",
        "",
        f"{DECODING} requests of {CONTEXT} tokens are decoding {NEW} each when a prompt of {LONG:,} comes. The",
        "longest time between two tokens of theirs, and the time for all, in seconds; the best of the turns.",
        "The same random Llama of 100 million parameters, float32.",
        "",
        "| scheduler | worst time between tokens | all | shorter wait | throughput |",
        "|---|---:|---:|---:|---:|",
    ]
    lines += [
        f"| `{row['scheduler']}` | {row['worst']:.2f} | {row['seconds']:.1f} | {first['worst'] / row['worst']:.1f}x | "
        f"{first['seconds'] / row['seconds'] - 1:+.1%} |"
        for row in found["rows"]
    ]
    lines += ["", machine.as_markdown({"threads": str(found["threads"]), **found["setting"]}), ""]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
