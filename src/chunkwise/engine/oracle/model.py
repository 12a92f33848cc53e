"""The oracle: two layers of the Llama family, half a million weights, that answer questions of `tasks.py`."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from chunkwise.errors import ModelError

if TYPE_CHECKING:
    import torch

    from chunkwise.engine.decoder import Decoder

WEIGHTS = Path(__file__).parent / "weights"  # a Hugging Face folder, made by scripts/train_oracle.py
SHA256 = "36c1bf1fb4036c47811c0569a44c32b10329c52fb018b1218e4ed34e6e49ba84"
LEARNT = ("needle", "multi_key", "recall", "majority", "span")  # of tasks.TASKS; see benchmarks/engine/oracle.py


def load(device: torch.device | str = "cpu", dtype: torch.dtype | str | None = None) -> Decoder:
    """The model that comes with the package, see `Decoder.load`: it answers the LEARNT tasks.

    Of `copy` it tells about half of the tokens; `compound_key` and `count` it has not learnt.
    Raises ModelError when the weights are not its own.
    """
    from chunkwise.engine.decoder import Decoder

    checked(WEIGHTS / "model.safetensors", SHA256)
    return Decoder.load(WEIGHTS, device, dtype)


def checked(path: Path, expected: str) -> None:
    """Raises ModelError unless the file has that sha256."""
    try:
        digest = hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise ModelError(f"cannot read {path}: {error.strerror}; install chunkwise again") from error
    if digest != expected:
        raise ModelError(f"{path} has sha256 {digest}, not {expected}: these weights are not used; install again")
