"""The next shift of content, asked for window by window."""

from __future__ import annotations

from itertools import pairwise

import numpy as np

from chunkwise.asking import Asking, answer
from chunkwise.segment.asked import prompts
from chunkwise.segment.threshold import Breaks
from chunkwise.units import Ints


def shifts(text: str, bounds: Ints, tokens: Ints, size: int, asking: Asking) -> Breaks:
    """After which units to cut; bool [n - 1] for n units.

    bounds, tokens: int64 [n + 1], where the units begin, in characters and in tokens. A window holds the units that
    fit `size` tokens, at least one; it ends at the unit that the model names, or where it is full, and the next one
    begins there.
    """
    last = len(bounds) - 1
    breaks = np.zeros(last - 1, dtype=bool)
    first = 0
    while first < last:
        full = int(np.searchsorted(tokens, tokens[first] + size, side="right")) - 1
        full = min(last, max(first + 1, full))
        named: int | None = 0
        if full - first > 1:
            shown = [text[start:end] for start, end in pairwise(bounds[first : full + 1].tolist())]
            named = _named(shown, asking)
            if named is None:
                return breaks
        first = first + named - 1 if named else full
        if first < last:
            breaks[first - 1] = True
    return breaks


def _named(paragraphs: list[str], asking: Asking) -> int | None:
    """The number of the paragraph that is named, 0 for none; None when there is nobody to ask."""
    for again in (False, True):
        reply = asking(prompts.shift(paragraphs, again))
        if reply is None:
            return None
        if (named := answer(reply, 2, len(paragraphs))) is not None:
            return named
    asking.misread(2)
    return 0
