"""Which embedder a spec string names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, cast, runtime_checkable

from chunkwise.errors import UserError
from chunkwise.models import Supplies
from chunkwise.recipe import build, recipes
from chunkwise.units import Document, Floats, Span

if TYPE_CHECKING:
    from chunkwise.engine.encoder import Backend


class Embedder(Protocol):
    """Texts to unit vectors; the same text gives the same vector whatever else is in the batch."""

    @property
    def name(self) -> str:
        """The identity of the vector space, with a hash of the weights where they are local: "minilm-53aa5117"."""

    @property
    def dim(self) -> int:
        """Dimensions of a vector."""

    def __call__(self, texts: Sequence[str]) -> Floats:
        """float32 [n, dim], rows of length 1; [0, dim] for no texts. An empty text has a vector too."""


@runtime_checkable
class InContext(Embedder, Protocol):
    """An embedder that reads a chunk in its document: its vectors belong to places, not to texts.

    Called with texts alone, such as questions, it embeds them as they are.
    """

    def in_document(self, document: Document, spans: Sequence[Span]) -> Floats:
        """The vectors of `spans`, in order, each seen where it stands; float32 [len(spans), dim], rows of length 1."""


@runtime_checkable
class Contextualised(InContext, Protocol):
    """An embedder that puts a context before each chunk, by which its words are to be found as well."""

    def as_read(self, document: Document, spans: Sequence[Span]) -> list[str]:
        """The text of each of `spans` with its context before it: what the vectors are made of."""


@runtime_checkable
class Distilled(Embedder, Protocol):
    """An embedder fitted to another one's vectors, which can be taken into its space."""

    @property
    def teacher(self) -> str:
        """The name of that other embedder."""

    def projected(self, vectors: Floats) -> Floats:
        """The teacher's vectors [n, d] in this space; float32 [n, dim], rows of length 1."""


def embedder(spec: str = "minilm", supplies: Supplies | None = None) -> Embedder:
    """The embedder that `spec` names.

    - "minilm": all-MiniLM-L6-v2 from its wheel;
    - "static": one vector for each word piece, distilled from it, hundreds of times faster;
    - the path of a local sentence-transformers or BERT folder;
    - "URL#model": an OpenAI-compatible endpoint, such as "http://localhost:8000/v1#bge-m3";
    - a recipe of this room, such as "late-chunking": `chunkwise recipes embed`.

    "minilm" and a path take ":backend=torch" to run on torch instead of NumPy. supplies: what makes the models that a
    recipe names, such as `ask`. Raises UserError for a spec that is none of these, ModelError when the model cannot be
    had.
    """
    if spec.startswith(("http://", "https://")):
        from chunkwise.embed.endpoint import EndpointEmbedder

        return EndpointEmbedder.of(spec)
    if spec == "static":
        from chunkwise.embed.static import StaticEmbedder

        return StaticEmbedder()
    from chunkwise.embed.contextual import ContextualEmbedder, minilm

    name, _, wanted = spec.partition(":backend=")
    backend = wanted or "numpy"
    if backend not in ("numpy", "torch"):
        raise UserError(f"no backend {backend!r} in {spec!r}; it is numpy or torch")
    backend = cast("Backend", backend)
    if name == "minilm":
        return minilm(backend)
    if name and Path(name).is_dir():
        return ContextualEmbedder(name, backend=backend)
    if is_recipe(spec):
        made: Embedder = build(spec, "embed", supplies)
        return made
    raise UserError(f"no embedder {spec!r}; name minilm, static, a model's folder, URL#model, or a recipe of `embed`")


def is_recipe(spec: str) -> bool:
    """Whether a spec names a recipe of this room, and not a model."""
    name = spec.partition(":")[0].strip()
    return any(name in (made.name, *made.aliases) for made in recipes() if made.makes == "embed")
