"""Choice: which pipeline to use, by questions that none of them was tuned on, and how sure that is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

import numpy as np

from chunkwise.evaluate import OURS, Cell, Pipeline, difference

RESAMPLES = 10_000
SURE = 0.8  # share of resamples in which it must beat our default, to be chosen in its place


@dataclass(frozen=True, slots=True)
class Choice:
    """sure: the share of resamples of the held-out questions in which it keeps most; why: in words."""

    pipeline: Pipeline
    sure: float
    why: tuple[str, ...]


def choose(cells: Sequence[Cell]) -> Choice | None:
    """The cell that keeps most of the evidence; our default stands unless it is beaten in most resamples.

    cells: one for each pipeline, all of the same budget and the same held-out questions. None when none was measured.
    """
    found = [cell for cell in cells if cell.recall]
    if not found:
        return None
    best = max(found, key=lambda cell: (fmean(cell.recall), cell.pipeline == OURS, -cell.question_ms))
    own = next((cell for cell in found if cell.pipeline == OURS), None)
    chosen, why = best, list[str]()
    if own is not None and best is not own:
        beats = _beats(best, own)
        gap = difference(best.recall, own.recall)
        told = (
            f"{best.pipeline.name} keeps {100 * gap.mean:+.1f} points beside our default "
            f"({100 * gap.low:+.1f} to {100 * gap.high:+.1f}) and is ahead in {beats:.0%} of resamples"
        )
        if beats < SURE:
            chosen = own
            why.append(f"{told}: too few to leave the default for it")
        else:
            why.append(told)
    sure = _leads([cell for cell in found if cell is not chosen], chosen)
    kept = 100 * fmean(chosen.recall)
    why.insert(
        0,
        f"{chosen.pipeline.name} keeps {kept:.1f} % of the evidence at {chosen.budget:,} tokens on "
        f"{len(chosen.recall)} held-out question{'' if len(chosen.recall) == 1 else 's'}"
        + (f"; none of the {len(found)} keeps more in {sure:.0%} of resamples" if len(found) > 1 else ""),
    )
    return Choice(chosen.pipeline, sure, tuple(why))


def _drawn(n: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    return np.random.default_rng(0).integers(0, n, (RESAMPLES, n))


def _beats(one: Cell, other: Cell) -> float:
    """The share of resamples in which `one` keeps more."""
    gaps = np.subtract(one.recall, other.recall)[_drawn(len(one.recall))].mean(axis=1)
    return float((gaps > 1e-12).mean())


def _leads(others: Sequence[Cell], chosen: Cell) -> float:
    """The share of resamples in which nothing else keeps more."""
    drawn = _drawn(len(chosen.recall))
    own = np.array(chosen.recall)[drawn].mean(axis=1)
    most = np.max([np.array(cell.recall)[drawn].mean(axis=1) for cell in others], axis=0) if others else own
    return float((own >= most - 1e-12).mean())
