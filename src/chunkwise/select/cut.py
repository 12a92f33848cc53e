"""Cut: how far down a ranking to go.

Every rule takes `scores` [..., n], descending along the last axis, and gives how many of the leading ones to keep,
int64 [...]: one number for one ranking, one for each head of a batch.
"""

from __future__ import annotations

from chunkwise.select.arrays import Array, namespace


def top_k(scores: Array, k: int) -> Array:
    """k, or all where there are fewer."""
    xp = namespace(scores)
    return xp.full(scores.shape[:-1], max(0, min(k, scores.shape[-1])), dtype=xp.int64, device=scores.device)


def threshold(scores: Array, least: float) -> Array:
    """Those that are not below `least`."""
    xp = namespace(scores)
    return xp.sum(scores >= least, axis=-1, dtype=xp.int64)


def nucleus(scores: Array, mass: float) -> Array:
    """The fewest that hold `mass` of the scores' sum; scores are not negative. One at the least, if there is one.

    Source: Holtzman et al., The Curious Case of Neural Text Degeneration.
    """
    xp, n = namespace(scores), scores.shape[-1]
    if not n:
        return top_k(scores, 0)
    held = xp.cumulative_sum(xp.astype(scores, xp.float64), axis=-1)
    short = held < mass * held[..., -1:] * (1 - 1e-7)
    return xp.clip(1 + xp.sum(short, axis=-1, dtype=xp.int64), 1, n)


def sharp_drop(scores: Array, ratio: float, at_least: int = 1) -> Array:
    """Those before the first that scores less than `ratio` times the one ahead of it; the first `at_least` stay.

    All where no score falls so sharply. From zero or below any fall is sharp.
    Source: Zhang et al., SAGE: A Framework of Precise Retrieval for RAG (gradient selection).
    """
    xp, n = namespace(scores), scores.shape[-1]
    if n < 2:
        return top_k(scores, n)
    place = xp.arange(1, n, device=scores.device)  # how many stand before the fall
    falls = (scores[..., 1:] < ratio * scores[..., :-1]) & (place >= at_least)
    return xp.where(xp.any(falls, axis=-1), 1 + xp.argmax(xp.astype(falls, xp.int8), axis=-1), n)


def elbow(scores: Array, outlier: float = 2.0) -> Array:
    """Those before the fall that stands out from all falls by `outlier` standard deviations.

    Where none stands out: those before the place where the curve bends most, its largest second difference. All where
    it does not bend, as when the scores are equal. Scores are finite.
    Source: Prabhu et al., METEORA: Ranking Free RAG using LLM Driven Rationales.
    """
    xp, n = namespace(scores), scores.shape[-1]
    if n < 3:
        return top_k(scores, n)
    scores = xp.astype(scores, xp.float64)
    falls = scores[..., :-1] - scores[..., 1:]
    spread = xp.std(falls, axis=-1)
    whole = scores[..., 0] - scores[..., -1]
    bends = falls[..., :-1] - falls[..., 1:]
    stands_out = xp.max(falls, axis=-1) - xp.mean(falls, axis=-1) >= outlier * spread
    straight = xp.max(bends, axis=-1) <= 1e-6 * whole
    count = 1 + xp.where(stands_out, xp.argmax(falls, axis=-1), xp.argmax(bends, axis=-1))
    return xp.where(straight | (spread <= 1e-6 * whole), n, count)
