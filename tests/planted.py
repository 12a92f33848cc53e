"""Small knowledge bases planted by tests: documents given as lists of chunks, and an embedder of hashed trigrams."""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from chunkwise.embed import Embedder
from chunkwise.retrieve import Corpus, words
from chunkwise.store import Entry, FileState, SQLiteStore
from chunkwise.units import Chunk, Document, Floats, Span, content_id


class Trigrams:
    """Texts alike in their letters have vectors alike; the same on every machine."""

    def __init__(self, dim: int = 64, name: str = "trigrams") -> None:
        self.name, self.dim = f"{name}-{dim}", dim
        self.asked: list[str] = []

    def __call__(self, texts: Sequence[str]) -> Floats:
        self.asked += texts
        vectors = np.zeros((len(texts), self.dim), dtype=np.float32)
        for row, text in zip(vectors, texts, strict=True):
            padded = f"  {text.lower()} "
            for at in range(len(padded) - 2):
                key = zlib.crc32(padded[at : at + 3].encode("utf-8", "surrogatepass"))
                row[key % self.dim] += 1 if key >> 16 & 1 else -1
            row[0] += 1e-3
            row /= np.linalg.norm(row)
        return vectors


class Meanings:
    """A vector of what a text speaks of, by a list of words for each thing: other words, the same meaning."""

    def __init__(self, *things: str) -> None:
        self.name, self.dim = "meanings", len(things) + 1
        self._things = [frozenset(thing.split()) for thing in things]

    def __call__(self, texts: Sequence[str]) -> Floats:
        spoken = [set(text.lower().replace(".", " ").replace("?", " ").split()) for text in texts]
        rows = [[float(len(thing & words)) for thing in self._things] + [0.1] for words in spoken]
        vectors = np.array(rows, dtype=np.float32).reshape(len(texts), self.dim)
        return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def entry(source: str, chunks: Sequence[str], embedder: Embedder | None = None, language: str = "en") -> Entry:
    """A document whose text is the chunks end to end; a chunk costs as many tokens as it has words."""
    document = Document.of("".join(chunks), source)
    made, at = [], 0
    for text in chunks:
        span = Span(at, at + len(text))
        made.append(Chunk(content_id(text), document.id, span, text, max(1, len(text.split()))))
        at = span.end
    state = FileState(document.id, len(document.text), 1, 2)
    vectors = embedder(chunks) if embedder else None
    return Entry(document, made, words(language).count(chunks), language, state, vectors)


def store(path: Path, documents: Mapping[str, Sequence[str]], embedder: Embedder | None = None) -> SQLiteStore:
    """A store that holds the documents."""
    made = SQLiteStore(path, {"space": embedder.name if embedder else ""})
    made.put(entry(source, chunks, embedder) for source, chunks in documents.items())
    return made


def corpus(
    path: Path, documents: Mapping[str, Sequence[str]], scan: Embedder | None = None, judge: Embedder | None = None
) -> Corpus:
    """What a retriever is given."""
    return Corpus(store(path, documents, scan), scan, judge)
