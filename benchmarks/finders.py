"""What every offline retriever finds within a budget of tokens, one selector for all, on five sets of questions.

    python -m benchmarks.finders --data DIR [--sets NAME ...] [--limit 60] [--embedder static] [--only SPEC ...]

DIR holds the sets. Of each set every second question may be asked, from the second on, and --limit of those are drawn:
what was tried out while retrievers were made was tried on the others. Recall is the share of the evidence's characters
in the packed chunks; of `multihop` also the share of questions of which every piece of evidence is touched, which is
where a bridge shows. Milliseconds are of all cores and of finding alone, the median over questions, the first one left
out, whose time holds what is made once for an index and stands beside it. `vectors` are those that the retriever
compares with a question, for each document. Recipes that ask a language model are not here; `cfic` runs on the byte
model that comes with the package, on --few questions, with `bm25` on the same ones beside it. Writes
results/finders.{md,json} and results/finders/SET.svg; sets, and retrievers of --only, that are not run again keep what
stands in the JSON.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from chunkwise.embed import embedder
from chunkwise.evaluate import Dataset, Evidence, Question, difference, interval, load, span_scores
from chunkwise.evaluate.plot import Line, draw, installed
from chunkwise.index import Index
from chunkwise.recipe import build
from chunkwise.retrieve import Corpus, Retriever
from chunkwise.retrieve.written.key import key_chunks
from chunkwise.supplies import supplies
from chunkwise.units import Candidates

from .machine import RESULTS, as_markdown, setting

SETS = ("multihop", "covid_qa", "squad_xquad_en", "chroma_chunking", "nq_passages")
BUDGETS = (250, 500, 1000, 2000)
FLOOR = "bm25"
SPECS = (
    "bm25", "dense", "rrf", "multiscale", "looping", "neighbours", "neighbours:of=rrf", "parent", "parent:of=rrf",
    "tearag", "tearag:of=multiscale", "question-compression", "paper-cards",
)  # fmt: skip
SLOW = ("bm25", "cfic")


class Once:
    """A retriever that finds once for all budgets, and notes how long it took."""

    def __init__(self, retrieve: Retriever) -> None:
        self._retrieve = retrieve
        self._found: tuple[str, Candidates] | None = None
        self.seconds: list[float] = []

    def __call__(self, corpus: Corpus, query: str, k: int) -> Candidates:
        """What the retriever finds."""
        if self._found is None or self._found[0] != query:
            began = time.process_time()
            self._found = query, self._retrieve(corpus, query, k)
            self.seconds.append(time.process_time() - began)
        return self._found[1]


def asked(index: Index, spec: str, questions: Sequence[Question], embed: str) -> dict[str, Any]:
    """One retriever on all questions: recall, and whether every piece of evidence was touched, by budget."""
    once = Once(build(spec, "retrieve", supplies(embed)))
    row: dict[str, Any] = {"spec": spec, "recall": {}, "every": {}}
    for question in questions:
        for budget in BUDGETS:
            pack = index.pack(question.text, budget, retriever=once, labels=False)
            got = [Evidence(passage.source, passage.span) for passage in pack.passages]
            pieces = [Question(question.text, (piece,)) for piece in question.evidence]
            every = all(span_scores(got, piece).recall > 0 for piece in pieces)
            row["recall"].setdefault(str(budget), []).append(round(100 * span_scores(got, question).recall, 2))
            row["every"].setdefault(str(budget), []).append(100 * every)
    row["first_s"] = round(once.seconds[0], 2)
    row["ms"] = round(1000 * median(once.seconds[1:] or once.seconds), 1)
    row["vectors"] = round(vectors(index.corpus(), spec) / len(index.corpus().snapshot.sources), 1)
    return row


def vectors(corpus: Corpus, spec: str) -> int:
    """How many vectors the retriever compares with a question."""
    if spec.startswith("question-compression"):
        return len(key_chunks(corpus, 0.2)[0])
    lexical = spec in ("bm25", "looping", "neighbours", "parent", "paper-cards", "cfic")
    return 0 if lexical or corpus.scan is None else len(corpus)


def measured(data: Dataset, options: argparse.Namespace) -> dict[str, Any]:
    """All retrievers on one set."""
    held = data.questions[1::2]
    drawn = np.sort(np.random.default_rng(0).permutation(len(held))[: options.limit])
    questions = [held[at] for at in drawn.tolist()]
    static = options.embedder == "static"
    with tempfile.TemporaryDirectory() as folder:
        kind: Any = "static" if static else "lazy"
        chosen = {} if static else {"embedder": options.embedder}
        with Index.open(Path(folder) / "kb", vectors=kind, **chosen) as index:
            index.add_documents(data.documents)
            corpus = index.corpus()
            found: dict[str, Any] = {
                "embedder": options.embedder,
                "questions": len(questions),
                "documents": len(corpus.snapshot.sources),
                "chunks": len(corpus),
                "load": os.getloadavg()[0],
            }
            rows = [asked(index, spec, questions, options.embedder) for spec in told(options.only, data.name)]
            slow = [asked(index, spec, questions[: options.few], options.embedder) for spec in SLOW if options.few]
    return {**found, "rows": rows, "slow": slow}


def told(specs: Sequence[str], name: str) -> list[str]:
    """The specs, each said before it is run."""
    print(name, *specs, flush=True)
    return list(specs)


def joined(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, Any]:
    """What was found now, with the rows from before, of the same questions, that were not measured again."""
    if before is None or before["questions"] != now["questions"] or before["chunks"] != now["chunks"]:
        return now
    again = {row["spec"]: row for row in now["rows"]}
    rows = [again.pop(row["spec"], row) for row in before["rows"]]
    return {**now, "rows": [*rows, *again.values()], "slow": now["slow"] or before["slow"], "load": before["load"]}


def table(rows: Sequence[dict[str, Any]], key: str) -> list[str]:
    """Means by budget with what each is beyond the floor where that is no noise, and the costs."""
    heads = [f"@{budget:,}" for budget in BUDGETS]
    lines = [f"| retriever | {' | '.join(heads)} | ms | first, s | vectors a document |", "| --- |" + " ---: |" * 7]
    floor = next(row for row in rows if row["spec"] == FLOOR)
    for row in rows:
        cells = []
        for budget in map(str, BUDGETS):
            apart = difference(row[key][budget], floor[key][budget])
            sure = "" if apart.low <= 0 <= apart.high else " **+**" if apart.mean > 0 else " **−**"
            cells.append(f"{np.mean(row[key][budget]):.1f}{sure}")
        lines.append(
            f"| `{row['spec']}` | {' | '.join(cells)} | {row['ms']:.1f} | {row['first_s']:.2f} | {row['vectors']:.1f} |"
        )
    return lines


def report(seen: dict[str, Any]) -> str:
    """The page of results."""
    lines = [
        "# Finders",
        "",
        "Recall of the evidence, in percent of its characters, in what the selector `coverage` packs of each",
        f"retriever's candidates at a budget of tokens. **+** and **−**: above or below `{FLOOR}`, the 95 % bootstrap",
        "interval of the paired difference leaving out 0. Milliseconds are of all cores, on a machine that others use:",
        "they are for comparing rows.",
        "",
    ]
    for name, found in seen["sets"].items():
        lines += [
            f"## {name}",
            "",
            f"{found['questions']} questions on {found['documents']:,} documents, {found['chunks']:,} chunks; vectors:"
            f" {found['embedder']}; load of the machine at the start {found['load']:.1f}.",
            "",
            *table(found["rows"], "recall"),
            "",
        ]
        if name.startswith("multihop"):
            lines += ["Questions of which every piece of evidence is touched, in percent:", ""]
            lines += [*table(found["rows"], "every"), ""]
        if found["slow"]:
            count = len(found["slow"][0]["recall"][str(BUDGETS[0])])
            lines += [f"With the byte model, on {count} of the questions:", "", *table(found["slow"], "recall"), ""]
        lines += [f"![Recall against tokens](finders/{name}.svg)", ""]
    return "\n".join([*lines, as_markdown(seen["setting"]), ""])


def plotted(name: str, found: dict[str, Any]) -> None:
    """Recall against tokens as a picture."""
    lines = []
    for row in found["rows"]:
        points = tuple((budget, *interval(row["recall"][str(budget)])) for budget in BUDGETS)
        lines.append(Line(row["spec"], f"{row['ms']:.0f} ms", points))
    about = f"{found['questions']} questions, {found['chunks']:,} chunks, vectors: {found['embedder']}"
    draw(lines, f"Evidence within a budget: {name}", about, RESULTS / "finders" / f"{name}.svg")


def main() -> None:
    """Measure the sets asked for and write the page anew."""
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--sets", nargs="+", choices=SETS, default=list(SETS))
    options.add_argument("--limit", type=int, default=60, help="questions of a set; %(default)s")
    options.add_argument("--few", type=int, default=10, help="questions for cfic, 0 to leave it out; %(default)s")
    options.add_argument("--embedder", default="static", help="static, or one that reads candidates, such as minilm")
    options.add_argument("--only", nargs="+", default=list(SPECS), help="specs")
    chosen = options.parse_args()
    embedder(chosen.embedder)
    (RESULTS / "finders").mkdir(parents=True, exist_ok=True)
    kept = RESULTS / "finders.json"
    seen: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {"sets": {}}
    for name in chosen.sets:
        found = measured(load(name, chosen.data), chosen)
        title = name if chosen.embedder == "static" else f"{name}-{chosen.embedder}"
        seen["sets"][title] = found = joined(seen["sets"].get(title), found)
        where = setting("chunkwise", "numpy")
        if chosen.only != list(SPECS) and seen.get("setting"):
            where["command"] = f"{seen['setting']['command'].partition(', then ')[0]}, then {where['command']}"
        seen["setting"] = where
        kept.write_text(json.dumps(seen, indent=None, separators=(",", ":")) + "\n")
        (RESULTS / "finders.md").write_text(report(seen), encoding="utf-8")
        if installed():
            plotted(title, found)


if __name__ == "__main__":
    main()
