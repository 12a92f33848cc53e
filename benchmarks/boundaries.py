"""Where cuts fall: boundary F1, Pk and WindowDiff of any segment recipes, beside blind cuts into as many chunks.

    python -m benchmarks.boundaries --data DIR [--specs SPEC ...] [--sets SET ...]

DIR holds `squad_xquad_en`, `nq_passages`, `chapter_boundaries` and `multihop`. "fresh": twenty-five passages of
Wikipedia, of 300 to 1500 characters, each on its own subject; "articles": six Wikipedia articles one after the other,
five paragraphs each; "passages": a hundred words on each of twenty subjects; "stretches": a few paragraphs of each of
sixteen books; "chapters": the beginnings of books without their headings. All are made running text, one space for any
run of blanks, so that no layout tells where a part ends. `context-gain` was chosen while looking at all of them but
"fresh", and the defaults of the semantic cuts on half of `nq_passages` and on books. "fresh" was made after every
choice, and nothing was changed for it: it is the one to believe. Its subjects have nothing to do with one another,
which is the easiest case for cuts by meaning.

Scores are over sentences; but for "F1 to the sentence" a boundary is found when it is at most one sentence away. For
each recipe, `fixed` and `recursive` are given the size at which they make as many chunks, and `random` cuts at as many
sentence ends drawn by lot (the mean of ten draws). Differences are to that `fixed`, text by text, with the 95 %
interval of a paired bootstrap over the texts, where there are six of them or more. Pk and WindowDiff: lower is better.

Writes results/boundaries.md and .json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.machine import RESULTS, as_markdown, setting
from chunkwise import recipe
from chunkwise.evaluate import difference
from chunkwise.evaluate.boundaries import boundary_scores, pk, window_diff
from chunkwise.evaluate.confidence import FEWEST
from chunkwise.segment.sentence import sentence_bounds
from chunkwise.supplies import supplies
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, Ints

SPECS = (
    "meta-chunking:threshold=0.3",
    "meta-chunking:threshold=0.6",
    "context-gain:percentile=90",
    "semantic",
    "semantic-clusters",
)
TOLERANCE, DRAWS, SEED = 1, 10, 1
MEASURES = ("exact_f1", "f1", "precision", "recall", "pk", "window_diff")
COMPARED = {"exact_f1": "F1 to the sentence", "f1": "F1", "pk": "Pk", "window_diff": "WindowDiff"}


@dataclass(frozen=True)
class Joined:
    """A text, where its parts begin, and where its sentences do."""

    text: str
    starts: tuple[int, ...]
    sentences: Ints

    @classmethod
    def of(cls, text: str, starts: list[int]) -> Joined:
        """The text with its sentences found."""
        return cls(text, tuple(starts), sentence_bounds(Document.of(text)))

    def at(self, offsets: list[int]) -> list[int]:
        """The sentences that begin nearest to those characters."""
        after = np.searchsorted(self.sentences, offsets).clip(1, len(self.sentences) - 1)
        middle = (self.sentences[after - 1] + self.sentences[after]) / 2
        return [int(found) for found in np.where(np.array(offsets) < middle, after - 1, after)]

    def scores(self, cuts: list[int]) -> dict[str, float]:
        """Every measure of cuts before those sentences."""
        gold, length = self.at(list(self.starts)), len(self.sentences) - 1
        found = boundary_scores(cuts, gold, length, TOLERANCE)._asdict()
        exact = boundary_scores(cuts, gold, length).f1
        return found | {"exact_f1": exact, "pk": pk(cuts, gold, length), "window_diff": window_diff(cuts, gold, length)}


def articles(data: Path) -> Iterator[Joined]:
    """Four texts of six articles, each with its paragraphs."""
    rows = [json.loads(line) for line in (data / "squad_xquad_en" / "docs.jsonl").read_text("utf-8").splitlines()]
    random.Random(SEED).shuffle(rows)
    for start in range(0, len(rows), 6):
        yield joined([row["text"] for row in rows[start : start + 6]])


def passages(data: Path) -> Iterator[Joined]:
    """Six texts of twenty passages, each on its own subject."""
    with gzip.open(data / "nq_passages" / "passages.jsonl.gz", "rt", encoding="utf-8") as file:
        texts = list({row["title"]: row["text"] for row in map(json.loads, file)}.values())
    random.Random(SEED).shuffle(texts)
    for start in range(0, 120, 20):
        yield joined(texts[start : start + 20])


def stretches(data: Path) -> Iterator[Joined]:
    """Four texts of sixteen stretches of about 2500 characters, each from another book."""
    every = books(data)
    for number in range(4):
        random.Random(SEED + number).shuffle(every)
        yield joined([stretch(text, (number + 1) / 5) for text, _ in every])


def stretch(text: str, place: float, characters: int = 2500) -> str:
    """Whole paragraphs from that place (0 to 1) on."""
    start = text.index("\n\n", int(len(text) * place)) + 2
    end = text.find("\n\n", start + characters)
    return text[start : end if 0 < end < start + 2 * characters else start + characters]


def chapters(data: Path, most: int, characters: int) -> Iterator[Joined]:
    """The beginnings of books, cut at the chapters that begin there."""
    for text, starts in books(data)[:most]:
        edges = [0, *(start for start in starts if 0 < start < characters), characters]
        yield joined([text[start:end] for start, end in pairwise(edges)])


def fresh(data: Path, texts: int = 24, passages: int = 25) -> Iterator[Joined]:
    """Texts of passages from three sets of Wikipedia, no subject twice."""
    folder, found = data / "multihop", dict[str, str]()
    with gzip.open(folder / "distractors_2wiki.jsonl.gz", "rt", encoding="utf-8") as file:
        found |= {row["title"]: row["text"] for row in map(json.loads, file)}
    with gzip.open(folder / "musique.jsonl.gz", "rt", encoding="utf-8") as file:
        found |= {part["title"]: part["text"] for row in map(json.loads, file) for part in row["paragraphs"]}
    for line in (folder / "hotpot.jsonl").read_text("utf-8").splitlines():
        found |= {part["title"]: " ".join(part["sentences"]) for part in json.loads(line)["paragraphs"]}
    chosen = sorted({" ".join(text.split()) for text in found.values()})
    chosen = [text for text in chosen if 300 <= len(text) <= 1500]
    random.Random(SEED).shuffle(chosen)
    for start in range(0, texts * passages, passages):
        yield joined(chosen[start : start + passages])


def books(data: Path) -> list[tuple[str, list[int]]]:
    """Texts without their headings, and where chapters begin."""
    with gzip.open(data / "chapter_boundaries" / "books.jsonl.gz", "rt", encoding="utf-8") as file:
        rows = map(json.loads, file)
        return [(row["text"], [boundary["start"] for boundary in row["boundaries"]]) for row in rows]


def joined(parts: list[str]) -> Joined:
    """The parts as one running text."""
    text, starts = "", []
    for part in parts:
        starts.append(len(text))
        text += " ".join(part.split()) + " "
    return Joined.of(text, starts[1:])


def cutter(spec: str, models: Any) -> Callable[[Joined], list[int]]:
    """The sentences at which the recipe cuts."""
    segmenter = recipe.build(spec, "segment", models)

    def cut(one: Joined) -> list[int]:
        spans = segmenter(Document.of(one.text), tokenizer().offsets(one.text))
        return sorted({*one.at([span.start for span in spans[1:]])} - {0})

    return cut


def as_many(name: str, texts: list[Joined], cuts: int) -> str:
    """The spec of `name` with the largest size that makes at least so many cuts over the texts."""
    low, high = 1, 4096
    while high - low > 1:
        size = (low + high) // 2
        made = sum(len(cutter(f"{name}:size={size}", None)(one)) for one in texts)
        low, high = (size, high) if made >= cuts else (low, size)
    return f"{name}:size={low}"


def drawn(texts: list[Joined], cuts: list[int]) -> dict[str, float]:
    """Scores of as many sentence ends drawn by lot."""
    lot = random.Random(SEED)
    draws = [
        one.scores(sorted(lot.sample(range(1, len(one.sentences) - 1), count)))
        for _ in range(DRAWS)
        for one, count in zip(texts, cuts, strict=True)
    ]
    return mean(draws)


def mean(scores: list[dict[str, float]]) -> dict[str, float]:
    """Every measure's mean over the texts."""
    return {name: round(float(np.mean([score[name] for score in scores])), 4) for name in MEASURES}


