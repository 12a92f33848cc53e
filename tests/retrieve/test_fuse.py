"""The best by groups are the best of all; rows that stand out weigh more."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from chunkwise.retrieve.fuse import GROUP, best, standing_out
from chunkwise.units import Floats


@given(st.integers(0, 40 * GROUP), st.integers(0, 50), st.integers(1, 200), st.integers(0, 2**16))
def test_best_is_a_stable_sort_cut_off(n: int, k: int, levels: int, seed: int) -> None:
    scores = (np.random.default_rng(seed).integers(-levels, levels + 1, n) / 8).astype(np.float32)  # with many ties
    order = np.argsort(-scores, kind="stable")
    assert best(scores, k).tolist() == order[scores[order] > 0][:k].tolist()


def test_best_of_scores_that_rise_and_fall_with_the_groups() -> None:
    for scores in (np.arange(1000), np.arange(1000)[::-1], np.arange(1000) % GROUP, np.zeros(1000)):
        order = np.argsort(-scores, kind="stable")
        assert best(scores.astype(np.float32), 30).tolist() == order[scores[order] > 0][:30].tolist()


@given(arrays(np.float32, st.tuples(st.integers(1, 4), st.integers(0, 80)), elements=st.floats(0, 100, width=32)))
def test_what_stands_out_is_shared_among_the_rows(scores: Floats) -> None:
    shares = standing_out(scores)
    assert shares.shape == (len(scores),)
    assert (shares >= -1e-5).all()
    assert shares.sum() == pytest.approx(len(scores), rel=1e-4)


def test_a_peak_weighs_more_than_a_plateau() -> None:
    peak, plateau = np.full(60, 1.0, np.float32), np.full(60, 1.0, np.float32)
    peak[7] = 10
    plateau[:50] = 10
    shares = standing_out(np.stack([peak, plateau]))
    assert shares[0] > 1 > shares[1]
    assert standing_out(np.stack([peak, peak])).tolist() == [1, 1]
