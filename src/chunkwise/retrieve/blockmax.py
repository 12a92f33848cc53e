"""Block-max pruning: the k best by BM25, exactly, while only those blocks are scored that could hold one of them."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

from chunkwise.retrieve.lexical import Lexical, Terms, idf
from chunkwise.units import Floats, Ints

if TYPE_CHECKING:
    from chunkwise.store.postings import Postings

# What eight bits stand for: shares of a term's weight, which BM25's saturation keeps from exceeding one.
LEVELS = (np.arange(256) / 255).astype(np.float32)
# Each term's k-th best impact is kept for these k: no k-th best score of a question that has the term is less.
RANKS = (10, 100, 1000)
TINY = float(np.finfo(np.float32).tiny)  # the least score that is one
# Postings looked through at a time while the blocks are made, so that it takes little memory.
STRETCH = 2**21
# Blocks scored at first, and how many times as many each time after, where they are scored by arrays.
FIRST, GROWTH = 32, 2


class Found(NamedTuple):
    """chunks: int64 [n], best first; scores: float32 [n]; scored: how many chunks were scored to find them."""

    chunks: Ints
    scores: Floats
    scored: int


NOTHING = Found(np.zeros(0, np.int64), np.zeros(0, np.float32), 0)


class Blocks(NamedTuple):
    """The postings in blocks of consecutive chunks; an entry is a term in a block that holds it.

    places, counts: int32 [postings]; norm: float32 [places]; chunk: int32 [places], the number of each one's chunk;
    first: int64 [terms + 1], where each term's entries begin; block: int32 [entries], ascending within a term; begin:
    int32 [entries + 1], where each entry's postings begin; bound: uint8 [entries], the level that no impact of the term
    in the block is above; size: chunks in a block; number: of blocks.
    """

    places: npt.NDArray[np.int32]
    counts: npt.NDArray[np.int32]
    norm: Floats
    chunk: npt.NDArray[np.int32]
    first: Ints
    block: npt.NDArray[np.int32]
    begin: npt.NDArray[np.int32]
    bound: npt.NDArray[np.uint8]
    size: int
    number: int


# Blocks; rows int64 [t], the terms asked for, ascending; weights float32 [t]; the least score that counts; k; alpha.
# Returns chunks in no order, the k best among them, with their scores, and how many were scored.
Search: TypeAlias = Callable[[Blocks, Ints, Floats, np.float32, int, np.float32], tuple[Ints, Floats, int]]


class BlockMax:
    """Bounds of each term's impact in blocks of `size` consecutive chunks, beside the postings.

    A term's impact in a chunk is the share of its weight that it adds to the score: count / (count + norm). Bounds are
    rounded up to eight bits. Bounds and scores are sums in one order of terms, and float addition is monotone: a
    block's bound is no less than any score in it, to the last bit. Smaller blocks bound more tightly and have more
    entries, of nine bytes each. Where numba is installed the search is compiled.

    size: 1 to 255. Source: Mallia, Suel and Tonellotto, Faster Learned Sparse Retrieval with Block-Max Pruning.
    """

    def __init__(self, lexical: Lexical, size: int = 8, search: Search | None = None) -> None:
        postings, norm = lexical.postings, lexical.norms[0]
        chunk = np.zeros(len(postings.lengths), dtype=np.int32)
        chunk[postings.place] = np.arange(len(postings.place), dtype=np.int32)
        nothing = (
            np.zeros(0, np.int32),
            np.zeros(0, np.int32),
            np.zeros(0, np.uint8),
            np.zeros((0, len(RANKS)), np.uint8),
        )
        parts, start, block_of = [nothing], 0, chunk // np.int32(size)
        while start < len(postings.terms):
            enough = int(np.searchsorted(postings.first, postings.first[start] + STRETCH, "right")) - 1
            stop = max(start + 1, enough)
            parts.append(_entries(postings, norm, block_of, start, stop))
            start = stop
        block, begin, bound, self._ranked = map(np.concatenate, zip(*parts, strict=True))
        first = np.searchsorted(begin, postings.first)
        begin = np.append(begin, np.int32(len(postings.places)))
        number = -(-len(postings.place) // size)
        self._terms, self._weights = postings.terms, idf(np.diff(postings.first), len(postings.place))
        self._blocks = Blocks(
            postings.places, postings.counts, norm, chunk, first, block, begin, bound, size, number
        )  # fmt: skip
        self._search = search or fastest()

    def best(self, terms: Terms, k: int, r: float = 1.0, alpha: float = 1.0) -> Found:
        """The k chunks with the largest BM25 scores above zero, ties in index order.

        terms: uint64 [t], ascending; r: the share of those in the index that is asked for, by weight; alpha: what a
        block's bound is multiplied by before it is compared. Exact with r = alpha = 1; less of either scores fewer.
        """
        if k < 1 or not len(self._terms):
            return NOTHING
        rows = np.searchsorted(self._terms, terms)
        rows = rows[self._terms.take(rows, mode="clip") == terms]
        if r < 1:
            rows = np.sort(rows[np.argsort(-self._weights[rows], kind="stable")[: math.ceil(r * len(rows))]])
        if not len(rows):
            return NOTHING
        weights, least = self._weights[rows], TINY
        if (rank := bisect_left(RANKS, k)) < len(RANKS):
            least = max(least, float((weights * LEVELS[self._ranked[rows, rank]]).max()))
        chunks, scores, scored = self._search(self._blocks, rows, weights, np.float32(least), k, np.float32(alpha))
        order = np.lexsort((chunks, -scores))[:k]
        return Found(chunks[order], scores[order], scored)


def _entries(
    postings: Postings, norm: Floats, block: npt.NDArray[np.int32], start: int, stop: int
) -> tuple[npt.NDArray[np.int32], npt.NDArray[np.int32], npt.NDArray[np.uint8], npt.NDArray[np.uint8]]:
    """Of the terms from `start` to `stop`: each entry's block, begin and bound; each term's k-th best impacts.

    block: int32 [places], the block of each one's chunk. The k-th best are uint8 [t, ranks], levels rounded down.
    """
    first = postings.first[start : stop + 1]
    opening = int(first[0])
    places = postings.places[opening : first[-1]]
    counts = postings.counts[opening : first[-1]].astype(np.float32)
    impacts = counts / (counts + norm[places])
    block = block[places]
    opens = np.append(True, block[1:] != block[:-1])
    opens[first[:-1] - opening] = True
    begin = np.flatnonzero(opens)
    bound = np.searchsorted(LEVELS, np.maximum.reduceat(impacts, begin)).astype(np.uint8)
    sizes = np.diff(first)
    descending = 256 - np.searchsorted(LEVELS, impacts, "right") + 256 * np.repeat(np.arange(len(sizes)), sizes)
    descending.sort()  # by term, then from the best
    ranked = np.zeros((len(sizes), len(RANKS)), dtype=np.uint8)
    for column, rank in enumerate(RANKS):
        enough = np.flatnonzero(sizes >= rank)
        ranked[enough, column] = 255 - descending[first[enough] - opening + rank - 1] % 256
    return block[begin], (begin + opening).astype(np.int32), bound, ranked


@cache
def fastest() -> Search:
    """The search by loops, compiled, where numba is installed, by arrays elsewhere; the same scores to the last bit."""
    try:
        import numba
    except ImportError:
        return by_arrays
    from chunkwise.retrieve.loops import by_loops

    return by_loops(numba.njit(cache=True, error_model="numpy"))


def by_arrays(
    blocks: Blocks, rows: Ints, weights: Floats, least: np.float32, k: int, alpha: np.float32
) -> tuple[Ints, Floats, int]:
    """A `Search` that scores many blocks at a time."""
    spans = [slice(*ends) for ends in zip(blocks.first[rows].tolist(), blocks.first[rows + 1].tolist(), strict=True)]
    block = np.concatenate([blocks.block[span] for span in spans])
    bound = np.concatenate([blocks.bound[span] for span in spans])
    sizes = np.array([span.stop - span.start for span in spans])
    ends = np.cumsum(sizes)
    bounds = np.zeros(blocks.number, dtype=np.float32)
    np.add.at(bounds, block, np.repeat(weights, sizes) * LEVELS.take(bound))
    bounds *= alpha
    height = bounds.take(block)
    alive = np.flatnonzero(height >= least)
    height, term = height[alive], np.searchsorted(ends, alive, "right")
    entry = alive + (blocks.first[rows] - ends + sizes)[term]
    chunks, scores, scored = np.zeros(0, np.int64), np.zeros(0, np.float32), 0
    waiting, above, take = np.sort(bounds[bounds >= least]), np.float32(np.inf), FIRST
    while len(waiting):
        below = waiting[-min(take, len(waiting))]
        now = np.flatnonzero((height >= below) & (height < above))
        found, values = _scored(blocks, entry[now], weights[term[now]])
        scored += len(found)
        good = values >= least
        chunks, scores = np.concatenate([chunks, found[good]]), np.concatenate([scores, values[good]])
        if len(chunks) >= k:
            least = np.partition(scores, -k)[-k]
        waiting = waiting[np.searchsorted(waiting, least) : np.searchsorted(waiting, below)]
        above, take = below, take * GROWTH
    return chunks, scores, scored


def _scored(blocks: Blocks, entry: Ints, weight: Floats) -> tuple[Ints, Floats]:
    """The chunks that some entries' postings stand in, ascending, and their scores."""
    begin = blocks.begin[entry].astype(np.int64)
    size = blocks.begin[entry + 1] - begin
    at = np.repeat(begin - (np.cumsum(size) - size), size)
    at += np.arange(len(at))
    places = blocks.places.take(at)
    impacts = blocks.counts.take(at).astype(np.float32)
    impacts /= impacts + blocks.norm.take(places)
    impacts *= np.repeat(weight, size)
    chunks, row = np.unique(blocks.chunk.take(places), return_inverse=True)
    scores = np.zeros(len(chunks), dtype=np.float32)
    np.add.at(scores, row, impacts)
    return chunks.astype(np.int64), scores
