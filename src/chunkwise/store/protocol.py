"""Store: where documents, chunks and vectors live, as the rest of the house sees it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from chunkwise.store.postings import Postings, WordCounts
from chunkwise.units import Chunk, Document, Floats, Ints


@dataclass(frozen=True, slots=True)
class FileState:
    """What a file looked like when it was read: enough to tell that it has not changed since.

    content: the document's id; size: bytes; modified: nanoseconds; seen: nanoseconds, when it was read, or 0 for a
    document that is to be cut again, whether it has changed or not.
    """

    content: str
    size: int
    modified: int
    seen: int


@dataclass(frozen=True, slots=True)
class Entry:
    """All that the index keeps of one document; written whole or not at all.

    vectors: float32 [chunks, d] in the space that every chunk has a vector in, or None where there is none.
    """

    document: Document
    chunks: Sequence[Chunk]
    words: WordCounts
    language: str
    state: FileState
    vectors: Floats | None = None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One state of the index as arrays, derived from the store and ready to be searched. Chunks are in document order.

    sources: of each document, by position; contents: bytes16 [documents], their ids; document: int32 [chunks], into
    them; start, end, tokens: int32 [chunks]; ids: bytes16 [chunks]; matrix: float16 [chunks, d] of unit length, or
    None; bits: uint64 [chunks, ceil(d / 64)], the signs of the matrix.
    """

    generation: int
    sources: tuple[str, ...]
    contents: npt.NDArray[np.void]
    languages: Mapping[str, int]
    document: npt.NDArray[np.int32]
    start: npt.NDArray[np.int32]
    end: npt.NDArray[np.int32]
    tokens: npt.NDArray[np.int32]
    ids: npt.NDArray[np.void]
    postings: Postings
    matrix: npt.NDArray[np.float16] | None
    bits: npt.NDArray[np.uint64] | None

    def __len__(self) -> int:
        return len(self.start)


class Store(Protocol):
    """A knowledge base. Every write is whole or absent, whatever happens to the process."""

    @property
    def settings(self) -> Mapping[str, str]:
        """What the knowledge base was made with."""

    def writing(self) -> AbstractContextManager[None]:
        """Hold the store for one writer; others wait or are told who holds it."""

    def roots(self) -> tuple[str, ...]:
        """The folders that were indexed; none lies below another."""

    def put_roots(self, roots: Iterable[str]) -> None:
        """Keep the folders that were indexed."""

    def files(self) -> dict[str, FileState]:
        """The state of every document's file, by source."""

    def put(self, entries: Iterable[Entry]) -> None:
        """Write documents, each replacing what its source held before, in one transaction."""

    def touch(self, states: Mapping[str, FileState]) -> None:
        """Note new file states of documents whose content did not change."""

    def remove(self, sources: Iterable[str]) -> int:
        """Forget documents; how many there were."""

    def snapshot(self) -> Snapshot:
        """The newest complete state as arrays; derived anew when what lies on disk is behind or missing."""

    def document(self, source: str) -> Document:
        """A document with its text, as it was when it was indexed; StaleError when it is not there any more."""

    def headings(self, source: str, ordinal: int) -> tuple[str, ...]:
        """The headings or the qualified name that a document's chunk stands under."""

    def vectors(self, space: str, ids: npt.NDArray[np.void]) -> tuple[Ints, Floats]:
        """Those of `ids` that `put_vectors` kept one of in `space`: their indices, ascending, and float32 [found, d].

        What an `Entry` brought is the snapshot's matrix.
        """

    def notes(self, kind: str, ids: npt.NDArray[np.void]) -> dict[int, str]:
        """The notes of a kind on those of `ids` that have one, by index."""

    def put_notes(self, kind: str, ids: npt.NDArray[np.void], texts: Sequence[str]) -> None:
        """Keep what was written about chunks, documents or places, such as a context or questions, by their ids."""

    def put_vectors(self, space: str, ids: npt.NDArray[np.void], vectors: Floats) -> None:
        """Keep vectors by content or place id."""

    def counts(self) -> dict[str, int]:
        """How much there is: documents, chunks, tokens, bytes, and vectors by space."""

    def close(self) -> None:
        """Let go of files."""
