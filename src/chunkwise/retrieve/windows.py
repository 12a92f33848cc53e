"""Windows: which neighbouring chunks are read together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chunkwise.retrieve.corpus import Corpus
from chunkwise.retrieve.judge import Judge, Reading
from chunkwise.units import Floats, Ints, Span


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
    document = corpus.document(window.start).text
    text = document[starts[0] : ends[-1]]
    spans = tuple(Span(start - starts[0], end - starts[0]) for start, end in zip(starts, ends, strict=True))
    return Reading(text, spans, bool(corpus.read_whole[window.start]) and len(text) == len(document))


def judged(corpus: Corpus, query: str, among: Sequence[Window], judge: Judge) -> tuple[Ints, Floats]:
    """The chunks of windows, int64 ascending, and what the judge gives each, float32; a window is read once a question.

    A chunk that stands in several windows is judged in the first of them, which was opened for a better one.
    """
    known = corpus.judgements(judge.name, query)
    new = [window for window in among if window not in known]
    if new:
        known.update(zip(new, judge(query, [reading(corpus, window) for window in new]), strict=True))
    chunks = np.concatenate([np.arange(*window) for window in among])
    unique, first = np.unique(chunks, return_index=True)
    return unique, np.concatenate([known[window] for window in among])[first]
