"""What came of a comparison: means with their intervals, which differences are noise, as rows and as JSON."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from math import isclose
from statistics import fmean, median
from typing import TYPE_CHECKING, Any

from chunkwise.compare.measures import MEASURES
from chunkwise.evaluate import difference, holm, interval, labels
from chunkwise.evaluate.confidence import FEWEST, LEVEL

if TYPE_CHECKING:
    from chunkwise.compare.run import Comparison
    from chunkwise.evaluate import Cell
    from chunkwise.evaluate.plot import Line

FIELDS = (
    "segment", "retrieve", "select", "embed", "compress", "budget", "recall", "recall_low", "recall_high", "precision",
    "iou", "tokens", "ndcg@10", "recall@10", "boundary_f1", "boundary_pk", "boundary_window_diff", "kept_whole",
    *(name for names in MEASURES.values() for name in names), "chunks", "chunk_tokens", "index_seconds",
    "question_ms", "asked_seconds", "memory_mb", "warnings", "unanswered", "error",
)  # fmt: skip


def rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A flat row for each cell, with the names of FIELDS; measures in 0 to 1, None where the set has no such gold."""
    return [dict(zip(FIELDS, _row(cell), strict=True)) for cell in comparison.cells]


def _row(cell: Cell) -> Iterator[Any]:
    one = cell.pipeline
    yield from (one.segment, one.retrieve, one.select, one.embed, one.compress, cell.budget)
    if cell.recall:
        recall = interval(cell.recall)
        yield from (round(value, 4) for value in (recall.mean, recall.low, recall.high))
        yield from (round(fmean(cell.precision), 4), round(fmean(cell.iou), 4))
    else:
        yield from (None,) * 5
    yield None if cell.error else cell.tokens
    yield from (cell.ranking.get("ndcg@10"), cell.ranking.get("recall@10"))
    yield from (cell.boundaries.get(name) for name in ("f1", "pk", "window_diff", "whole"))
    yield from (cell.measures.get(name) for names in MEASURES.values() for name in names)
    cost = (cell.chunks, cell.chunk_tokens, cell.index_seconds, cell.question_ms, cell.asked_seconds, cell.memory_mb)
    yield from ((None,) * len(cost) if cell.error else cost)
    yield from ("; ".join(cell.warnings), cell.unanswered, cell.error)


def json_report(comparison: Comparison, notes: Sequence[str] = ()) -> dict[str, Any]:
    """The comparison as `chunkwise compare --json` shows it."""
    dataset = comparison.dataset
    return {
        "set": {
            "name": dataset.name, "documents": len(dataset.documents), "questions": len(dataset.questions),
            "characters": sum(len(document.text) for document in dataset.documents),
        },
        "cells": rows(comparison),
        "apart": [
            {"group": group, "questions": count, "pipeline": name, "budget": budget, "recall": recall}
            for group, count, found in apart(comparison)
            for (name, budget), recall in found.items()
        ],
        "verdict": list(summary(comparison)),
        "notes": list(notes),
    }  # fmt: skip


def summary(comparison: Comparison) -> tuple[str, ...]:
    """A plain sentence for each budget: what keeps most, and which of the differences to it are noise.

    A difference is one when the paired bootstrap finds it at 95 %, corrected for how many are looked at (Holm).
    """
    names = dict(zip(comparison.grid.pipelines, labels(comparison.grid.pipelines)[0], strict=True))
    said = []
    for budget in comparison.grid.budgets:
        cells = [cell for cell in comparison.cells if cell.budget == budget and cell.recall]
        if len(cells) < 2:
            continue
        best = max(cells, key=lambda cell: fmean(cell.recall))
        level = [cell for cell in cells if isclose(fmean(cell.recall), fmean(best.recall))]
        others = sorted((cell for cell in cells if cell not in level), key=lambda cell: -fmean(cell.recall))
        gaps = [difference(best.recall, cell.recall) for cell in others]
        alike, behind = list[str](), list[str]()
        for cell, gap, p in zip(others, gaps, holm([gap.p for gap in gaps]), strict=True):
            if p > 1 - LEVEL or len(best.recall) < FEWEST:
                alike.append(names[cell.pipeline])
            else:
                low, high = 100 * gap.low, 100 * gap.high
                behind.append(
                    f"{names[cell.pipeline]} keeps {100 * gap.mean:.1f} points less ({low:.1f} to {high:.1f})"
                )
        leads = f"{_and([names[cell.pipeline] for cell in level])} {'keep' if len(level) > 1 else 'keeps'} most"
        told = f"At {budget:,} tokens {leads if others else 'all keep the same'}, {100 * fmean(best.recall):.1f} %"
        if alike:
            told += f"; the difference to {_and(alike)} is noise on {len(best.recall)} questions"
        said.append(f"{told}{'; ' if behind else ''}{_and(behind)}.")
    return tuple(said)


def apart(comparison: Comparison) -> list[tuple[str, int, dict[tuple[str, int], float]]]:
    """Recall by group of questions, where the grid asks for it: the group, how many, and recall by name and budget."""
    if not comparison.grid.apart:
        return []
    groups: dict[str, list[int]] = defaultdict(list)
    sizes = [sum(part.size for part in one.evidence) for one in comparison.questions]
    middle = median(sizes) if sizes else 0
    for at, (question, size) in enumerate(zip(comparison.questions, sizes, strict=True)):
        if comparison.grid.apart == "group":
            groups[question.group or "others"].append(at)
        else:
            short = size <= middle
            groups[f"evidence {'up to' if short else 'over'} {middle:,.0f} characters"].append(at)
    names = dict(zip(comparison.grid.pipelines, labels(comparison.grid.pipelines)[0], strict=True))
    return [
        (
            group,
            len(members),
            {
                (names[cell.pipeline], cell.budget): round(fmean(cell.recall[at] for at in members), 4)
                for cell in comparison.cells
                if cell.recall
            },
        )
        for group, members in sorted(groups.items(), reverse=comparison.grid.apart == "evidence")
    ]


def lines(comparison: Comparison) -> list[Line]:
    """The comparison as `chunkwise.evaluate.plot` draws it."""
    from chunkwise.evaluate.plot import Line

    pipelines = comparison.grid.pipelines
    made = []
    for pipeline, name in zip(pipelines, labels(pipelines)[0], strict=True):
        cells = [cell for cell in comparison.cells if cell.pipeline == pipeline and cell.recall]
        found = [(cell.budget, interval(cell.recall)) for cell in sorted(cells, key=lambda cell: cell.budget)]
        points = tuple((budget, 100 * one.mean, 100 * one.low, 100 * one.high) for budget, one in found)
        if points:
            cost = f"index {seconds(cells[0].index_seconds)}, question {cells[0].question_ms:.0f} ms"
            made.append(Line(name, cost, points))
    return made


def seconds(value: float) -> str:
    """`0.4 s`, `12 s`, `3.5 min`."""
    return f"{value / 60:.1f} min" if value >= 120 else f"{value:.0f} s" if value >= 10 else f"{value:.1f} s"


def _and(parts: Sequence[str]) -> str:
    return ", ".join(parts[:-1]) + (" and " if len(parts) > 1 else "") + parts[-1] if parts else ""
