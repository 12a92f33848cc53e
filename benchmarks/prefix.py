"""How much of a conversation's prompts an endpoint has read before, by how the passages are laid out.

    python -m benchmarks.prefix --data DIR [--documents 40] [--budget 2000]

Each document of long_docs_leval is a conversation of its questions, in their order, each packed under the same budget
and with the same passages for every layout; only their order differs. Once each question is searched for alone, once
together with the question before it, as a retriever that knows the history does. Counted is what a prompt begins with
that an earlier prompt of its conversation began with too. Writes results/prefix.md and .json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.machine import RESULTS, as_markdown, setting
from chunkwise.evaluate import load
from chunkwise.index import Index
from chunkwise.pack import Pack
from chunkwise.prompt import Layout, Prices, prompt, reuse
from chunkwise.prompt.order import in_the_middle
from chunkwise.recipe import build
from chunkwise.tokens import tokenizer
from chunkwise.units import Passage

PRICES = {"a cached token at half the price": Prices(1, 0.5), "a cached token at a tenth": Prices(1, 0.1)}
EVERY = Prices(1, 0, block=1, least=0)


WAYS: dict[str, Callable[[Sequence[str]], list[str]]] = {
    "alone": list,
    "with the one before it": lambda asked: [asked[0], *(f"{one} {other}" for one, other in pairwise(asked))],
}


def by_score(passages: Sequence[Passage], earlier: Sequence[Sequence[Passage]]) -> list[Passage]:
    """The best first: what most pipelines do."""
    return sorted(passages, key=lambda passage: -passage.score)


LAYOUTS: dict[str, Layout] = {
    "by score, the best first": Layout(by_score),
    **{
        spec: build(spec, "layout")
        for spec in ("by-position", "best-at-ends", *(f"prefix-stable:edge={edge}" for edge in (2, 1000)))
    },
}


def conversation(layout: Layout, packs: Sequence[Pack]) -> list[dict[str, float]]:
    """What each turn after the first costs; a row a turn."""
    shown: list[list[Passage]] = []
    prompts: list[str] = []
    rows = []
    for pack in packs:
        order = layout(pack.passages, shown)
        written = prompt(pack.query, order)
        if prompts:
            found = reuse(written, prompts, tokenizer(), EVERY)
            row = {"tokens": found.tokens, "same": found.cached, "hidden": float(in_the_middle(order, 2))}
            rows.append(row | {name: reuse(written, prompts, tokenizer(), one).saved for name, one in PRICES.items()})
        shown.append(order)
        prompts.append(written)
    return rows


def main() -> None:
    """Pack every conversation once, lay it out by every layout, write the two files."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--documents", type=int, default=40)
    options.add_argument("--budget", type=int, default=2000)
    chosen = options.parse_args()
    dataset = load("long_docs_leval", chosen.data)
    asked: dict[str, list[str]] = defaultdict(list)
    for question in dataset.questions:
        asked[next(iter(question.relevant))].append(question.text)
    texts = {document.source: document for document in dataset.documents}
    talks = [source for source, questions in asked.items() if len(questions) >= 3][: chosen.documents]
    found: dict[str, dict[str, list[dict[str, float]]]] = {way: {name: [] for name in LAYOUTS} for way in WAYS}
    for source in talks:
        with tempfile.TemporaryDirectory() as folder, Index.open(Path(folder) / "kb", vectors="static") as index:
            index.add_documents([texts[source]])
            for way, queries in WAYS.items():
                packs = [index.pack(query, chosen.budget) for query in queries(asked[source])]
                for name, layout in LAYOUTS.items():
                    found[way][name] += conversation(layout, packs)
        print(source, len(asked[source]), flush=True)
    made: dict[str, Any] = {
        "run": setting("chunkwise", "numpy", "splintr-rs"),
        "conversations": len(talks),
        "turns": len(found["alone"]["by-position"]),
        "tokens": fmean(turn["tokens"] for turn in found["alone"]["by-position"]),
        "rows": {way: [summed(name, turns) for name, turns in by_layout.items()] for way, by_layout in found.items()},
    }
    (RESULTS / "prefix.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    text = page(made, chosen.budget)
    (RESULTS / "prefix.md").write_text(text, encoding="utf-8")
    print(text)


def summed(name: str, turns: Sequence[dict[str, float]]) -> dict[str, Any]:
    """A layout's row: shares of all prompt tokens, and of their price."""
    spent = sum(turn["tokens"] for turn in turns)
    return {
        "layout": name,
        "same": sum(turn["same"] for turn in turns) / spent,
        "hidden": fmean(turn["hidden"] for turn in turns),
        **{price: sum(turn[price] for turn in turns) * 1e6 / spent for price in PRICES},
    }


def page(made: dict[str, Any], budget: int) -> str:
    """The results as Markdown."""
    lines = [
        "# Prompts that begin alike",
        "",
        f"{made['turns']} turns of {made['conversations']} conversations, the first of each left out; prompts of",
        f"{made['tokens']:,.0f} tokens on average, {budget:,} of them for passages. *Read before*: the share of all",
        "tokens that stand in a beginning which an earlier prompt of the conversation has too. *Saved*: the share of",
        "the price of all prompt tokens, where the endpoint keeps blocks of 128 tokens from 1,024 on. *Best hidden*:",
        "how often the best passage stands neither among the first two nor the last two. A prediction: endpoints drop what",
        "they keep when they please.",
    ]
    for way, rows in made["rows"].items():
        lines += [
            "",
            f"## Each question {way}",
            "",
            f"| layout | read before, % | {' | '.join(f'saved, {name}, %' for name in PRICES)} | best hidden, % |",
            f"|---|{'---:|' * (len(PRICES) + 2)}",
            *(
                f"| {row['layout']} | {100 * row['same']:.1f} | "
                + " | ".join(f"{100 * row[name]:.1f}" for name in PRICES)
                + f" | {100 * row['hidden']:.0f} |"
                for row in rows
            ),
        ]
    return "\n".join([*lines, "", as_markdown(made["run"]), ""])


if __name__ == "__main__":
    main()
