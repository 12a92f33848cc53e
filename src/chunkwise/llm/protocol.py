"""The one protocol that every language model answers, and what it answers with."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from chunkwise.errors import EndpointError
from chunkwise.prompt import Message


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that the model says it read and wrote."""

    prompt_tokens: int
    completion_tokens: int


@dataclass(frozen=True, slots=True)
class Completion:
    """A whole reply. model: the name that the model gives itself; usage: None where it does not tell."""

    text: str
    model: str
    usage: Usage | None = None


class Stream(Iterator[str]):
    """A reply piece by piece; when the pieces are through, `completion` is the whole.

    pieces: a generator of the pieces that returns the Completion. Errors of the model are raised where they occur.
    """

    def __init__(self, pieces: Generator[str, None, Completion]) -> None:
        self._pieces = pieces
        self._completion: Completion | None = None

    def __next__(self) -> str:
        try:
            return next(self._pieces)
        except StopIteration as end:
            self._completion = self._completion or end.value
            raise StopIteration from None

    @property
    def completion(self) -> Completion:
        """The whole reply; reads what has not been read yet. Raises EndpointError after `close`."""
        for _ in self:
            pass
        if self._completion is None:
            raise EndpointError("the reply was closed before its end, so there is no whole of it; ask again")
        return self._completion

    def close(self) -> None:
        """Stop reading and hang up."""
        self._pieces.close()


class LLM(Protocol):
    """What chunkwise asks of a language model."""

    @property
    def name(self) -> str:
        """The model's name, as it is asked for."""

    def complete(
        self, messages: Sequence[Message], *, max_tokens: int | None = None, temperature: float = 0.0
    ) -> Completion:
        """The whole reply; at most `max_tokens` of it when given."""

    def stream(self, messages: Sequence[Message], *, max_tokens: int | None = None, temperature: float = 0.0) -> Stream:
        """The reply as it is written."""
