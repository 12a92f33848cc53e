"""Fewer tokens for the same passages: a `Compressor` takes a question, passages and a budget, and gives passages.

unit.py      what is kept or dropped as one              value.py        what a unit is worth
group.py     neighbours that share part of a budget      spend.py        a budget on units, never a token above it
extract.py   text left out or said anew, and the map back to its source
keywords.py  what must survive                           coreference.py  names for pronouns
rewrite.py   a model says a text shorter                 statement.py    lines that know their passages
memory.py    a model keeps a typed memory                digest.py       a model merges digests of neighbours
thought.py   steps of a reasoning trace                  recipes.py      truncate, extract, comi, scope, ...
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeAlias

from chunkwise.budget import Budget
from chunkwise.units import Passage

__all__ = ["Compressor"]

Compressor: TypeAlias = Callable[[str, Sequence[Passage], Budget], list[Passage]]
"""What comes out costs no more than the budget by its own bill, and stands in the order of what came in; `parts` tells
which of its text stands in the source."""
