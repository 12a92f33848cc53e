"""Searches and the gains that they go by, on arrays of either kind."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import combinations, permutations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from chunkwise.select import (
    Concave,
    Coverage,
    Distance,
    Gain,
    Informed,
    LogDet,
    Quota,
    Redundancy,
    Relevance,
    Weighted,
    clusters,
    farthest_first,
    greedy,
    mcts,
    scaled,
)  # fmt: skip
from chunkwise.select.arrays import Array
from chunkwise.select.tree import Found, completed

N = 12


def unit(random: np.random.Generator, n: int = N, d: int = 3) -> np.ndarray:
    vectors = random.normal(size=(n, d)).astype(np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def arrays(seed: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(seed)
    return {
        "scores": -np.sort(-random.random(N).astype(np.float32)),
        "costs": random.integers(1, 30, N),
        "vectors": unit(random),
        "aspects": random.random((N, 4)).astype(np.float32),
        "groups": random.integers(0, 3, N),
        "quotas": np.array([20.0, 30.0, 10.0]),
    }


GAINS: dict[str, Callable[..., Gain]] = {
    "Relevance": lambda scores, **_: Relevance(scores),
    "Concave": lambda scores, costs, aspects, **_: Concave(aspects, aspects, lambda x: 1 / (1 + x), scores),
    "Coverage": lambda scores, costs, aspects, **_: Coverage(scores, costs, aspects, 30.0),
    "one aspect": lambda scores, costs, **_: Coverage(scores, costs, None, 30.0),
    "Distance": lambda vectors, **_: Distance(vectors),
    "LogDet": lambda scores, vectors, **_: LogDet(scores, vectors),
    "Quota": lambda scores, costs, groups, quotas, **_: Quota(scores, costs, groups, quotas),
    "Weighted": lambda scores, vectors, **_: Weighted(
        relevance=(1.0, Relevance(scaled(scores))), redundancy=(-0.5, Redundancy(vectors))
    ),
}
every_gain = pytest.mark.parametrize("name", GAINS)


@every_gain
@given(seed=st.integers(0, 999), limit=st.integers(0, 200))
@settings(deadline=None, max_examples=20)
def test_torch_chooses_as_numpy_does(name: str, seed: int, limit: int) -> None:
    given = arrays(seed)
    chosen = greedy(given["costs"], limit, GAINS[name](**given))
    tensors = {key: torch.from_numpy(value.copy()) for key, value in given.items()}
    in_torch = greedy(tensors["costs"], limit, GAINS[name](**tensors))
    assert in_torch.taken == chosen.taken
    assert in_torch.reasons == chosen.reasons
    assert isinstance(in_torch.gains, torch.Tensor)
    np.testing.assert_allclose(in_torch.gains.numpy(), chosen.gains, atol=1e-5)
    assert int(given["costs"][chosen.taken].sum()) <= limit


@pytest.mark.parametrize("name", ["Concave", "Coverage", "Distance", "LogDet"])
@given(seed=st.integers(0, 999), taken=st.lists(st.integers(0, N - 1), max_size=6, unique=True))
@settings(deadline=None, max_examples=20)
def test_no_gain_grows_as_the_set_does(name: str, seed: int, taken: list[int]) -> None:
    gain = GAINS[name](**arrays(seed))
    before = np.array(gain(), copy=True)
    for index in taken:
        gain.take(index)
        now = np.array(gain(), copy=True)
        assert (now <= before + 1e-5).all()
        before = now


@given(seed=st.integers(0, 999), taken=st.lists(st.integers(0, N - 1), min_size=1, max_size=6, unique=True))
def test_log_det_is_the_determinants(seed: int, taken: list[int]) -> None:
    given = arrays(seed)
    gain, total = LogDet(given["scores"], given["vectors"], noise=0.2), 0.0
    for index in taken:
        total += float(gain()[index])
        gain.take(index)
    rows = (given["scores"][:, None] * given["vectors"])[taken].astype(np.float64)
    assert total == pytest.approx(0.5 * np.linalg.slogdet(np.eye(len(taken)) + rows @ rows.T / 0.2)[1], abs=1e-4)


def test_ties_go_to_the_earlier() -> None:
    taken, gains, _ = greedy(np.full(3, 5), 10, Relevance(np.ones(3, np.float32)))
    assert taken == [0, 1]
    assert gains.tolist() == [1, 1, 1]


def test_what_comes_first() -> None:
    scores, costs = np.array([4, 3, 2, 1], np.float32), np.array([5, 5, 50, 5])
    assert greedy(costs, 10, Relevance(scores), first=[2, 3]).taken == [3, 0]  # 2 does not fit


def test_quotas_first_then_the_best_of_all() -> None:
    scores, costs = np.array([5, 4, 3, 2, 1], np.float32), np.full(5, 10)
    gain = Quota(scores, costs, np.array([0, 0, 0, 1, 1]), np.array([10.0, 10.0]))
    assert greedy(costs, 30, gain).taken == [0, 3, 1]


def test_weighted_says_its_terms() -> None:
    vectors = np.array([[1, 0], [1, 0]], np.float32)
    gain = Weighted(
        relevance=(1.0, Relevance(np.array([1, 0.9], np.float32))),
        unused=(0.0, Relevance(np.ones(2, np.float32))),
        redundancy=(-0.5, Redundancy(vectors)),
    )
    chosen = greedy(np.ones(2, np.int64), 5, gain, why=gain.why)
    assert chosen.reasons == ["relevance 1.00 + redundancy 0.00", "relevance 0.90 - redundancy 0.50"]


@given(seed=st.integers(0, 999), count=st.integers(1, 5))
@settings(deadline=None)
def test_farthest_first_is_within_twice_the_best(seed: int, count: int) -> None:
    """In the angle, which is a metric; against every choice of as many centres."""
    vectors = unit(np.random.default_rng(seed), 8)
    angles = np.arccos(np.clip(vectors @ vectors.T, -1, 1))
    angles = np.minimum(angles, np.pi / 2)  # a distance is 1 at most, and angles cut off are a metric still

    def radius(centres: Sequence[int]) -> float:
        return float(angles[:, list(centres)].min(axis=1).max())

    found = farthest_first(vectors, count)
    assert len(found) == count
    assert found[0] == 0
    assert radius(found) <= 2 * min(map(radius, combinations(range(8), count))) + 1e-3
    assert farthest_first(torch.from_numpy(vectors), count) == found


def test_farthest_first_takes_nothing_twice() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 0], [0, 0]], np.float32)
    assert farthest_first(vectors, 2) == [0, 2]
    assert farthest_first(vectors[:2], 2) == [0]
    assert farthest_first(vectors[:0], 2) == []


def test_clusters() -> None:
    random = np.random.default_rng(0)
    centres = np.eye(3, 8, dtype=np.float32)
    vectors = np.concatenate([centre + 0.1 * random.normal(size=(20, 8)) for centre in centres]).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    labels = clusters(vectors, 3)
    assert [len(set(labels[part : part + 20].tolist())) for part in (0, 20, 40)] == [1, 1, 1]
    assert len(set(labels.tolist())) == 3
    assert clusters(torch.from_numpy(vectors), 3).tolist() == labels.tolist()
    assert clusters(np.zeros((3, 2), np.float32), 2).tolist() == [0, 0, 0]
    assert clusters(np.zeros((0, 2), np.float32), 2).tolist() == []


# Tree search


class Additive:
    """Worths that a table gives to sets, every other set worth the sum of its items' weights."""

    def __init__(self, weights: Sequence[float], table: dict[frozenset[int], float]) -> None:
        self.weights, self.table = weights, table

    def of(self, items: Sequence[int]) -> float:
        return self.table.get(frozenset(items), sum(self.weights[item] for item in items))

    def __call__(self, chosen: Sequence[int]) -> Array:
        return np.array([self.of([*chosen, item]) for item in range(len(self.weights))])


