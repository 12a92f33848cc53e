"""Selectors side by side: recall of the evidence against the tokens that each spends, from the same candidates.

    python -m benchmarks.selection --data DIR [--sets chroma,nq] [--budgets 250,500,1000,2000] [--limit 50] [--keep DIR]

Each question is retrieved for once, with `multiscale` (400 candidates), and every registered selector that needs no
model chooses among them; the next one that is registered joins by itself. The sets and the scoring are those of
`benchmarks.quality`. Of each set every second question counts; the others are those that anything may be tuned on
(`--half tuned`). Then what the parts of `coverage` and `context-bubble` give, and the time of a selection among 200
candidates, beside that of taking the best by score in the same run. Writes results/selection.{md,json,svg}.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise import Index
from chunkwise.budget import Budget
from chunkwise.evaluate.plot import COLOURS, MARKERS
from chunkwise.pack import CANDIDATES, pack
from chunkwise.recipe import build, recipes
from chunkwise.retrieve import Corpus
from chunkwise.select import Selector
from chunkwise.units import Candidates, Document

from .machine import RESULTS, as_markdown, setting
from .quality.scoring import Packed, Scores, difference, score
from .quality.sets import SETS, DataSet, Gold

DEFAULT, FLOOR = "coverage", f"top-k:k={CANDIDATES}"
PARTS = {
    "coverage": {
        "coverage": "as it comes",
        FLOOR: "without coverage: by score alone",
        "coverage:floor=0": "without floor",
        "coverage:twin=0.9": "with twins refused from cosine 0.9",
    },
    "context-bubble": {
        "context-bubble": "as it comes",
        "context-bubble:anchors=0": "without anchors",
        "context-bubble:prior=0": "without structural prior",
        "context-bubble:cover=0": "without coverage",
        "context-bubble:repeat=0": "without redundancy",
        "context-bubble:cap=1": "without caps",
        "context-bubble:anchors=0,prior=0,cover=0,repeat=0,cap=1": "relevance alone",
    },
}
TIMED, ROUNDS, BUDGET = 200, 4, 1500  # candidates, questions of each set, tokens

Rows = dict[str, dict[int, Scores]]  # selector, budget


def main() -> None:
    """Measure, and write the three files."""
    options = _options()
    registered = [made.name for made in recipes("select") if not made.models]
    specs = list(dict.fromkeys([*registered, *(spec for parts in PARTS.values() for spec in parts)]))
    selectors: dict[str, Selector] = {spec: build(spec, "select") for spec in specs}
    found: dict[str, Rows] = {}
    offered: list[Candidates] = []
    for name in options.sets:
        started = time.perf_counter()
        data = _half(SETS[name](options.data), options.half, options.limit)
        with _index(data, options.keep, options.vectors) as index:
            packs = _packs(index, data, selectors, options.budgets, offered)
        for view, golds in data.views.items():
            found[view] = {
                spec: {budget: score(by[budget], golds) for budget in options.budgets} for spec, by in packs.items()
            }
        _write(options, registered, found, _times(offered, selectors))
        recall = found[name][DEFAULT][options.budgets[0]].recall
        print(f"{name}: {len(recall)} questions, {time.perf_counter() - started:.0f} s", file=sys.stderr, flush=True)


def _write(
    options: argparse.Namespace, registered: list[str], found: dict[str, Rows], times: dict[str, dict[str, float]]
) -> None:
    """The three files, anew after each set, so that a run that is stopped leaves what it saw."""
    sets = [name for name in options.sets if name in found]
    seen = {
        "setting": setting("chunkwise", "numpy"),
        "vectors": options.vectors,
        "half": options.half,
        "registered": registered,
        "views": {view: _json(rows) for view, rows in found.items()},
        "times": times,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "selection.json").write_text(json.dumps(seen, indent=1) + "\n")
    (options.out / "selection.md").write_text(_markdown(seen, sets))
    _plot(seen, sets, options.out / "selection.svg")


def _half(data: DataSet, half: str, limit: int) -> DataSet:
    """Every second question, at most `limit` of them, evenly taken: "held out" the odd ones, "tuned" the even ones."""
    chosen = range(half == "held-out", len(data.questions), 2)
    if limit and len(chosen) > limit:
        chosen = chosen[:: -(-len(chosen) // limit)]
    views: dict[str, list[Gold | None]] = {view: [golds[at] for at in chosen] for view, golds in data.views.items()}
    views = {view: golds for view, golds in views.items() if any(golds)}
    return replace(data, questions=[data.questions[at] for at in chosen], views=views)


def _index(data: DataSet, keep: Path, vectors: Any) -> Index:
    index = Index.open(keep / f"{data.name}-{vectors}", create=True, tokenizer="cl100k_base", vectors=vectors)
    if index.status()["documents"] < len(data.documents):
        index.add_documents(Document.of(text, source) for source, text in data.documents.items())
    return index


def _packs(
    index: Index, data: DataSet, selectors: dict[str, Selector], budgets: list[int], offered: list[Candidates]
) -> dict[str, dict[int, list[Packed]]]:
    """What every selector packs for every question, the labels not counted; some candidates are added to `offered`."""
    corpus, retrieve, tokenizer = index.corpus(), build("multiscale", "retrieve"), index._tokenizer
    packs: dict[str, dict[int, list[Packed]]] = {spec: {budget: [] for budget in budgets} for spec in selectors}
    for number, question in enumerate(data.questions):
        candidates: Candidates = retrieve(corpus, question, CANDIDATES)
        if number < ROUNDS:
            offered.append(_leading(candidates))

        def again(corpus: Corpus, query: str, k: int, candidates: Candidates = candidates) -> Candidates:
            return candidates

        for spec, select in selectors.items():
            for budget in budgets:
                made = pack(corpus, question, Budget(budget), tokenizer, again, select, labels=False)
                assert made.tokens <= budget, f"{spec} spends {made.tokens} of {budget}"
                ranges = [(passage.source, *passage.span) for passage in made.passages]
                packs[spec][budget].append(Packed(ranges, made.tokens))
    return packs


def _times(offered: list[Candidates], selectors: dict[str, Selector]) -> dict[str, dict[str, float]]:
    """Milliseconds of a selection among the 200 best candidates, their texts and paths read beforehand.

    Rounds go through all selectors in turn, so that what else the machine does falls on all alike.
    """
    spent: dict[str, list[tuple[float, float]]] = {spec: [] for spec in selectors}
    for candidates in offered:
        for spec, select in selectors.items():
            clock, core = time.perf_counter(), time.thread_time()
            select(candidates, Budget(BUDGET))
            spent[spec].append((time.perf_counter() - clock, time.thread_time() - core))
    p50 = {spec: np.median(1000 * np.array(times), axis=0) for spec, times in spent.items()}
    floor = float(p50[FLOOR][1])
    return {
        spec: {"clock_ms": round(clock, 3), "core_ms": round(core, 3), "times_floor": round(core / floor, 2)}
        for spec, (clock, core) in ((spec, times.tolist()) for spec, times in p50.items())
    }


def _leading(candidates: Candidates) -> Candidates:
    first, texts, paths = slice(0, TIMED), candidates.texts, candidates.paths
    return Candidates(
        candidates.ids[first],
        candidates.scores[first],
        candidates.costs[first],
        None if candidates.vectors is None else candidates.vectors[first],
        None if candidates.aspects is None else candidates.aspects[first],
        candidates.query,
        None if candidates.documents is None else candidates.documents[first],
        None if texts is None else list(texts[first]),
        None if paths is None else list(paths[first]),
    )


def _json(rows: Rows) -> dict[str, Any]:
    """Means of every row, and the difference of its recall to the default's with its 95 % interval."""
    return {
        "questions": len(next(iter(rows[DEFAULT].values())).recall),
        "rows": {
            spec: {
                str(budget): scores.means()
                | {"difference": [round(part, 2) for part in difference(scores, rows[DEFAULT][budget])]}
                for budget, scores in by.items()
            }
            for spec, by in rows.items()
        },
    }


