"""What each ingredient of `multiscale` gives: recall under a budget with it and without, on halves of five sets.

    python -m benchmarks.ingredients --data DIR [--most 100] [--learn covid,multihop]

Every row is `multiscale` with one parameter other than its default, or with several. What they are set to was chosen
on the *development* halves; the *held-out* halves were asked once, when that was done: by documents for squad, covid
and nq, by questions for multihop, as in `benchmarks.judge`; odd-numbered questions for chroma, of which the even ones
were looked at before. Differences are to the first row, with the 95 % interval of a paired bootstrap over questions,
in **bold** where it leaves out 0. *fitted* is what a search along one parameter after the other finds best on the
development halves of the sets that `--learn` names, by recall at 250 and 500 tokens: on the other sets it shows what
weights learnt elsewhere are worth. What works on short documents alone is not asked again
where there are none. ms: the median difference of a question's retrieval to the first row's, in pairs,
everything warm.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise.recipe import build

from .judge import held_out, packed
from .machine import RESULTS, as_markdown, setting
from .quality.scoring import Scores, difference, score
from .quality.sets import SETS, DataSet

BUDGETS = (250, 500, 1000)
BRIDGE = {"bridge": 2.0}
ROWS: dict[str, dict[str, float]] = {
    "before": {},
    "bridge": BRIDGE,
    "titles": {"titles": 0.5},
    "near": {"near": 0.5},
    "peaked": {"peaked": 1.0},
    "bought": {"bought": 0.6},
    "bridge, bought": {**BRIDGE, "bought": 0.6},
    # What `--learn covid,multihop` found on 100 and 51 questions of their development halves.
    "fitted": {"bridge": 3.0, "lean": 1.0, "weight": 0.75},
}
IN_SHORT_DOCUMENTS = ("bridge", "titles", "bought")  # they change nothing where every document is long
TRIED = {
    "bridge": (1.0, 2.0, 3.0),
    "near": (0.5,),
    "bought": (0.6,),
    "lean": (0.4, 1.0),
    "weight": (0.25, 0.75),
    "whole": (3.5,),
    "peaked": (1.0,),
}


def main() -> None:
    """Measure, and write `results/ingredients.{json,md}`."""
    options = _options()
    rows = dict(ROWS)
    if options.learn:
        of = [_Asked(SETS[name](options.data), False, options.development, options.cache) for name in options.learn]
        rows["fitted"] = _fitted(of)
        print("fitted", rows["fitted"], flush=True)
    seen: dict[str, Any] = {"rows": {row: _spec(parameters) for row, parameters in rows.items()}, "halves": {}}
    seen["learnt on"] = options.learn or ["covid", "multihop"]
    parts = [(half, name) for half in options.halves for name in options.sets]
    with ProcessPoolExecutor(options.jobs) as pool:
        measured = [pool.submit(_part, options, half, name, rows) for half, name in parts]
        for (half, name), made in zip(parts, measured, strict=True):
            seen["halves"].setdefault(half, {})[name] = found = made.result()
            print(half, name, json.dumps(found["recall"]), flush=True)
            seen["setting"] = setting("chunkwise", "numpy")
            options.out.mkdir(parents=True, exist_ok=True)
            (options.out / "ingredients.json").write_text(json.dumps(seen, indent=1) + "\n")
            (options.out / "ingredients.md").write_text(_markdown(seen))


class _Asked:
    """Questions of one half of a set, and the recall that a setting of `multiscale` has on them."""

    def __init__(self, data: DataSet, held: bool, most: int, cache: Path) -> None:
        import chunkwise
        from chunkwise import Document

        fresh = not (cache / data.name).exists()
        self.index = chunkwise.Index.open(cache / data.name, create=True, tokenizer="cl100k_base")
        if fresh:
            self.index.add_documents(Document.of(text, source) for source, text in data.documents.items())
        half = [number for number in range(len(data.questions)) if _held_out(data, number) == held]
        numbers = sorted(np.random.default_rng(1).permutation(half)[: most or None].tolist())
        self.questions = [data.questions[number] for number in numbers]
        self.golds = [data.views[data.name][number] for number in numbers]

    def scores(self, parameters: dict[str, float], budgets: Sequence[int] = BUDGETS) -> dict[int, Scores]:
        """By budget."""
        retrieve = build(_spec(parameters), "retrieve")
        found = [(question, retrieve(self.index.corpus(), question, 400)) for question in self.questions]
        return {
            budget: score((packed(self.index, question, budget, one) for question, one in found), self.golds)
            for budget in budgets
        }

    def seconds(self, rows: dict[str, dict[str, float]]) -> dict[str, list[float]]:
        """What each row's retrieval takes for each question, one row after the other, the first one first."""
        retrievers = {row: build(_spec(parameters), "retrieve") for row, parameters in rows.items()}
        taken: dict[str, list[float]] = {row: [] for row in rows}
        for question in self.questions[:20]:
            for retrieve in retrievers.values():
                retrieve(self.index.corpus(), question, 400)
            for row, retrieve in retrievers.items():
                began = time.perf_counter()
                retrieve(self.index.corpus(), question, 400)
                taken[row].append(time.perf_counter() - began)
        return taken


