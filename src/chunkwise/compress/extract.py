"""Extract: a passage with some of its own text left out or said anew, which knows where the rest of it stands."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import NamedTuple

from chunkwise.tokens import Tokenizer
from chunkwise.units import Part, Passage, Span

GAP = " … "
"""What stands for text that was left out between two stretches that were kept."""

_AS_IT_IS: Mapping[Span, str] = {}


def kept(
    passage: Passage,
    spans: Iterable[Span],
    tokenizer: Tokenizer,
    gap: str = GAP,
    instead: Mapping[Span, str] = _AS_IT_IS,
) -> Passage | None:
    """The passage with these stretches of its text alone; None when nothing is left.

    spans: character offsets into `passage.text`, in any order; those that touch are one stretch. Blanks at the ends of
    a stretch go. instead: what is said in place of some spans, each within one stretch, none across another; it is no
    part of the source. The map to the source holds: what was kept as it was keeps the parts that it had before.
    """
    replaced = sorted(instead)
    pieces = (_pieces(passage.text, stretch, replaced, instead) for stretch in _joined(spans))
    made = _composed(passage, pieces, tokenizer, gap)
    return passage if made is not None and made.text == passage.text and not instead else made


def told(passage: Passage, lines: Iterable[str | Span], tokenizer: Tokenizer) -> Passage | None:
    """The passage as these lines, written anew or stretches of its own text; None when they say nothing.

    The map to the source holds: the stretches keep their parts, what was written anew has none.
    """
    pieces = (
        [_Piece(line, None) if isinstance(line, str) else _Piece(passage.text[line.start : line.end], line.start)]
        for line in lines
    )
    return _composed(passage, pieces, tokenizer, "\n")


def _composed(
    passage: Passage, stretches: Iterable[Iterable[_Piece]], tokenizer: Tokenizer, gap: str
) -> Passage | None:
    texts, parts, at = list[str](), list[Part](), 0
    for stretch in stretches:
        pieces = _trimmed(list(stretch))
        if texts and pieces:
            texts.append(gap)
            at += len(gap)
        for text, start in pieces:
            if start is not None:
                parts += _parts(passage, start, start + len(text), at)
            texts.append(text)
            at += len(text)
    if not texts:
        return None
    text = "".join(texts)
    return replace(passage, text=text, tokens=tokenizer.count(text), parts=tuple(parts))


class _Piece(NamedTuple):
    """text and where it begins in the passage; None where it is said in place of what stands there."""

    text: str
    start: int | None


def _joined(spans: Iterable[Span]) -> Sequence[Span]:
    joined: list[Span] = []
    for start, end in sorted(spans):
        if joined and start <= joined[-1].end:
            joined[-1] = Span(joined[-1].start, max(end, joined[-1].end))
        else:
            joined.append(Span(start, end))
    return joined


def _pieces(text: str, stretch: Span, replaced: Sequence[Span], instead: Mapping[Span, str]) -> Iterator[_Piece]:
    at = stretch.start
    for span in replaced:
        if at <= span.start and span.end <= stretch.end:
            yield _Piece(text[at : span.start], at)
            yield _Piece(instead[span], None)
            at = span.end
    yield _Piece(text[at : stretch.end], at)


def _trimmed(pieces: list[_Piece]) -> list[_Piece]:
    """The pieces without the blanks at both ends."""
    while pieces and not pieces[0].text.strip():
        del pieces[0]
    while pieces and not pieces[-1].text.strip():
        del pieces[-1]
    if pieces:
        text, start = pieces[0]
        said = text.lstrip()
        pieces[0] = _Piece(said, None if start is None else start + len(text) - len(said))
        pieces[-1] = pieces[-1]._replace(text=pieces[-1].text.rstrip())
    return pieces


def _parts(passage: Passage, start: int, end: int, at: int) -> Iterable[Part]:
    """The verbatim parts of passage.text[start:end], which now begins at `at`."""
    for begin, source in passage.verbatim:
        first, last = max(start, begin), min(end, begin + source.end - source.start)
        if first < last:
            offset = source.start - begin
            yield Part(at + first - start, Span(first + offset, last + offset))
