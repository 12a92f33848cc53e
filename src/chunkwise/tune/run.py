"""The search by halving on one half of the questions, and what its finalists keep on the other half."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from chunkwise.budget import Budget
from chunkwise.compare import Step, compare
from chunkwise.errors import UserError
from chunkwise.evaluate import OURS, Cell, Dataset, Grid, Pipeline, Question
from chunkwise.tune.choice import Choice, choose
from chunkwise.tune.halving import halved, rungs
from chunkwise.tune.space import space

if TYPE_CHECKING:
    from chunkwise.models import Supplies

WORK = ".chunkwise-tune"
FINALISTS = 4
SEARCH = 0.5  # share of the time that the search may take; the rest is for the held-out questions
FEWEST = 4  # questions; with fewer there is nothing to hold out


@dataclass(frozen=True, slots=True)
class Trial:
    """How far a run is: trials done of those planned, what is tried, and the seconds that are left."""

    done: float
    of: int
    doing: str
    left: float


@dataclass(frozen=True, slots=True)
class Tuned:
    """What came of it.

    tried: the cells of the search, the latest of each pipeline, at the largest budget; held_out: those of the
    finalists and of our default on questions that took no part in the search, at every budget; questions: how many
    those are; choice: None when no finalist could be measured; finished: whether the time was enough for the whole
    search.
    """

    budget: int
    tried: tuple[Cell, ...]
    held_out: tuple[Cell, ...]
    questions: int
    choice: Choice | None
    finished: bool


def tune(
    dataset: Dataset,
    budget: int = 1500,
    minutes: float = 10.0,
    work: str | Path = WORK,
    *,
    pipelines: Sequence[Pipeline] | None = None,
    tokenizer: str = "o200k_base",
    llm: str | None = None,
    supplies: Supplies | None = None,
    seed: int = 0,
    progress: Callable[[Trial], None] = lambda trial: None,
    clock: Callable[[], float] = time.monotonic,
) -> Tuned:
    """The pipeline to use on these documents under `budget` tokens, found in `minutes`, and how sure that is.

    Half of the questions, drawn by `seed`, choose the finalists among `pipelines` (our own space unless given) by
    successive halving; the other half decides. Every trial is measured at a quarter, a half and the whole of the
    budget, so that the front in tokens is seen as well. The clock is looked at before each trial: a run is over its
    time by one trial at the most. work: where indexes and results are kept; the same call goes on with what is there.
    Raises UserError for too few questions with evidence, a budget that buys nothing, or no time.
    """
    if Budget.of(budget).tokens < 1:
        raise UserError("a budget of 0 tokens buys nothing to tune for; give 1 or more")
    if minutes <= 0:
        raise UserError(f"{minutes:g} minutes are no time to tune in; give more, such as --minutes 10")
    search, held = _halves([one for one in dataset.questions if one.text.strip() and one.evidence], seed)
    run = _Run(dataset, budget, Path(work), tokenizer, llm, supplies, progress, clock, clock() + 60 * minutes)
    arms = space(seed=seed) if pipelines is None else tuple(pipelines)
    run.planned = sum(rung.arms for rung in rungs(len(arms), len(search))) + FINALISTS + 1
    stop = run.end - 60 * minutes * (1 - SEARCH)
    latest: dict[Pipeline, Cell] = {}

    def tried(pipeline: Pipeline, count: int) -> float | None:
        cells = run.measured(pipeline, search[:count], "searching")
        if not cells:
            return None
        latest[pipeline] = cells[-1]
        return fmean(fmean(cell.recall) for cell in cells)

    order = halved(arms, len(search), tried, lambda: clock() >= stop)
    finished = clock() < stop
    finalists = [pipeline for pipeline in order if pipeline in latest][:FINALISTS]
    held_out: list[Cell] = []
    for number, pipeline in enumerate(dict.fromkeys([*finalists[:1], OURS, *finalists[1:]])):
        if number and clock() >= run.end:
            finished = False
            break
        held_out += run.measured(pipeline, held, "deciding")
    choice = choose([cell for cell in held_out if cell.budget == budget])
    return Tuned(budget, tuple(latest.values()), tuple(held_out), len(held), choice, finished)


def _halves(questions: list[Question], seed: int) -> tuple[list[Question], list[Question]]:
    """The questions to search with and those to decide by, in an order drawn by the seed."""
    if len(questions) < FEWEST:
        raise UserError(
            f"{len(questions)} question{'' if len(questions) == 1 else 's'} with evidence: too few to tune with and to"
            f" hold some out; give {FEWEST} or more, better 100"
        )
    drawn = [questions[at] for at in np.random.default_rng(seed).permutation(len(questions)).tolist()]
    middle = len(drawn) // 2
    return drawn[:middle], drawn[middle:]


@dataclass(slots=True)
class _Run:
    dataset: Dataset
    budget: int
    work: Path
    tokenizer: str
    llm: str | None
    supplies: Supplies | None
    progress: Callable[[Trial], None]
    clock: Callable[[], float]
    end: float
    planned: int = 0
    begun: int = 0

    def measured(self, pipeline: Pipeline, questions: Sequence[Question], stage: str) -> list[Cell]:
        """One trial: the pipeline's cells by budget, ascending; none when it failed."""
        before = self.begun
        self.begun += 1

        def tell(step: Step) -> None:
            left = max(0.0, self.end - self.clock())
            of = max(self.planned, self.begun)
            self.progress(Trial(before + step.done / max(1, step.of), of, f"{stage}: {pipeline.name}", left))

        budgets = tuple(dict.fromkeys(max(1, self.budget // share) for share in (4, 2, 1)))
        grid = Grid((), budgets=budgets, beside=(pipeline,))
        found = compare(
            replace(self.dataset, questions=tuple(questions)), grid, self.work,
            tokenizer=self.tokenizer, llm=self.llm, supplies=self.supplies, progress=tell,
        )  # fmt: skip
        return [cell for cell in found.cells if cell.recall]
