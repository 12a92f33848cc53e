"""Every pipeline of a grid on the same questions, each at the same budgets of tokens."""

from __future__ import annotations

import contextlib
import fcntl
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from chunkwise import recipe
from chunkwise.budget import Budget
from chunkwise.compare.answers import Reader
from chunkwise.compare.asked import Given, given, milliseconds, scored
from chunkwise.compare.cuts import boundaries, means
from chunkwise.compare.fallen import Fallen
from chunkwise.compare.indexes import Indexes, megabytes, said
from chunkwise.compare.keys import key, of_gold
from chunkwise.compare.measures import checked, of_cut
from chunkwise.embed import embedder
from chunkwise.errors import FallbackWarning, ModelError, UserError, heard
from chunkwise.evaluate import Cell, Dataset, Grid, Pipeline, Question, Results, measured
from chunkwise.supplies import supplies

if TYPE_CHECKING:
    from chunkwise.index import Index
    from chunkwise.models import Supplies

WORK = ".chunkwise-compare"


@dataclass(frozen=True, slots=True)
class Step:
    """How far a comparison is: questions asked of all there are to ask, and what is being done."""

    done: int
    of: int
    doing: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """What came of it: a cell for every pipeline and budget, pipelines in the order of the grid."""

    dataset: Dataset
    grid: Grid
    cells: tuple[Cell, ...]

    @property
    def questions(self) -> tuple[Question, ...]:
        """Those with evidence, which recall, precision and IoU of every cell are of, in that order."""
        return tuple(question for question in self.dataset.questions if question.evidence)


def compare(
    dataset: Dataset,
    grid: Grid,
    work: str | Path = WORK,
    *,
    tokenizer: str = "o200k_base",
    eager: bool = False,
    llm: str | None = None,
    supplies: Supplies | None = None,
    measures: Collection[str] = (),
    progress: Callable[[Step], None] = lambda step: None,
) -> Comparison:
    """Every pipeline of the grid on the questions of the set, each at every budget.

    Budgets pay for the passages' own text alone (`labels=False`), so that all readers are given the same. work: the
    folder that indexes and results are kept in; what is there for the same documents, questions and settings is not
    measured again. eager: contextual vectors for every chunk when it is indexed. llm: "URL#model" for recipes that ask
    one, and for the measure "answers"; supplies: what makes the models of recipes, in place of that and of each
    pipeline's embedder. measures: of MEASURES, what costs and is therefore only measured when it is asked for.

    A pipeline that fails is a cell with an `error`; one whose cut a model was to make, and gave no answer, is measured
    as it fell back and `unanswered`. Both are tried anew the next time. Raises UserError for a grid that
    asks for what there is not, a set without questions, and a folder that another comparison is writing to.
    """
    wanted = checked(measures)
    _check(dataset, grid, llm, supplies)
    with _held(Path(work)) as folder:
        run = _Run(dataset, grid, folder, tokenizer, eager, llm, supplies, wanted, progress)
        return Comparison(dataset, grid, run.cells())


def _check(dataset: Dataset, grid: Grid, llm: str | None, given: Supplies | None) -> None:
    """Refuse at once what would only fail half-way."""
    if not grid.budgets:
        raise UserError("no budget to compare at; give one or more, such as 250,500,1000")
    for budget in grid.budgets:
        if Budget.of(budget).tokens < 1:
            raise UserError("a budget of 0 tokens buys nothing to compare; give 1 or more")
    if not grid.pipelines:
        raise UserError("nothing to compare; name recipes, such as recursive:size=200,sentence")
    for pipeline in grid.pipelines:
        for family in ("segment", "retrieve", "select", "compress"):
            if (spec := getattr(pipeline, family)) != "none" or family != "compress":
                recipe.check(spec, family)
    models = {**supplies(llm=llm), **(given or {})}
    for embed in {pipeline.embed for pipeline in grid.pipelines} - {"none"}:
        with contextlib.suppress(ModelError):  # what cannot be had on this machine is said in the rows that need it
            embedder(embed, models)
    if not (dataset.boundaries or dataset.wholes) and not any(
        one.evidence or one.relevant for one in dataset.questions
    ):
        raise UserError(f"{dataset.name}: no question with evidence, no graded document: there is nothing to score")


