"""Titles: what short documents are called, and which of them another one names."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from chunkwise.retrieve.lexical import idf
from chunkwise.units import Floats, Ints

if TYPE_CHECKING:
    from chunkwise.retrieve.corpus import Corpus
    from chunkwise.retrieve.lexical import Terms

LONGEST = 12  # words of a title; a longer first line is prose


def title(text: str) -> str:
    """A document's first line where more follows and it is short enough to be a title; "" elsewhere."""
    first, _, rest = text.lstrip().partition("\n")
    return first if rest.strip() and len(first.split()) <= LONGEST else ""


def named(corpus: Corpus, chunks: Ints, text: str) -> Floats:
    """How much of the title of each chunk's document `text` says; float32 [n], 1 for all words, 0 without a title.

    Words weigh by their inverse document frequency, so that `The` of a title says next to nothing.
    """
    titles = [_terms(corpus, chunk) for chunk in chunks.tolist()]
    terms = np.concatenate([np.zeros(0, np.uint64), *titles])
    row = np.repeat(np.arange(len(titles)), [len(one) for one in titles])
    weights = idf(corpus.snapshot.postings.uses(terms), len(corpus))
    said = np.bincount(row, weights * np.isin(terms, corpus.terms(text)), len(titles))
    return np.asarray(said / np.maximum(np.bincount(row, weights, len(titles)), 1e-9), np.float32)


def titled(corpus: Corpus, chunks: Ints, query: str) -> Floats:
    """How much of the title of each chunk's document the question names, squared; float32 [n], 0 in long documents."""
    return _squared(corpus, chunks, lambda documents: named(corpus, documents, query))


def bridges(corpus: Corpus, chunks: Ints, scores: Floats) -> Floats:
    """How much of the title of each chunk's document the best chunk's document names, squared; float32 [n].

    chunks: int64 [n]; scores: float32 [n]. A title that the best document's own title holds already, its own above all,
    names nothing new, and a long document names too much: nothing is added then.
    """
    best = int(chunks[np.argmax(scores)]) if len(chunks) else -1
    if best < 0 or not corpus.read_whole[best]:
        return np.zeros(len(chunks), dtype=np.float32)
    text = corpus.document(best).text

    def share(documents: Ints) -> Floats:
        known = named(corpus, documents, title(text)) > 1 - 1e-6
        return np.where(known, np.float32(0), named(corpus, documents, text))

    return _squared(corpus, chunks, share)


def _squared(corpus: Corpus, chunks: Ints, share: Callable[[Ints], Floats]) -> Floats:
    """The squares of `share` of one chunk of each document that is short enough to be read whole, for all its chunks.

    Short ones only, since there the title is about everything that is said.
    """
    found = np.zeros(len(chunks), dtype=np.float32)
    short = np.flatnonzero(corpus.read_whole[chunks])
    if len(short):
        _, first, which = np.unique(corpus.snapshot.document[chunks[short]], return_index=True, return_inverse=True)
        found[short] = np.square(share(chunks[short[first]]))[which]
    return found


def _terms(corpus: Corpus, chunk: int) -> Terms:
    """The terms of the title of a chunk's document, read once as long as this state of the index is."""
    known: dict[int, Terms] = corpus.derived("titles", dict)
    number = int(corpus.snapshot.document[chunk])
    if number not in known:
        known[number] = corpus.terms(title(corpus.document(chunk).text))
    return known[number]
