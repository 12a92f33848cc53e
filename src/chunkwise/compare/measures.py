"""What is measured when it is asked for, since it costs: of a cut by itself, here; of answers, in `answers.py`."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from statistics import fmean
from typing import TYPE_CHECKING

import numpy as np

from chunkwise.errors import UserError
from chunkwise.evaluate import Evidence, Question, mean_clarity, mean_stickiness, precision_omega, size_stats
from chunkwise.units import Lazy, Span

if TYPE_CHECKING:
    from chunkwise.index import Index
    from chunkwise.models import CausalLM

MEASURES: Mapping[str, tuple[str, ...]] = {
    "omega": ("precision_omega",),
    "sizes": ("chunk_tokens_p5", "chunk_tokens_median", "chunk_tokens_p95", "chunk_tokens_most"),
    "clarity": ("clarity",),
    "stickiness": ("stickiness",),
    "answers": ("answer_exact", "answer_f1", "citation_precision", "citation_recall"),
}
"""The names that they are asked for by, and what each is called in the results."""
CUTS = 32  # that clarity is a mean over
RUNS = 4  # of eight neighbours, that stickiness is a mean over
# The paper's 0.8 is of perplexities of tokens; of bytes, four to a token, the same loss is this.
STICKS = 1 - 0.2**0.25


def checked(names: Iterable[str]) -> frozenset[str]:
    """The names, each one of MEASURES; UserError for another."""
    wanted = dict.fromkeys(names)
    if unknown := [name for name in wanted if name not in MEASURES]:
        raise UserError(f"no measure {unknown[0]!r}; there are {', '.join(MEASURES)}")
    return frozenset(wanted)


def of_cut(
    names: Collection[str], index: Index, questions: Sequence[Question], lm: CausalLM | None
) -> dict[str, float]:
    """Of the chunks of an index what is asked for; lm: the causal model that clarity and stickiness are by."""
    snapshot = index.corpus().snapshot
    edges = np.searchsorted(snapshot.document, np.arange(len(snapshot.sources) + 1))
    spans = [
        [*map(Span, snapshot.start[first:last].tolist(), snapshot.end[first:last].tolist())]
        for first, last in zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)
    ]
    made: dict[str, float] = {}
    if "omega" in names and (asked := [one for one in questions if one.evidence]):
        by_source = dict(zip(snapshot.sources, spans, strict=True))
        made["precision_omega"] = fmean(precision_omega([*_chunks(one, by_source)], one) for one in asked)
    if "sizes" in names:
        sizes = size_stats(snapshot.tokens.tolist())
        columns = (sizes.p5, sizes.median, sizes.p95, sizes.most)
        made |= dict(zip(MEASURES["sizes"], map(float, columns), strict=True))
    if lm is not None:

        def text(source: str, span: Span) -> str:
            return index.document(source).text[span.start : span.end]

        def chunks(source: str, own: Sequence[Span]) -> Sequence[str]:
            return Lazy(len(own), lambda at: text(source, own[at]))

        documents = list(map(chunks, snapshot.sources, spans))
        if "clarity" in names:
            made["clarity"] = mean_clarity(lm, documents, sample=CUTS)
        if "stickiness" in names:
            made["stickiness"] = mean_stickiness(lm, documents, sample=RUNS, threshold=STICKS)
    return {name: round(value, 4) for name, value in made.items()}


def _chunks(question: Question, spans: Mapping[str, Sequence[Span]]) -> Iterator[Evidence]:
    """The chunks of the documents that hold its evidence: no other can touch it."""
    sources = {part.source for gold in (question.evidence, *question.alternatives) for part in gold}
    return (Evidence(source, span) for source in sources for span in spans.get(source, ()))
