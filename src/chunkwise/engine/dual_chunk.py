"""Attention over more positions than a model was trained on, with no distance that it has not seen."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from chunkwise.engine.attention import merge, partial
from chunkwise.errors import UserError


def dual_chunk(
    q: Tensor, k: Tensor, v: Tensor, turned: Callable[[Tensor, Tensor], Tensor], size: int, local: int
) -> Tensor:
    """What the last t of n positions hear, causally: q [t, heads, dim], k and v [n, kv_heads, dim], not yet rotated.

    turned: x [t, heads, dim] and its positions [t] -> x rotated by them; size: the largest distance there is to be;
    local: how far across the edge of a chunk distances are true. A chunk is size - local positions. A query hears its
    own chunk by true distances, the chunk before by true distances up to `size`, and all that is older as if it stood
    at that end of things itself, wherever it is in its chunk.
    Raises UserError unless 0 <= local < size.
    """
    if not 0 <= local < size:
        raise UserError(f"chunks of {size} positions cannot be local over {local}; write less for the latter")
    step, t, n = size - local, len(q), len(k)
    if not t:
        return q
    keys = turned(k, torch.arange(n, device=k.device) % step)
    out = torch.empty_like(q)
    for start in range((n - t) // step * step, n, step):
        rows = torch.arange(max(start, n - t), min(start + step, n), device=q.device)
        here = slice(int(rows[0]) - (n - t), int(rows[-1]) + 1 - (n - t))
        heard = [
            (slice(start, int(rows[-1]) + 1), rows % step, True),
            (slice(max(0, start - step), start), (rows % step + step).clamp(max=size), False),
            (slice(0, max(0, start - step)), torch.full_like(rows, min(2 * step - 1, size)), False),
        ]
        parts = [
            partial(*map(_batched, (turned(q[here], positions), keys[slots], v[slots])), causal=causal)
            for slots, positions, causal in heard
            if slots.stop > slots.start
        ]
        out[here] = merge(parts).out[0].transpose(0, 1)
    return out


def _batched(x: Tensor) -> Tensor:
    return x.transpose(0, 1)[None]
