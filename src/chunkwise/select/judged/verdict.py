"""Verdict: what a model holds of every candidate, asked for once, and the selector that goes by it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from chunkwise.errors import FallbackWarning
from chunkwise.select.gain import Relevance
from chunkwise.select.search import Choice, greedy
from chunkwise.select.selector import Selector, selector
from chunkwise.units import Candidates, Floats

BY_SCORE = "candidates are taken by their scores"


class Verdict(NamedTuple):
    """worth: float32 [n], above 0, the best first; out: why each is not to be taken, "" if it may be."""

    worth: Floats
    out: list[str]


def by_verdict(name: str, judge: Callable[[Candidates], Verdict | None]) -> Selector:
    """A selector that takes what `judge` lets in, the worthiest first, within the budget.

    judge: called once for the same candidates, whatever the budgets that are tried on them, and never where the budget
    buys none of them; None where it has no verdict: then all are taken by score. name: who warns of candidates that
    bear no question or no texts to be judged by.
    """
    latest: tuple[object, Verdict] | None = None

    def verdict(offered: Candidates) -> Verdict:
        nonlocal latest
        key = (offered.query, offered.ids.tobytes(), offered.scores.tobytes())
        if latest is None or latest[0] != key:
            judged = judge(offered) if _can_be_read(name, offered) else None
            latest = key, Verdict(in_order(len(offered)), [""] * len(offered)) if judged is None else judged
        return latest[1]

    def choose(offered: Candidates, tokens: int) -> Choice:
        if not (offered.costs <= tokens).any():
            return greedy(offered.costs, tokens, Relevance(offered.scores))
        worth, out = verdict(offered)
        return greedy(offered.costs, tokens, Relevance(worth), lambda index, taken: out[index])

    return selector(choose)


def in_order(count: int) -> Floats:
    """What candidates are worth that are taken as they come, all above 0; float32 [count]."""
    return np.linspace(1, 0, count, endpoint=False, dtype=np.float32)


def _can_be_read(name: str, offered: Candidates) -> bool:
    if offered.texts is not None and offered.query.strip():
        return True
    lacking = "question" if offered.texts is not None else "texts"
    warnings.warn(FallbackWarning(f"{name}: the candidates bear no {lacking} to judge by; {BY_SCORE}"), stacklevel=4)
    return False
