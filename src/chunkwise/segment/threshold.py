"""Where a signal between neighbours says that the text is to be cut: rules over arrays, each bool [n] for float [n]."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chunkwise.errors import UserError
from chunkwise.units import Floats

Breaks = npt.NDArray[np.bool_]


def checked_percentile(percentile: float, such_as: int) -> None:
    """Raise UserError unless it is one; such_as: one that may do."""
    if not 0 <= percentile <= 100:
        raise UserError(f"percentile={percentile:g}: give one from 0 to 100, such as {such_as}")


def above_percentile(signal: Floats, percentile: float) -> Breaks:
    """Wherever the signal is higher than that percentile (0 to 100) of itself; a flat one is nowhere cut."""
    if not len(signal):
        return np.zeros(0, dtype=bool)
    found: Breaks = signal > np.percentile(signal, percentile)
    return found


def local_minima(signal: Floats, drop: float = 0.0) -> Breaks:
    """Wherever the signal is lower than before and after, by at least `drop` on one side.

    A value equal to the next one is a minimum when it came down to it by at least `drop` (and by something). The first
    and the last value never are. The rule of "Meta-Chunking: Learning Efficient Text Segmentation via Logical
    Perception".
    """
    found = np.zeros(len(signal), dtype=bool)
    if len(signal) < 3:
        return found
    before, here, after = signal[:-2], signal[1:-1], signal[2:]
    fell, rises = before - here, after - here
    found[1:-1] = (fell > 0) & (((rises > 0) & ((fell >= drop) | (rises >= drop))) | ((rises == 0) & (fell >= drop)))
    return found


def observed_drop(signal: Floats, minima: Breaks, first: int = 100) -> float:
    """The smallest drop to one of the `first` minima, from the higher of its two neighbours; 0 where there is none."""
    at = np.flatnonzero(minima)[:first]
    if not len(at):
        return 0.0
    return float((np.maximum(signal[at - 1], signal[at + 1]) - signal[at]).min())


def below_running_mean(signal: Floats, last: int = 5, first: float = 0.0) -> Breaks:
    """Wherever the signal is not above the mean of the `last` values up to it; above `first` counts until there are."""
    found = np.zeros(len(signal), dtype=bool)
    if not len(signal):
        return found
    sums = np.concatenate(([0.0], np.cumsum(signal, dtype=np.float64)))
    limits = np.full(len(signal), first)
    limits[last:] = (sums[last:-1] - sums[: -last - 1]) / last
    found[:] = signal <= limits
    return found
