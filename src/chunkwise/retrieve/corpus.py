"""Corpus: one state of the index as a retriever sees it, and the vectors it makes on the way."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
import numpy.typing as npt

from chunkwise.retrieve.dense import nearest
from chunkwise.retrieve.lexical import Lexical
from chunkwise.retrieve.words import words
from chunkwise.store import Snapshot, Store
from chunkwise.units import Candidates, Document, Floats, Ints

if TYPE_CHECKING:
    from chunkwise.embed import Embedder

Retriever: TypeAlias = Callable[["Corpus", str, int], Candidates]


class Corpus:
    """What a retriever may ask of the index.

    roots: the folders that were indexed; scan: the embedder whose space every chunk has a vector in, or None; judge:
    the embedder of the candidates' contextual vectors, made when first asked for and kept by content id, or None.
    """

    def __init__(self, store: Store, scan: Embedder | None, judge: Embedder | None) -> None:
        self.store = store
        self.snapshot: Snapshot = store.snapshot()
        self.roots = store.roots()
        self.scan, self.judge = scan, judge
        self._lexical: dict[tuple[int, ...], Lexical] = {}
        self._documents: OrderedDict[int, Document] = OrderedDict()
        self._judged: dict[bytes, Floats] = {}
        self.query_vector = lru_cache(maxsize=64)(self._query_vector)

    def __len__(self) -> int:
        return len(self.snapshot)

    def terms(self, query: str) -> npt.NDArray[np.uint64]:
        """The terms that the query's words stand for in the languages of the index; uint64 [t], ascending."""
        known = self.snapshot.languages or {"en": 0}
        return np.unique(np.concatenate([words(language).hashes(query) for language in known]))

    def lexical(self, widths: Sequence[int]) -> Lexical:
        """BM25 over windows of these widths, its norms computed once."""
        key = tuple(widths)
        if key not in self._lexical:
            self._lexical[key] = Lexical(self.snapshot.postings, key)
        return self._lexical[key]

    def nearest(self, query: str, k: int) -> tuple[Ints, Floats]:
        """The k chunks nearest to the query in the scanned space, exactly, with their cosines; none without a scan."""
        matrix, bits = self.snapshot.matrix, self.snapshot.bits
        if self.scan is None or matrix is None or bits is None or not len(self):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        return nearest(matrix, bits, self.query_vector(self.scan, query), k)

    def scanned(self, chunks: Ints) -> Floats | None:
        """The vectors of chunks in the scanned space; float32 [n, d]."""
        matrix = self.snapshot.matrix
        return None if matrix is None else matrix[chunks].astype(np.float32)

    def judged(self, chunks: Ints) -> Floats:
        """The contextual vectors of chunks, float32 [n, d]; those not yet made are made and kept."""
        assert self.judge is not None
        keys = [key.tobytes() for key in self.snapshot.ids[chunks]]
        wanted = [at for at, key in enumerate(keys) if key not in self._judged]
        if wanted:
            have, vectors = self.store.vectors(self.judge.name, self.snapshot.ids[chunks[wanted]])
            self._judged.update((keys[wanted[at]], vector) for at, vector in zip(have.tolist(), vectors, strict=True))
            new = list({keys[at]: at for at in wanted if keys[at] not in self._judged}.values())
            if new:
                made = self.judge([self.text(int(chunk)) for chunk in chunks[new]])
                self.store.put_vectors(self.judge.name, self.snapshot.ids[chunks[new]], made)
                self._judged.update((keys[at], vector) for at, vector in zip(new, made, strict=True))
        return np.stack([self._judged[key] for key in keys])

    def document(self, chunk: int) -> Document:
        """The document that a chunk stands in; the latest few are kept at hand."""
        number = int(self.snapshot.document[chunk])
        if number in self._documents:
            self._documents.move_to_end(number)
        else:
            self._documents[number] = self.store.document(self.snapshot.sources[number])
            if len(self._documents) > 256:
                self._documents.popitem(last=False)
        return self._documents[number]

    def text(self, chunk: int) -> str:
        """A chunk's text."""
        return self.document(chunk).text[self.snapshot.start[chunk] : self.snapshot.end[chunk]]

    def path(self, chunk: int) -> tuple[str, ...]:
        """The headings or the qualified name that a chunk stands under."""
        number = self.snapshot.document[chunk]
        ordinal = chunk - int(np.searchsorted(self.snapshot.document, number))
        return self.store.headings(self.snapshot.sources[number], ordinal)

    def neighbours(self, chunks: Ints) -> npt.NDArray[np.bool_]:
        """Whether each of `chunks`, ascending, and the next one adjoin in one document; bool [n - 1]."""
        documents = self.snapshot.document[chunks]
        return (np.diff(chunks) == 1) & (np.diff(documents) == 0)

    def _query_vector(self, embedder: Embedder, query: str) -> Floats:
        vector: Floats = embedder([query])[0]
        return vector
