"""Dense evidence: the nearest vectors, exactly, by a one-bit scan and full-precision rescoring."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chunkwise.store import signs
from chunkwise.units import Floats, Ints

# The scan keeps this many times k (and at least LEAST) for rescoring.
KEEP, LEAST = 8, 512


def nearest(
    matrix: npt.NDArray[np.float16], bits: npt.NDArray[np.uint64], query: Floats, k: int
) -> tuple[Ints, Floats]:
    """The k rows of `matrix` with the largest cosine to `query`, descending, ties to the earlier row.

    matrix: float16 [n, d], unit rows; bits: uint64 [n, ceil(d / 64)], its signs; query: float32 [d], unit length.
    Rows are ranked by how many signs they share with the query, then the best of them by their full vectors.
    """
    n = len(matrix)
    keep = max(LEAST, KEEP * k)
    chosen = np.arange(n)
    if n > 2 * keep:
        chosen = np.sort(np.argpartition(signs_apart(bits, query), keep)[:keep])
    cosines = matrix[chosen].astype(np.float32) @ query
    order = np.argsort(-cosines, kind="stable")[:k]
    return chosen[order], cosines[order]


def signs_apart(bits: npt.NDArray[np.uint64], query: Floats) -> npt.NDArray[np.uint16]:
    """In how many dimensions each row's sign differs from the query's; uint16 [n]. The angle, one bit a dimension."""
    apart = np.zeros(len(bits), dtype=np.uint16)
    for column, sign in enumerate(signs(query[None])[0]):
        apart += np.bitwise_count(bits[:, column] ^ sign)
    return apart
