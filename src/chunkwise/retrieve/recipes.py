"""Retrievers: a query in, scored candidates out."""

from __future__ import annotations

import numpy as np

from chunkwise.errors import UserError
from chunkwise.recipe import BuildOther, recipe
from chunkwise.retrieve.branches import fused
from chunkwise.retrieve.corpus import Corpus, Retriever, candidates
from chunkwise.retrieve.fuse import best, first_come, interleaved, scaled, standing_out
from chunkwise.retrieve.judge import judge
from chunkwise.retrieve.lexical import together
from chunkwise.retrieve.titles import bridges, titled
from chunkwise.retrieve.whole import drawn_up
from chunkwise.retrieve.windows import judged, windows
from chunkwise.units import Candidates, Floats, Ints

WIDTHS = (0, 1, 3, 6)


@recipe(
    "multiscale",
    family="retrieve",
    seed="Chunkwise's own: evidence at several scales",
    claim="finds evidence that a fixed window misses, because a chunk's surroundings speak for it at every width",
)
def multiscale(
    judges: int = 192,
    lean: float = 0.7,
    weight: float = 0.5,
    whole: float = 2.5,
    bridge: float = 0.0,
    titles: float = 0.0,
    near: float = 0.0,
    peaked: float = 0.0,
    bought: float = 0.0,
) -> Retriever:
    """Small chunks scored by what their surroundings say at several widths; contextual vectors judge the best.

    judges: how many readings (chunks, or whole short documents) get a contextual vector; lean: weight of each width's
    scanned vectors, where each width's BM25 weighs one; weight: of each of the judges' two cosines,
    whole: where a short document was read whole.

    The rest is off unless asked for. For short documents that name one another: bridge (2), the weight of the titles
    that the best document names, so that the next step of a question is found that does not name it itself; bought
    (0.6), how far a document's chunks are drawn up to its best one, so that it is bought whole; titles, the weight of
    those that the question names. For all: near, the weight of all pairs of the question's terms in one chunk; peaked,
    0 to 1, how far each width's BM25 weighs by how much its best stands out.
    """

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        terms, lexical = corpus.terms(query), corpus.lexical(WIDTHS)
        scales, weights = lexical.scores(terms)
        share: Floats = np.ones(len(WIDTHS), dtype=np.float32)
        if peaked:
            share += peaked * (standing_out(scales) - 1)
        scores: Floats = (share[:, None] * scaled(scales)).sum(axis=0)
        leanings = corpus.leanings(query, WIDTHS)
        leaning: Floats = scores if leanings is None else scores + lean * scaled(leanings).sum(axis=0)
        if corpus.judge is None:
            chosen, scores = best(leaning, k), leaning
        else:
            # Whole documents are found by what they lean to as well; single chunks by it only when words run out.
            short = np.where(corpus.read_whole, leaning, 0)
            chosen = first_come(interleaved(best(scores, k), best(short, k)), best(leaning, k))
        if corpus.judge is not None and len(chosen):
            judged = corpus.readings(chosen, judges)
            cosines = _judged(corpus, query, judged)
            chosen = np.union1d(chosen, judged)
            added = np.full(len(chosen), cosines.min(), dtype=np.float32)  # the rest: what the least of the judged got
            added[np.searchsorted(chosen, judged)] = cosines
            # From the mean, so that no kind of reading gains by its weight alone.
            scores[chosen] += (added - cosines.mean()) * np.where(corpus.read_whole[chosen], whole, weight)
        scores = scores[chosen]
        parts = lexical.parts(terms, weights, chosen) * (share / _peaks(scales))[:, None, None]
        if titles:
            scores += titles * titled(corpus, chosen, query)
        if near:
            scores += near * together(parts[0], weights[0])
        if bought:
            scores += bought * (drawn_up(corpus, chosen, scores) - scores)
        if bridge:
            scores += bridge * bridges(corpus, chosen, scores)
        return candidates(corpus, query, chosen, scores, k, parts.sum(axis=0))

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
        return candidates(corpus, query, chosen, scores[0][chosen], k)

    return retrieve


