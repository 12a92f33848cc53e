"""Cut: how far down a ranking to go."""

from __future__ import annotations

import numpy as np

from chunkwise.units import Floats


def nucleus(scores: Floats, mass: float) -> int:
    """How many of the leading `scores` [n], descending, none negative, hold `mass` of their sum; one at the least."""
    total = float(scores.sum(dtype=np.float64))
    if not len(scores) or total <= 0:
        return min(1, len(scores))
    return int(np.searchsorted(np.cumsum(scores, dtype=np.float64), mass * total * (1 - 1e-7)) + 1)
