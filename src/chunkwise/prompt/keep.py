"""Keep: what of an earlier prompt's beginning stays as it stood."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from chunkwise.prompt.order import Order
from chunkwise.units import Passage

Keep: TypeAlias = Callable[[Sequence[Passage], Sequence[Sequence[Passage]], int], list[Passage]]
"""The passages that a question would buy alone, those of each earlier prompt that still stand in the index, and the
budget in tokens, to those that an earlier prompt begins with and this one is to begin with too."""


def nothing(passages: Sequence[Passage], earlier: Sequence[Sequence[Passage]], budget: int) -> list[Passage]:
    """No passage: the question buys what it would buy alone."""
    return []


@dataclass(frozen=True, slots=True)
class Layout:
    """How a prompt shows its passages: what it keeps of the beginning of an earlier one, and the order of the others.

    Called, it gives the order of `passages` alone, nothing kept that is not among them.
    """

    order: Order
    keep: Keep = nothing

    def __call__(self, passages: Sequence[Passage], earlier: Sequence[Sequence[Passage]]) -> list[Passage]:
        """All of `passages`, in the order in which the prompt shows them."""
        return self.order(passages, earlier)


def beginning(passages: Sequence[Passage], earlier: Sequence[Passage], unwanted: float, edge: int) -> list[Passage]:
    """The longest beginning of an earlier prompt that holds at most `unwanted` tokens which `passages` do not.

    It ends with a passage of which `passages` hold the half, and before the `edge`-th where that one holds some of the
    best of `passages`, which would be in the middle of the prompt. Scores are those of what it shares with `passages`.
    """
    best = max((passage.score for passage in passages), default=0.0)
    kept, worth = list[Passage](), 0
    for at, one in enumerate(earlier):
        shared = [(passage, _shared(one, passage)) for passage in passages]
        score = max((passage.score for passage, size in shared if size), default=0.0)
        share = min(1.0, sum(size for _, size in shared) / max(1, len(one.text)))
        unwanted -= (1 - share) * one.tokens
        if unwanted < 0 or (at >= edge and score == best):
            break
        kept.append(replace(one, score=score))
        if share >= 0.5:
            worth = len(kept)
    return kept[:worth]


def _shared(one: Passage, other: Passage) -> int:
    """How many characters two passages have in common."""
    if one.source != other.source:
        return 0
    return max(0, min(one.span.end, other.span.end) - max(one.span.start, other.span.start))
