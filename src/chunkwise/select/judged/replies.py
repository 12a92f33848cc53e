"""What a model says of numbered passages, as numbers; what cannot be read is not a number."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import numpy as np

from chunkwise.units import Floats

_LINE = re.compile(r"^[^\w\n]*(?:(?:id|passage)\b[^\w\n]*)?(\d{1,6})\b([^\n]*)$", re.IGNORECASE | re.MULTILINE)
_NUMBER = re.compile(r"-?\d{1,6}(?:\.\d{1,6})?")
_QUALITY = re.compile(r"quality\W*(-?\d{1,6}(?:\.\d{1,6})?)", re.IGNORECASE)
_CONTEXT = re.compile(r"context\W*(more|less|right)\b", re.IGNORECASE)
LONGEST = 20_000  # characters of a reply that are looked at


def scores(reply: str, count: int, most: float = 10.0) -> Floats:
    """The score of each of `count` passages as a share of `most`; NaN where none from 0 to `most` is said."""
    found = np.full(count, np.nan, dtype=np.float32)
    for number, said in _lines(reply, count):
        if (score := _NUMBER.search(said)) is not None and 0 <= float(score[0]) <= most:
            found[number - 1] = float(score[0]) / most
    return found


def words(reply: str, count: int, known: Collection[str]) -> list[str]:
    """The one of the known words that is said of each of `count` passages, "" where it is none."""
    found = [""] * count
    for number, said in _lines(reply, count):
        found[number - 1] = next((word for word in known if word in said.lower()), "")
    return found


def enough(reply: str) -> tuple[float, int] | None:
    """Quality, 0 to 10, and 1 for more, -1 for less, 0 for neither; None when it says neither or no such quality."""
    quality, context = _QUALITY.search(reply[:LONGEST]), _CONTEXT.search(reply[:LONGEST])
    if quality is None or context is None or not 0 <= float(quality[1]) <= 10:
        return None
    return float(quality[1]), {"more": 1, "less": -1, "right": 0}[context[1].lower()]


def _lines(reply: str, count: int) -> Iterator[tuple[int, str]]:
    for number, said in _LINE.findall(reply[:LONGEST]):
        if 1 <= int(number) <= count:
            yield int(number), said
