"""The contextual embedder with the subtokens of an identifier merged on the way: the same vectors, nearly, for less."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise.embed.contextual import ContextualEmbedder
from chunkwise.embed.unit import unit_rows
from chunkwise.engine.encoder import Backend, Merge
from chunkwise.engine.word_pieces import batches
from chunkwise.errors import UserError
from chunkwise.units import Floats, Ints

_IDENTIFIER = re.compile(r"[^\W\d]\w*")


class MergedEmbedder(ContextualEmbedder):
    """A `ContextualEmbedder` whose sequence is shorter from a layer on: one state for each identifier.

    layer: the first layer that reads the shorter sequence; 0 for all of them, as many as the model has for none. The
    mean of a text counts a merged state as often as it has subtokens. Its vectors belong to the space of the model as
    it is, nearly; `name` says what was merged all the same.
    """

    def __init__(
        self,
        folder: str | Path,
        layer: int,
        *,
        label: str | None = None,
        expected: str | None = None,
        backend: Backend = "numpy",
    ) -> None:
        super().__init__(folder, label=label, expected=expected, backend=backend)
        if not 0 <= layer <= self._encoder.layers:
            raise UserError(f"layer={layer}: give a layer from 0 to {self._encoder.layers}, which merges nothing")
        self._layer = layer
        self.name = f"{self.name}-merged-{layer}"

    def __call__(self, texts: Sequence[str]) -> Floats:
        """Unit vectors float32 [n, dim], one for each text, whatever the batch; texts are cut at the model's length."""
        if self._layer == self._encoder.layers:
            return super().__call__(texts)
        tokens, into = self._identified(texts)
        vectors = np.empty((len(texts), self.dim), dtype=np.float32)

        def embed(batch: Ints) -> None:
            vectors[batch] = self._pooled_merged([tokens[i] for i in batch], [into[i] for i in batch])

        self._each(embed, list(batches([len(ids) for ids in tokens])))
        return unit_rows(vectors)

    def lengths(self, texts: Sequence[str]) -> Ints:
        """Tokens of each text as the model reads it and once it is merged; int64 [n, 2]."""
        both = [(len(ids), int(into[-1]) + 1) for ids, into in zip(*self._identified(texts), strict=True)]
        return np.array(both, dtype=np.int64).reshape(-1, 2)

    def operations(self, texts: Sequence[str]) -> tuple[float, float]:
        """Multiplications and additions for the texts, one at a time: of the model as it is, and merged."""
        before, after = self.lengths(texts).T.astype(np.float64)
        short = self._encoder.layers - self._layer

        def layers(tokens: Any) -> float:  # projections and feed-forward of four widths; scores and what is heard
            return float((24 * self.dim**2 * tokens + 4 * self.dim * tokens**2).sum())

        whole = layers(before)
        return self._encoder.layers * whole, self._layer * whole + short * layers(after)

    def _identified(self, texts: Sequence[str]) -> tuple[list[list[int]], list[Ints]]:
        """The tokens of each text, and the place that each goes to."""
        clean = [self._clean(text) for text in texts]
        read = self._tokenizer.encode_batch(clean)
        return [encoding.ids for encoding in read], [identifiers(*both) for both in zip(clean, read, strict=True)]

    def _pooled_merged(self, tokens: list[list[int]], into: list[Ints]) -> Floats:
        lengths = np.array([len(ids) for ids in tokens])
        seen = np.arange(lengths.max()) < lengths[:, None]
        ids, places = np.zeros((2, *seen.shape), dtype=np.int64)
        ids[seen], places[seen] = np.concatenate(tokens), np.concatenate(into)
        mask = None if seen.all() else seen
        states = self._encoder.numpy(self._encoder.states(ids, mask, merge=Merge(self._layer, places)))
        if self._first_token:
            return np.asarray(states[:, 0])
        counts = (places[:, None, :] == np.arange(states.shape[1])[:, None]) & seen[:, None, :]
        return np.asarray((states * counts.sum(axis=2)[:, :, None].astype(np.float32)).sum(1))


def identifiers(text: str, encoding: Any) -> Ints:
    """Which place each token goes to, int64 [tokens], so that those of one identifier share theirs.

    encoding: of `text`, with offsets, by the `tokenizers` library.
    """
    offsets = np.array(encoding.offsets, dtype=np.int64).reshape(-1, 2)
    spans = np.array([found.span() for found in _IDENTIFIER.finditer(text)], dtype=np.int64).reshape(-1, 2)
    which = np.searchsorted(spans[:, 0], offsets[:, 0], side="right") - 1
    inside = (which >= 0) & (offsets[:, 1] > offsets[:, 0])
    inside[inside] = offsets[inside, 1] <= spans[which[inside], 1]
    begins = np.ones(len(offsets), dtype=bool)
    begins[1:] = ~(inside[1:] & inside[:-1] & (which[1:] == which[:-1]))
    return np.cumsum(begins) - 1
