"""A model's text as token ids and back: tokenizer, chat template, ids that end an answer, text as it is streamed."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from chunkwise.engine.word_pieces import settings, tokenizer, whole
from chunkwise.errors import ModelError, UserError

_UNKNOWN = "\N{REPLACEMENT CHARACTER}"  # what a decoder writes for bytes that are no character, or not yet
_HELD = 16  # tokens that may end within a character before what they are is told as it is


class Tokenizer:
    """The tokenizer of a Hugging Face folder. Made by `load`.

    bos: the id that starts a text, None where there is none; eos: the ids that end an answer; size: of the vocabulary.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._tokenizer = tokenizer(folder / "tokenizer.json")
        self._tokenizer.no_truncation()
        self._settings = settings(folder / "tokenizer_config.json")
        config, generation = settings(folder / "config.json"), settings(folder / "generation_config.json")
        start, ends = (
            found if (found := generation.get(name)) is not None else config.get(name)
            for name in ("bos_token_id", "eos_token_id")
        )
        told = [self._id("eos_token"), *(ends if isinstance(ends, list) else [ends])]
        self.eos = frozenset(int(end) for end in told if end is not None)
        named = self._id("bos_token")
        self.bos: int | None = start if named is None else named
        self.size: int = self._tokenizer.get_vocab_size()
        added = self._tokenizer.get_added_tokens_decoder()
        self._added = frozenset(added)
        self._unspoken = frozenset(number for number, token in added.items() if token.special)

    @classmethod
    def load(cls, folder: str | Path) -> Tokenizer:
        """Of tokenizer.json, with what tokenizer_config.json, generation_config.json, config.json and
        chat_template.jinja say besides. Raises ModelError when there is none to be read."""
        return cls(Path(folder))

    def encode(self, text: str, special: bool = True) -> list[int]:
        """The text's ids; special: with those that the model wants at its ends, which a chat's prompt has already."""
        return list(self._tokenizer.encode(whole(text), add_special_tokens=special).ids)

    def decode(self, ids: Iterable[int]) -> str:
        """The text of `ids`, special ones left out: what a `Stream` of them tells in all."""
        stream = Stream(self)
        return "".join([stream.put(number) for number in ids]) + stream.end()

    def spelled(self, token: int) -> bytes:
        """What one token stands for in a text, which may be a part of a character; a special one by its name."""
        name = self._tokenizer.id_to_token(token) or ""
        if token in self._added:
            return name.encode()
        if self._letters and all(letter in self._letters for letter in name):
            return bytes(self._letters[letter] for letter in name)
        if byte := re.fullmatch("<0x([0-9A-F]{2})>", name):
            return bytes.fromhex(byte[1])
        return name.replace("\N{LOWER ONE EIGHTH BLOCK}", " ").encode()

    @cached_property
    def _letters(self) -> dict[str, int]:
        """The byte that each letter stands for, where tokens are written in bytes; else none."""
        from tokenizers.pre_tokenizers import ByteLevel

        if self._tokenizer.decoder is None or b"ByteLevel" not in self._tokenizer.decoder.__getstate__():
            return {}
        letters = sorted(ByteLevel.alphabet())  # those of Latin-1 stand for themselves, the others for what is left
        own = [ord(letter) for letter in letters if ord(letter) < 256]
        return dict(zip(letters, [*own, *sorted(set(range(256)) - set(own))], strict=True))

    def chat(self, messages: Sequence[Mapping[str, Any]], answer: bool = True, **more: Any) -> str:
        """The prompt that the model's template makes of `messages` ({"role": ..., "content": ...}).

        answer: ends where the model's answer begins; more: what the template may ask for besides, such as `tools`.
        Encode it with special=False. Raises UserError for messages that the template refuses or a model that has no
        template, ModelError for a template that is broken.
        """
        from jinja2 import TemplateError

        if self._template is None:
            raise UserError(f"the model in {self._folder} has no chat template; complete plain text with it instead")
        names = {name: self._token(name) for name in ("bos_token", "eos_token", "pad_token", "unk_token")}
        known = {name: token for name, token in names.items() if token is not None}
        try:
            return str(
                self._template.render(
                    **{"messages": list(messages), "tools": None, "documents": None, **known, **more},
                    add_generation_prompt=answer,
                )
            )
        except _Refused as error:
            raise UserError(f"the chat template of {self._folder} refuses these messages: {error}") from error
        except (TemplateError, TypeError, ValueError, KeyError) as error:
            raise ModelError(f"the chat template of {self._folder} fails on these messages: {error}") from error

    @cached_property
    def _template(self) -> Any:
        from jinja2 import TemplateError

        source = self._settings.get("chat_template")
        if isinstance(source, list):  # several, by name
            source = {entry.get("name"): entry.get("template") for entry in source}.get("default")
        beside = self._folder / "chat_template.jinja"
        if beside.is_file():
            source = beside.read_text(encoding="utf-8")
        if not source:
            return None
        try:
            return _sandbox().from_string(source)
        except TemplateError as error:
            raise ModelError(f"the chat template of {self._folder} cannot be read: {error}") from error

    def _token(self, name: str) -> str | None:
        """The text of a special token; it stands in tokenizer_config.json as such, or with its settings."""
        token = self._settings.get(name)
        return token.get("content") if isinstance(token, dict) else token

    def _id(self, name: str) -> int | None:
        token = self._token(name)
        return None if token is None else self._tokenizer.token_to_id(token)


