"""Feedback: a selector's size, set by a model that is shown what it would take."""

from __future__ import annotations

from collections.abc import Callable

from chunkwise.asking import Asking
from chunkwise.budget import Budget
from chunkwise.select.judged import prompts, replies
from chunkwise.select.selector import Selector
from chunkwise.units import Candidates


def settled(
    asking: Asking,
    sized: Callable[[int], Selector],
    offered: Candidates,
    budget: Budget,
    size: int,
    step: int,
    rounds: int,
    good: float,
) -> int:
    """The size whose selection the model found best, of those that its "more" and "less" led to.

    It ends with the first quality of at least `good`, when the model has nothing to change, where a size was seen
    before, when more takes no more within the budget, and after `rounds` questions. Sizes are 1 at the least.
    """
    assert offered.texts is not None
    seen: dict[tuple[int, ...], None] = {}
    best, quality = size, -1.0
    for _ in range(rounds):
        indices = tuple(sized(size)(offered, budget).indices.tolist())
        if indices in seen or not indices:
            break
        seen[indices] = None
        reply = asking(prompts.enough(offered.query, [offered.texts[index] for index in indices]))
        if reply is None:
            break
        if (said := replies.enough(reply)) is None:
            asking.misread()
            break
        if said[0] > quality:
            best, quality = size, said[0]
        if said[0] >= good or not said[1]:
            break
        size = max(1, size + step * said[1])
    return best
