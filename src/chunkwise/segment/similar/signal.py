"""Sentences to vectors, each embedded once, and how far the two sides of every gap are from each other."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from chunkwise.errors import EndpointError, FallbackWarning
from chunkwise.models import Embed
from chunkwise.segment.sentence import sentence_bounds
from chunkwise.units import Document, Floats, Ints

SHORTEST = 20  # non-blank characters of a sentence here: in longer ones, good for search, some joints lie within
_AT_ONCE = 4096  # sentences an embedder is given in one call, which sorts them by length and batches them itself


def short_sentences(document: Document) -> Ints:
    """Where the sentences begin that are compared, and where the last one ends; int64 [n + 1]."""
    return sentence_bounds(document, SHORTEST)


def sentence_vectors(embed: Embed, document: Document, bounds: Ints) -> Floats:
    """One vector for each sentence; float32 [n, d] of unit length for bounds [n + 1].

    Where the embedder fails or answers nonsense it is what came before, [m, d] with m < n, and a FallbackWarning.
    """
    text, edges = document.text, bounds.tolist()
    texts = [text[start:end] for start, end in pairwise(edges)]
    got: list[Floats] = []
    for first in range(0, len(texts), _AT_ONCE):
        part = texts[first : first + _AT_ONCE]
        wrong = ""
        try:
            vectors = np.asarray(embed(part), dtype=np.float32)
        except EndpointError as error:
            wrong = str(error)
        else:
            if vectors.ndim != 2 or len(vectors) != len(part) or not np.isfinite(vectors).all():
                wrong = f"no {len(part)} vectors of finite numbers but an array {vectors.shape}"
        if wrong:
            where = f"{document.source}: cut by size alone from character {edges[first]}"
            warnings.warn(FallbackWarning(f"{where}, since the embedder failed: {wrong}"), stacklevel=3)
            break
        got.append(vectors)
    return np.concatenate(got) if got else np.zeros((0, 1), dtype=np.float32)


def distances(vectors: Floats, around: int) -> Floats:
    """How far up to `around` sentences before each gap are from as many after it; float32 [n - 1], 0 to 2.

    1 - cosine of the two means, which are running sums over the sentences' own vectors. The two groups share no
    sentence: those that do, as windows around each sentence, blur the joint that they should show.
    """
    gaps = np.arange(1, len(vectors))
    sums = _running(vectors)
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


def _running(vectors: Floats) -> npt.NDArray[np.float64]:
    """Sums of the first 0, 1, ... n rows; [n + 1, d]."""
    return np.concatenate((np.zeros((1, vectors.shape[1])), np.cumsum(vectors, axis=0, dtype=np.float64)))
