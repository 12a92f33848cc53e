"""A budget divided among groups: what is given, and which group is looked at next."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from chunkwise.select import quotas, ucb
from chunkwise.select.grouped.group import grouping, strata
from chunkwise.units import Candidates


@example([(1, 1.0), (1, 5e-324), (2, 5e-324)], 4)
@given(st.lists(st.tuples(st.integers(0, 50), st.floats(0, 5)), max_size=6), st.integers(0, 200))
def test_quotas_give_all_there_is_and_no_more(groups: list[tuple[int, float]], limit: int) -> None:
    sizes, weights = [size for size, _ in groups], [weight for _, weight in groups]
    given = quotas(sizes, limit, weights)
    assert (given <= np.array(sizes) + 1e-6).all()
    usable = sum(size for size, weight in groups if weight > 0)
    assert abs(given.sum() - min(limit, usable)) < 1e-6 * max(1, limit)


def test_quotas() -> None:
    assert quotas([100, 100, 100], 90).tolist() == [30, 30, 30]
    assert quotas([10, 100, 100], 90).tolist() == [10, 40, 40]  # what one cannot use goes to the others
    assert quotas([100, 100], 90, [2, 1]).tolist() == [60, 30]
    assert quotas([100, 100], 90, [0, 1]).tolist() == [0, 90]
    assert quotas([], 90).tolist() == []


def test_strata() -> None:
    assert strata(np.array([10, 9, 5, 0], np.float32), 2).tolist() == [0, 0, 1, 1]
    assert strata(np.ones(3, np.float32), 4).tolist() == [0, 0, 0]
    assert strata(np.zeros(0, np.float32), 4).tolist() == []


def test_groups_as_far_as_places_are_known() -> None:
    vectors = np.array([[1, 0], [0, 1], [1, 0]], np.float32)
    offered = Candidates(
        np.arange(3), np.ones(3, np.float32), np.ones(3, np.int64), vectors, None, "",
        np.array([7, 7, 3]), None, [("a",), ("b",), ("a",)],
    )  # fmt: skip
    assert grouping("document", 2)(offered).tolist() == [0, 0, 1]
    assert grouping("section", 2)(offered).tolist() == [0, 1, 2]
    assert grouping("cluster", 2)(offered).tolist() == [0, 1, 0]
    bare = Candidates(offered.ids, offered.scores, offered.costs, vectors)
    assert [grouping(by, 2)(bare).tolist() for by in ("document", "section")] == [[0, 1, 0]] * 2
    assert grouping("section", 2)(Candidates(offered.ids, offered.scores, offered.costs)).tolist() == [0, 0, 0]


@given(st.lists(st.integers(0, 3), max_size=20), st.integers(0, 25), st.sampled_from([0.0, 0.5, math.inf]))
def test_looks_are_never_more_than_allowed(groups: list[int], looks: int, explore: float) -> None:
    known: dict[int, int] = {}
    arms = np.array([known.setdefault(group, len(known)) for group in groups], dtype=np.int64)
    asked: list[int] = []

    def reveal(item: int) -> float:
        asked.append(item)
        return (item * 7 % 5) / 5

    seen = ucb(arms, reveal, looks, explore)
    assert list(seen) == asked
    assert len(seen) == min(looks, len(arms))
    for arm in range(len(known)):  # in the order of the items
        own = [item for item in seen if arms[item] == arm]
        assert own == np.flatnonzero(arms == arm)[: len(own)].tolist()


def test_looking_at_all_alike() -> None:
    arms = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    assert sorted(ucb(arms, lambda item: float(item < 4), 4, math.inf)) == [0, 1, 4, 5]
    assert sorted(ucb(arms, lambda item: float(item < 4), 4, 0.1)) == [0, 1, 2, 4]
