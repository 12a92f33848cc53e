"""Spend: a budget on units, best value first, or shared out among groups of them; never a token above it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from chunkwise.compress.unit import Units
from chunkwise.select import Coverage, Gain, greedy, quotas
from chunkwise.tokens import Tokenizer
from chunkwise.units import Floats, Ints, Passage

LEAST = 12  # tokens of a group that is not whole; less says nothing


class Worth(NamedTuple):
    """What units are worth a token, scores float32 [n], and how much of it speaks to each aspect, float32 [n, a]."""

    scores: Floats
    aspects: Floats

    def covering(self, costs: Ints, tokens: int, spread: float = 1.0, floor: float = 0.2) -> Gain:
        """The gain of a set whose aspects fade as `spread` times `tokens` of their strongest evidence are bought."""
        return Coverage(self.scores, costs, self.aspects, spread * max(1, tokens), floor)

    def only(self, chosen: Ints) -> Worth:
        """That of the units of these numbers."""
        return Worth(self.scores[chosen], self.aspects[chosen])


def bought(
    units: Units, gain: Callable[[], Gain], tokens: int, tokenizer: Tokenizer, first: Iterable[int] = ()
) -> list[Passage]:
    """The passages with the units that greedy takes, those of `first` before others, together at most `tokens`."""
    lead = list(first)
    return fitted(lambda room: units.assembled(greedy(units.costs, room, gain(), first=lead).taken, tokenizer), tokens)


def fitted(make: Callable[[int], list[Passage]], tokens: int) -> list[Passage]:
    """What `make` gives for the largest room, of those tried, that comes to at most `tokens` in all.

    What is cut out of a text and joined anew is tokenised anew, so that only the whole tells what it costs.
    """
    room = tokens
    while room > 0:
        made = make(room)
        total = sum(passage.tokens for passage in made)
        if total <= tokens:
            return made
        room = min(room - 1, room * tokens // total)
    return []


def best_of(units: Units, worth: Worth, chosen: Ints, tokens: int) -> Ints:
    """Those of the chosen units that `tokens` buy, by coverage; numbers of units, ascending."""
    costs = units.costs[chosen]
    return np.sort(chosen[greedy(costs, tokens, worth.only(chosen).covering(costs, tokens)).taken])


def allotted(costs: Ints, weights: Floats, tokens: int, least: int = LEAST) -> Ints:
    """How many of `tokens` each group gets, int64 [n]: in proportion to costs times weights, no more than its cost.

    What one group has no use for goes to the others. One that would get fewer than `least` tokens, and is not whole
    with them, gets none, those of the least weight first. No weight is negative.
    """
    alive = costs > 0
    while True:
        sizes = (quotas(costs * alive, tokens, costs * weights * alive) + 1e-6).astype(np.int64)
        starved = alive & (sizes < np.minimum(costs, least))
        if not starved.any():
            return sizes
        alive &= ~(starved & (weights <= np.median(weights[starved])))
