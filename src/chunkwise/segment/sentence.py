"""The small cut: sentences, statements and rows, made of an outline's joints."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from chunkwise.segment.grapheme import whole
from chunkwise.segment.prose import sentence_ends
from chunkwise.segment.structure import Outline, outline
from chunkwise.units import Document, Ints, Span

LONGEST = 400  # characters of a sentence before it is cut at a clause
TINY = 50  # non-blank characters; less than that is no unit of its own, save where its block ends
GROUPED = {"code": 240, "table": 100, "text": 0}  # characters up to which statements or rows are taken together


def sentences(text: str, outlined: Outline, tiny: int = TINY) -> list[Span]:
    """Spans that tile `text`, none across the start of a block.

    Blanks belong to the sentence before them, indentation to the statement after it. A piece longer than LONGEST is
    cut at a clause or a blank; one of fewer than `tiny` non-blank characters joins its neighbour in the block.
    """
    if not text:
        return []
    ends = sentence_ends(text)
    ends = ends[_inside(outlined.prose, ends)]
    cuts = np.union1d(np.concatenate((outlined.starts, outlined.steps, ends)), np.array([0, len(text)]))
    cuts = cuts[cuts <= len(text)]
    walls, steps = set(outlined.starts.tolist()), set(outlined.steps.tolist())
    kinds = outlined.kinds
    blocks = (np.searchsorted(outlined.starts, cuts[:-1], side="right") - 1).tolist()
    in_prose = _inside(outlined.prose, cuts[1:] - 1, first=True).tolist()
    spans: list[Span] = []
    floor = 0  # index of the first span of the block
    bounds = cuts.tolist()
    start, weight, loose = 0, 0, False  # the unit being made: where it starts, what is in it, may more be grouped to it
    for index, (left, right) in enumerate(pairwise(bounds)):
        limit = GROUPED[kinds[blocks[index]]] if not in_prose[index] else 0
        ink = len("".join(text[left:right].split())) if right - left < 4 * tiny else tiny
        if left in walls or index == 0:
            if index:
                _close(text, start, left, spans, floor, weight, tiny)
            start, weight, loose, floor = left, ink, limit > 0, len(spans)
            continue
        joins = weight < tiny or (ink < tiny and left not in steps)
        if right - start <= max(limit if loose else 0, LONGEST if joins else 0):
            weight, loose = weight + ink, loose and limit > 0
        else:
            _close(text, start, left, spans, floor, weight, tiny)
            start, weight, loose = left, ink, limit > 0
    _close(text, start, len(text), spans, floor, weight, tiny)
    return spans


def sentence_bounds(document: Document, tiny: int = TINY) -> Ints:
    """Where the document's sentences begin and the last one ends; int64 [n + 1], [0] for an empty text."""
    spans = sentences(document.text, outline(document), tiny)
    return np.array([0, *(span.end for span in spans)], dtype=np.int64)


def _close(text: str, start: int, end: int, spans: list[Span], floor: int, weight: int, tiny: int) -> None:
    """Add the unit, in parts where it is too long, or to the span before it where it is tiny."""
    if weight < tiny and len(spans) > floor and end - spans[-1].start <= LONGEST + 2 * TINY:
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