def apart(ours: list[dict[str, float]], blind: list[dict[str, float]]) -> dict[str, list[float]]:
    """By measure: the mean difference over the texts, and the ends of its 95 % interval."""
    if len(ours) < FEWEST:
        return {}
    found = {name: difference([row[name] for row in ours], [row[name] for row in blind]) for name in COMPARED}
    return {name: [round(value, 4) for value in one[:3]] for name, one in found.items()}


def measured(texts: list[Joined], specs: list[str], models: Any) -> list[dict[str, Any]]:
    """A row for each recipe, with its differences to `fixed`, and for each of the blind cuts that it stands beside."""
    rows = []
    for spec in specs:
        cut = cutter(spec, models)
        started = time.process_time()
        found = [cut(one) for one in texts]
        seconds = time.process_time() - started
        counts = [len(cuts) for cuts in found]

        def scored(cuts: list[list[int]]) -> list[dict[str, float]]:
            return [one.scores(there) for one, there in zip(texts, cuts, strict=True)]

        ours = scored(found)
        speed = round(sum(len(one.text) for one in texts) / 1000 / seconds, 1)
        mine = {"recipe": spec, "beside": spec, "cuts": sum(counts), **mean(ours), "kb_per_cpu_s": speed}
        rows.append(mine)
        for name in ("recursive", "fixed"):
            other = as_many(name, texts, sum(counts))
            cuts = [cutter(other, None)(one) for one in texts]
            blind = scored(cuts)
            rows.append({"recipe": other, "beside": spec, "cuts": sum(map(len, cuts)), **mean(blind)})
            if name == "fixed":
                mine["above_fixed"] = apart(ours, blind)
        rows.append({"recipe": "random", "beside": spec, "cuts": sum(counts), **drawn(texts, counts)})
        print(spec, mine, file=sys.stderr, flush=True)
    return rows


