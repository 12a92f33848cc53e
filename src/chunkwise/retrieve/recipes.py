"""Retrievers: a query in, scored candidates out."""

from __future__ import annotations

import numpy as np

from chunkwise.recipe import recipe
from chunkwise.retrieve.corpus import Corpus, Retriever
from chunkwise.retrieve.fuse import best, reciprocal_ranks, scaled
from chunkwise.units import Candidates, Floats, Ints

WIDTHS = (0, 1, 3, 6)


@recipe(
    "multiscale",
    family="retrieve",
    seed="Chunkwise's own: evidence at several scales",
    claim="finds evidence that a fixed window misses, because a chunk's surroundings speak for it at every width",
)
def multiscale(judges: int = 64, near: int = 64, weight: float = 1.5) -> Retriever:
    """Small chunks scored by what their surroundings say at several widths; vectors weigh in for the candidates.

    judges: how many of the best are read with contextual vectors; near: how many of the nearest by vector join the
    candidates; weight: of each of the two cosines, where the lexical scores weigh one a width.
    """

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        terms, lexical = corpus.terms(query), corpus.lexical(WIDTHS)
        scales, weights = lexical.scores(terms)
        scores = scaled(scales).sum(axis=0)
        close, _ = corpus.nearest(query, near)
        chosen = np.union1d(best(scores, k), close)
        parts = lexical.parts(terms, weights, chosen) / _peaks(scales)[:, None, None]
        scores = scores[chosen]
        if corpus.judge is not None:
            first = best(scores, judges)
            scores = scores + weight * _judged(corpus, query, chosen, first)
        return _candidates(corpus, chosen, scores, k, parts.sum(axis=0))

    return retrieve


@recipe(
    "bm25",
    family="retrieve",
    seed="The Probabilistic Relevance Framework: BM25 and Beyond",
    claim="ranks the chunk that holds the query's rare words above those that hold its common ones",
)
def bm25() -> Retriever:
    """BM25 of each chunk alone."""

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        scores, _ = corpus.lexical((0,)).scores(corpus.terms(query))
        chosen = best(scores[0], k)
        return _candidates(corpus, chosen, scores[0][chosen], k)

    return retrieve


@recipe(
    "dense",
    family="retrieve",
    seed="Dense Passage Retrieval for Open-Domain Question Answering",
    claim="finds the chunk that says it in other words",
)
def dense(judges: int = 64) -> Retriever:
    """The nearest vectors; where the index is scanned by static ones, the best are ranked by contextual ones."""

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        chosen, cosines = corpus.nearest(query, k)
        if corpus.judge is not None and corpus.judge is not corpus.scan:
            chosen = chosen[:judges]
            cosines = corpus.judged(chosen) @ corpus.query_vector(corpus.judge, query)
        return _candidates(corpus, chosen, cosines, k)

    return retrieve


@recipe(
    "rrf",
    family="retrieve",
    seed="Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods",
    claim="ranks what two rankings agree on above what only one of them likes",
)
def rrf(k: int = 60, judges: int = 64) -> Retriever:
    """BM25 and dense ranks, fused."""
    parts = (bm25(), dense(judges))

    def retrieve(corpus: Corpus, query: str, limit: int) -> Candidates:
        scores = reciprocal_ranks([part(corpus, query, limit).ids for part in parts], len(corpus), k)
        chosen = best(scores, limit)
        return _candidates(corpus, chosen, scores[chosen], limit)

    return retrieve


def _peaks(scales: Floats) -> Floats:
    peaks = scales.max(axis=1, initial=0)
    return np.where(peaks > 0, peaks, 1).astype(np.float32)


def _judged(corpus: Corpus, query: str, chosen: Ints, first: Ints) -> Floats:
    """Cosines of the query with the `first` of the chosen chunks and with their close surroundings, scaled and added.

    A chunk's surroundings are itself and those of its two neighbours that are judged too: theirs are the only vectors
    that must be made. What was not judged gets what the least of the judged got. float32 [chosen].
    """
    assert corpus.judge is not None
    if not len(first):
        return np.zeros(len(chosen), dtype=np.float32)
    first = np.sort(first)
    vectors = corpus.judged(chosen[first])
    close = corpus.neighbours(chosen[first])[:, None]
    window = vectors.copy()
    window[1:] += np.where(close, vectors[:-1], 0)
    window[:-1] += np.where(close, vectors[1:], 0)
    window /= np.maximum(np.linalg.norm(window, axis=1, keepdims=True), 1e-9)
    cosines = scaled(np.stack([vectors, window]) @ corpus.query_vector(corpus.judge, query)).sum(axis=0)
    found = np.full(len(chosen), cosines.min(), dtype=np.float32)
    found[first] = cosines
    return found


def _candidates(corpus: Corpus, chosen: Ints, scores: Floats, k: int, aspects: Floats | None = None) -> Candidates:
    """The k best of the chosen chunks as candidates, ties in index order."""
    order = np.lexsort((chosen, -scores))[:k]
    chosen = chosen[order]
    return Candidates(
        chosen.astype(np.int64),
        scores[order].astype(np.float32),
        np.maximum(corpus.snapshot.tokens[chosen], 1).astype(np.int64),  # the tail of another's token is not free
        corpus.scanned(chosen),
        None if aspects is None else aspects[order],
    )
