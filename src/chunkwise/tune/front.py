"""Front: what nothing else beats."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from statistics import fmean
from typing import NamedTuple

from chunkwise.evaluate import Cell, Pipeline


class Point(NamedTuple):
    """A pipeline at one budget: tokens that the reader is given (mean), milliseconds a question (median), recall."""

    pipeline: Pipeline
    budget: int
    tokens: float
    milliseconds: float
    recall: float


def points(cells: Iterable[Cell]) -> list[Point]:
    """A point for each cell that was measured."""
    return [
        Point(cell.pipeline, cell.budget, cell.tokens, cell.question_ms, fmean(cell.recall))
        for cell in cells
        if cell.recall
    ]


def front(found: Sequence[Point], cost: str = "tokens") -> list[Point]:
    """The points with more recall than any that costs no more, from the cheapest up.

    cost: "tokens" or "milliseconds". Of points that are alike in both the first one stands.
    """
    order = sorted(range(len(found)), key=lambda at: (getattr(found[at], cost), -found[at].recall, at))
    leading: list[Point] = []
    for at in order:
        if not leading or found[at].recall > leading[-1].recall:
            leading.append(found[at])
    return leading
