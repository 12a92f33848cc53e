"""Units of a text to vectors, and what happens where an embedder fails."""

from __future__ import annotations

import warnings
from itertools import pairwise

import numpy as np

from chunkwise.errors import EndpointError, UnansweredWarning
from chunkwise.models import Embed
from chunkwise.units import Document, Floats, Ints

_AT_ONCE = 4096  # units an embedder is given in one call, which sorts them by length and batches them itself


def unit_vectors(embed: Embed, document: Document, bounds: Ints) -> Floats:
    """One vector for each unit of the text, embedded once; float32 [n, d] of unit length for bounds int64 [n + 1].

    Where the embedder fails or answers nonsense it is what came before, [m, d] with m < n, and an UnansweredWarning.
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
            instead = f"cut by size alone from character {edges[first]}"
            warnings.warn(UnansweredWarning(document.source, f"the embedder failed: {wrong}", instead), stacklevel=3)
            break
        got.append(vectors)
    return np.concatenate(got) if got else np.zeros((0, 1), dtype=np.float32)
