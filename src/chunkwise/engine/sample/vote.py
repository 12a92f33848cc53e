"""Votes: which of several answers to give, from the answers alone or with a reward."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from typing import TypeAlias

import numpy as np

from chunkwise.engine.sample.language import Doubles
from chunkwise.errors import UserError

Utility: TypeAlias = Callable[[Hashable, Hashable], float]


def same(one: Hashable, other: Hashable) -> float:
    """1 where both are equal."""
    return float(one == other)


def overlap(one: Hashable, other: Hashable) -> float:
    """F1 of the parts of both, counted: the words of texts, the elements of tuples."""
    a, b = (Counter(x.split() if isinstance(x, str) else x if isinstance(x, tuple) else (x,)) for x in (one, other))
    total = a.total() + b.total()
    return 2 * (a & b).total() / total if total else 1.0


UTILITIES: dict[str, Utility] = {"same": same, "overlap": overlap}


def crowd(answers: Sequence[Hashable], utility: Utility = same) -> int:
    """The place of the answer that is worth most, on average, if any of the answers were the true one.

    With equality as utility this is the majority's; of equals the first. Every pair of different answers is compared
    once. Source: Suzgun et al., Follow the Wisdom of the Crowd.
    """
    if not answers:
        raise UserError("there is no answer to choose from")
    counts = Counter(answers)
    worth = {one: sum(utility(one, other) * n for other, n in counts.items()) for one in counts}
    return answers.index(max(worth, key=lambda one: worth[one]))


def majority_then_best(answers: Sequence[Hashable], rewards: Doubles, k: int, least: float) -> list[Hashable]:
    """Up to `k` different answers, by reward, of those that make up `least` of all; the commonest where none does.

    An answer's reward is the mean over its copies.
    Source: Best-of-Majority: Minimax-Optimal Strategy for Pass@k Inference Scaling.
    """
    if not answers:
        return []
    counts = Counter(answers)
    places: dict[Hashable, list[int]] = {}
    for place, answer in enumerate(answers):
        places.setdefault(answer, []).append(place)
    enough = [one for one in counts if counts[one] >= least * len(answers)] or [counts.most_common(1)[0][0]]
    reward = {one: float(np.mean(np.nan_to_num(rewards[places[one]], nan=-np.inf))) for one in enough}
    return sorted(enough, key=lambda one: -reward[one])[:k]
