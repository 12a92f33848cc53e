"""Measure ours and the peers on the same questions and write the table, the numbers and the plot."""

from __future__ import annotations

import argparse
import importlib.util
import json
import sys
import tempfile
import time
from collections.abc import Callable, Container
from pathlib import Path

from ..machine import RESULTS, as_markdown, offline, setting
from . import plot, report
from .chunkers import CHUNKERS
from .retrievers import MiniLM
from .rows import DEFAULT, OURS, WITH_VECTORS, ours, peers
from .scoring import score
from .sets import SETS

PACKAGES = (
    "chunkwise",
    "chonkie",
    "langchain-text-splitters",
    "llama-index-core",
    "haystack-ai",
    "semchunk",
    "semantic-text-splitter",
    "bm25s",
    "sentence-transformers",
    "torch",
    "tiktoken",
    "numpy",
)


def main() -> None:
    """Run the benchmark as the command line says."""
    options = _options()
    offline()
    names = [name for name in options.ours if name != "none"]
    if names and importlib.util.find_spec("chunkwise.index") is None:
        print("no chunkwise.index to measure: peers only", file=sys.stderr)
        names = []
    model = None if options.no_vectors else MiniLM(options.cache)
    table: report.Table = {}
    abouts: dict[str, str] = {}
    for name in options.sets:
        data = SETS[name](options.data)
        abouts[name] = data.about
        started = time.perf_counter()
        for produced in (ours(data, options.budgets, names), peers(data, options.budgets, model, options.peers)):
            for row, packs in produced:
                for view, golds in data.views.items():
                    scores = {budget: score(packs[budget], golds) for budget in options.budgets}
                    table.setdefault(view, {})[row] = scores
                recall = " ".join(f"{table[name][row][budget].recall.mean():5.1f}" for budget in options.budgets)
                print(f"{name:9} {recall}  {row}  ({time.perf_counter() - started:.0f} s)", flush=True)
                started = time.perf_counter()
    where = setting(*PACKAGES)
    seen = report.as_json(table, set(OURS), abouts, where)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "quality.json").write_text(json.dumps(seen, indent=1) + "\n")
    (options.out / "quality.md").write_text(report.as_markdown(seen, set(OURS), as_markdown(where)))
    plot.draw(seen, options.sets, [options.out / "quality.svg", options.out / "quality.png"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.quality", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--sets", type=_list(SETS), default=list(SETS), help=f"of {','.join(SETS)}")
    parser.add_argument(
        "--budgets", type=lambda text: [int(part) for part in text.split(",")], default=[250, 500, 1000, 2000]
    )
    parser.add_argument("--ours", type=_list([*OURS, "none"]), default=[DEFAULT], help=f"of {','.join(OURS)}, none")
    parser.add_argument("--peers", type=_list(CHUNKERS), default=list(CHUNKERS), help="chunkers; all")
    parser.add_argument("--no-vectors", action="store_true", help=f"leave MiniLM out (with {', '.join(WITH_VECTORS)})")
    kept = Path(tempfile.gettempdir()) / "chunkwise-benchmarks"
    parser.add_argument("--cache", type=Path, default=kept, help="where the peers' vectors are kept; %(default)s")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for quality.{json,md,svg,png}")
    return parser.parse_args()


def _list(known: Container[str]) -> Callable[[str], list[str]]:
    def read(text: str) -> list[str]:
        asked = [part.strip() for part in text.split(",") if part.strip()]
        unknown = [part for part in asked if part not in known]
        if unknown:
            raise argparse.ArgumentTypeError(f"no {unknown[0]!r}")
        return asked

    return read


if __name__ == "__main__":
    main()
