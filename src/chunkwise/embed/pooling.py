"""Pooling: the token states of a document to one vector for each of its spans."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np

from chunkwise.embed.contextual import ContextualEmbedder
from chunkwise.errors import UserError
from chunkwise.units import Floats, Ints, Span

AT_ONCE = 32  # windows whose states are held at a time


class Window(NamedTuple):
    """A stretch of word pieces read at once: pieces [start, end), of which the first `start` to `kept` only help."""

    start: int
    kept: int
    end: int


def windows(pieces: int, size: int, overlap: int) -> list[Window]:
    """Macro windows of at most `size` pieces, each beginning `overlap` before the last one ends; every piece once.

    A piece is kept from the first window that reads it. One window, of nothing, where there are no pieces.
    """
    found = [Window(0, 0, min(size, pieces))]
    while (end := found[-1].end) < pieces:
        start = end - overlap
        found.append(Window(start, end, min(start + size, pieces)))
    return found


def span_means(
    reader: ContextualEmbedder, text: str, spans: Sequence[Span], window: int, overlap: int
) -> tuple[Floats, Floats]:
    """The mean of the token states of each span, and of the first state of every window that was read for it.

    float32 [len(spans), dim] each. The text is read in macro windows of `window` word pieces, the model's own frame
    included. A piece belongs to the spans that it shares a character with, the frame's at the ends of the text to the
    first and the last of them: so a short text as one span is pooled as the model pools it. A span without a piece
    gets what the reader makes of it alone, twice. Raises UserError for a window that is too small for its overlap.
    """
    before, after = reader.frame
    size = min(window, reader.longest) - len(before) - len(after)
    if not 0 <= overlap < size:
        raise UserError(f"windows of {size} word pieces cannot overlap by {overlap}; take a larger window")
    pieces = reader.pieces(text)
    n = len(pieces.ids)
    every = windows(n, size, overlap)
    bounds = np.array(spans, dtype=np.int64).reshape(-1, 2)
    first = np.searchsorted(pieces.ends, bounds[:, 0], side="right")
    last = np.where(bounds[:, 0] < bounds[:, 1], np.searchsorted(pieces.starts, bounds[:, 1], side="left"), first)
    sums = np.zeros((len(bounds), reader.dim), dtype=np.float32)
    firsts = np.zeros_like(sums)
    counts = np.maximum(last - first, 0)
    framed, read = counts.copy(), np.zeros(len(bounds), np.int64)
    for seen, rows, states in _read(reader, pieces.ids, every, first, last):
        inside = states[len(before) : len(states) - len(after)]
        _add(sums, rows, inside, np.maximum(first[rows], seen.kept), np.minimum(last[rows], seen.end), seen.start)
        firsts[rows] += states[0]
        read[rows] += 1
        if seen.start == 0:
            opening = rows[first[rows] == 0]
            sums[opening] += states[: len(before)].sum(0)
            framed[opening] += len(before)
        if seen.end == n:
            closing = rows[last[rows] == n]
            sums[closing] += states[len(states) - len(after) :].sum(0)
            framed[closing] += len(after)
    means, leads = sums / np.maximum(framed, 1)[:, None], firsts / np.maximum(read, 1)[:, None]
    if bare := np.flatnonzero(counts == 0).tolist():
        means[bare] = leads[bare] = reader([text[slice(*spans[at])] for at in bare])
    return means.astype(np.float32), leads.astype(np.float32)


def _read(
    reader: ContextualEmbedder, ids: Ints, every: Sequence[Window], first: Ints, last: Ints
) -> Iterator[tuple[Window, Ints, Floats]]:
    """Each window that keeps a piece of some span, the rows of those spans, and its states; few held at a time."""
    ends = np.array([seen.end for seen in every])
    some = np.flatnonzero(first < last)
    low, high = (np.searchsorted(ends, at[some], side="right") for at in (first, last - 1))
    rows = np.repeat(some, high - low + 1)
    runs = np.cumsum(high - low + 1) - (high - low + 1)
    at = np.repeat(low - runs, high - low + 1) + np.arange(len(rows))
    order = np.argsort(at, kind="stable")
    needed, begun = np.unique(at[order], return_index=True)
    groups = np.split(rows[order], begun[1:])
    for start in range(0, len(needed), AT_ONCE):
        part = [every[number] for number in needed[start : start + AT_ONCE]]
        states = reader.states([ids[seen.start : seen.end] for seen in part])
        yield from zip(part, groups[start : start + AT_ONCE], states, strict=True)


def _add(sums: Floats, rows: Ints, states: Floats, lo: Ints, hi: Ints, start: int) -> None:
    """Add the states of pieces [lo, hi) to each of the rows; states: of the pieces from `start` on."""
    ended = np.concatenate([states, np.zeros((1, states.shape[1]), np.float32)])  # so that an end may be the last
    sums[rows] += np.add.reduceat(ended, np.stack([lo - start, hi - start], axis=1).reshape(-1))[::2]
