"""Where chunks and vectors live: one protocol, an embedded store."""

from chunkwise.store.postings import GAP, Postings, WordCounts
from chunkwise.store.protocol import Entry, FileState, Snapshot, Store
from chunkwise.store.signs import signs
from chunkwise.store.sqlite import SQLiteStore

__all__ = ["GAP", "Entry", "FileState", "Postings", "SQLiteStore", "Snapshot", "Store", "WordCounts", "signs"]
