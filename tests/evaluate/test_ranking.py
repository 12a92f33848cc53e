"""Ranking measures against slow definitions, scikit-learn, and ir_measures where it is installed."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn.metrics import average_precision_score, ndcg_score

from chunkwise.evaluate.ranking import average_precision, dcg, ndcg, recall_at_k, reciprocal_rank

names = st.lists(st.sampled_from("abcdefghij"), max_size=10, unique=True)
grades = st.dictionaries(st.sampled_from("abcdefghijxyz"), st.integers(-1, 4), max_size=9)
depths = st.integers(1, 12)


@given(names, grades, depths)
def test_definitions(ranked: list[str], relevant: dict[str, int], k: int) -> None:
    good = {name for name, grade in relevant.items() if grade > 0}
    hits = [rank for rank, name in enumerate(ranked, 1) if name in good]
    assert recall_at_k(ranked, relevant, k) == pytest.approx(sum(r <= k for r in hits) / len(good) if good else 0)
    assert reciprocal_rank(ranked, relevant) == (1 / hits[0] if hits else 0)
    precisions = sum((n + 1) / rank for n, rank in enumerate(hits))
    assert average_precision(ranked, relevant) == pytest.approx(precisions / len(good) if good else 0)
    gains = [max(0, relevant.get(name, 0)) / math.log2(rank + 1) for rank, name in enumerate(ranked, 1)]
    assert dcg(ranked, relevant, k) == pytest.approx(sum(gains[:k]))


@given(names, grades, depths)
def test_bounds_and_the_best_order(ranked: list[str], relevant: dict[str, int], k: int) -> None:
    for measure in (ndcg, reciprocal_rank, average_precision, recall_at_k):
        assert 0 <= measure(ranked, relevant, k) <= 1 + 1e-12
        assert measure(ranked, relevant, k) <= measure(ranked, relevant, k + 1) or measure is ndcg
    best = sorted(relevant, key=lambda name: -relevant[name])
    if any(grade > 0 for grade in relevant.values()):
        assert ndcg(best, relevant, k) == pytest.approx(1)
        assert reciprocal_rank(best, relevant) == average_precision(best, relevant) == 1
        assert recall_at_k(best, relevant, len(best)) == 1


@given(st.lists(st.integers(0, 4), min_size=2, max_size=12).filter(any), depths)
def test_scikit_learn_agrees(order: list[int], k: int) -> None:
    scores = -np.arange(len(order))[None]
    ranked, relevant = range(len(order)), dict(enumerate(order))
    assert ndcg(ranked, relevant, k) == pytest.approx(ndcg_score([order], scores, k=k))
    assert average_precision(ranked, relevant) == pytest.approx(average_precision_score(np.array(order) > 0, scores[0]))


@given(names.filter(bool), grades.filter(bool))
def test_trec_eval_agrees(ranked: list[str], relevant: dict[str, int]) -> None:
    library = pytest.importorskip("ir_measures")
    run = {"q": {name: float(-rank) for rank, name in enumerate(ranked)}}
    measures = [library.nDCG @ 5, library.R @ 5, library.RR, library.AP, library.AP @ 5]
    found = library.calc_aggregate(measures, {"q": relevant}, run)
    ours = [
        ndcg(ranked, relevant, 5),
        recall_at_k(ranked, relevant, 5),
        reciprocal_rank(ranked, relevant),
        average_precision(ranked, relevant),
        average_precision(ranked, relevant, 5),
    ]
    assert ours == pytest.approx([found[measure] for measure in measures])


def test_nothing_relevant_and_nothing_ranked() -> None:
    for measure in (ndcg, reciprocal_rank, average_precision, recall_at_k, dcg):
        assert measure([], {"a": 1}, 5) == measure(["a"], {}, 5) == measure(["a"], {"a": -1}, 5) == 0


def test_an_id_twice_counts_where_it_first_stands() -> None:
    assert ndcg(["b", "b", "a"], {"a": 1}, 2) == ndcg(["b", "a"], {"a": 1}, 2)
    assert recall_at_k(["a", "a"], {"a": 1, "b": 1}, 2) == 0.5
