"""Entries: what a layer holds of a sequence, as scores and actions see it."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Entries:
    """Keys and values with what is known of each, in the order of their positions.

    keys, values [b, kv_heads, n, dim]; all others [b, kv_heads, n]: positions int64; weights float32, how many tokens
    an entry stands for; received float32, the attention that it was paid so far, where somebody asked for it; scores
    float32, what it was kept for when last compressed; valid bool, false at the end
    of heads that hold fewer than the longest.
    """

    keys: Tensor
    values: Tensor
    positions: Tensor
    weights: Tensor
    received: Tensor
    scores: Tensor
    valid: Tensor

    @classmethod
    def fresh(cls, keys: Tensor, values: Tensor, positions: Tensor | None = None) -> Entries:
        """Entries of tokens as they come: each stands for itself. positions [n]: 0, 1, ... by default."""
        shape = keys.shape[:3]
        places = torch.arange(shape[2], device=keys.device) if positions is None else positions
        ones = torch.ones(shape, device=keys.device)
        return cls(
            keys, values, places.expand(shape), ones, torch.zeros_like(ones), torch.zeros_like(ones), ones.bool()
        )

    def take(self, index: Tensor, valid: Tensor) -> Entries:
        """The entries at `index` [b, kv_heads, m]; where `valid` is false there is none."""
        deep = index[..., None].expand(*index.shape, self.keys.shape[-1])
        known = (self.positions, self.weights, self.received, self.scores)
        positions, weights, received, scores = (each.gather(2, index) for each in known)
        return Entries(
            self.keys.gather(2, deep), self.values.gather(2, deep), positions, weights, received, scores, valid
        )

    def only(self, kept: Tensor) -> Entries:
        """The entries where `kept` [b, kv_heads, n] holds, in order."""
        kept = kept & self.valid
        counts = kept.sum(-1)
        most = int(counts.max()) if counts.numel() else 0
        index = torch.sort(kept.to(torch.int8), dim=-1, descending=True, stable=True).indices[..., :most]
        return self.take(index, torch.arange(most, device=kept.device) < counts[..., None])
