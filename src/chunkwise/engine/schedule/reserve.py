"""How many slots are set aside for a request when it is taken in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from chunkwise.engine.schedule.preempt import doubled
from chunkwise.engine.schedule.request import Request


@dataclass(frozen=True)
class Reserve:
    """claim: slots to set aside, 0 where a request takes them as it grows.

    watermark: share of the memory that stays free when a request is taken in beside others, for those to grow.
    """

    claim: Callable[[Request], int]
    watermark: float = 0.0


def paged(watermark: float = 0.01) -> Reserve:
    """Nothing is set aside: as many slots as there are tokens, taken when they come."""
    return Reserve(lambda one: 0, watermark)


def worst_case() -> Reserve:
    """The prompt and as many tokens as it may produce: never too little, mostly too much."""
    return Reserve(lambda one: one.prompt_tokens + one.max_tokens)


def predicted(buckets: int = 10, longest: int = 0) -> Reserve:
    """The prompt and the upper end of the bucket that the expected output falls in; twice that after an overrun.

    longest: what the buckets divide, 0 for each request's own max_tokens.
    """

    def claim(one: Request) -> int:
        width = max(1, -(-(longest or one.max_tokens) // buckets))
        bucket = min(one.max_tokens, max(1, -(-one.expected // width)) * width)
        return one.prompt_tokens + min(one.max_tokens, doubled(bucket, one.produced))

    return Reserve(claim)
