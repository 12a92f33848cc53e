"""Cuts: how many of the leading scores stay, of one ranking or of every ranking of a batch, NumPy or torch."""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.select import elbow, nucleus, sharp_drop, threshold, top_k

CUTS = {
    "top_k": partial(top_k, k=3),
    "threshold": partial(threshold, least=2.0),
    "nucleus": partial(nucleus, mass=0.7),
    "sharp_drop": partial(sharp_drop, ratio=0.5, at_least=2),
    "elbow": elbow,
}
every_cut = pytest.mark.parametrize("cut", CUTS.values(), ids=CUTS)
rankings = st.integers(0, 9).flatmap(
    lambda n: st.lists(st.lists(st.integers(0, 9), min_size=n, max_size=n), min_size=1, max_size=4)
)


def descending(rows: list[list[int]]) -> np.ndarray:
    return -np.sort(-np.array(rows, dtype=np.float32).reshape(len(rows), -1), axis=-1)


@every_cut
@given(rows=rankings)
def test_a_batch_is_cut_as_each_of_its_rankings(cut: Any, rows: list[list[int]]) -> None:
    batch = descending(rows)
    counts = cut(batch)
    assert counts.tolist() == [int(cut(row)) for row in batch]
    assert all(0 <= count <= batch.shape[1] for count in counts.tolist())
    in_torch = cut(torch.from_numpy(batch.copy()).reshape(1, *batch.shape))
    assert isinstance(in_torch, torch.Tensor)
    assert in_torch.tolist() == [counts.tolist()]


@given(st.lists(st.integers(0, 9), max_size=12).map(lambda scores: sorted(scores, reverse=True)), st.floats(0.05, 1))
def test_nucleus(scores: list[int], mass: float) -> None:
    count = nucleus(np.array(scores, dtype=np.float32), mass)
    if sum(scores):
        assert sum(scores[:count]) >= mass * sum(scores) * (1 - 1e-6)
        assert sum(scores[: count - 1]) < mass * sum(scores)
    assert count == 1 if scores and not sum(scores) else count <= len(scores)


@pytest.mark.parametrize(
    ("scores", "ratio", "at_least", "kept"),
    [
        ([9, 8, 7, 2, 1.9], 0.5, 1, 3),
        ([9, 8, 7, 2, 1.9], 0.2, 1, 5),
        ([9, 1, 0.9, 0.1], 0.5, 2, 3),  # the first fall is among those that stay
        ([9, 1, 0.9, 0.1], 0.5, 9, 4),
        ([5, 5, 5], 0.9, 1, 3),
        ([2, 0, 0, 0], 0.3, 1, 1),
        ([0, 0, -1], 0.3, 1, 2),
        ([-1, -2], 0.3, 1, 1),
        ([np.inf, 3, 2], 0.3, 1, 1),
        ([4], 0.3, 1, 1),
        ([], 0.3, 7, 0),
    ],
)
def test_sharp_drop(scores: list[float], ratio: float, at_least: int, kept: int) -> None:
    assert sharp_drop(np.array(scores, dtype=np.float32), ratio, at_least) == kept


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ([9.0, 8.9, 8.8, 8.7, 3.0, 2.9, 2.8, 2.7], 4),  # one fall stands out
        ([9, 6, 4, 3, 2.5, 2.2, 2.0], 1),  # none does: the curve bends most after the first
        ([9, 7, 5, 3, 2.9, 2.8], 3),
        ([5, 4, 3, 2, 1], 5),  # straight
        ([1, 1, 1, 1], 4),
        ([3, 1], 2),
        ([], 0),
    ],
)
def test_elbow(scores: list[float], kept: int) -> None:
    assert elbow(np.array(scores, dtype=np.float32)) == kept
