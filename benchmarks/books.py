"""Public-domain books cut into passages, and real questions: a corpus of any size, read from `--data`."""

from __future__ import annotations

import gzip
import json
import lzma
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from chunkwise.retrieve import words
from chunkwise.store import Entry, FileState
from chunkwise.units import Chunk, Document, Floats, Span, content_id

CHARACTERS = 700


def passages(data: Path, least: int) -> Iterator[list[str]]:
    """Books as passages of whole sentences of about CHARACTERS, book by book, until there are `least`."""
    made = 0
    for shard in sorted((data / "lm_text").glob("books_*.jsonl.xz")):
        with lzma.open(shard, "rt", encoding="utf-8") as lines:
            for line in lines:
                book = list(_cut(json.loads(line)["text"]))[: least - made]
                made += len(book)
                yield book
                if made == least:
                    return


def _cut(text: str) -> Iterator[str]:
    waiting = ""
    for sentence in re.split(r"(?<=[.!?]) ", " ".join(text.split())):
        if waiting and len(waiting) + len(sentence) >= CHARACTERS:
            yield waiting
            waiting = ""
        waiting += sentence + " "
    if waiting:
        yield waiting


def questions(data: Path) -> list[str]:
    """What people typed into a search engine."""
    with gzip.open(data / "nq_passages" / "questions.jsonl.gz", "rt", encoding="utf-8") as lines:
        return [json.loads(line)["question"] for line in lines]


def entry(source: str, chunks: Sequence[str], vectors: Floats | None = None) -> Entry:
    """A document that was cut elsewhere, as the store takes it; a chunk's tokens are its words."""
    document, at, made = Document.of("".join(chunks), source), 0, []
    for text in chunks:
        span = Span(at, at := at + len(text))
        made.append(Chunk(content_id(text), document.id, span, text, text.count(" ") + 1))
    state = FileState(document.id, len(document.text), 1, 2)
    return Entry(document, made, words("en").count(chunks), "en", state, vectors)
