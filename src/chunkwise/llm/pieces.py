"""Pieces of a passage that can be quoted alone: sentences of prose, definitions and comments of code."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import accumulate
from pathlib import PurePosixPath
from typing import Literal, NamedTuple, TypeAlias

from chunkwise.units import Passage, Span

Kind: TypeAlias = Literal["sentence", "lead", "definition", "comment", "statement"]

LONGEST = 400  # characters of a sentence

_CODE_SUFFIX = re.compile(
    r"\.(?:pyi?|[jt]sx?|mjs|java|kt|scala|go|rs|[ch]|cc|[ch]pp|cs|swift|rb|php|sh|bash)", re.IGNORECASE
)
_BREAK = re.compile(
    r"\n(?:[^\S\n]*\n)+|\n(?=[^\S\n]*(?:[-*+•|]|#{1,6}|\d{1,3}[.)])\s)|(?<=[。！？])"
    r"|(?P<stop>(?<=[.!?…])[\"'”’)\]]*\s+(?=[^a-z\s]))"
)
_ABBREVIATION = re.compile(r"\b(?:[^\W\d_]|e\.g|i\.e|cf|vs|Mr|Mrs|Ms|Dr|St|Prof|No|Fig|Jr|Sr|approx|ca)\.\Z")
_LEAD = re.compile(r"#{1,6}\s|.*\?\W*\Z|.*\n[=~-]{3,}\s*\Z", re.DOTALL)
_DEFINITION = re.compile(
    r"\s*(?:@|(?:(?:export|default|public|private|protected|internal|static|final|abstract|async|pub(?:\([^)]*\))?"
    r"|unsafe|override)\s+)*(?:def|class|function|fn|func|interface|struct|enum|trait|impl|type|namespace)\s+[\w(*<])"
)
_COMMENT = re.compile(r"\s*(?:#|//|/\*|\*|[rRuUbB]?(?:\"{3}|'{3}))")
_QUOTES = re.compile(r"\"{3}|'{3}")
_SNIPPET = re.compile("d{0,8}D{1,8}d{0,8}|d{1,8}|s{1,8}")  # over one letter for each line, see _line_kinds


class Piece(NamedTuple):
    """span: character offsets into the passage's text. A lead, a heading or a question, only points to what follows."""

    span: Span
    kind: Kind


def is_code(source: str) -> bool:
    """Whether a file of that name holds source code."""
    return _CODE_SUFFIX.fullmatch(PurePosixPath(source).suffix) is not None


def pieces(passage: Passage) -> list[Piece]:
    """The pieces of the passage in order. Blanks at their ends belong to none, nor does the indentation of prose."""
    text = passage.text
    if is_code(passage.source):
        return list(_snippets(text))
    cut = [part for start, end in _sentences(text) for part in _no_longer(text, start, end)]
    return [_sentence(text, *part) for part in cut if not text[slice(*part)].isspace()]


def _sentence(text: str, start: int, end: int) -> Piece:
    said = text[start:end]
    trimmed = Span(start + len(said) - len(said.lstrip()), start + len(said.rstrip()))
    return Piece(trimmed, "lead" if _LEAD.match(said.strip()) else "sentence")


def _sentences(text: str) -> Iterator[Span]:
    start = 0
    for gap in _BREAK.finditer(text):
        if gap["stop"] is None or not _ABBREVIATION.search(text, max(start, gap.start() - 8), gap.start()):
            yield Span(start, gap.end())
            start = gap.end()
    if start < len(text):
        yield Span(start, len(text))


def _no_longer(text: str, start: int, end: int) -> Iterator[Span]:
    while end - start > LONGEST:
        clause = max(text.rfind(mark, start + LONGEST // 2, start + LONGEST) for mark in "\n ;,")
        cut = clause + 1 if clause > 0 else start + LONGEST
        yield Span(start, cut)
        start = cut
    yield Span(start, end)


def _snippets(text: str) -> Iterator[Piece]:
    """A signature with the comment above it and the first paragraph below it; other comments; runs of statements."""
    lines = text.split("\n")
    starts = list(accumulate((len(line) + 1 for line in lines), initial=0))
    for run in _SNIPPET.finditer("".join(_line_kinds(lines))):
        start = starts[run.start()]
        end = start + len(text[start : starts[run.end()] - 1].rstrip())
        yield Piece(Span(start, end), "definition" if "D" in run[0] else "comment" if "d" in run[0] else "statement")


def _line_kinds(lines: list[str]) -> Iterator[str]:
    """One letter for each line: D of a signature, d of a comment or a docstring, s of a statement, blank."""
    quoted, open_brackets = False, 0
    for line in lines:
        described = quoted or _COMMENT.match(line)
        quoted ^= len(_QUOTES.findall(line)) % 2 == 1
        if not line.strip():
            yield " "
        elif described:
            yield "d"
        elif open_brackets > 0 or _DEFINITION.match(line):
            open_brackets = max(0, open_brackets + line.count("(") - line.count(")"))
            yield "D"
        else:
            yield "s"
