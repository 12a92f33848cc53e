"""Spans that lie within the windows of an encoder: what late chunking pools over."""

from __future__ import annotations

import numpy as np

from chunkwise.segment.group import grouped, packed
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Ints, Span


def within_windows(text: str, offsets: TokenOffsets, bounds: Ints, size: int, window: int) -> list[Span]:
    """Spans of at most `size` tokens that tile the text, each of them whole in one window.

    A window is what the encoder reads at once: whole sentences packed into at most `window` tokens.
    """
    ends = np.array([span.end for span in packed(text, offsets, bounds, window)], dtype=np.int64)
    joints = np.union1d(bounds, ends)
    return grouped(text, offsets, joints, np.isin(joints[1:-1], ends), min(size, window))
