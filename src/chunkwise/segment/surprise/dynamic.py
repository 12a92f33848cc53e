"""H-Net's dynamic chunking as functions over arrays: where a state turns from the one before it, a chunk begins.

"Dynamic Chunking for End-to-End Hierarchical Sequence Modeling" (Hwang, Wang, Gu 2025). Its networks before, between
and after are not here, nor is their training end to end; the boundary module reads the states of a language model.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from chunkwise.engine.tensors import Tensors
from chunkwise.segment.threshold import Breaks
from chunkwise.units import Floats

WEIGHTS = Path(__file__).parent / "h-net.safetensors"


@cache
def projections(model: str, width: int) -> tuple[Floats, Floats]:
    """W_q and W_k [d, width] for the states of that model; the identity, where H-Net starts, for any other model."""
    found = Tensors(WEIGHTS)
    if found.metadata.get("model") != model:
        return np.eye(width, dtype=np.float32), np.eye(width, dtype=np.float32)
    return found.arrays["ask"].astype(np.float32), found.arrays["key"].astype(np.float32)


def boundary_chances(states: Floats, ask: Floats, key: Floats) -> Floats:
    """p_t = (1 - cos(W_q x_t, W_k x_{t-1})) / 2 for states x [t, width]; float32 [t] in 0 to 1, the first one 1."""
    chances = np.ones(len(states), np.float32)
    if len(states) > 1:
        asked, keys = _unit(states[1:] @ ask.T), _unit(states[:-1] @ key.T)
        chances[1:] = (1 - np.einsum("ij,ij->i", asked, keys)) / 2
    clipped: Floats = chances.clip(0, 1)
    return clipped


def begins(chances: Floats) -> Breaks:
    """Where a chunk begins: at a chance of at least a half; bool [t]."""
    found: Breaks = chances >= 0.5
    return found


def dechunked(inner: Floats, chances: Floats) -> Floats:
    """The chunks' states [chunks, width] as one for each position [t, width], smoothed by the chances [t] of all.

    z_j = P_j inner_j + (1 - P_j) z_{j-1}, P_j the chance at the start of chunk j; a position has the z of the last
    chunk that began. The first position must begin a chunk.
    """
    chosen = begins(chances)
    smooth = np.empty_like(inner)
    last = np.zeros(inner.shape[1:], inner.dtype)
    for at, gate in enumerate(chances[chosen]):
        smooth[at] = last = gate * inner[at] + (1 - gate) * last
    everywhere: Floats = smooth[np.cumsum(chosen) - 1]
    return everywhere


def ratio_loss(chances: Floats, n: float) -> float:
    """N / (N - 1) * ((N - 1) F G + (1 - F) (1 - G)), F the share of chunk starts, G the mean chance.

    1 where both are 1 / N, one chunk start in N positions; n: that N, above 1.
    """
    f, g = float(begins(chances).mean()), float(chances.mean())
    return n / (n - 1) * ((n - 1) * f * g + (1 - f) * (1 - g))


def _unit(rows: Floats) -> Floats:
    normed: Floats = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    return normed
