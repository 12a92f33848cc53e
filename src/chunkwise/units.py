"""The units everybody speaks of: spans, documents, chunks, candidates, decisions, passages."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, NamedTuple, TypeAlias, TypeVar, overload

import numpy as np
import numpy.typing as npt

Floats: TypeAlias = npt.NDArray[np.float32]
Ints: TypeAlias = npt.NDArray[np.int64]

_STRETCH = 2**20  # characters looked through at a time, since their code points need four bytes each
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


def place_id(document: str, start: int, end: int) -> str:
    """The identity of a place, characters [start, end) of the document of that id: what is known of a text *there*.

    A vector that was made in the context of the document is kept by this, since the same text means other things
    elsewhere; all that is known of the text alone is kept by its `content_id`.
    """
    return content_id(f"{document}:{start}:{end}")


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
        starts = [0]
        for begin in range(0, len(text), _STRETCH):
            # One character more, to know a lone CR by.
            stretch = text[begin : begin + _STRETCH + 1]
            points: npt.NDArray[Any] = np.frombuffer(stretch.encode(codec, "surrogatepass"), dtype=width)
            ends = points == 10
            if "\r" in stretch:
                lone_return = points == 13
                lone_return[:-1] &= ~ends[1:]
                ends |= lone_return
            starts += (np.flatnonzero(ends[:_STRETCH]) + (begin + 1)).tolist()
        few = len(starts) <= len(_counting)
        return cls(tuple(starts), _counting[: len(starts)] if few else tuple(range(1, len(starts) + 1)))

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


class Element(NamedTuple):
    """A piece of a page's layout: where it stands in the text and on the page, and what it is.

    page: from 1; box: (left, top, right, bottom) in points from the page's top left corner, or None where its place is
    not known; kind: "heading", "text", "list", "table" or "code".
    """

    span: Span
    page: int
    box: tuple[float, float, float, float] | None
    kind: str


@dataclass(frozen=True, slots=True)
class Document:
    """One file's text and where it came from.

    id: content hash of the text; source: the path or URL it is cited by; media_type: such as "text/markdown" or
    "text/x-python"; lines: the map from the text back to file lines or PDF pages; layout: its elements in the order of
    the text, where the format shows them (PDF, HTML). No part of what makes two documents equal: stores do not keep it.
    """

    id: str
    text: str
    source: str
    media_type: str = "text/plain"
    metadata: Mapping[str, str] = field(default_factory=dict)
    lines: LineMap = field(default_factory=LineMap)
    layout: tuple[Element, ...] = field(default=(), compare=False)

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


Item = TypeVar("Item")


class Lazy(Sequence[Item], Generic[Item]):
    """A sequence of n items, each made by `make(index)` when it is first looked at, and then kept."""

    def __init__(self, n: int, make: Callable[[int], Item]) -> None:
        self._n, self._make = n, make
        self._made: dict[int, Item] = {}

    def __len__(self) -> int:
        return self._n

    @overload
    def __getitem__(self, at: int) -> Item: ...
    @overload
    def __getitem__(self, at: slice) -> Sequence[Item]: ...
    def __getitem__(self, at: int | slice) -> Item | Sequence[Item]:
        """The item, or the list of those of a slice."""
        if isinstance(at, slice):
            return [self[index] for index in range(*at.indices(self._n))]
        index = range(self._n)[at]
        if index not in self._made:
            self._made[index] = self._make(index)
        return self._made[index]

    def __iter__(self) -> Iterator[Item]:
        return (self[index] for index in range(self._n))


@dataclass(frozen=True, slots=True)
class Candidates:
    """What a retriever offers, as parallel arrays, best first.

    ids: int64 [n], positions in the index; scores: float32 [n], descending; costs: int64 [n], tokens; vectors:
    float32 [n, d] of unit length, or None where the retriever has none; aspects: float32 [n, a], how much of the
    score speaks to each part of the question, or None; query: the question they were found for; documents: int64 [n],
    the number of the document that each stands in, or None; texts, paths: what each says and the headings or qualified
    name that it stands under, read when first looked at, or None where they are not known.
    """

    ids: Ints
    scores: Floats
    costs: Ints
    vectors: Floats | None = None
    aspects: Floats | None = None
    query: str = ""
    documents: Ints | None = None
    texts: Sequence[str] | None = None
    paths: Sequence[tuple[str, ...]] | None = None

    def __len__(self) -> int:
        return len(self.ids)


class Decision(NamedTuple):
    """Why one candidate is in or out: its score, what it would have added, what it costs, and a reason in words.

    turn: 1 for the candidate taken first, and so on; 0 for one that was not taken, or is in since an earlier prompt.
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


class Part(NamedTuple):
    """A stretch of a passage's text that its document has to the character: from `at`, as long as `span`."""

    at: int
    span: Span


@dataclass(frozen=True, slots=True)
class Passage:
    """A run of adjoining chunks of one document; its identity is theirs.

    source and cite say where it stands ("guide.md", "guide.md:12-15"); tokens is the count of `text` alone; score is
    the best of its chunks' scores. parts: None where `text` is the document's at `span` to the character; of a
    compressed passage the stretches that are, in the order of the text: what lies between them was written anew.
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
    parts: tuple[Part, ...] | None = None

    @property
    def verbatim(self) -> tuple[Part, ...]:
        """The stretches of `text` that stand in the document: the whole of it where it was not compressed."""
        return (Part(0, self.span),) if self.parts is None else self.parts

    def origin(self, start: int, end: int) -> Span | None:
        """Where text[start:end] stands in the document: from its first verbatim character to its last, None without."""
        first, last = None, None
        for at, span in self.verbatim:
            begin, stop = max(start, at), min(end, at + span.end - span.start)
            if begin < stop:
                first = span.start + begin - at if first is None else first
                last = span.start + stop - at
        return None if first is None or last is None else Span(first, last)

    @property
    def id(self) -> str:
        """One id for the run: the chunk's own when there is one, the hash of the chunks' ids otherwise."""
        return self.chunks[0] if len(self.chunks) == 1 else content_id("\n".join(self.chunks))
