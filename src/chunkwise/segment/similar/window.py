"""Spans that lie within the windows of an encoder: what late chunking pools over."""

from __future__ import annotations

import numpy as np

from chunkwise.segment.group import grouped, packed
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Ints, Span


def windows(text: str, offsets: TokenOffsets, bounds: Ints, window: int) -> list[Span]:
    """What the encoder reads at once: whole sentences, at most `window` tokens; the windows tile the text."""
    return packed(text, offsets, bounds, window)


def within_windows(text: str, offsets: TokenOffsets, bounds: Ints, size: int, window: int) -> list[Span]:
    """Spans of at most `size` tokens, each of them whole in one of `windows`; they tile the text."""
    ends = np.array([span.end for span in windows(text, offsets, bounds, window)], dtype=np.int64)
    joints = np.union1d(bounds, ends)
    return grouped(text, offsets, joints, np.isin(joints[1:-1], ends), min(size, window))
