"""One vector for each word piece, distilled from MiniLM: no model runs, a text is the mean of its pieces."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise.embed.unit import unit_rows
from chunkwise.engine.tensors import Tensors
from chunkwise.errors import ModelError
from chunkwise.units import Floats

TABLE = Path(__file__).parent / "static-minilm.safetensors"


class StaticEmbedder:
    """Texts to unit vectors by a frequency-weighted mean of piece vectors (Arora et al. 2017, "A simple but
    tough-to-beat baseline for sentence embeddings"), the pieces' vectors taken from a transformer.

    path: a table made by `scripts/distil_static.py`; the one of MiniLM comes with the package, so neither the model nor
    its wheel is needed. Long texts are not truncated. `name` holds the hash of the model and of the table.
    Raises ModelError when the file is no such table.
    """

    def __init__(self, path: str | Path = TABLE) -> None:
        table = Tensors(Path(path))
        try:
            pieces = table.arrays["pieces"].tobytes().decode().split("\n")
            packed = table.arrays["vectors"]  # two components of four bits in a byte, the even one low
            self._vectors = np.stack([packed & 15, packed >> 4], axis=-1).reshape(len(pieces), -1).view(np.int8)
            self._vectors *= 2
            self._vectors -= 15
            self._scales: Floats = table.arrays["scales"]
            self._weights: Floats = table.arrays["weights"]
            self.name = table.metadata["name"]
        except KeyError as error:
            raise ModelError(f"{path} is no table of piece vectors: it lacks {error}") from error
        self.dim = int(self._vectors.shape[1])
        self._tokenizer = _tokenizer(pieces)

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Unit vectors float32 [n, dim], one for each text; a text without a known piece gets the last axis."""
        found = np.zeros((len(texts), self.dim), np.float32)
        for start in range(0, len(texts), 256):  # few enough that the pieces' vectors stay in cache
            clean = [text if text.isascii() else text.encode("utf-8", "replace").decode() for text in texts[start : start + 256]]
            self._sums([encoding.ids for encoding in self._tokenizer.encode_batch_fast(clean)], found[start : start + 256])
        found *= self._scales
        return unit_rows(found)

    def _sums(self, tokens: list[list[int]], into: Floats) -> None:
        """The weighted sum of each text's pieces, written to the rows of `into`."""
        lengths = np.fromiter(map(len, tokens), np.int64, len(tokens))
        filled = np.flatnonzero(lengths)
        if not len(filled):
            return
        ids = np.fromiter(chain.from_iterable(tokens), np.int64, int(lengths.sum()))
        rows = self._vectors[ids].astype(np.float32)
        rows *= self._weights[ids, None]
        into[filled] = np.add.reduceat(rows, (np.cumsum(lengths) - lengths)[filled])


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
