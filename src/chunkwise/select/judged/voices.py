"""Voices: sources that say the same of a question as others do, so that what is said many times is heard as once."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from itertools import chain, count

import numpy as np
import numpy.typing as npt

from chunkwise.units import Floats, Ints

_STEM = re.compile(r"\b\w{1,6}")  # words are told apart by their first letters
_BLANKED = bytes(byte if chr(byte).isalnum() or chr(byte) == "_" else ord(" ") for byte in range(128)).ljust(256)


def said(sources: Sequence[Sequence[str]], question: str) -> Floats:
    """What each source says in its texts beyond the question's own words: its words by how rare they are here.

    float32 [n, shared words]. The inner product of two rows is the cosine of all their words; a word that no other
    source has, which adds to no product, has no column.
    """
    own = _stems(question)
    found = [own, *(list(chain.from_iterable(map(_stems, texts))) for texts in sources)]
    number: dict[str, int] = defaultdict(count().__next__)
    stems = np.fromiter(map(number.__getitem__, chain(*found)), dtype=np.int64) - len(set(own))
    row = np.repeat(np.arange(-1, len(sources)), [len(one) for one in found])[stems >= 0]
    words = max(1, len(number) - len(set(own)))
    cells, times = np.unique(row * words + stems[stems >= 0], return_counts=True)
    row, stem = np.divmod(cells, words)
    often = np.bincount(stem, minlength=words)
    weight = (1 + np.log(times)) * np.log((1 + len(sources)) / often[stem])
    length = np.sqrt(np.bincount(row, weight**2, minlength=len(sources)))
    shared = often[stem] > 1
    column = np.cumsum(often > 1) - 1
    rows = np.zeros((len(sources), int((often > 1).sum())), dtype=np.float32)
    rows[row[shared], column[stem[shared]]] = (weight / np.maximum(length[row], 1e-9))[shared]
    return rows


def _stems(text: str) -> list[str]:
    folded = text.casefold()
    if folded.isascii():  # the very words of the pattern, at a quarter of its time
        return [word[:6] for word in folded.encode().translate(_BLANKED).decode().split()]
    return _STEM.findall(folded)


def echoes(rows: Floats, alike: float, crowd: int, voices: int) -> Ints:
    """For each row the kept one that it repeats, -1 for those that are kept; int64 [n].

    A row of a crowd, which has at least `crowd` others with a cosine of `alike` or more, is kept while fewer than
    `voices` of those before it that it is alike to are; any other row is kept.
    """
    near = rows @ rows.T >= alike
    np.fill_diagonal(near, val=False)
    crowded: npt.NDArray[np.bool_] = near.sum(axis=1) >= crowd
    repeats = np.full(len(rows), -1, dtype=np.int64)
    loud = np.zeros(len(rows), dtype=bool)  # of a crowd and kept
    for row in np.flatnonzero(crowded).tolist():
        heard = np.flatnonzero(near[row] & loud)  # none of them after this one
        if len(heard) < voices:
            loud[row] = True
        else:
            repeats[row] = int(heard[0])
    return repeats
