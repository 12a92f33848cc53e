"""Expansion: any retriever's candidates, and the chunks that they stand among."""

from __future__ import annotations

import numpy as np

from chunkwise.errors import UserError
from chunkwise.recipe import BuildOther, recipe
from chunkwise.retrieve.corpus import Corpus, Retriever, candidates
from chunkwise.retrieve.expand.reach import Reach, beside, within
from chunkwise.units import Candidates

SMALL_TO_BIG = "Searching for Best Practices in Retrieval-Augmented Generation"


@recipe(
    "neighbours",
    family="retrieve",
    seed=SMALL_TO_BIG,
    claim="brings the sentence beside the one that was found, which says the rest and none of the question's words",
)
def neighbours(of: str = "bm25", width: int = 1, decay: float = 0.5, *, build: BuildOther) -> Retriever:
    """Another retriever's candidates, each with its neighbours in its document.

    of: the retriever; width: how many on either side; decay: what a score is multiplied by at each step away. The
    paper's sliding window hands over the window whole; here each neighbour is a candidate with a score and a price of
    its own, so that the budget still decides.
    """
    if width < 0:
        raise UserError(f"width={width}: give the number of neighbours on either side, 0 or more")
    return _expanded(build(of, "retrieve"), beside(width), _share(decay))


@recipe(
    "parent",
    family="retrieve",
    seed=SMALL_TO_BIG,
    claim="brings all of the short section that a sentence was found in, and nothing of the section beside it",
)
def parent(of: str = "bm25", longest: int = 256, decay: float = 0.5, *, build: BuildOther) -> Retriever:
    """Another retriever's candidates, each with all of its document, or of its section, that is short enough.

    of: the retriever; longest: tokens of the largest part that a candidate brings along, be it a document or what
    stands under a heading; decay: what its score is multiplied by for the others. The budget decides as in
    `neighbours`.
    """
    return _expanded(build(of, "retrieve"), within(longest), _share(decay))


def _expanded(inner: Retriever, reach: Reach, decay: float) -> Retriever:
    """What `inner` finds and what comes with it; a chunk that comes with several keeps the best of its scores."""

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        found = inner(corpus, query, k)
        company = reach(corpus, found.ids)
        kept = np.power(np.float32(decay), company.steps.astype(np.float32))
        own = found.scores[company.of]
        scores = own - (1 - kept) * np.abs(own)  # below the candidate's own, were it negative too
        order = np.lexsort((company.of, company.steps, -scores, company.chunks))
        chunks, first = np.unique(company.chunks[order], return_index=True)
        best = order[first]
        aspects = None if found.aspects is None else found.aspects[company.of[best]] * kept[best][:, None]
        return candidates(corpus, query, chunks, scores[best], k, aspects)

    return retrieve


def _share(decay: float) -> float:
    if not 0 <= decay <= 1:
        raise UserError(f"decay={decay:g}: a neighbour's share of a score is between 0 and 1")
    return decay
