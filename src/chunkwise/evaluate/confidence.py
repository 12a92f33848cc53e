"""How sure one can be of a mean over questions, and which differences are noise."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from chunkwise.errors import UserError

Scores: TypeAlias = Sequence[float] | npt.NDArray[np.floating]
_BLOCK = 2**20  # numbers drawn at once: a few times 8 MB however many the questions

LEVEL = 0.95
FEWEST = 6  # of five paired differences even all of one sign are as likely as 1 in 16 by chance


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
    (found,) = _differences({"a": a, "b": b}, level, resamples, seed).values()
    return found


def holm(p: Sequence[float]) -> list[float]:
    """p values [m] corrected for being m at once, in the order given (Holm, 1979)."""
    order = np.argsort(p, kind="stable")
    corrected = np.empty(len(p))
    corrected[order] = np.maximum.accumulate(np.asarray(p)[order] * np.arange(len(p), 0, -1))
    return [min(1.0, float(each)) for each in corrected]


def verdict(a: Scores, b: Scores, name_a: str, name_b: str, what: str) -> str:
    """One plain sentence: which of two is above the other on `what` and by how much, or that the questions cannot tell.

    Scores in 0 to 1, in the order of the same questions; the sentence speaks in points of a hundred. Errors as in
    `difference`.
    """
    (found,) = _differences({"a": a, "b": b}, LEVEL).values()
    return _sentence((name_a, name_b), found, found.p, len(a), 1, what, LEVEL)


def verdicts(scores: Mapping[str, Scores], what: str, *, level: float = LEVEL) -> dict[tuple[str, str], str]:
    """`verdict` for every pair of names, with Holm's correction, so that of many pairs none is told apart by luck."""
    found = _differences(scores, level)
    corrected = holm([each.p for each in found.values()])
    return {
        pair: _sentence(pair, each, p, len(scores[pair[0]]), len(found), what, level)
        for (pair, each), p in zip(found.items(), corrected, strict=True)
    }


def _differences(
    scores: Mapping[str, Scores], level: float, resamples: int = 10_000, seed: int = 0
) -> dict[tuple[str, str], Difference]:
    """Every pair's difference, by the same draws of questions, which are made once for each name."""
    values = [_checked(each) for each in scores.values()]
    for each in values[1:]:
        if len(each) != len(values[0]):
            raise UserError(f"{len(values[0])} scores against {len(each)}: compare over the same questions")
    drawn = _resampled(np.array(values), resamples, seed) if values else np.empty((0, resamples))
    found = {}
    for (a, name_a), (b, name_b) in combinations(enumerate(scores), 2):
        gaps = np.round(drawn[a] - drawn[b], 12)  # equal sums may differ in their last bit, and a tie must be one
        low, high = np.quantile(gaps, _tails(level)).tolist()
        beyond = 1 + min(int((gaps <= 0).sum()), int((gaps >= 0).sum()))
        mean = float((values[a] - values[b]).mean())
        found[name_a, name_b] = Difference(mean, low, high, min(1.0, 2 * beyond / (resamples + 1)))
    return found


def _sentence(
    names: tuple[str, str], found: Difference, p: float, questions: int, pairs: int, what: str, level: float
) -> str:
    (first, second), (mean, low, high) = names, (100 * found.mean, 100 * found.low, 100 * found.high)
    on = f"on {questions} question{'s' * (questions != 1)}"
    if mean == low == high == 0:
        return f"{first} and {second} have the same {what} {on}, one by one"
    if questions < FEWEST:
        return f"{first} and {second} cannot be told apart by {what} {on} ({mean:+.1f}): at least {FEWEST} are needed"
    if p > 1 - level:
        luck = f"; too little among {pairs} comparisons" if found.p <= 1 - level else ""
        ends = f"{level:.0%} interval {low:+.1f} to {high:+.1f}{luck}".replace("%", " %")
        return f"{first} and {second} cannot be told apart by {what} {on} ({mean:+.1f}, {ends})"
    if mean < 0:
        first, second, mean, low, high = second, first, -mean, -high, -low
    ends = f"{level:.0%} interval {low:.1f} to {high:.1f}".replace("%", " %")
    return f"{first} is above {second} by {mean:.1f} points of {what} {on} ({ends})"


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
