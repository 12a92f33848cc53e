"""Selectors: candidates and a budget in, a selection with a reason for every candidate out."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from chunkwise.budget import Budget
from chunkwise.recipe import recipe
from chunkwise.select.cut import nucleus
from chunkwise.select.gain import Coverage, Gain, Relevance
from chunkwise.select.search import Refusal, by_position, greedy, no_refusal
from chunkwise.units import Candidates, Decision, Selection

Selector: TypeAlias = Callable[[Candidates, Budget], Selection]


@recipe(
    "coverage",
    family="select",
    seed="A Class of Submodular Functions for Document Summarization",
    claim="covers every part of a question where taking by score alone spends the budget on one of them",
)
def coverage(spread: float = 2.0, floor: float = 0.2, twin: float = 0.0) -> Selector:
    """Relevance plus new coverage minus redundancy, greedy by gain per token.

    Redundancy is what saturation takes away: a second chunk that speaks to the same words of the question gains less.

    spread: how many budgets full of its strongest evidence take an aspect's worth 1/e of the way to `floor`; twin:
    cosine from which a candidate is refused as a repetition, 0 for never. Static vectors hardly tell one row of a table
    from the next, so refusing is for prose.
    """

    def select(candidates: Candidates, budget: Budget) -> Selection:
        gain = Coverage(candidates, spread * max(1, budget.tokens), floor)
        return _take(candidates, budget, gain, _twins(candidates, twin) if twin else no_refusal)

    return select


@recipe(
    "top-k",
    family="select",
    seed="The plain control: what most retrieval pipelines do",
    claim="takes the k best by score, never more than the budget holds",
)
def top_k(k: int = 5) -> Selector:
    """The first k candidates, those that fit."""
    return lambda candidates, budget: _first(candidates, budget, k, f"not among the {k} best")


@recipe(
    "top-p",
    family="select",
    seed="The Curious Case of Neural Text Degeneration",
    claim="takes the smallest set of best candidates that holds a share p of all scores",
)
def top_p(p: float = 0.5) -> Selector:
    """Nucleus selection carried from tokens to chunks: the fewest best that hold p of the scores' sum."""
    return lambda candidates, budget: _first(
        candidates,
        budget,
        nucleus(candidates.scores.clip(min=0), p),
        f"outside the best that hold {p:.0%} of the score",
    )


def _first(candidates: Candidates, budget: Budget, count: int, beyond: str) -> Selection:
    def refuse(index: int, taken: list[int]) -> str:
        return beyond if index >= count else ""

    return _take(candidates, budget, Relevance(candidates), refuse)


def _take(candidates: Candidates, budget: Budget, gain: Gain, refuse: Refusal = no_refusal) -> Selection:
    taken, gains, reasons = greedy(candidates, budget.tokens, gain, refuse)
    for rank, index in enumerate(taken, 1):
        reasons[index] = "best gain per token" if rank == 1 else f"{rank}. best gain per token"
    turns = np.zeros(len(candidates), dtype=np.int64)
    turns[taken] = np.arange(1, len(taken) + 1)
    numbers = (array.tolist() for array in (turns > 0, candidates.scores, gains, candidates.costs))
    return Selection(by_position(candidates, taken), tuple(map(Decision, *numbers, reasons, turns.tolist())))


def _twins(candidates: Candidates, alike: float) -> Refusal:
    vectors = candidates.vectors
    if vectors is None:
        return no_refusal

    def refuse(index: int, taken: list[int]) -> str:
        if not taken:
            return ""
        cosines = vectors[taken] @ vectors[index]
        nearest = int(cosines.argmax())
        if cosines[nearest] < alike:
            return ""
        return f"says the same as number {nearest + 1} taken (cosine {cosines[nearest]:.2f})"

    return refuse
