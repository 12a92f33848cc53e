"""How much of the evidence a reader was given, and how much else."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from chunkwise.errors import UserError
from chunkwise.evaluate.dataset import Evidence, Question
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Span

Ranges = dict[str, list[tuple[int, int]]]  # by source: ascending, apart


class SpanScores(NamedTuple):
    """recall: share of the evidence retrieved; precision: share of the retrieved that is evidence; all in 0 to 1."""

    recall: float
    precision: float
    iou: float


def span_scores(
    retrieved: Sequence[Evidence],
    question: Question,
    *,
    merged: bool = True,
    offsets: Mapping[str, TokenOffsets] | None = None,
) -> SpanScores:
    """Recall, precision and intersection over union of `retrieved` against the evidence of `question`.

    merged: a character counts once however often it was retrieved. With False what was retrieved twice is counted
    twice in the denominators, and evidence that overlaps itself too, to the digit as in chunking_evaluation (Smith and
    Troynikov, Evaluating Chunking Strategies for Retrieval, 2024).
    offsets: a tokenizer's pass over every source, to measure in tokens; in characters without it.
    Against evidence or alternative, whichever the retrieved does best on: highest recall, then highest IoU.
    Raises UserError for a question without evidence, which no score can be given.
    """
    retrieved = in_tokens(retrieved, offsets) if offsets is not None else retrieved
    got = _merged(retrieved)
    paid = _length(got) if merged else sum(span.size for span in retrieved)
    found = [_scores(got, paid, gold, merged) for gold in _golds(question, offsets)]
    return max(found, key=lambda scores: (scores.recall, scores.iou))


def precision_omega(
    chunks: Sequence[Evidence], question: Question, *, offsets: Mapping[str, TokenOffsets] | None = None
) -> float:
    """The IoU, 0 to 1, that a perfect retriever would reach with these chunks: all that hold evidence, and no other.

    chunks: every chunk of the corpus; one counts as soon as it touches evidence, and what two share counts once, to the
    digit as in chunking_evaluation. Evidence in no chunk counts against them. `offsets`, alternatives and errors as in
    `span_scores`; of several sets of evidence the best is taken.
    """
    chunks = in_tokens(chunks, offsets) if offsets is not None else chunks
    return max(_omega(chunks, gold) for gold in _golds(question, offsets))


def covered(wanted: Iterable[Evidence], given: Iterable[Evidence]) -> int:
    """How many characters (or tokens) of `wanted` are in `given`; one that is in either twice counts once."""
    return _shared(_merged(given), _merged(wanted))


def in_tokens(spans: Iterable[Evidence], offsets: Mapping[str, TokenOffsets]) -> tuple[Evidence, ...]:
    """`spans` in positions of tokens: a token of which any character is in the span is in it.

    Raises UserError for a source that `offsets` has not got.
    """
    made = []
    for source, (start, end) in ((span.source, span.span) for span in spans):
        if source not in offsets:
            raise UserError(f"no tokens of {source!r} to measure in: pass the offsets of every source")
        starts = offsets[source].starts
        first = max(0, int(np.searchsorted(starts, start, "right")) - 1)
        made.append(Evidence(source, Span(first, int(np.searchsorted(starts, end)) if start < end else first)))
    return tuple(made)


def _golds(question: Question, offsets: Mapping[str, TokenOffsets] | None) -> list[Sequence[Evidence]]:
    golds: list[Sequence[Evidence]] = [
        in_tokens(gold, offsets) if offsets is not None else gold
        for gold in (question.evidence, *question.alternatives)
        if any(part.size for part in gold)
    ]
    if not golds:
        raise UserError(f"no evidence to score against for {question.text[:60]!r}: leave the question out")
    return golds


def _scores(got: Ranges, paid: int, gold: Sequence[Evidence], merged: bool) -> SpanScores:
    wanted = _merged(gold)
    shared = _shared(got, wanted)
    total = _length(wanted) if merged else sum(part.size for part in gold)
    missed = total - shared if merged else sum(part.size - _shared(got, _merged([part])) for part in gold)
    return SpanScores(shared / total, shared / paid if paid else 0.0, shared / (paid + missed))


def _omega(chunks: Sequence[Evidence], gold: Sequence[Evidence]) -> float:
    wanted = _merged(gold)
    holding = [chunk for chunk in chunks if chunk.source in wanted and _touches(chunk.span, wanted[chunk.source])]
    return _shared(_merged(holding), wanted) / _length(_merged([*holding, *gold]))


def _touches(span: Span, ranges: list[tuple[int, int]]) -> bool:
    return any(span.start <= end and start <= span.end for start, end in ranges)


def _merged(spans: Iterable[Evidence]) -> Ranges:
    merged: Ranges = {}
    for source, (start, end) in sorted((part.source, part.span) for part in spans):
        ranges = merged.setdefault(source, [])
        if ranges and start <= ranges[-1][1]:
            ranges[-1] = (ranges[-1][0], max(end, ranges[-1][1]))
        else:
            ranges.append((start, end))
    return merged


def _shared(first: Ranges, second: Ranges) -> int:
    """How much is in both, in one walk along each source."""
    shared = 0
    for source in first.keys() & second.keys():
        ours, theirs = first[source], second[source]
        i = j = 0
        while i < len(ours) and j < len(theirs):
            shared += max(0, min(ours[i][1], theirs[j][1]) - max(ours[i][0], theirs[j][0]))
            behind = ours[i][1] <= theirs[j][1]
            i += behind
            j += not behind
    return shared


def _length(ranges: Ranges) -> int:
    return sum(end - start for parts in ranges.values() for start, end in parts)
