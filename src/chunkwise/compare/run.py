"""Every pipeline of a grid on the same questions, each at the same budgets of tokens."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import json
import shutil
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, NamedTuple

from chunkwise import __version__, recipe
from chunkwise.budget import Budget
from chunkwise.embed import embedder
from chunkwise.errors import ChunkwiseError, FallbackWarning, ModelError, UserError
from chunkwise.evaluate import (
    Cell,
    Cost,
    Dataset,
    Evidence,
    Grid,
    Pipeline,
    Question,
    Results,
    SpanScores,
    boundary_scores,
    kept_whole,
    measured,
    ndcg,
    pk,
    recall_at_k,
    span_scores,
    window_diff,
)
from chunkwise.index import Index
from chunkwise.units import Candidates, Document, Span

if TYPE_CHECKING:
    from chunkwise.models import Supplies
    from chunkwise.retrieve import Corpus, Retriever
    from chunkwise.select import Selector

WORK = ".chunkwise-compare"
NEAR = 20  # characters that a boundary may be away from the true one
SHOWN = 3  # warnings of one cut
TIMED = 20  # questions that are asked again, for the time of one
WARM = "This is read so that the language of a text is known before the clock starts.\n"
BUILT = "built.json"  # beside an index that is whole


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
    progress: Callable[[Step], None] = lambda step: None,
) -> Comparison:
    """Every pipeline of the grid on the questions of the set, each at every budget.

    Budgets pay for the passages' own text alone (`labels=False`), so that all readers are given the same. work: the
    folder that indexes and results are kept in; what is there for the same documents, questions and settings is not
    measured again. eager: contextual vectors for every chunk when it is indexed. llm: "URL#model" for recipes that ask
    one; supplies: what makes the models of segment recipes, in place of that and of each pipeline's embedder.

    A pipeline that fails is a cell with an `error`, and is tried anew the next time. Raises UserError for a grid that
    asks for what there is not, a set without questions, and a folder that another comparison is writing to.
    """
    _check(dataset, grid)
    with _held(Path(work)) as folder:
        run = _Run(dataset, grid, folder, tokenizer, eager, llm, supplies, progress)
        return Comparison(dataset, grid, run.cells())


def _check(dataset: Dataset, grid: Grid) -> None:
    """Refuse at once what would only fail half-way."""
    if not grid.budgets:
        raise UserError("no budget to compare at; give one or more, such as 250,500,1000")
    for budget in grid.budgets:
        if Budget.of(budget).tokens < 1:
            raise UserError("a budget of 0 tokens buys nothing to compare; give 1 or more")
    if not grid.pipelines:
        raise UserError("nothing to compare; name recipes, such as recursive:size=200,sentence")
    for pipeline in grid.pipelines:
        for family in ("segment", "retrieve", "select"):
            recipe.check(getattr(pipeline, family), family)
    for embed in {pipeline.embed for pipeline in grid.pipelines} - {"none"}:
        with contextlib.suppress(ModelError):  # what cannot be had on this machine is said in the rows that need it
            embedder(embed)
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


class _Once:
    """A retriever that keeps what it found for the latest question, so that one search serves every budget."""

    def __init__(self, retrieve: Retriever) -> None:
        self._retrieve = retrieve
        self._asked = ""
        self.found: Candidates | None = None

    def __call__(self, corpus: Corpus, query: str, k: int) -> Candidates:
        if self.found is None or query != self._asked:
            self.found, self._asked = self._retrieve(corpus, query, k), query
        return self.found


@dataclass(frozen=True, slots=True)
class _Built:
    """What the making of an index cost, and what it holds."""

    seconds: float
    memory_mb: float
    warnings: tuple[str, ...]


class _Given(NamedTuple):
    """What a reader was given for a question: tokens, and how much of the evidence, where that is known."""

    tokens: int
    scores: SpanScores | None


class _Run:
    def __init__(
        self,
        dataset: Dataset,
        grid: Grid,
        work: Path,
        tokenizer: str,
        eager: bool,
        llm: str | None,
        supplies: Supplies | None,
        progress: Callable[[Step], None],
    ) -> None:
        self.dataset, self.grid, self.work = dataset, grid, work
        self.tokenizer, self.eager, self.llm, self.given = tokenizer, eager, llm, supplies
        self.questions = [one for one in dataset.questions if one.text.strip() and (one.evidence or one.relevant)]
        self.results = Results(work / "results.jsonl")
        self.progress, self.done = progress, 0
        self.warm: set[str] = set()  # embedders that are loaded
        self.broken: dict[str, str] = {}  # indexes that could not be made, and why
        self.supplies = cache(self._supplies)

    def cells(self) -> tuple[Cell, ...]:
        found: list[Cell] = []
        for pipeline in self.grid.pipelines:
            known = {budget: self.results.get(self._key(pipeline, budget)) for budget in self.grid.budgets}
            missing = [budget for budget, cell in known.items() if cell is None]
            if missing:
                try:
                    made = self._measured(pipeline, missing)
                except Exception as error:
                    made = [Cell(pipeline, budget, error=_said(error)) for budget in missing]
                else:
                    for cell in made:
                        self.results.add(self._key(pipeline, cell.budget), cell)
                known.update((cell.budget, cell) for cell in made)
            self.done = self._total(pipeline)
            self._tell(pipeline.name)
            found += [cell for cell in known.values() if cell is not None]
        return tuple(found)

    def _measured(self, pipeline: Pipeline, budgets: Sequence[int]) -> list[Cell]:
        """The cells of one pipeline, each with its costs."""
        built = self._built(pipeline)
        retriever: Retriever = recipe.build(pipeline.retrieve, "retrieve")
        selector: Selector = recipe.build(pipeline.select, "select")
        with self._opened(pipeline) as index:
            (given, ranked), cost = measured(lambda: self._asked(index, retriever, selector, budgets, pipeline.name))
            sample = self.questions[:: max(1, len(self.questions) // TIMED)]
            times = [_timed(index, one.text, max(budgets), retriever, selector) for one in sample]
            corpus = index.corpus()
            boundaries, sizes = _boundaries(corpus, self.dataset), corpus.snapshot.tokens
        made = Cell(
            pipeline,
            0,
            ranking=_means(ranked),
            boundaries=boundaries,
            chunks=len(sizes),
            chunk_tokens=round(float(sizes.mean()), 1) if len(sizes) else 0.0,
            index_seconds=built.seconds,
            question_ms=round(1000 * median(times), 2) if times else 0.0,
            asked_seconds=round(cost.seconds, 3),
            memory_mb=max(built.memory_mb, _megabytes(cost)),
            warnings=built.warnings,
        )
        return [replace(made, budget=budget, **_scored(given[budget])) for budget in budgets]

    def _asked(
        self, index: Index, retriever: Retriever, selector: Selector, budgets: Sequence[int], name: str
    ) -> tuple[dict[int, list[_Given]], list[dict[str, float]]]:
        """Every question searched for once and packed at each budget; and how the graded documents rank."""
        given: dict[int, list[_Given]] = {budget: [] for budget in budgets}
        ranked: list[dict[str, float]] = []
        for question in self.questions:
            once = _Once(retriever)
            for budget in budgets:
                pack = index.pack(question.text, budget, retriever=once, selector=selector, labels=False)
                got = [Evidence(passage.source, passage.span) for passage in pack.passages]
                given[budget].append(_Given(pack.tokens, span_scores(got, question) if question.evidence else None))
            if question.relevant and once.found is not None:
                ranked.append(_ranking(index.corpus(), once.found, question))
            self.done += 1
            self._tell(name)
        return given, ranked

    # Indexes, one for each cut and embedder

    def _built(self, pipeline: Pipeline) -> _Built:
        """Make the pipeline's index, unless it is there; one that was left unfinished is made anew."""
        home = self._home(pipeline)
        if home.name in self.broken:
            raise _Broken(self.broken[home.name])
        with contextlib.suppress(OSError, ValueError, TypeError):
            kept = json.loads((home / BUILT).read_text(encoding="utf-8"))
            return _Built(kept["seconds"], kept["memory_mb"], tuple(kept["warnings"]))
        shutil.rmtree(home, ignore_errors=True)
        self._warm(pipeline)
        self._tell(f"cutting with {pipeline.segment}")
        try:
            with warnings.catch_warnings(record=True) as heard:
                warnings.simplefilter("always", FallbackWarning)
                _, cost = measured(lambda: self._filled(pipeline))
        except Exception as error:
            self.broken[home.name] = _said(error)
            raise
        fallen = Counter(str(one.message) for one in heard if issubclass(one.category, FallbackWarning))
        told = [f"{count} x {said}" if count > 1 else said for said, count in fallen.most_common(SHOWN)]
        if len(fallen) > SHOWN:
            told.append(f"and {len(fallen) - SHOWN} more like it")
        built = _Built(round(cost.seconds, 3), _megabytes(cost), tuple(told))
        (home / BUILT).write_text(json.dumps(asdict(built)), encoding="utf-8")
        return built

    def _warm(self, pipeline: Pipeline) -> None:
        """Load what is loaded once, so that no pipeline pays for it because it comes first."""
        supplies = self.supplies(pipeline.embed)
        for model in recipe.models(pipeline.segment, "segment"):
            if model in supplies:
                supplies[model]()
        if pipeline.embed not in self.warm:
            self.warm.add(pipeline.embed)
            home = self.work / "warm"
            shutil.rmtree(home, ignore_errors=True)
            with Index.open(home, **{**self._settings(pipeline), "segmenter": "sentence"}) as index:
                index.add_documents([Document.of(WARM, "warm.txt"), Document.of("warm = 1", "warm.py")])
                index.pack("warm")
            shutil.rmtree(home, ignore_errors=True)

    def _filled(self, pipeline: Pipeline) -> None:
        with self._opened(pipeline) as index:
            index.add_documents(self.dataset.documents)

    @contextlib.contextmanager
    def _opened(self, pipeline: Pipeline) -> Iterator[Index]:
        home = self._home(pipeline)
        with Index.open(home, supplies=self.supplies(pipeline.embed), **self._settings(pipeline)) as index:
            yield index

    def _settings(self, pipeline: Pipeline) -> dict[str, Any]:
        embed = pipeline.embed
        vectors = embed if embed in ("none", "static") else "eager" if self.eager else "lazy"
        embedder = "minilm" if embed in ("none", "static") else embed
        return {
            "segmenter": pipeline.segment, "tokenizer": self.tokenizer, "vectors": vectors, "embedder": embedder
        }  # fmt: skip

    def _home(self, pipeline: Pipeline) -> Path:
        return self.work / _hash(self._settings(pipeline), self._documents, self._asks(pipeline))

    def _supplies(self, embed: str) -> Supplies:
        from chunkwise.supplies import supplies

        return self.given or supplies(embed if self.eager and embed != "none" else "static", self.llm)

    def _asks(self, pipeline: Pipeline) -> str:
        """The language model, where the cut is made by one."""
        return str(self.llm) if "ask" in recipe.models(pipeline.segment, "segment") else ""

    # What determines a cell

    def _key(self, pipeline: Pipeline, budget: int) -> str:
        return _hash(self._home(pipeline).name, asdict(pipeline), budget, self._posed)

    @cached_property
    def _documents(self) -> str:
        return _hash(__version__, [(document.source, document.id) for document in self.dataset.documents])

    @cached_property
    def _posed(self) -> str:
        boundaries = {source: list(cuts) for source, cuts in self.dataset.boundaries.items()}
        return _hash([asdict(question) for question in self.questions], boundaries, dict(self.dataset.wholes))

    # Progress

    def _total(self, last: Pipeline | None = None) -> int:
        pipelines = self.grid.pipelines
        return len(self.questions) * (len(pipelines) if last is None else pipelines.index(last) + 1)

    def _tell(self, doing: str) -> None:
        self.progress(Step(self.done, self._total(), doing))