def report(found: dict[str, Any]) -> str:
    """The figures as Markdown."""
    parts = [
        "# Boundaries\n",
        *(part.replace("\n", " ") + "\n" for part in (__doc__ or "").split("\n\n")[2:4]),
    ]
    for name, rows in found["sets"].items():
        facts = found["texts"][name]
        parts.append(f"## {name}: " + ", ".join(f"{count} {what}" for what, count in facts.items()) + "\n")
        parts.append("| recipe | cuts | F1 to the sentence | F1 | precision | recall | Pk | WindowDiff | kB/CPU s |")
        parts.append("|---|--:|--:|--:|--:|--:|--:|--:|--:|")
        for row in rows:
            label = row["recipe"] if row["recipe"] == row["beside"] else f"&nbsp;&nbsp;{row['recipe']}"
            values = " | ".join(f"{row[key]:.3f}" for key in MEASURES)
            parts.append(f"| {label} | {row['cuts']} | {values} | {row.get('kb_per_cpu_s', '')} |")
        parts.append("")
        if compared := [row for row in rows if row.get("above_fixed")]:
            parts.append("| less `fixed` into as many chunks | " + " | ".join(COMPARED.values()) + " |")
            parts.append("|---" + "|--:" * len(COMPARED) + "|")
            for row in compared:
                apart = [row["above_fixed"][key] for key in COMPARED]
                cells = " | ".join(f"{middle:+.3f} ({low:+.3f} to {high:+.3f})" for middle, low, high in apart)
                parts.append(f"| {row['recipe']} | {cells} |")
            parts.append("")
    return "\n".join([*parts, as_markdown(found["setting"]), ""])


def main() -> None:
    """Read, cut, score, write."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.boundaries", description=__doc__)
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--specs", nargs="+", default=list(SPECS))
    options.add_argument("--books", type=int, default=4)
    options.add_argument("--characters", type=int, default=50_000)
    options.add_argument("--embedder", default="static", help="whose vectors the semantic cuts see")
    options.add_argument("--sets", nargs="+", help="these alone")
    options.add_argument("--out", type=Path, default=RESULTS / "boundaries.md")
    chosen = options.parse_args()
    models, load = supplies(chosen.embedder), os.getloadavg()[0]
    makers: dict[str, Callable[[], Iterator[Joined]]] = {
        "fresh": lambda: fresh(chosen.data),
        "articles": lambda: articles(chosen.data),
        "passages": lambda: passages(chosen.data),
        "stretches": lambda: stretches(chosen.data),
        "chapters": lambda: chapters(chosen.data, chosen.books, chosen.characters),
    }
    sets = {name: list(make()) for name, make in makers.items() if name in (chosen.sets or makers)}
    about = setting("chunkwise", "numpy") | {
        "models": f"{models['lm']().name}, {models['embed']().name}",
        "load": f"{load:.1f} at the start: kB per CPU second is low where that is above the number of cores",
    }
    found: dict[str, Any] = {"setting": about, "texts": {}, "sets": {}}
    for name, texts in sets.items():
        found["texts"][name] = {
            "texts": len(texts),
            "sentences": sum(len(one.sentences) - 1 for one in texts),
            "boundaries": sum(len(one.starts) for one in texts),
        }
        found["sets"][name] = measured(texts, chosen.specs, models)
        chosen.out.with_suffix(".json").write_text(json.dumps(found, indent=1) + "\n", "utf-8")
        chosen.out.write_text(report(found), "utf-8")
    print(report(found))


if __name__ == "__main__":
    main()
