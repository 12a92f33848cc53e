"""The cuts by a language model's surprise that can be asked for by name."""

from __future__ import annotations

import numpy as np

from chunkwise.errors import UserError
from chunkwise.models import CausalLM
from chunkwise.recipe import recipe
from chunkwise.segment import Segmenter
from chunkwise.segment.fit import checked
from chunkwise.segment.grapheme import untorn
from chunkwise.segment.group import grouped, packed
from chunkwise.segment.sentence import sentence_bounds
from chunkwise.segment.surprise import gain
from chunkwise.segment.surprise.dynamic import begins, boundary_chances, projections
from chunkwise.segment.surprise.margin import margins
from chunkwise.segment.surprise.perplexity import log_perplexity
from chunkwise.segment.surprise.spans import rises
from chunkwise.segment.threshold import (
    above_percentile,
    below_running_mean,
    checked_percentile,
    local_minima,
    observed_drop,
)
from chunkwise.tokens import TokenOffsets
from chunkwise.units import Document, Ints, Span

_META_CHUNKING = "Meta-Chunking: Learning Efficient Text Segmentation via Logical Perception"


@recipe(
    "meta-chunking",
    family="segment",
    seed=_META_CHUNKING,
    claim="cuts where the perplexity of sentences has a minimum lie nearer to where topics change than fixed cuts",
)
def meta_chunking(
    size: int = 512, threshold: float = 0.0, dynamic: bool = False, merge: bool = False, *, lm: CausalLM
) -> Segmenter:
    """Chunks of at most `size` tokens that end with a sentence foretold better than those beside it.

    threshold: nats a token by which its perplexity must lie below that of a neighbour; dynamic: the smallest drop of
    the first 100 minima is the threshold of those after them; merge: chunks are then joined while they fit `size`.

    With the small model of the package the claim holds on made texts whose subjects differ in their words. On real
    text (benchmarks/results/boundaries.md) it was clearly above fixed cuts only on the "fresh" passages, and there in
    boundaries hit to the sentence but not within one. A better model may do more; with this one `context-gain` did, and
    `semantic-clusters` far more in a hundredth of the time.
    """
    checked(size)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        bounds = sentence_bounds(document)
        signal = log_perplexity(document.text, bounds, lm)
        minima = local_minima(signal, threshold)
        if dynamic:
            minima &= local_minima(signal, observed_drop(signal, minima)) | (np.cumsum(minima) <= 100)
        return grouped(document.text, offsets, bounds, minima[:-1], size, size if merge else 0)

    return cut


@recipe(
    "meta-chunking-margin",
    family="segment",
    seed=_META_CHUNKING,
    claim="margin sampling: cuts where a model that is asked would rather split than at the last five places",
)
def meta_chunking_margin(size: int = 512, last: int = 5, *, lm: CausalLM) -> Segmenter:
    """Chunks of at most `size` tokens, cut where a model asked of two sentences leans to "split".

    last: a place is cut where the margin for "keep" is not above the mean of so many before it, 0 until there are as
    many. It takes a model that answers questions: the byte model of the package does not, and cuts at random.
    """
    checked(size)
    if last < 1:
        raise UserError(f"last={last}: the mean is over at least one margin; give last=5")

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        bounds = sentence_bounds(document)
        breaks = below_running_mean(margins(document.text, bounds, lm), last)
        return grouped(document.text, offsets, bounds, breaks, size)

    return cut


@recipe(
    "context-gain",
    family="segment",
    seed="chunkwise's own: perplexity with and without what stands before",
    claim="cuts before the sentences that the text before helps least to foretell, which begin a new subject",
)
def context_gain(size: int = 512, percentile: float = 90.0, *, lm: CausalLM) -> Segmenter:
    """Chunks of at most `size` tokens, each begun by a sentence that is hardly better foretold than alone.

    percentile: the share of sentences, from 0 to 100, before which the text is not cut.

    On 24 texts of joined passages that were not looked at when it was made, it was above fixed cuts to the sentence
    and by Pk, within a sentence not for certain; on shorter passages and on chapters of books it could not be told from
    them (benchmarks/results/boundaries.md). `semantic-clusters` was far above it in a hundredth of the time.
    """
    checked(size)
    checked_percentile(percentile, 90)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        bounds = sentence_bounds(document)
        breaks = above_percentile(-gain.context_gain(document.text, bounds, lm)[1:], percentile)
        return grouped(document.text, offsets, bounds, breaks, size)

    return cut


@recipe(
    "bytespan",
    family="segment",
    seed="ByteSpan: Information-Driven Subword Tokenisation",
    claim="spans begin where the surprise rises, which is where words and their parts begin",
)
def bytespan(size: int = 512, constraint: str = "monotonic", percentile: float = 30.0, *, lm: CausalLM) -> Segmenter:
    """Spans of falling surprise, joined to chunks of at most `size` tokens; none is cut where it fits a chunk.

    constraint: a span goes on while the surprise falls ("monotonic"), while it is at most that `percentile` (0 to 100)
    of the document's ("global"), or either ("combined"). The paper makes a vocabulary of the spans; here they are cuts.
    """
    checked(size)
    if constraint not in ("monotonic", "global", "combined"):
        raise UserError(f"constraint={constraint}: give monotonic, global or combined")
    checked_percentile(percentile, 30)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        read = lm.surprise(document.text)
        starts = read.starts[rises(read.nats, constraint, percentile)]
        return packed(document.text, offsets, _bounds(document.text, starts), size)

    return cut


@recipe(
    "h-net",
    family="segment",
    seed="Dynamic Chunking for End-to-End Hierarchical Sequence Modeling",
    claim="begins a chunk where a model's state turns from the one before it, at the ratio that it was trained for",
    aliases=("dynamic-chunking",),
)
def h_net(size: int = 512, *, lm: CausalLM) -> Segmenter:
    """Chunks of states that H-Net's boundary module tells apart, joined while they fit `size` tokens.

    For the byte model of the package its two projections were trained to begin a chunk with a sentence, under the
    paper's ratio loss; for any other model they are the identity that H-Net starts from. The networks around the
    module, which the paper trains with it, are not here.
    """
    checked(size)

    def cut(document: Document, offsets: TokenOffsets) -> list[Span]:
        return packed(document.text, offsets, _bounds(document.text, chunk_starts(document.text, lm)), size)

    return cut


def chunk_starts(text: str, lm: CausalLM, stretch: int = 1 << 15) -> Ints:
    """Where the boundary module begins a chunk, the first at 0; read in stretches, for states are large."""
    found: list[Ints] = []
    for start in range(0, len(text), stretch):
        first = max(0, start - 1)  # the state before, from which the first one here may turn
        read = lm.surprise(text[first : start + stretch], given=text[max(0, first - 1024) : first], states=True)
        if read.states is None:
            raise UserError(f"h-net needs a language model that shows its states; {lm.name} does not")
        begin = begins(boundary_chances(read.states, *projections(lm.name, read.states.shape[1])))
        starts = read.starts[begin] + first
        found.append(starts[starts >= start])
    return np.concatenate([np.zeros(0, np.int64), *found])


def _bounds(text: str, starts: Ints) -> Ints:
    """Where units begin and the last one ends, without those that would tear a character as it is read."""
    inner = starts[(starts > 0) & (starts < len(text))]
    return np.unique(np.concatenate(([0], untorn(text, inner), [len(text)])))
