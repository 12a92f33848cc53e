"""The units that a model is shown by number."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from chunkwise.segment.group import packed
from chunkwise.segment.sentence import sentence_bounds
from chunkwise.segment.structure import outline
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Document, Ints


def paragraph_bounds(document: Document, offsets: TokenOffsets, size: int) -> Ints:
    """Where paragraphs begin and the last one ends; one of more than `size` tokens is its sentences. int64 [n + 1]."""
    blocks = np.unique(np.append(outline(document).starts, len(document.text)))
    long = offsets.counts(blocks) > size
    if not long.any():
        return blocks
    sentences = sentence_bounds(document)[:-1]
    return np.union1d(blocks, sentences[long[np.searchsorted(blocks, sentences, side="right") - 1]])


def windows(document: Document, offsets: TokenOffsets, size: int, window: int) -> list[Ints]:
    """The bounds of the paragraphs in runs of at most `window` tokens, each beginning where the last one ends."""
    bounds = paragraph_bounds(document, offsets, size)
    edges = [0, *(span.end for span in packed(document.text, offsets, bounds, window))]
    bounds = np.union1d(bounds, edges)
    first = np.searchsorted(bounds, edges).tolist()
    return [bounds[start : end + 1] for start, end in pairwise(first)]
