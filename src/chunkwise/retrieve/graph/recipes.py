"""Retrieval by a walk over what the documents state."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from chunkwise.errors import UserError
from chunkwise.models import Ask
from chunkwise.recipe import BuildOther, recipe
from chunkwise.retrieve.corpus import Corpus, Retriever, candidates
from chunkwise.retrieve.graph.knowledge import knowledge
from chunkwise.retrieve.graph.triplets import WRITTEN, Triplet, parse
from chunkwise.retrieve.graph.walk import Edges, page_rank
from chunkwise.retrieve.notes import written
from chunkwise.units import Candidates, Ints

TEARAG = "TeaRAG: A Token-Efficient Agentic Retrieval-Augmented Generation Framework"
COMPARED = 64  # of the best candidates: which of them are alike is looked at

Stating = Callable[[Corpus, Ints], Sequence[tuple[int, Triplet]]]


@recipe(
    "tearag",
    family="retrieve",
    seed=TEARAG,
    claim="brings the fact that a bridge leads to, which says nothing of the question and no nearest chunk holds",
)
def tearag(of: str = "rrf", alpha: float = 0.2, alike: float = 0.8, *, build: BuildOther) -> Retriever:
    """A walk from what another retriever finds, over the facts that chunks state, to what they lead to.

    of: the retriever whose candidates, by their ranks, and the things that the question names are where the walk goes
    back to; alpha: the chance of going back at each step; alike: the least cosine of two of the 64 best that joins
    them. Facts are found by patterns for names and the words between them, made for English; where they find none, the
    candidates stay as they are. The graph is made at the first question, in time linear in the text (two seconds of a
    core for 12,000 chunks), and kept as long as the state of the index. It pays where evidence stands in several places
    and the budget has room for them; one fact under a small budget is found better without
    (`benchmarks/results/finders.md`). Of the paper this is the knowledge association graph and the personalised
    PageRank, its reconstruction: the paper's prompt is made of triplets, here a triplet's share goes to the chunk that
    states it, a sentence in the default index, so that it can be cited. The agent trained by preferences is not here.
    """
    return _walked(build(of, "retrieve"), alpha, alike, lambda corpus, found: ())


@recipe(
    "tearag-asked",
    family="retrieve",
    seed=TEARAG,
    claim="follows facts that no pattern finds, since a model has read the documents and written them down",
)
def tearag_asked(
    of: str = "rrf", alpha: float = 0.2, alike: float = 0.8, documents: int = 16, *, ask: Ask, build: BuildOther
) -> Retriever:
    """As `tearag`, with the facts that a model writes down of the documents that the best candidates stand in.

    documents: how many of them it reads, at most; one question for each, more for a long one, four at a time. What it
    writes is kept, so that a document is read once; what it does not write, or not so that it can be read, the patterns
    stand in for.
    """
    if documents < 0:
        raise UserError(f"documents={documents}: give the number that the model may read, 0 or more")

    def stating(corpus: Corpus, found: Ints) -> list[tuple[int, Triplet]]:
        chosen = list(dict.fromkeys(corpus.snapshot.document[found].tolist()))[:documents]
        begins = np.searchsorted(corpus.snapshot.document, chosen).tolist()
        lines = written(corpus, WRITTEN, chosen, ask)
        return [
            (begin + at, triplet)
            for number, begin in zip(chosen, begins, strict=True)
            for at, triplet in map(parse, lines.get(number, ()))
        ]

    return _walked(build(of, "retrieve"), alpha, alike, stating)


def _walked(inner: Retriever, alpha: float, alike: float, stating: Stating) -> Retriever:
    """The chunks where a walk spends its time that goes back to what `inner` finds and the question names.

    stating: further facts, for this question alone, and the chunks that state them.
    """
    if not 0 < alpha <= 1:
        raise UserError(f"alpha={alpha:g}: the chance of going back is above 0 and at most 1")

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        found = inner(corpus, query, k)
        if not len(found):
            return found
        known = knowledge(corpus)
        told = known.joined(stating(corpus, found.ids))
        edges = known.edges.and_also(told.edges).and_also(_alike(corpus, found.ids[:COMPARED], alike))
        restart = np.zeros(known.nodes + len(told.states) + len(told.things) - len(known.things))
        restart[found.ids] = 1 / (1 + np.arange(len(found)))
        if len(named := told.named(query, corpus.words)):
            weight = known.weight(named)
            restart[named] = restart.sum() * weight / weight.sum()
        mass = page_rank(edges, restart, alpha)
        chunks = known.chunks
        own = mass[:chunks] + np.bincount(known.states, mass[chunks:][: len(known.states)], chunks)
        own += np.bincount(told.states, mass[known.nodes :][: len(told.states)], chunks)
        chosen = np.flatnonzero(own)
        return candidates(corpus, query, chosen, (own[chosen] / own.max()).astype(np.float32), k)

    return retrieve


def _alike(corpus: Corpus, chunks: Ints, least: float) -> Edges:
    """Edges between those of a few chunks whose scanned vectors are alike, as heavy as their cosine; none without."""
    vectors = corpus.scanned(chunks)
    if vectors is None:
        return Edges(chunks[:0], chunks[:0], np.zeros(0, dtype=np.float32))
    cosines = vectors @ vectors.T
    one, other = np.nonzero(np.triu(cosines >= max(least, 1e-6), 1))
    return Edges(chunks[one], chunks[other], cosines[one, other])
