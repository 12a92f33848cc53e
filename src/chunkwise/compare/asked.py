"""Every question asked of one index: what each budget buys for it, and how long it takes."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import fmean, median
from typing import TYPE_CHECKING, Any, NamedTuple

from chunkwise.evaluate import Evidence, Question, SpanScores, ndcg, recall_at_k, span_scores
from chunkwise.index import Index
from chunkwise.units import Candidates

if TYPE_CHECKING:
    from chunkwise.compress import Compressor
    from chunkwise.pack import Pack
    from chunkwise.retrieve import Corpus, Retriever
    from chunkwise.select import Selector

TIMED = 20  # questions that are asked again, for the time of one


class Given(NamedTuple):
    """What a reader was given for a question: tokens, how much of the evidence where that is known, what it made of it.

    answer: measures of the answer, where answers are asked for.
    """

    tokens: int
    scores: SpanScores | None
    answer: Mapping[str, float]


def given(
    index: Index,
    questions: Sequence[Question],
    retriever: Retriever,
    selector: Selector,
    compressor: Compressor | None,
    budgets: Sequence[int],
    read: Callable[[Index, Pack, Question], Mapping[str, float]],
    asked: Callable[[], None],
) -> tuple[dict[int, list[Given]], list[dict[str, float]]]:
    """Every question searched for once and packed at each budget; and how the graded documents rank.

    read: what an answer from a pack is measured to be; asked: called after each question.
    """
    found: dict[int, list[Given]] = {budget: [] for budget in budgets}
    ranked: list[dict[str, float]] = []
    for question in questions:
        once = _Once(retriever)
        for budget in budgets:
            pack = index.pack(
                question.text, budget, retriever=once, selector=selector, compressor=compressor, labels=False
            )
            got = [Evidence(passage.source, part.span) for passage in pack.passages for part in passage.verbatim]
            scores = span_scores(got, question) if question.evidence else None
            found[budget].append(Given(pack.tokens, scores, read(index, pack, question)))
        if question.relevant and once.found is not None:
            ranked.append(_ranking(index.corpus(), once.found, question))
        asked()
    return found, ranked


def milliseconds(
    index: Index,
    questions: Sequence[Question],
    retriever: Retriever,
    selector: Selector,
    compressor: Compressor | None,
    budget: int,
) -> float:
    """The median time of a question; of many questions TIMED are asked."""
    times = []
    for question in questions[:: max(1, len(questions) // TIMED)]:
        began = time.perf_counter()
        index.pack(question.text, budget, retriever=retriever, selector=selector, compressor=compressor, labels=False)
        times.append(time.perf_counter() - began)
    return round(1000 * median(times), 2) if times else 0.0


def scored(found: Sequence[Given]) -> dict[str, Any]:
    """What a cell says of one budget: the tokens, and the scores of the questions that have evidence."""
    scores = [one.scores for one in found if one.scores is not None]
    columns = {name: tuple(round(getattr(one, name), 6) for one in scores) for name in SpanScores._fields}
    return {"tokens": round(fmean(one.tokens for one in found), 1) if found else 0.0, **columns}


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


def _ranking(corpus: Corpus, found: Candidates, question: Question) -> dict[str, float]:
    """How well the documents rank by their best chunk."""
    numbers = dict.fromkeys(corpus.snapshot.document[found.ids].tolist())
    ranked = [corpus.snapshot.sources[number] for number in numbers]
    return {"ndcg@10": ndcg(ranked, question.relevant, 10), "recall@10": recall_at_k(ranked, question.relevant, 10)}
