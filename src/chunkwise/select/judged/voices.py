"""Voices: sources that say the same of a question as others do, so that what is said many times is heard as once."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from chunkwise.units import Floats, Ints

_WORD = re.compile(r"\w+")
_STEM = 6


def said(texts: Sequence[str], question: str) -> Floats:
    """What each text says beyond the question's own words: its words by how rare they are here; rows of length 1 or 0.

    float32 [n, words]. Words are told apart by their first letters.
    """
    own = set(_stems(question))
    counts = [Counter(stem for stem in _stems(text) if stem not in own) for text in texts]
    often = Counter(stem for count in counts for stem in count)
    column = {stem: at for at, stem in enumerate(often)}
    rows = np.zeros((len(texts), max(1, len(column))), dtype=np.float32)
    for row, count in zip(rows, counts, strict=True):
        for stem, times in count.items():
            row[column[stem]] = (1 + np.log(times)) * np.log((1 + len(texts)) / often[stem])
    length = np.linalg.norm(rows, axis=1, keepdims=True)
    scaled: Floats = np.divide(rows, np.where(length > 0, length, 1), dtype=np.float32)
    return scaled


def echoes(rows: Floats, alike: float, crowd: int, voices: int) -> Ints:
    """For each row the kept one that it repeats, -1 for those that are kept; int64 [n].

    A row of a crowd, which has at least `crowd` others with a cosine of `alike` or more, is kept while fewer than
    `voices` of those before it that it is alike to are; any other row is kept.
    """
    near = rows @ rows.T >= alike
    np.fill_diagonal(near, val=False)
    crowded: npt.NDArray[np.bool_] = near.sum(axis=1) >= crowd
    repeats = np.full(len(rows), -1, dtype=np.int64)
    kept = np.zeros(len(rows), dtype=bool)
    for row in range(len(rows)):
        heard = np.flatnonzero(near[row, :row] & kept[:row] & crowded[:row]) if crowded[row] else kept[:0]
        if len(heard) < voices:
            kept[row] = True
        else:
            repeats[row] = int(heard[0])
    return repeats


def _stems(text: str) -> list[str]:
    return [word[:_STEM] for word in _WORD.findall(text.casefold())]
