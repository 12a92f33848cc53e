"""Embedders in context, made of functions: how a chunk is read in its document, or what is put before it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from chunkwise.embed.choose import Embedder
from chunkwise.embed.written import Contexts
from chunkwise.units import Document, Floats, Span


@dataclass(frozen=True)
class Situated:
    """Chunks by `read`, questions and other texts alone by `ask`; both give unit vectors of the dimensions of `of`.

    kind: what tells the vectors from those of other recipes, parameters included; of: the embedder it is made of.
    """

    kind: str
    of: Embedder
    read: Callable[[Document, Sequence[Span]], Floats]
    ask: Callable[[Sequence[str]], Floats]

    @property
    def name(self) -> str:
        """The recipe with its parameters, and the embedder that it is made of."""
        return f"{self.kind}-{self.of.name}"

    @cached_property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self.of.dim

    def __call__(self, texts: Sequence[str]) -> Floats:
        """float32 [n, dim], rows of length 1."""
        return self.ask(texts)

    def in_document(self, document: Document, spans: Sequence[Span]) -> Floats:
        """The vectors of `spans`, in order, each seen where it stands; float32 [len(spans), dim], rows of length 1."""
        return self.read(document, spans)


@dataclass(frozen=True)
class WithContexts:
    """Each chunk with a context before it, as one text; questions alone.

    kind, of: as for `Situated`; contexts: what is put before each chunk.
    """

    kind: str
    of: Embedder
    contexts: Contexts

    @property
    def name(self) -> str:
        """The recipe, and the embedder that it is made of."""
        return f"{self.kind}-{self.of.name}"

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""
        return self.of.dim

    def __call__(self, texts: Sequence[str]) -> Floats:
        """float32 [n, dim], rows of length 1."""
        return self.of(texts)

    def as_read(self, document: Document, spans: Sequence[Span]) -> list[str]:
        """The text of each of `spans` with its context before it."""
        told = self.contexts(document, spans) if spans else []
        texts = (document.text[slice(*span)] for span in spans)
        return [f"{context}\n{text}" if context else text for context, text in zip(told, texts, strict=True)]

    def in_document(self, document: Document, spans: Sequence[Span]) -> Floats:
        """The vectors of `spans`, in order, each with its context; float32 [len(spans), dim], rows of length 1."""
        texts = self.as_read(document, spans)
        return self.of(texts) if texts else np.empty((0, self.dim), np.float32)
