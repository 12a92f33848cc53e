"""The claims of the selectors, each with a control that must lose."""

from __future__ import annotations

import numpy as np

from chunkwise.budget import Budget
from chunkwise.recipe import build
from chunkwise.units import Candidates


def two_sided() -> Candidates:
    """Ten candidates that speak to the question's first part, each a little better than the two that know the other."""
    first = np.array([[1.0 - 0.01 * n, 0.0] for n in range(10)], dtype=np.float32)
    second = np.array([[0.0, 0.8], [0.0, 0.78]], dtype=np.float32)
    aspects = np.concatenate([first, second])
    return Candidates(np.arange(12), aspects.sum(axis=1), np.full(12, 100), None, aspects)


def test_coverage() -> None:
    """Both parts of the question are covered where the best by score are all about one of them."""
    offered = two_sided()

    def covered(spec: str) -> np.ndarray:
        selection = build(spec, "select")(offered, Budget(400))
        assert offered.aspects is not None
        return offered.aspects[selection.indices].max(axis=0) > 0

    assert covered("coverage").tolist() == [True, True]
    assert covered("top-k:k=4").tolist() == [True, False]
    assert covered("coverage:spread=1e9").tolist() == [True, False]  # the control: nothing ever saturates


def test_top_k() -> None:
    """The k best and no other, and never more than the budget holds."""
    offered = two_sided()
    select = build("top-k:k=3", "select")
    assert select(offered, Budget(10_000)).indices.tolist() == [0, 1, 2]
    assert select(offered, Budget(250)).indices.tolist() == [0, 1]
    assert len(build("coverage", "select")(offered, Budget(10_000)).indices) > 3  # the control knows no k


def test_top_p() -> None:
    """A sharp ranking is cut early and a flat one late, which no single k does."""
    sharp = Candidates(np.arange(10), np.array([90, 2, 2, 1, 1, 1, 1, 1, 1, 0.5], np.float32), np.full(10, 10))
    flat = Candidates(np.arange(10), np.ones(10, dtype=np.float32), np.full(10, 10))

    def shares(spec: str) -> list[tuple[int, float]]:
        found = []
        for offered in (sharp, flat):
            taken = build(spec, "select")(offered, Budget(1000)).indices
            found.append((len(taken), float(offered.scores[taken].sum() / offered.scores.sum())))
        return found

    assert [count for count, _ in shares("top-p:p=0.8")] == [1, 8]
    assert all(share >= 0.799 for _, share in shares("top-p:p=0.8"))
    for k in range(1, 10):  # the control: one k either wastes on the sharp ranking or starves the flat one
        (wasted, _), (_, starved) = shares(f"top-k:k={k}")
        assert wasted > 1 or starved < 0.799
