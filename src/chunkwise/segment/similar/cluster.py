"""The best clusters of neighbouring sentences: an exact split into runs, by dynamic programming over their vectors."""

from __future__ import annotations

import numpy as np

from chunkwise.segment.similar.signal import running_sums
from chunkwise.segment.threshold import Breaks
from chunkwise.units import Floats, Ints

_MOST = 512  # sentences in a run, what keeps the cost linear in the text where sizes are without bound
_BLOCK = 512  # runs' ends at a time, what keeps the memory small


def best_runs(vectors: Floats, tokens: Ints, size: int, strictness: float) -> Breaks:
    """Where one run of alike sentences ends and the next begins; bool [n - 1].

    vectors: float32 [n, d] of unit length; tokens: int64 [n]. Of all splits into runs of at most `size` tokens it is
    the one of least cost: the squared distances of the sentences from their run's mean, and for each run `strictness`
    times half the mean squared distance of neighbours, which is about what a cut saves where the topic stays. Exact;
    time O(n x sentences that fit in `size` x d).
    """
    n = len(vectors)
    sums = running_sums(vectors)
    squares = np.einsum("ij,ij->i", sums, sums)
    ends = np.concatenate(([0], np.cumsum(tokens)))
    places = np.arange(n + 1)
    fits = np.searchsorted(ends, ends - size)
    earliest = np.clip(fits, places - _MOST, places - 1)  # a sentence that is too long stands alone
    price = strictness * float(1 - np.einsum("ij,ij->i", vectors[1:], vectors[:-1]).mean()) if n > 1 else 0.0
    costs, begins = np.zeros(n + 1), np.zeros(n + 1, dtype=np.int64)
    for first in range(1, n + 1, _BLOCK):
        last = min(first + _BLOCK, n + 1)
        low = int(earliest[first])
        products = sums[first:last] @ sums[low:last].T
        for end in range(first, last):
            start = int(earliest[end])
            lengths = np.arange(end - start, 0, -1)
            within = squares[end] + squares[start:end] - 2 * products[end - first, start - low : end - low]
            total = costs[start:end] + lengths - within / lengths
            begins[end] = start + int(total.argmin())
            costs[end] = total[begins[end] - start] + price
    found = np.zeros(n + 1, dtype=bool)
    at = n
    while at > 0:
        at = int(begins[at])
        found[at] = True
    return found[1:n]
