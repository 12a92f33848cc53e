"""Definitions of Python's own standard library, and their docstrings as questions."""

from __future__ import annotations

import ast
import hashlib
import sysconfig
import warnings
from collections import defaultdict
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise.errors import SkippedWarning, UserError
from chunkwise.evaluate.dataset import Dataset, Evidence, Question
from chunkwise.evaluate.sets.rows import records
from chunkwise.units import Document, Ints, Span

_STUB = '""'


def code_spans_stdlib(folder: Path, library: Path | None = None) -> Dataset:
    """Modules of the running Python's standard library: docstrings as questions, their definitions as evidence.

    The offsets hold for files of the very contents that the set names; others are left out with a SkippedWarning. The
    docstrings that are asked with are taken out of the documents (an empty string stands for each, and all offsets are
    moved), since finding a definition by its own docstring would show nothing. boundaries: where a definition begins;
    wholes: every definition; group: the kind, such as ClassDef. library: where the modules are.
    """
    library = library or Path(sysconfig.get_path("stdlib"))
    definitions: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for row in records(folder / "definitions.jsonl"):
        definitions[row["file"]].append(row)
    documents, questions, boundaries, wholes, other = [], [], {}, {}, []
    for row in records(folder / "files.jsonl"):
        source, path = row["file"], library / row["file"]
        data = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(data).hexdigest() != row["sha256"]:
            other.append(source)
            continue
        known = definitions[source]
        bare = _Bare(data.decode("utf-8"), {tuple(each["span"]) for each in known if each["query"]})
        documents.append(Document.of(bare.text, source, "text/x-python"))
        wholes[source] = tuple(bare.moved(*each["span"]) for each in known)
        boundaries[source] = tuple(sorted({span.start for span in wholes[source]} - {0}))
        questions += [
            Question(each["query"], (Evidence(source, span),), group=each["kind"])
            for each, span in zip(known, wholes[source], strict=True)
            if each["query"]
        ]
    if not documents:
        raise UserError(f"{library}: no file has the contents that {folder.name} was made of; use CPython 3.11.7")
    if other:
        names = ", ".join(other[:3]) + (" ..." if len(other) > 3 else "")
        warnings.warn(
            SkippedWarning(f"{folder.name}: {len(other)} files of another version left out: {names}"), stacklevel=2
        )
    return Dataset("code_spans_stdlib", tuple(documents), tuple(questions), boundaries, wholes)


def first_line(definition: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """The line, counted from 1, that a definition begins on: that of its first decorator, where it has one."""
    return min([definition.lineno, *(decorator.lineno for decorator in definition.decorator_list)])


class _Bare:
    """A module without the docstrings of the definitions at some spans."""

    def __init__(self, text: str, spans: set[tuple[int, ...]]) -> None:
        gone = [span for owner, span in _docstrings(text) if owner in spans]
        pieces, at = [], 0
        for start, end in gone:
            pieces += [text[at:start], _STUB]
            at = end
        self.text = "".join([*pieces, text[at:]])
        self._starts: Ints = np.array([start for start, _ in gone], dtype=np.int64)
        self._lost = [0, *accumulate(end - start - len(_STUB) for start, end in gone)]

    def moved(self, start: int, end: int) -> Span:
        """The span of a definition in the text that is left; docstrings lie within definitions, never across."""
        first, last = np.searchsorted(self._starts, (start, end)).tolist()
        return Span(start - self._lost[first], end - self._lost[last])


def _docstrings(text: str) -> list[tuple[tuple[int, int], Span]]:
    """Every docstring of a class or function: the span of the definition, decorators included, and its own."""
    lines = text.splitlines(keepends=True) if "\f" not in text else text.replace("\f", " ").splitlines(keepends=True)
    starts = [0, *accumulate(map(len, lines))]

    def at(line: int, column: int) -> int:  # ast counts columns in UTF-8 bytes
        return starts[line - 1] + len(lines[line - 1].encode()[:column].decode())

    found = []
    for node in ast.walk(ast.parse(text)):
        if not isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        said = node.body[0]
        if ast.get_docstring(node, clean=False) is not None:
            owner = (starts[first_line(node) - 1], at(node.end_lineno or 0, node.end_col_offset or 0))
            found.append(
                (owner, Span(at(said.lineno, said.col_offset), at(said.end_lineno or 0, said.end_col_offset or 0)))
            )
    return sorted(found, key=lambda pair: pair[1])
