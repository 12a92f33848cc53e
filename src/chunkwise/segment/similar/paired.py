"""SAGE's classifier: from the vectors of two neighbouring sentences, the probability that they belong together."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import numpy as np

from chunkwise.engine.tensors import Tensors
from chunkwise.units import Floats

FOLDER = Path(__file__).parent


@dataclass(frozen=True)
class Paired:
    """A perceptron with one hidden layer over (a, b, a - b, a * b), for the vectors of one embedder.

    embedder: the `name` of that embedder; hidden: float32 [4 d, h]; shift: [h]; out: [h]; bias: [1].
    """

    embedder: str
    hidden: Floats
    shift: Floats
    out: Floats
    bias: Floats

    def together(self, vectors: Floats) -> Floats:
        """Probability that each two neighbours stand in one chunk; float32 [n - 1] for [n, d]."""
        a, b = vectors[:-1], vectors[1:]
        first, second, apart, product = np.split(self.hidden, 4)
        inner = a @ (first + apart) + b @ (second - apart) + (a * b) @ product + self.shift
        return np.asarray(1 / (1 + np.exp(np.maximum(inner, 0) @ self.out + self.bias)), dtype=np.float32)


def trained_for(embedder: str) -> Paired | None:
    """The classifier that was trained on the vectors of the embedder of that name, or None."""
    return _shipped().get(embedder)


@cache
def _shipped() -> Mapping[str, Paired]:
    """Every classifier beside this file, made by `scripts/train_sage_segment.py`."""
    found = {}
    for path in sorted(FOLDER.glob("paired-*.safetensors")):
        file = Tensors(path)
        arrays = {name: np.asarray(array, dtype=np.float32) for name, array in file.arrays.items()}
        found[file.metadata["embedder"]] = Paired(file.metadata["embedder"], **arrays)
    return found
