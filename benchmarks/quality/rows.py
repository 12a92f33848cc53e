"""The rows of the table, the peers' and ours, each as "a set and budgets in, packs out"."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from .chunkers import CHUNKERS, Cut, count
from .retrievers import MiniLM, Ranking, bm25, dense, rrf
from .scoring import Packed
from .sets import DataSet, Range

WITH_VECTORS = ("langchain 200", "langchain 400", "fixed 200", "semchunk 200")

Packs = dict[int, list[Packed]]  # by budget, in the order of the set's questions


@dataclass(frozen=True, slots=True)
class Ours:
    """A way to call chunkwise: what is set when the index is made, and when a question is packed."""

    index: dict[str, Any] = field(default_factory=dict)
    pack: dict[str, Any] = field(default_factory=dict)


DEFAULT = "chunkwise"
PLAIN = {"segmenter": "recursive:size=200"}  # chunks as the peers cut them, for the plain retrievers
OURS = {
    DEFAULT: Ours(),
    "chunkwise eager vectors": Ours(index={"vectors": "eager"}),
    "chunkwise static vectors": Ours(index={"vectors": "static"}),
    "chunkwise lexical only": Ours(index={"vectors": "none"}),
    "chunkwise lexical only, top-k": Ours(index={"vectors": "none"}, pack={"selector": "top-k"}),
    "chunkwise bm25": Ours(index={**PLAIN, "vectors": "none"}, pack={"retriever": "bm25", "selector": "top-k"}),
    "chunkwise dense": Ours(index=PLAIN, pack={"retriever": "dense", "selector": "top-k"}),
    "chunkwise rrf": Ours(index=PLAIN, pack={"retriever": "rrf", "selector": "top-k"}),
}


def peers(data: DataSet, budgets: list[int], model: MiniLM | None, only: list[str]) -> Iterator[tuple[str, Packs]]:
    """Every peer setting: chunks in the order of their scores, one that does not fit is skipped, until none fits."""
    for name, make in CHUNKERS.items():
        if only and name not in only:
            continue
        chunks = _Chunks.of(data, make())
        ranked = {"BM25": bm25(chunks.texts, data.questions)}
        if model is not None and name in WITH_VECTORS:
            ranked["MiniLM"] = dense(chunks.texts, data.questions, model)
            ranked["rank fusion"] = rrf(ranked["BM25"], ranked["MiniLM"])
        for retriever, ranking in ranked.items():
            yield f"{name} + {retriever}", {budget: chunks.packed(ranking, budget) for budget in budgets}


def ours(data: DataSet, budgets: list[int], names: list[str]) -> Iterator[tuple[str, Packs]]:
    """Chunkwise as its users call it; the budget counts the passages' own text, as it does for the peers."""
    import chunkwise
    from chunkwise import Document

    for name in names:
        way = OURS[name]
        with tempfile.TemporaryDirectory() as folder:
            index = chunkwise.Index.open(Path(folder) / "kb", create=True, tokenizer="cl100k_base", **way.index)
            index.add_documents(Document.of(text, source) for source, text in data.documents.items())
            packs = {
                budget: [
                    _packed(data, index.pack(q, budget=budget, labels=False, **way.pack), budget)
                    for q in data.questions
                ]
                for budget in budgets
            }
        yield name, packs


def _packed(data: DataSet, pack: Any, budget: int) -> Packed:
    ranges = [(passage.source, passage.span.start, passage.span.end) for passage in pack.passages]
    for passage, (source, start, end) in zip(pack.passages, ranges, strict=True):
        assert passage.text == data.documents[source][start:end], f"{source}: a passage that is not at its span"
    tokens = sum(count(passage.text) for passage in pack.passages)
    assert tokens <= budget, f"{tokens} tokens packed into a budget of {budget}"
    return Packed(ranges, tokens)


@dataclass(frozen=True, slots=True)
class _Chunks:
    ranges: list[Range]
    texts: list[str]
    costs: npt.NDArray[np.int64]

    @classmethod
    def of(cls, data: DataSet, cut: Cut) -> _Chunks:
        ranges: list[Range] = []
        texts: list[str] = []
        for name, text in data.documents.items():
            for start, chunk in cut(text):
                end = start + len(chunk)
                assert text[start:end] == chunk, f"{name}: a chunk that is not at its offset {start}"
                if chunk:
                    ranges.append((name, start, end))
                    texts.append(chunk)
        return cls(ranges, texts, np.array([count(text) for text in texts], dtype=np.int64))

    def packed(self, ranking: Ranking, budget: int) -> list[Packed]:
        return [self._take(order, budget) for order in ranking]

    def _take(self, order: npt.NDArray[np.int64], budget: int) -> Packed:
        left, taken = budget, []
        for chunk, cost in zip(order.tolist(), self.costs[order].tolist(), strict=True):
            if cost <= left:
                left -= cost
                taken.append(self.ranges[chunk])
        return Packed(taken, budget - left)
