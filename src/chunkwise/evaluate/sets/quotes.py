"""Where in a text a quote stands."""

from __future__ import annotations

import re
from collections.abc import Iterator

from chunkwise.units import Span


def places(text: str, quote: str, start: int = 0) -> Iterator[Span]:
    """Every span from `start` on that is `quote` to the character; where there is none, but for the blanks in it.

    Blanks: runs of any white space, line breaks included, are taken for one another. They do not overlap. A quote of
    blanks alone stands nowhere.
    """
    words = quote.split()
    if not words:
        return
    exact = quote if text.find(quote, start) >= 0 else None
    pattern = re.compile(re.escape(exact) if exact else r"\s+".join(map(re.escape, words)))
    for found in pattern.finditer(text, start):
        yield Span(*found.span())
