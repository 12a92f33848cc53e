"""Semantic chunkers side by side, all with MiniLM: how fast they cut, and how near to where a reader would.

    python -m benchmarks.semantic --data DIR [--speed 8000] [--chapter 2500] [--passages 30]

DIR holds `nq_passages`, `squad_xquad_en` and `chapter_boundaries`. Three kinds of text: passages of Wikipedia on
different subjects (nq) and paragraphs of different articles (squad), each written into one line, so that only the words
tell where the next one begins; and novels of which each chapter is cut to its first paragraphs, headings removed.
Each chunker is run as it comes, and once more with the one setting it has moved until the number of its cuts is nearest
to the number of true ones, which says how good its signal is, whatever its default. No size limit, so that it is the
signal alone that cuts. What was tuned here was tuned on the other half of nq and on other books. Needs the environment
of benchmarks/requirements.txt. Writes results/semantic.md and .json.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import random
import sys
import time
import warnings
from collections.abc import Callable, Sequence
from functools import cache, partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise.embed import Embedder, embedder
from chunkwise.evaluate import boundary_scores, pk, window_diff
from chunkwise.recipe import build
from chunkwise.tokens import tokenizer
from chunkwise.units import Document

from .llama_embedding import llama_embedding
from .machine import RESULTS, as_markdown, offline, setting
from .quality.retrievers import sentence_transformer

PACKAGES = ("chunkwise", "chonkie", "llama-index-core", "sentence-transformers", "torch", "numpy")
NEAR = 5  # characters: a cut before or after the blank is the same cut
ENDLESS = 1_000_000

Cut = Callable[[str], list[int]]  # a text to where its chunks begin, the first one left out
Text = tuple[str, list[int]]
Encode = Callable[[list[str]], Any]


class Remembered:
    """An embedder that embeds each text once, so that settings can be tried; its time is never measured."""

    def __init__(self, inner: Any, name: str) -> None:
        self.inner, self.name = inner, name
        self.known: dict[str, Any] = {}

    def __call__(self, texts: Sequence[str]) -> Any:
        """As the inner one, float32 [n, d]."""
        if new := list(dict.fromkeys(text for text in texts if text not in self.known)):
            self.known |= zip(new, np.asarray(self.inner(new), dtype=np.float32), strict=True)
        return np.stack([self.known[text] for text in texts])


def ours(recipe: str, knob: str, size: int, embed: Any, value: float | None = None) -> Cut:
    """A recipe of the family "segment"; the time of a cut holds the tokenizer's pass."""
    spec = f"{recipe}:size={size}" + (f",{knob}={value}" if value is not None else "")
    made = build(spec, "segment", {"embed": lambda: embed})
    return lambda text: [end for _, end in made(Document.of(text), tokenizer().offsets(text))][:-1]


@cache
def model() -> Any:
    """MiniLM as the peers' users load it."""
    return sentence_transformer()


def chonkie(size: int, encode: Encode, value: float | None = None) -> Cut:
    """SemanticChunker; its knob is the threshold."""
    from chonkie import SemanticChunker
    from chonkie.embeddings import SentenceTransformerEmbeddings

    embeddings = SentenceTransformerEmbeddings(model())
    embeddings.embed_batch = lambda texts: list(encode(texts))
    chunker = SemanticChunker(embeddings, chunk_size=size, **({} if value is None else {"threshold": value}))
    return lambda text: [chunk.start_index for chunk in chunker.chunk(text)][1:]


def llama_index(size: int, encode: Encode, value: float | None = None) -> Cut:
    """SemanticSplitterNodeParser, which has no size limit; its knob is the percentile of a breakpoint."""
    from llama_index.core import Document as Whole
    from llama_index.core.node_parser import SemanticSplitterNodeParser

    splitter = SemanticSplitterNodeParser.from_defaults(
        llama_embedding(encode), **({} if value is None else {"breakpoint_percentile_threshold": int(value)})
    )

    def cut(text: str) -> list[int]:
        starts, at = [], 0
        for node in splitter.get_nodes_from_documents([Whole(text=text)]):
            at = text.index(node.text.strip(), at)
            starts.append(at)
            at += len(node.text.strip())
        return starts[1:]

    return cut


PERCENTILES = [float(value) for value in range(2, 100)]
# What makes each chunker from a size, an embedder and the value of its knob, and the values to try.
Make = Callable[..., Cut]
OURS: dict[str, tuple[Make, list[float]]] = {
    "semantic": (partial(ours, "semantic", "percentile"), PERCENTILES),
    "semantic-clusters": (partial(ours, "semantic-clusters", "strictness"), np.linspace(0.8, 6, 105).tolist()),
    "sage-segment": (partial(ours, "sage-segment", "together"), np.linspace(0.02, 0.9, 89).tolist()),
}
PEERS: dict[str, tuple[Make, list[float]]] = {
    "chonkie SemanticChunker": (chonkie, [value / 100 for value in PERCENTILES]),
    "llama-index SemanticSplitter": (llama_index, PERCENTILES),
}


