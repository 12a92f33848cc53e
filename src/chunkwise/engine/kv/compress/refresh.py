"""Refresh: when what is held is brought within the budget."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import ClassVar, NamedTuple

from chunkwise.engine.kv.compress.element import Element


class Moment(NamedTuple):
    """A pass has ended: whether the prompt is whole, whether it came to be so just now, and tokens since the last."""

    whole: bool
    just: bool
    since: int


class Refresh(Element):
    """A rule that says when. reuse: of so many layers that adjoin, the scores of the first serve all."""

    axis: ClassVar[str] = "refresh"
    reuse: int = 1

    def __call__(self, moment: Moment) -> bool:
        """Whether it is time."""
        return self._due(moment)

    @abstractmethod
    def _due(self, moment: Moment) -> bool: ...


@dataclass(frozen=True)
class Once(Refresh):
    """When the prompt is whole, however it was split; what is generated is kept."""

    reuse: int = 1

    def _due(self, moment: Moment) -> bool:
        return moment.just


@dataclass(frozen=True)
class Every(Refresh):
    """When the prompt is whole, then every `tokens`."""

    tokens: int = 1

    def _due(self, moment: Moment) -> bool:
        return moment.just or (moment.whole and moment.since >= self.tokens)


@dataclass(frozen=True)
class EachPass(Refresh):
    """After every pass of the prompt, so that a long one never stands in memory whole; then every `tokens`."""

    tokens: int = 1

    def _due(self, moment: Moment) -> bool:
        return not moment.whole or moment.just or moment.since >= self.tokens
