"""Relative representations: two embedders' spaces compared by their similarities to the same anchor texts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chunkwise.units import Floats, Ints

CONSIDERED = 20_000  # vectors that anchors are chosen among
RIDGE = 0.1  # of the map: of the same scale as one anchor's share


def spread_out(vectors: npt.NDArray[np.float16], count: int) -> Ints:
    """Rows [count] that stand far from each other: each the one least like all those before it (farthest first).

    Seeded. Fewer where there are fewer different rows. int64, ascending.
    """
    n = len(vectors)
    offered = np.sort(np.random.default_rng(0).permutation(n)[:CONSIDERED])
    rows = vectors[offered].astype(np.float32)
    chosen = list[int]()
    nearest = np.full(len(rows), -1, dtype=np.float32)
    nearest[:1] = -2  # the first row begins
    while len(chosen) < min(count, len(rows)):
        at = int(nearest.argmin())
        if nearest[at] > 1 - 2e-3:  # half precision: what is left is as good as chosen
            break
        chosen.append(at)
        nearest = np.maximum(nearest, rows @ rows[at])
        nearest[at] = np.inf
    return np.sort(offered[chosen])


@dataclass(frozen=True)
class Relative:
    """A space seen from its anchors: how like each of them a vector is, in standard deviations of that anchor.

    anchors: float32 [a, d], unit rows. Two embedders that were shown the same anchor texts give alike readings, however
    their spaces are turned.
    """

    anchors: Floats
    mean: Floats
    spread: Floats

    @classmethod
    def seen_from(cls, anchors: Floats, vectors: Floats) -> Relative:
        """The readings' mean and spread are those of `vectors` [n, d]."""
        readings = vectors @ anchors.T
        return cls(anchors, readings.mean(axis=0), np.maximum(readings.std(axis=0), 1e-6))

    def __call__(self, vectors: Floats) -> Floats:
        """The readings of `vectors` [n, d] at unit length; float32 [n, a]."""
        readings = (vectors @ self.anchors.T - self.mean) / self.spread
        lengths = np.maximum(np.linalg.norm(readings, axis=1, keepdims=True), 1e-9)
        return np.asarray(readings / lengths, dtype=np.float32)


def mapped(vectors: Floats, theirs: Floats, ours: Floats) -> Floats:
    """Vectors [n, e] of one space in another by the linear map that takes the anchors there; unit rows [n, d].

    theirs: float32 [a, e]; ours: float32 [a, d]; least squares with a ridge.
    """
    inner = theirs.T @ theirs + RIDGE * np.eye(theirs.shape[1], dtype=np.float32)
    moved = vectors @ np.linalg.solve(inner, theirs.T @ ours)
    return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-9), dtype=np.float32)
