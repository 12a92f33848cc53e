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
    left, taken = tokens, list[int]()
    reasons = [""] * len(candidates)
    gains = np.zeros(len(candidates), dtype=np.float32)
    costs = candidates.costs
    alive = np.ones(len(candidates), dtype=bool)
    while True:
        dear = np.flatnonzero(alive & (costs > left))
        for index, cost in zip(dear.tolist(), costs[dear].tolist(), strict=True):
            reasons[index] = f"costs {cost} of the {left} tokens left"
        alive[dear] = False
        if not alive.any():
            break
        now = gain()
        gains[alive] = now[alive]
        while alive.any():
            best = int(np.argmax(np.where(alive, now, -np.inf)))
            alive[best] = False
            reasons[best] = refuse(best, taken) if now[best] > 0 else "adds nothing to what is in"
            if not reasons[best]:
                taken.append(best)
                left -= int(costs[best])
                gain.take(best)
                break
    return taken, gains, reasons


def by_position(candidates: Candidates, taken: list[int]) -> Ints:
    """The taken candidates in the order in which they stand in the index."""
    order: npt.NDArray[np.int64] = np.array(sorted(taken, key=lambda index: int(candidates.ids[index])), dtype=np.int64)
    return order
