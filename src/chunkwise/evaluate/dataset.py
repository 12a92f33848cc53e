"""Documents with what is known of them: questions with their evidence, and where a reader would cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from chunkwise.units import Document, Span


@dataclass(frozen=True, slots=True)
class Evidence:
    """A stretch of a document that answers: character offsets into the text of the document of that source."""

    source: str
    span: Span

    @property
    def size(self) -> int:
        """How long it is, in characters."""
        return self.span.end - self.span.start


@dataclass(frozen=True, slots=True)
class Question:
    """A question and what is known of its answer.

    evidence: every span that the answer needs; alternatives: other places that would do as well, each a whole set of
    evidence; answers: accepted answers in words; relevant: grades of whole documents by source, for sets that judge
    documents; group: the part of the set that it belongs to, such as the corpus.
    """

    text: str
    evidence: tuple[Evidence, ...] = ()
    alternatives: tuple[tuple[Evidence, ...], ...] = ()
    answers: tuple[str, ...] = ()
    relevant: Mapping[str, int] = field(default_factory=dict)
    group: str = ""


@dataclass(frozen=True, slots=True)
class Dataset:
    """A set to measure on.

    boundaries: for each source, the character offsets where a new part begins (0 left out), for sets that know it;
    wholes: for each source, the spans that no cut should tear, such as definitions, tables and blocks of code.
    """

    name: str
    documents: tuple[Document, ...]
    questions: tuple[Question, ...] = ()
    boundaries: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    wholes: Mapping[str, tuple[Span, ...]] = field(default_factory=dict)
