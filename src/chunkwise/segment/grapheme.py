"""Characters as a reader sees them: where a forced cut may fall."""

from __future__ import annotations

import regex

_CLUSTER = regex.compile(r"[\uD800-\uDBFF][\uDC00-\uDFFF]|\X")
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
