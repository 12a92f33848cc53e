"""Recall, precision and IoU of packed character ranges against the gold ones, and the bootstrap of a difference."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from chunkwise import evaluate
from chunkwise.units import Span

from .sets import Gold, Range


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
    found = evaluate.difference(ours.recall, theirs.recall)
    return found.mean, found.low, found.high


def _overlap(packed: list[Range], gold: Gold) -> tuple[float, float, float]:
    """Recall, precision and IoU in characters; a character counts once however often it was packed.

    Where any one range will do, recall is 1 if one of them is whole in the packed text, 0 otherwise.
    """
    got, wanted = _evidence(packed), _evidence(gold.ranges)
    found = evaluate.span_scores(got, evaluate.Question("", wanted))
    if not gold.any_of:
        return found
    return float(any(evaluate.covered([part], got) == part.size for part in wanted)), found.precision, found.iou


def _evidence(ranges: Iterable[Range]) -> tuple[evaluate.Evidence, ...]:
    return tuple(evaluate.Evidence(document, Span(start, end)) for document, start, end in ranges)