@recipe(
    "bmp",
    family="retrieve",
    seed="Faster Learned Sparse Retrieval with Block-Max Pruning",
    claim="ranks as exhaustive scoring does and scores a small part of the chunks that hold a word of the question",
)
def bmp(r: float = 1.0, alpha: float = 1.0, block: int = 8) -> Retriever:
    """BM25 of each chunk alone, by blocks of chunks: the most promising first, until no other can hold one of the best.

    r: share of the question's terms that are asked for, the heaviest ones; alpha: what a block's bound is multiplied by
    before it is compared; block: chunks in one, 1 to 255. With r = alpha = 1 it finds what `bm25` finds, the scores
    to the last bit. The paper prunes learned sparse weights, of which an index has many more; here they are BM25's.
    """
    if not (0 < r <= 1 and 0 < alpha <= 1):
        raise UserError(f"r={r:g}, alpha={alpha:g}: both are shares, above 0 and at most 1; 1 is exact")
    if not 1 <= block <= 255:
        raise UserError(f"block={block}: a block holds 1 to 255 chunks")

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        found = corpus.blockmax(block).best(corpus.terms(query), k, r, alpha)
        return candidates(corpus, query, found.chunks, found.scores, k)

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
            cosines = np.matmul(corpus.judged(chosen), corpus.query_vector(corpus.judge, query))
        return candidates(corpus, query, chosen, cosines, k)

    return retrieve


@recipe(
    "rrf",
    family="retrieve",
    seed="Reciprocal Rank Fusion outperforms Condorcet and individual Rank Learning Methods",
    claim="ranks what two rankings agree on above what only one of them likes",
)
def rrf(k: int = 60, judges: int = 64) -> Retriever:
    """BM25 and dense ranks, fused."""
    return fused((bm25(), dense(judges)), k)


@recipe(
    "rerank",
    family="retrieve",
    seed="Passage Re-ranking with BERT",
    claim="ranks a chunk that says only 'it' by what stands before it, which a chunk read alone does not show",
)
def rerank(
    of: str = "multiscale",
    model: str = "minilm",
    readings: int = 24,
    window: int = 128,
    weight: float = 0.75,
    *,
    build: BuildOther,
) -> Retriever:
    """The candidates of another retriever, judged by a model that reads the best of them in their context.

    of: the first retriever; model: "minilm", a local cross-encoder's folder, or URL#model of an endpoint that speaks
    /rerank; readings: windows that are read, each once for a question; window: tokens of neighbouring chunks that are
    read together, 0 for each chunk alone, a short document being read whole otherwise; weight: of the judge's scores,
    scaled to 0 for the least and 1 for the best, beside the first ones scaled to 1 for the best. Chunks that were read
    are candidates, also those that the first retriever has left out; what was not read keeps its place behind what the
    least of the judged got. With MiniLM, 24 windows that were never read cost about 1.8 s of one core, and those of the
    latest 4096 nothing, whatever is asked of them.
    The paper replaces the first score by BERT's; here the two are added, so that what words know is not lost.
    """
    first, ranker = build(of, "retrieve"), judge(model)
    if readings < 1 or window < 0:
        raise UserError(f"rerank of {readings} readings of {window} tokens; write readings=24,window=128, or more")

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        found: Candidates = first(corpus, query, k)
        if not len(found):
            return found
        chunks, marks = judged(corpus, query, windows(corpus, found.ids, readings, window), ranker)
        chosen = np.union1d(found.ids, chunks)
        peak = max(float(found.scores[0]), 0.0) or 1.0
        scores = np.full(len(chosen), found.scores[-1] / peak, dtype=np.float32)
        scores[np.searchsorted(chosen, found.ids)] = found.scores / peak
        scores[np.searchsorted(chosen, chunks)] += weight * (marks - marks.min()) / max(float(np.ptp(marks)), 1e-9)
        aspects = None
        if found.aspects is not None:
            aspects = np.zeros((len(chosen), found.aspects.shape[1]), dtype=np.float32)
            aspects[np.searchsorted(chosen, found.ids)] = found.aspects / peak
        return candidates(corpus, query, chosen, scores, k, aspects)

    return retrieve


def _peaks(scales: Floats) -> Floats:
    peaks = scales.max(axis=1, initial=0)
    return np.where(peaks > 0, peaks, 1).astype(np.float32)


def _judged(corpus: Corpus, query: str, chunks: Ints) -> Floats:
    """The cosines of the query with each of `chunks`, ascending, and with its close surroundings, scaled and added.

    The surroundings are the chunk and those of its two neighbours that are judged too, so that no other vector must
    be made. float32 [n].
    """
    assert corpus.judge is not None
    vectors = corpus.judged(chunks)
    close = corpus.neighbours(chunks)[:, None]
    window = vectors.copy()
    window[1:] += np.where(close, vectors[:-1], 0)
    window[:-1] += np.where(close, vectors[1:], 0)
    window /= np.maximum(np.linalg.norm(window, axis=1, keepdims=True), 1e-9)
    cosines = np.matmul(np.stack([vectors, window]), corpus.query_vector(corpus.judge, query))
    total: Floats = scaled(cosines).sum(axis=0)
    return total
