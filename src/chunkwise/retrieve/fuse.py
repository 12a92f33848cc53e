"""Fuse: one ranking out of several."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chunkwise.units import Floats, Ints

# Scores of which `best` first looks at the largest alone.
GROUP = 16


def scaled(scores: Floats) -> Floats:
    """Each row of `scores` [r, n] divided by its largest value, so that rankings of any scale can be added."""
    peak = scores.max(axis=1, keepdims=True, initial=0)
    share: Floats = np.divide(scores, np.where(peak > 0, peak, 1), dtype=np.float32)
    return share


def standing_out(scores: Floats, among: int = 50) -> Floats:
    """How far the largest of each row of `scores` [r, n] stands above the mean of its `among` largest; float32 [r].

    As shares that sum to r, so that a weight of one for each is what rows that stand out alike get.
    """
    rows, n = scores.shape
    few = min(among, n)
    top = np.partition(scores, n - few, axis=1)[:, n - few :] if few else np.zeros((rows, 1), np.float32)
    peak = top.max(axis=1)
    out = np.where(peak > 0, 1 - top.mean(axis=1) / np.where(peak > 0, peak, 1), 0).clip(0)  # a mean may round up
    share: Floats = (rows * out / out.sum() if out.sum() > 0 else np.ones(rows)).astype(np.float32)
    return share


def best(scores: Floats, k: int) -> Ints:
    """The indices of the k largest of `scores` [n] that are above zero, descending, ties to the earlier one."""
    floor = np.finfo(np.float32).tiny
    if 0 < k <= (groups := len(scores) // GROUP):
        # The k largest of all groups' peaks are k scores: what lies below them is among no k best. Groups that lie
        # across the index, since a chunk that is good has good ones beside it.
        peaks = scores[: GROUP * groups].reshape(GROUP, groups).max(axis=0)
        floor = max(floor, np.partition(peaks, groups - k)[groups - k])
    chosen = np.flatnonzero(scores >= floor)
    return chosen[np.argsort(-scores[chosen], kind="stable")][:k]


def interleaved(first: Ints, second: Ints) -> Ints:
    """The items of two rankings, each at the better of its two ranks, none twice; the first ranking wins ties."""
    ranks = np.concatenate([2 * np.arange(len(first)), 2 * np.arange(len(second)) + 1])
    return first_come(np.concatenate([first, second])[np.argsort(ranks)])


def first_come(*rankings: Ints) -> Ints:
    """The items of rankings one after the other, each where it comes first."""
    items = np.concatenate(rankings)
    _, earliest = np.unique(items, return_index=True)
    return items[np.sort(earliest)]


def reciprocal_ranks(rankings: Sequence[Ints], n: int, k: int = 60) -> Floats:
    """Reciprocal rank fusion: the sum over rankings of 1 / (k + rank) for each of n items; float32 [n].

    Source: Cormack, Clarke and Buettcher, Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning
    Methods.
    """
    scores = np.zeros(n, dtype=np.float32)
    for ranking in rankings:
        scores[ranking] += 1 / (k + 1 + np.arange(len(ranking), dtype=np.float32))
    return scores
