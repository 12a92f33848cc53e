"""Slots by count alone: what requests hold for themselves, and blocks of prompts that they share."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

from chunkwise.engine.schedule import Request
from chunkwise.errors import ChunkwiseError


class CountedSlots:
    """The memory of a simulated engine: `total` slots, and a cache of whole blocks of prompts under them.

    A block is found by its id, which stands for all tokens up to its end. It stays while a request holds it, and after
    that until its slots are wanted, the longest unused first. block: tokens.
    """

    def __init__(self, total: int, block: int = 512) -> None:
        self.total, self.block = total, block
        self.private = 0
        self.hits = 0
        self._pinned: dict[Hashable, int] = {}
        self._idle: OrderedDict[Hashable, None] = OrderedDict()
        self._held: dict[int, int] = {}

    @property
    def used(self) -> int:
        """Slots that running requests hold, what they share once."""
        return self.private + len(self._pinned) * self.block

    @property
    def free(self) -> int:
        """Slots that are empty or hold blocks that nobody does."""
        return self.total - self.private - len(self._pinned) * self.block

    def cached(self, request: Request) -> int:
        """First tokens that are in whole blocks of the cache."""
        return self._first(request, idle=True) * self.block

    def shared(self, request: Request) -> int:
        """First tokens in blocks that other running requests hold."""
        held = self._held.get(id(request))
        if held is None:
            return 0 if request.copied else self._first(request, idle=False) * self.block
        alone = (at for at, name in enumerate(request.blocks[:held]) if self._pinned[name] < 2)
        return next(alone, held) * self.block

    def _first(self, request: Request, idle: bool) -> int:
        """How many blocks of a waiting request there are, one token at least left out of them."""
        for at, name in enumerate(request.blocks):
            if name not in self._pinned and not (idle and name in self._idle):
                return min(at, (request.tokens - 1) // self.block)
        return min(len(request.blocks), (request.tokens - 1) // self.block)

    def admit(self, request: Request) -> None:
        """Pin what is cached of a request, or make room for what was copied; `computed` is set to it."""
        if request.copied:
            self._held[id(request)] = 0
            request.computed = request.copied
            self.grow(request.copied)
            return
        held = self._first(request, idle=True)
        for name in request.blocks[:held]:
            self._pin(name)
        self._held[id(request)] = held
        request.computed = held * self.block
        self.hits += request.computed

    def _pin(self, name: Hashable) -> None:
        self._idle.pop(name, None)
        self._pinned[name] = self._pinned.get(name, 0) + 1

    def grow(self, slots: int) -> None:
        """Take slots, from idle blocks where none is empty."""
        self.private += slots
        while self._idle and self.used + len(self._idle) * self.block > self.total:
            self._idle.popitem(last=False)
        if self.used > self.total:
            raise ChunkwiseError(
                f"{self.used:,} slots in use of {self.total:,}: a fault in the scheduler, which must mind Memory.free"
            )

    def publish(self, request: Request) -> None:
        """Make whole computed blocks of a prompt common property; the slots of one that is there already come free."""
        held = self._held[id(request)]
        whole = min(len(request.blocks), min(request.computed, request.prompt_tokens) // self.block)
        if request.copied or whole <= held:
            return
        for name in request.blocks[held:whole]:
            self._pin(name)
        self.private -= (whole - held) * self.block
        self._held[id(request)] = whole

    def release(self, request: Request) -> None:
        """Give up all slots of a request; its blocks stay in the cache."""
        held = self._held.pop(id(request))
        self.private -= request.computed + request.chunk - held * self.block
        for name in reversed(request.blocks[:held]):  # the last go first: nobody finds them without those before
            self._pinned[name] -= 1
            if not self._pinned[name]:
                del self._pinned[name]
                self._idle[name] = None
