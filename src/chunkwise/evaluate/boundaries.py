"""How well the places where a text was cut agree with the places where a reader would cut it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from chunkwise.errors import UserError
from chunkwise.units import Ints


class BoundaryScores(NamedTuple):
    """precision: share of the found boundaries that are true; recall: share of the true ones found; all in 0 to 1."""

    precision: float
    recall: float
    f1: float


def boundary_scores(found: Sequence[int], gold: Sequence[int], length: int, tolerance: int = 0) -> BoundaryScores:
    """Precision, recall and F1 of `found` against `gold`.

    A boundary is the position of the unit (character, token, sentence) that begins a new part; positions at or below 0
    and at or past `length` cut nothing and are left out, and one named twice counts once. A found boundary matches a
    true one at most `tolerance` units away, each at most one other, so that as many as can be are matched. Where there
    is nothing to find and nothing was found all three are 1; where only one of the two is empty all three are 0.
    """
    ours, theirs = _inner(found, length), _inner(gold, length)
    if not len(ours) or not len(theirs):
        return BoundaryScores(*[float(len(ours) == len(theirs))] * 3)
    matched = _matched(ours.tolist(), theirs.tolist(), tolerance)
    return BoundaryScores(matched / len(ours), matched / len(theirs), 2 * matched / (len(ours) + len(theirs)))


def pk(found: Sequence[int], gold: Sequence[int], length: int, k: int | None = None) -> float:
    """Chance in 0 to 1, lower is better, that two units k apart are wrongly said to be of one part or of two.

    Positions as in `boundary_scores`. k: half the mean length of a true part where None. Equal to nltk's `pk` over a
    string with one character for each gap between units, whose own default for k counts boundaries instead of parts.
    Beeferman, Berger and Lafferty, Statistical Models for Text Segmentation (1999). Raises UserError for a k that no
    two units are apart.
    """
    ours, theirs = _windows(found, gold, length, k)
    return float(np.mean((ours > 0) != (theirs > 0))) if len(ours) else 0.0


def window_diff(found: Sequence[int], gold: Sequence[int], length: int, k: int | None = None) -> float:
    """Share in 0 to 1, lower is better, of windows of k gaps in which the number of boundaries is wrong.

    All else as in `pk`. Pevzner and Hearst, A Critique and Improvement of an Evaluation Metric for Text Segmentation
    (2002).
    """
    ours, theirs = _windows(found, gold, length, k)
    return float(np.mean(ours != theirs)) if len(ours) else 0.0


def _inner(positions: Sequence[int], length: int) -> Ints:
    sorted_positions = np.unique(np.asarray(positions, dtype=np.int64))
    return sorted_positions[(sorted_positions > 0) & (sorted_positions < length)]


def _matched(found: list[int], gold: list[int], tolerance: int) -> int:
    """Both ascending: the first two that are near enough are always part of some largest matching."""
    matched = ours = theirs = 0
    while ours < len(found) and theirs < len(gold):
        gap = found[ours] - gold[theirs]
        near = abs(gap) <= tolerance
        matched += near
        ours += near or gap < 0
        theirs += near or gap > 0
    return matched


def _windows(found: Sequence[int], gold: Sequence[int], length: int, k: int | None) -> tuple[Ints, Ints]:
    """Boundaries found and true between units i and i + k, for every i; two empty arrays for fewer than two units."""
    ours, theirs = _inner(found, length), _inner(gold, length)
    if length < 2:
        return ours, theirs
    if k is None:
        k = max(1, round(length / (2 * (len(theirs) + 1))))
    if not 1 <= k < length:
        raise UserError(f"no two of {length} units are {k} apart: k must be from 1 to {length - 1}")
    first = np.arange(length - k)

    def within(positions: Ints) -> Ints:
        return np.searchsorted(positions, first + k, "right") - np.searchsorted(positions, first, "right")

    return within(ours), within(theirs)
