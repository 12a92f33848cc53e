"""Order: where in the prompt a passage stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from chunkwise.units import Passage

Layout: TypeAlias = Callable[[Sequence[Passage], Sequence[Sequence[Passage]]], list[Passage]]
"""Passages in the order of their documents, and those of each earlier prompt of the conversation as it showed them,
the oldest first, to the order in which the prompt shows them."""


def best_at_the_ends(passages: Sequence[Passage]) -> list[Passage]:
    """The best passage last, the second best first, and so on inwards: the weakest stand in the middle.

    Models attend least to the middle of a long prompt, and the question stands after the last passage. Source: Liu et
    al., Lost in the Middle: How Language Models Use Long Contexts. Ties go by the order given.
    """
    ranked = sorted(range(len(passages)), key=lambda at: (-passages[at].score, at))
    front, back = ranked[1::2], ranked[0::2]
    return [passages[at] for at in (*front, *reversed(back))]


def shared(passages: Sequence[Passage], earlier: Sequence[Passage]) -> int:
    """How many passages an earlier prompt begins with that are all among `passages`, to the character."""
    here = {_identity(passage) for passage in passages}
    for count, passage in enumerate(earlier):
        if _identity(passage) not in here:
            return count
    return len(earlier)


def continued(passages: Sequence[Passage], earlier: Sequence[Passage], count: int) -> list[Passage]:
    """The first `count` passages of an earlier prompt in its order, then the others, the best of them at their ends."""
    place = {_identity(passage): at for at, passage in reversed(list(enumerate(earlier[:count])))}
    kept = {place[_identity(passage)]: passage for passage in passages if _identity(passage) in place}
    others = [passage for passage in passages if _identity(passage) not in place]
    return [*(kept[at] for at in sorted(kept)), *best_at_the_ends(others)]


def in_the_middle(order: Sequence[Passage], edge: int) -> bool:
    """Whether the best passage stands neither among the first `edge` nor among the last `edge`."""
    if not order:
        return False
    at = max(range(len(order)), key=lambda at: (order[at].score, -at))
    return edge <= at < len(order) - edge


def _identity(passage: Passage) -> tuple[str, str]:
    """What makes two passages the same bytes in a prompt: the label's text, the headings and the text itself."""
    return "\n".join((passage.cite, *passage.path)), passage.text
