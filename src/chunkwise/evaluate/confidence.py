"""How sure one can be of a mean over questions, and which differences are noise."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from chunkwise.errors import UserError

Scores: TypeAlias = Sequence[float] | npt.NDArray[np.floating]
_BLOCK = 2**20  # numbers drawn at once: a few times 8 MB however many the questions

LEVEL = 0.95
# Questions that can tell two apart: of five paired differences even all of one sign are as likely as 1 in 16 by chance.
FEWEST = 6


class Interval(NamedTuple):
    """A mean, and the ends of the interval around it."""

    mean: float
    low: float
    high: float


class Difference(NamedTuple):
    """Mean of a paired difference, its interval, and p: how likely one as far from 0 would be by chance (two-sided)."""

    mean: float
    low: float
    high: float
    p: float


def interval(scores: Scores, *, level: float = LEVEL, resamples: int = 10_000, seed: int = 0) -> Interval:
    """Mean of `scores` [n], one for each question, and its percentile bootstrap interval (Efron, 1979).

    The same seed gives the same interval. Raises UserError for no scores, or one that is not a number.
    """
    values = _checked(scores)
    low, high = np.quantile(_resampled(values[None], resamples, seed), _tails(level))
    return Interval(float(values.mean()), float(low), float(high))


def difference(a: Scores, b: Scores, *, level: float = LEVEL, resamples: int = 10_000, seed: int = 0) -> Difference:
    """Mean of a - b over the same questions in the same order, with the paired bootstrap's interval and p.

    Errors as in `interval`, and for different numbers of questions.
    """
    first, second = _checked(a), _checked(b)
    if len(first) != len(second):
        raise UserError(f"{len(first)} scores against {len(second)}: compare over the same questions")
    drawn = _resampled(np.array([first, second]), resamples, seed)
    gaps = np.round(drawn[0] - drawn[1], 12)  # equal sums may differ in their last bit, and a tie must be one
    low, high = np.quantile(gaps, _tails(level)).tolist()
    beyond = 1 + min(int((gaps <= 0).sum()), int((gaps >= 0).sum()))
    return Difference(float((first - second).mean()), low, high, min(1.0, 2 * beyond / (resamples + 1)))


def holm(p: Sequence[float]) -> list[float]:
    """p values [m] corrected for being m at once, in the order given (Holm, 1979)."""
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    return [min(1.0, float(each)) for each in corrected]


def _checked(scores: Scores) -> npt.NDArray[np.float64]:
    values = np.asarray(scores, dtype=np.float64)
    if not len(values):
        raise UserError("no questions: there is nothing to take a mean of")
    if not np.isfinite(values).all():
        raise UserError(
            f"the score of question {int(np.argmin(np.isfinite(values))) + 1} is not a number: leave it out"
        )
    return values


def _resampled(values: npt.NDArray[np.float64], resamples: int, seed: int) -> npt.NDArray[np.float64]:
    """Means of rows [m, n] over `resamples` draws of their columns with replacement, the same for all rows.

    How often each column was drawn, times the rows; in blocks of draws that bound the memory. float64 [m, resamples].
    """
    rng = np.random.default_rng(seed)
    n = values.shape[1]
    means = np.empty((len(values), resamples))
    for first in range(0, resamples, most := max(1, _BLOCK // n)):
        size = min(most, resamples - first)
        drawn = rng.integers(0, n, (size, n)) + n * np.arange(size)[:, None]
        times = np.bincount(drawn.ravel(), minlength=size * n).reshape(size, n)
        means[:, first : first + size] = values @ times.T / n
    return means


def _tails(level: float) -> tuple[float, float]:
    return (1 - level) / 2, (1 + level) / 2
