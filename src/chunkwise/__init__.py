"""Chunkwise: cut the input into units, score them, and let a budget decide which ones get paid for."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"
__all__ = ["Budget", "ChunkwiseError", "Document", "Index", "Pack", "Span", "__version__"]

if TYPE_CHECKING:
    from chunkwise.budget import Budget
    from chunkwise.errors import ChunkwiseError
    from chunkwise.index import Index
    from chunkwise.pack import Pack
    from chunkwise.units import Document, Span

_homes = {
    "Budget": "chunkwise.budget",
    "ChunkwiseError": "chunkwise.errors",
    "Document": "chunkwise.units",
    "Index": "chunkwise.index",
    "Pack": "chunkwise.pack",
    "Span": "chunkwise.units",
}


def __getattr__(name: str) -> Any:
    """Load each public name where it is first used, so that `import chunkwise` costs next to nothing."""
    if name not in _homes:
        raise AttributeError(f"module 'chunkwise' has no attribute {name!r}")
    return getattr(importlib.import_module(_homes[name]), name)
