"""Quota: how a budget is divided among groups."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt


def quotas(sizes: npt.ArrayLike, limit: float, weights: npt.ArrayLike | None = None) -> npt.NDArray[np.float64]:
    """What each of g groups may spend: its share of `limit` by weight, never more than its size; float64 [g].

    What a group cannot use is divided among the others by the same weights, until all is given or all are full.
    weights: [g], none negative, None for equal ones.
    """
    sizes = np.asarray(sizes, dtype=np.float64)
    shares = np.ones(len(sizes)) if weights is None else np.asarray(weights, dtype=np.float64)
    given = np.zeros(len(sizes))
    for _ in range(len(sizes)):
        open_ = (given < sizes) & (shares > 0)
        left = limit - given.sum()
        if left <= 0 or not open_.any():
            break
        offered = np.where(open_, shares, 0)
        offered /= offered.max()  # first, since a share of next to nothing times what is left may be nothing at all
        given = np.minimum(sizes, given + left * (offered / offered.sum()))
    return given
