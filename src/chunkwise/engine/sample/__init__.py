"""The next token: a chain of transforms on the logits, in the order given, and a draw that a seed decides.

transform.py  hotter, colder, struck out    draw.py      numbers to tokens
sampler.py    one request's chain           recipes.py   what is composed
"""

from __future__ import annotations

from chunkwise.engine.sample.draw import pick, shares, uniform
from chunkwise.engine.sample.sampler import Sampler, transforms
from chunkwise.engine.sample.transform import Transform, chain

__all__ = ["Sampler", "Transform", "chain", "pick", "shares", "transforms", "uniform"]
