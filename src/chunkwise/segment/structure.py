"""A document's structure, found once: its blocks with the path they stand under, and where it may be cut."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import TypeAlias

import numpy as np

from chunkwise.segment.language import Language, language_of
from chunkwise.units import Document, Ints

Path: TypeAlias = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Outline:
    """Blocks and joints of one document, as character offsets.

    starts: int64 [n], ascending, the first one 0: where each block begins. A block is a heading with what follows it,
    a paragraph, a list, a table, a fence, or the part of a definition between two others; no sentence goes from one
    into the next. kinds ("text", "code", "table") and paths (headings, or the qualified name) are parallel to it.
    steps: int64 [m], ascending: where a statement, a row, a list item or an unwrapped line begins inside a block.
    prose: int64 [k, 2]: the stretches that are sentences; docstrings and comments are, in code.
    """

    starts: Ints
    kinds: list[str]
    paths: list[Path]
    steps: Ints
    prose: Ints


@dataclass(slots=True)
class Draft:
    """An outline being found, in order of the text."""

    starts: list[int] = field(default_factory=list)
    kinds: list[str] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    steps: list[int] = field(default_factory=list)
    prose: list[tuple[int, int]] = field(default_factory=list)

    def block(self, start: int, kind: str, path: Path) -> None:
        """A block begins at `start`; one that begins where the last one did takes its place."""
        if self.starts and start <= self.starts[-1]:
            self.kinds[-1], self.paths[-1] = kind, path
            return
        self.starts.append(start)
        self.kinds.append(kind)
        self.paths.append(path)

    def done(self) -> Outline:
        """The outline as arrays."""
        if not self.starts or self.starts[0] > 0:
            self.starts.insert(0, 0)
            self.kinds.insert(0, self.kinds[0] if self.kinds else "text")
            self.paths.insert(0, ())
        prose = np.array(self.prose, dtype=np.int64).reshape(-1, 2)
        steps = np.unique(np.array(self.steps, dtype=np.int64))
        return Outline(np.array(self.starts, dtype=np.int64), self.kinds, self.paths, steps, prose)


def outline(document: Document) -> Outline:
    """The structure of `document`, by its media type and, where that says nothing, the ending of its source."""
    return _outline(document.text, language_of(document))


@lru_cache(maxsize=2)  # the cut and the making of chunks ask for the same document one after the other
def _outline(text: str, language: Language) -> Outline:
    if language.grammar:
        from chunkwise.segment.syntax import code_outline

        return code_outline(text, language.grammar)
    from chunkwise.segment.prose import line_outline, prose_outline

    if language.kind == "text":
        return prose_outline(text, language.markup)
    return line_outline(text, language.kind)
