"""Spend: a budget on units, best value first, or shared out among groups of them; never a token above it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chunkwise.compress.unit import Units
from chunkwise.select import Coverage, Gain, greedy
from chunkwise.tokens import Tokenizer
from chunkwise.units import Candidates, Floats, Ints, Passage

LEAST = 12  # tokens of a group that is not whole; less says nothing


def candidates(units: Units, scores: Floats, aspects: Floats | None = None) -> Candidates:
    """The units as what a search chooses from: scores float32 [n], aspects float32 [n, a]."""
    return Candidates(np.arange(len(units)), scores, units.costs, aspects=aspects)


def bought(
    units: Units,
    choice: Candidates,
    gain: Callable[[Candidates], Gain],
    tokens: int,
    tokenizer: Tokenizer,
) -> list[Passage]:
    """The passages with the units that greedy takes, together at most `tokens`."""
    return fitted(lambda room: units.assembled(greedy(choice, room, gain(choice))[0], tokenizer), tokens)


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


def best_within(choice: Candidates, groups: Ints, sizes: Ints) -> Ints:
    """The candidates that each group's own size buys, by coverage; ascending. groups: int64 [n], the group of each."""
    taken: list[int] = []
    for group in np.flatnonzero(sizes).tolist():
        mine = np.flatnonzero(groups == group)
        aspects = None if choice.aspects is None else choice.aspects[mine]
        part = Candidates(mine, choice.scores[mine], choice.costs[mine], aspects=aspects)
        size = int(sizes[group])
        taken += mine[greedy(part, size, Coverage(part, size))[0]].tolist()
    return np.array(sorted(taken), dtype=np.int64)


def allotted(costs: Ints, weights: Floats, tokens: int, least: int = LEAST) -> Ints:
    """How many of `tokens` each group gets, int64 [n]: in proportion to costs times weights, no more than its cost.

    What one group has no use for goes to the others. One that would get fewer than `least` tokens, and is not whole
    with them, gets none, those of the least weight first. No weight is negative.
    """
    alive = costs > 0
    while True:
        sizes = _shared(costs * alive, weights, tokens)
        starved = alive & (sizes < np.minimum(costs, least))
        if not starved.any():
            return sizes
        alive &= ~(starved & (weights <= np.median(weights[starved])))


def _shared(costs: Ints, weights: Floats, tokens: int) -> Ints:
    sizes = np.zeros(len(costs), dtype=np.int64)
    worth = costs * weights.astype(np.float64)
    open_ = worth > 0
    while open_.any():
        shares = (tokens - sizes.sum()) * worth / worth[open_].sum()
        full = open_ & (shares >= costs)
        if not full.any():
            sizes[open_] = shares[open_].astype(np.int64)
            break
        sizes[full] = costs[full]
        open_ &= ~full
    return sizes
