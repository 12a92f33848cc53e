"""Characters as a reader sees them: where a forced cut may fall."""

from __future__ import annotations

import numpy as np
import regex

from chunkwise.units import Ints

_CLUSTER = regex.compile(r"[\uD800-\uDBFF][\uDC00-\uDFFF]|\X")
_RETURNS = regex.compile(r"\r\n")
_LOOK_BACK = 256  # characters; a cluster longer than that is cut


def whole(text: str, at: int, floor: int) -> int:
    """The last offset in (floor, at] that cuts no grapheme cluster, `at` itself where there is none.

    Never between CR and LF, before a combining mark or inside an emoji sequence, unless the cluster alone is longer.
    """
    if at >= len(text) or at <= floor:
        return at
    if text[at - 1 : at + 1].isascii():
        return at - 1 if text[at - 1 : at + 1] == "\r\n" and at - 1 > floor else at
    begin = max(floor, at - _LOOK_BACK)
    last = begin
    for found in _CLUSTER.finditer(text, begin, min(len(text), at + _LOOK_BACK)):
        if found.end() > at:
            break
        last = found.end()
    return last if last > floor else at


def untorn(text: str, at: Ints) -> Ints:
    """Those of the offsets `at` (ascending) that cut no grapheme cluster, however long it is."""
    if text.isascii():
        torn = np.array([found.start() + 1 for found in _RETURNS.finditer(text)], dtype=np.int64)
        return np.setdiff1d(at, torn, assume_unique=True) if len(torn) else at
    ends = np.array([0, *(found.end() for found in _CLUSTER.finditer(text))], dtype=np.int64)
    return np.intersect1d(at, ends, assume_unique=True)