def _held_out(data: DataSet, number: int) -> bool:
    return number % 2 == 1 if data.name == "chroma" else held_out(data, number)


def _spec(parameters: dict[str, float]) -> str:
    return ":".join(["multiscale", ",".join(f"{name}={value:g}" for name, value in parameters.items())]).rstrip(":")


def _part(options: argparse.Namespace, half: str, name: str, rows: dict[str, dict[str, float]]) -> dict[str, Any]:
    held = half == "held-out"
    most = options.most if held else options.development
    return _compared(_Asked(SETS[name](options.data), held, most, options.cache), rows)


def _compared(asked: _Asked, rows: dict[str, dict[str, float]]) -> dict[str, Any]:
    short = asked.index.corpus().read_whole.any()
    known: dict[str, dict[int, Scores]] = {}
    scores: dict[str, dict[int, Scores]] = {}
    for row, parameters in rows.items():
        moving = {name: value for name, value in parameters.items() if short or name not in IN_SHORT_DOCUMENTS}
        if (spec := _spec(moving)) not in known:
            known[spec] = asked.scores(parameters)
        scores[row] = known[spec]
    seconds = asked.seconds(rows)
    before = next(iter(rows))
    return {
        "questions": len(asked.questions),
        "recall": {
            row: {str(budget): round(float(one.recall.mean()), 2) for budget, one in by.items()}
            for row, by in scores.items()
        },
        "difference": {
            row: {str(b): [round(value, 2) for value in difference(by[b], scores[before][b])] for b in BUDGETS}
            for row, by in scores.items()
        },
        "ms": {
            row: round(1000 * float(np.median(np.subtract(taken, seconds[before]))), 1)
            for row, taken in seconds.items()
        },
    }


def _fitted(of: list[_Asked]) -> dict[str, float]:
    """The best setting that is found along one parameter after the other, once, from where none of them is used."""

    def worth(parameters: dict[str, float]) -> float:
        every = [asked.scores(parameters, BUDGETS[:2]) for asked in of]
        return float(np.mean([one.recall.mean() for by in every for one in by.values()]))

    best: dict[str, float] = {}
    reached = worth(best)
    for name, values in TRIED.items():
        for value in values:
            if value != best.get(name) and (now := worth({**best, name: value})) > reached + 0.1:
                best, reached = {**best, name: value}, now
    return best


def _markdown(seen: dict[str, Any]) -> str:
    parts = ["# Ingredients of `multiscale`\n", __doc__ or "", ""]
    parts += [f"- {row}: `{spec}`" for row, spec in seen["rows"].items()]
    parts += ["", f"Fitted on the development halves of {' and '.join(seen['learnt on'])}."]
    for half, sets in seen["halves"].items():
        for name, found in sets.items():
            parts += ["", f"## {name}, {half}, {found['questions']} questions\n", *_table(found)]
    return "\n".join([*parts, "", "## Setting\n", as_markdown(seen["setting"]), ""])


def _table(found: dict[str, Any]) -> Iterator[str]:
    yield f"| recall at tokens | {' | '.join(map(str, BUDGETS))} | ms |"
    yield f"| --- |{' ---: |' * (len(BUDGETS) + 1)}"
    for number, (row, by) in enumerate(found["recall"].items()):
        cells = [f"{by[str(b)]:.1f}{_told(found['difference'][row][str(b)]) if number else ''}" for b in BUDGETS]
        yield f"| {row} | {' | '.join(cells)} | {found['ms'][row]:+.1f} |"


def _told(interval: list[float]) -> str:
    mean, low, high = interval
    text = f" {mean:+.1f} [{low:+.1f}, {high:+.1f}]"
    return f" **{text.strip()}**" if low > 0 or high < 0 else text


def _names(text: str) -> list[str]:
    return [part for part in text.split(",") if part]


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.ingredients", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--sets", type=_names, default=list(SETS), help=f"of {','.join(SETS)}")
    parser.add_argument("--halves", type=_names, default=["held-out", "development"], help="held-out, development")
    parser.add_argument("--learn", type=_names, default=[], help="sets whose development halves a row is fitted on")
    parser.add_argument("--most", type=int, default=0, help="held-out questions, drawn with a fixed seed; 0 for all")
    parser.add_argument("--development", type=int, default=100, help="questions of a development half; 0 for all")
    parser.add_argument("--jobs", type=int, default=2, help="halves of sets measured side by side")
    kept = Path(tempfile.gettempdir()) / "chunkwise-benchmarks" / "judge"
    parser.add_argument("--cache", type=Path, default=kept, help="where the indexes are kept; %(default)s")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for ingredients.{json,md}")
    return parser.parse_args()


if __name__ == "__main__":
    main()
