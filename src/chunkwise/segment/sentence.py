"""The small cut: sentences, statements and rows, made of an outline's joints."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from chunkwise.segment.grapheme import whole
from chunkwise.segment.prose import sentence_ends
from chunkwise.segment.structure import Outline
from chunkwise.units import Ints, Span

LONGEST = 400  # characters of a sentence before it is cut at a clause
TINY = 25  # non-blank characters; less than that is no unit of its own
GROUPED = {"code": 240, "table": 100, "text": 0}  # characters up to which statements or rows are taken together


def sentences(text: str, outline: Outline) -> list[Span]:
    """Spans that tile `text`, none across the start of a block.

    Blanks belong to the sentence before them, indentation to the statement after it. A piece longer than LONGEST is
    cut at a clause or a blank; one shorter than TINY joins its neighbour in the block.
    """
    if not text:
        return []
    ends = sentence_ends(text)
    ends = ends[_inside(outline.prose, ends)]
    cuts = np.union1d(np.concatenate((outline.starts, outline.steps, ends)), np.array([0, len(text)]))
    cuts = cuts[cuts <= len(text)]
    walls, steps = set(outline.starts.tolist()), set(outline.steps.tolist())
    kinds = outline.kinds
    blocks = (np.searchsorted(outline.starts, cuts[:-1], side="right") - 1).tolist()
    in_prose = _inside(outline.prose, cuts[1:] - 1, first=True).tolist()
    spans: list[Span] = []
    floor = 0  # index of the first span of the block
    bounds = cuts.tolist()
    start, tiny, loose = 0, False, False  # the unit being made: where it starts, is it tiny, may more be grouped to it
    for index, (left, right) in enumerate(pairwise(bounds)):
        limit = GROUPED[kinds[blocks[index]]] if not in_prose[index] else 0
        small = right - left < 4 * TINY and len("".join(text[left:right].split())) < TINY
        if left in walls or index == 0:
            if index:
                _close(text, start, left, spans, floor, tiny)
            start, tiny, loose, floor = left, small, limit > 0, len(spans)
        elif right - start <= max(limit if loose else 0, LONGEST if tiny or (small and left not in steps) else 0):
            tiny, loose = tiny and small, loose and limit > 0
        else:
            _close(text, start, left, spans, floor, tiny)
            start, tiny, loose = left, small, limit > 0
    _close(text, start, len(text), spans, floor, tiny)
    return spans


def _close(text: str, start: int, end: int, spans: list[Span], floor: int, tiny: bool) -> None:
    """Add the unit, in parts where it is too long, or to the span before it where it is tiny."""
    if tiny and len(spans) > floor:
        spans[-1] = Span(spans[-1].start, end)
        return
    while end - start > LONGEST + TINY:
        cut = _clause(text, start, end)
        spans.append(Span(start, cut))
        start = cut
    spans.append(Span(start, end))


def _clause(text: str, start: int, end: int) -> int:
    """Where to cut a piece that is too long: after a line, a clause or a blank in the second half, else anywhere."""
    limit, half = start + LONGEST, start + LONGEST // 2
    if (newline := text.rfind("\n", half, limit)) >= 0:
        return newline + 1
    clause = max(text.rfind(mark, half, limit - 1) for mark in ("; ", ", ", ": ", " - ", " — ", " – ")) + 1
    if clause <= 0:
        clause = max(text.rfind(mark, half, limit) for mark in " \t；，、：,;")
    return clause + 1 if clause > 0 else whole(text, limit, half)


def _inside(spans: Ints, at: Ints, first: bool = False) -> np.ndarray:
    """Which offsets lie strictly inside a span; with `first`, also at its first character. bool [len(at)]."""
    if not len(spans) or not len(at):
        return np.zeros(len(at), dtype=bool)
    index = np.searchsorted(spans[:, 0], at, side="right" if first else "left") - 1
    inside: np.ndarray = (index >= 0) & (at < spans[np.maximum(index, 0), 1])
    return inside
