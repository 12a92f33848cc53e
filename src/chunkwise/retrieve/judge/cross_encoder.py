"""A local cross-encoder: question and passage read as one input, one score for the pair."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from chunkwise.engine.encoder import Array, Backend, Encoder
from chunkwise.engine.fingerprint import sha256
from chunkwise.engine.tensors import Tensors
from chunkwise.engine.threads import spread
from chunkwise.engine.word_pieces import batches, longest, padded, settings, tokenizer, whole
from chunkwise.errors import ModelError
from chunkwise.retrieve.judge.choose import Reading
from chunkwise.units import Floats, Ints


class CrossEncoder:
    """Scores of (question, passage) pairs as sentence-transformers' CrossEncoder computes them.

    folder: a local BERT sequence classification model with one output (`config.json`, `model.safetensors`,
    `tokenizer.json`); the activation that its config names is followed, a sigmoid or none, and a sigmoid where it names
    none. Pairs longer than the model reads are cut, the longer side first. A reading's chunks all get its score.
    backend: "numpy", or "torch". Raises ModelError when the folder holds no such model.

    Source: Nogueira and Cho, Passage Re-ranking with BERT.
    """

    def __init__(self, folder: str | Path, *, backend: Backend = "numpy") -> None:
        folder = Path(folder)
        weights = folder / "model.safetensors"
        if not weights.is_file():
            raise ModelError(f"no model.safetensors in {folder}; name a local cross-encoder's folder")
        self._encoder = Encoder.load(folder, backend)
        self._pooler, self._classifier = _head(weights, self._encoder)
        self._sigmoid = _sigmoid(folder)
        self._tokenizer = tokenizer(folder / "tokenizer.json")
        self._tokenizer.enable_truncation(longest(folder, self._encoder.positions))
        self.name = f"{folder.resolve().name}-{sha256(weights)[:8]}"

    def __call__(self, question: str, readings: Sequence[Reading]) -> list[Floats]:
        """The score of each reading, once for each of its chunks."""
        scores = self.scores([(question, reading.text) for reading in readings])
        return [np.full(len(reading.spans), score, np.float32) for reading, score in zip(readings, scores, strict=True)]

    def scores(self, pairs: Sequence[tuple[str, str]]) -> Floats:
        """The score of each pair, whatever the batch; float32 [n]."""
        found = np.empty(len(pairs), dtype=np.float32)
        read = self._tokenizer.encode_batch([(whole(question), whole(text)) for question, text in pairs])
        groups = list(batches([len(encoding.ids) for encoding in read]))

        def score(batch: Ints) -> None:
            found[batch] = self._batch([read[at] for at in batch])

        if self._encoder.backend == "numpy":
            spread(score, groups)
        else:
            for batch in groups:
                score(batch)
        return found

    def _batch(self, read: list[Any]) -> Floats:
        ids, seen = padded([encoding.ids for encoding in read])
        types, _ = padded([encoding.type_ids for encoding in read])
        states = self._encoder.states(ids, None if seen.all() else self._encoder.array(seen), types=types)
        first = np.asarray(self._encoder.numpy(states[:, 0]), np.float32)
        pooled = np.tanh(first @ self._pooler[0].T + self._pooler[1])
        logits = (pooled @ self._classifier[0].T + self._classifier[1])[:, 0]
        return np.asarray(1 / (1 + np.exp(-logits)) if self._sigmoid else logits, np.float32)


def _head(weights: Path, encoder: Encoder) -> tuple[tuple[Array, Array], tuple[Array, Array]]:
    """Weight and bias of the pooler and of the classifier."""
    found = Tensors(weights).arrays
    layers = []
    for name, outputs in (("bert.pooler.dense", encoder.width), ("classifier", None)):
        missing = [key for key in (f"{name}.weight", f"{name}.bias") if key not in found]
        if missing:
            raise ModelError(f"{weights}: tensor {missing[0]!r} is missing; a cross-encoder is named, no bi-encoder")
        weight, bias = (found[f"{name}.{part}"].astype(np.float32) for part in ("weight", "bias"))
        wanted = (outputs or len(weight), encoder.width)
        if weight.shape != wanted or bias.shape != wanted[:1]:
            raise ModelError(f"{weights}: {name} has shapes {weight.shape}, {bias.shape}, expected {wanted}")
        layers.append((weight, bias))
    pooler, classifier = layers
    if len(classifier[0]) != 1:
        raise ModelError(f"{weights}: the model has {len(classifier[0])} outputs; a judge has one")
    return pooler, classifier


def _sigmoid(folder: Path) -> bool:
    """Whether scores go through a sigmoid: as sentence-transformers' config files say, older and newer ones."""
    config = settings(folder / "config.json")
    told = settings(folder / "config_sentence_transformers.json").get("activation_fn")
    told = told or dict(config.get("sentence_transformers") or {}).get("activation_fn")
    told = str(told or config.get("sbert_ce_default_activation_function") or "Sigmoid").rpartition(".")[2]
    if told not in ("Sigmoid", "Identity"):
        raise ModelError(f"{folder}: activation {told!r} cannot be run here, only Sigmoid or Identity")
    return told == "Sigmoid"
