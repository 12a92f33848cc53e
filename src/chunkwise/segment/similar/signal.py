"""How far the two sides of every gap between sentences are from each other."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chunkwise.segment.sentence import sentence_bounds
from chunkwise.units import Document, Floats, Ints

SHORTEST = 20  # non-blank characters of a sentence here: in longer ones, good for search, some joints lie within


def short_sentences(document: Document) -> Ints:
    """Where the sentences begin that are compared, and where the last one ends; int64 [n + 1]."""
    return sentence_bounds(document, SHORTEST)


def distances(vectors: Floats, around: int) -> Floats:
    """How far up to `around` sentences before each gap are from as many after it; float32 [n - 1], 0 to 2.

    1 - cosine of the two means, which are running sums over the sentences' own vectors. The two groups share no
    sentence: those that do, as windows around each sentence, blur the joint that they should show.
    """
    gaps = np.arange(1, len(vectors))
    sums = running_sums(vectors)
    before = sums[gaps] - sums[np.maximum(gaps - around, 0)]
    after = sums[np.minimum(gaps + around, len(vectors))] - sums[gaps]
    lengths = np.sqrt(np.einsum("ij,ij->i", before, before) * np.einsum("ij,ij->i", after, after))
    alike = np.einsum("ij,ij->i", before, after) / np.maximum(lengths, 1e-12)
    return np.asarray(1 - alike, dtype=np.float32)


def peaks(signal: Floats) -> npt.NDArray[np.bool_]:
    """Wherever the signal is not lower than its two neighbours; bool [n]."""
    found = np.ones(len(signal), dtype=bool)
    found[1:] &= signal[1:] >= signal[:-1]
    found[:-1] &= signal[:-1] >= signal[1:]
    return found


def centred(vectors: Floats) -> Floats:
    """The vectors without what they all have in common, again of unit length; rows that are the mean become zero."""
    rest = vectors - vectors.mean(axis=0)
    lengths = np.sqrt(np.einsum("ij,ij->i", rest, rest))
    return np.asarray(rest / np.maximum(lengths, 1e-6)[:, None], dtype=np.float32)


def running_sums(vectors: Floats) -> npt.NDArray[np.float64]:
    """Sums of the first 0, 1, ... n rows; float64 [n + 1, d]."""
    return np.concatenate((np.zeros((1, vectors.shape[1])), np.cumsum(vectors, axis=0, dtype=np.float64)))
