"""Group: which candidates belong together."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from chunkwise.errors import UserError
from chunkwise.select.arrays import Array, namespace
from chunkwise.select.search import farthest_first
from chunkwise.units import Candidates, Floats, Ints

_ROUNDS = 20  # of k-means; it settles in fewer


def grouping(by: str, count: int) -> Callable[[Candidates], Ints]:
    """What tells each candidate's group, int64 [n], numbered from 0 by the best of their candidates.

    by: "document", "section" (the headings or qualified name in a document) or "cluster" (of vectors, `count` of them).
    Where candidates do not say where they stand it is clusters, and one single group without vectors. Raises UserError
    for another word.
    """
    if by not in ("document", "section", "cluster"):
        raise UserError(f"cannot group by {by!r}; write by=document, by=section or by=cluster")

    def groups(offered: Candidates) -> Ints:
        if by == "section" and offered.paths is not None:
            return sections(offered)
        if by != "cluster" and offered.documents is not None:
            return numbered(offered.documents.tolist())
        if offered.vectors is not None:
            return numbered(clusters(offered.vectors, count).tolist())
        return np.zeros(len(offered), dtype=np.int64)

    return groups


def sections(offered: Candidates) -> Ints:
    """The section that each candidate stands in: its document and its headings, as far as they are known."""
    documents = [0] * len(offered) if offered.documents is None else offered.documents.tolist()
    paths = [()] * len(offered) if offered.paths is None else offered.paths
    return numbered(list(zip(documents, paths, strict=True)))


def numbered(names: list[object]) -> Ints:
    """A number for each name, from 0 in the order in which they are first met; int64 [n]."""
    known: dict[object, int] = {}
    return np.array([known.setdefault(name, len(known)) for name in names], dtype=np.int64)


def clusters(vectors: Array, count: int) -> Array:
    """The nearest of at most `count` centres for each row of vectors [n, d], by cosine; int64 [n]. Deterministic.

    Spherical k-means, begun at rows that are far apart, the first row among them.
    """
    xp, n = namespace(vectors), vectors.shape[0]
    labels = xp.zeros(n, dtype=xp.int64, device=vectors.device)
    if not n:
        return labels
    centres = vectors[farthest_first(vectors, count)]
    numbers = xp.arange(centres.shape[0], device=vectors.device)
    for _ in range(_ROUNDS):
        nearest = xp.argmax(vectors @ centres.T, axis=1)
        if xp.all(nearest == labels):
            break
        labels = nearest
        member = xp.astype(labels[:, None] == numbers, vectors.dtype)
        sums = member.T @ vectors
        length = xp.sqrt(xp.sum(sums * sums, axis=1))[:, None]
        centres = xp.where(length > 0, sums / xp.clip(length, 1e-12, None), centres)
    return labels


def strata(scores: Floats, count: int) -> Ints:
    """The stratum of each score, of `count` equally wide ones from the best score (0) to the least; int64 [n]."""
    if not len(scores):
        return np.zeros(0, dtype=np.int64)
    best, least = float(scores.max()), float(scores.min())
    depth = (best - scores.astype(np.float64)) / (best - least) if best > least else np.zeros(len(scores))
    return np.minimum((depth * count).astype(np.int64), count - 1)
