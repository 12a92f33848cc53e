"""The embedded store: SQLite holds the truth, arrays derived from it are searched."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import sqlite3
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chunkwise.errors import NoStore, StaleError, StoreError
from chunkwise.store import arrays, derive
from chunkwise.store.postings import Postings
from chunkwise.store.protocol import Entry, FileState, Snapshot
from chunkwise.units import Document, Floats, Ints, LineMap, place_id

FILE = "chunkwise.sqlite3"
DERIVED = "derived.safetensors"
VERSION = 1
CACHE = 2**16  # KiB, which the ids of a million vectors take: they come in no order

_schema = """
CREATE TABLE settings (key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE documents (
    number INTEGER PRIMARY KEY, source TEXT NOT NULL UNIQUE, content TEXT NOT NULL, size INTEGER NOT NULL,
    modified INTEGER NOT NULL, seen INTEGER NOT NULL, media_type TEXT NOT NULL, language TEXT NOT NULL,
    metadata TEXT NOT NULL, text BLOB NOT NULL, lines BLOB NOT NULL, line_unit TEXT NOT NULL, words BLOB NOT NULL);
CREATE TABLE chunks (
    document INTEGER NOT NULL, ordinal INTEGER NOT NULL, id BLOB NOT NULL, start INTEGER NOT NULL,
    "end" INTEGER NOT NULL, tokens INTEGER NOT NULL, kind TEXT NOT NULL, path TEXT NOT NULL,
    PRIMARY KEY (document, ordinal)) WITHOUT ROWID;
-- With a row id: by their random ids alone, long rows would be written all over the file.
CREATE TABLE vectors (space TEXT NOT NULL, id BLOB NOT NULL, vector BLOB NOT NULL, PRIMARY KEY (space, id));
"""
# Since version 1 was first written; made where they are missing, so that older stores are read on. The vectors that
# every chunk has stand in one row for a document: by their random ids they would be written all over the file.
_since = {
    "notes": "(kind TEXT NOT NULL, id BLOB NOT NULL, text TEXT NOT NULL, PRIMARY KEY (kind, id)) WITHOUT ROWID",
    "matrices": "(document INTEGER PRIMARY KEY, chunks INTEGER NOT NULL, vectors BLOB NOT NULL)",
}
_LIVING = """
SELECT id FROM chunks UNION ALL SELECT bytes(content) FROM documents UNION ALL
SELECT place(content, start, "end") FROM chunks JOIN documents ON document = number
"""


class SQLiteStore:
    """A knowledge base in one directory.

    settings: what the index was made with, fixed at creation. Raises NoStore where there is none, or the directory
    holds something else; StoreError for a store of another version, or a disk that is full.
    """

    def __init__(self, path: Path, settings: Mapping[str, str] | None = None) -> None:
        """Open the store at `path`; with `settings`, make one where there is none."""
        self.path = path
        if settings is not None and not (path / FILE).exists():
            _create(path, settings)
        self._db = _connect(path)
        self.settings = dict(self._db.execute("SELECT key, value FROM settings"))
        self._snapshot: Snapshot | None = None

    # Writing

    @contextlib.contextmanager
    def writing(self, waiting: Callable[[str], None] = lambda who: None) -> Iterator[None]:
        """Hold the store for one writer. `waiting` is told who holds it, once, when one has to wait."""
        try:
            opened = (self.path / "writer.lock").open("a+")
        except OSError as error:
            raise StoreError(f"{self.path} cannot be written: {error.strerror}; check its permissions") from error
        with opened as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError:
                lock.seek(0)
                waiting(lock.read().strip() or "another process")
                fcntl.flock(lock, fcntl.LOCK_EX)
            lock.truncate(0)
            lock.write(f"process {os.getpid()}\n")
            lock.flush()
            for left_behind in self.path.glob(f".{DERIVED}.*"):  # by a killed process; a living one does without
                left_behind.unlink(missing_ok=True)
            yield

    def put(self, entries: Iterable[Entry]) -> None:
        """Write documents, each replacing what its source held before, in one transaction."""
        with self._transaction() as db:
            for entry in entries:
                document, state = entry.document, entry.state
                self._delete(db, document.source)
                number = db.execute(
                    "INSERT INTO documents VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    (
                        document.source, document.id, state.size, state.modified, state.seen, document.media_type,
                        entry.language, json.dumps(dict(document.metadata)),
                        document.text.encode("utf-8", "surrogatepass"), _pack_lines(document.lines),
                        document.lines.unit, entry.words.to_bytes(),
                    ),
                ).lastrowid  # fmt: skip
                db.executemany(
                    "INSERT INTO chunks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                    [
                        (
                            number, at, bytes.fromhex(chunk.id), *chunk.span, chunk.tokens, chunk.kind,
                            json.dumps(chunk.path) if chunk.path else "",
                        )
                        for at, chunk in enumerate(entry.chunks)
                    ],
                )  # fmt: skip
                if entry.vectors is not None and len(entry.chunks):
                    halves = entry.vectors.astype(np.float16).tobytes()
                    db.execute("INSERT INTO main.matrices VALUES (?, ?, ?)", (number, len(entry.chunks), halves))

    def touch(self, states: Mapping[str, FileState]) -> None:
        """Note new file states of documents whose content did not change."""
        with self._transaction(changes=False) as db:
            db.executemany(
                "UPDATE documents SET size = ?, modified = ?, seen = ? WHERE source = ?",
                ((state.size, state.modified, state.seen, source) for source, state in states.items()),
            )

    def remove(self, sources: Iterable[str]) -> int:
        """Forget documents, and the vectors and notes of what stands nowhere now; how many documents there were."""
        with self._transaction() as db:
            gone = sum(self._delete(db, source) for source in sources)
            if gone:
                db.execute(f"CREATE TEMP TABLE living AS {_LIVING}")
                for table in ("vectors", "notes"):
                    db.execute(f"DELETE FROM {table} WHERE id NOT IN (SELECT id FROM living)")
                db.execute("DROP TABLE living")
        return gone

    def put_roots(self, roots: Iterable[str]) -> None:
        """Keep the folders that were indexed."""
        with self._transaction(changes=False) as db:
            db.execute("INSERT OR REPLACE INTO settings VALUES ('roots', ?)", (json.dumps(list(roots)),))

    def put_notes(self, kind: str, ids: npt.NDArray[np.void], texts: Sequence[str]) -> None:
        """Keep texts of a kind by the id of what they are about."""
        with self._transaction(changes=False) as db:
            keys = (key.tobytes() for key in ids)
            rows = [
                (kind, key, text.encode("utf-8", "replace").decode()) for key, text in zip(keys, texts, strict=True)
            ]
            db.executemany("INSERT OR REPLACE INTO main.notes VALUES (?, ?, ?)", rows)

    def put_vectors(self, space: str, ids: npt.NDArray[np.void], vectors: Floats) -> None:
        """Keep vectors by content or place id: float32 [n, d], stored as float16."""
        with self._transaction(changes=False) as db:
            rows = zip(ids, vectors.astype(np.float16), strict=True)
            db.executemany(
                "INSERT OR REPLACE INTO vectors VALUES (?, ?, ?)",
                ((space, key.tobytes(), vector.tobytes()) for key, vector in rows),
            )

    @staticmethod
    def _delete(db: sqlite3.Connection, source: str) -> int:
        row = db.execute("SELECT number FROM documents WHERE source = ?", (source,)).fetchone()
        if row is None:
            return 0
        for table in ("chunks", "matrices"):
            db.execute(f"DELETE FROM {table} WHERE document = ?", row)
        db.execute("DELETE FROM documents WHERE number = ?", row)
        return 1

    @contextlib.contextmanager
    def _transaction(self, changes: bool = True) -> Iterator[sqlite3.Connection]:
        """One transaction; with `changes`, the derived arrays fall one generation behind."""
        try:
            with self._db:
                self._db.execute("BEGIN IMMEDIATE")
                if changes:
                    self._db.execute("UPDATE settings SET value = CAST(value AS INTEGER) + 1 WHERE key = 'generation'")
                yield self._db
        except sqlite3.DatabaseError as error:
            raise _explained(error, self.path) from error

    # Reading

    def roots(self) -> tuple[str, ...]:
        """The folders that were indexed; none lies below another."""
        row = self._db.execute("SELECT value FROM settings WHERE key = 'roots'").fetchone()
        return tuple(json.loads(row[0])) if row else ()

    def files(self) -> dict[str, FileState]:
        """The state of every document's file, by source."""
        rows = self._rows("SELECT source, content, size, modified, seen FROM documents")
        return {source: FileState(*state) for source, *state in rows}

    def document(self, source: str) -> Document:
        """A document with its text, as it was when it was indexed."""
        rows = self._rows(
            "SELECT content, text, media_type, metadata, lines, line_unit FROM documents WHERE source = ?", (source,)
        )
        if not rows:
            raise StaleError(f"{source} is not in {self.path} any more; ask again")
        content, text, media_type, metadata, lines, unit = rows[0]
        return Document(
            content, text.decode("utf-8", "surrogatepass"), source, media_type, json.loads(metadata),
            _unpack_lines(lines, unit),
        )  # fmt: skip

    def headings(self, source: str, ordinal: int) -> tuple[str, ...]:
        """The headings or the qualified name that a document's chunk stands under."""
        rows = self._rows(
            "SELECT path FROM chunks WHERE document = (SELECT number FROM documents WHERE source = ?) AND ordinal = ?",
            (source, ordinal),
        )
        return tuple(json.loads(rows[0][0])) if rows and rows[0][0] else ()

    def vectors(self, space: str, ids: npt.NDArray[np.void]) -> tuple[Ints, Floats]:
        """Those of `ids` that `put_vectors` kept one of: their indices, ascending, and float32 [found, d]."""
        keys = [key.tobytes() for key in ids]
        found = self._by_id("SELECT id, vector FROM vectors WHERE space", space, keys)
        have = [at for at, key in enumerate(keys) if key in found]
        if not have:
            return np.zeros(0, dtype=np.int64), np.zeros((0, 0), dtype=np.float32)
        flat = np.frombuffer(b"".join(found[keys[at]] for at in have), dtype=np.float16)
        return np.array(have), flat.reshape(len(have), -1).astype(np.float32)

    def notes(self, kind: str, ids: npt.NDArray[np.void]) -> dict[int, str]:
        """The notes of a kind on those of `ids` that have one, by index."""
        keys = [key.tobytes() for key in ids]
        found = self._by_id("SELECT id, text FROM notes WHERE kind", kind, keys)
        return {at: found[key] for at, key in enumerate(keys) if key in found}

    def _by_id(self, query: str, group: str, keys: Sequence[bytes]) -> dict[bytes, Any]:
        found: dict[bytes, Any] = {}
        for at in range(0, len(keys), 500):
            part = keys[at : at + 500]
            found |= dict(self._rows(f"{query} = ? AND id IN ({','.join('?' * len(part))})", (group, *part)))
        return found

    def counts(self) -> dict[str, int]:
        """How much there is: documents, chunks, tokens, bytes, and vectors by space."""
        [(documents, size)] = self._rows("SELECT COUNT(*), COALESCE(SUM(LENGTH(text)), 0) FROM documents")
        [(chunks, tokens)] = self._rows("SELECT COUNT(*), COALESCE(SUM(tokens), 0) FROM chunks")
        by_space = Counter(dict(self._rows("SELECT space, COUNT(*) FROM vectors GROUP BY space")))
        by_space[self.settings.get("space", "")] += self._rows("SELECT TOTAL(chunks) FROM matrices")[0][0]
        spaces = {f"vectors {space}": int(count) for space, count in by_space.items() if count}
        return {"documents": documents, "chunks": chunks, "tokens": tokens, "bytes": size, **spaces}

    def snapshot(self) -> Snapshot:
        """The newest complete state as arrays; derived anew when what lies on disk is behind or missing."""
        generation = self._generation()
        if self._snapshot is None or self._snapshot.generation != generation:
            self._snapshot = self._read_derived(generation) or self._derive()
        return self._snapshot

    def close(self) -> None:
        """Let go of files."""
        self._snapshot = None
        self._db.close()

    @property
    def _in_context(self) -> bool:
        """Whether the vectors that every chunk has were made in its document, and are kept by place."""
        return self.settings.get("vectors_of") == "place"

    def _generation(self) -> int:
        [(generation,)] = self._rows("SELECT value FROM settings WHERE key = 'generation'")
        return int(generation)

    def _rows(self, query: str, parameters: tuple[str | int | bytes, ...] = ()) -> list[tuple[Any, ...]]:
        try:
            return self._db.execute(query, parameters).fetchall()
        except sqlite3.DatabaseError as error:
            raise _explained(error, self.path) from error

    # Deriving

    def _read_derived(self, generation: int) -> Snapshot | None:
        try:
            found, notes = arrays.load(self.path / DERIVED)
        except OSError:
            return None
        if notes.get("generation") != str(generation) or notes.get("version") != str(VERSION):
            return None
        try:
            return _snapshot(generation, found, notes)
        except (KeyError, ValueError):  # whole, but not what was written
            return None

    def _derive(self) -> Snapshot:
        """Build the arrays from the truth, keep them for the next process where the directory can be written."""
        db = self._db
        db.execute("BEGIN")  # one consistent state, whatever a writer does meanwhile
        try:
            generation = self._generation()
            documents = derive.documents(db)
            found = derive.derived(db, documents, self.settings.get("space", ""), self._in_context)
        except sqlite3.DatabaseError as error:
            raise _explained(error, self.path) from error
        finally:
            db.rollback()
        notes = {
            "generation": str(generation),
            "version": str(VERSION),
            "sources": json.dumps(documents.sources),
            "languages": json.dumps(Counter(documents.languages)),
        }
        with contextlib.suppress(OSError):  # a read-only or full disk: the arrays serve this process alone
            arrays.save(self.path / DERIVED, found, notes)
            if (mapped := self._read_derived(generation)) is not None:  # these need not stay in memory
                return mapped
        return _snapshot(generation, found, notes)


def _create(path: Path, settings: Mapping[str, str]) -> None:
    """Make a store so that it is there whole or not at all."""
    waiting = path / f".{FILE}.{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        foreign = [entry.name for entry in path.iterdir() if not entry.name.startswith((f".{FILE}", "writer.lock"))]
        if (path / FILE).exists():  # another process made it first: its store is as good
            return
        if foreign:
            raise NoStore(f"{path} is not empty and holds no knowledge base; name a new or an empty directory")
        waiting.unlink(missing_ok=True)
        with contextlib.closing(sqlite3.connect(waiting, isolation_level=None)) as db:
            # One transaction, so that the disk is waited for once and not at every table.
            db.executescript(f"BEGIN; {_schema}; PRAGMA user_version = {VERSION}")
            rows = {**settings, "generation": "0", "made": time.strftime("%Y-%m-%dT%H:%M:%S")}
            db.executemany("INSERT INTO settings VALUES (?, ?)", rows.items())
            db.execute("COMMIT")
        with contextlib.suppress(FileExistsError):
            os.link(waiting, path / FILE)
    except sqlite3.OperationalError as error:
        raise _explained(error, path) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise NoStore(f"{path} is or lies below a file; name a new or an empty directory") from error
    except OSError as error:
        raise StoreError(f"cannot make a knowledge base at {path}: {error.strerror}") from error
    finally:
        with contextlib.suppress(OSError):
            waiting.unlink(missing_ok=True)


def _connect(path: Path) -> sqlite3.Connection:
    file = path / FILE
    if not file.is_file():
        what = "holds no knowledge base" if path.exists() else "does not exist"
        raise NoStore(f"{path} {what}; make one with `chunkwise index DOCS --into {path}`")
    try:
        db = _opened(file)
        version = db.execute("PRAGMA user_version").fetchone()[0]
        if version != VERSION:
            age = "a newer" if version > VERSION else "an older"
            raise StoreError(
                f"{path} was written by {age} chunkwise (store version {version}, this one reads {VERSION});"
                f" {'update chunkwise' if version > VERSION else 'index the documents anew'}"
            )
        with contextlib.suppress(sqlite3.OperationalError):  # a read-only directory is read as it is
            db.execute("PRAGMA journal_mode = WAL")
            for name, columns in _since.items():
                db.execute(f"CREATE TABLE IF NOT EXISTS {name} {columns}")
        there = {name for (name,) in db.execute("SELECT name FROM sqlite_master")}
        for name in _since.keys() - there:
            db.execute(f"CREATE TEMP TABLE {name} {_since[name]}")  # an empty one to read; writes name the other
        db.execute("PRAGMA synchronous = NORMAL")
        db.execute(f"PRAGMA cache_size = -{CACHE}")
        db.execute("SELECT COUNT(*) FROM settings").fetchone()
        db.create_function("bytes", 1, bytes.fromhex, deterministic=True)
        db.create_function("place", 3, _place, deterministic=True)
    except sqlite3.DatabaseError as error:
        raise NoStore(f"{file} is not a chunkwise knowledge base: {error}") from error
    return db


def _opened(file: Path) -> sqlite3.Connection:
    """A connection that has read; where the directory cannot be written, to the file as it lies there."""

    def connect(how: str) -> sqlite3.Connection:
        db = sqlite3.connect(
            f"{file.absolute().as_uri()}?{how}", uri=True, isolation_level=None, timeout=60, check_same_thread=False
        )
        try:
            db.execute("SELECT COUNT(*) FROM sqlite_master").fetchone()
        except sqlite3.DatabaseError:
            db.close()
            raise
        return db

    try:
        return connect("mode=rw")
    except sqlite3.OperationalError:
        if os.access(file.parent, os.W_OK, effective_ids=True):
            raise
        return connect("mode=ro&immutable=1")


def _explained(error: sqlite3.DatabaseError, path: Path) -> StoreError:
    text = str(error)
    if "full" in text:
        return StoreError(f"the disk that holds {path} is full; free some room and run the same command again")
    if "readonly" in text or "unable to open" in text:
        return StoreError(f"{path} cannot be written: {text}; check the directory's permissions")
    if "locked" in text:
        return StoreError(f"{path} is held by another process; wait for it to end and try again")
    if "malformed" in text or "not a database" in text:
        return StoreError(f"{path} is damaged: {text}; index the documents anew into another directory")
    return StoreError(f"{path}: {text}")


def _snapshot(generation: int, found: Mapping[str, npt.NDArray[Any]], notes: Mapping[str, str]) -> Snapshot:
    return Snapshot(
        generation=generation,
        sources=tuple(json.loads(notes["sources"])),
        contents=_as_ids(found["contents"]),
        languages=json.loads(notes["languages"]),
        document=found["document"],
        start=found["start"],
        end=found["end"],
        tokens=found["tokens"],
        ids=_as_ids(found["ids"]),
        postings=Postings(**{name: found[name] for name in Postings.__slots__}),
        matrix=found.get("matrix"),
        bits=found.get("bits"),
    )


def _place(document: str, start: int, end: int) -> bytes:
    return bytes.fromhex(place_id(document, start, end))


def _as_ids(rows: npt.NDArray[np.uint8]) -> npt.NDArray[np.void]:
    return np.ascontiguousarray(rows).view("V16")[:, 0] if len(rows) else np.zeros(0, "V16")


def _pack_lines(lines: LineMap) -> bytes:
    return np.array([lines.starts, lines.numbers], dtype=np.int32).tobytes()


def _unpack_lines(data: bytes, unit: Any) -> LineMap:
    starts, numbers = np.frombuffer(data, dtype=np.int32).reshape(2, -1).tolist()
    return LineMap(tuple(starts), tuple(numbers), unit)
