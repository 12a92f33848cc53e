"""Corpus: one state of the index as a retriever sees it, and the vectors it makes on the way."""

from __future__ import annotations

import contextlib
from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, TypeVar

import numpy as np
import numpy.typing as npt

from chunkwise.embed import Distilled, InContext
from chunkwise.errors import StaleError, StoreError
from chunkwise.retrieve.blockmax import BlockMax
from chunkwise.retrieve.dense import nearest, signs_apart
from chunkwise.retrieve.lexical import Lexical, running_sum
from chunkwise.retrieve.words import Words, words
from chunkwise.store import Snapshot, Store
from chunkwise.units import Candidates, Document, Floats, Ints, Lazy, Span, content_id, place_id

if TYPE_CHECKING:
    from chunkwise.embed import Embedder

# A document of up to this many tokens is read whole by the judge: what MiniLM reads at once.
READ_WHOLE = 256
# A cosine of one in fixed point: the cosines of a window as wide as it may be do not add up to 2**31.
ONE = 2**24

Retriever: TypeAlias = Callable[["Corpus", str, int], Candidates]
Made = TypeVar("Made")


class Corpus:
    """What a retriever may ask of the index.

    roots: the folders that were indexed; scan: the embedder whose space every chunk has a vector in, or None; judge:
    the embedder of the candidates' contextual vectors, made when first asked for and kept by content id, or None.
    """

    def __init__(self, store: Store, scan: Embedder | None, judge: Embedder | None) -> None:
        self.store = store
        self.snapshot: Snapshot = store.snapshot()
        self.roots = store.roots()
        self.scan, self.judge = scan, judge
        self._lexical: dict[tuple[int, ...], Lexical] = {}
        self._blockmax: dict[int, BlockMax] = {}
        self._documents: OrderedDict[int, Document] = OrderedDict()
        self._vectors: dict[str, dict[bytes, Floats]] = {}
        self._sizes: dict[tuple[int, ...], Floats] = {}
        self._queries: dict[tuple[str, str], Floats] = {}
        self._derived: dict[Hashable, Any] = {}
        self._judgements: OrderedDict[tuple[str, str], dict[tuple[int, int], Floats]] = OrderedDict()

    def __len__(self) -> int:
        return len(self.snapshot)

    @property
    def words(self) -> Words:
        """The analyser of the language that most documents are in."""
        languages = self.snapshot.languages
        return words(max(languages, key=languages.__getitem__, default="en"))

    def terms(self, query: str) -> npt.NDArray[np.uint64]:
        """The terms that the query's words stand for in the languages of the index; uint64 [t], ascending."""
        known = self.snapshot.languages or {"en": 0}
        return np.unique(np.concatenate([words(language).hashes(query) for language in known]))

    def lexical(self, widths: Sequence[int]) -> Lexical:
        """BM25 over windows of these widths, its norms computed once."""
        key = tuple(widths)
        if key not in self._lexical:
            self._lexical[key] = Lexical(self.snapshot.postings, key)
        return self._lexical[key]

    def blockmax(self, size: int) -> BlockMax:
        """Bounds of BM25 in blocks of `size` chunks, made when first asked for."""
        if size not in self._blockmax:
            self._blockmax[size] = BlockMax(self.lexical((0,)), size)
        return self._blockmax[size]

    def nearest(self, query: str, k: int) -> tuple[Ints, Floats]:
        """The k chunks nearest to the query in the scanned space, exactly, with their cosines; none without a scan."""
        matrix, bits = self.snapshot.matrix, self.snapshot.bits
        if self.scan is None or matrix is None or bits is None or not len(self):
            return np.zeros(0, dtype=np.int64), np.zeros(0, dtype=np.float32)
        return nearest(matrix, bits, self.scan_query(query), k)

    def leanings(self, query: str, widths: Sequence[int]) -> Floats | None:
        """How far each chunk's surroundings lean towards the query in the scanned space, at each width.

        float32 [widths, chunks]: the mean over a window of the cosines that shared signs tell of, cos(pi * apart / d).
        None without a scan.
        """
        matrix, bits = self.snapshot.matrix, self.snapshot.bits
        if self.scan is None or matrix is None or bits is None or not len(self):
            return None
        apart = signs_apart(bits, self.scan_query(query))
        dimensions = matrix.shape[1]
        # Whole numbers, whose running sums are quick, and whose differences are exact even where the sums overflow.
        cosine = np.rint(ONE * np.cos(np.pi * np.arange(dimensions + 1) / dimensions)).astype(np.int32)
        postings = self.snapshot.postings
        n, reach = len(postings.lengths), max(widths)
        total = np.zeros(n + 2 * reach + 1, dtype=np.int32)
        total[reach + 1 :][postings.place] = cosine.take(apart)
        np.cumsum(total, out=total)
        leanings = np.empty((len(widths), n), dtype=np.float32)
        for row, width, size in zip(leanings, widths, self._window_sizes(tuple(widths)), strict=True):
            np.subtract(total[reach + width + 1 :][:n], total[reach - width :][:n], out=row, dtype=np.int32)
            row /= size
        return leanings.take(postings.place, axis=1)

    def _window_sizes(self, widths: tuple[int, ...]) -> Floats:
        """ONE times how many chunks the window around each place holds at each width, one at the least; float32."""
        if widths not in self._sizes:
            place, n, reach = self.snapshot.postings.place, len(self.snapshot.postings.lengths), max(widths)
            total = running_sum(place, np.ones(len(place), dtype=np.int64), n, reach)
            sizes = [total[reach + width + 1 :][:n] - total[reach - width :][:n] for width in widths]
            self._sizes[widths] = np.float32(ONE) * np.maximum(sizes, 1).astype(np.float32)
        return self._sizes[widths]

    def scanned(self, chunks: Ints) -> Floats | None:
        """The vectors of chunks in the scanned space; float32 [n, d]."""
        matrix = self.snapshot.matrix
        return None if matrix is None else matrix[chunks].astype(np.float32)

    def judged(self, chunks: Ints) -> Floats:
        """The contextual vector of what each chunk is read in, float32 [n, d]; those not yet made are made and kept.

        A chunk is read in its whole document where that is at most READ_WHOLE tokens long, and alone elsewhere.
        """
        judge, matrix = self.judge, self.snapshot.matrix
        assert judge is not None
        ids, whole = self._read_in(chunks)

        def make(new: list[int]) -> Floats:
            if isinstance(judge, InContext):
                return self._in_documents(chunks[new])
            places = zip(chunks[new].tolist(), whole[new], strict=True)
            return judge([self.document(at).text if all_of else self.text(at) for at, all_of in places])

        if judge is not self.scan or matrix is None:
            return self._kept(judge, ids, make)
        vectors = matrix[chunks].astype(np.float32)  # of each chunk alone, or in its place
        if (in_whole := np.flatnonzero(whole & (ids != self.snapshot.ids[chunks]))).size:
            vectors[in_whole] = self._kept(judge, ids[in_whole], lambda new: make(in_whole[new].tolist()))
        return vectors

    def read(self, embedder: Embedder, texts: Sequence[str]) -> Floats:
        """An embedder's vectors of any texts, float32 [n, d]; those not yet made are made and kept by content id."""
        ids = np.frombuffer(bytes.fromhex("".join(map(content_id, texts))), dtype="V16")
        return self._kept(embedder, ids, lambda new: embedder([texts[at] for at in new]))

    def _kept(self, embedder: Embedder, ids: npt.NDArray[np.void], make: Callable[[list[int]], Floats]) -> Floats:
        """The vectors that an embedder has for `ids`; of those not yet there `make` gives the vectors, by index."""
        known = self._vectors.setdefault(embedder.name, {})
        keys = [key.tobytes() for key in ids]
        wanted = list({key: at for at, key in enumerate(keys) if key not in known}.values())
        if wanted:
            have, vectors = self.store.vectors(embedder.name, ids[wanted])
            known.update((keys[wanted[at]], vector) for at, vector in zip(have.tolist(), vectors, strict=True))
            new = [at for at in wanted if keys[at] not in known]
            if new:
                made = make(new).astype(np.float16).astype(np.float32)  # as they will be read: no answer changes
                with contextlib.suppress(StoreError):  # read-only, full, or held: they serve this process alone
                    self.store.put_vectors(embedder.name, ids[new], made)
                known.update((keys[at], vector) for at, vector in zip(new, made, strict=True))
        return np.array([known[key] for key in keys], dtype=np.float32).reshape(len(keys), embedder.dim)

    def readings(self, chunks: Ints, most: int) -> Ints:
        """The chunks of the first `most` different readings of `chunks`, best first; int64, ascending.

        A reading is a chunk, or a whole document that is short enough: then all its chunks come with it.
        """
        ids, whole = self._read_in(chunks)
        _, first = np.unique(ids, return_index=True)
        leading = np.sort(first)[:most]
        documents = np.unique(self.snapshot.document[chunks[leading[whole[leading]]]])
        begin, end = (np.searchsorted(self.snapshot.document, documents, side=side) for side in ("left", "right"))
        siblings = [np.arange(first, last) for first, last in zip(begin, end, strict=True)]
        return np.unique(np.concatenate([chunks[leading], *siblings]))

    def _read_in(self, chunks: Ints) -> tuple[npt.NDArray[np.void], npt.NDArray[np.bool_]]:
        """The content id of what each chunk is read in, and whether that is its whole document; or its place's id."""
        if isinstance(self.judge, InContext):
            spans = zip(self.snapshot.start[chunks].tolist(), self.snapshot.end[chunks].tolist(), strict=True)
            contents = self.snapshot.contents[self.snapshot.document[chunks]]
            places = [place_id(key.tobytes().hex(), *span) for key, span in zip(contents, spans, strict=True)]
            ids = np.frombuffer(bytes.fromhex("".join(places)), dtype="V16")
            return ids, np.zeros(len(chunks), dtype=np.bool_)
        whole = self.read_whole[chunks]
        contents = self.snapshot.contents[self.snapshot.document[chunks]]
        return np.where(whole, contents, self.snapshot.ids[chunks]), whole

    def _in_documents(self, chunks: Ints) -> Floats:
        """The judge's vectors of `chunks`, each document read once; float32 [n, d]."""
        assert isinstance(self.judge, InContext)
        vectors = np.empty((len(chunks), self.judge.dim), dtype=np.float32)
        documents = self.snapshot.document[chunks]
        for number in np.unique(documents):
            own = np.flatnonzero(documents == number)
            spans = map(Span, self.snapshot.start[chunks[own]].tolist(), self.snapshot.end[chunks[own]].tolist())
            vectors[own] = self.judge.in_document(self.document(int(chunks[own[0]])), list(spans))
        return vectors

    @cached_property
    def read_whole(self) -> npt.NDArray[np.bool_]:
        """Whether each chunk stands in a document that is short enough to be read whole; bool [chunks]."""
        snapshot = self.snapshot
        lengths = np.bincount(snapshot.document, weights=snapshot.tokens, minlength=len(snapshot.sources))
        short: npt.NDArray[np.bool_] = lengths[snapshot.document] <= READ_WHOLE
        return short

    def document(self, chunk: int) -> Document:
        """The document that a chunk stands in; the latest few are kept at hand.

        Raises StaleError when it has changed or gone since the snapshot: its spans would fit no other text.
        """
        number = int(self.snapshot.document[chunk])
        if number in self._documents:
            self._documents.move_to_end(number)
        else:
            document = self.store.document(self.snapshot.sources[number])
            if document.id != self.snapshot.contents[number].tobytes().hex():
                raise StaleError(f"{document.source} was indexed anew meanwhile; ask again")
            self._documents[number] = document
            if len(self._documents) > 256:
                self._documents.popitem(last=False)
        return self._documents[number]

    def text(self, chunk: int) -> str:
        """A chunk's text."""
        return self.document(chunk).text[self.snapshot.start[chunk] : self.snapshot.end[chunk]]

    def path(self, chunk: int) -> tuple[str, ...]:
        """The headings or the qualified name that a chunk stands under."""
        number = self.snapshot.document[chunk]
        ordinal = chunk - int(np.searchsorted(self.snapshot.document, number))
        return self.store.headings(self.snapshot.sources[number], ordinal)

    def neighbours(self, chunks: Ints) -> npt.NDArray[np.bool_]:
        """Whether each of `chunks`, ascending, and the next one adjoin in one document; bool [n - 1]."""
        documents = self.snapshot.document[chunks]
        adjoin: npt.NDArray[np.bool_] = (np.diff(chunks) == 1) & (np.diff(documents) == 0)
        return adjoin

    def derived(self, key: Hashable, make: Callable[[], Made]) -> Made:
        """What a retriever derives of this state of the index by `make`: made once, kept as long as the state is."""
        if key not in self._derived:
            self._derived[key] = make()
        made: Made = self._derived[key]
        return made

    def scan_query(self, query: str) -> Floats:
        """The query in the scanned space; float32 [d].

        Where the judge taught the scan's embedder, its vector of the query, made anyway, is taken into that space, and
        the mean of both searches: the one knows what the query means, the other how chunks are seen in the scan.
        """
        assert self.scan is not None
        own = self.query_vector(self.scan, query)
        if self.judge is None or not isinstance(self.scan, Distilled) or self.scan.teacher != self.judge.name:
            return own
        mean = own + self.scan.projected(self.query_vector(self.judge, query)[None])[0]
        return np.asarray(mean / max(float(np.linalg.norm(mean)), 1e-9), np.float32)

    def judgements(self, judge: str, query: str) -> dict[tuple[int, int], Floats]:
        """What a judge gave the chunks of each window for a query, to be added to; the latest queries' are kept."""
        if (judge, query) not in self._judgements and len(self._judgements) >= 64:
            self._judgements.popitem(last=False)
        return self._judgements.setdefault((judge, query), {})

    def query_vector(self, embedder: Embedder, query: str) -> Floats:
        """The query in an embedder's space; float32 [d]. The latest few are kept."""
        key = (embedder.name, query)
        if key not in self._queries:
            if len(self._queries) >= 64:
                self._queries.pop(next(iter(self._queries)))
            self._queries[key] = embedder([query])[0]
        return self._queries[key]


def candidates(
    corpus: Corpus, query: str, chosen: Ints, scores: Floats, k: int, aspects: Floats | None = None
) -> Candidates:
    """The k best of the chosen chunks as candidates, ties in index order.

    chosen: int64 [n], positions in the index, in any order; scores: float32 [n]; aspects: float32 [n, a].
    """
    order = np.lexsort((chosen, -scores))[:k]
    chosen = chosen[order].astype(np.int64)
    places = chosen.tolist()
    return Candidates(
        chosen,
        scores[order].astype(np.float32),
        np.maximum(corpus.snapshot.tokens[chosen], 1).astype(np.int64),  # the tail of another's token is not free
        corpus.scanned(chosen),
        None if aspects is None else aspects[order],
        query,
        corpus.snapshot.document[chosen].astype(np.int64),
        Lazy(len(places), lambda at: corpus.text(places[at])),
        Lazy(len(places), lambda at: corpus.path(places[at])),
    )
