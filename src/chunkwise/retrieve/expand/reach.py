"""Reach: which chunks come with each candidate."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple, TypeAlias

import numpy as np

from chunkwise.retrieve.corpus import Corpus
from chunkwise.units import Ints


class Company(NamedTuple):
    """Which chunks come with which candidates, as parallel arrays; int64 [m] each.

    chunks: positions in the index; of: the index, among the candidates, of that with which each one comes; steps: how
    far it is from it, 0 for the candidate itself.
    """

    chunks: Ints
    of: Ints
    steps: Ints


Reach: TypeAlias = Callable[[Corpus, Ints], Company]


def beside(width: int) -> Reach:
    """Each chunk with up to `width` neighbours of its document on either side, as many steps away as they are."""
    offsets = np.arange(-width, width + 1)

    def reach(corpus: Corpus, chunks: Ints) -> Company:
        documents = corpus.snapshot.document
        near = chunks[:, None] + offsets
        inside = (near >= 0) & (near < len(corpus))
        inside &= documents[np.where(inside, near, 0)] == documents[chunks][:, None]
        of, column = np.nonzero(inside)
        return Company(near[of, column], of, np.abs(offsets[column]))

    return reach


def within(longest: int) -> Reach:
    """Each chunk with all of the largest part that holds it and is at most `longest` tokens long, one step away.

    The parts of a document are itself and what stands under each of its headings; a chunk whose innermost part is
    longer stays alone.
    """

    def reach(corpus: Corpus, chunks: Ints) -> Company:
        paths: dict[int, tuple[str, ...]] = {}
        parts = [_part(corpus, chunk, longest, paths) for chunk in chunks.tolist()]
        sizes = np.array([end - begin for begin, end in parts], dtype=np.int64)
        of = np.repeat(np.arange(len(parts)), sizes)
        begins = np.array([begin for begin, _ in parts], dtype=np.int64)
        members = begins[of] + np.arange(len(of)) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        return Company(members, of, (members != chunks[of]).astype(np.int64))

    return reach


def _part(corpus: Corpus, chunk: int, longest: int, paths: dict[int, tuple[str, ...]]) -> tuple[int, int]:
    """The first chunk, and the one after the last, of the largest short part around `chunk`."""
    snapshot = corpus.snapshot
    first, last = (
        int(np.searchsorted(snapshot.document, snapshot.document[chunk], side)) for side in ("left", "right")
    )
    if int(snapshot.tokens[first:last].sum()) <= longest:
        return first, last

    def path(at: int) -> tuple[str, ...]:
        if at not in paths:
            paths[at] = corpus.path(at)
        return paths[at]

    own, begin, end = path(chunk), chunk, chunk + 1
    spent = int(snapshot.tokens[chunk])
    # From the innermost part outwards: every part holds the one before it, so that the walk goes on where it stopped.
    part = begin, end
    for depth in range(len(own), 0, -1):
        while begin > first and path(begin - 1)[:depth] == own[:depth] and spent <= longest:
            begin -= 1
            spent += int(snapshot.tokens[begin])
        while end < last and path(end)[:depth] == own[:depth] and spent <= longest:
            spent += int(snapshot.tokens[end])
            end += 1
        if spent > longest:
            break
        part = begin, end
    return part
