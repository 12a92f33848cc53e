"""The claims of the retrievers over an index's own vectors, each with a control that must lose."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

import planted
from chunkwise.recipe import build
from chunkwise.retrieve import Corpus
from chunkwise.units import Floats

WORDS = [f"{first}{second}" for first in ("am", "bel", "cor", "dun", "ev", "far", "gol", "hal") for second in
         ("ber", "dan", "fel", "gor", "lim", "mar", "nor", "pel", "sund", "tor", "vin", "wick", "zan")]  # fmt: skip


class Crowded:
    """Vectors near one of few centres, so that telling neighbours apart takes precision; a text's are its own."""

    name, dim = "crowded", 64

    def __call__(self, texts: Sequence[str]) -> Floats:
        rows = []
        for text in texts:
            number = int(text.split()[1].strip("."))
            centre = np.random.default_rng(number % 4).standard_normal(self.dim)
            own = np.random.default_rng(1000 + number).standard_normal(self.dim)
            rows.append(centre + 0.5 * own)
        vectors = np.array(rows, np.float32).reshape(len(texts), self.dim)
        return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


def nearest(corpus: Corpus, spec: str, questions: Sequence[str]) -> list[set[int]]:
    """The ten nearest of each question."""
    retrieve = build(spec, "retrieve")
    return [set(retrieve(corpus, question, 10).ids.tolist()) for question in questions]


def test_coded(tmp_path: Path) -> None:
    """Of the ten truly nearest a byte a dimension finds nearly all, a bit far fewer until its best are rescored."""
    texts = {f"/{number:03}": [f"number {number}. "] for number in range(400)}
    corpus = planted.corpus(tmp_path / "kb", texts, Crowded())
    questions = [f"number {number}" for number in range(1000, 1020)]
    true = nearest(corpus, "coded:code=float16", questions)

    def share(spec: str) -> float:
        found = nearest(corpus, spec, questions)
        return float(np.mean([len(one & two) / 10 for one, two in zip(found, true, strict=True)]))

    assert share("coded:code=int8") > 0.97
    assert share("coded:code=binary,rescore=8") > 0.9 > 0.8 > share("coded:code=binary")
    assert share("coded:code=pq,parts=16") > share("coded:code=pq,parts=4")


class Turned(planted.Trigrams):
    """The same meaning in another space: turned, and stretched unevenly."""

    def __init__(self) -> None:
        super().__init__(64, "turned")
        axes = np.linalg.qr(np.random.default_rng(5).standard_normal((64, 64)))[0]
        self._turn = (axes * np.linspace(0.6, 1.4, 64)).astype(np.float32)

    def __call__(self, texts: Sequence[str]) -> Floats:
        moved = super().__call__(texts) @ self._turn
        return np.asarray(moved / np.linalg.norm(moved, axis=1, keepdims=True), np.float32)


@pytest.mark.parametrize("mapped", ["", ",mapped=true"])
def test_relative_representations(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mapped: str) -> None:
    """Questions of a turned space find their chunks by the anchors; compared as they are they find them by chance."""
    rng = np.random.default_rng(0)
    chunks = [" ".join(rng.choice(WORDS, 4)) + ". " for _ in range(300)]
    corpus = planted.corpus(
        tmp_path / "kb", {f"/{at:03}": [text] for at, text in enumerate(chunks)}, planted.Trigrams()
    )
    turned = Turned()
    monkeypatch.setattr("chunkwise.embed.embedder", lambda spec, supplies=None: turned)
    retrieve = build(f"relative-representations:embedder=turned,anchors=64{mapped}", "retrieve")
    asked = range(0, 300, 10)
    questions = [" ".join(chunks[at].strip(". ").split()[:3]) for at in asked]
    right = np.mean([at in retrieve(corpus, text, 5).ids for at, text in zip(asked, questions, strict=True)])
    assert corpus.snapshot.matrix is not None
    unadapted = turned(questions) @ corpus.snapshot.matrix.astype(np.float32).T
    chance = np.mean([at in np.argsort(-row)[:5] for at, row in zip(asked, unadapted, strict=True)])
    assert right > 0.6
    assert chance < 0.2
    assert sum(text in chunks for text in turned.asked) <= 64 + len(questions)  # no chunk but the anchors embedded anew
