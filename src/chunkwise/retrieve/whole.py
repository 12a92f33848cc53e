"""Whole: a short document bought as one thing."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from chunkwise.units import Floats, Ints

if TYPE_CHECKING:
    from chunkwise.retrieve.corpus import Corpus


def drawn_up(corpus: Corpus, chunks: Ints, scores: Floats) -> Floats:
    """The scores of `chunks` [n], those of a short document's chunks all as large as its best one's; float32 [n].

    A selector that goes by score per token then takes the document whole while it fits.
    """
    found = scores.copy()
    short = np.flatnonzero(corpus.read_whole[chunks])
    if len(short):
        _, which = np.unique(corpus.snapshot.document[chunks[short]], return_inverse=True)
        peaks = np.full(which.max() + 1, -np.inf, dtype=np.float32)
        np.maximum.at(peaks, which, scores[short])
        found[short] = peaks[which]
    return found
