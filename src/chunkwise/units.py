"""The units everybody speaks of: spans, documents, chunks, candidates, decisions, passages."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]

# Line numbers of nearly every file, made once: counting up anew would cost as much as finding the lines.
_counting = tuple(range(1, 10_001))


def content_id(text: str) -> str:
    """The identity of a piece of text on both planes: 128 bits of BLAKE2b over its UTF-8, as 32 hex digits.

    Lone surrogates (from broken JSON) hash too, so that any Python string has an id.
    """
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()


class Span(NamedTuple):
    """Character offsets into a Document's text, half open."""

    start: int
    end: int


@dataclass(frozen=True, slots=True)
class LineMap:
    """Where a document's text came from in its file: lines of a text, or pages of a PDF.

    starts: text offsets, ascending, the first one 0; numbers: the 1-based line or page that begins there.
    """

    starts: tuple[int, ...] = (0,)
    numbers: tuple[int, ...] = (1,)
    unit: Literal["line", "page"] = "line"

    @classmethod
    def of_text(cls, text: str) -> LineMap:
        """The map of a text that is its file to the character; lines end at LF, CRLF or a lone CR."""
        codec, width = ("ascii", np.uint8) if text.isascii() else ("utf-32-le", np.uint32)
        points: npt.NDArray[Any] = np.frombuffer(text.encode(codec, "surrogatepass"), dtype=width)
        ends = points == 10
        if "\r" in text:
            lone_return = points == 13
            lone_return[:-1] &= ~ends[1:]
            ends |= lone_return
        starts = (0, *(np.flatnonzero(ends) + 1).tolist())
        few = len(starts) <= len(_counting)
        return cls(starts, _counting[: len(starts)] if few else tuple(range(1, len(starts) + 1)))

    def at(self, offset: int) -> int:
        """The line or page that holds the character at `offset`."""
        return self.numbers[max(0, bisect_right(self.starts, offset) - 1)]

    def range(self, span: Span) -> tuple[int, int]:
        """The first and last line or page of `span`, both included."""
        return self.at(span.start), self.at(max(span.start, span.end - 1))

    def cite(self, source: str, span: Span) -> str:
        """`path:12`, `path:12-15`, `path p.3` or `path p.3-4`."""
        first, last = self.range(span)
        numbers = str(first) if first == last else f"{first}-{last}"
        return f"{source}:{numbers}" if self.unit == "line" else f"{source} p.{numbers}"


@dataclass(frozen=True, slots=True)
class Document:
    """One file's text and where it came from.

    id: content hash of the text; source: the path or URL it is cited by; media_type: such as "text/markdown" or
    "text/x-python"; lines: the map from the text back to file lines or PDF pages.
    """

    id: str
    text: str
    source: str
    media_type: str = "text/plain"
    metadata: Mapping[str, str] = field(default_factory=dict)
    lines: LineMap = field(default_factory=LineMap)

    @classmethod
    def of(cls, text: str, source: str = "<text>", media_type: str = "text/plain", **metadata: str) -> Document:
        """A document made of a string, with the string's own lines."""
        return cls(content_id(text), text, source, media_type, metadata, LineMap.of_text(text))


@dataclass(frozen=True, slots=True)
class Chunk:
    """A piece of a document, `document.text[span.start:span.end]` to the character.

    id: content hash of the text; tokens: its share of the document's one tokenizer pass; path: the headings or the
    qualified name it stands under.
    """

    id: str
    doc_id: str
    span: Span
    text: str
    tokens: int
    kind: str = "text"
    path: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a retriever offers, as parallel arrays, best first.

    ids: int64 [n], positions in the index; scores: float32 [n], descending; costs: int64 [n], tokens; vectors:
    float32 [n, d] of unit length, or None where the retriever has none; aspects: float32 [n, a], how much of the
    score speaks to each part of the question, or None.
    """

    ids: Ints
    scores: Floats
    costs: Ints
    vectors: Floats | None = None
    aspects: Floats | None = None

    def __len__(self) -> int:
        return len(self.ids)


class Decision(NamedTuple):
    """Why one candidate is in or out: its score, what it would have added, what it costs, and a reason in words.

    turn: 1 for the candidate taken first, and so on; 0 for one that was not taken.
    """

    kept: bool
    score: float
    gain: float
    cost: int
    reason: str
    turn: int = 0


@dataclass(frozen=True, slots=True)
class Selection:
    """indices: the kept candidates in the order they are laid out; decisions: one for every candidate."""

    indices: Ints
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of adjoining chunks of one document; its identity is theirs.

    source and cite say where it stands ("guide.md", "guide.md:12-15"); tokens is the count of `text` alone; score is
    the best of its chunks' scores.
    """

    chunks: tuple[str, ...]
    source: str
    span: Span
    lines: tuple[int, int]
    cite: str
    text: str
    tokens: int
    score: float
    path: tuple[str, ...] = ()

    @property
    def id(self) -> str:
        """One id for the run: the chunk's own when there is one, the hash of the chunks' ids otherwise."""
        return self.chunks[0] if len(self.chunks) == 1 else content_id("\n".join(self.chunks))
