"""Boundary clarity and chunk stickiness, on a model whose costs are known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from chunkwise.models import Surprise
from chunkwise.segment.clarity import boundary_clarity, chunk_stickiness, perplexity
from chunkwise.units import Floats
from supplies import Letters


class Shared:
    """Each letter costs 4 nats, or 1 where the text before it has that letter too."""

    name = "shared"

    def __init__(self) -> None:
        self.calls = 0

    def surprise(self, text: str, *, given: str = "", states: bool = False) -> Surprise:
        self.calls += 1
        nats = [1.0 if letter in given else 4.0 for letter in text]
        return Surprise(np.arange(len(text)), np.array(nats, dtype=np.float32))

    def choose(self, prompt: str, answers: list[str]) -> Floats:
        raise NotImplementedError


def test_perplexity() -> None:
    assert perplexity(Shared(), "ab") == pytest.approx(math.exp(4))
    assert perplexity(Shared(), "ab", "b") == pytest.approx(math.exp(2.5))
    assert perplexity(Shared(), "") == 1.0


def test_clarity_is_high_where_nothing_is_shared() -> None:
    assert boundary_clarity(Shared(), "abc", "xyz") == 1.0
    assert boundary_clarity(Shared(), "abc", "cba") == pytest.approx(math.exp(-3))
    assert boundary_clarity(Shared(), "abc", "cxyz") == pytest.approx(math.exp(-0.75))
    assert boundary_clarity(Shared(), "", "abc") == boundary_clarity(Shared(), "abc", "") == 1.0


def test_stickiness_is_the_entropy_of_the_ends_of_edges() -> None:
    alone = ["ab", "cd", "ef", "gh"]
    star = ["ab", "ax", "by", "q"]
    assert chunk_stickiness(Shared(), alone) == 0
    assert chunk_stickiness(Shared(), ["ab", "ba", "ab", "ba"]) == pytest.approx(2.0)
    assert chunk_stickiness(Shared(), ["ab", "ba", "cd", "ef"]) == pytest.approx(1.0)
    # "ax" and "by" each share half with "ab": 1 - exp(-1.5) is under the threshold, and over a lower one
    assert chunk_stickiness(Shared(), star) == 0
    assert chunk_stickiness(Shared(), star, threshold=0.7) == pytest.approx(1.5)


def test_a_short_reach_asks_less_and_sees_forward_alone() -> None:
    chunks = ["ab", "cd", "ab", "ef"] * 5
    lm = Shared()
    assert chunk_stickiness(lm, chunks, reach=1) == 0
    assert lm.calls == 20 + 19
    # forward edges between every second chunk "ab": each of the nine has two ends
    ends = np.array([1, *[2] * 8, 1]) / 18
    assert chunk_stickiness(Shared(), chunks[:19], reach=2) == pytest.approx(-(ends * np.log2(ends)).sum())
    complete = Shared()
    chunk_stickiness(complete, chunks)
    assert complete.calls == 20 + 20 * 19


@pytest.mark.parametrize("chunks", [[], ["one"], ["", ""], ["", "a", "a"], ["\ud83d\x00", "👩‍👩‍👧"]])
def test_odd_chunks(chunks: list[str]) -> None:
    for reach in (None, 1):
        assert 0 <= chunk_stickiness(Letters(), chunks, reach=reach) < 2
