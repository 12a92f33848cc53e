"""Key sentences: the few chunks of a document that say most of what it says."""

from __future__ import annotations

import numpy as np

from chunkwise.retrieve.corpus import Corpus
from chunkwise.store.postings import Postings
from chunkwise.units import Floats, Ints


def key_chunks(corpus: Corpus, share: float) -> tuple[Ints, Ints]:
    """Of each document the chunks that are most of its own kind, at least one: their positions, and their documents.

    share: of a document's chunks. A chunk is worth the mean weight of its terms, where a term weighs by how often the
    document has it and by how few chunks of the index have it (tf-idf); the first chunk of a document counts half as
    much again, since it most often says what the document is about. Linear in the postings. int64 [n] each, ascending.
    """
    document = corpus.snapshot.document.astype(np.int64)
    worth = _worth(corpus.snapshot.postings, document)
    worth[np.flatnonzero(np.diff(document, prepend=-1))] *= 1.5
    order = np.lexsort((np.arange(len(corpus)), -worth, document))
    sizes = np.bincount(document, minlength=1)
    begins = np.cumsum(sizes) - sizes
    rank = np.arange(len(corpus)) - begins[document]  # of each place in `order`, within its document
    kept = np.sort(order[rank < np.maximum(1, np.ceil(share * sizes[document]))])
    return kept, document[kept]


def key_sentences(corpus: Corpus, share: float) -> dict[int, list[str]]:
    """The texts of the key chunks by the number of their document, in order; a document without chunks has none."""
    found: dict[int, list[str]] = {}
    for chunk, number in zip(*(array.tolist() for array in key_chunks(corpus, share)), strict=True):
        found.setdefault(number, []).append(corpus.text(chunk))
    return found


def _worth(postings: Postings, document: Ints) -> Floats:
    """The mean tf-idf of each chunk's terms, tf counted over its document; float32 [chunks]."""
    chunks = len(postings.place)
    if not chunks:
        return np.zeros(0, dtype=np.float32)
    chunk_at = np.zeros(len(postings.lengths), dtype=np.int64)
    chunk_at[postings.place] = np.arange(chunks)
    chunk = chunk_at[postings.places]
    uses = np.diff(postings.first)
    idf = np.log1p((chunks - uses + 0.5) / (uses + 0.5))
    term = np.repeat(np.arange(len(uses)), uses)
    # Places ascend within a term, and documents with them: each run of one term in one document is counted once.
    fresh = np.flatnonzero((np.diff(term, prepend=-1) != 0) | (np.diff(document[chunk], prepend=-1) != 0))
    run = np.zeros(len(term), dtype=np.int64)
    run[fresh[1:]] = 1
    run = np.cumsum(run)
    often = np.add.reduceat(postings.counts, fresh) if len(fresh) else np.zeros(0)
    weight = idf[term] * np.log1p(often[run]) * postings.counts
    lengths = np.maximum(postings.lengths[postings.place], 4)  # of few words each would say too much
    return (np.bincount(chunk, weight, chunks) / lengths).astype(np.float32)
