"""The runs of text that a PDF page is drawn with, to the elements that a reader sees."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise
from statistics import median
from typing import Any, NamedTuple

from chunkwise.units import Element, Span

_WIDTH = 0.5  # of the font size: the usual width of a character; pypdf measures none
_ITEM = re.compile(r"\s*(?:[-*•‣◦▪●○–]|\(?\d{1,3}[.)]|\(?[a-z][.)])\s+\S")
_LARGE = 1.08  # times the page's usual font size
_LONGEST_HEADING = 120  # characters
_GAP = 1.5  # font sizes between two cells of a row


class Run(NamedTuple):
    """A stretch of a line drawn at one place: (x, y) of its baseline's start, y upwards, and its font."""

    start: int
    text: str
    x: float
    y: float
    size: float
    bold: bool


class Line(NamedTuple):
    """A line of a page's text; cells: where each run begins that stands apart from the one before it."""

    span: Span
    left: float
    right: float
    baseline: float
    size: float
    bold: bool
    cells: tuple[float, ...]
    item: bool


class Runs:
    """What pypdf's text visitor is told, piece by piece; the pieces join to the page's text."""

    def __init__(self) -> None:
        self.found: list[Run] = []
        self._length = 0

    def visit(self, text: str, place: Sequence[float], line: Sequence[float], font: Any, size: float) -> None:
        """One piece of text, the page's and the text's matrices, its font and size."""
        if text.strip():
            across, up = (line[4] * place[at] + line[5] * place[at + 2] + place[at + 4] for at in (0, 1))
            height = abs(size) * abs(line[2] * place[1] + line[3] * place[3])
            bold = "bold" in str((font or {}).get("/BaseFont", "")).lower()
            start = self._length
            for row, piece in enumerate(text.splitlines(keepends=True)):
                if not piece.isspace():
                    self.found.append(Run(start, piece, across, up - row * 1.2 * height, height, bold))
                start += len(piece)
        self._length += len(text)


def elements(text: str, runs: Sequence[Run], page: int, height: float, start: int) -> Iterator[Element]:
    """The headings, paragraphs, lists and tables of one page, in the order of its text.

    text: the page's; height: of the page in points; start: where the text stands in the document. A heading is told by
    its font, a table by columns that line up over two rows or more, a paragraph by its leading and margins. Widths
    are guessed from the font size.
    """
    lines = list(_lines(text, runs))
    if not lines:
        return
    letters = sorted((line.size, len(text[slice(*line.span)])) for line in lines)
    usual = _weighted_median(letters)
    plain = 2 * sum(line.bold for line in lines) < len(lines)
    steps = [above.baseline - below.baseline for above, below in pairwise(lines)]
    leading = median([step for step in steps if 0 < step < 4 * usual] or [1.2 * usual])
    tabular = [False, *(_aligned(above, below) for above, below in pairwise(lines)), False]
    first = 0
    for at, line in enumerate(lines):
        shown = text[slice(*line.span)]
        if tabular[at] or tabular[at + 1]:
            kind = "table"
        elif len(shown) < _LONGEST_HEADING and (line.size > _LARGE * usual or (line.bold and plain and _titled(shown))):
            kind = "heading"
        else:
            kind = "list" if line.item else "text"
        if at == 0:
            last_kind = kind
            continue
        goes_on = kind == last_kind or (last_kind == "list" and kind == "text" and line.left > lines[first].left)
        if not goes_on or _apart(lines[at - 1], line, leading, kind):
            yield _element(lines[first:at], page, height, start, last_kind)
            first, last_kind = at, kind
    yield _element(lines[first:], page, height, start, last_kind)


def _lines(text: str, runs: Sequence[Run]) -> Iterator[Line]:
    """The text's lines that say something, each with the runs on it."""
    at = offset = 0
    for whole in text.splitlines(keepends=True):
        end = offset + len(whole)
        first = at
        while at < len(runs) and runs[at].start < end:
            at += 1
        if first < at and not whole.isspace():
            yield _line(whole, Span(offset, offset + len(whole.rstrip())), runs[first:at])
        offset = end


def _line(text: str, span: Span, held: Sequence[Run]) -> Line:
    size = max(run.size for run in held)
    cells = [held[0].x]
    for before, run in pairwise(held):
        if run.x - (before.x + _WIDTH * before.size * len(before.text.rstrip())) > _GAP * size:
            cells.append(run.x)
    right = max(run.x + _WIDTH * run.size * len(run.text.rstrip()) for run in held)
    bold = all(run.bold for run in held)
    item = _ITEM.match(text) is not None
    return Line(span, min(run.x for run in held), right, held[0].y, size, bold, tuple(cells), item)


def _titled(shown: str) -> bool:
    """Whether a line ends as a title does, not as a sentence or a clause."""
    return shown[-1] not in ".,;:" and not shown[0].islower()


def _aligned(above: Line, below: Line) -> bool:
    """Whether two lines are rows of one table: two cells or more that begin below one another."""
    near = sum(any(abs(one - other) < above.size for other in below.cells) for one in above.cells)
    return near >= 2 and below.baseline < above.baseline


def _apart(above: Line, below: Line, leading: float, kind: str) -> bool:
    """Whether a new element begins: another column, another size, or more room than between lines."""
    step = above.baseline - below.baseline
    beside = below.left > above.right or below.right < above.left
    room = 1.4 if kind == "text" else 2.5
    return step < 0 or beside or step > room * leading or not 0.9 < below.size / (above.size or 1) < 1.1


def _element(lines: Sequence[Line], page: int, height: float, start: int, kind: str) -> Element:
    left, right = min(line.left for line in lines), max(line.right for line in lines)
    top = height - max(line.baseline + line.size for line in lines)
    bottom = height - min(line.baseline for line in lines)
    return Element(
        Span(start + lines[0].span.start, start + lines[-1].span.end), page, (left, top, right, bottom), kind
    )


def _weighted_median(sizes: Sequence[tuple[float, int]]) -> float:
    """The font size of the character in the middle; `sizes` ascending, each with its number of characters."""
    half, seen = sum(count for _, count in sizes) / 2, 0
    for size, count in sizes:
        seen += count
        if seen >= half:
            return size
    return sizes[-1][0]
