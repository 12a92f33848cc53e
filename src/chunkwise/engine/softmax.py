"""Softmax in two readings of its input, without looking for the maximum first."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator

import torch
from torch import Tensor

_NONE = -1e30  # the exponent of nothing: finite, so that no difference of two of them is undefined


def two_pass(blocks: Iterable[Tensor]) -> Iterator[Tensor]:
    """The softmax over the last axis of blocks [.., width] that belong one after another, block by block.

    `blocks` is gone through twice. Every e^x is held as m * 2^n with m near 1, and so is the running sum, which can
    neither overflow nor vanish; so there is no third reading for the maximum. NaN where all scores are -inf.
    """
    total, of = torch.zeros(()), torch.full((), _NONE)
    for block in blocks:
        m, n = _pair(block)
        most = torch.maximum(of, n.amax(-1, keepdim=True))
        total = total * torch.exp2(of - most) + (m * torch.exp2(n - most)).sum(-1, keepdim=True)
        of = most
    for block in blocks:
        m, n = _pair(block)
        yield (m * torch.exp2(n - of) / total).to(block.dtype)


def _pair(x: Tensor) -> tuple[Tensor, Tensor]:
    """e^x as m and n; in float64, which holds the difference of x and n ln 2 where float32 loses it for large x."""
    n = torch.round(x.double() / math.log(2))
    m = torch.exp(x.double() - n * math.log(2))
    nothing = x == -math.inf
    return m.masked_fill(nothing, 0), n.masked_fill(nothing, _NONE)
