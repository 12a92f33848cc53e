"""Bandit: which group to look at next, where each look costs and tells of one item."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import numpy.typing as npt


def ucb(
    arms: npt.NDArray[np.int64], reveal: Callable[[int], float], looks: int, explore: float = 0.5
) -> dict[int, float]:
    """The items looked at, in that order, and what each was seen to be worth: at most `looks` of n.

    arms: int64 [n], the group of each item, from 0 without a gap; a look at a group reveals its next item, in the order
    of the items. Every group is looked at once, as far as the looks reach; then always the one of highest mean +
    explore * sqrt(2 ln t / looks at it), so that regret grows with the logarithm of the looks. Worths are from about 0
    to 1; ties go to the earlier group. explore: infinite for looking at all groups alike.

    Source: Auer, Cesa-Bianchi and Fischer, Finite-time Analysis of the Multiarmed Bandit Problem.
    """
    waiting = [np.flatnonzero(arms == arm).tolist()[::-1] for arm in range(int(arms.max(initial=-1)) + 1)]
    left = np.bincount(arms, minlength=len(waiting)) if len(arms) else np.zeros(0, dtype=np.int64)
    sums, counts = np.zeros(len(waiting)), np.zeros(len(waiting))
    seen: dict[int, float] = {}
    for look in range(min(looks, len(arms))):
        if look < len(waiting):  # numbered without a gap, so that none is empty
            arm = look
        elif math.isinf(explore):
            arm = int(np.argmin(np.where(left > 0, counts, np.inf)))
        else:
            bound = sums / counts + explore * np.sqrt(2 * math.log(look + 1) / counts)
            arm = int(np.argmax(np.where(left > 0, bound, -np.inf)))
        item = waiting[arm].pop()
        seen[item] = reveal(item)
        sums[arm] += seen[item]
        counts[arm] += 1
        left[arm] -= 1
    return seen
