"""Extract: a passage with some of its own text left out, which knows where the rest of it stands."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from chunkwise.tokens import Tokenizer
from chunkwise.units import Part, Passage, Span

GAP = " … "
"""What stands for text that was left out between two stretches that were kept."""


def kept(passage: Passage, spans: Iterable[Span], tokenizer: Tokenizer, gap: str = GAP) -> Passage | None:
    """The passage with these stretches of its text alone; None when nothing is left.

    spans: character offsets into `passage.text`, in any order; those that touch are one stretch. Blanks at the ends of
    a stretch go. The map to the source holds: a stretch keeps the parts that its text had before.
    """
    pieces = [trimmed for span in _joined(spans) if (trimmed := _trimmed(passage.text, span))]
    if not pieces:
        return None
    texts, parts, at = list[str](), list[Part](), 0
    for start, end in pieces:
        if texts:
            texts.append(gap)
            at += len(gap)
        texts.append(passage.text[start:end])
        parts += _parts(passage, start, end, at)
        at += end - start
    text = "".join(texts)
    if text == passage.text:
        return passage
    return replace(passage, text=text, tokens=tokenizer.count(text), parts=tuple(parts))


def _joined(spans: Iterable[Span]) -> Sequence[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(end, joined[-1].end))
        else:
            joined.append(Span(start, end))
    return joined


def _trimmed(text: str, span: Span) -> Span | None:
    said = text[span.start : span.end]
    start = span.start + len(said) - len(said.lstrip())
    end = span.start + len(said.rstrip())
    return Span(start, end) if start < end else None


def _parts(passage: Passage, start: int, end: int, at: int) -> Iterable[Part]:
    """The verbatim parts of passage.text[start:end], which now begins at `at`."""
    for begin, source in passage.verbatim:
        first, last = max(start, begin), min(end, begin + source.end - source.start)
        if first < last:
            offset = source.start - begin
            yield Part(at + first - start, Span(first + offset, last + offset))
