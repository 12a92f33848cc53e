"""Runs of characters that a model foretells ever better: where its surprise rises, something new begins."""

from __future__ import annotations

import numpy as np

from chunkwise.segment.threshold import Breaks
from chunkwise.units import Floats


def rises(nats: Floats, constraint: str = "monotonic", percentile: float = 30.0) -> Breaks:
    """Before which tokens a new span begins, the first one always; bool [len(nats)].

    A span goes on while the surprise falls ("monotonic"), while it is at most that percentile of all ("global"), or
    while either is so ("combined"). The constraints of "ByteSpan: Information-Driven Subword Tokenisation".
    """
    begins = np.ones(len(nats), dtype=bool)
    if len(nats) < 2:
        return begins
    falls = nats[1:] < nats[:-1]
    low = nats[1:] <= np.percentile(nats, percentile)
    goes_on = {"monotonic": falls, "global": low, "combined": falls | low}[constraint]
    begins[1:] = ~goes_on
    return begins
