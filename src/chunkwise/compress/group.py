"""Groups: neighbours that share a part of the budget, long where little is to be gained and short where much is."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import numpy.typing as npt

from chunkwise.units import Floats, Ints


def marginal_winners(relevance: Floats, vectors: Floats, redundancy: float, groups: int) -> npt.NDArray[np.bool_]:
    """The best unit of each group by relevance less redundancy, once the groups are sized by their gain; bool [n].

    Each of `groups` even groups is stood for by its most relevant unit; its marginal information gain is that unit's
    relevance less `redundancy` times its largest cosine with another group's. Sizes are then shared out by the softmax
    of minus the gains, so that the groups of low gain are long. Within a group redundancy is against its own.
    """
    n = len(relevance)
    won = np.zeros(n, dtype=bool)
    groups = min(n, max(1, groups))
    edges = _even(n, groups)
    leaders = np.array([start + int(relevance[start:end].argmax()) for start, end in pairwise(edges)])
    gains = relevance[leaders] - redundancy * _nearest(vectors[leaders])
    edges = resized(n, gains)
    for start, end in pairwise(edges):
        if start < end:
            inside = relevance[start:end] - redundancy * _nearest(vectors[start:end])
            won[start + int(inside.argmax())] = True
    return won


def resized(n: int, gains: Floats) -> Ints:
    """Bounds of groups over n units, sizes by the softmax of minus the gains and largest remainders; int64 [g + 1]."""
    shares = np.exp(gains.min() - gains.astype(np.float64))
    exact = n * shares / shares.sum()
    sizes = exact.astype(np.int64)
    left = n - int(sizes.sum())
    sizes[np.argsort(sizes - exact, kind="stable")[:left]] += 1
    return np.concatenate((np.zeros(1, np.int64), np.cumsum(sizes)))


def _even(n: int, groups: int) -> Ints:
    return np.arange(groups + 1) * n // groups


def _nearest(vectors: Floats) -> Floats:
    """Each row's largest cosine with another one, 0 where there is none; float32 [n]."""
    if len(vectors) < 2:
        return np.zeros(len(vectors), dtype=np.float32)
    cosines = vectors @ vectors.T
    np.fill_diagonal(cosines, -1)
    nearest: Floats = cosines.max(axis=1)
    return nearest
