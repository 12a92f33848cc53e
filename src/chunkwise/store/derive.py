"""Derive: the arrays that are searched, made of the rows that are the truth, a stretch of rows at a time."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from chunkwise.store.postings import Postings, WordCounts
from chunkwise.store.signs import signs
from chunkwise.units import Ints, place_id

# Rows that are Python objects at once.
ROWS = 8192


class Documents(NamedTuple):
    """The documents by source: their numbers in the database, sources, languages and content ids."""

    numbers: list[int]
    sources: list[str]
    languages: list[str]
    contents: list[str]


def documents(db: sqlite3.Connection) -> Documents:
    """All documents, in the order that the arrays have them in."""
    rows = db.execute("SELECT number, source, language, content FROM documents ORDER BY source").fetchall()
    return Documents(*map(list, zip(*rows, strict=True))) if rows else Documents([], [], [], [])


def derived(db: sqlite3.Connection, held: Documents, space: str, in_context: bool) -> dict[str, npt.NDArray[Any]]:
    """The arrays of a `Snapshot` by name, with `matrix` and `bits` where every chunk has a vector in `space`.

    in_context: whether vectors are kept by the chunks' places. Memory is that of the arrays and of a stretch of rows.
    """
    found = _chunks(db, held)
    found["contents"] = _bytes(bytes.fromhex("".join(held.contents)))
    postings = Postings.of(_Words(db))
    found |= {name: getattr(postings, name) for name in Postings.__slots__}
    if (matrix := _matrix(db, held, found, space, in_context)) is not None:
        found["matrix"] = matrix
        found["bits"] = np.concatenate([signs(matrix[at : at + ROWS]) for at in range(0, len(matrix), ROWS)])
    return found


def _chunks(db: sqlite3.Connection, held: Documents) -> dict[str, npt.NDArray[Any]]:
    position = _positions(held)
    ids, columns = [np.zeros((0, 16), np.uint8)], [np.zeros((4, 0), np.int32)]
    for rows in _stretches(db, 'SELECT id, document, start, "end", tokens FROM chunks ORDER BY document, ordinal'):
        keys, *numbers = zip(*rows, strict=True)
        ids.append(_bytes(b"".join(keys)))
        columns.append(np.array(numbers, dtype=np.int32))
    document, start, end, tokens = np.concatenate(columns, axis=1)
    document = position[document]
    inside = np.argsort(document, kind="stable")
    named = {"document": document, "start": start, "end": end, "tokens": tokens, "ids": np.concatenate(ids)}
    return {name: column[inside] for name, column in named.items()}


def _positions(held: Documents) -> npt.NDArray[np.int32]:
    """The position of each document by its number in the database; int32 [numbers]."""
    position = np.zeros(max(held.numbers, default=0) + 1, dtype=np.int32)
    position[held.numbers] = np.arange(len(held.numbers), dtype=np.int32)
    return position


def _matrix(
    db: sqlite3.Connection, held: Documents, found: dict[str, npt.NDArray[Any]], space: str, in_context: bool
) -> npt.NDArray[np.float16] | None:
    """The vector of each chunk, float16 [n, d]; None where one has none, or there are no chunks."""
    position, ends = _positions(held), np.cumsum(np.bincount(found["document"], minlength=len(held.numbers)))
    matrix: npt.NDArray[np.float16] | None = None
    missing = np.ones(len(found["document"]), dtype=np.bool_)
    for number, chunks, data in db.execute("SELECT document, chunks, vectors FROM matrices"):
        vectors = np.frombuffer(data, dtype=np.float16).reshape(chunks, -1)
        if matrix is None:
            matrix = np.empty((len(missing), vectors.shape[1]), dtype=np.float16)
        end = ends[position[number]]
        matrix[end - chunks : end] = vectors
        missing[end - chunks : end] = False
    if missing.any():  # in documents that were kept before a document's vectors stood in one row
        rows = np.flatnonzero(missing)
        for at, vectors in _by_id(db, space, (_places(found, held) if in_context else found["ids"])[rows]):
            if matrix is None:
                matrix = np.empty((len(missing), vectors.shape[1]), dtype=np.float16)
            matrix[rows[at]] = vectors
            missing[rows[at]] = False
    return None if missing.any() else matrix


def _by_id(
    db: sqlite3.Connection, space: str, keys: npt.NDArray[np.uint8]
) -> Iterator[tuple[Ints, npt.NDArray[np.float16]]]:
    """Which of `keys` have a vector that is kept by its id, and these vectors, a stretch at a time."""
    halves = np.ascontiguousarray(keys).view(np.uint64)  # [n, 2]: found by the first, told apart by the second
    order = np.argsort(halves[:, 0])
    ascending = halves[order, 0]
    # Not by the index on spaces and ids, whose random order would read the table all over, a page for each vector.
    for rows in _stretches(db, "SELECT id, vector FROM vectors NOT INDEXED WHERE space = ?", (space,)):
        ids, blobs = zip(*rows, strict=True)
        wanted = _bytes(b"".join(ids)).view(np.uint64)
        vectors = np.frombuffer(b"".join(blobs), dtype=np.float16).reshape(len(ids), -1)
        first, last = (np.searchsorted(ascending, wanted[:, 0], side) for side in ("left", "right"))
        repeats = last - first
        row = np.repeat(np.arange(len(ids)), repeats)
        at = order[np.repeat(last - np.cumsum(repeats), repeats) + np.arange(len(row))]
        same = halves[at, 1] == wanted[row, 1]
        yield at[same], vectors[row[same]]


def _places(found: dict[str, npt.NDArray[Any]], held: Documents) -> npt.NDArray[np.uint8]:
    """The ids of the chunks' places; uint8 [chunks, 16]."""
    places = np.empty((len(found["document"]), 16), dtype=np.uint8)
    for at in range(0, len(places), ROWS):
        stretch = (found[name][at : at + ROWS].tolist() for name in ("document", "start", "end"))
        ids = (place_id(held.contents[number], start, end) for number, start, end in zip(*stretch, strict=True))
        places[at : at + ROWS] = _bytes(bytes.fromhex("".join(ids)))
    return places


class _Words:
    """The words of every document, by source, read anew each time they are gone through."""

    def __init__(self, db: sqlite3.Connection) -> None:
        self._db = db

    def __iter__(self) -> Iterator[WordCounts]:
        for (words,) in self._db.execute("SELECT words FROM documents ORDER BY source"):
            yield WordCounts.of_bytes(words)


def _stretches(db: sqlite3.Connection, query: str, parameters: tuple[str, ...] = ()) -> Iterator[list[Any]]:
    cursor = db.execute(query, parameters)
    while rows := cursor.fetchmany(ROWS):
        yield rows


def _bytes(ids: bytes) -> npt.NDArray[np.uint8]:
    return np.frombuffer(ids, dtype=np.uint8).reshape(-1, 16)
