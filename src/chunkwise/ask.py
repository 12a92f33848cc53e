"""A pack and a question to a cited answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import Any, Protocol

from chunkwise.errors import UserError
from chunkwise.llm import LLM, Quote, Usage, extractive
from chunkwise.llm.extractive import Analyse, Similarity, plain_words
from chunkwise.prompt import cited, messages
from chunkwise.units import Passage, Span


class Packed(Protocol):
    """What is asked of a pack: its passages, numbered from 1 by their order."""

    @property
    def passages(self) -> Sequence[Passage]:
        """The passages in the order in which the prompt shows them."""


@dataclass(frozen=True, slots=True)
class Citation:
    """Where passage `number`, or the part of it that is quoted, stands: character offsets and lines of its file."""

    number: int
    source: str
    span: Span
    lines: tuple[int, int]
    cite: str

    @classmethod
    def of(cls, number: int, cited: Passage | Quote) -> Citation:
        """The citation of a passage, or of a quote from it."""
        return cls(number, cited.source, cited.span, cited.lines, cited.cite)


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer and what it rests on.

    citations: in the order of use; invented: numbers that the answer cites and the pack has not; model: the name the
    model gives itself, "extractive" where there was none; found: whether the answer rests on any passage.
    """

    text: str
    citations: tuple[Citation, ...]
    invented: tuple[int, ...]
    model: str
    usage: Usage | None
    found: bool

    def json(self) -> dict[str, Any]:
        """The answer as `chunkwise ask --json` shows it."""
        return {
            "answer": self.text,
            "found": self.found,
            "citations": [
                {
                    "number": citation.number,
                    "source": citation.source,
                    "start": citation.span.start,
                    "end": citation.span.end,
                    "lines": list(citation.lines),
                    "cite": citation.cite,
                }
                for citation in self.citations
            ],
            "invented": list(self.invented),
            "model": self.model,
            "usage": asdict(self.usage) if self.usage else None,
        }


def ask(
    pack: Packed,
    question: str,
    llm: LLM | None = None,
    on_text: Callable[[str], object] | None = None,
    *,
    analyse: Analyse = plain_words,
    similarity: Similarity | None = None,
) -> Answer:
    """The answer to `question` from the pack's passages, by `llm`, or quoted from them where there is none.

    on_text: called with each piece of the answer as it comes. analyse, similarity: as in `extractive`, for the answer
    without a model. A pack without passages is answered without asking the model. Raises UserError for an empty
    question, EndpointError when the model cannot answer.
    """
    if not question.strip():
        raise UserError('the question is empty; ask something, such as "how are refunds handled?"')
    show = on_text or (lambda piece: None)
    if llm is not None and pack.passages:
        return _told(pack.passages, question, llm, show)
    extract = extractive(question, pack.passages, analyse=analyse, similarity=similarity)
    show(extract.text)
    citations = tuple(Citation.of(quote.number, quote) for quote in extract.quotes)
    return Answer(extract.text, citations, (), "extractive" if llm is None else llm.name, None, extract.found)


def _told(passages: Sequence[Passage], question: str, llm: LLM, show: Callable[[str], object]) -> Answer:
    with closing(llm.stream(messages(question, passages))) as stream:
        for piece in stream:
            show(piece)
        reply = stream.completion
    numbers = cited(reply.text, passages)
    citations = tuple(Citation.of(number, passages[number - 1]) for number in numbers.valid)
    return Answer(reply.text, citations, numbers.invented, reply.model, reply.usage, bool(citations))
