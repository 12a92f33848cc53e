"""Gain: what an item would add to the set that is already chosen, for all items at once.

n items; scores and gains float32 [n], per unit of cost; vectors [n, d], rows of length 1 or 0.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from chunkwise.select.arrays import Array, namespace

# What an item is worth, against its score, once its group has had its quota: still more than nothing.
BEYOND = 1e-6


class Gain(Protocol):
    """The value of a growing set, seen one item at a time; per unit of cost, so that a greedy choice can compare."""

    def __call__(self) -> Array:
        """What each item would add per unit of cost to the set as it stands; [n]."""

    def take(self, index: int) -> None:
        """Put an item into the set."""


def scaled(scores: Array) -> Array:
    """The scores as shares of the best one, so that they can be weighed against cosines; as they are if none is > 0."""
    xp = namespace(scores)
    peak = float(xp.max(scores)) if scores.shape[0] else 0.0
    return scores / peak if peak > 0 else scores


class Relevance:
    """The score alone: a set is worth the sum of its scores, each times its cost."""

    def __init__(self, scores: Array) -> None:
        self._scores = scores

    def __call__(self) -> Array:
        """The scores, whatever is in."""
        return self._scores

    def take(self, index: int) -> None:
        """A modular value does not change."""


class Concave:
    """Aspects whose worth per unit falls as evidence for them is gathered: sum over aspects of worth * slope(gathered).

    worth, evidence: [n, a], what an item's aspects are worth per unit of cost and what taking it adds to the evidence;
    slope: of a concave function, elementwise, so that the set's value is monotone and submodular (concave over
    modular); lasting: [n], what does not fade.
    """

    def __init__(
        self, worth: Array, evidence: Array, slope: Callable[[Array], Array], lasting: Array | float = 0.0
    ) -> None:
        self._worth, self._evidence, self._slope, self._lasting = worth, evidence, slope, lasting
        xp = namespace(worth)
        self._gathered = xp.zeros(worth.shape[1], dtype=evidence.dtype, device=worth.device)

    def __call__(self) -> Array:
        """Each item's aspects at their present slopes, and what does not fade."""
        return self._worth @ self._slope(self._gathered) + self._lasting

    def take(self, index: int) -> None:
        """Add the item's evidence to every aspect."""
        self._gathered += self._evidence[index]


class Coverage(Concave):
    """Relevance whose aspects saturate: what has been said of one part of the question counts less the next time.

    The value of a set S is sum over aspects a of G(x_a) with x_a = sum over i in S of cost_i * aspect_i,a and
    G'(x) = floor + (1 - floor) * exp(-x / (scale * strength_a)): for such values the better of greedy by gain per unit
    of cost and the best single item is within (1 - 1/e) / 2 of the optimum (Leskovec et al., Cost-effective Outbreak
    Detection in Networks; Lin and Bilmes, A Class of Submodular Functions for Document Summarization). strength_a is
    the aspect's largest value among the items. The search takes greedy's set as it is: where no item costs more than a
    share c of the budget, that alone keeps 1 - exp(c - 1) of the optimum.

    aspects: [n, a], how much of each score speaks to each part, or None where the score is one aspect.
    """

    def __init__(
        self, scores: Array, costs: Array, aspects: Array | None = None, scale: float = 600.0, floor: float = 0.2
    ) -> None:
        xp = namespace(scores)
        if aspects is None:
            aspects = scores[:, None]
        n, a = aspects.shape
        strength = xp.clip(xp.max(aspects, axis=0), 1e-9, None) if n else xp.ones(a, dtype=scores.dtype)
        fading = (1 - floor) * aspects
        # -x_a / (scale * strength_a), what the slope is the exponential of.
        evidence = xp.astype(costs[:, None] * aspects / (-scale * strength), xp.float32)
        # What no aspect explains does not saturate, and no aspect falls below its floor.
        super().__init__(fading, evidence, xp.exp, scores - xp.sum(fading, axis=1))


class Redundancy:
    """How much of an item is in the set already: its largest cosine with those taken, never below 0."""

    def __init__(self, vectors: Array) -> None:
        xp = namespace(vectors)
        self._vectors = vectors
        self._nearest = xp.zeros(vectors.shape[0], dtype=vectors.dtype, device=vectors.device)

    def __call__(self) -> Array:
        """[n], 0 for all while nothing is in."""
        return self._nearest

    def take(self, index: int) -> None:
        """See who is now nearer."""
        xp = namespace(self._vectors)
        self._nearest = xp.maximum(self._nearest, self._vectors @ self._vectors[index])


