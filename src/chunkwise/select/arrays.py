"""Arrays of either kind: NumPy's or torch's."""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np

Array: TypeAlias = Any
"""A NumPy array or a torch tensor; what goes in as the one comes out as the one."""


def namespace(array: Array) -> Any:
    """The array API standard's functions for this kind of array: NumPy itself, or torch as the standard has it."""
    if isinstance(array, np.ndarray):
        return np
    from array_api_compat import array_namespace

    return array_namespace(array)
