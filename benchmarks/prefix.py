"""How much of a conversation's prompts an endpoint has read before, and what evidence that costs.

    python -m benchmarks.prefix --data DIR

A conversation is the questions on one document, in the set's order, each packed under the same budget by every layout,
which is told the packs before. Documents with three questions or more are taken, every second one is reported; what
`prefix-stable` does by itself was chosen on the others. Each paper of covid_qa and each document of long_docs_leval is
a knowledge base of its own, the articles of squad_xquad_en are one. Writes results/prefix.md and .json.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections import defaultdict
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, NamedTuple

from benchmarks.machine import RESULTS, as_markdown, setting
from chunkwise.evaluate import Evidence, Question, load, span_scores
from chunkwise.evaluate.confidence import difference
from chunkwise.index import Index
from chunkwise.pack import Pack
from chunkwise.prompt import Layout, Prices, reuse
from chunkwise.prompt.keep import nothing
from chunkwise.prompt.order import in_the_middle
from chunkwise.recipe import build
from chunkwise.retrieve import Corpus
from chunkwise.tokens import tokenizer
from chunkwise.units import Candidates, Document, Passage

PRICES = {"a cached token at half the price": Prices(1, 0.5), "a cached token at a tenth": Prices(1, 0.1)}
EVERY = Prices(1, 0, block=1, least=0)
PLAIN = "by-position"


class Talks(NamedTuple):
    """One table: which set, under which budgets, whether all its documents are searched at once, and what is asked."""

    set: str
    budgets: tuple[int, ...]
    together: bool
    asked: Callable[[Sequence[str]], list[str]]
    title: str


TABLES = (
    Talks("covid_qa", (500, 1000, 2000), False, list, "covid_qa, each question within its paper"),
    Talks("squad_xquad_en", (500, 1000, 2000), True, list, "squad_xquad_en, over all articles"),
    Talks("long_docs_leval", (2000,), False, list, "long_docs_leval, each question within its document"),
    Talks(
        "long_docs_leval", (2000,), False,
        lambda asked: [asked[0], *(f"{one} {other}" for one, other in pairwise(asked))],
        "long_docs_leval, searched for together with the question before, as a retriever does that knows the history",
    ),
)  # fmt: skip


def by_score(passages: Sequence[Passage], earlier: Sequence[Sequence[Passage]]) -> list[Passage]:
    """The best first: what most pipelines do."""
    return sorted(passages, key=lambda passage: -passage.score)


LAYOUTS: dict[str, Layout] = {
    PLAIN: build(PLAIN, "layout"),
    "by score, the best first": Layout(by_score),
    "prefix-stable, order alone": replace(build("prefix-stable", "layout"), keep=nothing),
    **{
        f"prefix-stable:{parameters}": build(f"prefix-stable:{parameters}", "layout")
        for parameters in ("waste=0", "waste=0.1", "waste=0.2", "edge=1000,waste=0.1")
    },
}


class Turn(NamedTuple):
    """One prompt of a conversation. tokens, same: of it, and of what it begins with that was read before; saved: by
    table of prices; hidden: whether the best passage stands in the middle; recall: of the evidence, 0 where unknown.
    """

    tokens: int
    same: int
    saved: tuple[float, ...]
    hidden: bool
    recall: float


def conversation(
    index: Index, questions: Sequence[Question], queries: Sequence[str], budget: int, layout: Layout, search: Any
) -> list[Turn]:
    """Every turn of one conversation, each told the packs before it."""
    earlier: list[Pack] = []
    turns = []
    for question, query in zip(questions, queries, strict=True):
        pack = index.pack(query, budget, retriever=search, layout=layout, earlier=earlier)
        prompts = [one.prompt for one in earlier]
        found = reuse(pack.prompt, prompts, tokenizer(), EVERY)
        saved = tuple(reuse(pack.prompt, prompts, tokenizer(), prices).saved * 1e6 for prices in PRICES.values())
        given = [Evidence(passage.source, passage.span) for passage in pack.passages]
        recall = span_scores(given, question).recall if question.evidence else 0.0
        turns.append(Turn(found.tokens, found.cached, saved, in_the_middle(pack.passages, 2), recall))
        earlier.append(pack)
    return turns


def remembered(index: Index) -> Callable[[Corpus, str, int], Candidates]:
    """The default retriever, which searches for each question once for all layouts."""
    search, found = index.build("multiscale", "retrieve"), dict[str, Candidates]()

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        if query not in found:
            found[query] = search(corpus, query, k)
        return found[query]

    return retrieve


def measured(number: int, data: Path, most: int) -> dict[str, Any]:
    """One of TABLES: a row for each budget and layout."""
    table = TABLES[number]
    dataset = load(table.set, data)
    asked: dict[str, list[Question]] = defaultdict(list)
    for question in dataset.questions:
        asked[question.evidence[0].source if question.evidence else next(iter(question.relevant))].append(question)
    texts = {document.source: document for document in dataset.documents}
    talks = [source for source, questions in asked.items() if len(questions) >= 3][::2][:most]
    turns: dict[tuple[int, str], list[list[Turn]]] = defaultdict(list)

    def hold(documents: Sequence[Document], sources: Sequence[str]) -> None:
        with tempfile.TemporaryDirectory() as folder, Index.open(Path(folder) / "kb", vectors="static") as index:
            index.add_documents(documents)
            search = remembered(index)
            for source in sources:
                queries = table.asked([question.text for question in asked[source]])
                for budget in table.budgets:
                    for name, layout in LAYOUTS.items():
                        held = conversation(index, asked[source], queries, budget, layout, search)
                        turns[budget, name].append(held)
                print(table.set, source, len(queries), flush=True)

    if table.together:
        hold(dataset.documents, talks)
    else:
        for source in talks:
            hold([texts[source]], [source])
    evidence = any(question.evidence for question in dataset.questions)
    return {
        "title": table.title,
        "conversations": len(talks),
        "turns": sum(map(len, turns[table.budgets[0], PLAIN])),
        "rows": [
            {"budget": budget, "layout": name, **summed(held, turns[budget, PLAIN], evidence)}
            for (budget, name), held in turns.items()
        ],
    }


def summed(held: Sequence[Sequence[Turn]], plain: Sequence[Sequence[Turn]], evidence: bool) -> dict[str, Any]:
    """A row: shares of the tokens, and of the price, of all prompts but each conversation's first; recall of all."""
    later = [turn for talk in held for turn in talk[1:]]
    spent = sum(turn.tokens for turn in later)
    row: dict[str, Any] = {
        "tokens": fmean(turn.tokens for turn in later),
        "same": sum(turn.same for turn in later) / spent,
        "hidden": fmean(turn.hidden for turn in later),
        **{name: sum(turn.saved[at] for turn in later) / spent for at, name in enumerate(PRICES)},
    }
    if evidence:
        recalls = [[turn.recall for talk in talks for turn in talk] for talks in (held, plain)]
        row |= {"recall": fmean(recalls[0]), "against": difference(*recalls)._asdict()}
    return row


