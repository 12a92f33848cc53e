"""Postings: which term stands where, kept in document order so that any window is a running sum."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chunkwise.units import Ints

# Documents lie this many empty places apart, so that no window of up to this width on each side sees two of them.
GAP = 16
# Entries that are looked through at a time while postings are made.
STRETCH = 2**21


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

    def to_bytes(self) -> bytes:
        """The five sizes, then the five arrays; `first` as int32."""
        parts = (self.terms, self.first.astype(np.int32), self.chunks, self.counts, self.lengths)
        sizes = np.array([len(part) for part in parts], dtype=np.int32)
        return b"".join([sizes.tobytes(), *(part.tobytes() for part in parts)])

    @classmethod
    def of_bytes(cls, data: bytes) -> WordCounts:
        """What `to_bytes` wrote."""
        sizes = np.frombuffer(data, dtype=np.int32, count=5).tolist()
        parts, at = [], 20
        for size, kind in zip(sizes, (np.uint64, np.int32, np.int32, np.int32, np.int32), strict=True):
            parts.append(np.frombuffer(data, dtype=kind, count=size, offset=at))
            at += parts[-1].nbytes
        return cls(*parts)


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
    def of(cls, documents: Iterable[WordCounts]) -> Postings:
        """The postings of documents in order; gone through twice, a stretch of them held at a time."""
        terms, sizes = np.zeros(0, np.uint64), np.zeros(0, np.int64)
        chunks, lengths = [np.zeros(0, np.int64)], [np.zeros(0, np.int32)]
        for stretch in _stretches(documents):
            terms, row = np.unique(np.concatenate([terms, *(one.terms for one in stretch)]), return_inverse=True)
            added = np.concatenate([sizes, *(np.diff(one.first) for one in stretch)])
            sizes = np.bincount(row, added, len(terms)).astype(np.int64)
            chunks.append(np.array([len(one.lengths) for one in stretch]))
            lengths += [one.lengths for one in stretch]
        held = np.concatenate(chunks)
        begin = GAP + np.cumsum(held + GAP) - (held + GAP)
        place = np.repeat(begin - (np.cumsum(held) - held), held) + np.arange(held.sum())
        everywhere = np.zeros(int((held + GAP).sum()) + GAP, dtype=np.int32)
        everywhere[place] = np.concatenate(lengths)
        first = np.append(0, np.cumsum(sizes))
        places, counts = (np.empty(first[-1], dtype=np.int32) for _ in range(2))
        free, done = first[:-1].copy(), 0  # where each term's next entry goes
        for stretch in _stretches(documents):
            row = np.searchsorted(terms, np.concatenate([one.terms for one in stretch]))
            own = np.concatenate([np.diff(one.first) for one in stretch])  # entries of a term in a document
            order = np.argsort(row, kind="stable")
            before = np.cumsum(own[order]) - own[order]
            opens = np.searchsorted(row[order], row[order])  # the term's first document in the stretch
            goes = np.empty(len(own), dtype=np.int64)
            goes[order] = free[row[order]] + before - before[opens]
            to = np.repeat(goes - (np.cumsum(own) - own), own) + np.arange(own.sum())
            places[to] = np.concatenate([one.chunks + at for one, at in zip(stretch, begin[done:], strict=False)])
            counts[to] = np.concatenate([one.counts for one in stretch])
            free += np.bincount(row, own, len(terms)).astype(np.int64)
            done += len(stretch)
        return cls(terms, first, places, counts, everywhere, place)

    def uses(self, terms: npt.NDArray[np.uint64]) -> Ints:
        """In how many chunks each of `terms` [t] stands; int64 [t]."""
        at = np.searchsorted(self.terms, terms)
        there = np.append(self.terms, np.uint64(0))[at] == terms
        there &= at < len(self.terms)
        return np.where(there, np.diff(self.first, append=self.first[-1:])[at], 0)

    def of_term(self, term: int) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32]]:
        """The places where a term stands, ascending, and how often at each."""
        at = int(np.searchsorted(self.terms, np.uint64(term)))
        if at == len(self.terms) or self.terms[at] != term:
            return self.places[:0], self.counts[:0]
        entries = slice(int(self.first[at]), int(self.first[at + 1]))
        return self.places[entries], self.counts[entries]


def _stretches(documents: Iterable[WordCounts]) -> Iterator[list[WordCounts]]:
    """Documents in order, as many at a time as hold about STRETCH entries."""
    stretch: list[WordCounts] = []
    entries = 0
    for document in documents:
        stretch.append(document)
        entries += len(document.chunks) + 1
        if entries >= STRETCH:
            yield stretch
            stretch, entries = [], 0
    if stretch:
        yield stretch
