"""The next token: a chain of transforms on the logits, in the order given, and a draw that a seed decides.

transform.py  hotter, colder, struck out     support.py     struck out unless the output matrix proves it
draw.py       numbers to tokens              sampler.py     one request's chain
language.py   what searches stand on         codes.py       many draws, evenly spread
best_first.py a heap of prefixes             beam.py        as wide as its mass asks
superpose.py  drafts in one pass             ratio.py       several models at once
vote.py       which of several answers       funnel.py      all options that apply
recipes.py    what is composed
"""

from __future__ import annotations

from chunkwise.engine.sample.draw import pick, shares, uniform
from chunkwise.engine.sample.sampler import Sampler, transforms
from chunkwise.engine.sample.transform import Transform, chain

__all__ = ["Sampler", "Transform", "chain", "pick", "shares", "transforms", "uniform"]
