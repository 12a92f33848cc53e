"""Smoothing: what its surroundings say of an entry, from scores [b, kv_heads, n] to as many."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from chunkwise.engine.kv.compress.element import Element


class Smooth(Element):
    """A rule of smoothing."""

    axis: ClassVar[str] = "smoothing"

    def __call__(self, scores: Tensor, free: Tensor) -> Tensor:
        """Scores among the entries that are free to go; what others score does not leak in."""
        return self._smoothed(scores, free) if scores.shape[-1] else scores

    @abstractmethod
    def _smoothed(self, scores: Tensor, free: Tensor) -> Tensor: ...


@dataclass(frozen=True)
class Pool(Smooth):
    """The mean over `size` neighbours, the entry in their middle; beyond an end they score nothing."""

    size: int = 5

    def _smoothed(self, scores: Tensor, free: Tensor) -> Tensor:
        scores = torch.where(free, scores, 0.0)
        return functional.avg_pool1d(scores, self.size, 1, self.size // 2)[..., : scores.shape[-1]]


@dataclass(frozen=True)
class MaxPool(Smooth):
    """The best of `size` neighbours, the entry in their middle."""

    size: int = 5

    def _smoothed(self, scores: Tensor, free: Tensor) -> Tensor:
        scores = torch.where(free, scores, torch.finfo(scores.dtype).min)
        return functional.max_pool1d(scores, self.size, 1, self.size // 2)[..., : scores.shape[-1]]


@dataclass(frozen=True)
class Shared(Smooth):
    """The mean over heads, so that all heads of a layer keep the same entries as long as they hold the same."""

    def _smoothed(self, scores: Tensor, free: Tensor) -> Tensor:
        return scores.mean(1, keepdim=True).expand_as(scores)