def _markdown(seen: dict[str, Any], sets: list[str]) -> str:
    half = "held out from all tuning" if seen["half"] == "held-out" else "those that anything may be tuned on"
    lines = [
        "# Selectors",
        "",
        f"Recall in characters of the gold spans, in percent (mean tokens spent), from the same {CANDIDATES}"
        f" candidates of `multiscale`, vectors {seen['vectors']}. Every second question of each set, {half}."
        " Budgets in cl100k_base tokens of the passages' own text. `coverage` is the default of `pack`. A difference"
        " is a row's recall minus the default's at the same budget, with the 95 % interval of a paired bootstrap over"
        " questions.",
        "",
        "![Recall against tokens](selection.svg)",
    ]
    for view, content in seen["views"].items():
        lines += ["", f"## {view}, {content['questions']} questions", "", *_table(content, seen["registered"])]
    for of, parts in PARTS.items():
        lines += ["", f"## What the parts of {of} give", ""]
        budgets = list(next(iter(seen["views"].values()))["rows"][of])
        lines += ["Recall minus that of the recipe as it comes, mean over the sets.", ""]
        lines += [_line("", budgets), _line("---", ["---:"] * len(budgets))]
        for spec, what in parts.items():
            gaps = [
                np.mean([_recall(seen, name, spec, budget) - _recall(seen, name, of, budget) for name in sets])
                for budget in budgets
            ]
            lines.append(_line(f"{what} (`{spec}`)", [f"{gap:+.2f}" for gap in gaps]))
    lines += [
        "",
        f"## Time of a selection among {TIMED} candidates",
        "",
        f"p50 at {BUDGET} tokens; texts and headings read beforehand. By the clock, by the thread's own time on a core,"
        " which says more where other work shares the machine, and that against the floor, taking the best by score.",
        "",
        _line("selector", ["ms by the clock", "ms on a core", "times the floor"]),
        _line("---", ["---:"] * 3),
    ]
    for spec in [*seen["registered"], FLOOR]:
        times = seen["times"][spec]
        lines.append(
            _line(spec, [f"{times['clock_ms']:.2f}", f"{times['core_ms']:.2f}", f"{times['times_floor']:.1f}"])
        )
    return "\n".join([*lines, "", as_markdown(seen["setting"]), ""])


