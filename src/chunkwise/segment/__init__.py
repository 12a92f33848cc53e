"""Documents to chunks: cut at the document's own joints, every span exact to the character.

`outline` finds a document's structure once, `sentence_bounds` its sentences; a `Segmenter`, built by a recipe of the
family "segment", cuts; `chunks` makes of its spans what the index stores; `stream` does so for a text too large to be
held whole. tree-sitter loads when code is first cut.

structure.py  headings, blocks and paths of markup and code (syntax.py, language.py);  prose.py  where sentences end
sentence.py   the small cut, and the sentences that other cuts go by
fit.py        cuts by the offsets of one tokenizer pass (grapheme.py: never through a character);  cast.py  along syntax
threshold.py  a signal to breaks;  group.py  units and breaks to spans that hold to a size
similar/      the signal is how alike neighbours are (embedded.py);  layout/  where they stand on the page
surprise/     the signal is a language model's surprise;  asked/  a language model is asked
clarity.py    how good a cut is in a causal model's eyes
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeAlias

import numpy as np

from chunkwise.segment.sentence import sentence_bounds
from chunkwise.segment.structure import Outline, outline
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Chunk, Document, Span, content_id

__all__ = ["Outline", "Segmenter", "chunks", "outline", "sentence_bounds", "stream"]

Segmenter: TypeAlias = Callable[[Document, TokenOffsets], list[Span]]


def chunks(document: Document, segmenter: Segmenter, offsets: TokenOffsets) -> list[Chunk]:
    """The document's chunks in order, each with its share of the tokenizer pass and the path it stands under.

    offsets: the one pass over `document.text`, from `Tokenizer.offsets`.
    """
    spans = segmenter(document, offsets)
    if not spans:
        return []
    bounds = np.array(spans, dtype=np.int64)
    tokens = np.diff(np.searchsorted(offsets.starts, bounds), axis=1)[:, 0].tolist()
    found = outline(document)
    blocks = (np.searchsorted(found.starts, bounds[:, 0], side="right") - 1).tolist()
    text, doc_id, kinds, paths = document.text, document.id, found.kinds, found.paths
    return [
        Chunk(content_id(piece := text[span[0] : span[1]]), doc_id, span, piece, count, kinds[block], paths[block])
        for span, count, block in zip(spans, tokens, blocks, strict=True)
    ]


from chunkwise.segment.piecewise import stream  # noqa: E402  # it is made of what stands above
