"""Transforms: the logits of the next token, made hotter or colder, or with the unlikely struck out.

Every transform takes logits [..., vocab], NumPy or torch, and gives logits of the same shape; what is struck out is
-inf. The best token is never struck out. Order matters and is the caller's: `chain` applies from left to right.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from chunkwise.errors import UserError
from chunkwise.select.arrays import Array, namespace
from chunkwise.select.cut import nucleus, top_k

Transform: TypeAlias = Callable[[Array], Array]
Cut: TypeAlias = Callable[[Array], Array]
"""Probabilities [..., vocab], descending, to how many of the first are kept [...]: the rules of `select.cut`."""


def chain(*transforms: Transform) -> Transform:
    """All of them, the first one first; none at all leaves the logits as they are."""
    if len(transforms) == 1:
        return transforms[0]

    def applied(logits: Array) -> Array:
        for transform in transforms:
            logits = transform(logits)
        return logits

    return applied


def probabilities(logits: Array) -> Array:
    """Softmax over the last axis, in the logits' dtype."""
    xp = namespace(logits)
    grown = xp.exp(logits - xp.max(logits, axis=-1, keepdims=True))
    return grown / xp.sum(grown, axis=-1, keepdims=True)


def entropy(logits: Array) -> Array:
    """Of the law that the logits stand for, in nats [...]."""
    xp = namespace(logits)
    p = probabilities(logits)
    return -xp.sum(xp.where(p > 0, p * xp.log(xp.where(p > 0, p, xp.ones_like(p))), xp.zeros_like(p)), axis=-1)


def strike(logits: Array, kept: Array) -> Array:
    """-inf wherever `kept` [..., vocab] is false."""
    xp = namespace(logits)
    return xp.where(kept, logits, xp.full_like(logits, -math.inf))


def leading(cut: Cut) -> Transform:
    """Keeps the most probable tokens, as many as the cut says, one at the least; of equals the first by number.

    Only as many are put in order as the cut turns out to need: a vocabulary of 128,000 takes 15 ms to sort.
    """

    def kept(logits: Array) -> Array:
        xp, n, ordered = namespace(logits), logits.shape[-1], 256
        while True:
            best = _descending(logits, min(ordered, n))
            p = xp.exp(xp.astype(best, xp.float64) - _log_sum(logits)[..., None])
            rest = xp.clip(1 - xp.sum(p, axis=-1, keepdims=True), 0, None)
            count = xp.clip(cut(p if ordered >= n else xp.concat((p, rest), axis=-1)), 1, None)
            if ordered >= n or not bool(xp.any(count > ordered)):
                break
            ordered *= 16
        last = xp.take_along_axis(best, count[..., None] - 1, axis=-1)
        equal = logits == last
        allowed = count[..., None] - xp.sum(logits > last, axis=-1, keepdims=True, dtype=xp.int64)
        return strike(
            logits, (logits > last) | (equal & (xp.cumulative_sum(equal, axis=-1, dtype=xp.int64) <= allowed))
        )

    return kept


def _descending(logits: Array, m: int) -> Array:
    """The m highest, the highest first [..., m]."""
    if isinstance(logits, np.ndarray):
        return -np.sort(np.partition(-logits, m - 1, axis=-1)[..., :m], axis=-1)
    return logits.topk(m, dim=-1).values


def _log_sum(logits: Array) -> Array:
    xp = namespace(logits)
    logits = xp.astype(logits, xp.float64)  # so that which token is the last to stay is no matter of rounding
    best = xp.max(logits, axis=-1)
    return best + xp.log(xp.sum(xp.exp(logits - best[..., None]), axis=-1))


def above(least: Callable[[Array], Array]) -> Transform:
    """Keeps the best token, and those whose logit lies below its by no more than `-least(logits)` [...]."""

    def kept(logits: Array) -> Array:
        xp = namespace(logits)
        below_best = logits - xp.max(logits, axis=-1, keepdims=True)
        return strike(logits, below_best >= xp.clip(least(logits), None, 0.0)[..., None])

    return kept


