"""The job of packing: a question and a budget in, cited context out, with a reason for every candidate."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from itertools import pairwise, takewhile
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from chunkwise.budget import Bill, Budget, text_alone
from chunkwise.errors import UserError
from chunkwise.prompt import Layout, context, injections, prompt
from chunkwise.units import Candidates, Decision, Ints, Passage, Selection, Span

if TYPE_CHECKING:
    from chunkwise.compress import Compressor
    from chunkwise.retrieve import Corpus, Retriever
    from chunkwise.select import Selector
    from chunkwise.tokens import Tokenizer

CANDIDATES = 400
STANDS = "stands in the prompt before"
AHEAD = 3  # budgets full of passages that a compressor is given


class Considered(NamedTuple):
    """One candidate of a pack: which chunk it is, where it stands, and what was decided."""

    id: str
    source: str
    span: Span
    decision: Decision


class Flag(NamedTuple):
    """A stretch of a packed passage that reads as an instruction to the model; the prompt fences such a passage.

    passage: its number, from 1; span: where the stretch stands in the document; text: what it says; reason: what it
    was known by.
    """

    passage: int
    span: Span
    text: str
    reason: str

    def json(self) -> dict[str, Any]:
        """The flag as the command line's --json shows it."""
        return {
            "passage": self.passage, "start": self.span.start, "end": self.span.end, "text": self.text,
            "reason": self.reason,
        }  # fmt: skip


@dataclass(frozen=True, slots=True)
class Trace:
    """How a pack came about.

    timings: seconds by stage; before: tokens of the passages that were compressed, None where none were; flags: what
    in the passages reads as an instruction to the model.
    """

    considered: tuple[Considered, ...]
    timings: Mapping[str, float]
    before: int | None = None
    flags: tuple[Flag, ...] = ()


@dataclass(frozen=True, slots=True)
class Pack:
    """The context that a budget bought.

    text: the passages under numbered labels, ready for a prompt; citations: where each passage stands, in that order;
    tokens: of `text`, never above the budget.
    """

    query: str
    budget: Budget
    text: str
    passages: tuple[Passage, ...]
    tokens: int
    trace: Trace

    @property
    def citations(self) -> tuple[str, ...]:
        """`path:12-15` for each passage, in the order of their numbers."""
        return tuple(passage.cite for passage in self.passages)

    @property
    def prompt(self) -> str:
        """Instructions, context and question as one string for any model."""
        return prompt(self.query, self.passages)

    def json(self) -> dict[str, Any]:
        """The pack as the command line's --json shows it."""
        return {
            "query": self.query,
            "budget": self.budget.tokens,
            "tokens": self.tokens,
            "passages": [
                {
                    "id": passage.id, "source": passage.source, "start": passage.span.start, "end": passage.span.end,
                    "lines": list(passage.lines), "text": passage.text, "tokens": passage.tokens,
                    "score": round(passage.score, 4),
                    **({} if passage.parts is None else {"parts": [[at, *span] for at, span in passage.parts]}),
                }
                for passage in self.passages
            ],
            "decisions": [
                {
                    "id": one.id, "source": one.source, "start": one.span.start, "end": one.span.end,
                    "kept": one.decision.kept, "score": round(one.decision.score, 4),
                    "gain": round(one.decision.gain, 4), "cost": one.decision.cost, "reason": one.decision.reason,
                }
                for one in self.trace.considered
            ],
            "flags": [flag.json() for flag in self.trace.flags],
            "prompt": self.prompt,
        }  # fmt: skip


