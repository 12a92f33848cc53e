"""An embedder in context, made of two functions: how it reads a chunk in its document, and how a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

from chunkwise.embed.choose import Embedder
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
