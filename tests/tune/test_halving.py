"""Halving spends few questions on many and many on few, and is never off by more than the trial under way."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from chunkwise.tune.halving import halved, rungs


@given(st.integers(1, 60), st.integers(1, 400), st.integers(1, 5))
def test_rungs_narrow_while_questions_grow(arms: int, questions: int, finalists: int) -> None:
    found = list(rungs(arms, questions, finalists))
    assert found[0].arms == arms
    for one, other in pairwise(found):
        assert other.arms < one.arms
        assert other.arms >= finalists
        assert other.questions > one.questions
    assert found[-1].questions <= questions
    assert found[-1].arms <= finalists or found[-1].questions == questions


@given(st.permutations(list(range(16))), st.integers(8, 100))
def test_the_best_arm_comes_first(values: list[int], questions: int) -> None:
    order = halved(range(16), questions, lambda arm, asked: float(values[arm]), lambda: False)
    assert values[order[0]] == 15
    assert sorted(order) == list(range(16))


def test_an_arm_that_only_many_questions_show_survives_if_it_is_in_the_better_half() -> None:
    """A late bloomer, second at first, wins; what never was in the better half does not."""

    def score(arm: int, asked: int) -> float:
        return {0: 5.0, 1: 4.0 if asked < 20 else 9.0, 2: 1.0 if asked < 20 else 99.0}.get(arm, 0.0)

    assert halved(range(8), 100, score, lambda: False, finalists=2)[0] == 1


def test_a_broken_off_search_keeps_what_it_knows() -> None:
    tried: list[int] = []

    def score(arm: int, asked: int) -> float:
        tried.append(arm)
        return float(arm)

    order = halved(range(6), 100, score, lambda: len(tried) >= 3)
    assert tried == [0, 1, 2]
    assert order == [2, 1, 0, 3, 4, 5]


def test_what_fails_is_out() -> None:
    order = halved(range(4), 10, lambda arm, asked: None if arm == 1 else float(-arm), lambda: False, finalists=4)
    assert order == [0, 2, 3]
