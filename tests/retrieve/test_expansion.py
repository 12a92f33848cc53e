"""Which chunks come with a candidate, and what they score."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import planted
from chunkwise.recipe import build
from chunkwise.retrieve.corpus import Corpus, Retriever, candidates
from chunkwise.retrieve.expand.reach import beside, within
from chunkwise.retrieve.expand.recipes import _expanded
from chunkwise.units import Candidates

SIZES = (1, 5, 3, 9)


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory) -> Corpus:
    texts = {f"/{n}": [f"word {n} {at}. " for at in range(size)] for n, size in enumerate(SIZES)}
    return planted.corpus(tmp_path_factory.mktemp("kb") / "kb", texts)


@given(st.lists(st.integers(0, sum(SIZES) - 1), unique=True), st.integers(0, 12))
def test_neighbours_are_those_of_the_document(corpus: Corpus, chunks: list[int], width: int) -> None:
    found = beside(width)(corpus, np.array(chunks, dtype=np.int64))
    document = corpus.snapshot.document
    expected = {
        (chunk, at, abs(chunk - own))
        for at, own in enumerate(chunks)
        for chunk in range(len(corpus))
        if abs(chunk - own) <= width and document[chunk] == document[own]
    }
    assert set(zip(*(part.tolist() for part in found), strict=True)) == expected
    assert len(found.chunks) == len(expected)


@given(st.lists(st.integers(0, sum(SIZES) - 1), unique=True), st.integers(0, 40))
def test_parents_are_whole_and_short(corpus: Corpus, chunks: list[int], longest: int) -> None:
    found = within(longest)(corpus, np.array(chunks, dtype=np.int64))
    snapshot = corpus.snapshot
    for at, own in enumerate(chunks):
        document = np.flatnonzero(snapshot.document == snapshot.document[own])
        whole = snapshot.tokens[document].sum() <= longest
        assert found.chunks[found.of == at].tolist() == (document.tolist() if whole else [own])
    assert (found.steps == (found.chunks != np.array(chunks, dtype=np.int64)[found.of])).all()


def fixed(scores: dict[int, float]) -> Retriever:
    chunks = np.array(list(scores), dtype=np.int64)
    values = np.array(list(scores.values()), dtype=np.float32)
    aspects = np.stack([values / 4, values / 2], axis=1)
    return lambda corpus, query, k: candidates(corpus, query, chunks, values, k, aspects)


def test_scores_fall_with_every_step_negative_ones_too(corpus: Corpus) -> None:
    inner = fixed({2: 1.0, 12: -1.0, 4: 0.9})
    found: Candidates = _expanded(inner, beside(2), 0.5)(corpus, "word", 50)
    scores = dict(zip(found.ids.tolist(), found.scores.tolist(), strict=True))
    assert scores == pytest.approx(
        {2: 1.0, 1: 0.5, 3: 0.5, 4: 0.9, 5: 0.45, 12: -1.0, 11: -1.5, 13: -1.5, 10: -1.75, 14: -1.75}
    )
    assert found.aspects is not None
    shares = dict(zip(found.ids.tolist(), found.aspects.tolist(), strict=True))
    assert shares[2] == [0.25, 0.5]
    assert shares[1] == [0.125, 0.25]
    assert shares[5] == pytest.approx([0.1125, 0.225])


def test_any_retriever_can_be_expanded(corpus: Corpus) -> None:
    for of in ("multiscale", "rrf", "[neighbours:of=bm25,width=1]", "tearag"):
        plain = build(of.strip("[]"), "retrieve")(corpus, "word 1", 30)
        found = build(f"neighbours:of={of},width=2", "retrieve")(corpus, "word 1", 30)
        assert set(plain.ids.tolist()) <= set(found.ids.tolist())
