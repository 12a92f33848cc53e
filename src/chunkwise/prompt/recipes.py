"""Layouts: passages to the order in which a prompt shows them."""

from __future__ import annotations

from collections.abc import Sequence

from chunkwise.prompt.order import Layout, best_at_the_ends, continued, in_the_middle, shared
from chunkwise.recipe import recipe
from chunkwise.units import Passage


@recipe(
    "by-position",
    family="layout",
    seed="Chunkwise's own: passages in the order of their documents",
    claim="shows the passages of a document in its own order, where an order by score tears what is told in sequence",
)
def by_position() -> Layout:
    """Documents in the order of the index, passages as they stand in them."""
    return lambda passages, earlier: list(passages)


@recipe(
    "best-at-ends",
    family="layout",
    seed="Lost in the Middle: How Language Models Use Long Contexts",
    claim="no better passage stands further from the nearer end of the prompt than a worse one",
)
def best_at_ends() -> Layout:
    """The best passage last, next to the question, the second best first, the weakest in the middle."""
    return lambda passages, earlier: best_at_the_ends(passages)


@recipe(
    "prefix-stable",
    family="layout",
    seed="Chunkwise's own: a conversation's prompts begin alike for as long as they can",
    claim="the next prompt reuses more of an earlier one's cache than an order by position, or by score, does",
)
def prefix_stable(edge: int = 2) -> Layout:
    """As long a beginning of an earlier prompt as there is, then the others, the best of them next to the question.

    edge: the best passage of all must stand among the first or the last so many; where a beginning would leave it in
    the middle, a shorter one is taken.
    """

    def layout(passages: Sequence[Passage], earlier: Sequence[Sequence[Passage]]) -> list[Passage]:
        best, most = best_at_the_ends(passages), 0
        for before in reversed(earlier):  # of equal beginnings the latest: the likeliest to be held still
            for count in range(shared(passages, before), 0, -1):
                order = continued(passages, before, count)
                if not in_the_middle(order, edge):
                    held = sum(passage.tokens for passage in order[:count])
                    if held > most:
                        best, most = order, held
                    break
        return best

    return layout