class _Broken(ChunkwiseError):
    """An index that could not be made, met again by another retriever."""


def _timed(index: Index, question: str, budget: int, retriever: Retriever, selector: Selector) -> float:
    began = time.perf_counter()
    index.pack(question, budget, retriever=retriever, selector=selector, labels=False)
    return time.perf_counter() - began


def _ranking(corpus: Corpus, found: Candidates, question: Question) -> dict[str, float]:
    """How well the documents rank by their best chunk."""
    numbers = dict.fromkeys(corpus.snapshot.document[found.ids].tolist())
    ranked = [corpus.snapshot.sources[number] for number in numbers]
    return {"ndcg@10": ndcg(ranked, question.relevant, 10), "recall@10": recall_at_k(ranked, question.relevant, 10)}


def _boundaries(corpus: Corpus, dataset: Dataset) -> dict[str, float]:
    """How well the cut meets the true boundaries, means over the documents that have them; and the share kept whole."""
    snapshot = corpus.snapshot
    numbers = {source: number for number, source in enumerate(snapshot.sources)}
    rows, kept, wholes = [], 0.0, 0
    for document in dataset.documents:
        source, length = document.source, len(document.text)
        own = snapshot.document == numbers.get(source, -1)
        starts, ends = snapshot.start[own].tolist(), snapshot.end[own].tolist()
        if source in dataset.boundaries:
            gold = dataset.boundaries[source]
            f1 = boundary_scores(starts, gold, length, NEAR).f1
            rows.append({"f1": f1, "pk": pk(starts, gold, length), "window_diff": window_diff(starts, gold, length)})
        if parts := dataset.wholes.get(source, ()):
            kept += len(parts) * kept_whole([*map(Span, starts, ends)], parts)
            wholes += len(parts)
    return _means(rows) | ({"whole": round(kept / wholes, 4)} if wholes else {})


def _means(rows: Sequence[Mapping[str, float]]) -> dict[str, float]:
    return {name: round(fmean(row[name] for row in rows), 4) for name in rows[0]} if rows else {}


def _scored(given: Sequence[_Given]) -> dict[str, Any]:
    """What a cell says of one budget: the tokens, and the scores of the questions that have evidence."""
    scores = [one.scores for one in given if one.scores is not None]
    columns = {name: tuple(round(getattr(one, name), 6) for one in scores) for name in SpanScores._fields}
    return {"tokens": round(fmean(one.tokens for one in given), 1) if given else 0.0, **columns}


def _megabytes(cost: Cost) -> float:
    return round((cost.peak_bytes or 0) / 1e6, 1)


def _said(error: Exception) -> str:
    return str(error) if isinstance(error, ChunkwiseError) else f"{type(error).__name__}: {error}"


def _hash(*parts: Any) -> str:
    text = json.dumps(parts, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode("utf-8", "backslashreplace"), digest_size=12).hexdigest()