class Stream:
    """Text out of ids as they come, whole characters only; the pieces make up `Tokenizer.decode` of all the ids.

    A token may hold a part of a character, and what it reads as may depend on the one before (a space that is left
    out at the start of a text). So the new ids are decoded with those of the last piece told, and the difference is
    told once it ends with a whole character.
    """

    def __init__(self, of: Tokenizer) -> None:
        self._of = of
        self._ids: list[int] = []
        self._told = 0  # of those ids
        self._before = ""  # what the told ones read as

    def put(self, token: int) -> str:
        """What can be told now that `token` came; empty while a character lacks bytes."""
        if token in self._of._unspoken:
            return ""
        self._ids.append(token)
        text = self._text()
        if text.endswith(_UNKNOWN) and len(self._ids) - self._told < _HELD:
            return ""
        return self._tell(text)

    def end(self) -> str:
        """What is left: bytes that never became a character read as U+FFFD."""
        return self._tell(self._text())

    def _tell(self, text: str) -> str:
        piece = text[len(self._before) :]
        if piece:
            self._ids = self._ids[self._told :]
            self._told = len(self._ids)
            self._before = self._text()
        return piece

    def _text(self) -> str:
        return str(self._of._tokenizer.decode(self._ids))


class _Refused(Exception):
    """What a template raises by itself, about messages that it cannot take."""


def _sandbox() -> Any:
    """Jinja as chat templates are written for: what `transformers` gives them, in a sandbox that changes nothing."""
    from jinja2 import nodes
    from jinja2.ext import Extension, loopcontrols
    from jinja2.parser import Parser
    from jinja2.sandbox import ImmutableSandboxedEnvironment

    class Generation(Extension):
        """{% generation %}: marks the assistant's part for training; here it is its content."""

        tags = {"generation"}  # noqa: RUF012 -- as the base class has it

        def parse(self, parser: Parser) -> list[nodes.Node]:
            next(parser.stream)
            return parser.parse_statements(("name:endgeneration",), drop_needle=True)

    def refuse(message: str) -> None:
        raise _Refused(message)

    def to_json(value: Any, **how: Any) -> str:
        return json.dumps(value, **{"ensure_ascii": False, **how})

    sandbox = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[loopcontrols, Generation], autoescape=False
    )
    sandbox.filters["tojson"] = to_json
    sandbox.globals |= {"raise_exception": refuse, "strftime_now": lambda how: datetime.now().strftime(how)}
    return sandbox
