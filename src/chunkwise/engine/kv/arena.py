"""Slots for the keys and values of tokens, given out as few long runs, and the tensors that they number."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple

from chunkwise.errors import ChunkwiseError

if TYPE_CHECKING:
    import torch


class ArenaFull(ChunkwiseError, MemoryError):
    """More slots were asked for than can be had."""


class Extent(NamedTuple):
    """Slots start, start + 1, ..., stop - 1."""

    start: int
    stop: int


def count(extents: Iterable[Extent]) -> int:
    """Slots in all."""
    return sum(stop - start for start, stop in extents)


def cut(extents: Iterable[Extent], at: int) -> tuple[list[Extent], list[Extent]]:
    """The first `at` slots, in order, and the rest."""
    head: list[Extent] = []
    tail: list[Extent] = []
    for start, stop in extents:
        middle = min(start + at, stop)
        if start < middle:
            head.append(Extent(start, middle))
        if middle < stop:
            tail.append(Extent(middle, stop))
        at -= middle - start
    return head, tail


def join(extents: Iterable[Extent]) -> list[Extent]:
    """The same slots in the same order, as few extents as can be."""
    joined: list[Extent] = []
    for extent in extents:
        if joined and joined[-1].stop == extent.start:
            joined[-1] = Extent(joined[-1].start, extent.stop)
        else:
            joined.append(extent)
    return joined


class Slots:
    """Slots 0, 1, ..., total - 1, given out and taken back as extents. It holds no tensors.

    Free extents lie in two sorted lists, by start and by size, and none borders on another. An operation finds its
    place in O(log n) of them; keeping a list in order moves pointers, which shows from some ten thousand free extents
    on. The same calls give the same slots.
    """

    def __init__(self, total: int) -> None:
        self.total = total
        self._open = _Runs()
        self._kept = _Runs()  # free as well, but behind a run that is to grow there
        if total:
            self._open.add(0, total)

    @property
    def free_slots(self) -> int:
        """How many can be had, those set aside among them."""
        return self._open.slots + self._kept.slots

    def allocate(self, n: int, after: int | None = None, reserve: int = 0) -> list[Extent]:
        """`n` slots, in as few extents as there are free ones for.

        after: the last slot of a run that is to grow: right behind it, if they fit there. Else they are cut from the
        smallest free extent that they fit into, else from several, the largest first. reserve: that many more are set
        aside behind them, so that the run can grow where it lies. Slots set aside are still free: when no others are,
        the largest room gives up its far half, or more if need be. Each call with `after` says anew how many it needs;
        n=0 with reserve=0 sets none aside any longer.
        Raises ArenaFull when fewer than `n` are free; nothing is given then.
        """
        if n > self.free_slots:
            raise ArenaFull(
                f"{n:,} slots asked for, {self.free_slots:,} of {self.total:,} are free; wait until a sequence ends, "
                "or make the arena larger"
            )
        if after is not None:
            if after + 1 in self._kept.stops:
                self._unite(after + 1, self._kept.take(after + 1))
            if self._open.stops.get(after + 1, 0) - (after + 1) >= n:
                return self._carve(after + 1, n, reserve)
        given: list[Extent] = []
        while n:
            if not self._open.slots:
                self._give_up(n)
            start = self._open.fitting(n + reserve)
            given += self._carve(start, min(n, self._open.stops[start] - start), reserve)
            n -= given[-1].stop - given[-1].start
        return given

    def free(self, extents: Iterable[Extent]) -> None:
        """Take slots back. What was set aside behind a run is free for all once the run's last slot is.

        Raises ChunkwiseError for slots that do not exist or are free already: whoever holds them now would lose them.
        """
        for start, stop in extents:
            if not 0 <= start < stop <= self.total or self._open.meets(start, stop) or self._kept.meets(start, stop):
                raise ChunkwiseError(f"slots {start:,} to {stop:,} of {self.total:,} are freed, but nobody holds them")
            self._unite(start, self._kept.take(stop) if stop in self._kept.stops else stop)

    def _carve(self, start: int, n: int, reserve: int) -> list[Extent]:
        """The first `n` slots of the open extent at `start`, `reserve` behind them set aside as far as it goes."""
        stop = self._open.take(start)
        middle, room = start + n, min(start + n + reserve, stop)
        if middle < room:
            self._kept.add(middle, room)
        if room < stop:
            self._open.add(room, stop)
        return [Extent(start, middle)] if n else []

    def _give_up(self, n: int) -> None:
        """Of what is set aside, the far end of the largest room is free for all: half of it, or `n` slots if more."""
        start = self._kept.fitting(self.total)
        stop = self._kept.take(start)
        middle = max(start, min((start + stop) // 2, stop - n))
        if start < middle:
            self._kept.add(start, middle)
        self._unite(middle, stop)

    def _unite(self, start: int, stop: int) -> None:
        """One more open extent, joined with the open ones that it borders on."""
        if stop in self._open.stops:
            stop = self._open.take(stop)
        before = self._open.before(start)
        if before is not None and self._open.stops[before] == start:
            self._open.take(before)
            start = before
        self._open.add(start, stop)

    def check(self, held: Sequence[Extent] = ()) -> None:
        """Raise AssertionError unless free extents and `held` ones are disjoint, and the free ones kept as they should.

        held: extents known to be given out; the rest of the slots is anybody's.
        """
        free = [Extent(*run) for runs in (self._open, self._kept) for run in runs.stops.items()]
        every = sorted([*free, *held])
        assert all(one.stop <= two.start for one, two in pairwise(every)), "extents overlap"
        assert all(0 <= start < stop <= self.total for start, stop in every), "an extent lies outside"
        assert not set(self._open.stops) & set(self._open.stops.values()), "open extents border on each other"
        for runs in (self._open, self._kept):
            assert runs.starts == sorted(runs.stops)
            assert runs.sizes == sorted((stop - start, start) for start, stop in runs.stops.items())
            assert runs.slots == count(Extent(*run) for run in runs.stops.items())


class _Runs:
    """Extents that do not overlap, by start and by size."""

    def __init__(self) -> None:
        self.slots = 0
        self.stops: dict[int, int] = {}
        self.starts: list[int] = []
        self.sizes: list[tuple[int, int]] = []  # (size, start), so that ties go to the lowest

    def add(self, start: int, stop: int) -> None:
        self.stops[start] = stop
        self.slots += stop - start
        insort(self.starts, start)
        insort(self.sizes, (stop - start, start))

    def take(self, start: int) -> int:
        """Forget the extent that begins there; where it ended."""
        stop = self.stops.pop(start)
        self.slots -= stop - start
        del self.starts[bisect_left(self.starts, start)]
        del self.sizes[bisect_left(self.sizes, (stop - start, start))]
        return stop

    def fitting(self, n: int) -> int:
        """Where the smallest extent of at least `n` slots begins, or the largest if all are smaller."""
        return self.sizes[min(bisect_left(self.sizes, (n, -1)), len(self.sizes) - 1)][1]

    def before(self, start: int) -> int | None:
        """Where the last extent begins that begins before `start`."""
        at = bisect_left(self.starts, start)
        return self.starts[at - 1] if at else None

    def meets(self, start: int, stop: int) -> bool:
        """Whether some extent has a slot of these."""
        at = bisect_right(self.starts, stop - 1)
        return at > 0 and self.stops[self.starts[at - 1]] > start


class Arena(Slots):
    """Slots and their tensors: `keys[layer]` and `values[layer]`, each [kv_heads, slots, dim], allocated once.

    dtype: float32 by default; device: where they lie. On a CPU the system gives a page of memory when it is first
    written, so an arena costs what was ever used of it. `bytes_per_slot` is 2 * layers * kv_heads * dim * itemsize,
    `bytes` that times the slots.
    Raises ArenaFull when the device has not got so much.
    """

    def __init__(
        self,
        slots: int,
        *,
        layers: int,
        kv_heads: int,
        dim: int,
        dtype: torch.dtype | None = None,
        device: torch.device | str = "cpu",
    ) -> None:
        import torch

        super().__init__(slots)
        self.shape = (layers, kv_heads, dim)
        self.dtype, self.device = dtype or torch.float32, torch.device(device)
        self.bytes_per_slot = 2 * layers * kv_heads * dim * self.dtype.itemsize
        self.bytes = self.bytes_per_slot * slots
        try:
            self.keys, self.values = (
                [torch.empty(kv_heads, slots, dim, dtype=self.dtype, device=self.device) for _ in range(layers)]
                for _ in range(2)
            )
        except RuntimeError as error:  # torch.OutOfMemoryError is one
            raise ArenaFull(
                f"{slots:,} slots take {self.bytes / 1e9:,.1f} GB on {self.device}, which it has not got; ask for fewer"
            ) from error

    def read(self, extents: Sequence[Extent]) -> torch.Tensor:
        """A copy of the keys and values in these slots, [2, layers, kv_heads, tokens, dim]."""
        import torch

        layers, kv_heads, dim = self.shape
        copy = torch.empty(2, layers, kv_heads, count(extents), dim, dtype=self.dtype, device=self.device)
        for slots, rows in self._pairs(extents, copy):
            rows.copy_(slots)
        return copy

    def write(self, extents: Sequence[Extent], kv: torch.Tensor) -> None:
        """Put keys and values, shaped as `read` gives them, into these slots."""
        for slots, rows in self._pairs(extents, kv):
            slots.copy_(rows)

    def _pairs(self, extents: Sequence[Extent], kv: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
        """Views of the slots, extent by extent and layer by layer, each with the view of its rows in `kv`."""
        at = 0
        for start, stop in extents:
            for half, tensors in zip(kv, (self.keys, self.values), strict=True):
                for rows, slots in zip(half, tensors, strict=True):
                    yield slots[:, start:stop], rows[:, at : at + stop - start]
            at += stop - start
