"""Vectors to cuts: the signal, the best runs, the trained classifier, and embedders that fail."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import combinations, pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.embed import embedder
from chunkwise.errors import EndpointError, FallbackWarning, UserError
from chunkwise.recipe import build
from chunkwise.segment.embedded import unit_vectors
from chunkwise.segment.similar.cluster import best_runs
from chunkwise.segment.similar.paired import FOLDER, Paired, trained_for
from chunkwise.segment.similar.signal import centred, distances, peaks, short_sentences
from chunkwise.tokens import tokenizer
from chunkwise.units import Document, Floats, Span
from supplies import embed

TEXT = "".join(f"The {word} number {n} was counted once more by all of them. " for n in range(40) for word in "ab")
EMBEDDING = ("semantic", "semantic-clusters", "sage-segment")


def unit(seed: int, n: int, d: int = 8) -> Floats:
    vectors = np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)
    return np.asarray(vectors / np.linalg.norm(vectors, axis=1, keepdims=True), dtype=np.float32)


def spans(spec: str, supplied: object, text: str = TEXT) -> list[Span]:
    return list(build(spec, "segment", {"embed": lambda: supplied})(Document.of(text), tokenizer().offsets(text)))


@settings(max_examples=50, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 30), st.integers(1, 40))
def test_distances_are_those_of_the_means(seed: int, n: int, around: int) -> None:
    vectors = unit(seed, n)
    found = distances(vectors, around)
    assert found.shape == (n - 1,)
    for gap in range(1, n):
        a, b = vectors[max(0, gap - around) : gap].mean(0), vectors[gap : gap + around].mean(0)
        assert found[gap - 1] == pytest.approx(1 - a @ b / np.linalg.norm(a) / np.linalg.norm(b), abs=1e-4)


def test_peaks() -> None:
    signal = np.array([3, 1, 2, 2, 1, 5], dtype=np.float32)
    assert peaks(signal).tolist() == [True, False, True, True, False, True]
    assert peaks(signal[:1]).tolist() == [True]
    assert peaks(signal[:0]).tolist() == []


def test_centred_vectors_of_one_direction_are_zero() -> None:
    assert np.abs(centred(np.ones((5, 4), dtype=np.float32) / 2)).max() < 1e-3
    assert np.linalg.norm(centred(unit(1, 20)), axis=1) == pytest.approx(1, abs=1e-5)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 1000), st.integers(1, 9), st.integers(1, 12), st.floats(0.0, 3.0))
def test_no_split_into_runs_is_better(seed: int, n: int, size: int, strictness: float) -> None:
    vectors = unit(seed, n, 3)
    tokens = np.random.default_rng(seed).integers(1, 6, n)
    price = strictness * float(1 - (vectors[1:] * vectors[:-1]).sum(1).mean()) if n > 1 else 0.0

    def cost(cuts: Sequence[int]) -> float:
        total = 0.0
        for start, end in pairwise([0, *cuts, n]):
            if end - start > 1 and tokens[start:end].sum() > size:
                return np.inf
            total += ((vectors[start:end] - vectors[start:end].mean(0)) ** 2).sum() + price
        return total

    best = min(cost(cuts) for k in range(n) for cuts in combinations(range(1, n), k))
    found = (np.flatnonzero(best_runs(vectors, tokens, size, strictness)) + 1).tolist()
    assert cost(found) == pytest.approx(best, abs=1e-4)


def test_runs_over_several_blocks_are_bounded() -> None:
    vectors = np.repeat(unit(2, 6, 16), [500, 300, 700, 20, 90, 10], axis=0)
    found = np.flatnonzero(best_runs(vectors, np.ones(1620, dtype=np.int64), 10_000, 1.4)) + 1
    assert {500, 800, 1500, 1520, 1610} <= set(found.tolist())
    assert max(np.diff([0, *found, 1620])) <= 512


def test_the_classifier_is_its_formula() -> None:
    rng = np.random.default_rng(0)
    hidden, shift, out, bias = (rng.normal(size=shape).astype(np.float32) for shape in ((32, 3), 3, 3, 1))
    vectors = unit(3, 5)
    a, b = vectors[:-1], vectors[1:]
    inner = np.maximum(np.concatenate((a, b, a - b, a * b), axis=1) @ hidden + shift, 0)
    expected = 1 - 1 / (1 + np.exp(-(inner @ out + bias)))
    assert Paired("any", hidden, shift, out, bias).together(vectors) == pytest.approx(expected, abs=1e-5)


def test_the_classifiers_that_ship_fit_the_embedders_that_ship() -> None:
    assert trained_for(embedder("static").name), "run: python scripts/train_sage_segment.py --data DIR"
    assert all(path.stat().st_size < 30_000 for path in FOLDER.glob("paired-*.safetensors"))


@pytest.mark.parametrize("name", EMBEDDING)
def test_an_embedder_that_fails_costs_no_text(name: str) -> None:
    def failing(texts: Sequence[str]) -> Floats:
        raise EndpointError("the endpoint says no")

    with pytest.warns(FallbackWarning, match="the endpoint says no"):
        found = spans(f"{name}:size=50", failing)
    assert "".join(TEXT[start:end] for start, end in found) == TEXT
    assert found == spans("semantic:size=50,percentile=100", embed)


@pytest.mark.parametrize("wrong", [np.full((80, 4), np.nan), np.ones((3, 4)), np.ones(80), np.empty((0, 4))])
@pytest.mark.parametrize("name", EMBEDDING)
def test_nonsense_from_an_embedder_costs_no_text(name: str, wrong: Floats) -> None:
    with pytest.warns(FallbackWarning, match="the embedder failed"):
        found = spans(f"{name}:size=50", lambda texts: wrong)
    assert "".join(TEXT[start:end] for start, end in found) == TEXT


def test_what_came_before_a_failure_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chunkwise.segment.embedded._AT_ONCE", 30)
    calls: list[int] = []

    def failing_later(texts: Sequence[str]) -> Floats:
        calls.append(len(texts))
        if len(calls) > 1:
            raise EndpointError("timed out")
        return embed(texts)

    document = Document.of(TEXT)
    with pytest.warns(FallbackWarning, match="from character"):
        assert len(unit_vectors(failing_later, document, short_sentences(document))) == 30
    calls.clear()
    with pytest.warns(FallbackWarning):
        found = spans("semantic:size=200,percentile=50,around=1", failing_later)
    assert "".join(TEXT[start:end] for start, end in found) == TEXT
    lengths = np.diff([0, *(end for _, end in found)])
    assert lengths[:5].mean() < lengths[-3:-1].mean()


def test_each_sentence_is_embedded_once() -> None:
    seen: list[str] = []

    def watched(texts: Sequence[str]) -> Floats:
        seen.extend(texts)
        return embed(texts)

    spans("semantic", watched)
    assert "".join(seen) == TEXT


def test_a_classifier_of_another_embedder_is_not_used() -> None:
    with pytest.warns(FallbackWarning, match="no classifier for an embedder without a name"):
        found = spans("sage-segment:size=100", embed)
    assert found == spans("semantic:size=100", embed)
    with warnings.catch_warnings():
        warnings.simplefilter("error", FallbackWarning)
        assert spans("sage-segment:size=100", embedder("static"))


def test_least_joins_what_is_small() -> None:
    loose, held = (spans(f"semantic:percentile=0,around=1,least={least}", embed) for least in (0, 100))
    offsets = tokenizer().offsets(TEXT)
    assert min(offsets.count(*span) for span in loose) < 30
    assert min(offsets.count(*span) for span in held[:-1]) >= 100


@pytest.mark.parametrize(
    "spec",
    ["semantic:percentile=101", "semantic:around=0", "semantic:size=0", "semantic-clusters:strictness=-1",
     "sage-segment:together=2", "late:size=0", "late:window=0"],
)  # fmt: skip
def test_settings_that_cannot_be_are_refused(spec: str) -> None:
    with pytest.raises(UserError, match="="):
        build(spec, "segment", {"embed": lambda: embedder("static")})