def main() -> None:
    """Measure every table, write the two files."""
    options = argparse.ArgumentParser(description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--documents", type=int, default=24, help="most conversations of a set")
    chosen = options.parse_args()
    measure = partial(measured, data=chosen.data, most=chosen.documents)
    with ProcessPoolExecutor(len(TABLES)) as pool:
        tables = list(pool.map(measure, range(len(TABLES))))
    made: dict[str, Any] = {"run": setting("chunkwise", "numpy", "splintr-rs"), "tables": tables}
    (RESULTS / "prefix.json").write_text(json.dumps(made, indent=1) + "\n", encoding="utf-8")
    text = page(made)
    (RESULTS / "prefix.md").write_text(text, encoding="utf-8")
    print(text)


def page(made: dict[str, Any]) -> str:
    """The results as Markdown."""
    lines = [
        "# Prompts that begin alike",
        "",
        "*Read before*: the share of all prompt tokens that stand in a beginning which an earlier prompt of the",
        "conversation has too, the first prompt of each left out. *Saved*: the share of the price of all these tokens,",
        "where the endpoint keeps blocks of 128 tokens from 1,024 on; a small prompt saves nothing.",
        "*Hidden*: how often the best passage stands neither among the first two nor the last two. *Evidence*: the",
        "share of the answers' characters in the prompt, over all questions, and beside it the difference from",
        f"{PLAIN}, which buys what each question alone would, with its 95 % interval, both in points. A prediction:",
        "endpoints drop what they keep when they please. Static vectors alone; every second document, the defaults",
        "(`edge=2,waste=0.1`) were chosen on the others.",
    ]
    for table in made["tables"]:
        evidence = "recall" in table["rows"][0]
        columns = ["budget", "layout", "read before, %", *(f"saved, {name}, %" for name in PRICES), "hidden, %"]
        columns += ["evidence, %", "difference"] if evidence else []
        lines += [
            "",
            f"## {table['title']}",
            "",
            f"{table['turns']} questions in {table['conversations']} conversations.",
            "",
            f"| {' | '.join(columns)} |",
            f"|---:|---|{'---:|' * (len(columns) - 2)}",
        ]
        for row in table["rows"]:
            cells = [f"{100 * row[key]:.1f}" for key in ("same", *PRICES)] + [f"{100 * row['hidden']:.0f}"]
            if evidence:
                gap = row["against"]
                span = f"{100 * gap['mean']:+.1f} ({100 * gap['low']:+.1f} to {100 * gap['high']:+.1f})"
                cells += [f"{100 * row['recall']:.1f}", span if row["layout"] != PLAIN else ""]
            lines.append(f"| {row['budget']:,} | {row['layout']} | {' | '.join(cells)} |")
    return "\n".join([*lines, "", as_markdown(made["run"]), ""])


if __name__ == "__main__":
    main()
