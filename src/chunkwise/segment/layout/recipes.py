"""The cuts by layout that can be asked for by name."""

from __future__ import annotations

import numpy as np

from chunkwise.errors import UserError
from chunkwise.models import Embed
from chunkwise.recipe import recipe
from chunkwise.segment import Segmenter
from chunkwise.segment.embedded import unit_vectors
from chunkwise.segment.fit import checked
from chunkwise.segment.group import grouped
from chunkwise.segment.layout.batches import batches, goes_on, leads
from chunkwise.segment.layout.elements import elements
from chunkwise.segment.layout.graph import clusters, weights
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Document, Span

_WINDOW = 200  # elements clustered together: their eigenvectors cost the cube of it
_UNITS_A_PAGE = 10  # a tenth of a page is the distance at which nearness has halved
_LEAST = 8  # a span of fewer than size / _LEAST tokens joins the next one: runs of a cluster that is not contiguous


@recipe(
    "s2-chunking",
    family="segment",
    seed="S2 Chunking: A Hybrid Framework for Document Segmentation Through Integrated Spatial and Semantic Analysis",
    claim="cuts a page of two columns where the column ends, and no chunk is over the limit",
)
def s2_chunking(size: int = 512, *, embed: Embed) -> Segmenter:
    """Chunks of at most `size` tokens: spectral clusters of elements that are near on the page and near in meaning.

    The graph's weights are the mean of 1 / (1 + distance of centres), in tenths of a page, and of the cosine of the
    elements' embeddings. There are ceil(tokens / size) clusters; one over the limit is split in reading order. Chunks
    are spans that tile the text, so a cluster whose elements do not follow one another becomes a span for each run of
    them, and a run of less than an eighth of the size joins the next one. Documents without boxes are the blocks of
    their outline in one column. 200 elements are clustered at a time, so that the cost is linear in the text. Where
    the embedder fails the rest is cut by size alone, with a FallbackWarning. The paper detects elements with a vision
    model; here they are what the file itself says.
    """
    checked(size)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        text = document.text
        if not text:
            return []
        found = elements(document, offsets)
        tokens = offsets.counts(found.bounds)
        vectors = unit_vectors(embed, document, found.bounds)
        labels = np.zeros(len(found), dtype=np.int64)
        for first in range(0, len(vectors), _WINDOW):
            window = slice(first, min(first + _WINDOW, len(vectors)))
            count = -(-int(tokens[window].sum()) // size)
            near = weights(found.centres[window], vectors[window], found.height / _UNITS_A_PAGE)
            labels[window] = 1 + first + clusters(near, count)
        return grouped(text, offsets, found.bounds, np.diff(labels) != 0, size, size // _LEAST)

    return cut


@recipe(
    "vision-guided-chunking",
    family="segment",
    seed="Vision-Guided Chunking Is All You Need: Enhancing RAG with Multimodal Document Understanding",
    claim="a table that is split over two batches of pages is whole again, where batches read apart tear it",
    aliases=("vision-guided",),
)
def vision_guided_chunking(size: int = 512, pages: int = 4, carry: bool = True) -> Segmenter:
    """Chunks of at most `size` tokens, made of batches of `pages` pages, with what a batch leaves open carried on.

    A table, list or code that goes on over the border of a batch is one unit with its rest, a heading goes with what
    follows it, and so does a paragraph whose sentence does not end. Units are packed while they fit, a new chunk begins
    at each heading and each batch that begins with nothing open. A text without pages has one for each 500 tokens.

    In the paper a multimodal model looks at the page images and writes the chunks. This is the part of it that a text
    engine can do: no image is seen, so figures, merged cells and the like are only what the file says of them. What is
    a heading, a list or a table is read from the layout, or from the outline where there is none. carry=False reads
    each batch alone.
    """
    checked(size)
    if pages < 1:
        raise UserError(f"pages={pages}: a batch holds at least one page; give pages=1 or more")

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        text = document.text
        if not text:
            return []
        found = elements(document, offsets)
        border = np.diff(batches(found, pages)) != 0
        known = ~border | carry
        joined, led = goes_on(text, found) & known, leads(found) & known
        whole = np.concatenate(([True], ~(joined | led), [True]))
        over = offsets.counts(found.bounds[whole]) > size
        joined |= led & ~over[np.cumsum(whole[:-2]) - 1]  # a heading goes with what fits a chunk with it
        units = found.bounds[np.concatenate(([True], ~joined, [True]))]
        opens = border | found.headed[1:]
        return grouped(text, offsets, units, opens[~joined], size, size // _LEAST)

    return cut
