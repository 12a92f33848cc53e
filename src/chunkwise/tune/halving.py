"""Halving: few questions for many, more questions for the better half of them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeVar

Arm = TypeVar("Arm")

FEWEST = 8  # questions of the first rung


class Rung(NamedTuple):
    """arms: how many are tried; questions: on how many."""

    arms: int
    questions: int


def rungs(arms: int, questions: int, finalists: int = 3) -> Iterator[Rung]:
    """How many are tried on how many questions, until `finalists` are left or there are no more questions.

    Source: Jamieson and Talwalkar, Non-stochastic Best Arm Identification and Hyperparameter Optimization.
    """
    asked = min(questions, FEWEST)
    while True:
        yield Rung(arms, asked)
        if arms <= finalists or asked >= questions:
            return
        arms, asked = max(finalists, (arms + 1) // 2), min(questions, 2 * asked)


def halved(
    arms: Sequence[Arm],
    questions: int,
    tried: Callable[[Arm, int], float | None],
    enough: Callable[[], bool],
    finalists: int = 3,
) -> list[Arm]:
    """The arms from the best down, by the latest rung that each came through; those that failed are left out.

    tried: the score of an arm on the first so many questions, higher is better, None when it failed; enough: asked
    before each trial; once it says so the rung is left as it stands.
    """
    order = list(arms)
    for rung in rungs(len(arms), questions, finalists):
        scores: dict[int, float] = {}
        failed: set[int] = set()
        for at in range(min(rung.arms, len(order))):
            if enough():
                break
            score = tried(order[at], rung.questions)
            if score is None:
                failed.add(at)
            else:
                scores[at] = score
        # A rung that was broken off orders those it saw; the others stay behind them as they stood.
        ranked = sorted(scores, key=lambda at: (-scores[at], at))
        rest = [at for at in range(len(order)) if at not in scores and at not in failed]
        order = [order[at] for at in (*ranked, *rest)]
        if enough():
            break
    return order
