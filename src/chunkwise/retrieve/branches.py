"""Several retrievers side by side, one ranking out of theirs."""

from __future__ import annotations

from collections.abc import Sequence

from chunkwise.retrieve.corpus import Corpus, Retriever, candidates
from chunkwise.retrieve.fuse import best, reciprocal_ranks
from chunkwise.units import Candidates


def fused(branches: Sequence[Retriever], k: int = 60) -> Retriever:
    """The retriever whose scores are the reciprocal ranks, added up, of what each of `branches` finds."""

    def retrieve(corpus: Corpus, query: str, limit: int) -> Candidates:
        scores = reciprocal_ranks([branch(corpus, query, limit).ids for branch in branches], len(corpus), k)
        chosen = best(scores, limit)
        return candidates(corpus, query, chosen, scores[chosen], limit)

    return retrieve
