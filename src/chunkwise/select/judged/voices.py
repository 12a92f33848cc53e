"""Voices: sources that say the same of a question as others do, so that what is said many times is heard as once."""

from __future__ import annotations

import re
from collections.abc import Sequence
from itertools import chain

import numpy as np
import numpy.typing as npt

from chunkwise.units import Floats, Ints

_STEM = re.compile(r"\b\w{1,6}")  # words are told apart by their first letters


def said(texts: Sequence[str], question: str) -> Floats:
    """What each text says beyond the question's own words: its words by how rare they are here.

    float32 [n, shared words]. The inner product of two rows is the cosine of all their words; a word that no other text
    has, which adds to no product, has no column.
    """
    own = set(_STEM.findall(question.casefold()))
    found = [[stem for stem in _STEM.findall(text.casefold()) if stem not in own] for text in texts]
    number: dict[str, int] = {}
    stems = np.array([number.setdefault(stem, len(number)) for stem in chain(*found)], dtype=np.int64)
    row = np.repeat(np.arange(len(texts)), [len(one) for one in found])
    cells, times = np.unique(row * max(1, len(number)) + stems, return_counts=True)
    row, stem = np.divmod(cells, max(1, len(number)))
    often = np.bincount(stem, minlength=len(number))
    weight = (1 + np.log(times)) * np.log((1 + len(texts)) / often[stem])
    length = np.sqrt(np.bincount(row, weight**2, minlength=len(texts)))
    shared = often[stem] > 1
    column = np.cumsum(often > 1) - 1
    rows = np.zeros((len(texts), int((often > 1).sum())), dtype=np.float32)
    rows[row[shared], column[stem[shared]]] = (weight / np.maximum(length[row], 1e-9))[shared]
    return rows


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
