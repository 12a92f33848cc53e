"""BM25 of windows is BM25 of the texts that the windows would be."""

from __future__ import annotations

import functools
import math
import operator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.retrieve import words
from chunkwise.retrieve.lexical import K1, B, Lexical, together
from chunkwise.retrieve.words import term_hash
from chunkwise.store import GAP, Postings

ALPHABET = ["ash", "birch", "cedar", "elm", "fir"]
a_chunk = st.lists(st.sampled_from(ALPHABET), max_size=5)
documents = st.lists(st.lists(a_chunk, min_size=1, max_size=12), min_size=1, max_size=4)
widths = st.lists(st.integers(0, GAP), min_size=1, max_size=4, unique=True)


def sparse(texts: list[list[list[str]]]) -> list[list[list[str]]]:
    """The same with so much else around that the rare words' surroundings are a small part of the whole."""
    return [*texts, *[[["pine"]] * 3 for _ in range(60)]]


def terms_of(query: list[str]) -> np.ndarray:
    return np.unique(np.array([term_hash(word) for word in query], dtype=np.uint64))


def brute_force(texts: list[list[list[str]]], word: str, width: int) -> list[float]:
    """BM25 in Lucene's form over windows joined word for word."""
    windows = [
        functools.reduce(operator.iadd, document[max(0, at - width) : at + width + 1], [])
        for document in texts
        for at in range(len(document))
    ]
    mean = max(1.0, sum(map(len, windows)) / len(windows))
    found = sum(word in window for window in windows)
    weight = math.log(1 + (len(windows) - found + 0.5) / (found + 0.5))
    scores = []
    for window in windows:
        count = window.count(word)
        scores.append(weight * count / (count + K1 * (1 - B + B * len(window) / mean)) if count else 0.0)
    return scores


@pytest.mark.parametrize("around", [list, sparse])
@given(texts=documents, query=st.lists(st.sampled_from([*ALPHABET, "yew"]), unique=True), over=widths)
def test_scores_are_those_of_joined_windows(around: object, texts: list, query: list[str], over: list[int]) -> None:
    texts = around(texts)  # type: ignore[operator]
    counted = [words("").count([" ".join(chunk) for chunk in document]) for document in texts]
    lexical = Lexical(Postings.of(counted), over)
    scores, weights = lexical.scores(terms_of(query))
    assert scores.shape == (len(over), sum(map(len, texts)))
    for row, width in zip(scores, over, strict=True):
        expected = np.sum([brute_force(texts, word, width) for word in query] or [[0.0] * len(row)], axis=0)
        np.testing.assert_allclose(row, expected, rtol=1e-4, atol=1e-5)
    chunks = np.arange(scores.shape[1])[::-2]  # in no particular order, as candidates come
    parts = lexical.parts(terms_of(query), weights, chunks)
    np.testing.assert_allclose(parts.sum(axis=2), scores[:, chunks], rtol=1e-4, atol=1e-5)


def test_an_empty_index() -> None:
    lexical = Lexical(Postings.of([]), (0, 3))
    scores, weights = lexical.scores(terms_of(["ash"]))
    assert scores.shape == (2, 0)
    assert weights.tolist() == [[0], [0]]
    assert lexical.parts(terms_of(["ash"]), weights, np.zeros(0, dtype=np.int64)).shape == (2, 0, 1)


def test_no_window_wider_than_the_gap_between_documents() -> None:
    with pytest.raises(ValueError, match="16"):
        Lexical(Postings.of([]), (GAP + 1,))


def test_terms_together_count_by_pairs() -> None:
    weights = np.array([3.0, 1.0], dtype=np.float32)
    parts = np.array([[9.0, 0.0], [0.1, 0.1], [0.0, 0.0], [0.0, 5.0]], dtype=np.float32)
    assert together(parts, weights).tolist() == [0.5625, 1, 0, 0.0625]
    assert together(np.zeros((2, 0), np.float32), np.zeros(0, np.float32)).tolist() == [0, 0]


@given(texts=documents)
def test_uses_are_how_many_chunks_hold_a_term(texts: list) -> None:
    postings = Postings.of([words("").count([" ".join(chunk) for chunk in document]) for document in texts])
    terms = np.append(terms_of([*ALPHABET, "yew"]), np.array([0, 2**64 - 1], dtype=np.uint64))
    assert postings.uses(terms).tolist() == [len(postings.of_term(term)[0]) for term in terms.tolist()]
