"""Any document as a row of elements on pages."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from chunkwise.segment.language import language_of
from chunkwise.segment.structure import outline
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Document, Floats, Ints

PAGE = 500  # tokens of a text that has no pages; about what a printed page holds
_COLUMNS, _LINE, _WIDE = 80, 12.0, 468.0  # characters a line, points a line, points of the column
_COLUMN = 650.0  # points of text on a printed page


@dataclass(frozen=True, slots=True)
class Elements:
    """The elements of one document in the order of its text.

    bounds: int64 [n + 1], where each begins and the last one ends, so that they tile the text; pages: int64 [n];
    centres: float32 [n, 2], the middle of each box in points, pages laid one below the other; height: points from one
    page's top to the next one's; kinds: "heading", "text", "list", "table" or "code"; headed: bool [n], whether each
    is a heading, or begins with one.
    """

    bounds: Ints
    pages: Ints
    centres: Floats
    height: float
    kinds: list[str]
    headed: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.kinds)


def elements(document: Document, offsets: TokenOffsets) -> Elements:
    """The elements of the document's layout; where it has none, the blocks of its outline in one column.

    Text between two elements goes with the first. An element without a box stands in the middle of its page.
    """
    size = len(document.text)
    placed = {at.span.start: at for at in document.layout if 0 <= at.span.start < at.span.end <= size}
    if not placed:
        return _column(document, offsets)
    row = [placed[start] for start in sorted(placed)]
    bounds = np.array([0, *(at.span.start for at in row[1:]), size], dtype=np.int64)
    pages = np.array([at.page for at in row], dtype=np.int64)
    if document.lines.unit == "line":  # a page of HTML is as long as it likes
        pages = 1 + np.searchsorted(offsets.starts, bounds[:-1]) // PAGE
        height = 0.0
    else:
        height = max((at.box[3] for at in row if at.box), default=1.0)
    centres = np.array(
        [((b[0] + b[2]) / 2, (b[1] + b[3]) / 2) if (b := at.box) else (0.0, height / 2) for at in row], np.float32
    )
    centres[:, 1] += np.float32(height) * (pages - pages[0])
    headed = np.array([at.kind == "heading" for at in row])
    return Elements(bounds, pages, centres, height or _COLUMN, [at.kind for at in row], headed)


def _column(document: Document, offsets: TokenOffsets) -> Elements:
    found = outline(document)
    bounds = np.append(found.starts, len(document.text))
    paged = document.lines.unit == "page"
    if paged:
        starts = np.array(document.lines.starts)
        pages = np.array(document.lines.numbers)[np.searchsorted(starts, bounds[:-1], side="right") - 1]
    else:
        pages = 1 + np.searchsorted(offsets.starts, bounds[:-1]) // PAGE
    middles = (bounds[:-1] + bounds[1:]) / 2 / _COLUMNS * _LINE
    centres = np.stack([np.full(len(middles), _WIDE / 2), middles], axis=1).astype(np.float32)
    paths = found.paths
    headed = np.array([bool(path) and (at == 0 or path != paths[at - 1]) for at, path in enumerate(paths)])
    kinds = [
        "heading" if starts and "\n" not in document.text[a:b].strip() else kind  # a title with nothing under it
        for starts, kind, (a, b) in zip(headed, found.kinds, pairwise(bounds.tolist()), strict=True)
    ]
    if language_of(document).kind == "code":
        headed, kinds = np.zeros(len(kinds), dtype=bool), found.kinds
    return Elements(bounds, pages.astype(np.int64), centres, _COLUMN, kinds, headed)
