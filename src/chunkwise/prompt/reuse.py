"""Reuse: what of a prompt an endpoint has read before, and what that saves."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chunkwise.errors import UserError

if TYPE_CHECKING:
    from chunkwise.tokens import Tokenizer


@dataclass(frozen=True, slots=True)
class Prices:
    """What an endpoint asks for a million tokens read, in any one currency, and what it keeps of a prompt.

    fresh, cached: for tokens read for the first time, and again; write: for tokens that are kept for the next prompt,
    where that costs more than reading them (None: as fresh). block, least: the cache holds whole blocks of so many
    tokens, once there are `least` of them; 128 and 1024 are common.
    """

    fresh: float
    cached: float
    write: float | None = None
    block: int = 128
    least: int = 1024

    @classmethod
    def of(cls, told: str) -> Prices:
        """From `fresh,cached`, such as "2.5,0.25". Raises UserError for anything else."""
        try:
            fresh, cached = map(float, told.split(","))
        except ValueError:
            raise UserError(f"{told!r} is not two prices; write --prices 2.5,0.25, for a million tokens") from None
        return cls(fresh, cached)

    def __post_init__(self) -> None:
        if (
            not all(price >= 0 for price in (self.fresh, self.cached, self.write or 0))
            or self.block < 1
            or self.least < 0
        ):
            raise UserError("prices are 0 or more, a block 1 token or more; write fresh=2.5,cached=1.25")


@dataclass(frozen=True, slots=True)
class Reuse:
    """tokens: of the whole prompt; cached: of its beginning that was read before, in whole blocks; saved: money."""

    tokens: int
    cached: int
    saved: float

    @property
    def share(self) -> float:
        """What share of the tokens is cached, in 0 to 1."""
        return self.cached / max(1, self.tokens)


def reuse(prompt: str, earlier: Sequence[str], tokenizer: Tokenizer, prices: Prices = Prices(0, 0)) -> Reuse:
    """What of `prompt` is read from the cache that the `earlier` prompts left, if the endpoint still holds them.

    A token counts as cached where it and all before it are the same in one of them; a prediction: endpoints drop
    caches when they please.
    """
    starts = tokenizer.offsets(prompt).starts
    same = max((_alike(prompt, one) for one in earlier), default=0)
    # A token is the same where the next one begins within what is the same; the last of it may be cut otherwise.
    tokens = len(starts)
    held = tokens if same == len(prompt) else max(0, int((starts <= same).sum()) - 1)
    held -= held % prices.block
    cached = held if held >= prices.least else 0
    written = prices.fresh if prices.write is None else prices.write
    with_cache = cached * prices.cached + (tokens - cached) * written
    return Reuse(tokens, cached, (tokens * prices.fresh - with_cache) / 1e6)


def _alike(one: str, other: str) -> int:
    """How many characters two texts begin with alike."""
    most = min(len(one), len(other))
    return bisect_left(range(1, most + 1), True, key=lambda end: one[:end] != other[:end])
