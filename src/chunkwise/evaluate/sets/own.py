"""A user's own questions: JSON lines beside a folder of documents."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

from chunkwise.errors import ReadError, SkippedWarning, UserError
from chunkwise.evaluate.dataset import Dataset, Evidence, Question
from chunkwise.evaluate.sets.quotes import places
from chunkwise.evaluate.sets.rows import rows
from chunkwise.units import Document, Span

_FORM = '{"question": ..., "evidence": [{"source": ..., "quote": ...}]}'
_MOST = 100  # sets of evidence kept of one question: three quotes that stand in ten places each would make a thousand


def own(questions: Path | str, documents: Sequence[Document]) -> Dataset:
    """The questions of a JSONL file over `documents`.

    A line is {"question": "...", "evidence": [...]}, and may have "answers": ["...", ...] and "group". Each piece of
    evidence is {"source", "quote"} or {"source", "start", "end"}, offsets in characters of the document's text. source
    is a document's, or the end of its path as long as that is the only one ("guide/refunds.md"). A quote is found to
    the character, or else but for its blanks; one that stands in several places makes alternatives of them. A question
    with evidence that cannot be found is left out with a SkippedWarning that names the line. Raises UserError for a
    line that is not of this form, and when no question is left.
    """
    path = Path(questions)
    found, left_out = [], []
    for number, row in rows(path):
        where = f"{path} line {number}"
        try:
            found.append(_question(row, where, documents))
        except _NotFound as error:
            left_out.append(f"{where}: question left out, {error}")
            warnings.warn(SkippedWarning(left_out[-1]), stacklevel=2)
    if not found and left_out:
        raise UserError(f"no question is left to score; {left_out[0]}")
    if not found:
        raise UserError(f"{path}: no question that can be scored; each line is {_FORM}")
    return Dataset(path.stem, tuple(documents), tuple(found))


def own_folder(questions: Path, folder: Path) -> Dataset:
    """`own` over every readable file below `folder` but the questions; sources are paths relative to it.

    A file that cannot be read is left out with a SkippedWarning. Raises UserError when there is no document.
    """
    from chunkwise.read import Skipped, read, source_of, walk

    documents = []
    for file in walk([folder]):
        if isinstance(file, Skipped):
            warnings.warn(SkippedWarning(f"{file.path}: left out, {file.reason}"), stacklevel=2)
        elif not file.samefile(questions):
            try:
                documents.append(read(file, source=source_of(file)[len(source_of(folder)) :].lstrip("/")))
            except ReadError as error:
                warnings.warn(SkippedWarning(f"left out, {error}"), stacklevel=2)
    if not documents:
        raise UserError(f"{folder}: no documents to ask about; give the folder that the quotes are from as --data")
    return own(questions, documents)


class _NotFound(Exception):
    """Evidence that is not where it is said to be."""


def _question(row: dict[str, Any], where: str, documents: Sequence[Document]) -> Question:
    text, evidence, answers = row.get("question"), row.get("evidence"), row.get("answers", [])
    if not isinstance(text, str) or not isinstance(evidence, list) or not evidence:
        raise UserError(f"{where}: a question and a list of evidence are needed, as in {_FORM}")
    if not isinstance(answers, list) or not all(isinstance(answer, str) for answer in answers):
        raise UserError(f'{where}: "answers" must be a list of texts')
    found = [_places(part, where, documents) for part in evidence]
    first, *others = islice(product(*found), _MOST)
    return Question(text, first, tuple(others), tuple(answers), group=str(row.get("group", "")))


def _places(part: Any, where: str, documents: Sequence[Document]) -> list[Evidence]:
    match part:
        case {"source": str(source), "quote": str(quote)}:
            document = _document(source, documents)
            found = [Evidence(document.source, span) for span in places(document.text, quote)]
            if not found:
                raise _NotFound(f"{_short(quote)} is not in {source}: copy the words as they stand there")
            return found
        case {"source": str(source), "start": int(start), "end": int(end)}:
            document = _document(source, documents)
            if not 0 <= start < end <= len(document.text):
                raise _NotFound(f"{start} to {end} is no span of {source}, which has {len(document.text)} characters")
            return [Evidence(document.source, Span(start, end))]
    raise UserError(f'{where}: evidence needs "source" and either "quote" or "start" and "end", as in {_FORM}')


def _document(source: str, documents: Sequence[Document]) -> Document:
    exact = [document for document in documents if document.source == source]
    ending = "/" + source.replace("\\", "/").removeprefix("./").lstrip("/")
    found = exact or [document for document in documents if ("/" + document.source).endswith(ending)]
    if not found:
        raise _NotFound(f"there is no document {source!r}")
    if len(found) > 1:
        raise _NotFound(f"{len(found)} documents end in {source!r}: write more of the path")
    return found[0]


def _short(quote: str) -> str:
    return repr(quote if len(quote) <= 60 else quote[:57] + "...")
