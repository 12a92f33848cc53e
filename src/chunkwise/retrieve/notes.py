"""Notes: what a model has written about documents, kept by their ids so that the next question pays nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from chunkwise.asking import AT_ONCE, Asking
from chunkwise.errors import StoreError
from chunkwise.models import Ask
from chunkwise.retrieve.corpus import Corpus

SHOWN = 6000  # characters of a document that one prompt shows


@dataclass(frozen=True, slots=True)
class Task:
    """What a model is asked to write about a document, some of its chunks at a time.

    kind: of the notes; prompt: from the texts of chunks that follow one another and the number of the first, from 0;
    read: the lines of a reply about chunks first to last, both included, None where it cannot be used; instead: what is
    done where there are none; most: prompts about one document, where it is too long for one.
    """

    kind: str
    prompt: Callable[[Sequence[str], int], str]
    read: Callable[[str, int, int], list[str] | None]
    instead: str
    most: int = 1000


def written(corpus: Corpus, task: Task, documents: Sequence[int], ask: Ask) -> dict[int, list[str]]:
    """The lines that a model has written about each of `documents`, by number; those not yet there are asked for.

    A document of which some reply failed or could not be used is left out; it is asked about again by the next process,
    not by this one. A store that cannot be written to leaves the notes to this process alone.
    """
    known: dict[int, list[str] | None] = corpus.derived(("notes", task.kind), dict)
    missing = [number for number in documents if number not in known]
    if missing:
        kept = corpus.store.notes(task.kind, corpus.snapshot.contents[np.array(missing)])
        known.update((missing[at], text.split("\n") if text else []) for at, text in kept.items())
        known.update(_asked(corpus, task, [number for number in missing if number not in known], ask))
    return {number: lines for number in documents if (lines := known[number]) is not None}


def _asked(corpus: Corpus, task: Task, documents: Sequence[int], ask: Ask) -> dict[int, list[str] | None]:
    """What the model writes of each document, kept a few documents at a time so that a run may be stopped."""
    made: dict[int, list[str] | None] = {}
    with Asking(ask, f"{task.kind} of {len(documents)} documents", task.instead) as asking:
        for begin in range(0, len(documents), AT_ONCE):
            some = documents[begin : begin + AT_ONCE]
            lines = _of_some(corpus, task, some, asking)
            useful = [(number, "\n".join(one)) for number, one in zip(some, lines, strict=True) if one is not None]
            if useful:
                ids = corpus.snapshot.contents[np.array([number for number, _ in useful])]
                with contextlib.suppress(StoreError):  # read-only, full, or held: they serve this process alone
                    corpus.store.put_notes(task.kind, ids, [text for _, text in useful])
            made.update(zip(some, lines, strict=True))
    return made


def _of_some(corpus: Corpus, task: Task, documents: Sequence[int], asking: Asking) -> list[list[str] | None]:
    parts = [list(islice(_parts(corpus, number), task.most)) for number in documents]
    replies = iter(asking.each([task.prompt(texts, first) for part in parts for first, texts in part]))
    made: list[list[str] | None] = []
    for part in parts:
        lines: list[str] | None = []
        for (first, texts), reply in zip(part, replies, strict=False):
            found = None if reply is None else task.read(reply, first, first + len(texts) - 1)
            if reply is not None and found is None:
                asking.misread()
            lines = None if lines is None or found is None else lines + [_plain(line) for line in found]
        made.append(lines)
    return made


def _plain(line: str) -> str:
    """The line as a store gives it back."""
    return line.replace("\n", " ").encode("utf-8", "replace").decode()


def _parts(corpus: Corpus, number: int) -> Iterator[tuple[int, list[str]]]:
    """Runs of a document's chunks that one prompt shows: the number of the first, and their texts."""
    begin, end = (int(np.searchsorted(corpus.snapshot.document, number, side)) for side in ("left", "right"))
    run: list[str] = []
    first = size = 0
    for at, chunk in enumerate(range(begin, end)):
        text = corpus.text(chunk)
        if run and size + len(text) > SHOWN:
            yield first, run
            run, first, size = [], at, 0
        run.append(text[:SHOWN])
        size += len(text)
    if run:
        yield first, run
