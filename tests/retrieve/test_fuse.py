"""The best by groups are the best of all."""

from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from chunkwise.retrieve.fuse import GROUP, best


@given(st.integers(0, 40 * GROUP), st.integers(0, 50), st.integers(1, 200), st.integers(0, 2**16))
def test_best_is_a_stable_sort_cut_off(n: int, k: int, levels: int, seed: int) -> None:
    scores = (np.random.default_rng(seed).integers(-levels, levels + 1, n) / 8).astype(np.float32)  # with many ties
    order = np.argsort(-scores, kind="stable")
    assert best(scores, k).tolist() == order[scores[order] > 0][:k].tolist()


def test_best_of_scores_that_rise_and_fall_with_the_groups() -> None:
    for scores in (np.arange(1000), np.arange(1000)[::-1], np.arange(1000) % GROUP, np.zeros(1000)):
        order = np.argsort(-scores, kind="stable")
        assert best(scores.astype(np.float32), 30).tolist() == order[scores[order] > 0][:30].tolist()
