"""Elements that are near in place and in meaning, clustered."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chunkwise.units import Floats, Ints

_ROUNDS = 20  # of k-means; it settles in fewer


def weights(centres: Floats, vectors: Floats, unit: float) -> npt.NDArray[np.float64]:
    """How near each two elements are: the mean of 1 / (1 + distance) and the cosine; float64 [n, n], zero diagonal.

    centres: float32 [n, 2]; unit: the length that distances are measured in; vectors: float32 [n, d], rows of length 1.
    A negative cosine counts as 0, so that no weight does harm.
    """
    apart = np.linalg.norm(centres[:, None].astype(np.float64) - centres[None], axis=2) / unit
    near: npt.NDArray[np.float64] = (1 / (1 + apart) + np.clip(np.float64(vectors @ vectors.T), 0, 1)) / 2
    np.fill_diagonal(near, 0)
    return near


def clusters(near: npt.NDArray[np.float64], count: int) -> Ints:
    """The label of each of n nodes; int64 [n], from 0 to `count` - 1. Deterministic.

    Spectral clustering: the `count` first eigenvectors of the normalised Laplacian, rows scaled to length 1, k-means
    begun at the nodes farthest from one another. Cubic in n: for a few hundred nodes at a time.
    """
    size = len(near)
    if count >= size or count <= 1:
        return np.arange(size) if count > 1 else np.zeros(size, dtype=np.int64)
    root = 1 / np.sqrt(np.maximum(near.sum(axis=1), 1e-12))
    _, found = np.linalg.eigh(root[:, None] * near * root[None])
    rows = found[:, -count:]
    rows = rows / np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-12)
    centres = rows[_far_apart(rows, count)]
    labels = np.zeros(size, dtype=np.int64)
    for _ in range(_ROUNDS):
        nearest = (rows @ centres.T * 2 - (centres**2).sum(axis=1)).argmax(axis=1)
        if (nearest == labels).all():
            break
        labels = nearest
        member = np.eye(count)[labels]
        held = member.sum(axis=0)
        centres = np.where(held[:, None] > 0, (member.T @ rows) / np.maximum(held, 1)[:, None], centres)
    return labels


def _far_apart(rows: npt.NDArray[np.float64], count: int) -> list[int]:
    """`count` rows, each the farthest from those before it, beginning with the first."""
    chosen = [0]
    gap = ((rows - rows[0]) ** 2).sum(axis=1)
    while len(chosen) < count:
        chosen.append(int(gap.argmax()))
        gap = np.minimum(gap, ((rows - rows[chosen[-1]]) ** 2).sum(axis=1))
    return chosen
