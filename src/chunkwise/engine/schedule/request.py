"""The words of scheduling: a request, the memory that it competes for, and what a step of the engine is to do."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt


@dataclass(slots=True, eq=False)
class Request:
    """One prompt that asks for tokens.

    prompt_tokens: length of the prompt; max_tokens: most that it may produce; arrival: seconds; priority: the smaller,
    the sooner; group: requests of one group begin alike, by their first `prefix` tokens; predicted: how many tokens
    somebody expects it to produce; prompt: int32 [prompt_tokens], or blocks: ids of its first runs of `block` tokens,
    equal where everything up to there is. Nobody needs either but to find out what begins alike.

    The rest is kept by whoever runs the steps. computed: tokens whose keys and values it holds; produced: tokens out so
    far; granted: slots set aside for it; copied: tokens of which a copy lies outside the memory, which it goes on with
    instead of computing them again; chunk and depth: tokens that are part of the way through the model, and the layers
    they have passed.
    """

    id: int | str
    prompt_tokens: int
    max_tokens: int
    arrival: float = 0.0
    priority: int = 0
    group: Hashable = None
    prefix: int = 0
    predicted: int | None = None
    prompt: npt.NDArray[np.int32] | None = None
    blocks: tuple[Hashable, ...] = ()
    block: int = 512
    computed: int = 0
    produced: int = 0
    granted: int = 0
    copied: int = 0
    chunk: int = 0
    depth: int = 0
    one: Work = field(init=False, repr=False)
    """The work of its next token alone, made once: it is what most steps consist of."""

    def __post_init__(self) -> None:
        self.one = Work(self, 1)

    @property
    def tokens(self) -> int:
        """Tokens that are known: the prompt and what was produced."""
        return self.prompt_tokens + self.produced

    @property
    def left(self) -> int:
        """Known tokens whose keys and values it does not hold; when none is left, one more is produced."""
        return self.prompt_tokens + self.produced - self.computed

    @property
    def expected(self) -> int:
        """Tokens that it is expected to produce: `predicted` where somebody did, or else as many as it may."""
        return self.max_tokens if self.predicted is None else self.predicted


class Memory(Protocol):
    """Slots for keys and values, one a token, as far as a scheduler sees them."""

    @property
    def total(self) -> int:
        """All slots."""

    @property
    def free(self) -> int:
        """Slots that are empty or hold what may be dropped."""

    def cached(self, request: Request) -> int:
        """First tokens of the request that need not be computed; less than all it knows, so that a step is left."""

    def shared(self, request: Request) -> int:
        """First tokens of the request whose slots other running requests hold too, so that they cost it none."""


class Work(NamedTuple):
    """The next `tokens` of a request through the model; layers: through these alone, or None for all."""

    request: Request
    tokens: int
    layers: range | None = None


class Seat(NamedTuple):
    """A request that is taken in, and the slots to set aside for it (0: it takes them as it grows)."""

    request: Request
    slots: int


class Step(NamedTuple):
    """What to do next, in this order: end, preempt, admit, then one pass over all work.

    ended: requests that are cut short; preempted: give up their slots and wait again; admitted: begin with what is
    cached or copied; work: of running and admitted requests. holds: for how many steps in a row this very work would be
    chosen, if no request arrives or ends.
    """

    work: Sequence[Work]
    admitted: Sequence[Seat] = ()
    preempted: Sequence[Request] = ()
    ended: Sequence[Request] = ()
    holds: int = 1


def decoding(requests: Sequence[Request]) -> list[Request]:
    """Those that have the prompt behind them and lack one token only."""
    # Spelt out and not by `left`: this is looked at for every running request in every step.
    return [one for one in requests if one.produced and one.prompt_tokens + one.produced - one.computed == 1]
