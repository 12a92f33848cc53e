"""How good an order of documents or chunks is: one question's ranking against the grades of what is relevant.

ranked: ids, best first; an id named twice counts where it first stands. relevant: grade by id; a grade of 0 or less is
not relevant, and an id without a grade is not either. Every measure is 0 where nothing is relevant. The mean over
questions of `reciprocal_rank` is MRR, of `average_precision` MAP. Definitions are those of
trec_eval.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

Grades: TypeAlias = npt.NDArray[np.float64]
Id = TypeVar("Id", bound=Hashable)


def recall_at_k(ranked: Sequence[Id], relevant: Mapping[Id, int], k: int) -> float:
    """Share in 0 to 1 of the relevant that are among the first k."""
    return float((_grades(ranked, relevant)[:k] > 0).sum()) / max(1, len(_ideal(relevant)))


def reciprocal_rank(ranked: Sequence[Id], relevant: Mapping[Id, int], k: int | None = None) -> float:
    """One over the rank of the first that is relevant; 0 when none is, or none of the first k."""
    hits = np.flatnonzero(_grades(ranked, relevant)[:k])
    return 1.0 / (1 + int(hits[0])) if len(hits) else 0.0


def average_precision(ranked: Sequence[Id], relevant: Mapping[Id, int], k: int | None = None) -> float:
    """Mean over the relevant of the precision at the rank where each stands; 0 for those not among the first k."""
    hits = np.flatnonzero(_grades(ranked, relevant)[:k])
    return float((np.arange(1, len(hits) + 1) / (hits + 1)).sum()) / max(1, len(_ideal(relevant)))


def dcg(ranked: Sequence[Id], relevant: Mapping[Id, int], k: int | None = 20) -> float:
    """Sum over the first k of grade / log2(rank + 1): 0 or more, with no upper end."""
    return _discounted(_grades(ranked, relevant)[:k])


def ndcg(ranked: Sequence[Id], relevant: Mapping[Id, int], k: int | None = 10) -> float:
    """`dcg` as a share, 0 to 1, of what the best order would have (Jarvelin and Kekalainen, 2002)."""
    best = _discounted(_ideal(relevant)[:k])
    return dcg(ranked, relevant, k) / best if best else 0.0


def _grades(ranked: Sequence[Id], relevant: Mapping[Id, int]) -> Grades:
    return np.array([max(0, relevant.get(name, 0)) for name in dict.fromkeys(ranked)], dtype=np.float64)


def _ideal(relevant: Mapping[Id, int]) -> Grades:
    return np.array(sorted((grade for grade in relevant.values() if grade > 0), reverse=True), dtype=np.float64)


def _discounted(grades: Grades) -> float:
    return float((grades / np.log2(np.arange(2, len(grades) + 2))).sum())