class Distance:
    """How far an item is from the nearest one taken, as 1 - cosine, at most 1: greedy by it is farthest-first.

    Greedy's largest distance left is at most twice the least that any set of as many centres leaves (Gonzalez,
    Clustering to Minimize the Maximum Intercluster Distance; the triangle inequality holds for the angle, of which
    1 - cosine is an increasing function).
    """

    def __init__(self, vectors: Array) -> None:
        self._redundancy = Redundancy(vectors)

    def __call__(self) -> Array:
        """[n]; of one that says the same as one taken, to rounding, exactly 0."""
        xp = namespace(self._redundancy())
        apart = 1 - self._redundancy()
        return xp.where(apart > 1e-5, apart, 0.0)

    def take(self, index: int) -> None:
        """A centre more."""
        self._redundancy.take(index)


class LogDet:
    """Information in nats that an item's noisy reading gives about all items: 1/2 log(1 + variance left / noise).

    Items are jointly Gaussian with covariance worth_i * worth_j * cosine_ij, so a set's value is the log-determinant
    1/2 log det(I + K_S / noise), monotone and submodular; one more column of its Cholesky factor for each one taken.
    Source: Chen, Zhang and Zhou, Fast Greedy MAP Inference for Determinantal Point Process to Improve Recommendation
    Diversity.
    """

    def __init__(self, worth: Array, vectors: Array, noise: float = 0.1) -> None:
        xp = namespace(vectors)
        self._rows = worth[:, None] * vectors
        self._left = xp.sum(self._rows * self._rows, axis=1)
        self._noise = noise
        self._factor: list[Array] = []

    def __call__(self) -> Array:
        """Nats, [n]."""
        xp = namespace(self._left)
        return 0.5 * xp.log1p(xp.clip(self._left, 0.0, None) / self._noise)

    def take(self, index: int) -> None:
        """Condition on the item."""
        column = self._rows @ self._rows[index]
        for earlier in self._factor:
            column = column - earlier * earlier[index]
        column = column / (float(self._left[index]) + self._noise) ** 0.5
        self._factor.append(column)
        self._left = self._left - column * column


class Quota:
    """The score while an item's group has quota left for it; next to nothing of it afterwards.

    So greedy first spends every group's quota on the group's best, and then what is left on the best of all.
    groups: int64 [n], from 0 to g - 1; quotas: [g], in units of cost.
    """

    def __init__(self, scores: Array, costs: Array, groups: Array, quotas: Array) -> None:
        self._scores, self._costs, self._groups = scores, costs, groups
        self._room = quotas + 0.0  # a copy

    def __call__(self) -> Array:
        """[n]."""
        return namespace(self._scores).where(self.within(), self._scores, BEYOND * self._scores)

    def within(self) -> Array:
        """Whether each item still fits into what is left of its group's quota; bool [n]."""
        return self._costs <= self._room[self._groups]

    def take(self, index: int) -> None:
        """Charge the item to its group."""
        self._room[self._groups[index]] -= float(self._costs[index])


class Weighted:
    """Several gains added, each by its weight and under a name, which is what an explanation needs."""

    def __init__(self, **parts: tuple[float, Gain]) -> None:
        self._parts = {name: part for name, part in parts.items() if part[0]}
        self._terms: dict[str, Array] = {}

    def __call__(self) -> Array:
        """[n]."""
        self._terms = {name: weight * gain() for name, (weight, gain) in self._parts.items()}
        first, *others = self._terms.values()
        return sum(others, start=first)

    def take(self, index: int) -> None:
        """Put the item into the set that each part sees."""
        for _, gain in self._parts.values():
            gain.take(index)

    def why(self, index: int) -> str:
        """The item's gain when last looked at, in words: `relevance 0.90 + coverage 0.12 - redundancy 0.30`."""
        terms = [(name, float(values[index])) for name, values in self._terms.items()]
        text = " ".join([f"{'-' if value < 0 else '+'} {name} {abs(value):.2f}" for name, value in terms])
        return text.removeprefix("+ ")
