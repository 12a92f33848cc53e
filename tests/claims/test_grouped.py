"""The claims of the selectors that divide a budget among groups, each with a control that must lose."""

from __future__ import annotations

import numpy as np

from chunkwise.budget import Budget
from chunkwise.recipe import build
from chunkwise.units import Candidates


def taken(spec: str, offered: Candidates, budget: int) -> np.ndarray:
    return build(spec, "select")(offered, Budget(budget)).indices


def test_coverage_strata() -> None:
    """At a tenth of the tokens every stratum of scores is there, where the best by score know the highest alone."""
    scores = np.linspace(1, 0, 200).astype(np.float32)
    offered = Candidates(np.arange(200), scores, np.full(200, 10))
    kept = scores[:180]  # without the tenth that scores least
    stratum = np.minimum(((1 - kept) / (1 - kept[-1]) * 5).astype(int), 4)

    def tokens(spec: str) -> list[int]:
        chosen = taken(spec, offered, 200)
        assert (chosen < 180).all()
        return (10 * np.bincount(stratum[chosen], minlength=5)).tolist()

    assert tokens("coverage-strata") == [40] * 5
    assert tokens("top-k:k=20") == [200, 0, 0, 0, 0]  # the control
    drawn = [taken(f"coverage-strata:seed={seed}", offered, 200).tolist() for seed in (0, 0, 1)]
    assert drawn[0] == drawn[1] != drawn[2]


def test_cluster_quota() -> None:
    """A smaller cluster gets its share where the best by score spend all on the largest."""
    random = np.random.default_rng(0)
    cluster = np.repeat(np.arange(3), [30, 5, 3])
    vectors = (np.eye(3, 8)[cluster] + 0.05 * random.normal(size=(38, 8))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    scores = np.linspace(1, 0.6, 38).astype(np.float32)
    offered = Candidates(np.arange(38), scores, np.full(38, 10), vectors)
    share = np.bincount(cluster[taken("cluster-quota:groups=3", offered, 120)], minlength=3)
    assert share.min() >= 3
    assert share[0] > share[2]  # by relevance, and what the smallest cannot use goes to the best
    control = np.bincount(cluster[taken("top-k:k=12", offered, 120)], minlength=3)
    assert control.tolist() == [12, 0, 0]


def test_bandit() -> None:
    """With scores of a third of the candidates looked at, most of the good ones are found; alike, fewer are."""
    random = np.random.default_rng(1)
    document = np.repeat(np.arange(10), 20)
    good = (document == 3) | (document == 7)
    scores = np.where(good, random.uniform(0.8, 1, 200), random.uniform(0, 0.3, 200)).astype(np.float32)
    order = np.argsort(-scores, kind="stable")
    offered = Candidates(order, scores[order], np.full(200, 10), documents=document[order])

    def found(spec: str) -> int:
        selection = build(spec, "select")(offered, Budget(400))
        looked = sum(not one.reason.startswith("not looked at") for one in selection.decisions if one.cost <= 10)
        assert looked >= len(selection.indices)
        return int(good[order][selection.indices].sum())

    assert found("bandit:looks=0.33") >= 36  # of the 40 that there are
    assert found("bandit:looks=0.33,explore=inf") <= 20  # the control looks everywhere alike
    assert found("bandit:looks=1") == 40
