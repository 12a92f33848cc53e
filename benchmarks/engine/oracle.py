"""What the oracle that ships can answer, by task and length; and a control whose keys traded places.

python -m benchmarks.engine.oracle
"""

from __future__ import annotations

import argparse
import functools
import json
from pathlib import Path
from typing import Any

import numpy as np
import torch

from benchmarks import machine
from chunkwise.engine.oracle import measures, model, tasks

LENGTHS = (128, 256, 512, 1024, 2048)
TASKS = tasks.TASKS | {"recall of 2": functools.partial(tasks.recall, answer=2)}
CUES = {"copy": range(tasks.KEYS.start, tasks.VALUES.stop)}
RESULTS = machine.RESULTS / "engine"


def main() -> None:
    """Ask everything and write oracle.json and oracle.md."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--tokens", type=int, default=1 << 13, help="of context for each figure; %(default)s")
    options.add_argument("--seed", type=int, default=20, help="%(default)s; no training has seen it")
    options.add_argument("--out", type=Path, default=RESULTS)
    asked = options.parse_args()
    torch.set_num_threads(1)
    oracle, rows = model.load(), []
    for name, task in TASKS.items():
        for length in LENGTHS:
            random = np.random.default_rng((asked.seed, length))
            batch = task(random, max(asked.tokens // length, 4), length)
            mixed = measures.shuffled(random, batch, CUES.get(name, tasks.KEYS))
            said, control = (measures.answer(oracle, each, questions=4) for each in (batch, mixed))
            figures = {"right": said.accuracy, "tokens": said.tokens_right, "control": control.accuracy}
            rows.append({"task": name, "length": length, "questions": said.right.numel(), **figures})
            print(rows[-1], flush=True)
    found = {"rows": rows, "setting": machine.setting("chunkwise", "torch")}
    asked.out.mkdir(parents=True, exist_ok=True)
    (asked.out / "oracle.json").write_text(json.dumps(found, indent=1) + "\n")
    (asked.out / "oracle.md").write_text(table(found))


def table(found: dict[str, Any]) -> str:
    """The report."""
    rows = found["rows"]
    lines = [
        "# What the oracle answers",
        "",
        "Share of questions of which every token of the answer is the likeliest, with the full cache, by tokens of the",
        "sequence; behind it, where an answer has several tokens, the share of tokens. The control, at 512 tokens: the",
        "same questions when the keys of the context have traded places. Training saw 128 to 512 tokens, recall 1,024.",
        "",
        "| task | " + " | ".join(f"{length:,}" for length in LENGTHS) + " | control |",
        "|---|" + "---:|" * (len(LENGTHS) + 1),
    ]
    for name in TASKS:
        of = {row["length"]: row for row in rows if row["task"] == name}
        cells = [_cell(of[length]) for length in LENGTHS]
        lines.append(f"| {name} | " + " | ".join(cells) + f" | {of[512]['control']:.2f} |")
    asked = sorted({row["questions"] for row in rows})
    lines += ["", f"{asked[0]} to {asked[-1]} questions for each figure.", "", machine.as_markdown(found["setting"])]
    return "\n".join(lines) + "\n"


def _cell(row: dict[str, Any]) -> str:
    several = abs(row["tokens"] - row["right"]) > 1e-9
    return f"{row['right']:.2f}" + (f" ({row['tokens']:.2f})" if several else "")


if __name__ == "__main__":
    main()
