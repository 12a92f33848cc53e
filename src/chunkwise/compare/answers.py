"""The answers that are read from what each budget buys: their words against accepted ones, their citations."""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Iterable, Mapping
from statistics import fmean
from typing import TYPE_CHECKING

from chunkwise.ask import ask
from chunkwise.errors import EndpointError, UnansweredWarning
from chunkwise.evaluate import Evidence, Question, answer_scores, citation_scores
from chunkwise.llm import LLM, endpoint
from chunkwise.prompt import uncited

if TYPE_CHECKING:
    from chunkwise.index import Index
    from chunkwise.pack import Pack


class Reader:
    """Reads the packs of one pipeline, where that is wanted.

    llm: "URL#model" of the language model that answers, None to quote from the packs. seconds: spent on it; trouble:
    why the model could not be had, after which it is not asked again, or None.
    """

    def __init__(self, llm: str | None, wanted: bool) -> None:
        self._llm: LLM | None = endpoint(llm) if llm and wanted else None
        self._wanted = wanted
        self.seconds = 0.0
        self.trouble: UnansweredWarning | None = None

    def __call__(self, index: Index, pack: Pack, question: Question) -> dict[str, float]:
        """Exact match and F1 where the set knows answers, citation precision and recall where it knows evidence."""
        if not self._wanted or self.trouble is not None or not (question.answers or question.evidence):
            return {}
        began = time.perf_counter()
        try:
            answer = ask(pack, question.text, self._llm, analyse=index.analyse)
        except EndpointError as error:
            self.trouble = UnansweredWarning("the answers", str(error), "they are not measured")
            return {}
        finally:
            self.seconds += time.perf_counter() - began
        found: dict[str, float] = {}
        if question.answers:
            words = answer_scores(uncited(answer.text) if answer.found else "", question.answers)
            found |= {"answer_exact": words.exact, "answer_f1": words.f1}
        if question.evidence:
            cited = citation_scores([Evidence(one.source, one.span) for one in answer.citations], question)
            found |= {"citation_precision": cited.precision, "citation_recall": cited.recall}
        return found

    def measures(self, rows: Iterable[Mapping[str, float]]) -> dict[str, float]:
        """Means over the questions that have each; nothing where the model could not be had for all of them."""
        columns: dict[str, list[float]] = defaultdict(list)
        for row in rows if self.trouble is None else ():
            for name, value in row.items():
                columns[name].append(value)
        return {name: round(fmean(column), 4) for name, column in columns.items()}
