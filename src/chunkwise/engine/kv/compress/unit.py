"""Units: what stays or goes as one. A unit's score is the mean of its entries'."""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from chunkwise.engine.kv.compress.element import Element


class Unit(Element):
    """A rule that cuts the entries which compete into units."""

    axis: ClassVar[str] = "unit"

    def __call__(self, free: Tensor) -> Tensor:
        """The number of each entry's unit, int64 [b, kv_heads, n], ascending; free: the entries that compete."""
        return self._numbers(free)

    @abstractmethod
    def _numbers(self, free: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Token(Unit):
    """Each entry for itself."""

    def _numbers(self, free: Tensor) -> Tensor:
        return torch.arange(free.shape[-1], device=free.device).expand(free.shape)


@dataclass(frozen=True)
class Chunk(Unit):
    """`size` entries that follow each other, of those that compete; the last unit has what is left."""

    size: int = 20

    def _numbers(self, free: Tensor) -> Tensor:
        return (free.cumsum(-1) - 1).clamp(min=0) // self.size


@dataclass(frozen=True)
class Ranked:
    """In which order entries would be kept: protected ones, then units by their scores; of equals the earlier.

    scores float32, priority int64 (0: competes), units int64, all [b, kv_heads, n].
    """

    scores: Tensor
    priority: Tensor
    units: Tensor

    def first(self, counts: Tensor, among: Tensor) -> Tensor:
        """Which entries are kept, bool [b, kv_heads, n], when at most `counts` [b, kv_heads] may be.

        among: those that are there at all. A unit is kept whole or not at all; protected entries are units of one.
        """
        free = among & (self.priority == 0)
        means = mean_by(self.scores, self.units, free)
        number = torch.arange(means.shape[-1], device=means.device)
        by_score = torch.sort(means.masked_fill(~free, -math.inf), dim=-1, descending=True, stable=True).indices
        # Of units that score alike, the earlier one comes whole before the later; sort is stable, members adjoin.
        rank = torch.where(free, 0, torch.where(among, self.priority, -1)).gather(2, by_score)
        order = by_score.gather(2, torch.sort(rank, dim=-1, descending=True, stable=True).indices)
        place = torch.empty_like(order).scatter_(2, order, number.expand_as(order))  # where each entry stands in it
        # A unit's last member decides whether it is in.
        last = place.clone().masked_fill(~free, -1)
        ends = torch.zeros_like(last).scatter_reduce(2, self.units, last, "amax", include_self=False)
        end = torch.where(free, ends.gather(2, self.units), place)
        return among & (end < counts[..., None])


def mean_by(scores: Tensor, units: Tensor, free: Tensor) -> Tensor:
    """Each entry's score replaced by the mean over its unit; NaN counts as the least there is."""
    scores = scores.nan_to_num(nan=torch.finfo(scores.dtype).min)
    sums = torch.zeros_like(scores, dtype=torch.float64).scatter_add_(2, units, torch.where(free, scores, 0).double())
    sizes = torch.zeros_like(sums).scatter_add_(2, units, free.double())
    return (sums / sizes.clamp(min=1)).gather(2, units)
