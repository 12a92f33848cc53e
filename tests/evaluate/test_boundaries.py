"""Boundary measures against slow versions of their definitions."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.errors import UserError
from chunkwise.evaluate.boundaries import BoundaryScores, boundary_scores, pk, window_diff

positions = st.lists(st.integers(-3, 45), max_size=12)


def largest_matching(found: list[int], gold: list[int], tolerance: int) -> int:
    """By augmenting paths, which knows nothing of order."""
    partner: dict[int, int] = {}

    def place(ours: int, tried: set[int]) -> bool:
        for theirs in gold:
            if abs(ours - theirs) <= tolerance and theirs not in tried:
                tried.add(theirs)
                if theirs not in partner or place(partner[theirs], tried):
                    partner[theirs] = ours
                    return True
        return False

    return sum(place(ours, set()) for ours in found)


def gaps(found: list[int], length: int) -> str:
    return "".join("01"[position in found] for position in range(1, length))


def slow_pk(found: str, gold: str, k: int) -> float:
    """As nltk's metrics define it over strings of 0 and 1."""
    windows = range(len(gold) - k + 1)
    return sum(("1" in gold[i : i + k]) != ("1" in found[i : i + k]) for i in windows) / len(windows)


def slow_window_diff(found: str, gold: str, k: int) -> float:
    windows = range(len(gold) - k + 1)
    return sum(gold[i : i + k].count("1") != found[i : i + k].count("1") for i in windows) / len(windows)


@given(positions, positions, st.integers(0, 45), st.integers(0, 6))
def test_as_many_boundaries_are_matched_as_can_be(found: list[int], gold: list[int], length: int, near: int) -> None:
    scores = boundary_scores(found, gold, length, near)
    ours, theirs = ({p for p in places if 0 < p < length} for places in (found, gold))
    matched = largest_matching(sorted(ours), sorted(theirs), near)
    if ours and theirs:
        assert scores == pytest.approx(
            (matched / len(ours), matched / len(theirs), 2 * matched / len([*ours, *theirs]))
        )
    else:
        assert set(scores) == {float(not ours and not theirs)}
    assert all(0 <= score <= 1 for score in scores)


@given(positions, st.integers(0, 45), st.integers(0, 6))
def test_the_true_boundaries_are_perfect(gold: list[int], length: int, near: int) -> None:
    assert boundary_scores(gold, gold, length, near) == BoundaryScores(1, 1, 1)
    assert pk(gold, gold, length) == window_diff(gold, gold, length) == 0


@given(positions, positions, st.integers(0, 6))
def test_more_tolerance_never_scores_less(found: list[int], gold: list[int], near: int) -> None:
    less, more = (boundary_scores(found, gold, 45, tolerance).f1 for tolerance in (near, near + 1))
    assert less <= more


@given(positions, positions, st.integers(2, 45), st.data())
def test_windows_are_those_of_nltk(found: list[int], gold: list[int], length: int, data: st.DataObject) -> None:
    k = data.draw(st.integers(1, length - 1))
    ours, theirs = gaps(found, length), gaps(gold, length)
    assert pk(found, gold, length, k) == pytest.approx(slow_pk(ours, theirs, k))
    assert window_diff(found, gold, length, k) == pytest.approx(slow_window_diff(ours, theirs, k))
    assert pk(found, gold, length, k) <= window_diff(found, gold, length, k) <= 1


def test_nltk_on_its_own_strings() -> None:
    """The figures that nltk prints for the strings in its documentation."""
    texts = ["0100010000", "0100010000", "0011000010", "0000000000"]
    cuts = [[at + 1 for at, mark in enumerate(text) if mark == "1"] for text in texts]
    near, far = (window_diff(cuts[other], cuts[0], 11, 3) for other in (2, 3))
    assert pk(cuts[1], cuts[0], 11, 3) == 0
    assert (near, far) == pytest.approx(
        (slow_window_diff(texts[2], texts[0], 3), slow_window_diff(texts[3], texts[0], 3))
    )
    assert far > 0


def test_default_window_is_half_a_true_part() -> None:
    gold = [10, 20, 30]
    assert pk([12], gold, 40) == pk([12], gold, 40, 5)
    assert pk([12], [], 40) == pk([12], [], 40, 20)


@pytest.mark.parametrize("k", [0, -1, 5, 99])
def test_a_window_that_does_not_fit(k: int) -> None:
    with pytest.raises(UserError, match="from 1 to 4"):
        pk([1], [2], 5, k)


@pytest.mark.parametrize("length", [0, 1])
def test_too_short_to_cut(length: int) -> None:
    assert pk([1], [0], length) == window_diff([], [1], length) == 0
    assert boundary_scores([0, 1], [5], length) == BoundaryScores(1, 1, 1)


def test_every_cut_everywhere_has_full_recall_and_little_precision() -> None:
    scores = boundary_scores(range(1, 100), [50], 100)
    assert scores.recall == 1
    assert scores.precision == pytest.approx(1 / 99)


def test_one_found_boundary_serves_one_true_one() -> None:
    assert boundary_scores([10], [9, 11], 20, 1).recall == 0.5
    assert all(boundary_scores(list(order), [9, 11], 20, 2).f1 == 1 for order in itertools.permutations([10, 12]))
