"""Gain: what a candidate would add to what is already chosen."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from chunkwise.units import Candidates, Floats


class Gain(Protocol):
    """The value of a growing set, seen one candidate at a time; per token, so that a greedy choice can compare."""

    def __call__(self) -> Floats:
        """What each candidate would add per token to the set as it stands; float32 [n]."""

    def take(self, index: int) -> None:
        """Put a candidate into the set."""


class Relevance:
    """The score alone: a set is worth the sum of its scores, each times its tokens."""

    def __init__(self, candidates: Candidates) -> None:
        self._scores = candidates.scores

    def __call__(self) -> Floats:
        """The scores, whatever is in."""
        return self._scores

    def take(self, index: int) -> None:
        """A modular value does not change."""


class Coverage:
    """Relevance whose aspects saturate: what has been said of one part of the question counts less the next time.

    The value of a set S is sum over aspects a of G(x_a) with x_a = sum over i in S of tokens_i * aspect_i,a and
    G'(x) = floor + (1 - floor) * exp(-x / (scale * strength_a)): concave over modular, so monotone and submodular, for
    which the better of greedy by gain per token and the best single candidate is within (1 - 1/e) / 2 of the optimum
    (Leskovec et al., Cost-effective Outbreak Detection in Networks; Lin and Bilmes, A Class of Submodular Functions
    for Document Summarization). strength_a is the aspect's largest value among the candidates. The search
    takes greedy's set as it is: where no chunk costs more than a share c of the budget, that alone keeps 1 - exp(c - 1)
    of the optimum.
    """

    def __init__(self, candidates: Candidates, scale: float = 600.0, floor: float = 0.2) -> None:
        aspects = candidates.aspects
        if aspects is None:
            aspects = candidates.scores[:, None]
        strength = np.maximum(aspects.max(axis=0, initial=0), 1e-9)
        self._fading = (1 - floor) * aspects
        # What no aspect explains does not saturate, and no aspect falls below its floor.
        self._lasting = candidates.scores - self._fading.sum(axis=1)
        self._evidence = (candidates.costs[:, None] * aspects / (-scale * strength)).astype(np.float32)
        self._exponent = np.zeros(aspects.shape[1], dtype=np.float32)  # -x_a / (scale * strength_a)

    def __call__(self) -> Floats:
        """Each candidate's gain per token: its aspects at their present slopes, and what no aspect explains."""
        gains: Floats = self._fading @ np.exp(self._exponent) + self._lasting
        return gains

    def take(self, index: int) -> None:
        """Add a candidate's tokens of evidence to every aspect."""
        self._exponent += self._evidence[index]
