"""Intervals, differences and their correction."""

from __future__ import annotations

import math
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.errors import UserError
from chunkwise.evaluate.confidence import FEWEST, LEVEL, difference, holm, interval

shares = st.lists(st.floats(0, 1), min_size=1, max_size=30)


@given(shares)
def test_an_interval_lies_within_the_scores(scores: list[float]) -> None:
    found = interval(scores, resamples=200)
    assert min(scores) - 1e-9 <= found.low <= found.high <= max(scores) + 1e-9
    assert found.mean == pytest.approx(np.mean(scores))
    assert interval(scores, resamples=200) == found


def test_an_interval_covers_the_true_mean_about_as_often_as_it_says() -> None:
    rng = np.random.default_rng(0)
    covered = 0
    for _ in range(200):
        found = interval(rng.random(60), resamples=400)
        covered += found.low <= 0.5 <= found.high
    assert 0.88 <= covered / 200 <= 0.99


def test_an_interval_is_that_of_the_normal_for_many_questions() -> None:
    scores = np.random.default_rng(1).random(2000)
    found = interval(scores)
    half = 1.96 * scores.std() / math.sqrt(len(scores))
    assert (found.low, found.high) == pytest.approx((scores.mean() - half, scores.mean() + half), abs=half / 10)


@given(shares)
def test_differences_are_paired(scores: list[float]) -> None:
    above = [score + 0.25 for score in scores]
    found = difference(above, scores, resamples=200)
    assert (found.mean, found.low, found.high) == pytest.approx((0.25, 0.25, 0.25))
    back = difference(scores, above, resamples=200)
    assert (back.mean, back.low, back.high) == pytest.approx((-found.mean, -found.high, -found.low))


@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_holm_by_its_definition(p: list[float]) -> None:
    order = sorted(range(len(p)), key=lambda i: p[i])
    expected, so_far = [0.0] * len(p), 0.0
    for rank, i in enumerate(order):
        so_far = max(so_far, p[i] * (len(p) - rank))
        expected[i] = min(1.0, so_far)
    assert holm(p) == pytest.approx(expected)
    assert all(least <= more for least, more in zip(p, holm(p), strict=True))


def test_holm_of_none() -> None:
    assert holm([]) == []


def test_a_clear_difference_is_no_luck_and_noise_is() -> None:
    rng = np.random.default_rng(3)
    low = np.linspace(0, 0.5, 40)
    clear = difference(low + np.linspace(0.05, 0.15, 40), low)
    noise = difference(rng.random(50), rng.random(50))
    assert (clear.mean, clear.p < 0.001, clear.low > 0) == (pytest.approx(0.1), True, True)
    assert noise.p > 0.05
    assert noise.low < 0 < noise.high


def test_a_tie_is_one() -> None:
    assert difference([0.5, 1], [0.5, 1]) == (0, 0, 0, 1)


def test_fewer_than_fewest_questions_tell_nothing() -> None:
    """All of one sign is what chance gives two in 2 ** n times, whatever a bootstrap of so few says."""
    assert 2 / 2 ** (FEWEST - 1) > 1 - LEVEL > 2 / 2**FEWEST


def test_among_many_pairs_luck_is_not_told_apart() -> None:
    """Thirteen systems of pure noise: 78 pairs, of which about four look different when each is looked at alone."""
    rng = np.random.default_rng(11)
    systems = [rng.random(60) for _ in range(13)]
    alone = [difference(a, b, resamples=2000).p for a, b in combinations(systems, 2)]
    assert min(alone) < 0.05
    assert min(holm(alone)) > 0.05


@pytest.mark.parametrize(
    ("a", "b", "message"),
    [
        ([], [], "no questions"),
        ([1.0], [1.0, 0.0], "1 scores against 2"),
        ([1.0, math.nan], [1.0, 0.0], "question 2 is not a number"),
    ],
)
def test_what_cannot_be_compared(a: list[float], b: list[float], message: str) -> None:
    with pytest.raises(UserError, match=message):
        difference(a, b)
