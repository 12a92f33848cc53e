"""Spend: a budget on units, best value first, or shared out among groups of them; never a token above it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from chunkwise.budget import Budget
from chunkwise.compress.unit import Units
from chunkwise.select import Coverage, Gain, greedy, quotas
from chunkwise.tokens import Tokenizer
from chunkwise.units import Floats, Ints, Passage

LEAST = 12  # tokens of a group that is not whole; less says nothing
CLOSE = 64  # a room is looked for until it is known to so small a part of the budget


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
    units: Units, gain: Callable[[], Gain], budget: Budget, tokenizer: Tokenizer, first: Iterable[int] = ()
) -> list[Passage]:
    """The passages with the units that greedy takes, those of `first` before others, all within the budget."""
    lead = list(first)
    return fitted(lambda room: units.assembled(greedy(units.costs, room, gain(), first=lead).taken, tokenizer), budget)


def fitted(make: Callable[[int], list[Passage]], budget: Budget) -> list[Passage]:
    """What `make` gives for the largest room in tokens of text, of those tried, that the budget pays for.

    Only the whole tells what it costs: which passages are left and bear a label, and what was cut out of a text and
    joined is tokenised anew. So `make` asks no model.
    """
    best, fits, over, room = list[Passage](), 0, budget.tokens + 1, budget.tokens
    while over - fits > (budget.tokens // CLOSE if best else 0) + 1:
        made = make(room)
        if budget.bill(made) <= budget.tokens:
            best, fits = made, room
        else:
            over = room
        room = (fits + over) // 2
    return best


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
