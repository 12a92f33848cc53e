"""The cuts that can be asked for by name."""

from __future__ import annotations

from chunkwise.recipe import recipe
from chunkwise.segment import Segmenter, outline
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Document, Span


@recipe(
    "sentence",
    family="segment",
    seed="chunkwise's own default cut",
    claim="units small enough to be scored alone, never across a heading, a paragraph or a definition",
)
def sentence() -> Segmenter:
    """Sentences, statements and table rows, about 40 tokens each; what the index is made of."""
    from chunkwise.segment.sentence import sentences

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        return sentences(document.text, outline(document))

    return cut
