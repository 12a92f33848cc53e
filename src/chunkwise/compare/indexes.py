"""The indexes of a comparison: one for each cut and embedder, made once and kept."""

from __future__ import annotations

import contextlib
import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunkwise import recipe
from chunkwise.compare.fallen import Fallen
from chunkwise.compare.keys import key, of_documents
from chunkwise.errors import ChunkwiseError, FallbackWarning, UnknownRecipe, heard
from chunkwise.evaluate import Cost, Pipeline, measured
from chunkwise.index import Index, Progress, Report
from chunkwise.units import Document

if TYPE_CHECKING:
    from chunkwise.models import CausalLM, Supplies

WARM = "This is read so that the language of a text is known before the clock starts.\n"
BUILT = "built.json"  # beside an index that is whole


@dataclass(frozen=True, slots=True)
class Built:
    """What the making of an index cost, and what fell back on the way.

    unanswered: whether a model that was to help cut gave no answer, so that it is not the recipe's own cut.
    """

    seconds: float
    memory_mb: float
    warnings: tuple[str, ...]
    unanswered: bool = False


class Broken(ChunkwiseError):
    """An index that could not be made, asked for again by another retriever."""


class Indexes:
    """The documents, indexed as each pipeline has them, in folders below `work`.

    tokenizer, eager, llm, supplies: as `chunkwise.compare.compare` takes them. tell: called with what is being done.
    """

    def __init__(
        self,
        work: Path,
        documents: Sequence[Document],
        tokenizer: str,
        eager: bool,
        llm: str | None,
        supplies: Supplies | None,
        tell: Callable[[str], None],
    ) -> None:
        self._work, self._documents, self._tell = work, documents, tell
        self._tokenizer, self._eager, self._llm, self._given = tokenizer, eager, llm, supplies
        self._read = of_documents(documents)
        self._warm: set[str] = set()  # embedders that are loaded
        self._broken: dict[str, str] = {}  # indexes that could not be made, and why
        self._made: dict[str, Built] = {}  # in this run
        self._supplies = cache(self._supplied)

    def key(self, pipeline: Pipeline) -> str:
        """What tells the pipeline's index from others; its folder's name."""
        asked = self._asks(pipeline.segment, "segment") or self._asks(pipeline.embed)
        return key(self._settings(pipeline), self._read, str(self._llm) if asked else "")

    def asker(self, pipeline: Pipeline) -> str:
        """The language model, where the pipeline asks one about questions; "" where it does not."""
        asked = any(self._asks(getattr(pipeline, family), family) for family in ("retrieve", "select", "compress"))
        return str(self._llm) if asked else ""

    def lm(self) -> CausalLM:
        """The causal language model that recipes are given."""
        model: CausalLM = self._supplies("none")["lm"]()
        return model

    def _asks(self, spec: str, family: str | None = None) -> bool:
        with contextlib.suppress(UnknownRecipe):  # "none", or an embedder that is no recipe
            return "ask" in recipe.models(spec, family)
        return False

    def made(self, pipeline: Pipeline) -> Built:
        """Make the pipeline's index, unless it is there.

        One that was left unfinished is made anew, and in another run one for which a model gave no answer.
        """
        home = self._work / self.key(pipeline)
        if home.name in self._made:
            return self._made[home.name]
        if home.name in self._broken:
            raise Broken(self._broken[home.name])
        with contextlib.suppress(OSError, ValueError, TypeError):
            kept = json.loads((home / BUILT).read_text(encoding="utf-8"))
            return Built(kept["seconds"], kept["memory_mb"], tuple(kept["warnings"]))
        shutil.rmtree(home, ignore_errors=True)
        self._load(pipeline)
        self._tell(f"cutting with {pipeline.segment}")
        try:
            with heard(FallbackWarning, fallen := Fallen("document")):
                report, cost = measured(lambda: self._fill(pipeline))
        except Exception as error:
            self._broken[home.name] = said(error)
            raise
        built = Built(round(cost.seconds, 3), megabytes(cost), fallen.lines, bool(report.unanswered))
        if not built.unanswered:
            (home / BUILT).write_text(json.dumps(asdict(built)), encoding="utf-8")
        self._made[home.name] = built
        return built

    @contextlib.contextmanager
    def opened(self, pipeline: Pipeline) -> Iterator[Index]:
        """The pipeline's index, to be asked; its recipes are given the embedder of its own vectors."""
        supplies = self._supplies(pipeline.embed)
        others = {model: make for model, make in supplies.items() if model != "embed"}
        with self._open(pipeline, self._given or others) as index:
            yield index

    def _open(self, pipeline: Pipeline, supplies: Supplies) -> Index:
        return Index.open(self._work / self.key(pipeline), supplies=supplies, **self._settings(pipeline))

    def _fill(self, pipeline: Pipeline) -> Report:
        def moved(at: Progress) -> None:
            asked = f", {at.questions:,} questions asked" if at.questions else ""
            self._tell(f"cutting with {pipeline.segment}: {at.files:,} of {at.of:,} documents{asked}")

        with self._open(pipeline, self._supplies(pipeline.embed)) as index:
            return index.add_documents(self._documents, progress=moved)

    def _load(self, pipeline: Pipeline) -> None:
        """Load what is loaded once, so that no pipeline pays for it because it comes first."""
        supplies = self._supplies(pipeline.embed)
        for model in recipe.models(pipeline.segment, "segment"):
            if model in supplies:
                supplies[model]()
        if pipeline.embed not in self._warm:
            self._warm.add(pipeline.embed)
            home = self._work / "warm"
            shutil.rmtree(home, ignore_errors=True)
            with Index.open(home, **{**self._settings(pipeline), "segmenter": "sentence"}) as index:
                index.add_documents([Document.of(WARM, "warm.txt"), Document.of("warm = 1", "warm.py")])
                index.pack("warm")
            shutil.rmtree(home, ignore_errors=True)

    def _settings(self, pipeline: Pipeline) -> dict[str, Any]:
        embed = pipeline.embed
        vectors = embed if embed in ("none", "static") else "eager" if self._eager else "lazy"
        embedder = "minilm" if embed in ("none", "static") else embed
        return {
            "segmenter": pipeline.segment, "tokenizer": self._tokenizer, "vectors": vectors, "embedder": embedder
        }  # fmt: skip

    def _supplied(self, embed: str) -> Supplies:
        from chunkwise.supplies import supplies

        return self._given or supplies(embed if self._eager and embed != "none" else "static", self._llm)


def megabytes(cost: Cost) -> float:
    """The peak of memory that was measured, 0 where the system does not tell."""
    return round((cost.peak_bytes or 0) / 1e6, 1)


def said(error: Exception) -> str:
    """An error in a line: our own by their words, others with their kind."""
    return str(error) if isinstance(error, ChunkwiseError) else f"{type(error).__name__}: {error}"