def _table(content: dict[str, Any], specs: list[str]) -> Iterator[str]:
    budgets = list(content["rows"][DEFAULT])
    yield _line("recall (tokens) at budget", [*budgets, f"difference at {budgets[-2]}"])
    yield _line("---", ["---:"] * (len(budgets) + 1))
    for spec in specs:
        row = content["rows"][spec]
        cells = [f"{row[budget]['recall']:.1f} ({row[budget]['tokens']:.0f})" for budget in budgets]
        mean, low, high = row[budgets[-2]]["difference"]
        gap = "" if spec == DEFAULT else f"{mean:+.1f} [{low:+.1f}, {high:+.1f}]"
        yield _line(f"**{spec}**" if spec == DEFAULT else spec, [*cells, gap])


def _line(label: str, cells: list[str]) -> str:
    return f"| {' | '.join([label, *cells])} |"


def _recall(seen: dict[str, Any], view: str, spec: str, budget: str) -> float:
    return float(seen["views"][view]["rows"][spec][budget]["recall"])


def _plot(seen: dict[str, Any], sets: list[str], path: Path) -> None:
    """A line for each selector, a point for each budget: mean recall over the sets against mean tokens spent."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plain: dict[Any, Any] = {
        "font.size": 10,
        "svg.hashsalt": "chunkwise",
        "axes.spines.top": False,
        "axes.spines.right": False,
    }
    with plt.rc_context(plain):
        figure, axes = plt.subplots(figsize=(9.2, 5.4), layout="constrained")
        for number, spec in enumerate(seen["registered"]):
            rows = [seen["views"][name]["rows"][spec] for name in sets]
            points = [
                [np.mean([row[budget][measure] for row in rows]) for budget in rows[0]]
                for measure in ("tokens", "recall")
            ]
            axes.plot(
                *points,
                "-" if number < len(COLOURS) else "--",
                color=COLOURS[number % len(COLOURS)],
                marker=MARKERS[number % len(MARKERS)],
                markersize=5,
                linewidth=3 if spec == DEFAULT else 1.3,
                label=spec,
            )
        budgets = [int(budget) for budget in rows[0]]
        axes.set_xscale("log", base=2)
        axes.set_xticks(budgets, [str(budget) for budget in budgets])
        axes.minorticks_off()
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
        axes.set_xlabel("tokens spent (mean, log scale)")
        axes.set_ylabel(f"recall of the evidence, %: mean of {', '.join(sets)}")
        figure.legend(loc="outside right center", frameon=False)
        figure.savefig(path, dpi=160, metadata={"Date": None} if path.suffix == ".svg" else None)
        plt.close(figure)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.selection", description="Selectors side by side.")
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--sets", type=lambda text: text.split(","), default=list(SETS), help=f"of {','.join(SETS)}")
    parser.add_argument(
        "--budgets", type=lambda text: [int(part) for part in text.split(",")], default=[250, 500, 1000, 2000]
    )
    parser.add_argument("--limit", type=int, default=0, help="questions of each set at most; 0 for all")
    parser.add_argument("--half", choices=["held-out", "tuned"], default="held-out")
    parser.add_argument("--vectors", choices=["lazy", "eager", "static", "none"], default="lazy")
    kept = Path(tempfile.gettempdir()) / "chunkwise-selection"
    parser.add_argument("--keep", type=Path, default=kept, help="where the indexes are kept; %(default)s")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for selection.{md,json,svg}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
