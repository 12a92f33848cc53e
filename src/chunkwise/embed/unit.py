"""Vectors to unit length."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from chunkwise.units import Floats


def unit_rows(vectors: npt.ArrayLike) -> Floats:
    """The rows of `vectors` [n, d] at length 1, float32; a row of zeros becomes the last axis.

    The last axis is the one of least variance where the axes are principal components: the least claim a text
    without content can make.
    """
    rows = np.array(vectors, dtype=np.float32)
    lengths = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    nothing = lengths == 0
    rows[nothing, -1] = lengths[nothing] = 1
    rows /= lengths[:, None]
    return rows
