"""What a judge adds to the default retriever: recall under a budget, with and without it, beside the best peer's.

    python -m benchmarks.judge --data DIR [--sets chroma,squad] [--most 200]

Ours are measured here, over the questions of each set and over the half that no weight was chosen on; the best peer of
each budget stands in `results/quality.json`, over all questions. The weight of `rerank` was chosen on the other half of
covid, nq and multihop. No weight was chosen on chroma, but its even half was looked at while ideas were tried: the odd
half is the unseen one. ms: the median question's, of `rerank` after `multiscale` has looked for the same; windows that
an earlier question had read are not read again, and later rows are not timed.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise.recipe import build
from chunkwise.units import Candidates

from .machine import RESULTS, as_markdown, setting
from .quality.scoring import Packed, difference, score
from .quality.sets import SETS, DataSet

BUDGETS = (250, 500, 1000, 2000)
ROWS = {
    "multiscale": "multiscale",
    "rerank": "rerank",
    "8 readings": "rerank:readings=8",
    "each chunk alone": "rerank:window=0",
    "judge alone": "rerank:weight=100",
}
TWO = ("multiscale", "rerank")


def main() -> None:
    """Measure, and write `results/judge.{json,md}`."""
    options = _options()
    peers = json.loads((RESULTS / "quality.json").read_text())["views"]
    seen: dict[str, Any] = {"sets": {}}
    for name in options.sets:
        data = SETS[name](options.data)
        rows = ROWS if name in options.ablate else {row: ROWS[row] for row in TWO}
        found = _measured(data, rows, options.most, options.cache)
        found["peer"] = _best(peers[name]["rows"])
        seen["sets"][name] = found
        print(name, json.dumps({row: found["all"][row] for row in found["all"]}), flush=True)
        seen["setting"] = setting("chunkwise", "numpy")
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "judge.json").write_text(json.dumps(seen, indent=1) + "\n")
        (options.out / "judge.md").write_text(_markdown(seen))


def held_out(data: DataSet, number: int) -> bool:
    """Whether nothing was chosen on a question: all of chroma, of the other sets half, whole documents apart."""
    if data.name == "chroma":
        return True
    gold = data.views[data.name][number]
    document = gold.ranges[0][0] if gold is not None and data.name != "multihop" else data.questions[number]
    return hashlib.sha256(f"{data.name}{document}".encode()).digest()[3] % 2 == 1


def _measured(data: DataSet, rows: dict[str, str], most: int, cache: Path) -> dict[str, Any]:
    """Mean recall by row and budget, over all questions that were asked and over those held out, and differences."""
    import chunkwise
    from chunkwise import Document

    order = np.random.default_rng(0).permutation(len(data.questions))[: most or None]
    asked = sorted(order.tolist())
    packs: dict[str, dict[int, list[Packed]]] = {row: {budget: [] for budget in BUDGETS} for row in rows}
    seconds: dict[str, list[float]] = {row: [] for row in rows}
    fresh = not (cache / data.name).exists()
    with chunkwise.Index.open(cache / data.name, create=True, tokenizer="cl100k_base") as index:
        if fresh:
            index.add_documents(Document.of(text, source) for source, text in data.documents.items())
        retrievers = {row: build(spec, "retrieve") for row, spec in rows.items()}
        for number in asked:
            for row, retrieve in retrievers.items():
                began = time.perf_counter()
                found: Candidates = retrieve(index.corpus(), data.questions[number], 400)
                seconds[row].append(time.perf_counter() - began)
                for budget in BUDGETS:
                    packs[row][budget].append(packed(index, data.questions[number], budget, found))
    held = np.array([held_out(data, number) for number in asked])
    golds = [data.views[data.name][number] for number in asked]
    scores = {row: {budget: score(made, golds) for budget, made in by.items()} for row, by in packs.items()}
    result: dict[str, Any] = {"questions": len(asked), "held": int(held.sum()), "all": {}, "held out": {}}
    for row, by in scores.items():
        result["all"][row] = {str(budget): round(float(one.recall.mean()), 2) for budget, one in by.items()}
        halves = {str(budget): round(float(one.recall[held].mean()), 2) for budget, one in by.items()}
        result["held out"][row] = halves
    result["difference"] = {
        str(budget): [round(value, 2) for value in difference(scores["rerank"][budget], scores["multiscale"][budget])]
        for budget in BUDGETS
    }
    result["ms"] = {row: round(1000 * float(np.median(seconds[row])), 1) for row in TWO}
    return result


def packed(index: Any, question: str, budget: int, found: Candidates) -> Packed:
    """What the candidates `found` buy for `budget` tokens of passages, under the default selector."""
    pack = index.pack(question, budget=budget, retriever=lambda corpus, query, k: found, labels=False)
    ranges = [(passage.source, passage.span.start, passage.span.end) for passage in pack.passages]
    return Packed(ranges, pack.tokens)


def _best(rows: dict[str, Any]) -> dict[str, float]:
    """The best peer's recall at each budget, as the quality benchmark chose it."""
    peers = [by for row, by in rows.items() if not row.startswith("chunkwise")]
    return {str(budget): max(by[str(budget)]["recall"] for by in peers) for budget in BUDGETS}


def _markdown(seen: dict[str, Any]) -> str:
    parts = ["# A judge on top of the default\n", __doc__ or "", ""]
    for name, found in seen["sets"].items():
        parts.append(f"## {name}, {found['questions']} questions, {found['held']} of them held out\n")
        parts += list(_table(found))
    return "\n".join([*parts, "## Setting\n", as_markdown(seen["setting"]), ""])


def _table(found: dict[str, Any]) -> Iterator[str]:
    yield f"| recall at tokens | {' | '.join(map(str, BUDGETS))} | ms |"
    yield f"| --- |{' ---: |' * (len(BUDGETS) + 1)}"
    for part in ("all", "held out"):
        for row, by in found[part].items():
            yield f"| {row}, {part} | {' | '.join(f'{by[str(b)]:.1f}' for b in BUDGETS)} | {found['ms'].get(row, '')} |"
    best = " | ".join(f"{found['peer'][str(budget)]:.1f}" for budget in BUDGETS)
    yield f"| best peer, one for each budget, all | {best} | |"
    told = (found["difference"][str(b)] for b in BUDGETS)
    yield f"| rerank less multiscale [95 %] | {' | '.join(f'{m:+.1f} [{a:+.1f}, {z:+.1f}]' for m, a, z in told)} | |\n"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.judge", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--sets", type=lambda text: text.split(","), default=list(SETS), help=f"of {','.join(SETS)}")
    parser.add_argument("--ablate", type=lambda text: text.split(","), default=["chroma"], help="sets with all rows")
    parser.add_argument("--most", type=int, default=0, help="questions a set, drawn with a fixed seed; 0 for all")
    kept = Path(tempfile.gettempdir()) / "chunkwise-benchmarks" / "judge"
    parser.add_argument("--cache", type=Path, default=kept, help="where the indexes are kept; %(default)s")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for judge.{json,md}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
