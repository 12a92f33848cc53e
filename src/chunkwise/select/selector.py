"""Selectors: a search over arrays, told as a selection with a reason for every candidate."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from chunkwise.budget import Budget
from chunkwise.select.search import Choice
from chunkwise.units import Candidates, Decision, Floats, Ints, Lazy, Selection

Selector: TypeAlias = Callable[[Candidates, Budget], Selection]
NOT_A_NUMBER = "its score is not a number, so it is worth nothing"
_ENDLESS = 1e30


def selector(choose: Callable[[Candidates, int], Choice]) -> Selector:
    """A selector of what chooses among candidates under a limit in tokens.

    Here alone is decided what a score that is no number is worth: nothing, and `choose` never sees it. An infinite
    score, or one beyond 1e30 that sums would take to infinity, counts as the best of the others, or as the least and no
    more than 0 where it is negative. So `choose` sees scores that it can reckon with.
    """

    def select(candidates: Candidates, budget: Budget) -> Selection:
        if (np.abs(candidates.scores) < _ENDLESS).all():
            return _told(candidates, choose(candidates, budget.tokens))
        known = np.flatnonzero(~np.isnan(candidates.scores))
        choice = choose(_bounded(among(candidates, known)), budget.tokens)
        gains = np.zeros(len(candidates), dtype=np.float32)
        gains[known] = choice.gains
        reasons = [NOT_A_NUMBER] * len(candidates)
        for at, reason in zip(known.tolist(), choice.reasons, strict=True):
            reasons[at] = reason
        return _told(candidates, Choice(known[choice.taken].tolist(), gains, reasons))

    return select


def by_position(candidates: Candidates, taken: list[int]) -> Ints:
    """The taken candidates in the order in which they stand in the index."""
    order: npt.NDArray[np.int64] = np.array(sorted(taken, key=lambda index: int(candidates.ids[index])), dtype=np.int64)
    return order


def _told(candidates: Candidates, choice: Choice) -> Selection:
    """The choice with the turn of each that was taken in its reason."""
    reasons = list(choice.reasons)
    for rank, index in enumerate(choice.taken, 1):
        reason = reasons[index] or "best gain per token"
        reasons[index] = reason if rank == 1 else f"{rank}. {reason}"
    turns = np.zeros(len(candidates), dtype=np.int64)
    turns[choice.taken] = np.arange(1, len(choice.taken) + 1)
    numbers = (array.tolist() for array in (turns > 0, candidates.scores, choice.gains, candidates.costs))
    return Selection(by_position(candidates, choice.taken), tuple(map(Decision, *numbers, reasons, turns.tolist())))


def among(candidates: Candidates, chosen: Ints) -> Candidates:
    """The chosen candidates alone, in the order of `chosen`, int64 [m]."""
    places, texts, paths = chosen.tolist(), candidates.texts, candidates.paths
    return Candidates(
        candidates.ids[chosen],
        candidates.scores[chosen],
        candidates.costs[chosen],
        None if candidates.vectors is None else candidates.vectors[chosen],
        None if candidates.aspects is None else candidates.aspects[chosen],
        candidates.query,
        None if candidates.documents is None else candidates.documents[chosen],
        None if texts is None else Lazy(len(places), lambda at: texts[places[at]]),
        None if paths is None else Lazy(len(places), lambda at: paths[places[at]]),
    )


def _bounded(candidates: Candidates) -> Candidates:
    scores, aspects = candidates.scores, candidates.aspects
    others = scores[np.abs(scores) < _ENDLESS]
    best, least = (others.max(), min(0, others.min())) if len(others) else (1, 0)
    bounded: Floats = np.clip(scores, least, best).astype(np.float32)
    if aspects is not None:  # parts of such a score may be as endless
        aspects = np.where(np.abs(aspects) < _ENDLESS, aspects, 0).astype(np.float32)
    return replace(candidates, scores=bounded, aspects=aspects)
