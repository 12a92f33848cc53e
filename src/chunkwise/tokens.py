"""Tokenizers: how long a text is for the model that will read it, and where each token starts."""

from __future__ import annotations

import difflib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
import numpy.typing as npt

from chunkwise.errors import UserError
from chunkwise.units import Ints

if TYPE_CHECKING:
    from tokenizers import Tokenizer as HuggingFaceTokenizer

DEFAULT = "o200k_base"
BUNDLED = ("o200k_base", "cl100k_base", "llama3", "mistral_v3", "deepseek_v3")


@dataclass(frozen=True, slots=True)
class TokenOffsets:
    """One tokenizer pass over one text.

    starts: int64 [n], ascending: the character at which each token starts. A token that starts inside a character
    bears the offset of that character, so a cut at any of them tears no character.
    length: characters of the text.
    alone: how many tokens a text has on its own; None when the offsets are all there is to go by.
    splits_lines: whether a piece cut at the start of a line that says something, or before the blanks after a word, has
    the very tokens on its own that it had in the whole, as with any tokenizer that splits text into words first.
    """

    starts: Ints
    length: int
    alone: Callable[[str], int] | None = None
    splits_lines: bool = False

    def __len__(self) -> int:
        return len(self.starts)

    def count(self, start: int, end: int) -> int:
        """How many of the pass's tokens start within [start, end)."""
        first, last = np.searchsorted(self.starts, (start, end))
        return int(last - first)

    def counts(self, bounds: Ints) -> Ints:
        """Tokens between each two neighbours of `bounds` [m], ascending character offsets; int64 [m - 1]."""
        return np.diff(np.searchsorted(self.starts, bounds))


class Tokenizer(Protocol):
    """What chunkwise asks of a tokenizer. Text is always ordinary text: `<|endoftext|>` is thirteen characters."""

    @property
    def name(self) -> str:
        """The name to ask for it again with `tokenizer(name)`."""

    def count(self, text: str) -> int:
        """How many tokens `text` is."""

    def offsets(self, text: str) -> TokenOffsets:
        """One pass over `text`: where each of its tokens starts."""


class BytePairTokenizer:
    """Any byte-level BPE, whose tokens are byte strings that join to the text's UTF-8.

    encode: text to token ids, spelt-out special tokens read as ordinary text; token_bytes: one id to its bytes.
    """

    def __init__(
        self,
        name: str,
        encode: Callable[[str], npt.NDArray[np.uint32]],
        token_bytes: Callable[[int], bytes],
        vocabulary: int,
    ) -> None:
        self.name = name
        self._encode = encode
        self._token_bytes = token_bytes
        self._vocabulary = vocabulary

    def count(self, text: str) -> int:
        """How many tokens `text` is."""
        return len(self._encode(_without_surrogates(text)))

    def offsets(self, text: str) -> TokenOffsets:
        """One pass over `text`: where each of its tokens starts."""
        text = _without_surrogates(text)
        ids = self._encode(text)
        begun, torn = self._characters
        starts = np.zeros(len(ids) + 1, dtype=np.int64)
        np.cumsum(begun.take(ids), out=starts[1:])
        starts = starts[:-1]
        if not text.isascii():
            starts -= torn.take(ids)
        return TokenOffsets(starts, len(text), self.count, splits_lines=True)

    @cached_property
    def _characters(self) -> tuple[npt.NDArray[np.uint16], npt.NDArray[np.bool_]]:
        """By token id: how many characters begin in it, and whether it starts inside one that began before."""
        begun = np.zeros(self._vocabulary, dtype=np.uint16)
        torn = np.zeros(self._vocabulary, dtype=np.bool_)
        for token in range(self._vocabulary):
            try:
                data = self._token_bytes(token)
            except (ValueError, KeyError):  # ids between the vocabulary and the special tokens stand for nothing
                continue
            begun[token] = len(data) if data.isascii() else sum(byte & 0xC0 != 0x80 for byte in data)
            torn[token] = bool(data) and data[0] & 0xC0 == 0x80
        return begun, torn


class FileTokenizer:
    """A Hugging Face `tokenizer.json`, whose own offsets are used as they come."""

    def __init__(self, path: str, inner: HuggingFaceTokenizer) -> None:
        self.name = path
        self._inner = inner
        inner.no_truncation()
        inner.no_padding()

    def count(self, text: str) -> int:
        """How many tokens `text` is."""
        return len(self._inner.encode(_without_surrogates(text), add_special_tokens=False))

    def offsets(self, text: str) -> TokenOffsets:
        """One pass over `text`, by the tokenizer\'s own offsets."""
        found = self._inner.encode(_without_surrogates(text), add_special_tokens=False).offsets
        starts = np.array([start for start, _ in found], dtype=np.int64)
        return TokenOffsets(np.maximum.accumulate(starts) if len(starts) else starts, len(text), self.count)


def tokenizer(name: str = DEFAULT) -> Tokenizer:
    """The tokenizer of that name: one of BUNDLED (no download, no network), or the path of a `tokenizer.json`.

    Raises UserError for a name that is neither.
    """
    return _loaded(name)  # by one call alone, so that the default is the same object named or not


@lru_cache(maxsize=8)
def _loaded(name: str) -> Tokenizer:
    if name in BUNDLED:
        from splintr import Tokenizer as Splintr

        inner = Splintr.from_pretrained(name)
        specials = tuple(inner.special_tokens())

        def encode(text: str) -> npt.NDArray[np.uint32]:
            # The flat call is the quicker one, but it reads a spelt-out special token as the control token.
            if "<" in text and any(special in text for special in specials):
                return np.array(inner.encode_ordinary(text), dtype=np.uint32)
            return np.frombuffer(inner.encode_flat(text), dtype=np.uint32)

        return BytePairTokenizer(name, encode, inner.decode_token_bytes, inner.vocab_size)
    path = Path(name)
    path = path / "tokenizer.json" if path.is_dir() else path
    if path.is_file():
        from tokenizers import Tokenizer as HuggingFace

        try:
            return FileTokenizer(name, HuggingFace.from_file(str(path)))
        except Exception as error:  # the library raises bare Exception for a file it cannot parse
            raise UserError(f"{path} is not a tokenizer.json that can be read: {error}") from error
    near = difflib.get_close_matches(name, BUNDLED, 1)
    hint = f"did you mean {near[0]}?" if near else f"name one of {', '.join(BUNDLED)}, or a tokenizer.json file"
    raise UserError(f"no tokenizer {name!r}: {hint}")


def _without_surrogates(text: str) -> str:
    """`text` with lone surrogates, which UTF-8 cannot hold, replaced one for one by U+FFFD."""
    if text.isascii():
        return text
    try:
        text.encode()
    except UnicodeEncodeError:
        return "".join("\ufffd" if "\ud800" <= character <= "\udfff" else character for character in text)
    return text
