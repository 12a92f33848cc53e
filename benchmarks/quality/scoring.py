"""Recall, precision and IoU of packed character ranges against the gold ones, and the bootstrap of a difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from .sets import Gold, Range

RESAMPLES = 10_000


@dataclass(frozen=True, slots=True)
class Packed:
    """What was handed over for one question and budget: where it stands, and its tokens, counted for all alike."""

    ranges: list[Range]
    tokens: int


@dataclass(frozen=True, slots=True)
class Scores:
    """One row at one budget over one view, each float64 [questions of the view], in percent; tokens as counted."""

    recall: npt.NDArray[np.float64]
    precision: npt.NDArray[np.float64]
    iou: npt.NDArray[np.float64]
    tokens: npt.NDArray[np.float64]

    def means(self) -> dict[str, float]:
        """The four means, rounded for a table."""
        return {
            "recall": round(float(self.recall.mean()), 2),
            "precision": round(float(self.precision.mean()), 2),
            "iou": round(float(self.iou.mean()), 2),
            "tokens": round(float(self.tokens.mean()), 1),
        }


def score(packs: Iterable[Packed], golds: Iterable[Gold | None]) -> Scores:
    """Scores of `packs` over the questions that have a gold."""
    pairs = [(pack, gold) for pack, gold in zip(packs, golds, strict=True) if gold is not None]
    rows = np.array([(*_overlap(pack.ranges, gold), pack.tokens) for pack, gold in pairs], dtype=np.float64)
    return Scores(100 * rows[:, 0], 100 * rows[:, 1], 100 * rows[:, 2], rows[:, 3])


def difference(ours: Scores, theirs: Scores) -> tuple[float, float, float]:
    """Mean difference of recall in points and its 95 % interval: bootstrap over the questions, which are paired."""
    gaps = ours.recall - theirs.recall
    drawn = np.random.default_rng(0).integers(0, len(gaps), (RESAMPLES, len(gaps)), dtype=np.int32)
    low, high = np.quantile(gaps[drawn].mean(axis=1), (0.025, 0.975))
    return float(gaps.mean()), float(low), float(high)


def _overlap(packed: list[Range], gold: Gold) -> tuple[float, float, float]:
    """Recall, precision and IoU in characters; a character counts once however often it was packed.

    Where any one range will do, recall is 1 if one of them is whole in the packed text, 0 otherwise.
    """
    got, wanted = _merged(packed), _merged(gold.ranges)
    shared = _shared(got, wanted)
    total_got, total_wanted = _length(got), _length(wanted)
    recall = shared / total_wanted
    if gold.any_of:
        recall = float(any(_shared(got, [part]) == part[2] - part[1] for part in gold.ranges))
    return recall, shared / total_got if total_got else 0.0, shared / (total_got + total_wanted - shared)


def _merged(ranges: Iterable[Range]) -> list[Range]:
    merged: list[Range] = []
    for document, start, end in sorted(ranges):
        if merged and merged[-1][0] == document and start <= merged[-1][2]:
            merged[-1] = (document, merged[-1][1], max(end, merged[-1][2]))
        else:
            merged.append((document, start, end))
    return merged


def _shared(first: list[Range], second: list[Range]) -> int:
    return sum(
        max(0, min(end, other_end) - max(start, other_start))
        for document, start, end in second
        for other, other_start, other_end in first
        if document == other
    )


def _length(ranges: Iterable[Range]) -> int:
    return sum(end - start for _, start, end in ranges)
