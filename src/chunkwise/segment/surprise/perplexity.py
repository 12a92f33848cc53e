"""How well a model foretells each sentence."""

from __future__ import annotations

import numpy as np

from chunkwise.models import CausalLM
from chunkwise.units import Floats, Ints


def log_perplexity(text: str, bounds: Ints, lm: CausalLM) -> Floats:
    """Mean nats of the tokens of each unit given all before it, its log-perplexity; float32 [len(bounds) - 1].

    bounds: int64 [n + 1], where the units begin and the last one ends. A token is its first character's unit's; a unit
    without one has 0.
    """
    read = lm.surprise(text)
    edges = np.searchsorted(read.starts, bounds)
    sums = np.concatenate(([0.0], np.cumsum(read.nats, dtype=np.float64)))
    means: Floats = (np.diff(sums[edges]) / np.maximum(1, np.diff(edges))).astype(np.float32)
    return means
