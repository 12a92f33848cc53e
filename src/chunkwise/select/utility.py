"""Utility: what a whole set is worth, where one more item may make it worse."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from chunkwise.select.arrays import Array, namespace
from chunkwise.select.gain import scaled


class Informed:
    """How much of each aspect a set informs of, less what its idle words and its repetitions distract; at most 1.

    The worth of a set S: sum over aspects of share_a * (1 - exp(-x_a / spread)), with x_a the share of the limit that
    is spent on aspect a (cost times the aspect's strength, relative to its strongest) and share_a what the aspect's
    strongest has of all; minus idle * the share of the limit spent on what is not relevant (cost times 1 - score, as
    scores relative to the best); minus twice * the share spent on what is in already (cost times the largest cosine
    with an earlier one). So it is submodular and not monotone: an item that informs of nothing new takes away.

    aspects: [n, a] or None (the score is one aspect); vectors: [n, d] or None (nothing is a repetition).
    """

    def __init__(
        self,
        scores: Array,
        costs: Array,
        limit: int,
        aspects: Array | None = None,
        vectors: Array | None = None,
        spread: float = 0.5,
        idle: float = 0.2,
        twice: float = 0.2,
    ) -> None:
        xp = namespace(scores)
        relevance = xp.clip(scaled(scores), 0.0, 1.0)
        parts = relevance[:, None] if aspects is None or not aspects.shape[1] else xp.clip(aspects, 0.0, None)
        strongest = xp.max(parts, axis=0) if parts.shape[0] else xp.zeros(parts.shape[1], dtype=scores.dtype)
        strongest = xp.clip(strongest, 1e-9, None)
        paid = xp.astype(costs, scores.dtype) / max(1, limit)
        self._shares = strongest / xp.sum(strongest)
        # The share of each aspect's worth that each item alone leaves unsaid.
        self._leaves = xp.exp(paid[:, None] * parts / (-spread * strongest))
        self._idle = idle * paid * (1 - relevance)
        self._twice = twice * paid
        self._alike = None if vectors is None else xp.clip(vectors @ vectors.T, 0.0, None)
        empty = _Known(strongest / xp.sum(strongest), 0.0, xp.zeros_like(relevance))
        self._known: dict[tuple[int, ...], _Known] = {(): empty}

    def __call__(self, chosen: Sequence[int]) -> Array:
        """The worth of the set with each item added; [n]. The order in which they were chosen does not matter."""
        known = self._state(tuple(chosen))
        return 1 - self._leaves @ known.unsaid - (known.wasted + self._idle + self._twice * known.nearest)

    def _state(self, chosen: tuple[int, ...]) -> _Known:
        """What is known of a set: of the longest beginning seen before, and one item after another."""
        begin = len(chosen)
        while chosen[:begin] not in self._known:
            begin -= 1
        known = self._known[chosen[:begin]]
        for end, item in enumerate(chosen[begin:], begin + 1):
            nearest = known.nearest
            wasted = known.wasted + float(self._idle[item] + self._twice[item] * nearest[item])
            if self._alike is not None:
                nearest = namespace(nearest).maximum(nearest, self._alike[item])
            known = self._known[chosen[:end]] = _Known(known.unsaid * self._leaves[item], wasted, nearest)
        return known


class _Known(NamedTuple):
    """A set's unsaid share of each aspect's worth [a], what it wastes, and how near each item is to it [n]."""

    unsaid: Array
    wasted: float
    nearest: Array