def pack(
    corpus: Corpus,
    query: str,
    budget: Budget,
    tokenizer: Tokenizer,
    retrieve: Retriever,
    select: Selector,
    compress: Compressor | None = None,
    layout: Layout | None = None,
    earlier: Sequence[Sequence[Passage]] = (),
    labels: bool = True,
) -> Pack:
    """Retrieve, select, join neighbours into passages, compress them, lay them out; never a token above the budget.

    compress: None to take passages as they are; else AHEAD budgets full are selected and then made to fit one. layout:
    the order in which they are shown, None for that of the documents; earlier: the passages of the conversation's
    prompts up to now, the oldest first. What the layout keeps of them stands in front as it stood, and the question
    buys the rest; with `compress` nothing is kept. labels: whether the budget pays for the labels too (`Pack.text` as
    it stands) or for the passages' own text alone.
    Raises UserError for an empty question.
    """
    if not query.strip():
        raise UserError('the question is empty; ask something, such as: chunkwise ask "how are refunds handled?"')
    clock = _Clock()
    candidates = retrieve(corpus, query, CANDIDATES)
    clock.lap("retrieve")
    made: dict[tuple[int, int], Passage] = {}
    whole: list[Passage] = []

    def in_order(passages: Sequence[Passage]) -> list[Passage]:
        return list(passages) if layout is None else layout(passages, () if kept else earlier)

    def labelled(passages: Sequence[Passage]) -> int:
        return tokenizer.count(context(passages))

    bill: Bill = labelled if labels else text_alone
    run = cache(partial(_run, corpus))  # prompts of one conversation hold the same passages
    room, kept = budget.tokens, list[Passage]()
    if layout is not None and earlier and compress is None:
        alone = _passages(corpus, candidates, select(candidates, budget), tokenizer, made)
        kept = layout.keep(alone, [list(takewhile(run, before)) for before in earlier], room)
        while bill(kept) > room:
            kept.pop()
    held = {chunk for passage in kept for chunk in run(passage)}
    if compress is not None:
        selection = select(candidates, Budget(AHEAD * room))
        whole = _passages(corpus, candidates, selection, tokenizer, made)
    while True:
        if compress is None:
            # From all candidates, those held too: what is held and wanted is then paid for once, and the selector knows
            # of it; what is held and not wanted takes its tokens from the rest.
            selection = select(candidates, Budget(room))
            passages = _passages(corpus, candidates, selection, tokenizer, made, held)
        else:
            # By the bill of what is shown, so that a compressor that asks a model need not be called again.
            passages = compress(query, whole, Budget(room, lambda passages: bill(in_order(passages))))
        passages = [*kept, *in_order(passages)]  # before it is billed, since a label's number has its price
        tokens = bill(passages)
        if tokens <= budget.tokens:
            break
        # Labels, and edges that tokenise anew, cost what no chunk's own count shows: buy less in proportion. Taking
        # off all that is over would throw out the labels of what goes as well as what stands under them. A little less
        # than in proportion, since fewer tokens in as many places carry more labels each.
        room = min(room - 1, int(0.98 * room * budget.tokens / tokens))
    clock.lap("select")
    considered = _considered(corpus, candidates, selection, held)
    clock.lap("lay out")
    before = None if compress is None else text_alone(whole)
    trace = Trace(considered, clock.laps, before, tuple(_flags(passages)))
    return Pack(query, budget, context(passages), tuple(passages), tokens, trace)


def _passages(
    corpus: Corpus,
    candidates: Candidates,
    selection: Selection,
    tokenizer: Tokenizer,
    made: dict[tuple[int, int], Passage],
    held: Collection[int] = (),
) -> list[Passage]:
    """The selected chunks in the order they stand, neighbours of one document joined; `made` holds earlier ones.

    held: chunks that stand in the prompt already.
    """
    indices = selection.indices[[chunk not in held for chunk in candidates.ids[selection.indices].tolist()]]
    chosen = candidates.ids[indices]
    breaks = (np.flatnonzero(~corpus.neighbours(chosen)) + 1).tolist()
    passages = []
    for begin, end in pairwise([0, *breaks, len(chosen)] if len(chosen) else []):
        key = (int(chosen[begin]), int(chosen[end - 1]))
        if key not in made:
            score = float(candidates.scores[indices[begin:end]].max())
            made[key] = _passage(corpus, chosen[begin:end], score, tokenizer)
        passages.append(made[key])
    return passages


