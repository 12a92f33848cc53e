"""Windows: which neighbouring chunks are read together."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from chunkwise.retrieve.corpus import Corpus
from chunkwise.retrieve.judge import Reading
from chunkwise.units import Ints, Span


class Window(NamedTuple):
    """Chunks [start, end) of one document, as positions in the index."""

    start: int
    end: int


def windows(corpus: Corpus, chunks: Ints, count: int, tokens: int) -> list[Window]:
    """The windows around the best of `chunks` (positions, best first), at most `count` of them.

    A short document is one window; elsewhere a chunk takes neighbours on both sides as long as no more than `tokens`
    stand in its window, and 0 leaves every chunk alone. What stands in a window already opens none of its own.
    """
    snapshot, sizes = corpus.snapshot, corpus.snapshot.tokens
    found: list[Window] = []
    read: set[int] = set()
    for chunk in chunks.tolist():
        if len(found) == count:
            break
        if chunk in read:
            continue
        number = snapshot.document[chunk]
        first, last = (int(np.searchsorted(snapshot.document, number, side=side)) for side in ("left", "right"))
        start, end = (first, last) if tokens and corpus.read_whole[chunk] else (chunk, chunk + 1)
        room, growing = tokens - int(sizes[chunk]), True
        while growing and (start, end) != (first, last):
            growing = False
            if start > first and sizes[start - 1] <= room:
                start, room, growing = start - 1, room - int(sizes[start - 1]), True
            if end < last and sizes[end] <= room:
                end, room, growing = end + 1, room - int(sizes[end]), True
        found.append(Window(start, end))
        read.update(range(start, end))
    return found


def reading(corpus: Corpus, window: Window) -> Reading:
    """What stands in a window, and where each of its chunks stands in that."""
    snapshot = corpus.snapshot
    starts, ends = (offsets[window.start : window.end].tolist() for offsets in (snapshot.start, snapshot.end))
    text = corpus.document(window.start).text[starts[0] : ends[-1]]
    return Reading(text, tuple(Span(a - starts[0], b - starts[0]) for a, b in zip(starts, ends, strict=True)))
