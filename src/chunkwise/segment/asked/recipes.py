"""The cuts that a language model is asked for. Each tiles the text whatever the model answers, or if it does not."""

from __future__ import annotations

import numpy as np

from chunkwise.asking import Asking, answer
from chunkwise.errors import UserError
from chunkwise.models import Ask, CausalLM
from chunkwise.recipe import recipe
from chunkwise.segment import Segmenter
from chunkwise.segment.asked import masked, prompts
from chunkwise.segment.asked.memory import memory
from chunkwise.segment.asked.paragraphs import paragraph_bounds, windows
from chunkwise.segment.asked.shift import shifts
from chunkwise.segment.asked.summary import reading_spans
from chunkwise.segment.fit import checked
from chunkwise.segment.group import grouped
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Document, Ints, Span

GRANULARITIES = (64, 128, 256, 512)  # tokens of a chunk, by class
WORDS_PER_TOKEN = 0.75


@recipe(
    "lumberchunker",
    family="segment",
    seed="LumberChunker: Long-Form Narrative Document Segmentation",
    claim="finds the true starts of topics that fixed cuts of the same size run across",
)
def lumberchunker(size: int = 550, *, ask: Ask) -> Segmenter:
    """Chunks that begin where a model, shown `size` tokens of numbered paragraphs at a time, says the content shifts.

    The named paragraph begins both the next chunk and the next window, so that every paragraph but it can be named
    there; the released code shows the window from the paragraph after it, which can then never begin a chunk. Tokens
    are counted, not estimated; "none" may be answered, and then, or after two replies that cannot be read, the window
    ends where it is full. The released code stops five paragraphs before the end, this one at the end. A paragraph
    longer than the window is shown by its sentences.
    One question for each chunk, one after the other: hundreds for a novel.
    """
    checked(size)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        text = document.text
        if not text:
            return []
        bounds = paragraph_bounds(document, offsets, size)
        tokens = np.searchsorted(offsets.starts, bounds)
        with Asking(ask, f"lumberchunker on {document.source}", "paragraphs are packed to the size") as asking:
            return grouped(text, offsets, bounds, shifts(text, bounds, tokens, size, asking), size)

    return cut


@recipe(
    "moc",
    family="segment",
    seed="MoC: Mixtures of Text Chunking Learners for Retrieval-Augmented Generation System",
    claim="a list of chunks by their first and last words gives them back exactly, typing errors and all",
)
def moc(size: int = 512, window: int = 1024, *, ask: Ask) -> Segmenter:
    """Chunks that a model lists by their first and last words, at a granularity that it is asked for before.

    size: tokens that no chunk exceeds; window: tokens shown at a time, whose ends are cuts. Lists are found again in
    the text by exact match, then by the fewest edits; what is invented is passed over and what is left out stays with
    the chunk before it. A window whose list has nothing of the text in it is packed by paragraphs. The paper trains a
    router and a chunker for each of four lengths; here one model is asked in both parts, and a reply that names no
    class is replaced by the one nearest to the paragraphs' own length. Two questions a window, four at a time.
    """
    checked(size)
    _counted(window=window)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        text = document.text
        if not text:
            return []
        runs = windows(document, offsets, size, window)
        shown = [text[run[0] : run[-1]] for run in runs]
        words = [round(WORDS_PER_TOKEN * tokens) for tokens in GRANULARITIES]
        with Asking(ask, f"moc on {document.source}", "paragraphs are packed to the size") as asking:
            routed = asking.each([prompts.granularity(part, words) for part in shown])
            classes = [_granularity(reply, offsets.counts(run)) for reply, run in zip(routed, runs, strict=True)]
            lists = asking.each(
                [prompts.chunk_list(part, words[one]) for part, one in zip(shown, classes, strict=True)]
            )
            begun: set[int] = {int(run[0]) for run in runs[1:]}
            for run, part, reply in zip(runs, shown, lists, strict=True):
                if reply is None:
                    continue
                found = masked.starts(part, masked.chunk_list(reply))
                if found is None:
                    asking.misread()
                else:
                    begun.update(int(run[0]) + at for at in found)
        bounds = np.union1d(np.concatenate(runs), np.array(sorted(begun), dtype=np.int64))
        return grouped(text, offsets, bounds, np.isin(bounds[1:-1], sorted(begun)), size)

    return cut


@recipe(
    "mom",
    family="segment",
    seed="MoM: Mixtures of Scenario-Aware Document Memories for Retrieval-Augmented Generation Systems",
    claim="of several outlines the one with clear cuts and complete cores is taken, and each layer leads to the chunk",
)
def mom(size: int = 512, drafts: int = 3, window: int = 2048, *, ask: Ask, lm: CausalLM) -> Segmenter:
    """Chunks along the best of several outlines that a model drafts as an expert of the field would.

    size: tokens that no chunk exceeds; drafts: outlines of each window, asked for at different breadths rather than
    sampled at a temperature; window: tokens shown at a time, whose ends are cuts. Which draft is best `lm` says, by the
    clarity of its cuts and what its core contents tell of their chunks. `memory` gives the outline and the core
    contents with the spans. `drafts` questions a window, four at a time; the model is then run over each draft's chunks
    four times.
    """
    checked(size)
    _counted(window=window, drafts=drafts)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        made = memory(document, offsets, ask=ask, lm=lm, size=size, drafts=drafts, window=window)
        return [layered.span for layered in made]

    return cut


@recipe(
    "summarization-eval",
    family="segment",
    seed="An Evaluation of Large Language Models on Text Summarization Tasks Using Prompt Engineering Techniques",
    claim="read window by window and stage by stage, nothing of a document is left out of its summary unread",
    aliases=("summary",),
)
def summary(size: int = 2048) -> Segmenter:
    """Whole sentences packed to the window of the model that is to summarise them, `size` tokens.

    The cut of `chunkwise.segment.asked.summarise`, which asks for the summaries; this asks nobody.
    """
    checked(size)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        return reading_spans(document, offsets, size)

    return cut


def _counted(**given: int) -> None:
    for name, value in given.items():
        if value < 1:
            raise UserError(f"{name}={value}: give {name}=1 or more")


def _granularity(reply: str | None, tokens: Ints) -> int:
    """The class that the reply names, else that nearest to the length of paragraph in which most of the text stands."""
    named = answer(reply, 1, len(GRANULARITIES)) if reply is not None else None
    if named:
        return named - 1
    ordered = np.sort(tokens)
    typical = max(1, int(ordered[np.searchsorted(np.cumsum(ordered), ordered.sum() / 2)]))
    return int(np.argmin(np.abs(np.log2(np.array(GRANULARITIES) / typical))))
