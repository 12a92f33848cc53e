"""Units and breaks between them to spans that hold to a size: the step that all cuts by a signal share."""

from __future__ import annotations

from bisect import bisect_right
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from chunkwise.segment.fit import fit, last_separator
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Ints, Span


def grouped(
    text: str, offsets: TokenOffsets, bounds: Ints, breaks: npt.NDArray[np.bool_], size: int, least: int = 0
) -> list[Span]:
    """Spans that tile the text: units joined up to each break, none of more than `size` tokens.

    bounds: int64 [n + 1], where the n units begin and the last one ends; breaks: bool [n - 1], whether the text is cut
    after each unit but the last. Units between two breaks are joined while they fit; a unit that is too long alone is
    cut at its last best separators. least: a span of fewer tokens is joined to the next one across the break, where
    the two fit.
    """
    if not text:
        return []
    cuts = np.concatenate(([True], breaks, [True]))
    runs = bounds[cuts]
    if least:
        runs = np.array(_joined(offsets, runs, least, size), dtype=np.int64)
    spans: list[Span] = []
    for start, end in pairwise(runs.tolist()):
        spans.extend(_within(text, offsets, bounds, Span(start, end), size))
    return spans


def packed(text: str, offsets: TokenOffsets, bounds: Ints, size: int) -> list[Span]:
    """The units joined greedily while they fit: `grouped` with no break at all."""
    return grouped(text, offsets, bounds, np.zeros(max(0, len(bounds) - 2), dtype=bool), size)


def _joined(offsets: TokenOffsets, runs: Ints, least: int, size: int) -> list[int]:
    """The bounds of the runs, those with fewer than `least` tokens joined to what follows them."""
    tokens = np.searchsorted(offsets.starts, runs).tolist()
    kept = [0]
    for at in range(1, len(runs) - 1):
        held, more = tokens[at] - tokens[kept[-1]], tokens[at + 1] - tokens[kept[-1]]
        if held >= least or more > size:
            kept.append(at)
    return [int(runs[at]) for at in (*kept, len(runs) - 1)]


def _within(text: str, offsets: TokenOffsets, bounds: Ints, run: Span, size: int) -> list[Span]:
    """The run as one span where it fits, else its units joined while they fit."""
    whole = _fitting(text, offsets, run, size)
    if len(whole) == 1:
        return whole
    inner = bounds[np.searchsorted(bounds, run.start) : np.searchsorted(bounds, run.end, side="right")].tolist()
    tokens = np.searchsorted(offsets.starts, inner).tolist()
    spans: list[Span] = []
    first = 0
    while first < len(inner) - 1:
        # The pass's own counts first; a cut that tokenises anew may need a unit less.
        last = max(first + 1, bisect_right(tokens, tokens[first] + size) - 1)
        last = min(last, len(inner) - 1)
        fitted = _fitting(text, offsets, Span(inner[first], inner[last]), size)
        while len(fitted) > 1 and last > first + 1:
            last -= 1
            fitted = _fitting(text, offsets, Span(inner[first], inner[last]), size)
        spans.extend(fitted)
        first = last
    return spans


def _fitting(text: str, offsets: TokenOffsets, within: Span, size: int) -> list[Span]:
    return fit(text, offsets, size, 0, last_separator, within)
