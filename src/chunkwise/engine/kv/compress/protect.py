"""Protected sets: entries that stay whatever they score."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from chunkwise.engine.kv.compress.element import Element
from chunkwise.engine.kv.compress.entries import Entries

SINK = 1 << 40


class Protect(Element):
    """A rule of protection; `sinks(4) + recent(64)` protects both."""

    axis: ClassVar[str] = "protect"

    def __call__(self, entries: Entries, seen: int) -> Tensor:
        """Priority int64 [b, kv_heads, n] after `seen` tokens, 0 for what competes.

        The greatest comes first where a budget is less than what is protected.
        """
        return self._priority(entries, seen)

    @abstractmethod
    def _priority(self, entries: Entries, seen: int) -> Tensor: ...

    def __add__(self, other: Protect) -> Protect:
        return _Both(self, other)


@dataclass(frozen=True)
class Nothing(Protect):
    """Everything competes."""

    def _priority(self, entries: Entries, seen: int) -> Tensor:
        return torch.zeros_like(entries.positions)


@dataclass(frozen=True)
class Sinks(Protect):
    """The first `tokens` (Efficient Streaming Language Models with Attention Sinks); the first of all before others."""

    tokens: int = 4

    def _priority(self, entries: Entries, seen: int) -> Tensor:
        return torch.where(entries.positions < self.tokens, SINK - entries.positions, 0)


@dataclass(frozen=True)
class Recent(Protect):
    """The last `tokens`, the newest before others."""

    tokens: int = 64

    def _priority(self, entries: Entries, seen: int) -> Tensor:
        return torch.where(entries.positions >= seen - self.tokens, 1 + entries.positions, 0)


@dataclass(frozen=True)
class _Both(Protect):
    one: Protect
    two: Protect

    @property
    def spec(self) -> str:
        return f"{self.one.spec}+{self.two.spec}"

    def _priority(self, entries: Entries, seen: int) -> Tensor:
        return torch.maximum(self.one(entries, seen), self.two(entries, seen))
