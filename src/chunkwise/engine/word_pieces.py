"""A model folder's texts as token ids: its tokenizer, its settings, and batches of alike lengths."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from chunkwise.errors import ModelError
from chunkwise.units import Ints


def tokenizer(path: Path) -> Any:
    """The fast tokenizer of a `tokenizer.json`, without padding. Raises ModelError where there is none to be read."""
    from tokenizers import Tokenizer

    if not path.is_file():
        raise ModelError(f"no tokenizer.json in {path.parent}; save the model with its fast tokenizer")
    try:
        found = Tokenizer.from_file(str(path))
    except Exception as error:  # the library raises bare Exception for a file it cannot parse
        raise ModelError(f"{path} is not a tokenizer.json that can be read: {error}") from error
    found.no_padding()
    return found


def settings(path: Path) -> dict[str, Any]:
    """The JSON object in `path`, empty where there is no such file. Raises ModelError for anything else."""
    try:
        return dict(json.loads(path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError) as error:
        raise ModelError(f"cannot read {path}: {error}") from error


def longest(folder: Path, positions: int) -> int:
    """The longest input of a folder's model in word pieces: what its settings say, never over its positions."""
    told = settings(folder / "sentence_bert_config.json").get("max_seq_length")
    told = told or settings(folder / "tokenizer_config.json").get("model_max_length")
    return min(int(told or positions), positions)


def whole(text: str) -> str:
    """The text as a tokenizer takes it: halves of surrogate pairs replaced."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


def batches(lengths: Sequence[int], most: int = 256, few: int = 128) -> Iterator[Ints]:
    """Indices into `lengths`, the longest first, in batches of alike lengths: at most `most` tokens with padding.

    A batch of fewer than `few` tokens goes on whatever the lengths, since products of so small matrices are slow.
    """
    order = np.argsort(np.negative(lengths), kind="stable")
    start = 0
    for at in range(1, len(order) + 1):
        first, size = lengths[order[start]], at - start
        if at == len(order) or first * (size + 1) > most or (first * size >= few and lengths[order[at]] < 0.9 * first):
            yield order[start:at]
            start = at


def padded(rows: Sequence[Sequence[int]]) -> tuple[Ints, npt.NDArray[np.bool_]]:
    """Rows of ids side by side, int64 [n, longest] with zeros behind, and which of them are ids."""
    lengths = np.array([len(row) for row in rows])
    seen = np.arange(lengths.max()) < lengths[:, None]
    ids = np.zeros(seen.shape, dtype=np.int64)
    ids[seen] = np.concatenate(rows)
    return ids, seen
