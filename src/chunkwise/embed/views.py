"""Views: what an embedder is shown of a document for the sake of one chunk of it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

import numpy as np

from chunkwise.segment import outline
from chunkwise.units import Document, Span

_BLANK = re.compile(r"\s")
_SENTENCE = re.compile(r"(?s)\s*(.{20,}?[.!?。！？])(?=\s|$)|\s*([^\n]+)")
LONGEST = 300  # characters of a first sentence


class Section(NamedTuple):
    """path: the headings or the qualified name of a stretch of a document; span: the stretch."""

    path: tuple[str, ...]
    span: Span


def neighbourhood(text: str, span: Span, around: int) -> str:
    """The chunk with up to `around` characters on each side, whole words."""
    start, end = max(0, span.start - around), min(len(text), span.end + around)
    if start > 0 and (found := _BLANK.search(text, start, span.start)):
        start = found.end()
    while end < len(text) and end > span.end and not text[end].isspace():
        end -= 1
    return text[start:end]


def sections(document: Document, spans: Sequence[Span]) -> list[Section]:
    """The run of blocks under the same headings that each span begins in."""
    found = outline(document)
    paths = found.paths
    new = np.array([True, *(a != b for a, b in pairwise(paths))])
    begins = np.flatnonzero(new)
    starts = [*found.starts[begins].tolist(), len(document.text)]
    at = np.searchsorted(starts[:-1], [span.start for span in spans], side="right") - 1
    return [Section(paths[begins[one]], Span(starts[one], starts[one + 1])) for one in at.tolist()]


def opening(document: Document) -> str:
    """The document's title where it has one, and its first sentence."""
    title = document.metadata.get("title", "")
    found = _SENTENCE.match(document.text)
    words = (found[1] or found[2]).split() if found else []
    first = " ".join(word for word in words if word.strip("#=-"))[:LONGEST]  # no marks of headings
    return f"{title}. {first}" if title and not first.startswith(title) else first
