"""A document of any length in a few words: chunks that fit the reader are summarised, and their summaries again.

The multi-stage scheme of "An Evaluation of Large Language Models on Text Summarization Tasks Using Prompt Engineering
Techniques".
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from chunkwise.asking import Asking
from chunkwise.errors import UserError
from chunkwise.models import Ask
from chunkwise.segment.asked import prompts
from chunkwise.segment.group import packed
from chunkwise.segment.sentence import sentence_bounds
from chunkwise.tokens import Tokenizer, TokenOffsets
from chunkwise.units import Document, Span

LEAST_WINDOW = 16  # tokens


@dataclass(frozen=True, slots=True)
class Stage:
    """One pass over a text: spans tile it, and summaries[i] is that of text[spans[i].start : spans[i].end]."""

    text: str
    spans: tuple[Span, ...]
    summaries: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """text: the last stage's one summary; stages: all of them, the first one over the document itself."""

    text: str
    stages: tuple[Stage, ...]


def reading_spans(document: Document, offsets: TokenOffsets, window: int) -> list[Span]:
    """Whole sentences packed into spans of at most `window` tokens, which tile the text."""
    return packed(document.text, offsets, sentence_bounds(document), window)


def summarise(
    document: Document, *, ask: Ask, tokenizer: Tokenizer, window: int = 2048, length: int | None = None
) -> Summary:
    """The document's summary in at most `length` tokens (a quarter of the window, which is also the most it may be).

    window: tokens of text that one question shows, LEAST_WINDOW or more; the prompt around it is another 100 or so.
    Each stage reads every span of its text exactly once; the next one reads the summaries, joined, until one window
    holds them all. It ends whatever the model answers: a reply is clipped to `length`, and each stage's text is
    shorter than the last one's. A span with no reply is stood for by its own beginning, with a FallbackWarning.
    Raises UserError for a window or length that cannot be.
    """
    length = window // 4 if length is None else length
    if window < LEAST_WINDOW or not 0 < length <= window // 4:
        raise UserError(
            f"window={window}, length={length}: give a window of {LEAST_WINDOW} tokens or more, and a length of at most"
            " a quarter of it"
        )
    stages: list[Stage] = []
    with Asking(ask, f"summary of {document.source}", "a chunk's beginning stands for it") as asking:
        while document.text:
            offsets = tokenizer.offsets(document.text)
            spans = reading_spans(document, offsets, window)
            pieces = [document.text[start:end] for start, end in spans]
            replies = asking.each([prompts.summary(piece, max(1, length * 2 // 3)) for piece in pieces])
            summaries = _summaries(pieces, replies, tokenizer, length, asking)
            stages.append(Stage(document.text, tuple(spans), tuple(summaries)))
            if len(spans) == 1:
                break
            most = max(window, 3 * len(offsets) // 4)  # what the clipping comes to, save in tiny windows
            document = Document.of(_clipped("\n\n".join(summaries), tokenizer, most), document.source)
    return Summary(stages[-1].summaries[0] if stages else "", tuple(stages))


def _summaries(
    pieces: Sequence[str], replies: Sequence[str | None], tokenizer: Tokenizer, length: int, asking: Asking
) -> list[str]:
    summaries = []
    for piece, reply in zip(pieces, replies, strict=True):
        said = (reply or "").strip()
        if reply is not None and not said:
            asking.misread()
        summaries.append(_clipped(said or piece.strip(), tokenizer, length))
    return summaries


def _clipped(text: str, tokenizer: Tokenizer, most: int) -> str:
    """The text's first `most` tokens, which are no more on their own."""
    while True:
        starts = tokenizer.offsets(text).starts
        if len(starts) <= most:
            return text
        text = text[: int(starts[most])].rstrip() if starts[most] else ""