def _passage(corpus: Corpus, run: Ints, score: float, tokenizer: Tokenizer) -> Passage:
    first, last = int(run[0]), int(run[-1])
    document, snapshot = corpus.document(first), corpus.snapshot
    span = Span(int(snapshot.start[first]), int(snapshot.end[last]))
    text = document.text[span.start : span.end]
    return Passage(
        chunks=tuple(key.hex() for key in snapshot.ids[run].tolist()),
        source=document.source,
        span=span,
        lines=document.lines.range(span),
        cite=document.lines.cite(shown(document.source, corpus.roots), span),
        text=text,
        tokens=tokenizer.count(text),
        score=score,
        path=corpus.path(first),
    )


def _flags(passages: Sequence[Passage]) -> Iterator[Flag]:
    for number, passage in enumerate(passages, 1):
        for (start, end), reason in injections(passage.text):
            span = passage.origin(start, end) or passage.span  # what was written anew stands for all it was made of
            yield Flag(number, span, passage.text[start:end], reason)


def _run(corpus: Corpus, passage: Passage) -> range:
    """The chunks of a passage made before; none where the index would show it otherwise now, or not at all."""
    snapshot, none = corpus.snapshot, range(0)
    if passage.source not in snapshot.sources:
        return none
    number = snapshot.sources.index(passage.source)
    first, last = np.searchsorted(snapshot.document, (number, number + 1)).tolist()
    begin = first + int(np.searchsorted(snapshot.start[first:last], passage.span.start))
    run = range(begin, min(begin + len(passage.chunks), last))
    if tuple(key.hex() for key in snapshot.ids[run.start : run.stop].tolist()) != passage.chunks:
        return none
    document = corpus.document(begin)
    cite = document.lines.cite(shown(document.source, corpus.roots), passage.span)
    as_now = (document.text[slice(*passage.span)], cite, corpus.path(begin))
    return run if (passage.text, passage.cite, passage.path) == as_now else none


def _considered(
    corpus: Corpus, candidates: Candidates, selection: Selection, held: Collection[int]
) -> tuple[Considered, ...]:
    """What was decided of every candidate, then of what an earlier prompt holds beyond them."""
    snapshot = corpus.snapshot
    decided = dict(zip(candidates.ids.tolist(), selection.decisions, strict=True))
    for chunk in sorted(held):
        unseen = Decision(True, 0.0, 0.0, int(snapshot.tokens[chunk]), "")
        decided[chunk] = decided.get(chunk, unseen)._replace(kept=True, reason=STANDS)
    chunks = np.fromiter(decided, dtype=np.int64)
    spans = map(Span, snapshot.start[chunks].tolist(), snapshot.end[chunks].tolist())
    sources = (snapshot.sources[number] for number in snapshot.document[chunks].tolist())
    ids = (key.hex() for key in snapshot.ids[chunks].tolist())
    return tuple(map(Considered, ids, sources, spans, decided.values()))


def shown(source: str, roots: Sequence[str] = ()) -> str:
    """A source in few words: relative to the working directory, else to the indexed folder that it lies below.

    roots: those folders. Where there are several, their own names stand in front, unless two bear the same one.
    """
    here = os.getcwd().replace(os.sep, "/")  # noqa: PTH109  # a pathlib.Path costs more than all the rest
    if source.startswith(here := f"{here.rstrip('/')}/"):
        return source.removeprefix(here)
    names = [root.rpartition("/")[2] for root in roots]
    for root, name in zip(roots, names, strict=True):
        if source.startswith(below := f"{root.rstrip('/')}/") and names.count(name) == 1:
            return source.removeprefix(below) if len(roots) == 1 else f"{name}/{source.removeprefix(below)}"
    return source


class _Clock:
    """Seconds by stage."""

    def __init__(self) -> None:
        self.laps: dict[str, float] = {}
        self._since = time.perf_counter()

    def lap(self, stage: str) -> None:
        now = time.perf_counter()
        self.laps[stage] = now - self._since
        self._since = now
