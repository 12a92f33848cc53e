"""A local model, run by the engine here, as any other language model is asked."""

from __future__ import annotations

from collections.abc import Generator, Sequence
from contextlib import closing
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chunkwise.errors import UserError
from chunkwise.llm.protocol import Completion, Stream, Usage
from chunkwise.prompt import Message

if TYPE_CHECKING:
    from chunkwise.engine.complete import Completer


class Local:
    """The model of a Hugging Face folder, loaded when it is first asked; it needs the extra `serve`.

    settings: as `Completer.load` takes them. What prompts begin alike with is computed once. Raises UserError for a
    folder that is not there and for a prompt beyond the model's window, ModelError for a model that cannot be run.
    """

    def __init__(self, folder: str | Path, **settings: Any) -> None:
        self._folder, self._settings = Path(folder).expanduser(), settings
        if not self._folder.is_dir():
            raise UserError(f"{self._folder}: no such folder; write local:DIR, a Hugging Face model folder")
        self.name = self._folder.resolve().name

    def __repr__(self) -> str:
        return f"Local({str(self._folder)!r})"

    def complete(
        self, messages: Sequence[Message], *, max_tokens: int | None = None, temperature: float = 0.0
    ) -> Completion:
        """The whole reply; at most `max_tokens` of it when given."""
        return self.stream(messages, max_tokens=max_tokens, temperature=temperature).completion

    def stream(self, messages: Sequence[Message], *, max_tokens: int | None = None, temperature: float = 0.0) -> Stream:
        """The reply as it is written; to close the stream ends the request."""
        return Stream(self._pieces(messages, max_tokens, temperature))

    def _pieces(
        self, messages: Sequence[Message], max_tokens: int | None, temperature: float
    ) -> Generator[str, None, Completion]:
        from chunkwise.engine.complete import Ask, Failed, Said
        from chunkwise.engine.sample.transform import temperature as heated

        tokenizer = self._completer.tokenizer
        prompt = tokenizer.encode(tokenizer.chat(messages), special=False)
        ask = Ask(prompt, max_tokens, transform=heated(temperature))
        pieces: list[str] = []
        usage = None
        with closing(self._completer.events(ask)) as events:
            for event in events:
                if isinstance(event, Failed):
                    raise event.error
                if isinstance(event, Said):
                    pieces.append(event.text)
                    yield event.text
                else:
                    usage = Usage(event.prompt, event.completion)
        return Completion("".join(pieces), self.name, usage)

    @cached_property
    def _completer(self) -> Completer:
        try:
            from chunkwise.engine.complete import Completer
        except ModuleNotFoundError as error:
            raise UserError(f"{error.name} is not installed; run: pip install 'chunkwise[serve]'") from error

        return Completer.load(self._folder, **self._settings)
