"""Documents with what is known of them: questions with their evidence, and where a reader would cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from chunkwise.units import Document, Span, content_id


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

    def halves(self, by: Literal["documents", "questions"]) -> tuple[Dataset, Dataset]:
        """Two sets: one to learn from, and one to report.

        by: "documents" parts the documents, and each question goes with the document of its first evidence;
        "questions" parts the questions, and documents that hold evidence for one half alone go with it, the rest with
        both. Which half is decided by the hash of the source or question, so that it never changes.
        """
        keys = [q.text if by == "questions" else q.evidence[0].source for q in self.questions]
        asked = [[q for q, key in zip(self.questions, keys, strict=True) if _side(key) == side] for side in (0, 1)]
        needed = [{part.source for q in half for part in q.evidence} for half in asked]

        def stays(source: str, side: int) -> bool:
            return _side(source) == side if by == "documents" else source not in needed[1 - side] - needed[side]

        documents = [tuple(one for one in self.documents if stays(one.source, side)) for side in (0, 1)]
        first, second = (replace(self, documents=documents[side], questions=tuple(asked[side])) for side in (0, 1))
        return first, second


def _side(key: str) -> int:
    return int(content_id(key)[0], 16) % 2
