"""Fewer tokens for the same passages: a `Compressor` takes a question, passages and a budget, and gives passages.

extract.py  passages with some of their own text left out, and the map back to their source
recipes.py  truncate
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from chunkwise.budget import Budget
from chunkwise.units import Passage

__all__ = ["Compressor"]

Compressor: TypeAlias = Callable[[str, Sequence[Passage], Budget], list[Passage]]
"""What comes out costs no more than the budget, each passage's `tokens` added up, and stands in the order of what came
in; `parts` tells which of its text stands in the source."""
