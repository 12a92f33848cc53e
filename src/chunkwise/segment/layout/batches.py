"""Pages read in batches, and what a batch leaves open for the next one."""

from __future__ import annotations

import re
from itertools import groupby, pairwise

import numpy as np
import numpy.typing as npt

from chunkwise.segment.layout.elements import Elements
from chunkwise.units import Ints

_RUNNING = ("table", "list", "code")  # kinds that go on where the next element is of the same kind
_MARGIN = 120  # characters; a longer element is no running head or foot
_ENDS = re.compile(r"[.!?…:;。！？।؟]['\"”’»)\]]*\s*\Z")


def batches(elements: Elements, pages: int) -> Ints:
    """The batch of `pages` pages that each element lies in; int64 [n], not descending."""
    return np.maximum.accumulate((elements.pages - elements.pages[0]) // pages)


def leads(elements: Elements) -> npt.NDArray[np.bool_]:
    """Whether each element but the last is a heading, which leads the next one; bool [n - 1]."""
    return np.array([kind == "heading" for kind in elements.kinds[:-1]], dtype=bool)


def goes_on(text: str, elements: Elements) -> npt.NDArray[np.bool_]:
    """Whether each element but the last is still open where the next one begins; bool [n - 1].

    A table, a list or code goes on in the next element of its kind, over running heads and feet and page numbers that
    stand between; a paragraph goes on over a page's end when no sentence ends there and none begins after it.
    """
    opened = np.zeros(max(0, len(elements) - 1), dtype=bool)
    margin = _margins(text, elements)
    bounds, kinds, pages = elements.bounds.tolist(), elements.kinds, elements.pages.tolist()
    for here, after in pairwise(at for at in range(len(elements)) if not margin[at]):
        if kinds[here] != kinds[after]:
            continue
        if kinds[here] == "text" and pages[here] != pages[after]:
            shown = text[bounds[here] : bounds[here + 1]].rstrip()
            opened[here:after] = not _ENDS.search(shown[-8:]) and text[bounds[after]].islower()
        elif kinds[here] in _RUNNING:
            opened[here:after] = True
    return opened


def _margins(text: str, elements: Elements) -> list[bool]:
    """Which elements are running heads, feet or page numbers.

    First or last on their page, and either no more than a number, or the same as on another page but for numbers.
    """
    edges: list[int] = []
    for _, group in groupby(range(len(elements)), elements.pages.tolist().__getitem__):
        page = list(group)
        edges += [page[0], page[-1]] if len(page) > 1 else []
    shown: dict[int, str] = {}
    for at in edges:
        start, end = elements.bounds[at], elements.bounds[at + 1]
        if end - start < _MARGIN:
            shown[at] = re.sub(r"[\d\W_]+", " ", text[start:end]).strip().lower()
    counts: dict[str, int] = {}
    for words in shown.values():
        counts[words] = counts.get(words, 0) + 1
    margin = [False] * len(elements)
    for at, words in shown.items():
        margin[at] = elements.kinds[at] != "table" and (words in ("", "page") or counts[words] > 1)
    return margin
