"""Retrieval by what a language model would write down as the evidence."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from chunkwise.errors import UserError
from chunkwise.models import CausalLM
from chunkwise.recipe import BuildOther, recipe
from chunkwise.retrieve.corpus import Corpus, Retriever, candidates
from chunkwise.retrieve.decoded.prefix import begun
from chunkwise.retrieve.decoded.skip import skipped
from chunkwise.segment import sentence_bounds
from chunkwise.units import Candidates, Document, Ints, Span

ASKED = 400  # characters of the question
SHOWN = 2000  # characters of the documents


class Sentence(NamedTuple):
    """A sentence that may be begun. number: of its document; ends: where it ends, and where those after it do."""

    number: int
    span: Span
    ends: tuple[int, ...]


@recipe(
    "cfic",
    family="retrieve",
    seed="Grounding Language Model with Chunking-Free In-Context Retrieval",
    claim="gives a span of any length, exact to the character, that the model begins and ends itself",
)
def cfic(
    of: str = "bm25",
    documents: int = 2,
    sentences: int = 64,
    beams: int = 3,
    steps: int = 8,
    longest: int = 5,
    *,
    lm: CausalLM,
    build: BuildOther,
) -> Retriever:
    """The spans that a causal model would write down as the evidence, first; then what another retriever has found.

    of: that retriever, whose first `documents` are read; sentences: most of theirs that may be begun, those that were
    found before the others; beams: spans; steps: choices of a word within one beginning; longest: sentences of a span.
    A span is exact, and is offered as the chunks that it touches, since what is paid for is chunks. The paper trains a
    model of seven billion parameters to do this and reads the document once; here `lm` is any causal model, untrained
    for it, and is asked anew for each choice. The byte model that comes with the package takes seconds a question and
    chooses badly: on five questions of each of five sets (`benchmarks/results/finders.md`) its spans do better than
    single sentences where they bring the rest of a short passage along, and worse where one sentence is the answer.
    """
    counts = {"documents": documents, "sentences": sentences, "beams": beams, "steps": steps, "longest": longest}
    for name, value in counts.items():
        if value < 1:
            raise UserError(f"{name}={value}: give {name}=1 or more")
    inner: Retriever = build(of, "retrieve")

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        found = inner(corpus, query, k)
        may = _sentences(corpus, found.ids, documents, longest)[:sentences]
        scores: dict[int, float] = {}
        if may:
            texts = [_text(corpus, one.number)[slice(*one.span)] for one in may]
            prompt = f"{''.join(texts)[:SHOWN]}\n\nQuestion: {query[:ASKED]}\nAnswer, in the words of the text: "
            for one in begun(lm, prompt, texts, beams, steps):
                number, span, ends = may[one.sentence]
                span = skipped(lm, prompt, _text(corpus, number), span.start, ends)
                for chunk in _touched(corpus, number, span):
                    scores[chunk] = max(scores.get(chunk, 0), 1 + math.exp(one.log_probability))
        rest = {chunk: 1 / (2 + rank) for rank, chunk in enumerate(found.ids.tolist())}
        both = rest | scores
        chosen = np.array(list(both), dtype=np.int64)
        return candidates(corpus, query, chosen, np.array(list(both.values()), dtype=np.float32), k)

    return retrieve


def _sentences(corpus: Corpus, found: Ints, documents: int, longest: int) -> list[Sentence]:
    """The sentences of the first documents, those that the candidates touch first, in their order; then the others."""
    numbers = list(dict.fromkeys(corpus.snapshot.document[found].tolist()))[:documents]
    every: list[Sentence] = []
    for number in numbers:
        bounds = sentence_bounds(_document(corpus, number)).tolist()
        for at in range(len(bounds) - 1):
            ends = tuple(bounds[at + 1 : at + 1 + longest])
            every.append(Sentence(number, Span(bounds[at], bounds[at + 1]), ends))
    rank = {chunk: at for at, chunk in enumerate(found.tolist())}

    def order(one: Sentence) -> int:
        return min((rank.get(chunk, len(rank)) for chunk in _touched(corpus, one.number, one.span)), default=len(rank))

    return sorted((one for one in every if _text(corpus, one.number)[slice(*one.span)].strip()), key=order)


def _touched(corpus: Corpus, number: int, span: Span) -> range:
    """The chunks of a document that a span has characters of."""
    snapshot = corpus.snapshot
    first, last = (int(np.searchsorted(snapshot.document, number, side)) for side in ("left", "right"))
    begin = first + int(np.searchsorted(snapshot.end[first:last], span.start, "right"))
    return range(begin, first + int(np.searchsorted(snapshot.start[first:last], span.end, "left")))


def _document(corpus: Corpus, number: int) -> Document:
    return corpus.document(int(np.searchsorted(corpus.snapshot.document, number)))


def _text(corpus: Corpus, number: int) -> str:
    return _document(corpus, number).text
