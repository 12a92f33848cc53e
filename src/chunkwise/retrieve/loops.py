"""The search of block-max pruning by loops, for numba to compile: as plain Python they are slow."""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from chunkwise.retrieve.blockmax import LEVELS
from chunkwise.units import Floats, Ints

if TYPE_CHECKING:
    from chunkwise.retrieve.blockmax import Blocks, Search


def by_loops(compiled: Callable[[Any], Any] = lambda loops: loops) -> Search:
    """A `Search` that scores one block at a time; compiled: what makes its loops quick."""
    bounds_of, best_of = compiled(_bounds), compiled(_best)

    def search(
        blocks: Blocks, rows: Ints, weights: Floats, least: np.float32, k: int, alpha: np.float32
    ) -> tuple[Ints, Floats, int]:
        bounds = bounds_of(blocks, rows, weights)
        bounds *= alpha
        waiting = np.flatnonzero(bounds >= least)
        waiting = waiting[np.argsort(-bounds[waiting])]
        found: tuple[Ints, Floats, int] = best_of(blocks, waiting, bounds[waiting], rows, weights, least, k)
        return found

    return search


def _bounds(blocks: Blocks, rows: Ints, weights: Floats) -> Floats:
    """What no score in each block is above; float32 [blocks]."""
    bounds = np.zeros(blocks.number, dtype=np.float32)
    for term, row in enumerate(rows):
        for entry in range(blocks.first[row], blocks.first[row + 1]):
            bounds[blocks.block[entry]] += weights[term] * LEVELS[blocks.bound[entry]]
    return bounds


def _best(
    blocks: Blocks, waiting: Ints, bounds: Floats, rows: Ints, weights: Floats, least: np.float32, k: int
) -> tuple[Ints, Floats, int]:
    """The k best chunks of the waiting blocks, which come with the highest bound first, and how many were scored."""
    turns = np.full(blocks.number, -1, dtype=np.int32)  # of each block
    turns[waiting] = np.arange(len(waiting))
    entries = np.full((len(waiting), len(rows)), -1, dtype=np.int32)
    for term, row in enumerate(rows):  # once through all, in order, which costs less than finding few of them
        for entry in range(blocks.first[row], blocks.first[row + 1]):
            turn = turns[blocks.block[entry]]
            if turn >= 0:
                entries[turn, term] = entry
    # The least of the best first, of equals the last in the index; numba reads the types off what stands in it.
    heap: list[tuple[Any, Any]] = [(np.float32(0), 0) for _ in range(0)]
    scores = np.zeros(blocks.size, dtype=np.float32)
    scored = 0
    for turn, number in enumerate(waiting):
        if bounds[turn] < least:
            break
        opening = number * blocks.size
        for term in range(len(rows)):
            entry = entries[turn, term]
            if entry >= 0:
                for at in range(blocks.begin[entry], blocks.begin[entry + 1]):
                    place, count = blocks.places[at], np.float32(blocks.counts[at])
                    impact = count / (count + blocks.norm[place])
                    scores[blocks.chunk[place] - opening] += weights[term] * impact
        for chunk in range(blocks.size):
            score = scores[chunk]
            scores[chunk] = 0
            scored += score > 0
            if score >= least:
                if len(heap) < k:
                    heapq.heappush(heap, (score, -(opening + chunk)))
                else:
                    heapq.heappushpop(heap, (score, -(opening + chunk)))
                if len(heap) == k:
                    least = max(least, heap[0][0])
    chunks, values = np.empty(len(heap), dtype=np.int64), np.empty(len(heap), dtype=np.float32)
    for at in range(len(heap)):
        values[at], chunks[at] = heap[at][0], -heap[at][1]
    return chunks, values, scored
