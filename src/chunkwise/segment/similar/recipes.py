"""The cuts by likeness of neighbours that can be asked for by name."""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np

from chunkwise.errors import FallbackWarning, UserError
from chunkwise.models import Embed
from chunkwise.recipe import recipe
from chunkwise.segment import Segmenter
from chunkwise.segment.embedded import unit_vectors
from chunkwise.segment.fit import checked
from chunkwise.segment.group import grouped
from chunkwise.segment.similar.cluster import best_runs
from chunkwise.segment.similar.paired import trained_for
from chunkwise.segment.similar.signal import centred, distances, peaks, short_sentences
from chunkwise.segment.similar.window import within_windows
from chunkwise.segment.threshold import Breaks, above_percentile, checked_percentile
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Document, Floats, Ints, Span


@recipe(
    "semantic",
    family="segment",
    seed="Is Semantic Chunking Worth the Computational Cost?",
    claim="the breakpoint form: cuts where the topic changes, which fixed sizes cut through",
)
def semantic(size: int = 512, percentile: float = 80.0, around: int = 3, least: int = 0, *, embed: Embed) -> Segmenter:
    """Chunks that end where neighbouring groups of sentences are least alike, of at most `size` tokens.

    percentile: a gap is cut where its distance is above that percentile (0 to 100) of the document's and no lower than
    at the gaps beside it; around: sentences on each side of a gap whose mean vectors are compared; least: a chunk of
    fewer tokens is joined to the next one where the two fit. Each sentence is embedded once. Where the embedder fails
    the rest is cut by size alone, with a FallbackWarning.
    """
    checked_percentile(percentile, 80)
    if around < 1:
        raise UserError(f"around={around}: give at least one sentence on each side of a gap")

    def breaks(vectors: Floats, _: Ints) -> Breaks:
        found = distances(vectors, around)
        return above_percentile(found, percentile) & peaks(found)

    return _cut(embed, breaks, size, least)


@recipe(
    "semantic-clusters",
    family="segment",
    seed="Is Semantic Chunking Worth the Computational Cost?",
    claim="the clustering form: finds topics of unequal length and how many there are, which fixed sizes cannot",
)
def semantic_clusters(size: int = 512, strictness: float = 1.6, least: int = 0, *, embed: Embed) -> Segmenter:
    """Chunks that are the best clusters of neighbouring sentences, of at most `size` tokens.

    The paper clusters by a mix of distance in meaning and in place; here place is absolute: a cluster is a run of
    neighbours, so that chunks tile the text, and of all splits into runs the best one is found. strictness: how much
    closer its cut must bring the sentences to their runs' means, in units of what it would by chance; more gives fewer
    chunks. Time is linear in the text and in the number of sentences that fit in `size`, 512 at most. least and a
    failing embedder: as in `semantic`.
    """
    if strictness < 0:
        raise UserError(f"strictness={strictness:g}: give 0 or more; 1.6 finds most topics")
    return _cut(embed, lambda vectors, tokens: best_runs(centred(vectors), tokens, size, strictness), size, least)


@recipe(
    "sage-segment",
    family="segment",
    seed="SAGE: A Framework of Precise Retrieval for RAG",
    claim="a trained look at two neighbouring sentences knows a paragraph's end better than their cosine does",
)
def sage_segment(size: int = 512, together: float = 0.5, least: int = 0, *, embed: Embed) -> Segmenter:
    """Chunks that end where a classifier of two neighbouring sentences sees a joint, of at most `size` tokens.

    together: cut where the probability that the two stand in one chunk is below that, 0 to 1. least and a failing
    embedder: as in `semantic`. The classifier is trained on one embedder's vectors, by `scripts/train_sage_segment.py`,
    and levelled there: of all probabilities 0.5 has the best F1 on the ends of paragraphs in a book. For `minilm` and
    `static` it comes with the package. With another embedder the cut is that of `semantic`, with a FallbackWarning
    that says so.
    """
    if not 0 <= together <= 1:
        raise UserError(f"together={together:g}: give a probability from 0 to 1, such as 0.5")
    name = str(getattr(embed, "name", "an embedder without a name"))
    classifier = trained_for(name)
    if classifier is None:
        said = f"sage-segment has no classifier for {name}: cut as semantic does; use minilm or static, or train one"
        warnings.warn(FallbackWarning(said), stacklevel=2)
        return semantic(size, least=least, embed=embed)
    return _cut(embed, lambda vectors, _: classifier.together(vectors) < together, size, least)


@recipe(
    "late",
    family="segment",
    seed="Late Chunking: Contextual Chunk Embeddings Using Long-Context Embedding Models",
    claim="no span crosses the border of an encoder's window, where cuts by size alone lose half of their context",
)
def late(size: int = 64, window: int = 192) -> Segmenter:
    """The spans that late chunking pools over: sentences packed into at most `size` tokens, each whole in one window.

    window: tokens that the encoder reads at once, in the tokens of the tokenizer asked for: leave room for the
    encoder's own vocabulary, as the default does for the 256 word pieces of MiniLM. It only cuts.
    """
    checked(size)
    if window < 1:
        raise UserError(f"window={window}: an encoder reads at least one token at once; give window=192")

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        return within_windows(document.text, offsets, short_sentences(document), size, window)

    return cut


def _cut(embed: Embed, breaks: Callable[[Floats, Ints], Breaks], size: int, least: int) -> Segmenter:
    """Sentences joined up to each break that their vectors [n, d] and token counts [n] give."""
    checked(size)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        bounds = short_sentences(document)
        found = np.zeros(max(0, len(bounds) - 2), dtype=bool)
        if len(found):
            vectors = unit_vectors(embed, document, bounds)
            if len(vectors) > 1:
                found[: len(vectors) - 1] = breaks(vectors, offsets.counts(bounds)[: len(vectors)])
        return grouped(document.text, offsets, bounds, found, size, least)

    return cut
