"""Storage codes: vectors in fewer bytes, and a query's similarity to each of them as they are stored."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt

from chunkwise.errors import UserError
from chunkwise.retrieve.dense import signs_apart
from chunkwise.store import signs
from chunkwise.units import Floats

BLOCK = 4096  # rows that are widened to float32 at a time
SAMPLE, ROUNDS, CENTRES = 8192, 8, 256  # of k-means


@dataclass(frozen=True, slots=True)
class Coded:
    """n vectors as they are stored. bytes_per_vector: of the codes alone; scores: float32 [n] for a query [d]."""

    bytes_per_vector: float
    scores: Callable[[Floats], Floats]


Code: TypeAlias = Callable[[npt.NDArray[Any]], Coded]
"""Unit vectors [n, d] to what is stored of them."""


def code(name: str, parts: int = 0) -> Code:
    """The code of that name: float16, int8, binary, truncated or pq.

    parts: dimensions that "truncated" keeps (a quarter by default), or pieces that "pq" cuts a vector into (one for
    every eight dimensions). Raises UserError for another name.
    """
    codes: dict[str, Code] = {
        "float16": float16,
        "int8": int8,
        "binary": binary,
        "truncated": lambda vectors: truncated(vectors, parts or max(1, vectors.shape[1] // 4)),
        "pq": lambda vectors: product_quantised(vectors, parts or max(1, vectors.shape[1] // 8)),
    }
    if name not in codes:
        raise UserError(f"no storage code {name!r}; there are {', '.join(codes)}")
    if parts < 0:
        raise UserError(f"parts={parts} of a vector cannot be kept; give 1 or more, or 0 for the code's own")
    return codes[name]


def float16(vectors: npt.NDArray[Any]) -> Coded:
    """Half precision, two bytes a dimension: what the store keeps."""
    kept = vectors.astype(np.float16, copy=False)
    return Coded(2 * kept.shape[1], lambda query: _products(kept, query))


def int8(vectors: npt.NDArray[Any]) -> Coded:
    """One byte a dimension, each dimension scaled to its own largest value."""
    scale = np.maximum(np.abs(vectors).max(axis=0, initial=0).astype(np.float32), 1e-9) / 127
    kept = np.rint(vectors / scale).astype(np.int8)
    return Coded(kept.shape[1], lambda query: _products(kept, scale * query))


def binary(vectors: npt.NDArray[Any]) -> Coded:
    """The signs, one bit a dimension: the store's own scan. Scores are the cosine that shared signs tell of."""
    d, bits = vectors.shape[1], signs(vectors)
    return Coded(d / 8, lambda query: np.cos(np.pi * signs_apart(bits, query).astype(np.float32) / d))


def truncated(vectors: npt.NDArray[Any], dimensions: int) -> Coded:
    """The first dimensions, at unit length again, as float16; made for models that were trained for it."""
    dimensions = min(dimensions, vectors.shape[1])
    rows = vectors[:, :dimensions].astype(np.float32)
    rows /= np.maximum(np.linalg.norm(rows, axis=1, keepdims=True), 1e-9)
    kept = rows.astype(np.float16)
    return Coded(2 * dimensions, lambda query: _products(kept, query[:dimensions]))


def product_quantised(vectors: npt.NDArray[Any], parts: int) -> Coded:
    """Product quantisation (Jegou et al. 2011): each of `parts` pieces by the number of the nearest of 256 centres.

    Centres are fitted by k-means to at most SAMPLE of the vectors, seeded; they are shared, so not counted in bytes.
    """
    n, d = vectors.shape
    pieces = np.array_split(np.arange(d), min(parts, d))
    chosen = np.sort(np.random.default_rng(0).permutation(n)[:SAMPLE])
    sample = vectors[chosen].astype(np.float32)
    centres = [_centres(sample[:, piece]) for piece in pieces]
    kept = np.empty((len(pieces), n), np.uint8)
    for start in range(0, n, BLOCK):
        block = vectors[start : start + BLOCK].astype(np.float32)
        for row, piece, centre in zip(kept, pieces, centres, strict=True):
            row[start : start + BLOCK] = _nearest(block[:, piece], centre)

    def scores(query: Floats) -> Floats:
        total = np.zeros(n, np.float32)
        for row, piece, centre in zip(kept, pieces, centres, strict=True):
            total += (centre @ query[piece])[row]
        return total

    return Coded(len(pieces), scores)


def _products(kept: npt.NDArray[Any], query: Floats) -> Floats:
    found = np.empty(len(kept), np.float32)
    for start in range(0, len(kept), BLOCK):
        found[start : start + BLOCK] = kept[start : start + BLOCK].astype(np.float32) @ query
    return found


def _centres(rows: Floats) -> Floats:
    """At most CENTRES means of clusters of the rows, by Lloyd's k-means from rows drawn at random."""
    different = np.unique(rows, axis=0)
    start = np.random.default_rng(0).permutation(len(different))[:CENTRES]
    centres: Floats = different[start] if len(start) else np.zeros((1, rows.shape[1]), np.float32)
    for _ in range(ROUNDS):
        nearest = _nearest(rows, centres)
        counts = np.bincount(nearest, minlength=len(centres))
        sums = np.zeros_like(centres)
        np.add.at(sums, nearest, rows)
        filled = counts > 0
        centres = np.where(filled[:, None], sums / np.maximum(counts, 1)[:, None], centres).astype(np.float32)
    return centres


def _nearest(rows: Floats, centres: Floats) -> npt.NDArray[np.intp]:
    return np.asarray((0.5 * (centres**2).sum(1) - rows @ centres.T).argmin(1))
