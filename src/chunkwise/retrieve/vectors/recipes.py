"""Retrievers over the vectors that an index has: in fewer bytes, or asked by an embedder that did not make them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

import numpy as np
import numpy.typing as npt

from chunkwise.errors import UserError
from chunkwise.recipe import recipe
from chunkwise.retrieve.corpus import Corpus, Retriever, candidates
from chunkwise.retrieve.dense import nearest
from chunkwise.retrieve.vectors import relative
from chunkwise.retrieve.vectors.codes import BLOCK, Coded
from chunkwise.retrieve.vectors.codes import code as named
from chunkwise.units import Candidates, Floats, Ints

if TYPE_CHECKING:
    from chunkwise.embed import Embedder
    from chunkwise.store import Snapshot

Made = TypeVar("Made")
SAMPLED = 20_000  # vectors whose readings tell what is usual


@recipe(
    "coded",
    family="retrieve",
    seed="CoRECT: A Framework for Evaluating Embedding Compression Techniques at Scale",
    claim="a byte a dimension finds what two do, and a bit a dimension does once its best are looked at in full",
)
def coded(code: str = "int8", parts: int = 0, rescore: int = 0) -> Retriever:
    """The nearest vectors as a storage code knows them, so that codes can be compared on one index.

    code: float16 (what the store keeps), int8, binary, truncated or pq; parts: dimensions kept or pieces quantised, 0
    for a quarter and an eighth of the dimensions; rescore: so many times k are found by the code and ranked anew by the
    full vectors, 0 for none. The codes are made from the index's vectors when it is first asked.
    """
    encode = named(code, parts)
    if rescore < 0:
        raise UserError(f"rescore={rescore}: give how many times k are ranked anew, or 0")
    kept = _OfState(lambda corpus: encode(corpus.snapshot.matrix) if corpus.snapshot.matrix is not None else None)

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        found: Coded | None = kept(corpus) if corpus.scan is not None and len(corpus) else None
        if found is None:
            return _none(corpus, query, k)
        asked = corpus.scan_query(query)
        scores = found.scores(asked)
        if not rescore:
            return _nearest(corpus, query, scores, k)
        chosen = _first(scores, k * rescore)
        vectors = corpus.scanned(chosen)
        assert vectors is not None
        return candidates(corpus, query, chosen, vectors @ asked, k)

    return retrieve


@recipe(
    "relative-representations",
    family="comms-systems",
    seed="Relative Representations of Latent Spaces enable Efficient Semantic Channel Equalization",
    claim="an embedder finds in an index that another one made, by what both say of a few anchors",
)
def relative_representations(embedder: str = "minilm", anchors: int = 256, mapped: bool = False) -> Retriever:
    """The nearest vectors of an index made with one embedder, to a question embedded by another.

    embedder: of the question, as `chunkwise.embed.embedder` takes it; anchors: chunks that stand far from each other,
    whose stored vectors are one side and whose texts this embedder reads once for the other. Chunks and question are
    compared by their similarities to the anchors, in standard deviations of each. mapped: instead, the question is
    taken into the index's space by the linear map that the anchors fit best; that is ours, not the paper's, which
    sends a latent vector over a channel and not a question to an index. The index's own embedder is never run.
    """
    if anchors < 1:
        raise UserError(f"anchors={anchors}: two spaces cannot be compared by none; give 1 or more")
    made: list[Embedder] = []

    def embed(texts: list[str]) -> Floats:
        from chunkwise.embed import embedder as load

        if not made:  # at the first question, so that naming the recipe loads no model
            made.append(load(embedder))
        return made[0](texts)

    def prepared(corpus: Corpus) -> _Sides:
        matrix = corpus.snapshot.matrix
        assert matrix is not None
        chosen = relative.spread_out(matrix, anchors)
        theirs = embed([corpus.text(at) for at in chosen.tolist()])
        return _Sides(matrix[chosen].astype(np.float32), theirs)

    sides = _OfState(prepared)
    readings = _OfState(lambda corpus: _readings(corpus, sides(corpus).ours))

    def retrieve(corpus: Corpus, query: str, k: int) -> Candidates:
        matrix, bits = corpus.snapshot.matrix, corpus.snapshot.bits
        if matrix is None or bits is None or not len(matrix):
            return _none(corpus, query, k)
        known, asked = sides(corpus), embed([query])
        if mapped:
            return candidates(
                corpus, query, *nearest(matrix, bits, relative.mapped(asked, known.theirs, known.ours)[0], k), k
            )
        view = relative.Relative.seen_from(known.theirs, known.theirs)
        return _nearest(corpus, query, readings(corpus) @ view(asked)[0], k)

    return retrieve


@dataclass(frozen=True)
class _Sides:
    """The anchors in the index's space and in the question's; float32 [a, d] and [a, e]."""

    ours: Floats
    theirs: Floats


class _OfState(Generic[Made]):
    """What is made of an index's newest state, made anew when that is another."""

    def __init__(self, make: Callable[[Corpus], Made]) -> None:
        self._make = make
        self._state: Snapshot | None = None

    def __call__(self, corpus: Corpus) -> Made:
        if self._state is not corpus.snapshot:
            self._made = self._make(corpus)
            self._state = corpus.snapshot
        return self._made


def _readings(corpus: Corpus, anchors: Floats) -> npt.NDArray[np.float16]:
    """Every vector of the index as seen from the anchors; float16 [n, a]."""
    matrix = corpus.snapshot.matrix
    assert matrix is not None
    view = relative.Relative.seen_from(anchors, matrix[:: max(1, len(matrix) // SAMPLED)].astype(np.float32))
    found = np.empty((len(matrix), len(anchors)), np.float16)
    for start in range(0, len(matrix), BLOCK):
        found[start : start + BLOCK] = view(matrix[start : start + BLOCK].astype(np.float32))
    return found


def _nearest(corpus: Corpus, query: str, scores: Floats, k: int) -> Candidates:
    chosen = _first(scores, k)
    return candidates(corpus, query, chosen, scores[chosen], k)


def _first(scores: Floats, k: int) -> Ints:
    """The indices of the k largest scores, whatever their sign, ties to the earlier one."""
    return np.argsort(-scores, kind="stable")[:k]


def _none(corpus: Corpus, query: str, k: int) -> Candidates:
    return candidates(corpus, query, np.zeros(0, np.int64), np.zeros(0, np.float32), k)