@given(
    weights=st.lists(st.floats(-0.5, 0.5), min_size=1, max_size=4),
    costs=st.lists(st.integers(1, 9), min_size=4, max_size=4),
    table=st.dictionaries(st.frozensets(st.integers(0, 3), min_size=1), st.floats(-1, 1), max_size=5),
    limit=st.integers(0, 20),
)
@settings(deadline=None)
def test_a_tree_searched_through_has_the_best(
    weights: list[float], costs: list[int], table: dict[frozenset[int], float], limit: int
) -> None:
    """With more simulations than there are ordered sets, and much exploring, the answer is the optimum."""
    utility, prices = Additive(weights, table), np.array(costs[: len(weights)])
    found = mcts(prices, limit, utility, simulations=400, explore=5.0)
    sets = [
        chosen
        for size in range(len(weights) + 1)
        for chosen in permutations(range(len(weights)), size)
        if prices[list(chosen)].sum() <= limit
    ]
    assert found.worth == pytest.approx(max(utility.of(chosen) if chosen else 0.0 for chosen in sets))
    assert len(set(found.items)) == len(found.items)
    assert prices[list(found.items)].sum() <= limit
    assert not found.items or utility.of(found.items) == pytest.approx(found.worth)


def test_the_widest_bound_is_looked_at_first() -> None:
    """Few simulations, wide tree: without exploring it goes straight down the best of the children."""
    deep = mcts(np.ones(6, np.int64), 6, Additive([0.1] * 6, {}), simulations=6, explore=0.0, thrift=0.0)
    assert len(deep.items) == 6
    wide = mcts(np.ones(6, np.int64), 6, Additive([0.1] * 6, {}), simulations=6, explore=100.0, thrift=0.0)
    assert len(wide.items) == 2


