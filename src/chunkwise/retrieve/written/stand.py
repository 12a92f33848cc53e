"""Stand: few texts in place of a document, and how near each document's are to a question."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from chunkwise.retrieve.corpus import Corpus
from chunkwise.retrieve.fuse import scaled
from chunkwise.retrieve.lexical import Lexical
from chunkwise.store.postings import Postings
from chunkwise.units import Floats, Ints

JUDGED = 64  # texts that get a contextual vector, of those that the scanned ones put first


@dataclass(frozen=True, slots=True)
class Standing:
    """The texts that stand for the documents of an index.

    texts: in any order; documents: int64 [texts], the number of the document that each stands for; words: their BM25;
    vectors: float32 [texts, d], in the scanned space, or None without one.
    """

    texts: tuple[str, ...]
    documents: Ints
    words: Lexical
    vectors: Floats | None

    @classmethod
    def of(cls, corpus: Corpus, texts: Sequence[str], documents: Sequence[int], vectors: bool = True) -> Standing:
        """The texts made ready to be searched; vectors that are not yet known are made and kept, unless it is False."""
        counted = Postings.of([corpus.words.count(texts)])
        made = corpus.read(corpus.scan, texts) if vectors and corpus.scan is not None and texts else None
        return cls(tuple(texts), np.array(documents, dtype=np.int64), Lexical(counted), made)

    def by_words(self, corpus: Corpus, query: str) -> Floats:
        """For each document the BM25 of its best text, the best document's as 1; float32 [documents], 0 for none."""
        scores, _ = self.words.scores(corpus.terms(query))
        return self._of_documents(corpus, scaled(scores)[0], 0)

    def by_meaning(self, corpus: Corpus, query: str) -> Floats:
        """For each document the cosine of its nearest text, float32 [documents]; -1 for those of none of the nearest.

        The scanned vectors choose the nearest texts, the contextual ones decide, where there are any. Without vectors
        words decide, as in `by_words`, 0 being -1.
        """
        if self.vectors is None or corpus.scan is None:
            shares = self.by_words(corpus, query)
            return np.where(shares > 0, shares, -1).astype(np.float32)
        cosines = self.vectors @ corpus.scan_query(query)
        if corpus.judge is not None and corpus.judge is not corpus.scan:
            nearest = np.argsort(-cosines, kind="stable")[:JUDGED]
            read = corpus.read(corpus.judge, [self.texts[at] for at in nearest.tolist()])
            cosines = np.full(len(cosines), -1, dtype=np.float32)
            cosines[nearest] = read @ corpus.query_vector(corpus.judge, query)
        return self._of_documents(corpus, cosines, -1)

    def _of_documents(self, corpus: Corpus, scores: Floats, nothing: float) -> Floats:
        found = np.full(len(corpus.snapshot.sources), nothing, dtype=np.float32)
        np.maximum.at(found, self.documents, scores)
        return found
