"""Readings: candidates that are read together, in the order in which they stand in the index."""

from __future__ import annotations

import numpy as np

from chunkwise.units import Candidates, Ints


def readings(offered: Candidates, size: int, adjoining: bool) -> list[Ints]:
    """Runs of candidates of at most `size` tokens, or one that is longer; indices, int64, in the order of the index.

    adjoining: whether a run holds adjoining chunks of one document alone, or goes on across gaps and documents.
    """
    order = np.argsort(offered.ids, kind="stable").astype(np.int64)
    apart = ~adjoins(offered, order[:-1], order[1:]) if adjoining else np.zeros(max(0, len(order) - 1), dtype=bool)
    starts, filled = [0], 0
    for place, cost in enumerate(offered.costs[order].tolist()):
        if place and (apart[place - 1] or filled + cost > size):
            starts.append(place)
            filled = 0
        filled += cost
    return np.split(order, starts[1:]) if len(order) else []


def adjoins(offered: Candidates, first: Ints, second: Ints) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    """Whether each of `second` stands right after its counterpart in `first`, in the same document; bool [m]."""
    follows = offered.ids[second] - offered.ids[first] == 1
    if offered.documents is not None:
        follows &= offered.documents[second] == offered.documents[first]
    return np.asarray(follows, dtype=np.bool_)


def text(offered: Candidates, reading: Ints) -> str:
    """What a reading says."""
    assert offered.texts is not None
    return " ".join(offered.texts[index].strip() for index in reading.tolist())
