"""Budgets: how many of the entries that compete may stay, in each layer and head; the sums are exact."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from chunkwise.engine.kv.compress.element import Element
from chunkwise.select.cut import nucleus


class Budget(Element):
    """A rule that divides what may be kept in all."""

    axis: ClassVar[str] = "budget"

    def __call__(self, scores: Tensor, limit: int) -> Tensor:
        """Counts int64 [layers, b, kv_heads].

        scores [layers, b, kv_heads, n], -inf for what does not compete; limit: entries a head, on average. In every
        batch row the counts sum to layers * kv_heads * limit, or to what there is if that is less; `Mass` may stay
        below.
        """
        return self._counts(scores, limit)

    @abstractmethod
    def _counts(self, scores: Tensor, limit: int) -> Tensor: ...


@dataclass(frozen=True)
class Uniform(Budget):
    """The same for all."""

    def _counts(self, scores: Tensor, limit: int) -> Tensor:
        return (scores > -math.inf).sum(-1).clamp(max=limit)


@dataclass(frozen=True)
class Pyramid(Budget):
    """More for lower layers, evenly falling: the last one gets 1 / `steep` of the first.

    Source: PyramidKV: Dynamic KV Cache Compression based on Pyramidal Information Funneling.
    """

    steep: float = 20.0

    def _counts(self, scores: Tensor, limit: int) -> Tensor:
        layers = scores.shape[0]
        falls = torch.linspace(self.steep, 1, layers, dtype=torch.float64)
        return _by_layer(falls[:, None].expand(layers, scores.shape[1]), scores, limit)


@dataclass(frozen=True)
class Global(Budget):
    """Each layer as many as it has among the best of all layers, at most `most` times the average.

    Source: DynamicKV: Task-Aware Adaptive KV Cache Compression for Long Context LLMs.
    """

    most: float = 10.0

    def _counts(self, scores: Tensor, limit: int) -> Tensor:
        layers, b, kv_heads, n = scores.shape
        flat = scores.transpose(0, 1).reshape(b, -1)
        best = flat.topk(min(layers * kv_heads * limit, flat.shape[-1]), -1)
        owner = torch.where(best.values > -math.inf, best.indices // (kv_heads * n), layers)
        won = torch.zeros(b, layers + 1, dtype=torch.float64).scatter_add_(
            1, owner.cpu(), torch.ones(owner.shape, dtype=torch.float64)
        )
        return _by_layer(won[:, :layers].T, scores, limit, self.most)


@dataclass(frozen=True)
class Mass(Budget):
    """Each layer its best until they hold a share of its score, one and the same share for all, `most` at the most.

    The share is the greatest that the budget affords. scores are not negative; a layer without any counts as even.
    Source: PrefixKV: Adaptive Prefix KV Cache is What Vision Instruction-Following Models Need for Efficient
    Generation.
    """

    most: float = 1.0

    def _counts(self, scores: Tensor, limit: int) -> Tensor:
        layers, b, kv_heads, n = scores.shape
        rooms = (scores > -math.inf).sum(-1).amin(-1)  # [layers, b]
        means = torch.where(scores > -math.inf, scores, 0).clamp(min=0).double().mean(2)
        best = means.sort(-1, descending=True).values
        there = torch.arange(n, device=scores.device) < rooms[..., None]
        best = torch.where(there, best, 0)
        total = best.sum(-1, keepdim=True)
        shares = torch.where(total > 0, best / total, there / rooms[..., None].clamp(min=1))
        # Share that is held before each entry: the lowest ones over all layers are those that one bar lets in.
        before = (shares.cumsum(-1) - shares).masked_fill(~there, math.inf)
        order = before.transpose(0, 1).reshape(b, -1).sort(dim=-1, stable=True).indices[:, : layers * limit]
        let = torch.zeros(b, layers * n, dtype=torch.bool, device=scores.device).scatter_(1, order, True)
        counts = (let.view(b, layers, n).transpose(0, 1) & there).sum(-1)
        enough = nucleus(shares, self.most) if self.most < 1 else rooms
        return torch.minimum(counts, enough)[..., None].expand(layers, b, kv_heads).clone()


@dataclass(frozen=True)
class PerHead(Budget):
    """Heads of a layer compete; each is sure of a share `sure` of the average.

    Source: Ada-KV: Optimizing KV Cache Eviction by Adaptive Budget Allocation for Efficient LLM Inference.
    """

    sure: float = 0.2

    def _counts(self, scores: Tensor, limit: int) -> Tensor:
        layers, b, kv_heads, n = scores.shape
        rank = scores.sort(dim=-1, descending=True, stable=True).indices.argsort(-1)
        first = scores.masked_fill((rank < int(self.sure * limit)) & (scores > -math.inf), math.inf)
        flat = first.reshape(layers, b, -1)
        best = flat.topk(min(kv_heads * limit, flat.shape[-1]), -1)
        owner = torch.where(best.values > -math.inf, best.indices // max(n, 1), kv_heads)
        ones = torch.ones_like(owner)
        return torch.zeros(layers, b, kv_heads + 1, dtype=torch.int64, device=scores.device).scatter_add_(
            2, owner, ones
        )[..., :kv_heads]


def _by_layer(worth: Tensor, scores: Tensor, limit: int, most: float = math.inf) -> Tensor:
    """Counts [layers, b, kv_heads] in proportion to worth [layers, b], alike in all heads of a layer."""
    layers, b, kv_heads, _ = scores.shape
    rooms = (scores > -math.inf).sum(-1).amin(-1)  # what the poorest head has
    caps = rooms if most == math.inf else rooms.clamp(max=int(max(most, 1) * limit))
    counts = [apportion(worth[:, row].tolist(), layers * limit, caps[:, row].tolist()) for row in range(b)]
    return torch.tensor(counts, device=scores.device).T[..., None].expand(layers, b, kv_heads).clone()


def apportion(worth: Sequence[float], total: int, caps: Sequence[int]) -> list[int]:
    """`total` whole things divided in proportion to `worth`, none above its cap, by largest remainders; exact.

    What a cap leaves over goes to the others. Where all worth is nothing it is alike.
    """
    total = min(total, sum(caps))
    given = [0] * len(caps)
    while left := total - sum(given):
        open_ = [at for at, cap in enumerate(caps) if given[at] < cap]
        weight = [max(worth[at], 0.0) for at in open_]
        whole = sum(weight)
        if whole == 0:
            weight, whole = [1.0] * len(open_), float(len(open_))
        parts = [left * one / whole for one in weight]
        more = [int(part) for part in parts]
        spare = left - sum(more)
        for at in sorted(range(len(open_)), key=lambda at: (more[at] - parts[at], at))[:spare]:
            more[at] += 1
        for at, some in zip(open_, more, strict=True):
            given[at] = min(caps[at], given[at] + some)
    return given
