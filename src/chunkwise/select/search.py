"""Search: choosing a set of candidates under a hard budget."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from chunkwise.select.gain import Gain
from chunkwise.units import Candidates, Floats, Ints

Refusal = Callable[[int, list[int]], str]


def no_refusal(index: int, taken: list[int]) -> str:
    """Nothing is refused."""
    return ""


def greedy(
    candidates: Candidates, tokens: int, gain: Gain, refuse: Refusal = no_refusal
) -> tuple[list[int], Floats, list[str]]:
    """The candidates taken one by one, best gain per token first, each only if it still fits.

    Returns the taken indices in order of taking, the gain of every candidate when it was last looked at (float32 [n]),
    and for every candidate why it was left out ("" for those taken). Ties go to the earlier candidate. Gains are
    looked at once for each one taken, and no step is without a candidate that fits.
    """
    left, taken, reasons = tokens, list[int](), [""] * len(candidates)
    now = np.zeros(len(candidates), dtype=np.float32)
    gains, bar = now.copy(), now.copy()  # bar: -inf for those decided, so that none of them is the best again
    costs, by_cost = candidates.costs.tolist(), np.argsort(candidates.costs, kind="stable").tolist()
    undecided = set(by_cost)

    def decide(index: int, reason: str) -> None:
        undecided.remove(index)
        bar[index], gains[index], reasons[index] = -np.inf, now[index], reason

    while undecided:
        while by_cost and costs[by_cost[-1]] > left:
            if (dear := by_cost.pop()) in undecided:
                decide(dear, f"costs {costs[dear]} of the {left} tokens left")
        if undecided:
            now = gain()
        while undecided:
            best = int(np.argmax(now + bar))
            decide(best, refuse(best, taken) if now[best] > 0 else "adds nothing to what is in")
            if not reasons[best]:
                taken.append(best)
                left -= costs[best]
                gain.take(best)
                break
    return taken, gains, reasons


def by_position(candidates: Candidates, taken: list[int]) -> Ints:
    """The taken candidates in the order in which they stand in the index."""
    order: npt.NDArray[np.int64] = np.array(sorted(taken, key=lambda index: int(candidates.ids[index])), dtype=np.int64)
    return order
