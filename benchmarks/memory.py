"""Peak memory and speed of cutting one large text, whole and as a stream.

    python -m benchmarks.memory [--megabytes 200]

The text is generated, the same each time: paragraphs of words, two sentences each, some words beyond ASCII. Each way
runs in a process of its own, whose peak resident memory is the whole of it, Python and libraries included. Writes
results/memory.md and .json.
"""

from __future__ import annotations

import argparse
import json
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from benchmarks.machine import RESULTS, as_markdown, setting

WORDS = "river stone market because although seven walked quietly under Möwe 42 lantern village".split()  # noqa: SIM905


def write(path: Path, size: int) -> None:
    """At least `size` bytes of paragraphs."""
    chosen = random.Random(1)
    written = 0
    with path.open("w", encoding="utf-8", newline="") as file:
        while written < size:
            paragraphs = "".join(
                f"{' '.join(chosen.choices(WORDS, k=12)).capitalize()}. {' '.join(chosen.choices(WORDS, k=15))}?\n\n"
                for _ in range(2000)
            )
            file.write(paragraphs)
            written += len(paragraphs.encode())


def streamed(path: Path, recipe: str) -> int:
    """Chunks made and dropped one by one."""
    from chunkwise.read import pieces
    from chunkwise.recipe import build
    from chunkwise.segment import stream
    from chunkwise.tokens import tokenizer

    return sum(1 for _ in stream(pieces(path), build(recipe, "segment"), tokenizer()))


def whole(path: Path, recipe: str) -> int:
    """The file as a Document, one tokenizer pass, all spans."""
    from chunkwise.read import read
    from chunkwise.recipe import build
    from chunkwise.tokens import tokenizer

    document = read(path)
    return len(build(recipe, "segment")(document, tokenizer().offsets(document.text)))


def nothing(path: Path, recipe: str) -> int:
    """What a process needs that has cut a text of one word."""
    path.write_text("word", encoding="utf-8")
    return whole(path, recipe)


WAYS: dict[str, Callable[[Path, str], int]] = {"stream": streamed, "whole": whole, "one word": nothing}


def main() -> None:
    """Measure each way, print a line for it, and write the two files."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--megabytes", type=int, default=200)
    options.add_argument("--recipe", default="recursive:size=512")
    options.add_argument("--child", nargs=2, help=argparse.SUPPRESS)
    chosen = options.parse_args()
    if chosen.child:
        begun = time.perf_counter()
        made = WAYS[chosen.child[0]](Path(chosen.child[1]), chosen.recipe)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e6
        print(json.dumps({"chunks": made, "seconds": time.perf_counter() - begun, "peak": peak}))
        return
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "large.txt"
        write(path, chosen.megabytes * 10**6)
        size = path.stat().st_size / 1e6
        for way in WAYS:
            command = [sys.executable, "-m", "benchmarks.memory", "--recipe", chosen.recipe, "--child", way, str(path)]
            row = {"way": way} | json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
            row["MB/s"] = size / row["seconds"] if way != "one word" else None
            rows.append(row)
            print(row, flush=True)
    found = {
        "run": setting("chunkwise", "numpy", "splintr-rs"),
        "megabytes": size,
        "recipe": chosen.recipe,
        "rows": rows,
    }
    (RESULTS / "memory.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    lines = [
        "# Memory",
        "",
        f"One text of {size:.0f} MB, cut by `{chosen.recipe}` into chunks (stream) or spans (whole); peak resident",
        "memory of the whole process. One word is what Python, the libraries and the vocabulary take.",
        "",
        "| way | peak memory, MB | MB/s | chunks |",
        "|---|---|---|---|",
        *(
            f"| {row['way']} | {row['peak']:.0f} | {'' if row['MB/s'] is None else format(row['MB/s'], '.1f')} "
            f"| {row['chunks']} |"
            for row in rows
        ),
        "",
        as_markdown(found["run"]),
        "",
    ]
    (RESULTS / "memory.md").write_text("\n".join(lines), encoding="utf-8")


if __name__ == "__main__":
    main()
