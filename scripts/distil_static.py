"""Distil MiniLM into one vector for each word piece: writes `src/chunkwise/embed/static-minilm.safetensors`.

    python scripts/distil_static.py [--out FILE]

Runs offline, in about a minute. Every piece goes through the model alone, `[CLS] piece [SEP]`; the mean of the three
states is its vector. The vectors are centred and turned to their first principal components, whose spread is evened
out by half, which found more gold sentences than leaving it or evening it out wholly; four bits a component lose
nothing that could be measured. A piece weighs a / (a + p), p its probability by Zipf's law from its rank, which is its
place in the vocabulary.
"""

from __future__ import annotations

import argparse
import hashlib
from pathlib import Path

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file
from tokenizers import Tokenizer

from chunkwise.embed.contextual import MINILM_SHA256, minilm_folder
from chunkwise.embed.static import TABLE
from chunkwise.engine.encoder import Encoder
from chunkwise.engine.threads import spread

DIMENSIONS = 192
RARE = 3e-5  # the a of a / (a + p)
EVENING = 0.5  # each component is divided by its standard deviation to this power
STEP = 0.3352  # in standard deviations: the uniform 16-level quantiser of least error on a normal distribution


def piece_vectors(encoder: Encoder, ids: npt.NDArray[np.int64], first: int, last: int) -> npt.NDArray[np.float32]:
    """The mean state of `[CLS] piece [SEP]` for each piece; float32 [pieces, width]."""

    def means(part: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        framed = np.stack([np.full_like(part, first), part, np.full_like(part, last)], axis=1)
        return np.asarray(encoder.states(framed).mean(1))

    return np.concatenate(spread(means, np.array_split(ids, len(ids) // 170 + 1)))


def components(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float64]:
    """The first principal components with their spread evened out; [pieces, DIMENSIONS], signs fixed."""
    centred = vectors.astype(np.float64) - vectors.mean(0, dtype=np.float64)
    _, axes = np.linalg.eigh(centred.T @ centred)
    axes = axes[:, : -DIMENSIONS - 1 : -1]
    axes *= np.sign(axes[np.abs(axes).argmax(0), np.arange(DIMENSIONS)])
    turned = centred @ axes
    return np.asarray(turned / turned.std(0) ** EVENING)


def main() -> None:
    """Read the model, write the table."""
    options = argparse.ArgumentParser(description="Distil MiniLM into a table of word piece vectors.")
    options.add_argument("--out", type=Path, default=TABLE)
    out: Path = options.parse_args().out
    folder = minilm_folder()
    vocabulary = Tokenizer.from_file(str(folder / "tokenizer.json")).get_vocab()
    ranked = sorted(vocabulary, key=vocabulary.__getitem__)
    pieces = [piece for piece in ranked if not (piece.startswith("[") and len(piece) > 1)]  # no [CLS], no [unused7]
    ids = np.array([vocabulary[piece] for piece in pieces])
    vectors = components(piece_vectors(Encoder.load(folder), ids, vocabulary["[CLS]"], vocabulary["[SEP]"]))
    step = vectors.std(0) * STEP
    levels = np.clip(np.floor(vectors / step), -8, 7).astype(np.int8) + 8
    chance = 1 / np.arange(1, len(pieces) + 1)
    weights = RARE / (RARE + chance / chance.sum())
    arrays = {
        # Piece 0 stands for the unknown and weighs nothing.
        "pieces": np.frombuffer("\n".join(["[UNK]", *pieces]).encode(), np.uint8),
        "vectors": np.vstack([np.zeros((1, DIMENSIONS // 2)), levels[:, ::2] | (levels[:, 1::2] << 4)]).astype(
            np.uint8
        ),
        "scales": (step / 2).astype(np.float32),
        "weights": np.concatenate([[0], weights]).astype(np.float32),
    }
    digest = hashlib.sha256(b"".join(arrays[name].tobytes() for name in sorted(arrays))).hexdigest()
    notes = {
        "name": f"static-minilm-{MINILM_SHA256[:8]}-{digest[:8]}",
        "source": "sentence-transformers/all-MiniLM-L6-v2, Apache-2.0",
        "source_sha256": MINILM_SHA256,
    }
    save_file(arrays, out, notes)


if __name__ == "__main__":
    main()