def test_completed_stops_where_more_is_less() -> None:
    utility = Additive([0.3, 0.2, -0.1], {})
    assert completed(Found((), 0.0), np.ones(3, np.int64), 3, utility) == ((0, 1), 0.5)
    assert completed(Found((1,), 0.2), np.array([5, 1, 1]), 3, utility).items == (1,)


@given(
    seed=st.integers(0, 999),
    chosen=st.lists(st.integers(0, N - 1), max_size=6, unique=True),
    alike=st.booleans(),
    parts=st.booleans(),
)
def test_informed_is_what_it_says(seed: int, chosen: list[int], alike: bool, parts: bool) -> None:
    """The incremental worths against the definition, written out; the order matters to none of it but rounding."""
    given = arrays(seed)
    vectors, aspects = given["vectors"] if alike else None, given["aspects"] if parts else None
    scores, costs = given["scores"], given["costs"]
    utility = Informed(scores, costs, 100, aspects, vectors, spread=0.5, idle=0.2, twice=0.3)
    relevance = scores / scores.max()
    worths = aspects if aspects is not None else relevance[:, None]
    strongest = worths.max(axis=0)

    def worth(items: list[int]) -> float:
        paid = costs[items] / 100
        gathered = (paid[:, None] * worths[items] / strongest).sum(axis=0)
        said = float((strongest / strongest.sum()) @ (1 - np.exp(-gathered / 0.5)))
        idle = float((paid * (1 - relevance[items])).sum())
        near = [
            max((max(0.0, float(vectors[item] @ vectors[other])) for other in items[:at]), default=0.0)
            if vectors is not None
            else 0.0
            for at, item in enumerate(items)
        ]
        return said - 0.2 * idle - 0.3 * float(paid @ np.array(near))

    values = utility(chosen)
    for item in set(range(N)) - set(chosen):
        assert float(values[item]) == pytest.approx(worth([*chosen, item]), abs=1e-4)
    tensors = [None if part is None else torch.from_numpy(part.copy()) for part in (scores, costs, aspects, vectors)]
    in_torch = Informed(tensors[0], tensors[1], 100, tensors[2], tensors[3], spread=0.5, idle=0.2, twice=0.3)
    np.testing.assert_allclose(in_torch(chosen).numpy(), values, atol=1e-5)


def test_informed_is_not_monotone() -> None:
    scores, costs = np.array([1, 0.9, 0.01], np.float32), np.full(3, 50)
    worth = Informed(scores, costs, 100, None, np.array([[1, 0], [0, 1], [0, 1]], np.float32))
    assert worth([0])[1] > worth([])[0] > worth([0])[2]
    assert math.isfinite(float(Informed(np.zeros(2, np.float32), np.ones(2, np.int64), 0)([0])[1]))