best: Transform = leading(lambda p: top_k(p, 1))
"""The most probable token alone, the first of equals."""


def temperature(t: float) -> Transform:
    """Logits over `t`: below 1 colder, above 1 hotter. At 0 only the best token is left, the first of equals."""
    if not t >= 0:
        raise UserError(f"a temperature of {t} is none: give 0 for the best token, or a number above it")
    return (lambda logits: logits / t) if t > 0 else best


def most_probable(k: int) -> Transform:
    """The k most probable tokens (Fan et al., Hierarchical Neural Story Generation)."""
    if k < 1:
        raise UserError(f"top-k keeps at least one token, not {k}")
    return leading(lambda p: top_k(p, k))


def nucleus_of(p: float) -> Transform:
    """The fewest tokens that hold `p` of the probability.

    Source: Holtzman et al., The Curious Case of Neural Text Degeneration.
    """
    _share("p", p)
    return leading(lambda scores: nucleus(scores, p))


def share_of_best(base: float) -> Transform:
    """Tokens at least `base` times as probable as the best (Nguyen et al., Min P Sampling)."""
    _share("base", base)

    def least(logits: Array) -> Array:
        return namespace(logits).full_like(logits[..., 0], math.log(base) if base > 0 else -math.inf)

    return above(least)


def desmoothed(epsilon: float) -> Transform:
    """Tokens of probability min(epsilon, sqrt(epsilon) * exp(-entropy)) or more, and the best.

    Source: Hewitt et al., Truncation Sampling as Language Model Desmoothing.
    """
    if not 0 < epsilon < 1:
        raise UserError(f"eta's epsilon lies between 0 and 1, not at {epsilon}")

    def least(logits: Array) -> Array:
        xp = namespace(logits)
        floor = xp.clip(0.5 * math.log(epsilon) - entropy(logits), None, math.log(epsilon))
        return floor - xp.log(xp.max(probabilities(logits), axis=-1))

    return above(least)


def bounded_entropy(alpha: float, most: int) -> Transform:
    """The longest run of most probable tokens whose own entropy is at most `alpha` times the whole law's.

    most: how many tokens are looked at. Source: Potraghloo et al., Top-H Decoding.
    """
    _share("alpha", alpha)

    def kept(logits: Array) -> Array:
        allowed = alpha * entropy(logits)
        return leading(lambda p: _within(p[..., :most], allowed))(logits)

    return kept


def _within(p: Array, allowed: Array) -> Array:
    """How many of the leading probabilities have, made whole again, an entropy of at most `allowed`."""
    xp = namespace(p)
    p = xp.astype(p, xp.float64)
    terms = xp.where(p > 0, -p * xp.log(xp.where(p > 0, p, xp.ones_like(p))), xp.zeros_like(p))
    mass = xp.cumulative_sum(p, axis=-1)
    own = xp.cumulative_sum(terms, axis=-1) / mass + xp.log(mass)
    inside = xp.astype(own <= xp.astype(allowed, xp.float64)[..., None] + 1e-6, xp.int64)
    return xp.sum(xp.cumulative_prod(inside, axis=-1), axis=-1)


def by_entropy(hottest: float, base: float, theta: float) -> Transform:
    """Temperature `hottest * base ** (theta / entropy)`, with 0 < base < 1: the surer the model, the colder.

    Source: Zhang et al., EDT: Improving Large Language Models' Generation by Entropy-based Dynamic Temperature
    Sampling.
    """
    if not (hottest > 0 and 0 < base < 1 and theta >= 0):
        raise UserError(f"edt needs hottest > 0, 0 < base < 1, theta >= 0, not {hottest}, {base}, {theta}")

    def cooled(logits: Array) -> Array:
        xp = namespace(logits)
        sureness = theta / xp.clip(entropy(logits), 1e-6, None)
        t = xp.clip(hottest * xp.exp(sureness * math.log(base)), 1e-3, None)
        return logits / t[..., None]

    return cooled


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise UserError(f"{name} is a share between 0 and 1, not {value}")
