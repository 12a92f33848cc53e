"""Lexical evidence: BM25 of every chunk's surroundings at several widths, from one pass of the query's postings."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from chunkwise.store import GAP
from chunkwise.units import Floats, Ints

if TYPE_CHECKING:
    from chunkwise.store.postings import Postings

Terms: TypeAlias = npt.NDArray[np.uint64]

K1, B = 1.5, 0.75


class Lexical:
    """BM25 (Lucene's form: Robertson and Zaragoza, The Probabilistic Relevance Framework) over windows of chunks.

    A window of width w is a chunk with w neighbours of its document on each side; width 0 is the chunk alone. Term
    counts of windows are running sums over the postings, so that every width costs one pass and no index of its own.
    """

    def __init__(self, postings: Postings, widths: Sequence[int] = (0,)) -> None:
        if max(widths) > GAP:
            raise ValueError(f"windows reach at most {GAP} chunks to each side, the gap between documents: {widths}")
        self.postings = postings
        self.widths = tuple(widths)

    @cached_property
    def norms(self) -> list[Floats]:
        """For each width, what a window's length adds to the denominator; float32 [places], infinite in the gaps."""
        norms = []
        place, lengths_alone = self.postings.place, self.postings.lengths
        n, reach = len(lengths_alone), max(self.widths)
        total = running_sum(np.arange(n), lengths_alone, n, reach)
        for width in self.widths:
            lengths = (total[reach + width + 1 :][:n] - total[reach - width :][:n]).astype(np.float32)
            norm = np.full(len(lengths), np.inf, dtype=np.float32)
            if len(place):
                mean = max(1.0, float(lengths[place].mean()))
                norm[place] = K1 * (1 - B + B * lengths[place] / mean)
            norms.append(norm)
        return norms

    def scores(self, terms: Terms) -> tuple[Floats, Floats]:
        """The BM25 score of each chunk's window at each width for the query's terms, and what each term weighs.

        terms: uint64 [t]. Returns float32 [widths, chunks] and the inverse document frequencies, float32 [widths, t].
        """
        postings, chunks, everywhere = self.postings, len(self.postings.place), len(self.postings.lengths)
        reach = max(self.widths)
        scores = np.zeros((len(self.widths), everywhere), dtype=np.float32)
        weights = np.zeros((len(self.widths), len(terms)), dtype=np.float32)
        room = np.empty((2, everywhere), dtype=np.float32)  # reused: fresh large arrays cost more than the sums
        for column, term in enumerate(terms.tolist()):
            places, counts = postings.of_term(term)
            if not len(places):
                continue
            step = _steps(places, reach)
            size = int(step.sum())
            dense = size > everywhere // 3  # then slices over everything beat gathers
            if dense:
                size, total = everywhere, running_sum(places, counts, everywhere, reach)
            else:
                near, at = _surroundings(places, step, reach)
                total = running_sum(at, counts, size, reach)
            for row, norm, width, weight in zip(scores, self.norms, self.widths, weights, strict=True):
                score, below = room[0, :size], room[1, :size]
                np.subtract(total[reach + width + 1 :][:size], total[reach - width :][:size], out=score)
                np.add(score, norm if dense else norm[near], out=below)
                score /= below
                weight[column] = idf(np.count_nonzero(score, keepdims=True), chunks)[0]
                score *= weight[column]
                if dense:
                    row += score
                else:
                    row[near] += score
        # Not scores[:, place], whose rows would lie across memory.
        return scores.take(postings.place, axis=1), weights

    def parts(self, terms: Terms, weights: Floats, chunks: Ints) -> Floats:
        """What each term adds to the scores of some chunks; float32 [widths, n, t], summing over t to `scores`."""
        parts = np.zeros((len(self.widths), len(chunks), len(terms)), dtype=np.float32)
        if not len(chunks):
            return parts
        place, reach = self.postings.place[chunks], max(self.widths)
        order = np.argsort(place)
        near, at = _surroundings(place[order], _steps(place[order], reach), reach)
        at[order] = at.copy()
        where = np.zeros(len(self.postings.lengths), dtype=np.int64)  # a near place stands in the running sums
        where[near] = np.arange(len(near)) + (reach + 1)
        total = np.zeros((len(near) + 2 * reach + 1, len(terms)), dtype=np.float32)
        for column, term in enumerate(terms.tolist()):
            places, counts = self.postings.of_term(term)
            rows = where[places]
            total[rows[rows > 0], column] = counts[rows > 0]
        np.cumsum(total, axis=0, out=total)
        for part, norm, width, weight in zip(parts, self.norms, self.widths, weights, strict=True):
            np.subtract(total[at + (reach + width + 1)], total[at + (reach - width)], out=part)
            part *= weight / (part + norm[place][:, None])
        return parts


def together(parts: Floats, weights: Floats) -> Floats:
    """How much of the question stands in each chunk itself, squared: all pairs of its terms, by weight; float32 [n].

    parts: float32 [n, t], what each term adds to a chunk's score; weights: float32 [t]. BM25 adds terms up, so that
    much of one counts as much as a little of each; here one chunk that holds them all is ahead.
    """
    share: Floats = (parts > 0) @ weights / max(float(weights.sum()), 1e-9)
    return share * share


def idf(found: Ints, chunks: int) -> Floats:
    """What terms weigh that `found` [t] of all `chunks` hold: Lucene's inverse document frequency, above zero."""
    weights: Floats = np.log1p((chunks - found + 0.5) / (found + 0.5)).astype(np.float32)
    return weights


def running_sum(
    at: npt.NDArray[np.integer], values: npt.NDArray[np.integer], n: int, reach: int
) -> npt.NDArray[np.floating]:
    """Running sums from which every window of n places is one difference; float32 [n + 2 reach + 1].

    values [m] whole numbers at the places `at` [m], zero elsewhere. The sum over place i and w <= reach neighbours on
    both sides is `sums[i + reach + w + 1] - sums[i + reach - w]`. float64 where the whole is past 2**24, which
    float32 does not count exactly.
    """
    exact = np.float32 if values.sum(dtype=np.int64) < 2**24 else np.float64
    sums: npt.NDArray[np.floating] = np.zeros(n + 2 * reach + 1, dtype=exact)
    sums[at + (reach + 1)] = values
    np.cumsum(sums, out=sums)
    return sums


def _steps(places: npt.NDArray[np.integer], reach: int) -> Ints:
    """How many of the places within `reach` of `places`, ascending, each adds to those that the one before reaches."""
    return np.minimum(np.diff(places, prepend=places[0] - 2 * reach - 1), 2 * reach + 1).astype(np.int64)


def _surroundings(places: npt.NDArray[np.integer], step: Ints, reach: int) -> tuple[Ints, Ints]:
    """All places within `reach` of `places`, ascending, and where among them `places` are; linear, no sorting.

    step: their `_steps`. Runs that do not touch lie side by side in the result, with `reach` places without the term
    between them and the next posting on either side: a window of up to that reach sees nothing of its neighbour run.
    """
    at = np.cumsum(step) - 1 - reach
    return np.repeat(places - at, step) + np.arange(step.sum()), at
