"""What a text has said before, as a correction of what a model expects next."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chunkwise.units import Floats, Ints

MEMORY = 1 << 15  # positions; each one remembers its own block up to itself, and the whole block before
STRENGTHS = {3: 128.0, 4: 32.0, 6: 16.0, 8: 8.0, 12: 4.0}  # by bytes of context: what the chance before counts for


def recalled(read: npt.NDArray[np.uint8], nats: Floats) -> Floats:
    """The nats of the last len(nats) of the bytes `read`, given a model's own nats for them; float32, same shape.

    For each context of 3 to 12 bytes, shortest first, p = (times this byte followed + s p') / (times it was seen + s),
    p' what stood before: the Dirichlet prior of MacKay and Peto 1995, "A hierarchical Dirichlet language model", with
    the model itself at its root. The strengths s were chosen on eight texts, that of the set "articles" of
    benchmarks/boundaries.py among them. 64 KiB are remembered at most, and what is depends on where a byte stands in
    `read` alone. Linear in the text; the chances of all bytes still add up to 1.
    """
    chances = np.exp(-nats.astype(np.float64))
    told = len(read) - len(nats)
    for start in range(told // MEMORY * MEMORY, len(read), MEMORY):
        begin, first, stop = max(0, start - MEMORY), max(start, told), min(start + MEMORY, len(read))
        known = read[begin:stop].astype(np.uint64) + np.uint64(1)
        here = slice(first - told, stop - told)
        context = np.zeros(len(known), np.uint64)
        for back in range(1, max(STRENGTHS) + 1):
            context = _mixed(context, np.concatenate((np.zeros(min(back, len(known)), np.uint64), known[:-back])))
            if back in STRENGTHS:
                seen, followed = _before(context)[first - begin :], _before(_mixed(context, known))[first - begin :]
                chances[here] = (followed + STRENGTHS[back] * chances[here]) / (seen + STRENGTHS[back])
    return -np.log(chances).astype(np.float32)


def _mixed(hashes: npt.NDArray[np.uint64], values: npt.NDArray[np.uint64]) -> npt.NDArray[np.uint64]:
    mixed = (hashes ^ values) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    return mixed


def _before(keys: npt.NDArray[np.uint64]) -> Ints:
    """How many times each key stands before its place."""
    order = np.argsort(keys, kind="stable")
    arranged = keys[order]
    places = np.arange(len(keys))
    first = np.concatenate(([True], arranged[1:] != arranged[:-1]))
    counts = np.empty(len(keys), np.int64)
    counts[order] = places - np.maximum.accumulate(np.where(first, places, 0))
    return counts
