"""The axes put together: a scheduler decides what a step does, and does nothing itself."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field

from chunkwise.engine.schedule.admit import Order, first_come
from chunkwise.engine.schedule.compose import Compose, stall_free
from chunkwise.engine.schedule.preempt import Preempt, recompute
from chunkwise.engine.schedule.request import Memory, Request, Seat, Step, Work, decoding
from chunkwise.engine.schedule.reserve import Reserve, paged
from chunkwise.engine.schedule.split import Split, by_tokens
from chunkwise.errors import UserError

LONG = 1 << 40  # steps, or slots: as good as no limit


@dataclass(frozen=True)
class Scheduler:
    """Decides one step after the other, the same for a real engine and for a simulated one.

    budget: most tokens in a step; seats: most running requests, never more than the budget, so that every one of them
    can decode in every step; limit: tokens after which a request is cut short, 0 for none.
    """

    budget: int = 2048
    seats: int = 256
    order: Order = field(default_factory=first_come)
    compose: Compose = stall_free
    split: Split = field(default_factory=by_tokens)
    reserve: Reserve = field(default_factory=paged)
    preempt: Preempt = field(default_factory=recompute)
    limit: int = 0

    def __post_init__(self) -> None:
        if self.budget < 1 or self.seats < 1 or self.limit < 0:
            raise UserError(
                f"a step needs a budget and a seat, and a limit is no less than 0: budget={self.budget}, "
                f"seats={self.seats}, limit={self.limit}"
            )
        object.__setattr__(self, "seats", min(self.seats, self.budget))

    def __call__(self, waiting: Sequence[Request], running: Sequence[Request], memory: Memory, now: float) -> Step:
        """The next step; empty when there is nothing to do.

        waiting: sorted by `order.rank`; running: in the order of their admission. Each of them must fit into the memory
        when it is alone there, with its prompt and max_tokens.
        """
        draft = Draft(self, waiting, running, memory)
        self.compose(draft)
        return draft.step()


class Draft:
    """A step that is being made: what is left of the budget and of the memory, and what has been decided.

    Preempting starts with the newest request, or the last in order where the order lets one preempt another. For want
    of memory the first never gives way to others, so in every step someone comes nearer to the end.
    """

    def __init__(
        self, scheduler: Scheduler, waiting: Sequence[Request], running: Sequence[Request], memory: Memory
    ) -> None:
        self.scheduler, self.waiting, self.memory = scheduler, waiting, memory
        limit = scheduler.limit
        self.ended = [one for one in running if limit <= one.produced] if limit else []
        if self.ended:
            running = [one for one in running if one.produced < limit]
        self.running = list(running) if scheduler.order.level is None else sorted(running, key=scheduler.order.rank)
        self.budget = scheduler.budget
        self.free = memory.free + sum(one.computed + one.chunk - memory.shared(one) for one in self.ended)
        self.decodes: list[Request] = []
        self.prompts: list[tuple[Request, int]] = []
        self.admitted: list[Seat] = []
        self.preempted: list[Request] = []
        self.short = False

    def decode(self) -> None:
        """One token for every request that is past its prompt; for want of memory others are preempted."""
        ready = decoding(self.running)[: self.budget]
        overrun = {id(one) for one in ready if one.granted and one.computed >= one.granted}
        if overrun or self.free < len(ready):
            ready = [one for one in ready if self._slot(one, id(one) in overrun)]
        else:
            self.free -= len(ready)
        self.decodes = ready
        self.budget -= len(ready)

    def _slot(self, one: Request, overrun: bool) -> bool:
        """Whether a slot for the next token was found."""
        if any(one is gone for gone in self.preempted):
            return False
        while overrun or self.free < 1:
            self.short = True
            victim = one if overrun else self.running[-1]
            self._drop(victim)
            if victim is one:
                return False
        self.free -= 1
        return True

    def _drop(self, one: Request) -> None:
        self.running.remove(one)
        self.preempted.append(one)
        self.free += one.computed + one.chunk - self.memory.shared(one)

    def prefill(self, most: int = LONG) -> int:
        """Go on with the prompts of at most so many requests that have begun; how many there are."""
        split, begun = self.scheduler.split, 0
        for one in self.running:
            if one.produced and one.prompt_tokens + one.produced - one.computed == 1:
                continue
            if begun == most:
                break
            begun += 1
            tokens = one.chunk or split.tokens(one.left, min(self.budget, self.free), self.scheduler.budget)
            if tokens and tokens <= self.budget:
                self._take(one, tokens, 0 if one.chunk else tokens)
        return begun

    def _take(self, one: Request, tokens: int, slots: int) -> None:
        self.prompts.append((one, tokens))
        self.budget -= tokens
        self.free -= slots

    def admit(self, most: int = LONG) -> int:
        """Take in waiting requests, at most so many, while there are seats, budget and memory; how many.

        Nobody is taken in by a step that had to preempt someone for want of memory.
        """
        scheduler, memory, before = self.scheduler, self.memory, len(self.admitted)
        seats = min(most, scheduler.seats - len(self.running))
        if self.short or not self.waiting or seats < 1 or self.budget < 1 or self.free < 1:
            return 0
        spare, leading = self._spare(), self._leading()
        for one in self.waiting:
            if len(self.admitted) - before >= seats or self.budget < 1 or one.group in leading:
                break
            claim, slots = self._need(one)
            held = one.copied or memory.cached(one)
            tokens = scheduler.split.tokens(one.tokens - held, self.budget, scheduler.budget)
            if slots <= spare and tokens:
                spare -= slots
                self.admitted.append(Seat(one, claim))
                if scheduler.order.awaits and held < one.prefix:
                    leading.add(one.group)
                self._take(one, tokens, held + tokens - self._shared(one))
            elif not scheduler.order.skips:
                break
        return len(self.admitted) - before

    def _leading(self) -> set[Hashable]:
        """Groups whose prefix is being computed, where the others wait for it."""
        if not self.scheduler.order.awaits:
            return set()
        return {one.group for one in self.running if one.computed < one.prefix}

    def _spare(self) -> int:
        """Slots that no running request has been promised, those left out that are to stay free."""
        promised = sum(max(one.granted, one.prompt_tokens + one.produced) - one.computed for one in self.running)
        taken = len(self.decodes) + sum(tokens for one, tokens in self.prompts if not one.chunk)
        open_chunks = sum(one.chunk for one in self.running)
        watermark = int(self.scheduler.reserve.watermark * self.memory.total) if self.running else 0
        return self.free + taken + open_chunks - promised - watermark

    def _need(self, one: Request) -> tuple[int, int]:
        """Slots to set aside for a waiting request, and how many of them, or of those it fills first, are not there."""
        claim = self.scheduler.reserve.claim(one)
        return claim, max(claim, one.tokens) - self._shared(one)

    def _shared(self, one: Request) -> int:
        """Slots that a waiting request finds held by others, none of whom gives them up in this step."""
        return 0 if self.preempted or self.ended else self.memory.shared(one)

    def make_way(self) -> None:
        """Preempt from the last up for waiting requests of a lower level, as many of these as then find a place."""
        level = self.scheduler.order.level
        if level is None:
            return
        spare, seats = self._spare(), self.scheduler.seats - len(self.running)
        for one in self.waiting:
            slots = self._need(one)[1]
            while seats < 1 or slots > spare:
                if not self.running or level(self.running[-1]) <= level(one):
                    return
                last = self.running[-1]
                spare += max(last.granted, last.tokens) - self.memory.shared(last)
                seats += 1
                self._drop(last)
            spare -= slots
            seats -= 1

    def step(self) -> Step:
        """What was decided."""
        work = [one.one for one in self.decodes]
        if self.prompts:
            tokens = sum(count for _, count in self.prompts)
            layers = self.scheduler.split.layers(tokens, self.prompts[0][0].depth)
            work += [Work(one, count, layers) for one, count in self.prompts]
        same = not (self.prompts or self.preempted or self.ended)
        return Step(work, self.admitted, self.preempted, self.ended, self._holds() if same else 1)

    def _holds(self) -> int:
        """For how many steps the decodes can go on as they are."""
        if not self.decodes:
            return 1
        order, limit = self.scheduler.order, self.scheduler.limit
        bounds = [self.memory.free // len(self.decodes)]
        bounds += [one.granted - one.computed for one in self.decodes if one.granted]
        if limit:
            bounds.append(min(limit - one.produced for one in self.decodes))
        if order.level is not None:
            bounds.append(min(order.turn - one.produced % order.turn for one in self.decodes))
        return max(1, min(bounds))
