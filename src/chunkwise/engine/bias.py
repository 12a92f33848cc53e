"""Biases of attention scores as products of two thin factors, which ride along in the queries and keys."""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from chunkwise.engine.attention import Partial, partial
from chunkwise.errors import UserError


class Factors(NamedTuple):
    """A bias [heads, t, n] of rank r: `q` [heads or 1, t, r] times `k` [heads or 1, n, r], transposed."""

    q: Tensor
    k: Tensor


def alibi(heads: int, t: int, n: int) -> Factors:
    """ALiBi, exactly, in rank 2: minus a head's slope times the distance of the last t of n positions to all n.

    Slopes as in "Train Short, Test Long: Attention with Linear Biases Enables Input Length Extrapolation". Positions
    count from the last one, so that what is near, and matters, is what float32 holds best.
    """
    whole = 2 ** math.floor(math.log2(heads))
    slopes = [2 ** (-8 * (i + 1) / whole) for i in range(whole)]
    slopes += [2 ** (-4 * (2 * i + 1) / whole) for i in range(heads - whole)]
    slope = torch.tensor(slopes)[:, None]
    back = torch.arange(n, dtype=torch.float32) - (n - 1)
    return Factors(
        torch.stack([-slope * back[n - t :], slope.expand(heads, t)], -1),
        torch.stack([torch.ones(n), back], -1)[None],
    )


def truncated(bias: Tensor, rank: int) -> Factors:
    """The nearest factors of that rank to a bias [heads, t, n], by singular values; exact where the rank suffices."""
    if rank < 1:
        raise UserError(f"a bias cannot have rank {rank}; write rank=1 or more")
    left, sizes, right = torch.linalg.svd(bias, full_matrices=False)
    root = sizes[..., None, :rank].sqrt()
    return Factors(left[..., :rank] * root, right.mT[..., :rank] * root)


def factored(q: Tensor, k: Tensor, v: Tensor, bias: Factors, *, causal: bool = False) -> Partial:
    """`partial` with the bias in factors: q [b, heads, t, dim], k and v [b, kv_heads, n, dim].

    The factors are appended to queries and keys, so that no [t, n] bias is ever held. Heads that share keys share
    them still where they share the key factor, as ALiBi's do.
    """
    b, heads, t, dim = q.shape
    scale = 1 / math.sqrt(dim)
    if bias.k.shape[0] > 1 and k.shape[1] != heads:
        k, v = (each.repeat_interleave(heads // each.shape[1], 1) for each in (k, v))
    rank = bias.k.shape[-1]
    asked = torch.cat([q, (bias.q / scale).to(q.dtype).expand(b, heads, t, rank)], -1)
    keys = torch.cat([k, bias.k.to(k.dtype).expand(*k.shape[:3], rank)], -1)
    heard = partial(asked, keys, torch.nn.functional.pad(v, (0, rank)), causal=causal, scale=scale)
    return Partial(heard.out[..., :dim], heard.lse)