def concatenated(texts: list[str], seed: int, count: int) -> Text:
    """`count` of the texts in one line, and where all but the first begin."""
    chosen = [" ".join(text.split()) for text in random.Random(seed).sample(texts, count)]
    starts = np.cumsum([len(text) + 1 for text in chosen])[:-1].tolist()
    return " ".join(chosen), starts


def nq(data: Path, passages: int) -> list[Text]:
    """Two texts of passages from the half of the titles that nothing was tuned on."""
    with gzip.open(data / "nq_passages" / "passages.jsonl.gz", "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    titles = sorted({row["title"] for row in rows})
    random.Random(0).shuffle(titles)
    held = set(titles[1::2])
    texts = [row["text"] for row in rows if row["title"] in held]
    return [concatenated(texts, seed, passages) for seed in (1, 2)]


def squad(data: Path, passages: int) -> list[Text]:
    """One text of paragraphs, any of which may come from any article."""
    with (data / "squad_xquad_en" / "docs.jsonl").open(encoding="utf-8") as lines:
        texts = [paragraph for line in lines for paragraph in json.loads(line)["text"].split("\n\n")]
    return [concatenated(texts, 3, passages)]


def chapters(data: Path, characters: int) -> list[Text]:
    """The chapters of two novels, each cut to its first paragraphs of about that many characters."""
    made = []
    with gzip.open(data / "chapter_boundaries" / "books.jsonl.gz", "rt", encoding="utf-8") as lines:
        books = {book["title"]: book for book in map(json.loads, lines)}
    for title in ("A Room with a View", "The Warlord of Mars"):
        text = books[title]["text"]
        bounds = [*(boundary["start"] for boundary in books[title]["boundaries"]), len(text)][:9]
        parts = []
        for start, end in pairwise(bounds):
            stop = text.find("\n\n", min(end, start + characters), end)
            parts.append(text[start : stop if stop >= 0 else end].strip() + "\n\n")
        made.append(("".join(parts), np.cumsum([len(part) for part in parts])[:-1].tolist()))
    return made


def quality(texts: list[Text], cuts: list[list[int]]) -> dict[str, float]:
    """Means over the texts; cuts is how many there are for each true one."""
    rows = []
    for (text, gold), found in zip(texts, cuts, strict=True):
        scores = boundary_scores(found, gold, len(text), NEAR)
        rows.append((*scores, pk(found, gold, len(text)), window_diff(found, gold, len(text)), len(found) / len(gold)))
    names = ("precision", "recall", "f1", "pk", "window_diff", "cuts")
    return dict(zip(names, np.mean(rows, axis=0).round(3).tolist(), strict=True))


def matched(make: Make, embed: Any, knobs: list[float], text: str, gold: list[int]) -> list[int]:
    """Its cuts at the value of its knob that makes their number nearest to the true one."""
    return min((make(ENDLESS, embed, value)(text) for value in knobs), key=lambda cuts: abs(len(cuts) - len(gold)))


def timed(cut: Cut, text: str) -> dict[str, float]:
    """Seconds on the clock and of all cores; the latter say more on a machine that others use."""
    clock, cores = time.perf_counter(), time.process_time()
    chunks = len(cut(text)) + 1
    return {"clock_s": time.perf_counter() - clock, "core_s": time.process_time() - cores, "chunks": chunks}


def faster(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The rows with speed and, for each peer, how many times faster, by the clock and by the work of the cores."""
    for row in rows:
        row["kb_s"] = row["bytes"] / 1000 / row["clock_s"]
        row["core_kb_s"] = row["bytes"] / 1000 / row["core_s"]
    for row in rows:
        for peer in (other for other in rows if other["name"] in PEERS):
            row[f"times {peer['name']}"] = [row[key] / peer[key] for key in ("kb_s", "core_kb_s")]
    return rows


def report(found: dict[str, Any]) -> str:
    """The tables as Markdown."""
    peers = list(PEERS)
    lines = [
        "# Semantic chunking",
        "",
        f"Speed on {found['speed'][0]['bytes'] / 1000:.1f} kB of a novel, chunks of at most 512 tokens, one after the "
        "other in one process, the model already loaded, the better of two rounds. `times` is by the clock / by the "
        "seconds of all cores, which say more where other work shares the machine.",
        "",
        "| chunker | embedder | kB/s | kB per core second | " + " | ".join(f"times {peer}" for peer in peers) + " |",
        "|---|---|---:|---:|" + "---:|" * len(peers),
    ]
    for row in found["speed"]:
        times = [f"{clock:.1f} / {cores:.1f}" for clock, cores in (row[f"times {peer}"] for peer in peers)]
        lines.append(
            f"| {row['name']} | {row['embedder']} | {row['kb_s']:.2f} | {row['core_kb_s']:.2f} | {' | '.join(times)} |"
        )
    for kind, about in found["texts"].items():
        lines += [
            "",
            f"## Boundaries: {kind}, {about}",
            "",
            "| chunker | embedder | F1 as it comes | Pk | WindowDiff | cuts per true one | F1 at as many cuts | Pk | "
            "WindowDiff |",
            "|---|---|" + "---:|" * 7,
        ]
        for row in found["quality"][kind]:
            own, even = row["as it comes"], row["at as many cuts"]
            cells = [own["f1"], own["pk"], own["window_diff"], own["cuts"], even["f1"], even["pk"], even["window_diff"]]
            lines.append(f"| {row['name']} | {row['embedder']} | " + " | ".join(f"{cell:.2f}" for cell in cells) + " |")
    lines += [
        "",
        f"F1: a cut within {NEAR} characters of a true one is right. Pk and WindowDiff: lower is better. As many cuts:",
        "the chunker's one setting moved until the number of its cuts is nearest to the true number, for each text.",
        "",
    ]
    return "\n".join(lines)


def main() -> None:
    """Measure, and write the two files."""
    options = argparse.ArgumentParser(prog="python -m benchmarks.semantic", description="Semantic chunkers compared.")
    options.add_argument("--data", type=Path, required=True)
    options.add_argument("--speed", type=int, default=8000, help="characters that speed is measured on")
    options.add_argument("--chapter", type=int, default=2500, help="characters taken of each chapter")
    options.add_argument("--passages", type=int, default=30, help="joined to one text")
    chosen = options.parse_args()
    offline()
    warnings.filterwarnings("ignore")
    sets = {
        "nq": nq(chosen.data, chosen.passages),
        "squad": squad(chosen.data, chosen.passages),
        "chapters": chapters(chosen.data, chosen.chapter),
    }
    encode: Encode = partial(model().encode, convert_to_numpy=True, show_progress_bar=False)
    embedders: dict[str, Embedder] = {name: embedder(name) for name in ("minilm", "static")}
    load = os.getloadavg()[0]

    sample = sets["chapters"][0][0][: chosen.speed]
    systems: list[tuple[str, str, Cut]] = [(name, "minilm", make(512, encode)) for name, (make, _) in PEERS.items()]
    systems += [
        (name, label, make(512, embed)) for label, embed in embedders.items() for name, (make, _) in OURS.items()
    ]
    speed: list[dict[str, Any]] = []
    for name, label, cut in systems:
        cut(sample[:300])
        rows = [timed(cut, sample) for _ in range(2)]
        best = min(rows, key=lambda row: row["clock_s"])
        best["core_s"] = min(row["core_s"] for row in rows)
        speed.append({"name": name, "embedder": label, "bytes": len(sample.encode()), **best})
        print(speed[-1], file=sys.stderr, flush=True)

    kept = {label: Remembered(embed, embed.name) for label, embed in embedders.items()}
    theirs = Remembered(encode, "minilm")
    scores: dict[str, list[dict[str, Any]]] = {}
    for kind, texts in sets.items():
        scores[kind] = []
        runs: list[tuple[str, str, Make, list[float], Any]] = [
            (name, "minilm", make, knobs, theirs) for name, (make, knobs) in PEERS.items()
        ]
        runs += [(name, label, *OURS[name], embed) for label, embed in kept.items() for name in OURS]
        for name, label, make, knobs, embed in runs:
            plain = make(ENDLESS, embed)
            row = {
                "name": name,
                "embedder": label,
                "as it comes": quality(texts, [plain(text) for text, _ in texts]),
                "at as many cuts": quality(texts, [matched(make, embed, knobs, *text) for text in texts]),
            }
            scores[kind].append(row)
            print(kind, row, file=sys.stderr, flush=True)
    found: dict[str, Any] = {
        "setting": setting(*PACKAGES) | {"load": f"{load:.1f} at the start; provisional where that is above 0.5"},
        "texts": {
            kind: f"{len(texts)} texts, {sum(len(text) for text, _ in texts) / 1000:.0f} thousand characters, "
            f"{sum(len(gold) for _, gold in texts)} boundaries"
            for kind, texts in sets.items()
        },
        "speed": faster(speed),
        "quality": scores,
    }
    (RESULTS / "semantic.json").write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")
    (RESULTS / "semantic.md").write_text(report(found) + "\n" + as_markdown(found["setting"]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
