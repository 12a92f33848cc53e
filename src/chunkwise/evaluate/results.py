"""What was measured, kept line by line, so that a run that is stopped anywhere is gone on with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chunkwise.evaluate.grid import Pipeline


@dataclass(frozen=True, slots=True)
class Cell:
    """One pipeline at one budget.

    recall, precision, iou: of every question with evidence, in order, 0 to 1; tokens: mean of what the reader was
    given; ranking: nDCG@10 and recall@10 of graded documents; boundaries: F1, Pk and WindowDiff of the cut, and the
    share of what should stay whole that does, where the set knows; chunks, chunk_tokens: how many there are, and their
    mean size; measures: what was asked for besides, by name.
    Cost: index_seconds to cut, embed and store; question_ms, the median of a question whose vectors are made;
    asked_seconds for all questions and budgets, with the vectors made on the way but no answers; memory_mb, the peak of
    the process. warnings: what fell back, with how often; unanswered: whether a model that was needed could not be had,
    so that this is not what the recipe does; error: why there is nothing else.
    """

    pipeline: Pipeline
    budget: int
    recall: tuple[float, ...] = ()
    precision: tuple[float, ...] = ()
    iou: tuple[float, ...] = ()
    tokens: float = 0.0
    ranking: Mapping[str, float] = field(default_factory=dict)
    boundaries: Mapping[str, float] = field(default_factory=dict)
    measures: Mapping[str, float] = field(default_factory=dict)
    chunks: int = 0
    chunk_tokens: float = 0.0
    index_seconds: float = 0.0
    question_ms: float = 0.0
    asked_seconds: float = 0.0
    memory_mb: float = 0.0
    warnings: tuple[str, ...] = ()
    unanswered: bool = False
    error: str = ""


class Results:
    """Cells by what determines them, one JSON line each; a line that a killed run left torn is passed over."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._known: dict[str, Cell] = {}
        self._torn = False
        if path.exists():
            text = path.read_text(encoding="utf-8", errors="replace")
            self._torn = bool(text) and not text.endswith("\n")
            for line in text.split("\n"):
                self._read(line)

    def get(self, key: str) -> Cell | None:
        """The cell of that key, if it was measured."""
        return self._known.get(key)

    def add(self, key: str, cell: Cell) -> None:
        """Keep a cell; on the disk when this returns."""
        line = json.dumps({"key": key, **asdict(cell)}, allow_nan=False)
        with self.path.open("a", encoding="utf-8") as file:
            file.write(f"{chr(10) if self._torn else ''}{line}\n")
        self._torn = False
        self._known[key] = cell

    def _read(self, line: str) -> None:
        try:
            found: dict[str, Any] = json.loads(line)
            key, pipeline = found.pop("key"), Pipeline(**found.pop("pipeline"))
            listed = {name: tuple(value) for name, value in found.items() if isinstance(value, list)}
            self._known[key] = Cell(pipeline, **{**found, **listed})
        except (ValueError, TypeError, KeyError, AttributeError):
            return
