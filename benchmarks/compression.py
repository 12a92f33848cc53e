"""How much of the evidence is kept when passages are compressed, beside choosing small chunks at the same budget.

    python -m benchmarks.compression --data DIR

DIR holds the sets of `benchmarks.quality`. Every row packs the same questions from the same index: `selection` is the
default, multiscale and coverage with no compressor; the others are given three budgets full of the same selection and
make it fit one. Recall is of the gold characters that stand in the packed text, by the map to the source alone, so that
what was lost on the way counts as lost. A citation is right when the text that a part of a passage is said to have is
the document's there, to the character, and its passage's lines hold it. With `--vectors static` no transformer runs,
neither for retrieval nor for `comi` and `context-shorten`. Writes results/compression.md, .json and .svg.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from .machine import RESULTS, as_markdown, setting
from .quality.scoring import Packed, Scores, difference, score
from .quality.sets import SETS, DataSet

BUDGETS = (125, 250, 500)
SELECTION = "selection"
OFFLINE = ("truncate", "extract", "comi", "context-shorten", "kant", "selective-context")
SHOWN = ("multihop", "squad", "covid", "chroma")
COLOURS = ("#000000", "#999999", "#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00")  # Okabe and Ito
MARKERS = "osv^DPX"


@dataclass
class Row:
    """One compressor at one budget: its packs, seconds of choosing and compressing, citations and those right."""

    packs: list[Packed] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    cited: int = 0
    right: int = 0


def main() -> None:
    """Run the benchmark as the command line says."""
    options = _options()
    seen: dict[str, Any] = {"setting": setting("chunkwise", "numpy"), "sets": {}}
    for name in options.sets:
        data = SETS[name](options.data)
        picked = half(data, options.half, options.most)
        rows = measured(data, picked, [SELECTION, *options.compressors], options)
        golds = [data.views[name][number] for number in picked]
        scores = {row: {b: score(made.packs, golds) for b, made in by.items()} for row, by in rows.items()}
        seen["sets"][name] = {
            "about": data.about,
            "questions": len(picked),
            "rows": {row: {b: _figures(made, scores, row, b) for b, made in by.items()} for row, by in rows.items()},
        }
        for row, by in seen["sets"][name]["rows"].items():
            print(f"{name:9} {row:22}", *(f"{one['recall']:6.1f}" for one in by.values()), flush=True)
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / "compression.json").write_text(json.dumps(seen, indent=1) + "\n")
    (options.out / "compression.md").write_text(page(seen, options))
    draw(seen, options.out / "compression.svg")


def half(data: DataSet, which: str, most: int) -> list[int]:
    """The numbers of the questions that are asked: every second one, at most `most`, spread over the set."""
    numbers = {"tuned": range(0, len(data.questions), 2), "held-out": range(1, len(data.questions), 2)}[which]
    chosen = np.linspace(0, len(numbers) - 1, min(most, len(numbers))).astype(int)
    return [numbers[int(at)] for at in chosen]


def measured(
    data: DataSet, picked: list[int], names: list[str], options: argparse.Namespace
) -> dict[str, dict[int, Row]]:
    """Every row's packs of the picked questions; the rows take turns, so that the machine's moods are shared."""
    import chunkwise
    from chunkwise import Document
    from chunkwise.recipe import build

    rows = {name: {budget: Row() for budget in options.budgets} for name in names}
    with tempfile.TemporaryDirectory() as folder:
        index = chunkwise.Index.open(Path(folder) / "kb", vectors=options.vectors)
        index.add_documents(Document.of(text, source) for source, text in data.documents.items())
        made = {name: None if name == SELECTION else index.build(name, "compress") for name in names}
        find = cache(build("multiscale", "retrieve"))  # what is found does not depend on the row
        for number in picked:
            query = data.questions[number]
            for budget in options.budgets:
                for name in names:
                    pack = index.pack(query, budget, retriever=find, compressor=made[name], labels=False)
                    row = rows[name][budget]
                    row.seconds.append(pack.trace.timings["select"])
                    assert pack.tokens <= budget, f"{name}: {pack.tokens} tokens in a budget of {budget}"
                    _look(row, pack, data)
    return rows


def _look(row: Row, pack: Any, data: DataSet) -> None:
    """Add a pack to its row, every part of it looked up in its document."""
    from chunkwise.units import LineMap

    ranges = []
    for passage in pack.passages:
        document = data.documents[passage.source]
        lines = LineMap.of_text(document)
        for at, (start, end) in passage.verbatim:
            first, last = lines.at(start), lines.at(max(start, end - 1))
            there = passage.text[at : at + end - start] == document[start:end]
            row.cited += 1
            row.right += there and passage.lines[0] <= first and last <= passage.lines[1]
            ranges.append((passage.source, start, end))
    row.packs.append(Packed(ranges, pack.tokens))


def _figures(made: Row, scores: dict[str, dict[int, Scores]], row: str, budget: int) -> dict[str, Any]:
    mine, plain = scores[row][budget], scores[SELECTION][budget]
    mean, low, high = difference(mine, plain)
    return {
        **mine.means(),
        "against selection": [round(value, 1) for value in (mean, low, high)],
        "citations": [made.cited, made.right],
        "ms": round(1000 * float(np.median(made.seconds)), 1),
    }


def page(seen: dict[str, Any], options: argparse.Namespace) -> str:
    """The results as Markdown."""
    text = [
        "# Compression beside selection\n",
        f"Evidence kept (character recall, %) on questions of the {options.half} half of each set; in brackets the"
        " difference to `selection` at the same budget and its 95 % interval, bootstrap over the questions. `selection`"
        f" buys small chunks of the budget and compresses nothing; the index has {options.vectors} vectors. Times are"
        " medians of choosing and compressing, retrieval left out, in one run on a busy machine: read them against each"
        " other.\n",
    ]
    for name, found in seen["sets"].items():
        text.append(f"## {name}\n\n{found['about']}; {found['questions']} questions\n")
        budgets = list(next(iter(found["rows"].values())))
        text.append("| | " + " | ".join(f"{budget} tokens" for budget in budgets) + " | ms | citations right |")
        text.append("|---|" + "---|" * (len(budgets) + 2))
        for row, by in found["rows"].items():
            cells = [_cell(row, one) for one in by.values()]
            cited, right = (sum(one["citations"][at] for one in by.values()) for at in (0, 1))
            times = " / ".join(f"{one['ms']:.0f}" for one in by.values())
            text.append(f"| {row} | {' | '.join(cells)} | {times} | {right} of {cited} |")
        text.append("")
    return "\n".join([*text, "![Evidence kept against tokens](compression.svg)\n", as_markdown(seen["setting"]), ""])


def _cell(row: str, one: dict[str, Any]) -> str:
    if row == SELECTION:
        return f"**{one['recall']:.1f}**"
    mean, low, high = one["against selection"]
    return f"{one['recall']:.1f} ({mean:+.1f}; {low:+.1f} to {high:+.1f})"


def draw(seen: dict[str, Any], to: Path) -> None:
    """One panel for each set: recall against tokens spent."""
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib import pyplot as plt

    plt.rcParams |= {"font.size": 10, "svg.hashsalt": "chunkwise", "axes.spines.top": False, "axes.spines.right": False}
    sets = seen["sets"]
    figure, grid = plt.subplots(1, len(sets), figsize=(3.1 * len(sets), 3.6), layout="constrained", squeeze=False)
    for panel, (name, found) in zip(grid[0], sets.items(), strict=True):
        for (row, by), colour, marker in zip(found["rows"].items(), COLOURS, MARKERS, strict=False):
            tokens, recall = ([one[key] for one in by.values()] for key in ("tokens", "recall"))
            width = 2.2 if row == SELECTION else 1.2
            panel.plot(tokens, recall, color=colour, marker=marker, markersize=4, linewidth=width, label=row)
        panel.set_title(name, fontsize=10, loc="left")
        panel.set_xscale("log", base=2)
        panel.set_xticks(BUDGETS, [str(budget) for budget in BUDGETS])
    figure.supxlabel("tokens handed over", fontsize=10)
    figure.supylabel("evidence kept, %", fontsize=10)
    handles, labels = grid[0][0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower center", ncols=len(labels), frameon=False, fontsize=9)
    figure.savefig(to, metadata={"Date": None})
    plt.close(figure)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.compression", description=__doc__)
    parser.add_argument("--data", type=Path, required=True, help="folder that holds the data sets")
    parser.add_argument("--sets", type=_list, default=list(SHOWN), help=f"of {','.join(SETS)}")
    parser.add_argument("--compressors", type=_list, default=list(OFFLINE), help="specs")
    parser.add_argument("--budgets", type=lambda text: [int(part) for part in text.split(",")], default=list(BUDGETS))
    parser.add_argument("--half", choices=("tuned", "held-out"), default="held-out", help="which questions")
    parser.add_argument("--most", type=int, default=150, help="questions of a set; %(default)s")
    parser.add_argument("--vectors", choices=("lazy", "static"), default="lazy", help="the index's; %(default)s")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder for compression.{md,json,svg}")
    return parser.parse_args()


def _list(text: str) -> list[str]:
    from chunkwise.recipe import specs

    return list(specs(text))


if __name__ == "__main__":
    main()
