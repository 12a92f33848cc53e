"""Statistics of chunks, and means over sampled cuts."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.evaluate.chunks import SizeStats, kept_whole, mean_clarity, mean_stickiness, size_stats
from chunkwise.models import Surprise
from chunkwise.units import Span


class Counting:
    """A causal model to which every letter costs 2 nats, and half of that after a text that holds the letter."""

    name = "counting"

    def __init__(self) -> None:
        self.read = 0

    def surprise(self, text: str, *, given: str = "", states: bool = False) -> Surprise:
        self.read += 1
        nats = np.array([1.0 if letter in given else 2.0 for letter in text], dtype=np.float32)
        return Surprise(np.arange(len(text)), nats)

    def choose(self, prompt: str, answers: object) -> np.ndarray:
        raise NotImplementedError


@given(st.lists(st.integers(0, 1000), min_size=1, max_size=60))
def test_sizes(tokens: list[int]) -> None:
    found = size_stats(tokens, over=500, under=100)
    assert found.least == min(tokens) <= found.p5 <= found.median <= found.p95 <= max(tokens) == found.most
    assert (found.count, found.mean) == (len(tokens), pytest.approx(sum(tokens) / len(tokens)))
    assert found.over == pytest.approx(sum(n > 500 for n in tokens) / len(tokens))
    assert found.under == pytest.approx(sum(n < 100 for n in tokens) / len(tokens))


def test_no_chunks() -> None:
    assert size_stats([]) == SizeStats(0, 0, 0, 0, 0, 0, 0, 0, 0)
    assert size_stats([5]).over == size_stats([5]).under == 0


spans = st.tuples(st.integers(0, 50), st.integers(0, 20)).map(lambda pair: Span(pair[0], sum(pair)))


@given(st.lists(spans, max_size=8), st.lists(spans, max_size=8))
def test_kept_whole_one_by_one(chunks: list[Span], wholes: list[Span]) -> None:
    kept = [any(c.start <= w.start and w.end <= c.end for c in chunks) for w in wholes]
    assert kept_whole(chunks, wholes) == pytest.approx(sum(kept) / len(kept) if kept else 1)


def test_a_cut_inside_tears() -> None:
    assert kept_whole([Span(0, 10), Span(10, 30)], [Span(2, 8), Span(8, 12), Span(10, 30)]) == pytest.approx(2 / 3)


def test_clarity_is_higher_where_nothing_is_shared() -> None:
    clear, torn = mean_clarity(Counting(), [["aaa", "bbb", "ccc"]]), mean_clarity(Counting(), [["aba", "bab", "aab"]])
    assert clear == pytest.approx(1)
    assert torn < clear
    assert mean_clarity(Counting(), [[]]) == mean_clarity(Counting(), [["a"]]) == 1


def test_stickiness_is_lower_where_nothing_is_shared() -> None:
    apart = mean_stickiness(Counting(), [["aaa", "bbb", "ccc"]], threshold=0.5)
    stuck = mean_stickiness(Counting(), [["aba", "bab", "aab"]], threshold=0.5)
    assert apart == 0 < stuck
    assert mean_stickiness(Counting(), [[]]) == 0


def test_the_cost_is_bounded_by_the_sample() -> None:
    chunks = ["ab"] * 1000
    lm = Counting()
    mean_clarity(lm, [chunks], sample=10)
    assert lm.read <= 20
    lm = Counting()
    mean_stickiness(lm, [chunks], sample=2, window=5)
    assert lm.read <= 2 * 5 * 5
    assert mean_clarity(lm, [chunks], sample=10, seed=1) == mean_clarity(lm, [chunks], sample=10, seed=1)


def test_no_cut_lies_between_two_documents() -> None:
    apart = mean_clarity(Counting(), [["aaa", "bbb"], ["aab"], [], ["bba", "ccc"]])
    assert apart == pytest.approx(1)
    assert mean_clarity(Counting(), []) == mean_clarity(Counting(), [["a"], ["a"]]) == 1
    assert mean_stickiness(Counting(), [["aaa"], [], ["aab", "ccc"]], threshold=0.5) == 0
    assert mean_stickiness(Counting(), []) == 0


def test_what_is_drawn_is_spread_over_all_documents() -> None:
    lm = Counting()
    documents = [["ab"] * 3] * 50
    assert mean_clarity(lm, documents, sample=20) == mean_clarity(lm, documents, sample=20)
    assert lm.read == 2 * 2 * 20
