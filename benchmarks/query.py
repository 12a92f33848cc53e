"""Latency: `pack` in a warm process, `chunkwise ask` as a cold process, and `pack` over 100,000 chunks.

    python -m benchmarks.query [--warm] [--cold] [--scale]      (no flag: all three)

warm   the standard library, every vector that the questions call for made beforehand; --rounds packs of each question
cold   a new process per question, the operating system's file cache warm; then where its time goes: imports by package
       (python -X importtime) and the stages of one pack
scale  sentences of the standard library's docstrings, shuffled into documents until there are 100,000 chunks
"""

from __future__ import annotations

import argparse
import ast
import json
import random
import re
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from . import stdlib
from .machine import RESULTS, as_markdown, setting

BUDGET = 1500
CHUNKS = 100_000
SENTENCES_PER_DOCUMENT = 40
CLI = [sys.executable, "-m", "chunkwise"]

Times = dict[str, list[float]]  # stage to seconds, one per call


def main() -> None:
    """Run the parts asked for and write query.{json,md}."""
    options = _options()
    everything = not (options.warm or options.cold or options.scale)
    seen: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        kb = Path(folder) / "kb"
        if options.warm or options.cold or everything:
            import chunkwise

            index = chunkwise.Index.open(kb, create=True)
            index.add(stdlib.copy(Path(folder) / "stdlib"))
            times = _packs(index, options.rounds)
            if options.warm or everything:
                seen["warm"] = {"chunks": index.status()["chunks"], **_quantiles(times)}
            index.close()
        if options.cold or everything:
            seen["cold"] = _cold(kb)
        if options.scale or everything:
            seen["scale"] = _scale(Path(folder) / "large", options.rounds)
    where = setting("chunkwise", "numpy", "torch")
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "query.json").write_text(json.dumps({"setting": where, **seen}, indent=1) + "\n")
    (RESULTS / "query.md").write_text(_markdown(seen) + "\n" + as_markdown(where) + "\n")
    print(_markdown(seen))


def _packs(index: Any, rounds: int) -> Times:
    """Seconds of `index.pack`, of its stages and of BM25 at all widths, after one untimed call per question."""
    from chunkwise.retrieve.recipes import WIDTHS

    for question in stdlib.QUESTIONS:
        index.pack(question, budget=BUDGET)
    times: Times = defaultdict(list)
    corpus = index.corpus()
    for _ in range(rounds):
        for question in stdlib.QUESTIONS:
            started = time.perf_counter()
            corpus.lexical(WIDTHS).scores(corpus.terms(question))
            times["all scales scored"].append(time.perf_counter() - started)
            started = time.perf_counter()
            pack = index.pack(question, budget=BUDGET)
            times["pack"].append(time.perf_counter() - started)
            for stage, seconds in pack.trace.timings.items():
                times[f"- {stage}"].append(seconds)
    return times


def _cold(kb: Path) -> dict[str, Any]:
    """A process per question; then one more for its imports."""
    times: Times = {"chunkwise --help": [], "chunkwise ask": []}
    for question in stdlib.QUESTIONS[:8]:
        times["chunkwise --help"].append(_process([*CLI, "--help"]))
        times["chunkwise ask"].append(_process([*CLI, "ask", question, "--kb", str(kb), "--budget", str(BUDGET)]))
    command = [sys.executable, "-X", "importtime", *CLI[1:], "ask", stdlib.QUESTIONS[0], "--kb", str(kb)]
    trace = subprocess.run(command, capture_output=True, text=True, check=True).stderr
    command = [sys.executable, "-c", _STAGES, str(kb), stdlib.QUESTIONS[0], str(BUDGET)]
    stages = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    return {**_quantiles(times), "imports_ms": _imports(trace), "first_call_ms": stages}


_STAGES = """
import json, sys, time
kb, question, budget = sys.argv[1], sys.argv[2], int(sys.argv[3])
t = [time.perf_counter()]
import chunkwise
chunkwise.Index; t.append(time.perf_counter())
index = chunkwise.Index.open(kb); t.append(time.perf_counter())
pack = index.pack(question, budget=budget); t.append(time.perf_counter())
names = ("import", "open", "pack")
seen = {name: round(1000 * (b - a), 1) for name, a, b in zip(names, t, t[1:])}
print(json.dumps({**seen, **{"- " + k: round(1000 * v, 1) for k, v in pack.trace.timings.items()}}))
"""


