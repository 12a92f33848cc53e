"""Verdict: what a model holds of every candidate, asked for once, and the selector that goes by it."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Concatenate, NamedTuple, ParamSpec, TypeVar

import numpy as np

from chunkwise.errors import FallbackWarning
from chunkwise.select.gain import Relevance
from chunkwise.select.search import Choice, greedy
from chunkwise.select.selector import Selector, selector
from chunkwise.units import Candidates, Floats

Judged = TypeVar("Judged")
Rest = ParamSpec("Rest")
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

    def judged(offered: Candidates) -> Verdict:
        found = judge(offered) if _can_be_read(name, offered) else None
        return Verdict(in_order(len(offered)), [""] * len(offered)) if found is None else found

    verdict = remembered(judged)

    def choose(offered: Candidates, tokens: int) -> Choice:
        if not (offered.costs <= tokens).any():
            return greedy(offered.costs, tokens, Relevance(offered.scores))
        worth, out = verdict(offered)
        return greedy(offered.costs, tokens, Relevance(worth), lambda index, taken: out[index])

    return selector(choose)


def remembered(
    judge: Callable[Concatenate[Candidates, Rest], Judged],
) -> Callable[Concatenate[Candidates, Rest], Judged]:
    """What `judge` says of candidates, asked for anew when they are others than the last time, whatever else is given.

    A pack selects again from the same candidates until its labels fit the budget.
    """
    latest: tuple[object, Judged] | None = None

    def recall(offered: Candidates, /, *rest: Rest.args, **named: Rest.kwargs) -> Judged:
        nonlocal latest
        key = (offered.query, offered.ids.tobytes(), offered.scores.tobytes())
        if latest is None or latest[0] != key:
            latest = key, judge(offered, *rest, **named)
        return latest[1]

    return recall


def in_order(count: int) -> Floats:
    """What candidates are worth that are taken as they come, all above 0; float32 [count]."""
    return np.linspace(1, 0, count, endpoint=False, dtype=np.float32)


def _can_be_read(name: str, offered: Candidates) -> bool:
    if offered.texts is not None and offered.query.strip():
        return True
    lacking = "question" if offered.texts is not None else "texts"
    warnings.warn(FallbackWarning(f"{name}: the candidates bear no {lacking} to judge by; {BY_SCORE}"), stacklevel=4)
    return False
