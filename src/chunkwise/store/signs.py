"""Signs: one bit a dimension, for scans that need no more."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt


def signs(vectors: npt.NDArray[Any]) -> npt.NDArray[np.uint64]:
    """Which values of `vectors` [n, d] are above zero; uint64 [n, ceil(d / 64)], the last word filled up with zeros."""
    bits = np.packbits(vectors > 0, axis=1)
    return np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)
