"""Heads: small corrections of an encoder's vectors, trained by `scripts/train_*.py`; the encoder stays as it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from chunkwise.engine.tensors import Tensors
from chunkwise.errors import ModelError, UserError
from chunkwise.units import Floats

FOLDER = Path(__file__).parent
RANK = 64
# What a head's file must be to be used; `python scripts/train_*.py` prints it.
SHA256 = {
    "insent-conteb-minilm.safetensors": "44358cdadf74721ab18bd05e8fb566730934de0c9f6c1b85a2b3a482029af5ca",
    "sitemb-minilm.safetensors": "41181637dc8b44cb40cc765b3583c58a8e47f9e8d8c9ff75fe9ffe67b5c76af4",
    "dewey-minilm.safetensors": "bd2821b06133f08f87afa7a79a440b464d2dfe41402baa6981d8b84d97d592a7",
}


@dataclass(frozen=True)
class Head:
    """A linear map: `keep` times what comes in, and a part of low rank; down: float32 [d, r]; up: float32 [r, d]."""

    keep: float
    down: Floats
    up: Floats

    def __call__(self, vectors: Floats) -> Floats:
        """What it makes of each of the vectors [n, d]; float32 [n, d], of any length."""
        return np.asarray(self.keep * vectors + vectors @ self.down @ self.up, dtype=np.float32)


def heads(recipe: str, embedder: str, names: Sequence[str] = ("",)) -> list[Head]:
    """The heads of a recipe for the embedder of that name, in the order of `names`.

    Raises UserError for an embedder that none were trained on, ModelError for a file that is not the one that came
    with the package.
    """
    path = FOLDER / f"{recipe}-{embedder.partition('-')[0]}.safetensors"
    if not path.is_file():
        raise UserError(f"{recipe} has no head for {embedder}; it has one for minilm alone")
    file = Tensors(path)
    if file.metadata.get("embedder") != embedder:
        raise UserError(f"{recipe}'s head is for {file.metadata.get('embedder')}, not for {embedder}")
    digest = sha256(path.read_bytes()).hexdigest()
    if digest != SHA256.get(path.name):
        raise ModelError(f"{path} has sha256 {digest}, not {SHA256.get(path.name)}: it is not used; install it again")
    found = {name: np.asarray(array, dtype=np.float32) for name, array in file.arrays.items()}
    return [Head(float(found[f"{name}keep"][0]), found[f"{name}down"], found[f"{name}up"]) for name in names]


def digest(recipe: str) -> str:
    """Eight hex digits that tell a recipe's trained heads from others: part of the identity of their vectors."""
    return SHA256.get(f"{recipe}-minilm.safetensors", "untrained")[:8]