@contextlib.contextmanager
def _held(work: Path) -> Iterator[Path]:
    """The folder for one comparison at a time, told apart from what is to be indexed."""
    work.mkdir(parents=True, exist_ok=True)
    if not (work / ".gitignore").exists():
        (work / ".gitignore").write_text("*\n")
    with (work / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UserError(f"another comparison is writing to {work}; wait for it, or give --work a folder") from None
        yield work


class _Run:
    """The cells of a grid, those that are there taken from the results of runs before."""

    def __init__(
        self,
        dataset: Dataset,
        grid: Grid,
        work: Path,
        tokenizer: str,
        eager: bool,
        llm: str | None,
        supplies: Supplies | None,
        measures: frozenset[str],
        progress: Callable[[Step], None],
    ) -> None:
        self.dataset, self.grid, self.measures, self.progress, self.done = dataset, grid, measures, progress, 0
        self.questions = [one for one in dataset.questions if one.text.strip() and (one.evidence or one.relevant)]
        self.gold = of_gold(dataset, self.questions)
        self.results = Results(work / "results.jsonl")
        self.indexes = Indexes(work, dataset.documents, tokenizer, eager, llm, supplies, self._tell)
        self.llm = llm
        self.cuts: dict[str, dict[str, float]] = {}  # what was asked for of each index

    def cells(self) -> tuple[Cell, ...]:
        found: list[Cell] = []
        for pipeline in self.grid.pipelines:
            known = {budget: self.results.get(self._key(pipeline, budget)) for budget in self.grid.budgets}
            missing = [budget for budget, cell in known.items() if cell is None]
            if missing:
                try:
                    made = self._measured(pipeline, missing)
                except Exception as error:
                    made = [Cell(pipeline, budget, error=said(error)) for budget in missing]
                else:
                    for cell in made:
                        if not cell.unanswered:
                            self.results.add(self._key(pipeline, cell.budget), cell)
                known.update((cell.budget, cell) for cell in made)
            self.done = self._total(pipeline)
            self._tell(pipeline.name)
            found += [cell for cell in known.values() if cell is not None]
        return tuple(found)

    def _measured(self, pipeline: Pipeline, budgets: Sequence[int]) -> list[Cell]:
        """The cells of one pipeline, each with its costs."""
        built = self.indexes.made(pipeline)
        fallen, reader = Fallen("question"), Reader(self.llm, "answers" in self.measures)

        def asked() -> None:
            self.done += 1
            self._tell(pipeline.name)

        with self.indexes.opened(pipeline) as index, heard(FallbackWarning, fallen):
            retrieve, select = index.build(pipeline.retrieve, "retrieve"), index.build(pipeline.select, "select")
            compress = None if pipeline.compress == "none" else index.build(pipeline.compress, "compress")
            how = (retrieve, select, compress)
            (found, ranked), cost = measured(lambda: given(index, self.questions, *how, budgets, reader, asked))
            sizes = index.corpus().snapshot.tokens
            made = Cell(
                pipeline,
                0,
                ranking=means(ranked),
                boundaries=boundaries(index.corpus(), self.dataset),
                measures=self._of_cut(pipeline, index),
                chunks=len(sizes),
                chunk_tokens=round(float(sizes.mean()), 1) if len(sizes) else 0.0,
                index_seconds=built.seconds,
                question_ms=milliseconds(index, self.questions, *how, max(budgets)),
                asked_seconds=round(cost.seconds - reader.seconds, 3),
                memory_mb=max(built.memory_mb, megabytes(cost)),
            )
            if reader.trouble is not None:
                fallen(reader.trouble)
        told = (*built.warnings, *fallen.lines)
        made = replace(made, warnings=told, unanswered=built.unanswered or fallen.unanswered)
        return [self._at(budget, made, found[budget], reader) for budget in budgets]

    def _at(self, budget: int, made: Cell, found: Sequence[Given], reader: Reader) -> Cell:
        measures = {**made.measures, **reader.measures(one.answer for one in found)}
        return replace(made, budget=budget, measures=measures, **scored(found))

    def _of_cut(self, pipeline: Pipeline, index: Index) -> dict[str, float]:
        """What was asked for of the pipeline's index, measured once for all that share it."""
        made = self.indexes.key(pipeline)
        if made not in self.cuts:
            modelled = self.measures & {"clarity", "stickiness"}
            if modelled:
                self._tell(f"{' and '.join(sorted(modelled))} of {pipeline.segment}")
            self.cuts[made] = of_cut(self.measures, index, self.questions, self.indexes.lm() if modelled else None)
        return self.cuts[made]

    def _key(self, pipeline: Pipeline, budget: int) -> str:
        """What determines a cell; what is as it always was is left out, so that older results are found."""
        parts = {name: value for name, value in asdict(pipeline).items() if (name, value) != ("compress", "none")}
        asker = str(self.llm) if "answers" in self.measures else self.indexes.asker(pipeline)
        more = {"measures": sorted(self.measures), "llm": asker} if self.measures or asker else None
        return key(self.indexes.key(pipeline), parts, budget, self.gold, *([more] if more else []))

    # Progress

    def _total(self, last: Pipeline | None = None) -> int:
        pipelines = self.grid.pipelines
        return len(self.questions) * (len(pipelines) if last is None else pipelines.index(last) + 1)

    def _tell(self, doing: str) -> None:
        self.progress(Step(self.done, self._total(), doing))
