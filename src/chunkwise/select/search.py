"""Search: choosing a set of items under a hard limit on what they cost together."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple, TypeAlias

from chunkwise.select.arrays import Array, namespace
from chunkwise.select.gain import Distance, Gain

Refusal: TypeAlias = Callable[[int, list[int]], str]
"""Given an item and those taken: why it may not be taken, "" if it may."""


class Choice(NamedTuple):
    """What a search chose of n items.

    taken: indices in the order of taking; gains: float32 [n], of every item when it was last looked at; reasons: n
    texts, why each was left out or what it was taken for, "" where there is no more to say than that its gain was best.
    """

    taken: list[int]
    gains: Array
    reasons: list[str]


def no_refusal(index: int, taken: list[int]) -> str:
    """Nothing is refused."""
    return ""


def too_dear(cost: int, left: int) -> str:
    """What is said of an item that does not fit any more."""
    return f"costs {cost} of the {left} tokens left"


def greedy(
    costs: Array,
    limit: int,
    gain: Gain,
    refuse: Refusal = no_refusal,
    why: Callable[[int], str] = lambda index: "",
    first: Iterable[int] = (),
) -> Choice:
    """The items taken one by one, best gain first, each only if it still fits; those of `first` before all others.

    costs: int64 [n]. Ties go to the earlier item. why: what else to say of one that is taken or adds nothing. Gains
    are looked at once for each one taken, all at a time, which costs less than a queue that looks at few of them
    lazily; no step is without an item that fits.
    """
    xp, n = namespace(costs), costs.shape[0]
    left, taken, reasons = limit, list[int](), [""] * n
    now = xp.zeros(n, dtype=xp.float32, device=costs.device)
    gains, bar = xp.zeros_like(now), xp.zeros_like(now)  # bar: -inf for those decided, so that none is the best again
    never = -math.inf
    prices, by_cost = costs.tolist(), xp.argsort(costs, stable=True).tolist()
    undecided, waiting = set(by_cost), list(first)[::-1]

    def decide(index: int, reason: str) -> None:
        undecided.remove(index)
        bar[index], gains[index], reasons[index] = never, now[index], reason

    while undecided:
        while by_cost and prices[by_cost[-1]] > left:
            if (dear := by_cost.pop()) in undecided:
                decide(dear, too_dear(prices[dear], left))
        if undecided:
            now = gain()
        while undecided:
            while waiting and waiting[-1] not in undecided:
                waiting.pop()
            best = waiting.pop() if waiting else int((now + bar).argmax())
            terms = why(best)
            if now[best] > 0:
                refused = refuse(best, taken)
            else:
                refused = f"adds nothing to what is in{': ' if terms else ''}{terms}"
            decide(best, refused or terms)
            if not refused:
                taken.append(best)
                left -= prices[best]
                gain.take(best)
                break
    return Choice(taken, gains, reasons)


def farthest_first(vectors: Array, count: int) -> list[int]:
    """At most `count` rows of vectors [n, d], each the farthest from those before it, beginning with the first.

    Fewer where all others say the same as one of them. Source: Gonzalez, Clustering to Minimize the Maximum
    Intercluster Distance.
    """
    xp = namespace(vectors)
    each = xp.ones(vectors.shape[0], dtype=xp.int64, device=vectors.device)
    return greedy(each, count, Distance(vectors)).taken


def leading(count: int, beyond: str) -> Refusal:
    """Refuses all but the first `count` items."""

    def refuse(index: int, taken: Sequence[int]) -> str:
        return beyond if index >= count else ""

    return refuse
