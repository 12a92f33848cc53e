"""A document remembered at three layers: an outline's headings, the core of what stands under each, the chunk itself.

After "MoM: Mixtures of Scenario-Aware Document Memories for Retrieval-Augmented Generation Systems". Its scores are
reconstructed from the abstract: clarity is the mean boundary clarity of the cuts, completeness what the core contents
tell of their chunks.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby, pairwise

import numpy as np

from chunkwise.asking import Asking
from chunkwise.errors import ChunkwiseError, UnansweredWarning
from chunkwise.models import Ask, CausalLM
from chunkwise.segment.asked import prompts
from chunkwise.segment.asked.paragraphs import windows
from chunkwise.segment.clarity import boundary_clarity
from chunkwise.segment.group import packed
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Document, Floats, Ints, Span

_LINE = re.compile(r"^[\s*-]*(?:ID\s*)?([0-9]{1,9})\s*\|([^|\n]*)(?:\|([^\n]*))?$", re.IGNORECASE | re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Item:
    """One line of a plan. unit: index of the paragraph it begins with."""

    unit: int
    heading: str
    core: str


@dataclass(frozen=True, slots=True)
class Layered:
    """A chunk with its heading and core content, both "" where no plan could be had; several chunks may share them."""

    span: Span
    heading: str
    core: str

    def layers(self, text: str) -> tuple[str, str, str]:
        """Heading, core content and chunk, as retrieval scores them; text: the document's."""
        return self.heading, self.core, text[self.span.start : self.span.end]


def memory(
    document: Document,
    offsets: TokenOffsets,
    *,
    ask: Ask,
    lm: CausalLM,
    size: int = 512,
    drafts: int = 3,
    window: int = 2048,
) -> list[Layered]:
    """The document's chunks in order, tiling it, each of at most `size` tokens, with what is remembered of it.

    Each window of `window` tokens is planned `drafts` times and cut by the plan that `lm` scores best; one with no
    plan that can be read is packed by paragraphs. Never fails for what a model does: FallbackWarning tells.
    """
    text = document.text
    if not text:
        return []
    what = f"mom on {document.source}"
    bounds = windows(document, offsets, size, window)
    shown = [[text[start:end] for start, end in pairwise(run.tolist())] for run in bounds]
    with Asking(ask, what, "the text is packed by paragraphs, with no outline") as asking:
        replies = asking.each([prompts.plan(part, draft, drafts) for part in shown for draft in range(drafts)])
        drafted = [
            _plans(replies[number * drafts : (number + 1) * drafts], len(part), asking)
            for number, part in enumerate(shown)
        ]
    best = _best(lm, shown, drafted, what)
    return [
        Layered(span, item.heading, item.core)
        for run, items in zip(bounds, best, strict=True)
        for item, start, end in zip(items, *_edges(items, len(run) - 1), strict=True)
        for span in packed(text, offsets, run[start : end + 1], size)
    ]


def plan(reply: str, units: int) -> list[Item]:
    """The items that a reply lists, in order, the first one at unit 0; none where it lists none within 1 to `units`."""
    listed = [Item(int(number) - 1, heading.strip(), core.strip()) for number, heading, core in _LINE.findall(reply)]
    inside = sorted((item for item in listed if 0 <= item.unit < units), key=lambda item: item.unit)
    items = [next(same) for _, same in groupby(inside, key=lambda item: item.unit)]
    return [Item(0, items[0].heading, items[0].core), *items[1:]] if items else []


def score(lm: CausalLM, paragraphs: Sequence[str], items: Sequence[Item]) -> float:
    """Clarity of the plan's cuts and completeness of its core contents, added; each about 0 to 1, higher is better.

    clarity: mean boundary clarity, 0 for a plan that cuts nowhere. completeness: mean over the items of how much less
    perplexing the chunk is after its core content, from 0 to 1, times how much shorter that is than the chunk, so that
    a copy of the whole earns nothing.
    """
    chunks = ["".join(paragraphs[start:end]) for start, end in zip(*_edges(items, len(paragraphs)), strict=True)]
    clear = [boundary_clarity(lm, before, after) for before, after in pairwise(chunks)]
    told = [
        max(0.0, 1 - boundary_clarity(lm, item.core, chunk)) * max(0.0, 1 - len(item.core) / max(1, len(chunk)))
        for item, chunk in zip(items, chunks, strict=True)
    ]
    return (sum(clear) / len(clear) if clear else 0.0) + sum(told) / max(1, len(told))


def best_of_layers(scores: Floats, k: int) -> Ints:
    """The `k` best records by the best score that any of their layers has; ties by position. int64 [at most k].

    scores: float32 [3, n], one retriever's scores of the question against headings, core contents and chunks.
    """
    best = scores.max(axis=0) if scores.size else np.zeros(0, dtype=np.float32)
    return np.argsort(-best, kind="stable")[:k].astype(np.int64)


def _plans(replies: Sequence[str | None], units: int, asking: Asking) -> list[list[Item]]:
    """The different plans that the replies hold."""
    plans = [plan(reply, units) for reply in replies if reply is not None]
    if not any(plans):
        asking.misread(len(plans))
    return [made for number, made in enumerate(plans) if made and made not in plans[:number]]


def _best(
    lm: CausalLM, shown: Sequence[Sequence[str]], drafted: Sequence[list[list[Item]]], what: str
) -> list[list[Item]]:
    """For each window the plan with the highest score, the first of equals; one item over all where there is none."""
    best: list[list[Item]] = []
    scored = True
    for part, plans in zip(shown, drafted, strict=True):
        taken = plans[0] if plans else [Item(0, "", "")]
        if scored and len(plans) > 1:
            try:
                scores = [score(lm, part, items) for items in plans]
                taken = plans[scores.index(max(scores))]
            except ChunkwiseError as error:
                scored = False
                fallen = UnansweredWarning(what, str(error), "first plans are taken, unscored")
                warnings.warn(fallen, stacklevel=3)
        best.append(taken)
    return best


def _edges(items: Sequence[Item], units: int) -> tuple[list[int], list[int]]:
    """The units that each item begins with and ends before."""
    begin = [item.unit for item in items]
    return begin, [*begin[1:], units]
