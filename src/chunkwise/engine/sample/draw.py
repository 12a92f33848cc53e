"""Draws: which token a law and a number between 0 and 1 stand for, and where the numbers come from."""

from __future__ import annotations

import numpy as np

from chunkwise.engine.sample.transform import probabilities
from chunkwise.select.arrays import Array, namespace


def uniform(seed: int, position: int) -> float:
    """The number in [0, 1) that belongs to a position of a seeded request: the same whatever else is in the batch."""
    key = seed & 0xFFFF_FFFF_FFFF_FFFF
    return float(np.random.Generator(np.random.Philox(key=key, counter=position << 64)).random())


def pick(logits: Array, at: Array) -> Array:
    """The token into whose share of [0, 1) each number falls, shares laid in the order of the vocabulary.

    logits [..., vocab]; at [...], float64, from 0 up to 1; gives int64 [...]. Never a token that was struck out.
    """
    xp = namespace(logits)
    held = xp.cumulative_sum(xp.astype(probabilities(logits), xp.float64), axis=-1)
    passed = held <= (at * held[..., -1])[..., None]
    return xp.sum(passed, axis=-1, dtype=xp.int64)


def shares(logits: Array, tokens: Array) -> tuple[Array, Array]:
    """Where the share of each token [...] begins, and how wide it is: float64 [...], between 0 and 1."""
    xp = namespace(logits)
    p = xp.astype(probabilities(logits), xp.float64)
    held = xp.cumulative_sum(p, axis=-1)
    whole, at = held[..., -1:], tokens[..., None]
    width = xp.take_along_axis(p, at, axis=-1) / whole
    return (xp.take_along_axis(held, at, axis=-1) / whole - width)[..., 0], width[..., 0]
