"""Order: where in the prompt a passage stands."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from chunkwise.units import Passage

Order: TypeAlias = Callable[[Sequence[Passage], Sequence[Sequence[Passage]]], list[Passage]]
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
    """The first `count` passages of an earlier prompt in its order, then the others best first, the best of all last.

    Best first, since what speaks loudest to one question on a document is what the next one most often wants too, and
    what stands first is read again; the best last, next to the question.
    """
    place = {_identity(passage): at for at, passage in reversed(list(enumerate(earlier[:count])))}
    kept = {place[_identity(passage)]: passage for passage in passages if _identity(passage) in place}
    others = [passage for passage in passages if _identity(passage) not in place]
    others.sort(key=lambda passage: -passage.score)
    return [*(kept[at] for at in sorted(kept)), *others[1:], *others[:1]]


def in_the_middle(order: Sequence[Passage], edge: int) -> bool:
    """Whether no passage of the best score stands among the first `edge` or the last `edge`."""
    best = max((passage.score for passage in order), default=0.0)
    ends = {*range(min(edge, len(order))), *range(max(0, len(order) - edge), len(order))}
    return bool(order) and all(order[at].score < best for at in ends)


def _identity(passage: Passage) -> tuple[str, str]:
    """What makes two passages the same bytes in a prompt: the label's text, the headings and the text itself."""
    return "\n".join((passage.cite, *passage.path)), passage.text