def _scale(kb: Path, rounds: int) -> dict[str, Any]:
    import chunkwise

    index = chunkwise.Index.open(kb, create=True)
    sentences = _sentences()
    shuffled = random.Random(stdlib.SEED)
    started = time.perf_counter()
    number = 0
    while (chunks := index.status()["chunks"]) < CHUNKS:
        batch = []
        for _ in range(max(10, (CHUNKS - chunks) // SENTENCES_PER_DOCUMENT)):
            text = " ".join(shuffled.sample(sentences, SENTENCES_PER_DOCUMENT))
            batch.append(chunkwise.Document.of(text, f"shuffled-{number}.txt"))
            number += 1
        index.add_documents(batch)
    made = time.perf_counter() - started
    return {"chunks": chunks, "documents": number, "indexing_s": round(made, 1), **_quantiles(_packs(index, rounds))}


def _sentences() -> list[str]:
    """Sentences of the standard library's docstrings, of 20 to 400 characters."""
    found: set[str] = set()
    for path in stdlib.files():
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
                text = " ".join((ast.get_docstring(node) or "").split())
                found.update(part for part in re.split(r"(?<=[.!?]) (?=[A-Z])", text) if 20 <= len(part) <= 400)
    return sorted(found)


def _process(command: list[str]) -> float:
    started = time.perf_counter()
    subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - started


def _imports(trace: str) -> dict[str, float]:
    """Milliseconds spent in each top-level package's own modules, the ten largest and the rest."""
    spent: dict[str, float] = defaultdict(float)
    for own, module in _import_lines(trace):
        spent[module.partition(".")[0]] += own / 1000
    largest = dict(sorted(spent.items(), key=lambda item: -item[1])[:10])
    rest = sum(spent.values()) - sum(largest.values())
    return {name: round(value, 1) for name, value in {**largest, "the rest": rest}.items()}


def _import_lines(trace: str) -> Iterator[tuple[int, str]]:
    for line in trace.splitlines():
        if found := re.match(r"import time:\s+(\d+) \|\s+\d+ \|\s+(\S+)", line):
            yield int(found[1]), found[2]


def _quantiles(times: Times) -> dict[str, Any]:
    """Milliseconds at the median and at 95 %."""
    shares = {"p50": 0.5, "p95": 0.95}
    return {
        "ms": {
            name: {label: round(1000 * float(np.quantile(values, share)), 2) for label, share in shares.items()}
            for name, values in times.items()
        }
    }


def _markdown(seen: dict[str, Any]) -> str:
    titles = {
        "warm": "Warm: the standard library, vectors made",
        "cold": "Cold: a new process each",
        "scale": f"Scale: at least {CHUNKS:,} chunks",
    }
    parts = [f"# Query latency\n\n{len(stdlib.QUESTIONS)} questions, a budget of {BUDGET} tokens.\n"]
    for part, content in seen.items():
        parts.append(f"## {titles[part]}\n")
        facts = [f"{content[key]} {key}" for key in ("chunks", "documents", "indexing_s") if key in content]
        parts += [", ".join(facts) + "\n"] if facts else []
        parts += ["| ms | p50 | p95 |", "| --- | ---: | ---: |"]
        parts += [f"| {name} | {value['p50']:.1f} | {value['p95']:.1f} |" for name, value in content["ms"].items()]
        for title in ("first_call_ms", "imports_ms"):
            if title in content:
                parts.append(f"\n{title.removesuffix('_ms').replace('_', ' ')}, ms: ")
                parts.append(", ".join(f"{name} {value:.0f}" for name, value in content[title].items()))
        parts.append("")
    return "\n".join(parts)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.query", description=__doc__)
    for part in ("warm", "cold", "scale"):
        parser.add_argument(f"--{part}", action="store_true")
    parser.add_argument("--rounds", type=int, default=5, help="times each question is packed")
    return parser.parse_args()


if __name__ == "__main__":
    main()
