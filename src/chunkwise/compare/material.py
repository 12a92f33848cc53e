"""What pipelines are compared on: documents, and questions whose evidence is known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from chunkwise.errors import ReadError, UserError, heard
from chunkwise.evaluate import Dataset, load, own
from chunkwise.evaluate.questions import CAUTION, from_model, from_text
from chunkwise.units import Document

if TYPE_CHECKING:
    from chunkwise.models import Ask
    from chunkwise.read import Skipped

COUNT = 100  # questions that are made where there are none
FEW = 30
MOST_NOTES = 5
Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class Material:
    """A set to compare on. notes: what a reader of the results must know of it; skipped, failed: files left out."""

    dataset: Dataset
    notes: tuple[str, ...] = ()
    skipped: tuple[Skipped, ...] = ()
    failed: tuple[Skipped, ...] = ()


def of_folders(
    paths: Sequence[str | Path],
    questions: str | Path | None = None,
    *,
    limit: int | None = None,
    seed: int = 0,
    ask: Ask | None = None,
    exclude: Sequence[str] = (),
) -> Material:
    """The documents at and below some paths, with the questions of a JSONL file, or questions made from them.

    questions: as `chunkwise.evaluate.sets` reads a user's own; limit: most questions, all of a file's and 100 made
    ones unless said; ask: the model that writes them, in place of sentences with a gap; exclude: gitignore patterns.
    Raises UserError where there is nothing to read, or nothing to ask about.
    """
    if questions is not None and not Path(questions).is_file():
        raise UserError(f"{questions}: no such file; write your questions there, one JSON object on a line")
    documents, skipped, failed = _read(paths, exclude, questions)
    name = ", ".join(str(path) for path in paths)
    if not documents:
        raise UserError(f"{name}: no documents to read; name a folder that has text in it")
    if questions is not None:
        dataset, notes = _heard(lambda: own(questions, documents))
        return _of(replace(dataset, name=name), limit, seed, notes, skipped, failed)
    wanted = COUNT if limit is None else limit
    _positive(wanted)
    notes = [CAUTION]
    if ask is None:
        made = from_text(documents, wanted, seed)
    else:
        written, fallen = _heard(lambda: from_model(documents, ask, wanted, seed))
        made = written.questions
        notes = ["questions written by a model from the text they are to find are easier than a person's", *fallen]
        if written.dropped:
            notes.append(f"{written.dropped} replies dropped: no question, or no quote that stands in the text")
    if not made:
        raise UserError(
            f"{name}: no sentence here makes a question;"
            " give your own with --questions FILE.jsonl, or a model that writes them with --llm URL#model"
        )
    kinds = ", ".join(f"{count} {kind}" for kind, count in Counter(one.group for one in made).most_common())
    return _of(Dataset(name, documents, made), None, seed, (f"questions made: {kinds}", *notes), skipped, failed)


def of_set(name: str, data: str | Path | None, *, limit: int | None = None, seed: int = 0) -> Material:
    """A known set, or a file of one's own, as `chunkwise.evaluate.sets.load` finds it."""
    dataset, notes = _heard(lambda: load(name, data))
    return _of(dataset, limit, seed, notes)


def _of(
    dataset: Dataset,
    limit: int | None,
    seed: int,
    notes: Sequence[str] = (),
    skipped: Sequence[Skipped] = (),
    failed: Sequence[Skipped] = (),
) -> Material:
    if limit is not None:
        _positive(limit)
    if limit is not None and len(dataset.questions) > limit:
        drawn = np.sort(np.random.default_rng(seed).permutation(len(dataset.questions))[:limit]).tolist()
        dataset = replace(dataset, questions=tuple(dataset.questions[at] for at in drawn))
    if 0 < (count := len(dataset.questions)) < FEW:
        notes = (*notes, f"only {count} question{'' if count == 1 else 's'}: expect wide intervals")
    return Material(dataset, tuple(notes), tuple(skipped), tuple(failed))


def _heard(call: Callable[[], Made]) -> tuple[Made, list[str]]:
    """What a call gives, and what it warned of."""
    said: dict[str, None] = {}
    with heard(UserWarning, lambda warning: said.setdefault(str(warning))):
        made = call()
    told = list(said)[:MOST_NOTES]
    return made, [*told, f"and {len(said) - MOST_NOTES} more of that"] if len(said) > MOST_NOTES else told


def _positive(limit: int) -> None:
    if limit < 1:
        raise UserError(f"a limit of {limit} leaves no question; give 1 or more")


def _read(
    paths: Sequence[str | Path], exclude: Sequence[str], questions: str | Path | None
) -> tuple[tuple[Document, ...], list[Skipped], list[Skipped]]:
    from chunkwise.read import Skipped, read, walk

    documents, skipped, failed = list[Document](), list[Skipped](), list[Skipped]()
    for found in walk([Path(path) for path in paths], exclude=exclude):
        if isinstance(found, Skipped):
            skipped.append(found)
            continue
        if questions is not None and found.samefile(questions):
            continue
        try:
            documents.append(read(found))
        except ReadError as error:
            failed.append(Skipped(found, str(error)))
    return tuple(document for document in documents if document.text.strip()), skipped, failed
