"""Postings: which term stands where, kept in document order so that any window is a running sum."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chunkwise.units import Ints

# Documents lie this many empty places apart, so that no window of up to this width on each side sees two of them.
GAP = 16


@dataclass(frozen=True, slots=True)
class WordCounts:
    """How often each term stands in each chunk of one document, by term and then by chunk.

    terms: uint64 [t], ascending 64-bit hashes; first: int64 [t + 1], where each term's entries begin; chunks: int32
    [e]; counts: int32 [e]; lengths: int32 [chunks], all terms of each chunk together.
    """

    terms: npt.NDArray[np.uint64]
    first: npt.NDArray[np.int64]
    chunks: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Postings:
    """The index of words over all chunks.

    terms: uint64 [t], ascending; first: int64 [t + 1]; places: int32 [p], ascending within a term; counts: int32 [p];
    lengths: int32 [places], 0 in the gaps; place: int64 [chunks], ascending, where each chunk stands.
    """

    terms: npt.NDArray[np.uint64]
    first: npt.NDArray[np.int64]
    places: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]
    lengths: npt.NDArray[np.int32]
    place: Ints

    @classmethod
    def of(cls, documents: Sequence[WordCounts]) -> Postings:
        """The postings of documents in order."""
        sizes = np.array([len(document.lengths) for document in documents], dtype=np.int64)
        begin = GAP + np.cumsum(sizes + GAP) - (sizes + GAP)
        place = np.repeat(begin - (np.cumsum(sizes) - sizes), sizes) + np.arange(sizes.sum())
        lengths = np.zeros(int((sizes + GAP).sum()) + GAP, dtype=np.int32)
        if not len(place):
            nothing = np.zeros(0, dtype=np.int32)
            return cls(np.zeros(0, np.uint64), np.zeros(1, np.int64), nothing, nothing, lengths, place)
        lengths[place] = np.concatenate([document.lengths for document in documents])
        terms, term = np.unique(np.concatenate([document.terms for document in documents]), return_inverse=True)
        entry_term = np.repeat(term, np.concatenate([np.diff(document.first) for document in documents]))
        places = np.concatenate([document.chunks + at for document, at in zip(documents, begin, strict=True)])
        counts = np.concatenate([document.counts for document in documents])
        order = np.lexsort((places, entry_term))
        first = np.searchsorted(entry_term[order], np.arange(len(terms) + 1))
        return cls(terms, first, places[order].astype(np.int32), counts[order], lengths, place)

    def of_term(self, term: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """The places where a term stands, ascending, and how often at each."""
        at = int(np.searchsorted(self.terms, np.uint64(term)))
        if at == len(self.terms) or self.terms[at] != term:
            return self.places[:0], self.counts[:0]
        entries = slice(int(self.first[at]), int(self.first[at + 1]))
        return self.places[entries], self.counts[entries]
